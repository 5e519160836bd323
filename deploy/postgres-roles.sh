#!/usr/bin/env bash
# What Compose's PostgreSQL runs once, with a new volume: makes the role of the service, and gives the role that
# DATABASE_URL names the password that stands there.
set -euo pipefail
as_superuser=(psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname peerprep_users)

"${as_superuser[@]}" <<'SQL'
CREATE ROLE peerprep_user LOGIN PASSWORD 'admin';
ALTER DATABASE peerprep_users OWNER TO peerprep_user;
SQL

url=${DATABASE_URL:-$(cat "$DATABASE_URL_FILE")}
if [[ $url =~ ://(peerprep_user|postgres):([^@/]+)@postgres[:/] ]]; then # another host has roles of its own
    password=${BASH_REMATCH[2]//\\/\\\\}
    password=$(printf '%b' "${password//%/\\x}")
    "${as_superuser[@]}" --set "role=${BASH_REMATCH[1]}" --set "password=$password" \
        <<<"ALTER ROLE :\"role\" PASSWORD :'password';"
fi

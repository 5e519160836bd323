"""Fills a migrated database with attempts, by SQL: ten million take some minutes. Its users cannot sign in.

They are of a year, in the order in which they would have come, so that each user's are all over the table. The first
user has a hundredth of them, the second a thousandth, the others a hundred each.
"""

from django.db import connection, transaction
from tqdm import tqdm

from attempts.flows.stats import RECOUNT, STATUS_COLUMNS
from core.postgresql import limit_statements

AT_ONCE = 200_000
USER_ID = "md5('user ' || {})::uuid"
SHARES = "CASE WHEN dice < 0.0102 THEN 1 WHEN dice < 0.01125 THEN 2 ELSE 3 + n * 7919 %% (%(users)s - 2) END"
FILL_USERS = f"""
INSERT INTO users (id, email, password_hash, name, role, is_verified, is_active, created_at, updated_at)
SELECT {USER_ID.format("n")}, 'user' || n || '@example.com', '!', 'User ' || n, 'USER', true, true, now(), now()
FROM generate_series(1, %(users)s) n
ON CONFLICT DO NOTHING
"""
# Ids as of UUIDv7, which begin with the time.
FILL_ATTEMPTS = f"""
INSERT INTO attempts (
    id, user_id, question_id, language, submitted_code, passed_tests, total_tests, runtime_ms, created_at
)
SELECT
    encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
        substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid,
    {USER_ID.format(SHARES)},
    1 + floor(3000 * random() ^ 2),
    (ARRAY['python', 'java', 'cpp', 'javascript', 'go', 'csharp'])[1 + floor(6 * random() ^ 2)],
    repeat(md5(n::text), 6),
    CASE WHEN random() < 0.35 THEN 5 ELSE n %% 5 END, 5, 20, at
FROM (
    SELECT n, random() AS dice, now() - interval '1 year' * (1 - n / %(total)s::float) AS at
    FROM generate_series(%(first)s::bigint, %(last)s) n
) made
ORDER BY n
"""
FILL_STATUSES = f"INSERT INTO user_question_status ({STATUS_COLUMNS}) {RECOUNT} ORDER BY first_attempt_at"


def fill_up_to(total: int) -> None:
    """Adds attempts until there are so many, and a user for each hundred; the statuses are counted."""
    limit_statements(connection, None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM attempts")
        [stored] = cursor.fetchone()
        facts = {"users": total // 100, "total": total}
        cursor.execute(FILL_USERS, facts)
        with tqdm(total=total, initial=stored, unit=" attempts", unit_scale=True) as progress:
            for before in range(stored, total, AT_ONCE):
                last = min(before + AT_ONCE, total)
                with transaction.atomic():
                    cursor.execute("SET LOCAL session_replication_role = replica")  # checks no foreign keys
                    cursor.execute(FILL_ATTEMPTS, {**facts, "first": before + 1, "last": last})
                progress.update(last - before)
        print("Counting the statuses", flush=True)
        with transaction.atomic():
            cursor.execute("SET LOCAL work_mem = '256MB'")
            cursor.execute("TRUNCATE user_question_status")
            everyone = {"first": "00000000-0000-0000-0000-000000000000", "last": "ffffffff-ffff-ffff-ffff-ffffffffffff"}
            cursor.execute(FILL_STATUSES, everyone)
        cursor.execute("VACUUM ANALYZE")

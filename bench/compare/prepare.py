"""Fills the database of a comparison, and writes the requests and the recorded statements into a folder.

`python -m bench.compare.prepare FOLDER`; it runs in the environment of the service.
"""

import argparse
import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")

import django

django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Session, User  # noqa: E402
from accounts.tokens.jwt import AccessToken, RefreshToken  # noqa: E402
from attempts.flows.stats import count_statuses  # noqa: E402
from attempts.models import Attempt  # noqa: E402
from bench.compare.calls import ATTEMPT, CALLS, PASSWORD, QUESTION, Request, write  # noqa: E402
from bench.statements import Recording, recorded  # noqa: E402
from core.postgresql import limit_statements  # noqa: E402

USERS, ATTEMPTS, CALLERS = 2_000, 100, 300

FILL_USERS = """
INSERT INTO users (id, email, password_hash, name, role, is_verified, is_active, created_at, updated_at)
SELECT gen_random_uuid(), 'user' || n || '@example.com', %s, 'User ' || n, 'USER', true, true, now(), now()
FROM generate_series(1, %s) n
"""
# A history of half a year, a third of it solved, with up to three attempts at a question.
FILL_ATTEMPTS = """
INSERT INTO attempts (
    id, user_id, question_id, language, submitted_code, passed_tests, total_tests, runtime_ms, created_at
)
SELECT gen_random_uuid(), users.id, 1 + n / 2 %% 40, 'python', repeat(E'print(42)\\n', 20), 3 + n %% 3, 5, 20,
    now() - n * interval '43 hours' - random() * interval '1 hour'
FROM users, generate_series(1, %s) n
"""


def fill(users: int, attempts: int) -> None:
    limit_statements(connection, None)
    with connection.cursor() as cursor:
        cursor.execute(FILL_USERS, [make_password(PASSWORD), users])
        cursor.execute(FILL_ATTEMPTS, [attempts])
        count_statuses(UUID(int=0), UUID(int=2**128 - 1))
        cursor.execute("VACUUM ANALYZE")


def new_sessions(users: list[User], count: int) -> list[Session]:
    now = timezone.now()
    expires = now + django.conf.settings.SESSION_MAX
    made = [Session(user=users[n % len(users)], rotated_at=now, expires_at=expires) for n in range(count)]
    return Session.objects.bulk_create(made)


def requests_of(name: str, sessions: list[Session], question: int = QUESTION) -> list[Request]:
    """A request of the call for each of the sessions."""
    call = CALLS[name]
    tokens = [str(AccessToken.of_session(session, session.user)) if call.signed_in else "" for session in sessions]
    users = [session.user_id for session in sessions]
    paths = [call.path] * len(sessions)
    if name == "attempt":
        shown = dict(Attempt.objects.filter(user__in=users).values_list("user", "id"))
        paths = [call.path.format(attempt_id=shown[user]) for user in users]
    bodies = [json.dumps(body) if (body := body_of(name, session, question)) else "" for session in sessions]
    return [Request(call.method, *rest) for rest in zip(paths, tokens, bodies, strict=True)]


def body_of(name: str, session: Session, question: int) -> Any:
    match name:
        case "record":
            return {"question_id": question, **ATTEMPT}
        case "login":
            return {"email": session.user.email, "password": PASSWORD}
        case "refresh":
            return {"refresh_token": str(RefreshToken.of_session(session, session.user))}
    return None


# --- Recording ------------------------------------------------------------------------------------------------------

RECORDED_QUESTION = 1_999_999_999  # no other number in a statement


def facts_of(name: str, session: Session, request: Request) -> dict[str, Any]:
    """What varies between requests of the call."""
    facts = {
        "user_id": session.user_id,
        "session_id": session.pk,
        "email": session.user.email,
        "token_id": session.refresh_id,
        "question_id": RECORDED_QUESTION,
    }
    return facts | ({"attempt_id": UUID(request.path.rpartition("/")[2])} if name == "attempt" else {})


def record(name: str, session: Session) -> Recording:
    """The call, recorded when it is made for the second time, since the first one may fill caches."""
    client = Client()
    send(client, requests_of(name, [session], RECORDED_QUESTION)[0])
    session.refresh_from_db()
    [request] = requests_of(name, [session], RECORDED_QUESTION)
    at = datetime.now(UTC)
    with recorded() as statements:
        answer = send(client, request)
    assert statements or name == "healthz", f"nothing was recorded of {name}"
    return Recording.of(statements, facts_of(name, session, request), at, answer)


def send(client: Client, request: Request) -> Any:
    headers = {"Authorization": f"Bearer {request.token}"} if request.token else {}
    answer = client.generic(request.method, request.path, request.body, "application/json", headers=headers)
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calls", required=True, help="their names, separated by commas")
    parser.add_argument("--refreshes", type=int, default=0, help="how many sessions to start for refreshing")
    options = parser.parse_args()
    fill(USERS, ATTEMPTS)
    users = list(User.objects.order_by("id")[:CALLERS])
    sessions = new_sessions(users, CALLERS)
    for name in options.calls.split(","):
        used = new_sessions(users, options.refreshes) if name == "refresh" else sessions
        write(options.folder / name, requests_of(name, used))
    recordings = {name: record(name, new_sessions(users, 1)[0]) for name in options.calls.split(",")}
    (options.folder / "recordings").write_bytes(pickle.dumps(recordings))


if __name__ == "__main__":
    main()

"""The least that a server in Python does for the same calls: the service's statements, bare WSGI, and no framework.

The token is verified (signature, expiry, issuer) by PyJWT, the statements are those that the service executes for the
call, prepared, and the answer has the service's keys, rendered by orjson. There is no login: what Argon2id alone
allows is its floor. gunicorn serves it: see `bench/compare/servers.py`.
"""

import os
import pickle
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt
import orjson
import psycopg

from bench.statements import Recording, replay

SECRET = os.environ["SECRET_KEY"]
ISSUER = "user-service"
RECORDINGS = pickle.loads(Path(os.environ["RECORDINGS"]).read_bytes())
PATHS = {
    ("GET", "/users/me"): "me",
    ("GET", "/users/is-admin"): "is-admin",
    ("GET", "/api/v1/attempts/me"): "list",
    ("GET", "/api/v1/attempts/me/summary"): "summary",
    ("POST", "/api/v1/attempts/"): "record",
    ("POST", "/auth/refresh"): "refresh",
}
local = threading.local()


class Refused(Exception):
    """The token is invalid, or what it names is not there."""


def connection() -> psycopg.Connection[Any]:
    """The thread's own, which it keeps."""
    if not hasattr(local, "connection"):
        local.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
    return local.connection


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    try:
        status, answer = "200 OK", orjson.dumps(respond(environ), option=orjson.OPT_UTC_Z)
    except (Refused, jwt.InvalidTokenError):
        status, answer = "401 Unauthorized", b"{}"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response(status, headers)
    return [answer]


def respond(environ: dict[str, Any]) -> Any:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path == "/healthz":
        return {"ok": True}
    name = PATHS.get((method, path), "attempt")
    body = orjson.loads(environ["wsgi.input"].read()) if method == "POST" else {}
    claims = verified(body["refresh_token"] if name == "refresh" else environ["HTTP_AUTHORIZATION"][len("Bearer ") :])
    facts = {
        "user_id": UUID(claims["sub"]),
        "session_id": UUID(claims["sid"]),
        "token_id": UUID(claims["jti"]),
        "email": claims["email"],
        "question_id": body.get("question_id"),
        "attempt_id": UUID(path.rpartition("/")[2]) if name == "attempt" else None,
    }
    recording = RECORDINGS[name]
    values = recording.values_for(facts)
    found = replay(connection(), recording, values)
    if not all(rows for rows, statement in zip(found, recording.statements, strict=True) if statement.rows):
        raise Refused
    return ANSWERS.get(name, one_row)(Call(claims, body, values, found, recording))


class Call(NamedTuple):
    claims: dict[str, Any]
    body: dict[str, Any]
    values: dict[Any, Any]
    found: list[list[tuple[Any, ...]]]
    recording: Recording

    def rows(self, statement: int) -> list[dict[str, Any]]:
        columns = self.recording.statements[statement].columns
        return [dict(zip(columns, row, strict=True)) for row in self.found[statement]]

    def new(self, key: str) -> UUID:
        """The id that stands for the one that the service made up and answered."""
        return self.values[UUID(self.recording.answer[key])]


def me(call: Call) -> Any:
    user = call.rows(0)[0]
    return {"id": call.claims["sub"], "email": user["email"], "name": user["name"], "role": user["role"]}


def is_admin(call: Call) -> Any:
    return {"is_admin": call.rows(0)[0]["role"] == "ADMIN"}


def one_row(call: Call) -> Any:
    return call.rows(-1)[0]


def many_rows(call: Call) -> Any:
    columns = call.recording.statements[-1].columns[:-1]  # without the total, which is a header in our answer
    return [dict(zip(columns, row, strict=False)) for row in call.found[-1][:20]]


def recorded_attempt(call: Call) -> Any:
    shown = {key: call.body[key] for key in ("question_id", "language", "passed_tests", "total_tests")}
    solved = 0 < shown["total_tests"] == shown["passed_tests"]
    return {"id": call.new("id"), **shown, **call.rows(-1)[0], "is_solved": solved}


def refreshed(call: Call) -> Any:
    token_id = str(call.new("refresh_token_id"))
    return {
        "access_token": signed(call.claims, "access", str(uuid4()), timedelta(minutes=15)),
        "refresh_token": signed(call.claims, "refresh", token_id, timedelta(days=7)),
        "refresh_token_id": token_id,
        "token_type": "bearer",
    }


ANSWERS = {"me": me, "is-admin": is_admin, "list": many_rows, "record": recorded_attempt, "refresh": refreshed}


def verified(token: str) -> dict[str, Any]:
    return jwt.decode(token, SECRET, algorithms=["HS256"], issuer=ISSUER, options={"require": ["exp", "iss"]})


def signed(claims: dict[str, Any], kind: str, token_id: str, lasts: timedelta) -> str:
    now = datetime.now(UTC)
    return jwt.encode({**claims, "type": kind, "jti": token_id, "iat": now, "exp": now + lasts}, SECRET)

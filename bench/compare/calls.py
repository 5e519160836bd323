"""The calls that are measured. Their requests are in files, one a line: method, path, access token, body."""

from pathlib import Path
from typing import NamedTuple

ATTEMPT = {"language": "python", "submitted_code": "print(42)\n" * 20, "passed_tests": 4, "total_tests": 5}
QUESTION = 1_000_000  # of the attempts that are recorded; the histories know none like it
PASSWORD = "correct horse battery"
LOGINS_AT_ONCE = 8  # a few for each hash that the processors make at once; many more would be told to come again


class Call(NamedTuple):
    method: str
    path: str
    signed_in: bool = True


COMPARED = {
    "healthz": Call("GET", "/healthz", signed_in=False),
    "me": Call("GET", "/users/me"),
    "is-admin": Call("GET", "/users/is-admin"),
    "summary": Call("GET", "/api/v1/attempts/me/summary"),
    "list": Call("GET", "/api/v1/attempts/me?limit=20"),
    "attempt": Call("GET", "/api/v1/attempts/{attempt_id}"),
    "record": Call("POST", "/api/v1/attempts/"),
    "refresh": Call("POST", "/auth/refresh", signed_in=False),
    "login": Call("POST", "/auth/login", signed_in=False),
}
CALLS = COMPARED | {
    "questions": Call("GET", "/api/v1/attempts/me/questions?limit=50"),
    "activity": Call("GET", "/api/v1/attempts/me/activity?tz=Asia/Singapore"),
    "statistics": Call("GET", "/api/v1/attempts/me/statistics"),
    "logout": Call("POST", "/auth/logout"),
}


class Request(NamedTuple):
    method: str
    path: str
    token: str = ""
    body: str = ""


def write(file: Path, requests: list[Request]) -> None:
    file.write_text("".join("\t".join(request) + "\n" for request in requests))


def read(file: Path) -> list[Request]:
    return [Request(*line.split("\t")) for line in file.read_text().splitlines()]

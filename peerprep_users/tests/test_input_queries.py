"""Queries and paths that do not validate: 422 that names the parameter; odd ones that do are understood."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from accounts.tokens.jwt import verification_token
from attempts.models import Attempt
from conftest import Api, Person
from peerprep_users.tests.calls import ATTEMPT, UNKNOWN_ID, places, refused

LIST = "/api/v1/attempts/me"
QUESTIONS, ACTIVITY, EXPORT = f"{LIST}/questions", f"{LIST}/activity", f"{LIST}/export"
BAD_INTEGERS = [
    "",
    "x",
    "-1",
    "1.5",
    "1.",
    ".0",
    "1e1",
    "0x1",
    "1_0",
    " 1",
    "1 ",
    "+1",
    "%2B1",
    "--1",
    "\u0661",
    "\uff11",
    "\u00b2",
    "true",
    "null",
    "None",
    "NaN",
    "Infinity",
    "[1]",
    "1,2",
    "1\0",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1" + "0" * 30,
    "9" * 5_000,
    "%ff",
]
BAD_TIMES = [
    "",
    "x",
    "0",
    "1764547200",
    "now",
    "12:00:00",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-24T25:00:00Z",
    "2026-11-24T12:00:61Z",
    "2026-11-24T12:00:00+99:99",
    "2026-11-24T12:00:00 Europe/Paris",
    "10000-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "-2026-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "\u0662\u0660\u0662\u0666-11-24T12:00:00Z",
    "2026-11-24T12:00:00Z\0",
    "2026-11-24T12:00:00Z" + "0" * 5_000,
]
BAD_CURSORS = [
    "x",
    "null",
    "0",
    "A" * 31,
    "A" * 33,
    "A" * 64,
    "A" * 10_000,
    "A" * 31 + "=",
    "A" * 31 + "+",
    "A" * 31 + "\u0661",
    "A" * 31 + "\0",
    "A" * 4 + " " + "A" * 27,
    "g" + "A" * 31,  # a time before the calendar begins
    "f" + "_" * 31,  # and one after it ends
    "%ff",
    "%ed%a0%80",
]
BAD_ZONES = [
    "x",
    "0",
    "utc+1",
    "Asia",
    "Asia/",
    "asia/singapore",
    "Asia/Singapore/x",
    "/Asia/Singapore",
    "/etc/passwd",
    "../../etc/passwd",
    "Asia/../UTC",
    "Asia/Singapore\0",
    "\0",
    "+08:00",
    "posixrules",
    "tzdata.zi",
    "A" * 10_000,
    "\u0661",
    "%ff",
    "%ed%a0%80",
]
BAD = {
    "limit": [*BAD_INTEGERS, "0", "201"],
    "offset": BAD_INTEGERS,
    "question_id": [*BAD_INTEGERS, "0"],
    "language": ["x" * 65, "a\0b", "\0", "\N{REPLACEMENT CHARACTER}"],
    "solved": ["", "x", "2", "-1", "yes", "on", "null", "None", "t rue", "true\0", "tru\u0435", "\u0661"],
    "since": BAD_TIMES,
    "until": BAD_TIMES,
    "cursor": [*BAD_CURSORS, "AAAAAA"],
}
BAD_OF = {
    LIST: BAD,
    QUESTIONS: {"limit": BAD["limit"], "cursor": [*BAD_CURSORS, "A" * 32, "AAAAA", "_____w", "gAAAAA", "AAAAAB"]},
    ACTIVITY: {"tz": BAD_ZONES, "days": [*BAD_INTEGERS, "0", "367"]},
    EXPORT: {"format": ["", "x", "JSON", "xml", "json,csv", "json\0", " json", "\u0661", "%ff", "j" * 10_000]},
}
BAD_IDS = [
    "x",
    "1",
    "null",
    "%00",
    f"{UNKNOWN_ID}%00",
    f"%00{UNKNOWN_ID[1:]}",
    "%20",
    f"%20{UNKNOWN_ID}",
    f"{UNKNOWN_ID}%0A",
    UNKNOWN_ID.replace("-", ""),
    f"%7B{UNKNOWN_ID}%7D",
    f"urn:uuid:{UNKNOWN_ID}",
    UNKNOWN_ID[:-1],
    UNKNOWN_ID + "0",
    "g" + UNKNOWN_ID[1:],
    quote("\u0661" * 8 + UNKNOWN_ID[8:]),
    "%ff",
    "%ed%a0%80",
    "..",
    "9" * 5_000,
]
BY_ID = [("GET", "/api/v1/attempts/", "attempt_id"), ("DELETE", "/auth/sessions/", "session_id")]


def escaped(value: str) -> str:
    return value if value.startswith("%") else quote(value, safe="")


@pytest.fixture
def attempts(alice: Person) -> list[str]:
    """Ids of three attempts, newest first."""
    return [alice.api.post("/api/v1/attempts", {**ATTEMPT, "question_id": n}).json()["id"] for n in (1, 2, 3)][::-1]


def listed(person: Person, query: str) -> list[str]:
    answer = person.api.get(f"{LIST}?{query}")
    assert answer.status_code == 200, answer.content
    return [attempt["id"] for attempt in answer.json()]


@pytest.mark.any_database
@pytest.mark.parametrize(("path", "name"), [(path, name) for path, bad in BAD_OF.items() for name in bad])
def test_it_refuses_a_bad_parameter(alice: Person, path: str, name: str) -> None:
    for value in BAD_OF[path][name]:
        problems = refused(alice.api, "GET", f"{path}?{name}={escaped(value)}")
        assert places(problems) == {("query", name)}, value
        assert all(problem["msg"].startswith(f"{name} ") for problem in problems), value


@pytest.mark.any_database
@pytest.mark.parametrize("path", BAD_OF)
def test_it_names_every_bad_parameter_at_once(alice: Person, path: str) -> None:
    query = "&".join(f"{name}={quote(values[0])}" for name, values in BAD_OF[path].items())
    assert places(refused(alice.api, "GET", f"{path}?{query}")) == {("query", name) for name in BAD_OF[path]}


@pytest.mark.parametrize("empty", ["", "%20"], ids=["empty", "space"])
@pytest.mark.parametrize(
    ("path", "name"), [(LIST, "language"), (LIST, "cursor"), (QUESTIONS, "cursor"), (ACTIVITY, "tz")]
)
def test_it_takes_an_empty_text_for_an_absent_one(alice: Person, path: str, name: str, empty: str) -> None:
    alice.api.post("/api/v1/attempts", ATTEMPT)
    answer = alice.api.get(f"{path}?{name}={empty}")
    assert (answer.status_code, answer.content) == (200, alice.api.get(path).content)


@pytest.mark.any_database
@pytest.mark.parametrize(("method", "path", "name"), BY_ID, ids=["attempt", "session"])
@pytest.mark.parametrize("slash", ["", "/"], ids=["", "slash"])
def test_it_refuses_a_path_id_that_is_no_uuid(alice: Person, method: str, path: str, name: str, slash: str) -> None:
    wanted = [(["path", name], f"{name} must be a UUID.")]
    for bad_id in BAD_IDS:
        problems = refused(alice.api, method, f"{path}{bad_id}{slash}")
        assert [(problem["loc"], problem["msg"]) for problem in problems] == wanted, bad_id


@pytest.mark.parametrize(("method", "path", "name"), BY_ID, ids=["attempt", "session"])
@pytest.mark.parametrize("unknown_id", [UNKNOWN_ID, UNKNOWN_ID.replace("0", "F"), "f" * 8 + UNKNOWN_ID[8:]])
def test_it_finds_nothing_by_an_unknown_id(alice: Person, method: str, path: str, name: str, unknown_id: str) -> None:
    answer = alice.api(method, path + unknown_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_it_finds_an_attempt_whatever_the_case_of_its_id(alice: Person, attempts: list[str]) -> None:
    assert alice.api.get(f"/api/v1/attempts/{attempts[0].upper()}").json()["id"] == attempts[0]


@pytest.mark.usefixtures("attempts")
@pytest.mark.parametrize("limit", ["1", "200", "001"])
@pytest.mark.parametrize("offset", ["0", "2147483647", "00"])
def test_it_takes_the_ends_of_each_range(alice: Person, limit: str, offset: str) -> None:
    expected = 0 if int(offset) else min(int(limit), 3)
    assert len(listed(alice, f"limit={limit}&offset={offset}")) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [("limit=1&limit=2", 2), ("limit=x&limit=1", 1), ("offset=9&offset=1", 2), ("question_id=9&question_id=2", 1)],
)
@pytest.mark.usefixtures("attempts")
def test_it_takes_the_last_of_two_equal_parameters(alice: Person, query: str, expected: int) -> None:
    assert len(listed(alice, query)) == expected


@pytest.mark.usefixtures("attempts")
@pytest.mark.parametrize(
    "query", ["nope=1", "user=x", "user_id=x", "limit[]=1", "Limit=x", "&&&", "=", "%00=%00", "%ff=%ff", "\xff"]
)
def test_it_minds_no_unknown_parameter(alice: Person, query: str) -> None:
    assert len(listed(alice, query)) == 3


@pytest.mark.usefixtures("attempts")
def test_it_minds_no_number_of_unknown_parameters(alice: Person) -> None:
    assert len(listed(alice, "&".join(f"x{number}=1" for number in range(900)))) == 3


@pytest.mark.parametrize("count", [1_001, 5_000])
def test_it_answers_a_query_of_too_many_parameters(alice: Person, count: int) -> None:
    answer = alice.api.get(f"{LIST}?" + "&".join(["x=1"] * count))
    assert answer.status_code < 500
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("language", ["%F0%9F%94%91", "%27%20OR%201=1--", "%25", "%5C"])
@pytest.mark.usefixtures("attempts")
def test_it_finds_nothing_in_an_odd_language(alice: Person, language: str) -> None:
    assert listed(alice, f"language={language}") == []


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:00:00.123456Z",
        "2026-11-24T12:00:00",
        "2026-11-24 12:00:00",
        "2026-11-24T14:00:00%2B02:00",
        "2026-11-24T14:00:00+02:00",
        "2026-11-24T07:30:00-04:30",
        "2026-11-24T12:00Z",
    ],
)
def test_it_understands_a_time(alice: Person, attempts: list[str], moment: str) -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    for day, attempt_id in zip((23, 24, 25), reversed(attempts), strict=True):
        Attempt.objects.filter(pk=attempt_id).update(created_at=noon.replace(day=day, second=30))
    assert listed(alice, f"since={moment}") == attempts[:2]
    assert listed(alice, f"until={moment}") == attempts[2:]


@pytest.mark.parametrize(
    ("since", "until"), [("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"), ("0001-01-01", "9999-12-31")]
)
def test_it_takes_the_ends_of_time(alice: Person, attempts: list[str], since: str, until: str) -> None:
    assert listed(alice, f"since={since}&until={until}") == attempts
    assert listed(alice, f"since={until}&until={since}") == []


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    "query", ["", "?", "?token", "?token=", "?token=%20", "?token=a%00b", "?Token=x", "?token=" + "x" * 16_385]
)
def test_it_refuses_a_bad_verification_link(api: Api, query: str) -> None:
    assert places(refused(api, "GET", f"/auth/verify-email{query}")) == {("query", "token")}


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("token", ["x", "a:b:c", "%ff", "%ed%a0%80", "::", "é", ".eJw:x:y", "x" * 16_384])
def test_it_takes_no_made_up_verification_link(api: Api, token: str) -> None:
    answer = api.get(f"/auth/verify-email?token={token}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")


def test_it_takes_the_last_of_two_verification_tokens(api: Api, unverified: Person) -> None:
    answer: Any = api.get(f"/auth/verify-email?token=x&token={verification_token(unverified.user)}")
    assert answer.json() == {"ok": True}

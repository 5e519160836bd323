"""Bad input, field by field: 422 in the list form that names the field, and nothing is written."""

from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Api, Person
from peerprep_users.tests.calls import ATTEMPT, CALLS, LARGEST, LEAST, Call, places, refused, sender

pytestmark = pytest.mark.any_database

LONGEST = {
    "email": 254,
    "password": 1024,
    "new_password": 1024,
    "old_password": 1024,
    "name": 100,
    "code": 32,
    "token": 16 * 1024,
    "refresh_token": 16 * 1024,
    "language": 64,
    "submitted_code": 64 * 1024,
}
EXACT = {"password", "new_password", "old_password", "submitted_code"}  # where space counts
MALFORMED_ADDRESSES = [
    "alice",
    "@example.com",
    "alice@",
    "alice@@example.com",
    "alice@bob@example.com",
    "alice example.com",
    "al ice@example.com",
    "alice@exa mple.com",
    "alice@example",
    "alice@example..com",
    "alice@.example.com",
    "alice@example.com.",
    "alice@-example.com",
    "alice@example-.com",
    "alice@exam_ple.com",
    "alice@" + "x" * 64 + ".com",
    ".alice@example.com",
    "alice.@example.com",
    "al..ice@example.com",
    "alice@example.com, bob@example.com",
    "alice@example.com;bob@example.com",
    "Alice <alice@example.com>",
    "<alice@example.com>",
    "mailto:alice@example.com",
    "alice@localhost",
    "alice@[127.0.0.1]",
    "alice@[IPv6:::1]",
    "alice\n@example.com",
    "alice@example.com\nBcc: bob@example.com",
    "alice@example.com\r\n\r\nbody",
    "alice\t@example.com",
    "alice@example.com\u2028x",
    "alice@1234",
    "alice@[not an address]",
    "alicé@example.com",
    "alice\u202e@example.com",
    "alice@exam\u202eple.com",
    "alice@exam\u3000ple.com",
    "alice@exam\ue000ple.com",
    "x" * 65 + "@example.com",
    '"alice"@example.com',
    '"al\\ice"@example.com',
    '"alice.."@example.com',
    "alice(comment)@example.com",
    "alice@(comment)example.com",
    "@relay.example:alice@example.com",
    "alice@\N{SNOWMAN}.example",
]
INVISIBLE_NAMES = [
    "\u3164",
    "\u2800",
    "\U00013441",
    "\ufffc",
    "\ue000",
    "\u115f\u1160",
    "\uffa0",
    "\ufe0f",
    "\u0301",
    "\u20e3",
    "\u093e",
    "\u034f",
    "\u200d",
    "\u200b",
    "\U000e0041",
    "\U000e0100",
    "\u3164 \u2800\u00a0\u0301",
]


CALLED = {  # what people fill in, in their words
    "email": "e-mail address",
    "new_password": "new password",
    "old_password": "old password",
}


def names(message: str, field: str) -> bool:
    """Whether a message can be shown alone: a sentence that names its field."""
    return CALLED.get(field, field) in message and message.endswith(".")


def too_long(field: str) -> str:
    return "a" * (LONGEST[field] - 11) + "@example.com" if field == "email" else "a" * (LONGEST[field] + 1)


def empty_texts(field: str) -> Iterator[tuple[str, Any]]:
    yield from {"null": None, "empty": ""}.items()
    if field not in EXACT:
        yield "space", "   "


def bad_texts(field: str, good: str) -> Iterator[tuple[str, Any]]:
    yield from {"integer": 1, "fraction": 1.5, "boolean": True, "list": [good]}.items()
    yield from {"object": {"x": good}, "too long": too_long(field)}.items()
    yield "NUL", f"{good[:1]}\0{good[1:]}"
    yield "NUL at the end", f"{good}\0"
    if field in {"password", "new_password"}:
        yield "NUL alone", "\0"


def bad_integers(field: str, good: int) -> Iterator[tuple[str, Any]]:
    yield from {"text": str(good), "empty": "", "boolean": True, "fraction": good + 0.5}.items()
    yield from {"list": [good], "object": {"x": good}, "2**63": 2**63, "10**30": 10**30, "-2**63": -(2**63)}.items()
    yield from {"too large": LARGEST[field] + 1, "too small": LEAST[field] - 1}.items()
    yield from {"Arabic digits": "\u0661", "a fraction too large": 1e300}.items()


def bad_values(call: Call, field: str) -> Iterator[tuple[str, Any]]:
    good = call.body[field]
    yield from bad_texts(field, good) if isinstance(good, str) else bad_integers(field, good)
    if field == "submitted_code":
        yield "null", None
    elif field not in call.optional:
        yield from empty_texts(field) if isinstance(good, str) else [("null", None)]


def fields(*names: str) -> list[Any]:
    found = [(call, field) for call in CALLS for field in call.body if not names or field in names]
    return [pytest.param(call, field, id=f"{call} {field}") for call, field in found]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_it_takes_what_the_bad_cases_are_made_of(api: Api, alice: Person, call: Call) -> None:
    assert sender(call, api, alice)(call.method, call.path, call.body).status_code in {200, 201, 400, 401}


@pytest.mark.parametrize(("call", "field"), fields())
def test_it_refuses_a_bad_value(api: Api, alice: Person, call: Call, field: str) -> None:
    for what, value in bad_values(call, field):
        problems = refused(sender(call, api, alice), call.method, call.path, {**call.body, field: value})
        assert places(problems) == {("body", field)}, what
        assert [problem["msg"] for problem in problems if not names(problem["msg"], field)] == [], what


@pytest.mark.parametrize(("call", "field"), fields())
def test_it_refuses_a_lone_surrogate(api: Api, alice: Person, call: Call, field: str) -> None:
    body = {**call.body, field: f"{call.body[field]}\ud800"}
    assert places(refused(sender(call, api, alice), call.method, call.path, body)) == {("body",)}


@pytest.mark.parametrize(
    ("call", "field"), [each for each in fields() if each.values[1] not in each.values[0].optional]
)
def test_it_refuses_a_missing_field(api: Api, alice: Person, call: Call, field: str) -> None:
    body = {name: value for name, value in call.body.items() if name != field}
    problems = refused(sender(call, api, alice), call.method, call.path, body)
    assert [(problem["loc"], problem["type"]) for problem in problems] == [(["body", field], "missing")]
    assert names(problems[0]["msg"], field)


@pytest.mark.parametrize("call", [call for call in CALLS if set(call.body) - call.optional], ids=str)
def test_it_names_every_missing_field_at_once(api: Api, alice: Person, call: Call) -> None:
    problems = refused(sender(call, api, alice), call.method, call.path, {})
    assert places(problems) == {("body", field) for field in call.body if field not in call.optional}


@pytest.mark.parametrize("call", [call for call in CALLS if "email" in call.body], ids=str)
def test_it_refuses_a_malformed_address_wherever_it_takes_one(api: Api, alice: Person, call: Call) -> None:
    for address in MALFORMED_ADDRESSES:
        problems = refused(api, call.method, call.path, {**call.body, "email": address})
        assert places(problems) == {("body", "email")}


@pytest.mark.parametrize(
    ("call", "field"),
    [each for each in fields("password", "new_password") if "login" not in each.id and "verify" not in each.id],
)
def test_it_refuses_a_new_password_of_seven_characters(api: Api, alice: Person, call: Call, field: str) -> None:
    problems = refused(sender(call, api, alice), call.method, call.path, {**call.body, field: "7 chars"})
    assert places(problems) == {("body", field)}


@pytest.mark.parametrize("call", [call for call in CALLS if "name" in call.body], ids=str)
def test_it_refuses_a_name_with_control_characters(api: Api, alice: Person, call: Call) -> None:
    for control in ("\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"):
        body = {**call.body, "name": f"Al{control}ice"}
        problems = refused(sender(call, api, alice), call.method, call.path, body)
        assert places(problems) == {("body", "name")}, ascii(control)


@pytest.mark.parametrize("name", INVISIBLE_NAMES, ids=ascii)
def test_it_refuses_a_name_that_shows_nothing(api: Api, alice: Person, name: str) -> None:
    for call in [call for call in CALLS if "name" in call.body]:
        body = {**call.body, "name": name}
        assert places(refused(sender(call, api, alice), call.method, call.path, body)) == {("body", "name")}


def test_it_refuses_more_passed_tests_than_there_are(alice: Person) -> None:
    problems = refused(alice.api, "POST", "/api/v1/attempts", {**ATTEMPT, "passed_tests": 5, "total_tests": 4})
    assert places(problems) == {("body", "passed_tests")}


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("/auth/register", {}, ["Enter an e-mail address.", "Enter a password."]),
        ("/auth/register", {"email": " ", "password": ""}, ["Enter an e-mail address.", "Enter a password."]),
        (
            "/auth/register",
            {"email": "alice", "password": "7 chars", "name": "x" * 101},
            [
                "Enter a valid e-mail address.",
                "The password needs at least 8 characters.",
                "The name may have at most 100 characters.",
            ],
        ),
        (
            "/auth/register",
            {"email": "x" * 250 + "@example.com", "password": "x" * 1025, "name": "a\nb"},
            [
                "The e-mail address may have at most 254 characters.",
                "The password may have at most 1,024 characters.",
                "The name must not contain control characters.",
            ],
        ),
        (
            "/auth/register",
            {"email": "carol.smith@example.com", "password": "carol.smith@example.com"},
            ["The password is too similar to the e-mail address."],
        ),
        (
            "/auth/register",
            {"email": "carol@example.com", "password": "carolcarol"},
            ["The password only repeats the e-mail address or the name."],
        ),
        (
            "/auth/register",
            {"email": "carol@example.com", "password": "zebediah quux", "name": "Zebediah Quux"},
            ["The password is too similar to the name."],
        ),
        ("/auth/login", {}, ["Enter an e-mail address.", "Enter your password."]),
        (
            "/auth/reset-password",
            {"email": "a@example.com"},
            ["Enter the code from the mail.", "Enter a new password."],
        ),
        ("/auth/refresh", {"refresh_token": 1}, ["refresh_token must be a string."]),
        (
            "/api/v1/attempts",
            {"question_id": 0, "language": "", "passed_tests": 1.5, "total_tests": 32768},
            [
                "question_id must be at least 1.",
                "language must not be empty.",
                "submitted_code is required.",
                "passed_tests must be a whole number.",
                "total_tests must be at most 32767.",
            ],
        ),
        (
            "/api/v1/attempts",
            {**ATTEMPT, "passed_tests": 5, "total_tests": 4},
            ["passed_tests must not be more than total_tests."],
        ),
        ("/api/v1/attempts", [], ["The body must be a JSON object."]),
        ("/api/v1/attempts", b"null", ["The body must be a JSON object."]),
    ],
)
def test_it_says_in_one_sentence_each_what_to_do(alice: Person, path: str, body: Any, wanted: list[str]) -> None:
    assert [problem["msg"] for problem in refused(alice.api, "POST", path, body)] == wanted

"""Bodies that are no JSON, or no object: 422 in the list form, and nothing is written."""

import codecs
import json
from typing import Any

import pytest

from conftest import Api, Person
from peerprep_users.tests.calls import ATTEMPT, CALLS, REGISTRATION, Call, places, refused, sender

pytestmark = pytest.mark.any_database

NO_OBJECT = {
    "list": b"[]",
    "list of an object": b'[{"email": "alice@example.com"}]',
    "text": b'"x"',
    "empty text": b'""',
    "integer": b"1",
    "zero": b"0",
    "fraction": b"1.5",
    "true": b"true",
    "false": b"false",
    "null": b"null",
    "large": b"1" + b"0" * 400,
    "nested 1,000 deep": b"[" * 1_000 + b"]" * 1_000,
}
NO_JSON = {
    "space": b"   ",
    "newline": b"\n",
    "NUL": b"\0",
    "brace": b"{",
    "truncated text": b'{"email": "alice@exa',
    "truncated object": b'{"email": "alice@example.com"',
    "truncated escape": b'{"email": "\\u00',
    "comma at the end": b'{"email": "alice@example.com",}',
    "two values": b"{} {}",
    "garbage behind": b"{}x",
    "single quotes": b"{'email': 'alice@example.com'}",
    "bare key": b'{email: "alice@example.com"}',
    "comment": b'{"email": "alice@example.com" /* here */}',
    "form": b"email=alice%40example.com&password=x",
    "XML": b"<email>alice@example.com</email>",
    "raw newline": b'{"email": "alice\n@example.com"}',
    "NaN": b"NaN",
    "NaN inside": b'{"email": NaN, "question_id": NaN}',
    "Infinity": b'{"email": Infinity}',
    "-Infinity": b'{"email": -Infinity}',
    "leading zero": b'{"question_id": 07}',
    "plus": b'{"question_id": +7}',
    "hexadecimal": b'{"question_id": 0x7}',
    "invalid UTF-8": b'{"email": "\xff\xfe"}',
    "cut UTF-8": b'{"email": "\xf0\x9f\x94"}',
    "overlong UTF-8": b'{"email": "\xc0\x80"}',
    "surrogate in UTF-8": b'{"email": "\xed\xa0\x80"}',
    "Latin-1": '{"email": "alicé@example.com"}'.encode("latin-1"),
    "UTF-16": '{"email": "alice@example.com"}'.encode("utf-16"),
    "UTF-32": '{"email": "alice@example.com"}'.encode("utf-32"),
    "byte order mark": codecs.BOM_UTF8 + b'{"email": "alice@example.com"}',
    "low surrogate": b'{"email": "\\udc00"}',
    "swapped surrogates": b'{"email": "\\udc00\\ud800"}',
    "surrogate in a key": b'{"\\ud800": 1}',
    "gzip": b"\x1f\x8b\x08\x00",
    "lists 5,000 deep": b"[" * 5_000 + b"]" * 5_000,
    "lists without an end": b"[" * 100_000,
    "objects 5,000 deep": b'{"email":' * 5_000 + b"1" + b"}" * 5_000,
    "a field 5,000 deep": b'{"email": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
}


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT)
def test_it_refuses_a_body_that_is_no_object(api: Api, alice: Person, body: bytes) -> None:
    for call in CALLS:
        assert places(refused(sender(call, api, alice), call.method, call.path, body)) == {("body",)}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_it_refuses_a_body_that_is_no_json(api: Api, alice: Person, body: bytes) -> None:
    for call in CALLS:
        problems = refused(sender(call, api, alice), call.method, call.path, body)
        assert [problem["loc"] for problem in problems] == [["body"]]


@pytest.mark.parametrize("call", [call for call in CALLS if set(call.body) - call.optional], ids=str)
def test_it_refuses_an_empty_body(api: Api, alice: Person, call: Call) -> None:
    for body in (b"", None):
        problems = refused(sender(call, api, alice), call.method, call.path, body)
        assert all(problem["loc"][0] == "body" for problem in problems)


@pytest.mark.parametrize(
    "deep", [b"[" * 1_000 + b"]" * 1_000, b'{"x":' * 1_000 + b"1" + b"}" * 1_000], ids=["list", "object"]
)
def test_it_refuses_a_field_1000_deep(api: Api, alice: Person, deep: bytes) -> None:
    for call in CALLS:
        for field in call.body:
            body = json.dumps({**call.body, field: "HERE"}).encode().replace(b'"HERE"', deep)
            problems = refused(sender(call, api, alice), call.method, call.path, body)
            assert places(problems) <= {("body", field), ("body",)}


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1" + b"0" * 5_000, b"0." + b"1" * 5_000])
@pytest.mark.parametrize("field", ["question_id", "passed_tests", "total_tests", "runtime_ms"])
def test_it_refuses_a_number_that_overflows(alice: Person, field: str, number: bytes) -> None:
    body = json.dumps({**ATTEMPT, field: "HERE"}).encode().replace(b'"HERE"', number)
    problems = refused(alice.api, "POST", "/api/v1/attempts", body)
    assert places(problems) <= {("body", field), ("body", "passed_tests"), ("body",)}


@pytest.mark.usefixtures("db")
def test_it_takes_the_last_of_two_equal_keys(api: Api) -> None:
    body = json.dumps(REGISTRATION).encode().replace(b'"name": "Carol"', b'"name": "First", "name": "Last"')
    token = api.post("/auth/register", body).json()["access_token"]
    assert Api(token).get("/users/me").json()["name"] == "Last"


@pytest.mark.parametrize(
    "body", [b'{"name": "Zo\xc3\xab"}', b'{"name": "Zo\\u00eb"}', b' \r\n\t{ "name" : "Zo\xc3\xab" } ']
)
def test_it_reads_utf8_and_escapes_alike(alice: Person, body: bytes) -> None:
    assert alice.api.put("/users/me", body).json()["name"] == "Zoë"


def test_it_reads_a_pair_of_escaped_surrogates(alice: Person) -> None:
    assert alice.api.put("/users/me", b'{"name": "\\ud83d\\udd11"}').json()["name"] == "\U0001f511"


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"nonsense", b'{"all": true}'])
def test_it_needs_no_body_to_log_out(alice: Person, body: Any) -> None:
    assert alice.api.post("/auth/logout", body).status_code == 200

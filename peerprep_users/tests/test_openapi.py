"""The API's documentation: what the document says of every operation, and pages that talk to nobody else."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import jsonschema  # type: ignore[import-untyped]
import pytest

from accounts.views import LIMITS
from conftest import Api, Person
from core.api import ApiSerializer, ApiViewSet
from peerprep_users.api_docs import document

DOCUMENT: dict[str, Any] = json.loads(document())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in sorted(methods.items())
}
OF_THE_API = [name for name, operation in OPERATIONS.items() if operation["tags"] != ["health"]]
RESPONSES = [
    pytest.param(status, response, id=f"{name} {status}")
    for name, operation in OPERATIONS.items()
    for status, response in operation["responses"].items()
]
ERRORS = [each for each in RESPONSES if str(each.values[0]) >= "400"]


def classes(base: Any) -> Iterator[Any]:
    yield base
    for derived in base.__subclasses__():
        yield from classes(derived)


# --- The document ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_documents_the_health_checks(api: Api, path: str) -> None:
    operation = OPERATIONS[f"GET {path}"]
    examples = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert examples["Answer"]["value"] == api.get(path).json()


def test_it_documents_what_readiness_says_of_an_outage() -> None:
    content = OPERATIONS["GET /readyz"]["responses"]["503"]["content"]["application/json"]
    assert set(content["examples"]["Answer"]["value"]) == {"detail", "code", "down"}


def test_it_names_every_operation_once() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    summaries = [operation["summary"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(set(summaries)) == len(OPERATIONS)


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_faults_and_outages(name: str) -> None:
    assert {"500", "503"} <= OPERATIONS[name]["responses"].keys()


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_refused_bodies_where_there_is_one(name: str) -> None:
    operation = OPERATIONS[name]
    wanted = {"413", "415"} if "requestBody" in operation else set()
    assert {"413", "415"} & operation["responses"].keys() == wanted


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_missing_and_invalid_tokens_where_it_needs_one(name: str) -> None:
    operation = OPERATIONS[name]
    unauthorized = json.dumps(operation["responses"].get("401"))
    needed = {"bearer": []} in operation.get("security", [])
    assert ("not_authenticated" in unauthorized, "invalid_token" in unauthorized) == (needed, needed)


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_invalid_input_where_there_is_input(name: str) -> None:
    operation = OPERATIONS[name]
    parameters = {parameter["in"] for parameter in operation.get("parameters", [])}
    wanted = "requestBody" in operation or bool(parameters & {"query", "path"})
    assert ("422" in operation["responses"]) == wanted


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_too_long_urls_where_there_is_a_query(name: str) -> None:
    operation = OPERATIONS[name]
    wanted = any(parameter["in"] == "query" for parameter in operation.get("parameters", []))
    assert ("414" in operation["responses"]) == wanted


@pytest.mark.parametrize(("status", "response"), RESPONSES)
def test_it_documents_the_headers_of_every_answer(status: str, response: dict[str, Any]) -> None:
    wanted = {
        "X-Request-ID": True,
        "WWW-Authenticate": status == "401",
        "Retry-After": status in {"429", "503"} or "account_locked" in json.dumps(response),
    }
    assert {name: name in response["headers"] for name in wanted} == wanted


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_documents_rate_limits_where_there_are_some(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    wanted = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"}
    is_throttled = name.removeprefix("POST /auth/").replace("-", "_") in LIMITS
    for status, response in responses.items():
        is_limited = is_throttled or (status == "429" and "rate_limited" in response["description"])
        assert wanted & response["headers"].keys() == (wanted if is_limited else set())


@pytest.mark.parametrize(("status", "response"), ERRORS)
def test_it_has_an_example_of_every_error(status: str, response: dict[str, Any]) -> None:
    examples = response["content"]["application/json"]["examples"]
    assert all(example["value"].keys() >= {"detail", "code"} for example in examples.values())
    assert examples


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_has_examples_that_fit_their_schemas(name: str) -> None:
    operation = OPERATIONS[name]
    for part in [operation.get("requestBody", {}), *operation["responses"].values()]:
        for content in part.get("content", {}).values():
            for example in content["examples"].values():
                schema = {**content["schema"], "components": DOCUMENT["components"]}
                jsonschema.Draft7Validator(schema).validate(example["value"])


def content_of(name: str, status: str) -> dict[str, Any]:
    found: dict[str, Any] = OPERATIONS[name]["responses"][status]["content"]
    return found


def test_it_documents_both_forms_of_an_export() -> None:
    forms = content_of("GET /api/v1/attempts/me/export", "200")
    assert {kind: each["schema"]["type"] for kind, each in forms.items()} == {
        "application/json": "array",
        "text/csv": "string",
    }
    head, row = csv.reader(io.StringIO(forms["text/csv"]["examples"]["CSV"]["value"]))
    assert len(head) == len(row) == len(forms["application/json"]["examples"]["Answer"]["value"][0])


def test_it_tells_a_key_that_was_used_from_input_that_does_not_validate() -> None:
    examples = content_of("POST /api/v1/attempts", "422")["application/json"]["examples"]
    assert [example["value"]["code"] for example in examples.values()] == ["validation_error", "idempotency_key_reused"]


@pytest.mark.parametrize("name", [name for name in OF_THE_API if "/attempts" in name])
def test_it_has_an_example_of_every_parameter_that_the_service_takes(alice: Person, name: str) -> None:
    parameters = [each for each in OPERATIONS[name].get("parameters", []) if each["in"] != "path"]
    for parameter in parameters:
        for example in parameter["examples"].values():
            jsonschema.Draft7Validator(parameter["schema"]).validate(example["value"])
    asked = {
        each["name"]: json.dumps(example["value"]).strip('"')
        for each in parameters
        if each["in"] == "query"
        for example in each["examples"].values()
    }
    if asked:
        assert alice.api.get(f"{name.removeprefix('GET ')}?{urlencode(asked)}").status_code == 200


@pytest.mark.parametrize("documented", [*classes(ApiSerializer), *classes(ApiViewSet)], ids=lambda each: each.__name__)
def test_it_keeps_docstrings_to_itself(documented: type) -> None:
    docstring = (documented.__doc__ or "").strip().partition("\n")[0]
    assert not docstring or json.dumps(docstring)[1:-1] not in json.dumps(DOCUMENT)


@pytest.mark.parametrize(
    ("schema", "field", "wanted"),
    [
        ("NewAttemptRequest", "question_id", {"minimum": 1, "maximum": 2147483647}),
        ("NewAttemptRequest", "language", {"minLength": 1, "maxLength": 64}),
        ("NewAttemptRequest", "passed_tests", {"minimum": 0, "maximum": 32767}),
        ("NewAttemptRequest", "total_tests", {"minimum": 0, "maximum": 32767}),
        ("NewAttemptRequest", "runtime_ms", {"minimum": 0, "maximum": 2147483647}),
        ("RegistrationRequest", "password", {"minLength": 8, "maxLength": 1024}),
        ("ResetRequest", "new_password", {"minLength": 8, "maxLength": 1024}),
    ],
)
def test_it_documents_the_range_of_a_field(schema: str, field: str, wanted: dict[str, int]) -> None:
    assert DOCUMENT["components"]["schemas"][schema]["properties"][field].items() >= wanted.items()


@pytest.mark.parametrize(
    ("schema", "field", "refused"),
    [
        ("NewAttemptRequest", "language", ["  ", "a\0b"]),
        ("NewAttemptRequest", "submitted_code", ["a\0b"]),
        ("ResetCodeRequest", "code", [" ", "1\0"]),
        ("RefreshRequest", "refresh_token", [" ", "a\0b"]),
        ("LoginRequest", "password", ["a\0b"]),
        ("RegistrationRequest", "name", ["a\0b"]),
    ],
)
def test_it_documents_what_a_text_must_not_be(schema: str, field: str, refused: list[str]) -> None:
    documented = DOCUMENT["components"]["schemas"][schema]["properties"][field]
    assert not [text for text in refused if jsonschema.Draft7Validator(documented).is_valid(text)]


@pytest.mark.parametrize("name", ["GET /api/v1/attempts/me", "GET /api/v1/attempts/me/questions"])
def test_it_documents_what_a_cursor_looks_like(name: str) -> None:
    (cursor,) = (each for each in OPERATIONS[name]["parameters"] if each["name"] == "cursor")
    for example in ("next", "A" * 31, "_" * 32, "A" * 33):
        assert not jsonschema.Draft7Validator(cursor["schema"]).is_valid(example)


def test_it_documents_how_much_code_an_attempt_takes() -> None:
    code = DOCUMENT["components"]["schemas"]["NewAttemptRequest"]["properties"]["submitted_code"]
    assert "65,536 bytes" in code["description"]


# --- The pages ------------------------------------------------------------------------------------------------------

OWN = {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
PAGES = ["/docs", "/docs?script=", "/redoc"]


@pytest.mark.parametrize("path", PAGES)
def test_it_names_no_other_host(api: Api, path: str) -> None:
    page = api.get(path).content.decode()
    assert "/openapi.json" in page or "<script" in page
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", page) == []


@pytest.mark.parametrize("path", PAGES)
def test_it_lets_the_browser_ask_no_other_host(api: Api, path: str) -> None:
    policy = api.get(path).headers["Content-Security-Policy"]
    directives = {name: sources for name, *sources in map(str.split, policy.split(";"))}
    assert directives["default-src"] == ["'self'"]
    assert directives.keys().isdisjoint({"script-src", "connect-src"})  # so that these are default-src's
    assert {source for sources in directives.values() for source in sources} <= OWN


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_it_has_every_file_that_a_page_loads(api: Api, path: str) -> None:
    files = re.findall(r'(?:src|href|spec-url)="([^"]+)"', api.get(path).content.decode())
    assert len(files) >= 3
    assert {file: api("HEAD", file).status_code for file in files} == dict.fromkeys(files, 200)

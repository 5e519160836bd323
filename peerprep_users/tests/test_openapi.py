"""The OpenAPI document: what it says of every operation."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.models import Role, Session
from accounts.tests.test_export import exported, live
from accounts.tokens.keys import ring
from accounts.views import LIMITS
from conftest import PASSWORD, Api, Mailbox, Person
from core.api import ApiSerializer, ApiViewSet
from core.client import Client
from core.errors import ApiError, HeadersTooLarge, MalformedRequest, UrlTooLong
from peerprep_users.api_docs import document

DOCUMENT: dict[str, Any] = json.loads(document())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in sorted(methods.items())
}
COUNTED = {"POST /auth/refresh": {"401", "403", "422", "429"}, "POST /api/v1/attempts": {"201", "429"}}
OF_THE_API = [name for name, operation in OPERATIONS.items() if operation["tags"] != ["health"]]


def errors_of(name: str) -> list[dict[str, Any]]:
    return [response for status, response in OPERATIONS[name]["responses"].items() if status >= "400"]


def classes(base: Any) -> Iterator[Any]:
    yield base
    for derived in base.__subclasses__():
        yield from classes(derived)


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


@pytest.mark.parametrize("name", OPERATIONS)
def test_its_summaries_are_plain_text(name: str) -> None:
    assert "`" not in OPERATIONS[name]["summary"]  # both pages would show it


def test_it_has_the_methods_of_a_path_in_one_order() -> None:
    assert list(DOCUMENT["paths"]["/users/me"]) == ["get", "put", "patch", "delete"]


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    "described",
    [
        *DOCUMENT["tags"],
        *OPERATIONS.values(),
        *DOCUMENT["components"]["securitySchemes"].values(),
        *(parameter for operation in OPERATIONS.values() for parameter in operation.get("parameters", [])),
    ],
)
def test_it_has_a_sentence_for_everything(described: dict[str, Any]) -> None:
    assert described["description"].endswith(".")


def test_it_describes_every_tag() -> None:
    used = {tag for operation in OPERATIONS.values() for tag in operation["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used


@pytest.mark.usefixtures("db")
def test_its_introduction_quotes_what_the_service_answers(api: Api) -> None:
    quoted = re.findall(r"```json\n(.*?)```", DOCUMENT["info"]["description"], re.DOTALL)
    answers = [api.get("/users/me"), api.post("/auth/register", {"password": PASSWORD})]
    assert [json.loads(each) for each in quoted] == [answer.json() for answer in answers]


@pytest.mark.parametrize("error", [MalformedRequest, UrlTooLong, HeadersTooLarge])
def test_its_introduction_names_what_is_refused_before_any_view(error: type[ApiError]) -> None:
    errors = DOCUMENT["info"]["description"].partition("## Errors")[2].partition("##")[0]
    assert re.search(f"{error.status}[^;]+`{error.code}`", errors)


def test_its_introduction_names_the_lists_that_have_pages() -> None:
    paged = {
        name
        for name in OPERATIONS
        if "X-Total-Count" in OPERATIONS[name]["responses"].get("200", {}).get("headers", {})
    }
    pages = DOCUMENT["info"]["description"].partition("## Pages")[2].partition("##")[0]
    assert set(re.findall("`(GET .+?)`", pages)) == paged


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_what_any_call_may_get(name: str) -> None:
    assert {"414", "431", "500", "503"} <= OPERATIONS[name]["responses"].keys()


def test_it_documents_a_sealed_key_where_tokens_are_signed() -> None:
    signing = [name for name in OPERATIONS if "signing_key_sealed" in json.dumps(OPERATIONS[name])]
    assert signing == ["POST /auth/register", "POST /auth/login", "POST /auth/refresh"]


def test_it_documents_that_a_service_finds_nothing_behind_a_proxy() -> None:
    services = [name for name in OPERATIONS if OPERATIONS[name]["tags"] == ["services"]]
    assert len(services) == 2
    assert all("404" in OPERATIONS[name]["responses"] for name in services)


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_refused_bodies_where_there_is_one(name: str) -> None:
    operation = OPERATIONS[name]
    wanted = {"413", "415"} if "requestBody" in operation else set()
    assert {"413", "415"} & operation["responses"].keys() == wanted


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_missing_and_invalid_tokens_and_keys_where_it_needs_one(name: str) -> None:
    unauthorized = json.dumps(OPERATIONS[name]["responses"].get("401"))
    needed = {scheme for schemes in OPERATIONS[name].get("security", []) for scheme in schemes}
    wanted = {
        "not_authenticated": "bearer" in needed,
        "invalid_token": "bearer" in needed,
        "invalid_service_key": "serviceKey" in needed,
    }
    assert {code: code in unauthorized for code in wanted} == wanted


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_documents_invalid_input_where_there_is_input(name: str) -> None:
    operation = OPERATIONS[name]
    parameters = {parameter["in"] for parameter in operation.get("parameters", [])}
    wanted = "requestBody" in operation or bool(parameters & {"query", "path"})
    assert ("422" in operation["responses"]) == wanted


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_documents_the_headers_of_every_answer(name: str) -> None:
    for status, response in OPERATIONS[name]["responses"].items():
        wanted = {
            "X-Request-ID": True,
            "WWW-Authenticate": status == "401",
            "Retry-After": status in {"429", "503"} or "account_locked" in json.dumps(response),
        }
        assert {header: header in response["headers"] for header in wanted} == wanted, status


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_documents_rate_limits_where_there_are_some(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    wanted = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"}
    counted = COUNTED.get(name, set())
    if name.removeprefix("POST /auth/").replace("-", "_") in LIMITS:
        counted = responses.keys() - {"414", "431", "500"}
    for status, response in responses.items():
        assert wanted & response["headers"].keys() == (wanted if status in counted else set()), status


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_has_an_example_of_every_error(name: str) -> None:
    for response in errors_of(name):
        examples = response["content"]["application/json"]["examples"]
        assert all(example["value"].keys() >= {"detail", "code"} for example in examples.values())
        assert examples


def codes(schema: dict[str, Any]) -> list[str]:
    """The codes that an error may have by its schema."""
    if "$ref" in schema:
        return codes(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "oneOf" in schema:
        return [code for each in schema["oneOf"] for code in codes(each)]
    return [schema["properties"]["code"]["const"]]


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_enumerates_the_codes_of_every_error(name: str) -> None:
    for response in errors_of(name):
        content = response["content"]["application/json"]
        shown = [example["value"]["code"] for example in content["examples"].values()]
        assert codes(content["schema"]) == shown


@pytest.mark.parametrize("name", OF_THE_API)
def test_it_names_each_code_of_an_error_once(name: str) -> None:
    for response in errors_of(name):
        named = re.findall("`(.+?)`", response["description"])
        assert len(named) == len(set(named)) == len(response["content"]["application/json"]["examples"])


def objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict) and part.get("type") == "object":
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
        yield from objects(inner)


ANSWERED = [name for name in DOCUMENT["components"]["schemas"] if not name.endswith("Request")]


@pytest.mark.parametrize("name", ANSWERED)
def test_it_knows_every_key_of_an_answer(name: str) -> None:
    for each in objects(DOCUMENT["components"]["schemas"][name]):
        assert each["additionalProperties"] is False or each["additionalProperties"]["type"]


def check(name: str, answer: Any) -> None:
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    ).validate(answer)


def test_it_documents_all_that_an_export_holds(alice: Person, mailbox: Mailbox) -> None:
    live(alice, mailbox)
    as_admin = Actor.admin(alice.user, Client(ip="192.0.2.1", user_agent="pytest"))
    administration.set_role(user=alice.user, role=Role.ADMIN, by=as_admin)
    found = exported(alice)
    assert [name for name, value in found.items() if not value] == []
    check("AccountExport", found)


def test_it_documents_why_a_session_ended() -> None:
    for reason in ["", *Session.EndReason]:
        check("StoredSession/properties/end_reason", reason)
    with pytest.raises(jsonschema.ValidationError):
        check("StoredSession/properties/end_reason", "any other")


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_it_documents_every_kind_of_key(api: Api, settings: Any, algorithm: str) -> None:
    settings.ALGORITHM = algorithm
    ring.forget()
    answer = api.get("/.well-known/jwks.json").json()
    ring.forget()
    assert [key["alg"] for key in answer["keys"]] == [algorithm]
    check("KeySet", answer)


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_has_examples_that_fit_their_schemas(name: str) -> None:
    operation = OPERATIONS[name]
    for part in [operation.get("requestBody", {}), *operation["responses"].values()]:
        for content in part.get("content", {}).values():
            for example in content["examples"].values():
                schema = {**content["schema"], "components": DOCUMENT["components"]}
                jsonschema.Draft202012Validator(schema).validate(example["value"])


def content_of(name: str, status: str) -> dict[str, Any]:
    found: dict[str, Any] = OPERATIONS[name]["responses"][status]["content"]
    return found


def inputs(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in operation.get("parameters", []):
        yield parameter["in"], parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for name in DOCUMENT["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"]:
            yield "body", name


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "422" in OPERATIONS[name]["responses"]])
def test_its_example_of_invalid_input_is_about_what_the_call_takes(name: str) -> None:
    examples = content_of(name, "422")["application/json"]["examples"]
    (problem,) = examples["validation_error"]["value"]["detail"]
    assert tuple(problem["loc"]) in inputs(OPERATIONS[name])


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


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_has_examples_of_parameters_that_fit_their_schemas(name: str) -> None:
    parameters = [each for each in OPERATIONS[name].get("parameters", []) if each["in"] != "path"]
    for parameter in parameters:
        for example in parameter["schema"]["examples"]:
            jsonschema.Draft202012Validator(parameter["schema"]).validate(example)


@pytest.mark.parametrize("name", [name for name in OF_THE_API if "/attempts" in name])
def test_it_has_an_example_of_every_parameter_that_the_service_takes(alice: Person, name: str) -> None:
    asked = {
        each["name"]: json.dumps(example).strip('"')
        for each in OPERATIONS[name].get("parameters", [])
        if each["in"] == "query"
        for example in each["schema"]["examples"]
    }
    if asked:
        assert alice.api.get(f"{name.removeprefix('GET ')}?{urlencode(asked)}").status_code == 200


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_has_nothing_filled_in_that_changes_what_a_call_answers(name: str) -> None:
    for parameter in OPERATIONS[name].get("parameters", []):
        assert {"example", "examples"}.isdisjoint(parameter)  # Swagger UI fills these in, but not those of a schema


DOCUMENTED = sorted([*classes(ApiSerializer), *classes(ApiViewSet)], key=lambda each: str(each.__name__))


@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda each: each.__name__)
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
        ("ProfileChangeRequest", "new_password", ["a\0b" * 3, "1234567"]),
    ],
)
def test_it_documents_what_a_text_must_not_be(schema: str, field: str, refused: list[str]) -> None:
    documented = DOCUMENT["components"]["schemas"][schema]["properties"][field]
    assert not [text for text in refused if jsonschema.Draft202012Validator(documented).is_valid(text)]


@pytest.mark.parametrize("sent", ["", None, "12345678"])
def test_it_documents_that_an_optional_text_may_be_empty(sent: str | None) -> None:
    check("ProfileChangeRequest", {"new_password": sent})


@pytest.mark.parametrize("name", ["GET /api/v1/attempts/me", "GET /api/v1/attempts/me/questions"])
def test_it_documents_what_a_cursor_looks_like(name: str) -> None:
    (cursor,) = (each for each in OPERATIONS[name]["parameters"] if each["name"] == "cursor")
    for example in ("next", "A" * 31, "_" * 32, "A" * 33):
        assert not jsonschema.Draft202012Validator(cursor["schema"]).is_valid(example)


def test_it_documents_how_much_code_an_attempt_takes() -> None:
    code = DOCUMENT["components"]["schemas"]["NewAttemptRequest"]["properties"]["submitted_code"]
    assert "65,536 bytes" in code["description"]

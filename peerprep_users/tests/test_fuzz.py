"""Every operation of the document, called with valid and invalid input. `make fuzz` does the same for longer."""

import json
import tomllib
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection

from conftest import person
from core.fields import zones
from core.tests.servers import ROOT
from peerprep_users.api_docs import document
from peerprep_users.wsgi import Request

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

ALWAYS_THE_SAME = settings(
    max_examples=2,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

schemathesis.openapi.format("time-zone", strategies.sampled_from(sorted(zones())))


class Handler(WSGIHandler):
    """The application without its request slots, which bring connections of their own to the database."""

    request_class = Request

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        answer: Any = super().__call__(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()  # as every server does, and schemathesis does not


@pytest.fixture(scope="module")
def schema() -> Any:
    config = tomllib.loads((ROOT / "schemathesis.toml").read_text())
    del config["auth"]  # each operation is called by a user of its own, who may delete the account
    schema = schemathesis.openapi.from_dict(json.loads(document()), config=SchemathesisConfig.from_dict(config))
    schema.app = Handler()
    return schema


def call(operation: Any, mode: GenerationMode) -> None:
    user = person(f"{operation.definition.raw['operationId'].lower()}@example.com")
    headers = {"Authorization": f"Bearer {user.tokens.access_token}"}

    @ALWAYS_THE_SAME
    @given(case=operation.as_strategy(generation_mode=mode))
    def call_once(case: Case[Any]) -> None:
        # Not all invalid input is: unknown parameters are ignored, and the token is put back in.
        case.call_and_validate(headers=headers, excluded_checks=[negative_data_rejection, ignored_auth])

    call_once()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize("tag", ["auth", "users", "attempts"])
def test_it_answers_as_it_is_documented(transactional_db: None, schema: Any, tag: str, mode: GenerationMode) -> None:
    operations = [found.ok() for found in schema.include(tag=tag).get_all_operations()]
    if mode == GenerationMode.NEGATIVE:
        operations = [each for each in operations if {"422"} & each.definition.raw["responses"].keys()]
    assert operations
    for operation in operations:
        call(operation, mode)

"""What docs/events.md and docs/asyncapi.yaml say of events is so."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.models import Role, Session
from accounts.tokens.jwt import verification_token
from conftest import Api, Person
from core.events import cloud_event
from core.jobs import Turn
from core.models import Event
from core.publisher import EXCHANGE, publish_waiting
from core.tests.rabbitmq import URL, Listener, require_rabbitmq
from core.tests.servers import ROOT
from peerprep_users.tests.calls import ATTEMPT, REGISTRATION

GUIDE = (ROOT / "docs/events.md").read_text()
ASYNCAPI: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text())
OFFICIAL = ROOT / "tests/clients/typescript/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"


def problems(event: dict[str, Any], kind: str) -> list[str]:
    payload = ASYNCAPI["components"]["messages"][kind]["payload"]
    schema = {**payload, "components": ASYNCAPI["components"]}
    return [error.message for error in Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(event)]


def test_the_document_is_valid_asyncapi() -> None:
    if not OFFICIAL.exists():
        pytest.skip("npm could not install what tests/clients/typescript/package.json names")
    assert [error.message for error in Draft7Validator(json.loads(OFFICIAL.read_text())).iter_errors(ASYNCAPI)] == []


def test_both_name_every_event_and_no_other() -> None:
    kinds = set(Event.Type.values)
    channel = ASYNCAPI["channels"]["userEvents"]
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", GUIDE, re.MULTILINE)) == kinds
    assert set(channel["messages"]) == set(ASYNCAPI["components"]["messages"]) == kinds
    assert channel["address"] == channel["bindings"]["amqp"]["exchange"]["name"] == EXCHANGE


def test_both_name_every_reason_for_the_end_of_a_session() -> None:
    reasons = {*Session.EndReason.values, "deleted"}
    payload = ASYNCAPI["components"]["messages"]["session.ended"]["payload"]
    assert set(payload["allOf"][1]["properties"]["data"]["properties"]["reason"]["enum"]) == reasons
    (sentence,) = re.findall(r"`reason` is (.*?)\. A session", GUIDE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", sentence)) == reasons


def test_every_event_is_as_described_and_tells_nothing_personal(settings: Any, admin: Person, api: Api) -> None:
    settings.RABBITMQ_URL = URL
    by: dict[str, Any] = {"by": Actor.operator(), "reason": "a test"}
    tokens = api.post("/auth/register", REGISTRATION).json()
    carol = Api(tokens["access_token"])
    user = type(admin.user).objects.get(email=REGISTRATION["email"])
    api.post("/auth/verify-email", {"token": verification_token(user)})
    carol.put("/users/me", {"name": "Caroline"})
    carol.post("/api/v1/attempts", ATTEMPT | {"passed_tests": 4, "submitted_code": "print(4711)"})
    administration.set_role(user=user, role=Role.ADMIN, **by)
    administration.deactivate(user=user, **by)
    administration.delete(user=user, **by)
    rows = list(Event.objects.order_by("position"))
    assert {row.type for row in rows} == set(Event.Type.values)
    for row in rows:
        text = cloud_event(row).decode()
        assert problems(json.loads(text), row.type) == []
        assert not re.search(r"carol|4711|a test", text, re.IGNORECASE)


def test_the_example_is_an_event() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    assert problems(json.loads(example), "attempt.recorded") == []
    assert problems(json.loads(example) | {"subject": "alice"}, "attempt.recorded") != []
    for kind, data in re.findall(r"^\| `(\w+\.\w+)` \|.*\| `(\{.*\})` \|$", GUIDE, re.MULTILINE):
        schema = ASYNCAPI["components"]["messages"][kind]["payload"]["allOf"][1]["properties"]["data"]
        wanted = set(schema.get("required", ["user_id"]))
        assert set(json.loads(data)) == wanted - {"user_id"}


@pytest.mark.slow
def test_the_consumer_handles_what_comes_twice_once(alice: Person, settings: Any, tmp_path: Path) -> None:
    require_rabbitmq()
    settings.RABBITMQ_URL = URL
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    queue = f"consumer-{alice.user.pk}"
    code = code.replace("amqp://peerprep:peerprep@localhost:5672/", URL).replace('"matching"', f'"{queue}"')
    with Listener(queue=queue, arguments={"x-single-active-consumer": True}) as listener:
        for method, body in (("PUT", {"name": "Al"}), ("DELETE", None)):
            alice.api(method, "/users/me", body)
            rows = list(Event.objects.order_by("position"))
            publish_waiting(Turn())
            Event.objects.bulk_create(rows)  # as if the publisher had died before it deleted them
            publish_waiting(Turn())
        command = [sys.executable, "-u", "-c", code]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as consumer:
            assert consumer.stdout
            handled: list[str] = []
            while "peerprep.user.deleted.v1" not in handled:
                kind, data = consumer.stdout.readline().split(maxsplit=1)
                handled += [kind] if str(alice.user.pk) in data else []  # the exchange has other tests' events too
            consumer.kill()
        listener.channel.queue_delete(queue)
    assert handled == ["peerprep.user.renamed.v1", "peerprep.session.ended.v1", "peerprep.user.deleted.v1"]

"""What operators see: a line for each request, metrics, and a dashboard and alerts that fit them."""

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as configured
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families
from pythonjsonlogger.json import JsonFormatter

from conftest import PASSWORD, Api, Mailbox, Person
from peerprep_users.logging import RequestFilter, TextFormatter
from peerprep_users.tests.calls import raising
from peerprep_users.tests.servers import ROOT

ATTEMPT = {"question_id": 1, "language": "python", "submitted_code": "x", "passed_tests": 1, "total_tests": 1}


@pytest.fixture
def out() -> Iterator[StringIO]:
    """All that is logged at DEBUG, as production writes it."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RequestFilter())
    logs: dict[str, Any] = configured.LOGGING
    options = {name: value for name, value in logs["formatters"]["json"].items() if name != "()"}
    handler.setFormatter(JsonFormatter(**options))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def requests(out: StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "peerprep_users.requests"]


def last(out: StringIO) -> dict[str, Any]:
    return requests(out)[-1]


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/users/me/", "/users/me", 200),
        ("HEAD", "/users/me", "/users/me", 200),
        ("GET", "/api/v1/attempts/nonsense?token=x", "/api/v1/attempts/{attempt_id}", 422),
        ("GET", "/verify-email?token=hush", "/verify-email", 400),
        ("GET", "/hush/hush", "unmatched", 404),
        ("PROPFIND", "/users/me", "/users/me", 405),
        ("GET", "/static/hush.js", "/static/{path}", 404),
        ("GET", "/docs", "/docs", 200),
        ("GET", "/admin/accounts/user/hush/change/", "/admin/accounts/user/{object_id}/change/", 302),
    ],
)
def test_a_request_is_a_line(alice: Person, out: StringIO, method: str, path: str, route: str, status: int) -> None:
    alice.api(method, path, **{"X-Request-ID": "mine"})
    line = last(out)
    shown = "OTHER" if method == "PROPFIND" else method
    assert (line["method"], line["route"], line["status"], line["request_id"]) == (shown, route, status, "mine")
    assert 0 < line["duration_ms"] < 60_000
    assert line.get("user_id") == (
        str(alice.user.pk) if route.startswith(("/users", "/api")) and status != 405 else None
    )
    assert "hush" not in out.getvalue()


def test_a_preflight_has_the_route_of_its_call(api: Api, out: StringIO) -> None:
    api("OPTIONS", "/users/me", Origin="http://localhost:3000", **{"Access-Control-Request-Method": "PUT"})
    assert (last(out)["method"], last(out)["route"]) == ("OPTIONS", "/users/me")


def test_a_download_is_a_line_once_it_is_sent(alice: Person, out: StringIO) -> None:
    answer = alice.api.get("/users/me/export")
    assert not [line for line in requests(out) if line["route"] == "/users/me/export"]
    assert b"".join(answer.streaming_content)
    assert (last(out)["route"], last(out)["user_id"]) == ("/users/me/export", str(alice.user.pk))


def test_a_line_is_readable_in_development() -> None:
    facts = {"method": "GET", "route": "/home", "status": 200, "duration_ms": 1.5, "user_id": "u", "request_id": "r"}
    record = logging.makeLogRecord({"name": "n", "levelname": "INFO", "msg": "GET /home 200 1.5 ms", **facts})
    assert TextFormatter().format(record).endswith("INFO n GET /home 200 1.5 ms user_id=u [r]")


def test_no_line_has_a_secret(api: Api, mailbox: Mailbox, out: StringIO, db: None) -> None:
    new, wrong, email = "another horse altogether", "was it this one, perhaps?", "alice@example.com"
    first = api.post("/auth/register", {"email": email, "password": PASSWORD}).json()
    link = mailbox.verification_token()
    api.get(f"/auth/verify-email?token={link}")
    api.get(f"/verify-email?token={link}")
    second = api.post("/auth/login", {"email": email, "password": PASSWORD}).json()
    third = api.post("/auth/refresh", {"refresh_token": second["refresh_token"]}).json()
    Api(third["access_token"]).get("/users/me")
    api.post("/auth/login", {"email": email, "password": wrong})
    api.post("/auth/forgot-password", {"email": email})
    code = mailbox.code()
    assert api.post("/auth/reset-password", {"email": email, "code": code, "new_password": new}).status_code == 200
    tokens = [pair[name] for pair in (first, second, third) for name in ("access_token", "refresh_token")]
    ours = [line for line in out.getvalue().splitlines() if json.loads(line)["logger"].split(".")[0] != "mail"]
    assert len(ours) >= 9
    for secret in [*tokens, link, PASSWORD, new, wrong, email]:
        assert not [line for line in ours if secret in line]
    assert not [line for line in ours if re.search(rf"\b{code}\b", json.loads(line)["message"])]


# --- Metrics --------------------------------------------------------------------------------------------------------


def scraped(api: Api) -> dict[str, list[Any]]:
    text = api.get("/metrics").content.decode()
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def value(found: dict[str, list[Any]], name: str, **labels: str) -> float:
    return float(sum(sample.value for sample in found.get(name, []) if labels.items() <= sample.labels.items()))


def test_what_happens_is_counted(api: Api, alice: Person, settings: Any) -> None:
    before = scraped(api)
    api.post("/auth/login", alice.credentials)
    for _ in range(3):
        api.post("/auth/login", {**alice.credentials, "password": "a wrong one"})
    api.post("/auth/login", alice.credentials)
    api.post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token})
    api.post("/auth/register", alice.credentials)
    alice.api.post("/api/v1/attempts", ATTEMPT, **{"Idempotency-Key": "k"})
    alice.api.post("/api/v1/attempts", ATTEMPT, **{"Idempotency-Key": "k"})
    after = scraped(api)
    for amount, name, labels in [
        (1, "logins_total", {"outcome": "succeeded"}),
        (3, "logins_total", {"outcome": "invalid_credentials"}),
        (1, "logins_total", {"outcome": "account_locked"}),
        (1, "account_locks_total", {}),
        (1, "refreshes_total", {"outcome": "succeeded"}),
        (1, "registrations_total", {"outcome": "email_taken"}),
        (1, "attempts_total", {"outcome": "solved"}),
        (1, "attempts_total", {"outcome": "replayed"}),
        (3, "http_requests_total", {"route": "/auth/login", "status": "401", "method": "POST"}),
        (5, "http_request_duration_seconds_count", {"route": "/auth/login"}),
    ]:
        assert value(after, name, **labels) - value(before, name, **labels) == amount, (name, labels)
    assert value(after, "live_sessions") == 2
    in_progress = [value(found, "http_requests_in_progress") for found in (before, after)]
    assert in_progress[0] == in_progress[1] >= 1  # the scrape itself


def test_they_answer_without_a_database(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peerprep_users.outbox.OutgoingQuerySet.counts", raising(OperationalError("down")))
    monkeypatch.setattr("accounts.views.profile_of", raising(OperationalError("down")))
    before = scraped(alice.api)
    alice.api.get("/users/me")
    after = scraped(alice.api)
    assert value(after, "database_up") == 0 and "http_requests_total" in after and "outbox_rows" not in after
    errors = [value(each, "database_errors_total", error="OperationalError") for each in (before, after)]
    assert errors[1] - errors[0] == 1


# --- The dashboard, the alerts and the gateway ----------------------------------------------------------------------

WORDS = re.compile(r'"[^"]*"|\{\{.*?\}\}')
FUNCTIONS = {"sum", "rate", "increase", "by", "le", "max", "min", "time", "histogram_quantile", "absent", "delta"}


def expressions() -> list[str]:
    board = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    assert all({"severity"} <= set(rule["labels"]) and rule["annotations"]["runbook"] for rule in rules)
    targets = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [*targets, *(rule["expr"] for rule in rules)]


def test_the_dashboard_and_the_alerts_name_what_there_is(alice: Person) -> None:
    alice.api.get("/users/me")
    found = scraped(alice.api)
    labels = {label for samples in found.values() for sample in samples for label in sample.labels}
    used = set()
    for expression in expressions():
        plain = WORDS.sub("", expression)
        by = {word for group in re.findall(r"by \(([^)]*)\)", plain) for word in group.split(", ")}
        selected = {word for group in re.findall(r"\{([^}]*)\}", plain) for word in re.findall(r"\w+", group)}
        assert by | selected <= labels, expression
        rest = re.sub(r"by \([^)]*\)|\{[^}]*\}|\[[^\]]*\]", "", plain)
        names = set(re.findall(r"[a-z_]+", rest)) - FUNCTIONS
        assert names <= set(found), expression
        used |= names
    shown = {re.sub("_(bucket|count|sum)$", "", name) for name in found}
    assert shown - {re.sub("_(bucket|count|sum)$", "", name) for name in used} == set()
    document = (ROOT / "docs/operation.md").read_text()
    assert not [name for name in shown if f"`{name}" not in document]


def test_each_alert_is_in_the_documentation() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    document = (ROOT / "docs/operation.md").read_text()
    assert not [rule["alert"] for rule in rules if f"| `{rule['alert']}` |" not in document]


@pytest.mark.parametrize("path", ["/api/v1/users/metrics", "/api/v1/users/metrics/", "/api/v1/users/readyz/details"])
def test_the_gateway_passes_no_metrics_on(path: str) -> None:
    config = Path(ROOT / "deploy/nginx.conf").read_text()
    closed = re.findall(r"location ~ (\S+) \{\s+return 404;", config)
    assert [pattern for pattern in closed if re.search(pattern, path)]
    opened = set(re.findall(r"location (?:= )?(/\S+) \{\s+proxy_pass", config))
    assert opened == {"/api/v1/users/", "/auth/", "/api/v1/attempts/", "/api/v1/attempts", "/auth", "/api/v1/users"}

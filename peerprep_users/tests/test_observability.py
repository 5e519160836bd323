"""What operators see: a line for each request, metrics, and a dashboard and alerts that fit them."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.db import OperationalError, connection
from django.test import Client as DjangoClient
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import Mail, Role, Session
from conftest import PASSWORD, Api, Mailbox, Person, browser_of, person
from core.logging import JSONFormatter, RequestFilter, TextFormatter
from core.models import Event
from core.tests.failures import raising
from core.tests.servers import ROOT
from peerprep_users.env import Rate

ATTEMPT = {"question_id": 1, "language": "python", "submitted_code": "x", "passed_tests": 1, "total_tests": 1}


@pytest.fixture
def out() -> Iterator[StringIO]:
    """All that is logged at DEBUG, as production writes it."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RequestFilter())
    handler.setFormatter(JSONFormatter())
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


@pytest.mark.parametrize("odd", ["half a \ud800 pair", 2**70, Path("/"), None])
def test_a_line_of_odd_things_is_json_all_the_same(odd: Any) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        record = logging.makeLogRecord({"msg": "%s", "args": (odd,), "fact": odd, "exc_info": sys.exc_info()})
    line = json.loads(JSONFormatter().format(record))
    assert (line["message"], line["fact"]) == (str(odd), str(odd) if isinstance(odd, Path) else odd)
    assert "ValueError: boom" in line["exc_info"] and datetime.fromisoformat(line["time"]).tzinfo


def test_no_line_has_a_secret(api: Api, mailbox: Mailbox, out: StringIO, db: None) -> None:
    new, wrong, email = "another horse altogether", "was it this one, perhaps?", "alice@example.com"
    first = api.post("/auth/register", {"email": email, "password": PASSWORD}).json()
    link = mailbox.verification_token()
    api.get(f"/auth/verify-email?token={link}")
    api.get(f"/verify-email?token={link}", Referer=f"http://x/verify-email?token={link}")
    second = api.post("/auth/login", {"email": email, "password": PASSWORD}).json()
    third = api.post("/auth/refresh", {"refresh_token": second["refresh_token"]}).json()
    signed_in = Api(third["access_token"], **{"Idempotency-Key": "one key of mine", "Cookie": "mine=one cookie"})
    signed_in.get("/users/me")
    for body in ({**ATTEMPT, "submitted_code": "print(5)"}, {**ATTEMPT, "submitted_code": "print(5)", "language": 1}):
        signed_in.post("/api/v1/attempts", body)
    api.post("/auth/login", {"email": email, "password": wrong})
    api.post("/auth/forgot-password", {"email": email})
    code = mailbox.code()
    assert api.post("/auth/reset-password", {"email": email, "code": code, "new_password": new}).status_code == 200
    tokens = [pair[name] for pair in (first, second, third) for name in ("access_token", "refresh_token")]
    ours = [line for line in out.getvalue().splitlines() if json.loads(line)["logger"].split(".")[0] != "mail"]
    for secret in [*tokens, link, PASSWORD, new, wrong, email, "print(5)", "one key of mine", "one cookie"]:
        assert not [line for line in ours if secret in line]
    assert not [line for line in ours if re.search(rf"\b{code}\b", json.loads(line)["message"])]
    attempts = [line for line in requests(out) if line["route"] == "/api/v1/attempts"]
    assert [line["status"] for line in attempts] == [201, 422]
    assert all(line["user_id"] and line["request_id"] and line["duration_ms"] > 0 for line in attempts)


def test_no_line_of_the_admin_site_has_a_secret(admin: Person, alice: Person, out: StringIO) -> None:
    browser = browser_of(admin)
    browser.get("/admin/", {"token": "hush"}, headers={"Referer": "http://x/?token=hush"})
    browser.post("/admin/login/", {"username": admin.user.email, "password": "hush hush", "next": "/admin/"})
    form = {"old_password": "hush hush", "new_password1": "hush hush 1", "new_password2": "hush hush 1"}
    browser.post("/admin/password_change/", form)
    browser.get(f"/admin/accounts/user/{alice.user.pk}/change/")
    ours = out.getvalue()
    cookies = [cookie.value for cookie in browser.cookies.values() if cookie.value]
    assert cookies and not [secret for secret in [*cookies, "hush", PASSWORD, admin.user.email] if secret in ours]
    lines = [(line["route"], line["status"], line.get("user_id")) for line in requests(out)]
    own = str(admin.user.pk)
    assert ("/admin/", 200, own) in lines and ("/admin/password_change/", 200, own) in lines
    assert ("/admin/accounts/user/{object_id}/change/", 200, own) in lines


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
    for password in (PASSWORD, "a wrong one", "a wrong one", "short"):
        alice.api.post("/auth/verify-password", {"password": password})
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
        (1, "confirmations_total", {"outcome": "succeeded"}),
        (3, "confirmations_total", {"outcome": "old_password_incorrect"}),
        (1, "refreshes_total", {"outcome": "succeeded"}),
        (1, "registrations_total", {"outcome": "email_taken"}),
        (1, "attempts_total", {"outcome": "solved"}),
        (1, "attempts_total", {"outcome": "replayed"}),
        (3, "http_requests_total", {"route": "/auth/login", "status": "401", "method": "POST"}),
        (5, "http_request_duration_seconds_count", {"route": "/auth/login"}),
    ]:
        assert value(after, name, **labels) - value(before, name, **labels) == amount, (name, labels)
    assert value(after, "live_sessions") == 2


def test_logins_to_the_admin_site_are_counted_as_they_end(api: Api, admin: Person, alice: Person) -> None:
    new = person("new@example.com", role=Role.ADMIN, is_verified=False)
    before = scraped(api)
    for email, password in [
        *[(each.user.email, PASSWORD) for each in (admin, alice, new)],
        *[(admin.user.email, "a wrong one")] * 3,
        (admin.user.email, PASSWORD),
    ]:
        DjangoClient().post("/admin/login/", {"username": email, "password": password})
    after = scraped(api)
    ends = {"succeeded": 1, "invalid_credentials": 4, "email_not_verified": 1, "account_locked": 1}
    for end, amount in ends.items():
        assert value(after, "logins_total", outcome=end) - value(before, "logins_total", outcome=end) == amount, end


def test_mails_are_counted_by_state(api: Api, db: None) -> None:
    for state in ("queued", "dead", "sent", "dropped"):
        for hours in (0, 2):
            when = timezone.now() - timedelta(hours=hours)
            Mail.objects.create(kind=Mail.Kind.VERIFICATION, to="a@example.com", state=state, created_at=when)
    found = {sample.labels["state"]: sample.value for sample in scraped(api)["outbox_rows"]}
    assert found == {"queued": 2, "dead": 2, "sent": 1, "dropped": 1}


def test_events_that_wait_are_counted_where_they_are_on(api: Api, alice: Person, settings: Any) -> None:
    settings.RABBITMQ_URL = "amqp://rabbitmq.example/"
    alice.api.put("/users/me", {"name": "Alicia"})
    Event.objects.update(created_at=timezone.now() - timedelta(hours=1))
    found = scraped(api)
    assert value(found, "outbox_rows", outbox="events", state="queued") == 1
    assert value(found, "outbox_oldest_undelivered_seconds", outbox="events") >= 3600
    assert api.get("/readyz/details").json()["undelivered"]["events"]["waiting"] == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite, for development, counts all")
def test_a_long_outbox_is_not_counted_to_its_end(
    api: Api, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RABBITMQ_URL = "amqp://rabbitmq.example/"
    monkeypatch.setattr("core.estimates.EXACT_UP_TO", 2)
    user = uuid4()
    Event.objects.bulk_create(Event(type=Event.Type.USER_VERIFIED, user_id=user, data={}) for _ in range(9))
    with CaptureQueriesContext(connection) as queries:
        assert value(scraped(api), "outbox_rows", outbox="events", state="queued") >= 3
        assert api.get("/readyz/details").json()["undelivered"]["events"]["waiting"] >= 3
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counts and all("LIMIT 3" in sql for sql in counts)


def test_they_answer_without_a_database(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.mail.models.MailQuerySet.counts", raising(OperationalError("down")))
    monkeypatch.setattr("accounts.views.profile_of", raising(OperationalError("down")))
    before = scraped(alice.api)
    alice.api.get("/users/me")
    after = scraped(alice.api)
    assert value(after, "database_up") == 0 and "http_requests_total" in after and "outbox_rows" not in after
    errors = [value(each, "database_errors_total", error="OperationalError") for each in (before, after)]
    assert errors[1] - errors[0] == 1


def test_calls_over_a_limit_are_counted(api: Api, settings: Any, db: None) -> None:
    settings.RATE_LIMIT_ENABLED, settings.REDIS_URL = True, ""
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": Rate(2, timedelta(minutes=10))}
    before = scraped(api)
    assert [api.post("/auth/login", {}).status_code for _ in range(4)] == [422, 422, 429, 429]
    after = scraped(api)
    for limit, amount in [("login", 2), ("refresh", 0)]:
        found = [value(each, "rate_limited_calls_total", limit=limit) for each in (before, after)]
        assert found[1] - found[0] == amount


MANY_SESSIONS = """
INSERT INTO sessions ({columns}) SELECT {values} FROM sessions, generate_series(1, 19999) WHERE user_id = %s
"""


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite counts them")
def test_many_live_sessions_are_estimated(alice: Person) -> None:
    columns = [f'"{field.column}"' for field in Session._meta.concrete_fields]
    values = ["gen_random_uuid()", *columns[1:]]
    with connection.cursor() as cursor:
        cursor.execute(MANY_SESSIONS.format(columns=", ".join(columns), values=", ".join(values)), [alice.user.pk])
        cursor.execute("ANALYZE sessions")
    assert 15_000 < value(scraped(alice.api), "live_sessions") < 25_000


# --- The dashboard and the alerts ----------------------------------------------------------------------

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
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    anchors = {
        f"docs/operation.md#{re.sub(r'[^a-z -]', '', heading.lower()).replace(' ', '-')}" for heading in headings
    }
    assert {rule["annotations"]["runbook"] for rule in rules} <= anchors
    assert not [rule["alert"] for rule in rules if f"| `{rule['alert']}` |" not in document]

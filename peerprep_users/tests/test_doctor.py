"""`manage.py doctor`: each fault has a code, which is shown when it is there."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django.utils import timezone

from accounts.audit.log import Actor, Kind, record
from accounts.models import Mail
from accounts.tokens.keys import new_pair, seal
from conftest import Api, past_the_triggers
from core import rate_limits, redis_counts
from core.tests.commands import reported
from core.tests.failures import raising
from core.tests.rabbitmq import URL, require_rabbitmq
from core.tests.servers import ROOT, free_port
from core.tests.smtp import scripted
from peerprep_users.doctor import deployment, report, service
from peerprep_users.doctor.findings import Fault

pytestmark = pytest.mark.slow  # each run examines everything

POSTGRESQL = connection.vendor == "postgresql"


def diagnosed(*options: str) -> tuple[set[str], int]:
    said, code = reported("doctor", "--json", *options)
    report = json.loads(said)
    assert report["ok"] == (code == 0)
    assert all(finding["remedy"] for finding in report["findings"] if finding["code"])
    return {finding["code"] for finding in report["findings"]} - {""}, code


@pytest.fixture(scope="module")
def static_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    with override_settings(STATIC_ROOT=folder):
        call_command("collectstatic", "--noinput", verbosity=0)
    return folder


@pytest.fixture
def sound(db: None, settings: Any, static_files: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A deployment without faults."""
    settings.SECRET_KEY, settings.WORKERS, settings.RATE_LIMIT_ENABLED = "k9Xq2Lz7" * 4 + "Vw3Rt5", 1, True
    settings.STATIC_ROOT = static_files
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "async.E001"]  # of DJANGO_ALLOW_ASYNC_UNSAFE
    monkeypatch.setattr(rate_limits, "hops_noted_at", {})
    redis_counts.redis_client.cache_clear()
    return settings


def test_a_system_check_without_a_hint_has_a_remedy_all_the_same(sound: Any) -> None:
    sound.PRODUCTION, sound.SECRET_KEY = True, "k9Xq2Lz7"
    assert "security.W009" in diagnosed()[0]


def test_it_finds_nothing_wrong_where_nothing_is(sound: Any) -> None:
    assert diagnosed("--strict") == (set(), 0)
    said, _ = reported("doctor")
    assert said.startswith("Sound.\n") and sound.SECRET_KEY not in said


def test_its_first_line_names_the_checks_that_found_a_problem(sound: Any, tmp_path: Path) -> None:
    sound.SECRET_KEY, sound.PUBLIC_BASE_URL = "k9Xq2Lz7" * 5, "https://example.com"
    sound.STATIC_ROOT = tmp_path
    said, code = reported("doctor")
    assert (said.partition("\n")[0], code) == ("Not sound: environment, SECRET_KEY, static files.", 1)


def key(sound: Any, **facts: Any) -> None:
    sound.ALGORITHM = "ES256"
    pair = new_pair("ES256")
    pair.activated_at = timezone.now()
    for name, value in facts.items():
        setattr(pair, name, value)
    pair.save()


def long_ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def old_mail(minutes: int, state: str = "queued") -> None:
    Mail.objects.create(
        kind=Mail.Kind.VERIFICATION, to="a@example.com", state=state, created_at=long_ago(minutes / 1440)
    )


def hops(count: int, addresses: str) -> Callable[[Any], None]:
    def call(sound: Any) -> None:
        sound.TRUSTED_PROXY_COUNT = count
        Api().post("/auth/login", {}, **({"X-Forwarded-For": addresses} if addresses else {}))

    return call


def configured(**facts: Any) -> Callable[[Any], None]:
    def change(sound: Any) -> None:
        for name, value in facts.items():
            setattr(sound, name, value)

    return change


def key_of_another_algorithm(sound: Any) -> None:
    key(sound)
    sound.ALGORITHM = "EdDSA"


def unmigrate(_: Any) -> None:
    MigrationRecorder(connection).record_unapplied(*MigrationLoader(connection).graph.leaf_nodes("attempts")[0])


def audited(minutes: int) -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=minutes), tick=False):
        record(Kind.ROLE_CHANGED, by=Actor.service())


def behead(_: Any) -> None:
    past_the_triggers("DELETE FROM audit_head")


WRONG: list[tuple[str, int, Callable[[Any], Any]]] = [
    ("migrations_missing", 1, unmigrate),
    ("earlier_service", 1, lambda _: past_the_triggers("ALTER TABLE users ADD COLUMN failed_attempts integer")),
    ("secret_key_guessable", 0, configured(SECRET_KEY="changeme-" * 5)),
    (
        "secret_key_guessable",
        1,
        configured(SECRET_KEY="changeme-" * 5, PUBLIC_BASE_URL="http://localhost", PRODUCTION=True),
    ),
    ("development_mode", 1, configured(PUBLIC_BASE_URL="https://users.peerprep.com")),
    ("links_without_tls", 0, configured(PUBLIC_BASE_URL="http://users.peerprep.com", PRODUCTION=True)),
    ("accounts.W001", 0, configured(REFRESH_TTL=timedelta(days=31))),
    ("proxy_not_trusted", 0, hops(0, "192.0.2.1")),
    ("proxies_missing", 0, hops(2, "192.0.2.1")),
    ("redis_unset", 0, configured(WORKERS=4)),
    ("redis_down", 1, configured(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")),
    ("rabbitmq_down", 1, configured(RABBITMQ_URL=f"amqp://127.0.0.1:{free_port()}/")),
    ("rate_limits_off", 0, configured(RATE_LIMIT_ENABLED=False)),
    (
        "mail_server",
        1,
        configured(EMAIL_HOST="127.0.0.1", EMAIL_PORT=free_port(), EMAIL_BACKEND="core.smtp.SMTP"),
    ),
    ("outbox_late", 0, lambda _: old_mail(6)),
    ("outbox_stuck", 1, lambda _: old_mail(21)),
    ("outbox_dead", 0, lambda _: old_mail(1, "dead")),
    ("signing_key_sealed", 1, lambda sound: key(sound, sealed=seal("another key").encrypt(b"x").decode())),
    ("signing_key_algorithm", 0, key_of_another_algorithm),
    ("signing_key_staged", 0, lambda sound: key(sound, activated_at=None, staged_at=long_ago(31))),
    ("signing_key_replaced", 0, lambda sound: key(sound, replaced_at=long_ago(31), activated_at=long_ago(40))),
    ("audit_unchained", 0, lambda _: audited(6)),
    ("audit_head_missing", 1, behead),
    ("static_files_missing", 1, lambda sound: shutil.rmtree(sound.STATIC_ROOT / "admin")),
    ("static_files_old", 0, lambda sound: (sound.STATIC_ROOT / "admin/css/base.css").write_text("old")),
]


@pytest.mark.parametrize(("code", "status", "spoil"), WRONG, ids=[each[0] for each in WRONG])
def test_it_says_what_is_wrong(sound: Any, code: str, status: int, spoil: Callable[[Any], Any], tmp_path: Path) -> None:
    if code.startswith("static"):
        sound.STATIC_ROOT = shutil.copytree(sound.STATIC_ROOT, tmp_path / "static")
    spoil(sound)
    found, ended = diagnosed()
    assert code in found and ended == status
    assert status or diagnosed("--strict")[1] == 1


@pytest.mark.parametrize(
    ("facts", "answers", "named"),
    [
        ({"EMAIL_USE_TLS": True}, {"EHLO": "250 here"}, "MAIL_STARTTLS"),
        (
            {"EMAIL_HOST_USER": "mailer", "EMAIL_HOST_PASSWORD": "hush"},
            {"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "535 no"},
            "MAIL_USERNAME",
        ),
        ({}, {"greeting": "554 not you"}, "554"),
    ],
)
def test_it_says_why_the_mail_server_refuses_the_service(
    sound: Any, facts: dict[str, Any], answers: dict[str, str], named: str
) -> None:
    with scripted(**answers) as server:
        sound.EMAIL_HOST, sound.EMAIL_PORT = "127.0.0.1", server.port
        configured(**{"EMAIL_USE_TLS": False, "EMAIL_BACKEND": "core.smtp.SMTP"} | facts)(sound)
        (found,) = deployment.mail_server()
    assert found.code == "mail_server" and named in found.sentence and "hush" not in found.sentence


def test_it_says_why_rabbitmq_refuses_the_service(sound: Any) -> None:
    require_rabbitmq()
    sound.RABBITMQ_URL = URL
    (found,) = service.rabbitmq()
    assert found.code == ""
    sound.RABBITMQ_URL = URL.replace("guest:guest", "guest:hush")
    (found,) = service.rabbitmq()
    assert found.code == "rabbitmq_down" and "rejects the user name" in found.sentence and "hush" not in found.sentence


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite uses this host's clock")
@pytest.mark.parametrize(("seconds", "code"), [(10, "clock_off"), (-60, "clock_wrong")])
def test_it_compares_the_clocks(sound: Any, seconds: int, code: str) -> None:
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
        assert code in diagnosed()[0]


@pytest.mark.parametrize(
    ("free", "writable", "code"),
    [(50, True, "disk_full"), (500, True, "disk_nearly_full"), (5000, False, "disk_read_only")],
)
def test_it_looks_at_the_disk(
    sound: Any, monkeypatch: pytest.MonkeyPatch, free: int, writable: bool, code: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "db"))
    usage = shutil.disk_usage(tmp_path)._replace(free=free * 1024**2)
    monkeypatch.setattr("peerprep_users.doctor.deployment.shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr("peerprep_users.doctor.deployment.os.access", lambda *_: writable)
    sound.PRODUCTION = True
    assert {"sqlite_in_production", code} <= {finding.code for finding in deployment.disk()}


@pytest.mark.skipif(POSTGRESQL, reason="it is about SQLite")
def test_it_looks_at_the_journal(sound: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(":memory:")) as other, monkeypatch.context() as moment:
        moment.setattr(connection, "cursor", lambda: closing(other.cursor()))
        assert [finding.code for finding in deployment.journal()] == ["sqlite_journal"]


def test_it_checks_the_rest_without_a_database(sound: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound.STATIC_ROOT = tmp_path
    with monkeypatch.context() as moment:
        moment.setattr(connection, "cursor", raising(OperationalError("down")))
        found, ended = diagnosed()
    assert {"database_down", "static_files_missing"} <= found and "check_failed" not in found and ended == 1


def test_what_needs_a_missing_migration_is_skipped(sound: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.rate_limits.RateCount.objects.filter", raising(ProgrammingError("no such table")))
    assert "check_failed" in diagnosed()[0]
    unmigrate(sound)
    found, ended = diagnosed()
    assert "migrations_missing" in found and "check_failed" not in found and ended == 1


def test_missing_migrations_are_named_or_the_first_three_of_them(sound: Any) -> None:
    unmigrate(sound)
    app, name = MigrationLoader(connection).graph.leaf_nodes("attempts")[0]
    assert f" Not applied: {app}.{name}.\n" in reported("doctor")[0]
    MigrationRecorder(connection).flush()
    assert re.search(r" Not applied: \d+, beginning with \S+, \S+, \S+\.\n", reported("doctor")[0])


def test_a_check_that_fails_stops_no_other(sound: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound.STATIC_ROOT = tmp_path
    monkeypatch.setattr("core.rate_limits.RateCount.objects.filter", raising(RuntimeError("odd")))
    assert {"check_failed", "static_files_missing"} <= diagnosed()[0]


def test_a_number_of_hops_is_noted_once(sound: Any, api: Api, django_assert_num_queries: Any) -> None:
    sound.RATE_LIMIT_ENABLED = False
    with django_assert_num_queries(1):
        for _ in range(3):
            api.post("/auth/login", {})


def test_each_fault_is_documented() -> None:
    section = (ROOT / "docs/operation.md").read_text().split("## Is it sound?")[1].split("\n## ")[0]
    documented = {line for line in section.splitlines() if line.startswith("| `") and "`accounts." not in line}
    values = [value for module in (deployment, service, report) for value in vars(module).values()]
    faults = [value for value in values if isinstance(value, Fault)]
    assert documented == {f"| `{fault.code}` | {fault.level} | {fault.remedy} |" for fault in faults}

"""What `manage.py doctor` checks of the service's surroundings: settings, database, clock, disk, files, queues."""

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.checks import ERROR, run_checks
from django.db import DatabaseError, connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from core.errors import first_line
from core.postgresql import limit_statements
from core.smtp import connected, explained
from peerprep_users.doctor.findings import Fault, Finding, Level, fine
from peerprep_users.env import is_guessable
from peerprep_users.health import outboxes
from peerprep_users.legacy.detection import TAKE_OVER, holds_earlier_tables
from peerprep_users.settings import DEVELOPMENT_KEY

MIB = 1024**2

DATABASE_DOWN = Fault("database_down", Level.PROBLEM, "Start the database, or correct DATABASE_URL.")
DATABASE_READ_ONLY = Fault(
    "database_read_only", Level.PROBLEM, "Point DATABASE_URL to the primary, or make the database accept writes again."
)
EARLIER_SERVICE = Fault(
    "earlier_service", Level.PROBLEM, "Take it over, or set DATABASE_URL to a new database: see docs/migration.md."
)
UNMIGRATED = Fault("migrations_missing", Level.PROBLEM, "Run `manage.py migrate`.")
KEY_GUESSABLE = Fault(
    "secret_key_guessable",
    Level.PROBLEM,
    'Set SECRET_KEY to what `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints.',
)
DEVELOPMENT = Fault("development_mode", Level.PROBLEM, "Set ENV=prod where others can reach the service.")
LINKS_WITHOUT_TLS = Fault("links_without_tls", Level.WARNING, "Set PUBLIC_BASE_URL to an https:// address.")
CLOCK_OFF = Fault("clock_off", Level.WARNING, "Synchronise the clocks of this host and the database's by NTP.")
CLOCK_WRONG = Fault(
    "clock_wrong",
    Level.PROBLEM,
    "Synchronise the clocks of this host and the database's by NTP: tokens depend on them.",
)
COLLECT_STATIC = "Run `manage.py collectstatic --clear --noinput`, and restart."
STATIC_MISSING = Fault("static_files_missing", Level.PROBLEM, COLLECT_STATIC)
STATIC_OLD = Fault("static_files_old", Level.WARNING, COLLECT_STATIC)
SQLITE_IN_PRODUCTION = Fault("sqlite_in_production", Level.WARNING, "Set DATABASE_URL to a PostgreSQL database.")
SQLITE_JOURNAL = Fault("sqlite_journal", Level.WARNING, "Move the database to a local disk, where WAL works.")
DISK_FULL = Fault("disk_full", Level.PROBLEM, "Free space on the database's disk.")
DISK_NEARLY_FULL = Fault("disk_nearly_full", Level.WARNING, "Free space on the database's disk.")
DISK_READ_ONLY = Fault(
    "disk_read_only", Level.PROBLEM, "Give the service's user write access to the database file and its folder."
)
MAIL_SERVER = Fault(
    "mail_server", Level.PROBLEM, "Correct the variable that is named, then try `manage.py send_test_mail ADDRESS`."
)
OUTBOX_LATE = Fault(
    "outbox_late", Level.WARNING, "See the errors of waiting mails in the admin site; events wait for RabbitMQ."
)
OUTBOX_STUCK = Fault("outbox_stuck", Level.PROBLEM, "Make sure that the service or `manage.py work` is running.")
OUTBOX_DEAD = Fault("outbox_dead", Level.WARNING, "See their errors in the admin site, and send them again there.")

UNHINTED = "Do what the message says. The code is explained in the documentation of Django, or of the library."


def database_answers() -> Finding:
    limit_statements(connection, 5)
    try:
        with connection.cursor():
            version = ".".join(map(str, connection.get_database_version()))
            accepts_writes = connection.is_usable()
    except DatabaseError as exc:
        return DATABASE_DOWN(f"The database does not answer: {first_line(exc)}")
    if not accepts_writes:
        return DATABASE_READ_ONLY(f"{connection.display_name} {version} answers, but accepts no writes.")
    return fine(f"{connection.display_name} {version} answers.")


def unapplied_migrations() -> list[Migration]:
    executor = MigrationExecutor(connection)
    return [step for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def schema_fault() -> str:
    """Why the service cannot work with this database's tables; empty if it can."""
    if holds_earlier_tables(connection):
        return TAKE_OVER
    if plan := unapplied_migrations():
        return f"The database has an older schema: {plan[0]} is not applied. Run `manage.py migrate`."
    return ""


def migrations() -> Iterator[Finding]:
    if holds_earlier_tables(connection):
        yield EARLIER_SERVICE("The database is that of the earlier service.")
    elif plan := unapplied_migrations():
        names = ", ".join(f"{step.app_label}.{step.name}" for step in plan[:3])
        of_many = f"{len(plan)}, beginning with " if plan[3:] else ""
        yield UNMIGRATED(f"Not applied: {of_many}{names}.")
    else:
        yield fine("All are applied.")


def system_checks() -> Iterator[Finding]:
    """The messages of `manage.py check --deploy`, each with its own code."""
    messages = run_checks(include_deployment_checks=settings.PRODUCTION)
    shown = [message for message in messages if not message.is_silenced()]
    for message in shown:
        level = Level.PROBLEM if message.level >= ERROR else Level.WARNING
        yield Finding(level, str(message.msg), message.id or "", message.hint or UNHINTED)
    if not shown:
        yield fine("All pass.")


def is_local(url: str) -> bool:
    """Whether only this host or a private network can be meant."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".test", ".internal"))


def environment() -> Iterator[Finding]:
    url = settings.PUBLIC_BASE_URL
    if not settings.PRODUCTION and not is_local(url):
        yield DEVELOPMENT(f"ENV is dev, and links begin with {url}.")
    elif settings.PRODUCTION and url.startswith("http://"):
        yield LINKS_WITHOUT_TLS(f"Links in mails begin with {url}: anyone on the network path can read and use them.")
    else:
        yield fine(f"ENV is {settings.ENV}, and links begin with {url}.")


def secret_key_strength() -> Iterator[Finding]:
    """On a developer's own machine a weak key is only a warning. No key is ever shown."""
    level = Level.WARNING if not settings.PRODUCTION and is_local(settings.PUBLIC_BASE_URL) else Level.PROBLEM
    if settings.SECRET_KEY == DEVELOPMENT_KEY:
        yield KEY_GUESSABLE("It is not set, so the public one from the source code is in use.", level)
    elif is_guessable(settings.SECRET_KEY):
        yield KEY_GUESSABLE("It looks like a placeholder, or repeats itself.", level)
    elif any(is_guessable(key) for key in settings.SECRET_KEY_FALLBACKS):
        yield KEY_GUESSABLE("One of SECRET_KEY_FALLBACKS looks like a placeholder, or repeats itself.", level)
    else:
        yield fine("It is hard to guess.")


def clock() -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        yield fine("The database uses this host's.")
        return
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        (database_time,) = cursor.fetchone()
    ahead = database_time - (before + (timezone.now() - before) / 2)
    seconds, side = abs(ahead.total_seconds()), "ahead of" if ahead > timedelta(0) else "behind"
    sentence = f"The database's clock is {seconds:.1f} s {side} this host's."
    if abs(ahead) > timedelta(seconds=30):
        yield CLOCK_WRONG(sentence)
    elif abs(ahead) > timedelta(seconds=2):
        yield CLOCK_OFF(sentence)
    else:
        yield fine(sentence)


def static_files() -> Iterator[Finding]:
    sizes: dict[str, int] = {}
    for finder in get_finders():
        for path, storage in finder.list(None):
            if "." in path:
                sizes.setdefault(path, storage.size(path))  # if two packages have a file, the first is collected
    root = Path(settings.STATIC_ROOT)
    missing = [path for path in sizes if not (root / path).is_file()]
    old = [path for path, size in sizes.items() if path not in missing and (root / path).stat().st_size != size]
    if missing:
        yield STATIC_MISSING(f"{len(missing)} of {len(sizes)} are not collected, such as {missing[0]}.")
    elif old:
        yield STATIC_OLD(f"{len(old)} of {len(sizes)} have changed since they were collected, such as {old[0]}.")
    else:
        yield fine(f"All {len(sizes)} are collected.")


def disk() -> Iterator[Finding]:
    if connection.vendor != "sqlite":
        yield fine("Only checked for SQLite.")
        return
    path = Path(str(connection.settings_dict["NAME"]))
    if settings.PRODUCTION:
        yield SQLITE_IN_PRODUCTION("SQLite is for development: it has one writer at a time, on one host.")
    if not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
        yield DISK_READ_ONLY(f"{path} or its folder is not writable.")
    free = shutil.disk_usage(path.parent).free
    sentence = f"The disk of {path} has {free // MIB} MiB free."
    if free < 100 * MIB:
        yield DISK_FULL(sentence)
    elif free < 1024 * MIB:
        yield DISK_NEARLY_FULL(sentence)
    else:
        yield fine(sentence)


def journal() -> Iterator[Finding]:
    if connection.vendor != "sqlite":
        yield fine("Only checked for SQLite.")
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
    if mode == "wal":
        yield fine("SQLite uses WAL.")
    else:
        yield SQLITE_JOURNAL(f"SQLite's journal mode is {mode}: reads and writes block each other.")


def mail_server() -> Iterator[Finding]:
    if not settings.EMAIL_HOST:
        yield fine("Mail goes to the console.")
        return
    try:
        with connected(timeout=3):
            yield fine(f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT} accepts the connection. No mail was sent.")
    except (OSError, ValueError) as exc:
        yield MAIL_SERVER(explained(exc))


def outbox() -> Iterator[Finding]:
    """All tries of one row take about a quarter of an hour. Longer than that, nothing is sending."""
    for name, rows in outboxes().items():
        age = timedelta(seconds=rows.oldest_age())
        sentence = f"{name}: the oldest has waited for {age / timedelta(minutes=1):.0f} min."
        if age > timedelta(minutes=20):
            yield OUTBOX_STUCK(sentence)
        elif age > timedelta(minutes=5):
            yield OUTBOX_LATE(sentence)
        else:
            yield fine(sentence if age else f"{name}: none is waiting.")
        if dead := rows.counts().get("dead"):
            yield OUTBOX_DEAD(f"{name}: {dead} could not be delivered.")

"""What `manage.py doctor` examines of the service's surroundings: settings, database, clock, disk, files, queues."""

import os
import shutil
from collections.abc import Iterator
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

from core.smtp import connected, explained
from peerprep_users.doctor.findings import Finding, Level, fine, problem, warning
from peerprep_users.env import is_guessable
from peerprep_users.health import OUTBOXES
from peerprep_users.settings import DEVELOPMENT_KEY

MIB = 1024**2

DATABASE_DOWN = problem("database_down", "Start the database, or correct DATABASE_URL.")
UNMIGRATED = problem("migrations_missing", "Run `manage.py migrate`.")
KEY_GUESSABLE = problem(
    "secret_key_guessable",
    'Set SECRET_KEY to what `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints.',
)
DEVELOPMENT = problem("development_mode", "Set ENV=prod where others can reach the service.")
LINKS_WITHOUT_TLS = warning("links_without_tls", "Let PUBLIC_BASE_URL begin with https://.")
CLOCK_OFF = warning("clock_off", "Let NTP set the clocks of this host and of the database's.")
CLOCK_WRONG = problem("clock_wrong", "Let NTP set the clocks of this host and of the database's: tokens go by them.")
STATIC_MISSING = problem("static_files_missing", "Run `manage.py collectstatic --clear --noinput`, and restart.")
STATIC_OLD = warning("static_files_old", "Run `manage.py collectstatic --clear --noinput`, and restart.")
SQLITE_IN_PRODUCTION = warning("sqlite_in_production", "Set DATABASE_URL to a PostgreSQL.")
SQLITE_JOURNAL = warning("sqlite_journal", "Keep the database on a local disk, where WAL works.")
DISK_FULL = problem("disk_full", "Make room on the disk of the database.")
DISK_NEARLY_FULL = warning("disk_nearly_full", "Make room on the disk of the database.")
DISK_READ_ONLY = problem("disk_read_only", "Let the service's user write to the database's file and its folder.")
MAIL_SERVER = problem("mail_server", "Correct what the sentence names, then try `manage.py send_test_mail ADDRESS`.")
OUTBOX_LATE = warning("outbox_late", "Look at the errors of the waiting rows in the admin site.")
OUTBOX_STUCK = problem("outbox_stuck", "See that the service or `manage.py work` runs.")
OUTBOX_DEAD = warning("outbox_dead", "Look at their errors in the admin site, and send them again there.")

UNHINTED = "Do as the sentence says. The code is explained where the checks of Django, or of the library, are listed."


def database() -> Finding:
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET statement_timeout = '5s'")
            version = ".".join(map(str, connection.get_database_version()))
    except DatabaseError as exc:
        return DATABASE_DOWN(f"The database does not answer: {' '.join(str(exc).split())}")
    return fine(f"{connection.display_name} {version} answers.")


def unapplied() -> list[Migration]:
    executor = MigrationExecutor(connection)
    return [step for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def migrations() -> Iterator[Finding]:
    if plan := unapplied():
        names = ", ".join(f"{step.app_label}.{step.name}" for step in plan[:3])
        yield UNMIGRATED(f"{len(plan)} not applied, {names} first.")
    else:
        yield fine("All are applied.")


def system_checks() -> Iterator[Finding]:
    """What `manage.py check --deploy` says; each message has a code of its own."""
    messages = run_checks(include_deployment_checks=settings.PRODUCTION)
    for message in messages:
        if not message.is_silenced():
            level = Level.PROBLEM if message.level >= ERROR else Level.WARNING
            yield Finding(level, str(message.msg), message.id or "", message.hint or UNHINTED)
    if all(message.is_silenced() for message in messages):
        yield fine("None has anything to say.")


def is_local(url: str) -> bool:
    """Whether only this machine, or a network without names of the internet, is meant."""
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
        yield LINKS_WITHOUT_TLS(f"Links in mails begin with {url}: whoever listens on their way can use them.")
    else:
        yield fine(f"ENV is {settings.ENV}, and links begin with {url}.")


def secret_key() -> Iterator[Finding]:
    """On a developer's own machine a weak one is no more than a warning. None is ever shown."""
    level = Level.WARNING if not settings.PRODUCTION and is_local(settings.PUBLIC_BASE_URL) else Level.PROBLEM
    if settings.SECRET_KEY == DEVELOPMENT_KEY:
        yield KEY_GUESSABLE("It is not set, so it is the one that stands in the code.", level)
    elif is_guessable(settings.SECRET_KEY):
        yield KEY_GUESSABLE("It looks like a placeholder, or repeats itself.", level)
    elif any(is_guessable(key) for key in settings.SECRET_KEY_FALLBACKS):
        yield KEY_GUESSABLE("One of SECRET_KEY_FALLBACKS looks like a placeholder, or repeats itself.", level)
    else:
        yield fine("Nobody will guess it.")


def clock() -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        yield fine("The database has this machine's.")
        return
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    off = theirs - (before + (timezone.now() - before) / 2)
    seconds = abs(off.total_seconds())
    said = f"The database's clock is {seconds:.1f} s {'ahead of' if off.total_seconds() > 0 else 'behind'} this one."
    diagnosis = CLOCK_WRONG if seconds > 30 else CLOCK_OFF if seconds > 2 else fine  # noqa: PLR2004
    yield diagnosis(said)


def static_files() -> Iterator[Finding]:
    sources: dict[str, int] = {}
    for finder in get_finders():
        for path, storage in finder.list(None):
            if "." in path:
                sources.setdefault(path, storage.size(path))  # of two packages' files, the first is collected
    root = Path(settings.STATIC_ROOT)
    missing = [path for path in sources if not (root / path).is_file()]
    old = [path for path, size in sources.items() if path not in missing and (root / path).stat().st_size != size]
    if missing:
        yield STATIC_MISSING(f"{len(missing)} of {len(sources)} are not collected, {missing[0]} among them.")
    elif old:
        yield STATIC_OLD(f"{len(old)} of {len(sources)} differ from what was collected, {old[0]} among them.")
    else:
        yield fine(f"All {len(sources)} are collected.")


def disk() -> Iterator[Finding]:
    if connection.vendor != "sqlite":
        yield fine("The database has its own.")
        return
    path = Path(str(connection.settings_dict["NAME"]))
    if settings.PRODUCTION:
        yield SQLITE_IN_PRODUCTION("SQLite is for development: one writes at a time, on one host.")
    if not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
        yield DISK_READ_ONLY(f"{path} or its folder cannot be written to.")
    free = shutil.disk_usage(path.parent).free // MIB
    diagnosis = DISK_FULL if free < 100 else DISK_NEARLY_FULL if free < 1024 else fine  # noqa: PLR2004
    yield diagnosis(f"{free} MiB are free beside {path}.")


def journal() -> Iterator[Finding]:
    if connection.vendor != "sqlite":
        yield fine("The database has its own.")
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
    yield (
        fine("SQLite writes ahead.")
        if mode == "wal"
        else SQLITE_JOURNAL(f"SQLite's journal mode is {mode}: reads and writes wait for each other.")
    )


def mail_server() -> Iterator[Finding]:
    if not settings.EMAIL_HOST:
        yield fine("Mail is printed.")
        return
    try:
        with connected(timeout=3):
            yield fine(f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT} lets the service in. No mail was sent.")
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is what the operator wants to know
        yield MAIL_SERVER(explained(exc))


def outbox() -> Iterator[Finding]:
    """The tries of one row take about a quarter of an hour; after that nothing is sending."""
    for name, rows in OUTBOXES.items():
        minutes = rows.oldest_age() / 60
        diagnosis = OUTBOX_STUCK if minutes > 20 else OUTBOX_LATE if minutes > 5 else fine  # noqa: PLR2004
        yield diagnosis(f"{name}: the oldest has waited for {minutes:.0f} min." if minutes else f"{name}: none waits.")
        if dead := rows.counts()["dead"]:
            yield OUTBOX_DEAD(f"{name}: {dead} could not be delivered.")

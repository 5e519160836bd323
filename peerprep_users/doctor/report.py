"""What `manage.py doctor` checks, in the order in which it is shown."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.db import DatabaseError

from peerprep_users.doctor import deployment, service
from peerprep_users.doctor.findings import Fault, Finding, Level


class Check(NamedTuple):
    """Takes a few seconds at most."""

    name: str
    run: Callable[[], Iterable[Finding]]
    needs_database: bool = False


CHECKS = [
    Check("migrations", deployment.migrations, needs_database=True),
    Check("system checks", deployment.system_checks),
    Check("environment", deployment.environment),
    Check("SECRET_KEY", deployment.secret_key_strength),
    Check("clock", deployment.clock, needs_database=True),
    Check("static files", deployment.static_files),
    Check("disk", deployment.disk),
    Check("journal", deployment.journal, needs_database=True),
    Check("mail server", deployment.mail_server),
    Check("outbox", deployment.outbox, needs_database=True),
    Check("proxies", service.trusted_proxies, needs_database=True),
    Check("rate limits", service.rate_limits),
    Check("events", service.rabbitmq),
    Check("signing keys", service.signing_keys, needs_database=True),
    Check("audit trail", service.audit_trail, needs_database=True),
]

CHECK_FAILED = Fault("check_failed", Level.PROBLEM, "Fix what the message says, or report it as a bug of the check.")


def run_checks(*, before_each: Callable[[str], object]) -> list[tuple[str, Finding]]:
    """The findings of all checks, each with the check's name."""
    before_each("database")
    database = deployment.database_answers()
    rows = [("database", database)]
    for check in CHECKS:
        before_each(check.name)
        if check.needs_database and database.level is not Level.FINE:
            rows.append((check.name, Finding(Level.SKIPPED, "Needs the database.")))
        else:
            rows += [(check.name, finding) for finding in run_check(check)]
    return rows


def run_check(check: Check) -> list[Finding]:
    try:
        return list(check.run())
    except Exception as exc:  # noqa: BLE001 - the other checks run all the same
        if isinstance(exc, DatabaseError) and deployment.unapplied_migrations():
            return [Finding(Level.SKIPPED, "Needs the migrations.")]
        return [CHECK_FAILED(f"{type(exc).__name__}: {' '.join(str(exc).split())}")]

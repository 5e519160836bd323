"""Whether this deployment is sound: what `manage.py doctor` examines, in the order in which it shows it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from django.db import DatabaseError

from peerprep_users.doctor import deployment, service
from peerprep_users.doctor.findings import Finding, Level, problem


class Examination(NamedTuple):
    """One thing to look at, bounded by a few seconds."""

    name: str
    run: Callable[[], Iterable[Finding]]
    needs_database: bool = False


EXAMINATIONS = [
    Examination("migrations", deployment.migrations, needs_database=True),
    Examination("system checks", deployment.system_checks),
    Examination("environment", deployment.environment),
    Examination("SECRET_KEY", deployment.secret_key),
    Examination("clock", deployment.clock, needs_database=True),
    Examination("static files", deployment.static_files),
    Examination("disk", deployment.disk),
    Examination("journal", deployment.journal, needs_database=True),
    Examination("mail server", deployment.mail_server),
    Examination("outbox", deployment.outbox, needs_database=True),
    Examination("proxies", service.trusted_proxies, needs_database=True),
    Examination("rate limits", service.rate_limits),
    Examination("signing keys", service.signing_keys, needs_database=True),
    Examination("audit trail", service.audit_trail, needs_database=True),
]

NOT_EXAMINED = problem("not_examined", "Mend what the sentence says, or report it: an examination should not fail.")


def examine() -> Iterator[tuple[str, list[Finding] | None]]:
    """Each examination twice: before it, with None, and with what it found."""
    yield "database", None
    findings = [deployment.database()]
    yield "database", findings
    up = findings[0].level is Level.FINE
    for each in EXAMINATIONS:
        yield each.name, None
        if each.needs_database and not up:
            yield each.name, [Finding(Level.SKIPPED, "Needs the database.")]
        else:
            yield each.name, found_by(each)


def found_by(each: Examination) -> list[Finding]:
    try:
        return list(each.run())
    except Exception as exc:  # noqa: BLE001 - the others are examined all the same
        if isinstance(exc, DatabaseError) and deployment.unapplied():
            return [Finding(Level.SKIPPED, "Needs the migrations.")]
        return [NOT_EXAMINED(f"{type(exc).__name__}: {' '.join(str(exc).split())}")]


def is_sound(findings: Iterable[Finding], *, strict: bool) -> bool:
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    return not any(finding.level in bad for finding in findings)


def as_plain(name: str, finding: Finding) -> dict[str, Any]:
    return {"examination": name, **asdict(finding)}

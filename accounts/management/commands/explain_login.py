from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from accounts.addresses import normalised
from accounts.flows.login_report import Explanation, RecentLogin, explain_login
from accounts.management.base import Operation, add_json_argument
from core.times import moment


class Command(Operation):
    help = "Explains why a user cannot sign in, and shows recent activity. Exit code 1: the user cannot."
    examples = "explain_login alice@example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        add_json_argument(parser)

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        found = explain_login(address=normalised(email))
        self.report(
            found.verdict,
            details(found),
            ok=not found.reasons,
            reasons=[asdict(reason) for reason in found.reasons],
            facts=[{"name": name, "value": value} for name, value in found.facts],
            live_sessions=found.live_sessions,
            last_sessions=[login._asdict() for login in found.successes],
            last_wrong_passwords=[login._asdict() for login in found.failures],
        )


def details(found: Explanation) -> Iterator[str]:
    for reason in found.reasons:
        yield reason.sentence
        yield f"  {reason.remedy}"
    for name, value in [*found.facts, ("live sessions", str(found.live_sessions))]:
        yield f"{name}: {value}"
    yield from recent("last sessions", found.successes)
    yield from recent("last wrong passwords", found.failures)


def recent(title: str, logins: list[RecentLogin]) -> Iterator[str]:
    yield f"{title}: {'' if logins else 'none recorded'}"
    for login in logins:
        yield f"  {moment(login.at)}  {login.ip or '-'}  {login.device}  {login.outcome}"

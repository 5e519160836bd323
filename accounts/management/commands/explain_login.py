from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.addresses import normalised
from accounts.flows.login_report import RecentLogin, explain_login, moment
from accounts.management.base import Operation
from accounts.text import escaped


class Command(Operation):
    help = "Explains why a user cannot sign in, and shows recent activity. Exit code 1: the user cannot."
    examples = "explain_login alice@example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        found = explain_login(address=normalised(email))
        for reason in found.reasons:
            self.line(f"{reason.code}: {reason.sentence}")
            self.line(f"  {reason.remedy}")
        for name, value in [*found.facts, ("live sessions", str(found.live_sessions))]:
            self.line(f"{name}: {value}")
        self.show("last sessions", found.successes)
        self.show("last wrong passwords", found.failures)
        if found.reasons:
            raise CommandError(escaped(found.verdict))
        self.line(found.verdict)

    def show(self, title: str, logins: list[RecentLogin]) -> None:
        self.line(f"{title}: {'' if logins else 'none recorded'}")
        for login in logins:
            self.line(f"  {moment(login.at)}  {login.ip or '-'}  {login.device}  {login.outcome}")

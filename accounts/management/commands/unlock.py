from argparse import ArgumentParser
from typing import Any

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, add_reason_argument, address
from accounts.models import User
from core.times import moment


class Command(Operation):
    help = "Unlocks an account before its lock expires, and forgets its wrong passwords."
    examples = 'unlock alice@example.com\nunlock alice@example.com --reason "called, was herself"'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", type=address, help="an address, with or without an account")
        add_reason_argument(parser)

    def handle(self, *args: Any, email: str, reason: str, **options: Any) -> None:
        end = administration.unlock(address=email, by=Actor.operator(), reason=reason)
        was = f"was locked until {moment(end)} and is now unlocked" if end else "was not locked"
        is_known = User.objects.filter(email=email).exists()
        subject = email if is_known else f"There is no account with the address {email}. It"
        self.report(f"{subject} {was}.", ok=is_known, locked_until=end)

from argparse import ArgumentParser
from typing import Any

from accounts.addresses import normalised
from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, takes_reason


class Command(Operation):
    help = "Opens the lock of an account before it opens by itself, and forgets its wrong passwords."
    examples = 'unlock alice@example.com\nunlock alice@example.com --reason "called, was herself"'

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="an address, whether or not there is an account")
        takes_reason(parser)

    def handle(self, *args: Any, email: str, reason: str, **options: Any) -> None:
        address = normalised(email)
        end = administration.unlock(address=address, by=Actor.operator(), reason=reason)
        was = f"was locked until {end:%Y-%m-%d %H:%M:%S} UTC; it is open now" if end else "was not locked"
        self.stdout.write(f"{address} {was}.")

from argparse import ArgumentParser
from typing import Any

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, asked_for, confirm, takes_reason, takes_yes, user_of


class Command(Operation):
    help = "Deletes an account and all that is the user's. There is no way back."
    examples = """
delete_user alice@example.com
delete_user alice@example.com --yes --reason "asked for it by mail"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        takes_reason(parser)
        takes_yes(parser)

    def handle(self, *args: Any, email: str, reason: str, yes: bool, **options: Any) -> None:
        user = user_of(email)
        confirm(f"Delete {user.email}, {user.name}, and all that is theirs, for good?", yes=yes)
        administration.delete(user=user, by=Actor.operator(), reason=asked_for(reason))
        self.stdout.write(f"{user.email} is deleted.")

from argparse import ArgumentParser
from typing import Any

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.flows.profile import LastAdmin
from accounts.management.base import Operation, add_confirmation_arguments, address, confirmed_reason, get_user


class Command(Operation):
    help = "Deletes an account and everything stored about the user. This cannot be undone."
    examples = """
delete_user alice@example.com
delete_user alice@example.com --yes --reason "asked for it by mail"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", type=address)
        add_confirmation_arguments(parser)

    def handle(self, *args: Any, email: str, reason: str, yes: bool, **options: Any) -> None:
        user = get_user(email)
        if user.is_last_admin:
            raise LastAdmin
        question = f"Permanently delete {user.email} ({user.name}) and everything stored about them?"
        reason = confirmed_reason(question, yes=yes, reason=reason)
        administration.delete(user=user, by=Actor.operator(), reason=reason)
        self.report(f"{user.email} was deleted.")

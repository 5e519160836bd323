from argparse import ArgumentParser
from typing import Any

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.flows.profile import LastAdmin
from accounts.management.base import Operation, add_confirmation_arguments, address, confirmed_reason, get_user
from accounts.models import Role


class Command(Operation):
    help = "Gives a user the role ADMIN or USER. The last admin who can sign in keeps ADMIN."
    examples = """
set_role alice@example.com ADMIN
set_role alice@example.com USER --reason "left the team"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", type=address)
        parser.add_argument("role", type=str.upper, choices=Role.values)
        add_confirmation_arguments(parser)

    def handle(self, *args: Any, email: str, role: str, reason: str, yes: bool, **options: Any) -> None:
        user = get_user(email)
        if user.is_admin and role == Role.USER:
            if user.is_last_admin:
                raise LastAdmin
            reason = confirmed_reason(f"Take the role ADMIN from {user.email}?", yes=yes, reason=reason)
        is_new = administration.set_role(user=user, role=role, by=Actor.operator(), reason=reason)
        self.report(f"{user.email} {'now' if is_new else 'already'} has the role {role}.", role=role)

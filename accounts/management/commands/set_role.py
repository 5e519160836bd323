from argparse import ArgumentParser
from typing import Any

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, asked_for, takes_reason, user_of
from accounts.models import Role


class Command(Operation):
    help = "Makes a user an admin, or an admin a user. The last active and verified admin stays one."
    examples = """
set_role alice@example.com ADMIN
set_role alice@example.com USER --reason "left the team"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("role", type=str.upper, choices=Role.values)
        takes_reason(parser)

    def handle(self, *args: Any, email: str, role: str, reason: str, **options: Any) -> None:
        user = user_of(email)
        if user.is_admin and role == Role.USER:
            reason = asked_for(reason)
        administration.set_role(user=user, role=role, by=Actor.operator(), reason=reason)
        self.stdout.write(f"{user.email} is {role}.")

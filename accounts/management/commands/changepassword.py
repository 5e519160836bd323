from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, address, ask, ask_new_password, get_user


class Command(Operation):
    help = "Sets a user's password, found by e-mail address, and ends all their sessions."
    examples = "changepassword alice@example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="?", type=address, help="asked for if it is missing")

    def handle(self, *args: Any, email: str | None, **options: Any) -> None:
        try:
            user = get_user(email or address(ask("E-mail address: ")))
        except ArgumentTypeError:
            raise CommandError("Enter a valid e-mail address.") from None
        password = ask_new_password()
        administration.change_password(user=user, new_password=password, by=Actor.operator())
        self.report(f"{user.email} has a new password and has to sign in again.")

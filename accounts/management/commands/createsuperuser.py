import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.audit.log import Actor
from accounts.flows.administration import create_admin
from accounts.management.base import USAGE, Operation


class Command(Operation):
    help = "Makes an account that is an admin and verified. It is the only way to the first one."
    examples = """
createsuperuser
createsuperuser --email boss@example.com
createsuperuser --noinput --email boss@example.com    # the password: DJANGO_SUPERUSER_PASSWORD
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", default=os.environ.get("DJANGO_SUPERUSER_EMAIL", ""))
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="ask nothing: the password is DJANGO_SUPERUSER_PASSWORD, the address also DJANGO_SUPERUSER_EMAIL",
        )

    def handle(self, *args: Any, email: str, interactive: bool, **options: Any) -> None:
        email = email or (input("E-mail address: ") if interactive else "")
        password = asked_twice() if interactive else os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
        if not email or not password:
            raise CommandError("Give --email and DJANGO_SUPERUSER_PASSWORD.", returncode=USAGE)
        user = create_admin(email=email, password=password, by=Actor.operator())
        if options["verbosity"]:
            self.stdout.write(f"{user.email} is an admin.")


def asked_twice() -> str:
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Password (again): "):
        raise CommandError("These are two different passwords. Nothing was done.")
    return password

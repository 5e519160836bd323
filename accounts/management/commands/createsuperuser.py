import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.audit.log import Actor
from accounts.flows.administration import create_admin, new_address
from accounts.management.base import USAGE, Operation, ask, ask_new_password

USE_NOINPUT = "Cannot ask without a terminal. Use --noinput and DJANGO_SUPERUSER_PASSWORD."


class Command(Operation):
    help = "Creates a verified admin account. The first admin is created this way."
    examples = """
createsuperuser
createsuperuser --email boss@example.com
createsuperuser --noinput --email boss@example.com    # password from DJANGO_SUPERUSER_PASSWORD
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", default=os.environ.get("DJANGO_SUPERUSER_EMAIL", ""))
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="do not prompt: read DJANGO_SUPERUSER_PASSWORD, and DJANGO_SUPERUSER_EMAIL unless --email is given",
        )

    def handle(self, *args: Any, email: str, interactive: bool, **options: Any) -> None:
        if interactive:
            email = new_address(email or ask("E-mail address: ", without_terminal=USE_NOINPUT))
            password = ask_new_password(without_terminal=USE_NOINPUT)
        else:
            password = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
        if not email or not password:
            raise CommandError("--email and DJANGO_SUPERUSER_PASSWORD are required.", returncode=USAGE)
        user = create_admin(email=email, password=password, by=Actor.operator())
        if options["verbosity"]:
            self.report(f"{user.email} is now an admin.")

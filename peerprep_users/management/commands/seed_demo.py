import time
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from tqdm import tqdm

from accounts.management.base import Operation, add_yes_argument, confirm
from accounts.models import User
from attempts.demo.seeding import DOMAIN, demo_users, remove, seed
from peerprep_users.admin_site import daily_stats

IN_PRODUCTION = "ENV is prod, so these may be real users' data. Add demo users, one of them an admin, with --really."


class Command(Operation):
    help = (
        f"Fills the database with made-up users @{DOMAIN} and their attempts of a year, and shows the passwords of an "
        "admin and of a user. Or removes all users with such an address."
    )
    examples = """
seed_demo --users 1000 --attempts 100000
seed_demo --remove
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, default=100, help="how many (default: %(default)s)")
        parser.add_argument("--attempts", type=int, default=10_000, help="how many (default: %(default)s)")
        parser.add_argument("--really", action="store_true", help="add them also where ENV is prod")
        parser.add_argument("--remove", action="store_true", help="delete all demo users and everything of theirs")
        add_yes_argument(parser)

    def handle(self, *args: Any, users: int, attempts: int, **options: Any) -> None:
        if options["remove"]:
            self.remove(yes=options["yes"])
            return
        if users < 1 or attempts < 0:
            raise CommandError("Need at least 1 user and 0 attempts.")
        if settings.PRODUCTION and not options["really"]:
            raise CommandError(IN_PRODUCTION)
        started = time.monotonic()
        with progress_bar("attempts", attempts) as bar:
            logins = seed(users=users, attempts=attempts, progress=bar.update)
        recount_figures()
        self.report(
            f"{users} users and {attempts} attempts in {time.monotonic() - started:.1f} s",
            [
                "An admin and a user can sign in. Their passwords are shown only now:",
                *(f"  {login.email}  {login.password}" for login in logins),
                "`manage.py seed_demo --remove` takes all of it away.",
            ],
            users=users,
            attempts=attempts,
            logins=[asdict(login) for login in logins],
        )

    def remove(self, *, yes: bool) -> None:
        users = demo_users()
        count = users.count()
        if not count:
            self.report(f"There is no user @{DOMAIN}.", users=0)
            return
        confirm(f"Permanently delete {count} users @{DOMAIN} and everything stored about them?", yes=yes)
        with progress_bar("users", count) as bar:
            remove(users, progress=bar.update)
        recount_figures()
        left = [] if User.objects.admins().exists() else ["No admin is left. `manage.py createsuperuser` makes one."]
        self.report(f"{count} users @{DOMAIN} were deleted.", left, users=count)


def recount_figures() -> None:
    with progress_bar("days", daily_stats.DAYS_SHOWN) as bar:
        daily_stats.recount_days(progress=bar.update)


def progress_bar(what: str, total: int) -> Any:
    return tqdm(total=total, desc=what, leave=False, disable=None)

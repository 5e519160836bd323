import time
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.template.defaultfilters import pluralize
from tqdm import tqdm

from accounts.management.base import USAGE, Operation, add_yes_argument, confirm, whole_number
from accounts.models import User
from attempts.demo.seeding import DOMAIN, demo_users, remove, seed
from peerprep_users.admin_site import daily_stats

USERS, ATTEMPTS = 100, 10_000
IN_PRODUCTION = (
    "ENV is prod: this may be a real deployment. Use --really to add demo users, one of them an admin, all the same."
)


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
        users, attempts = whole_number(1, 100_000), whole_number(0, 1_000_000)
        parser.add_argument("--users", type=users, metavar="N", help=f"how many (default: {USERS})")
        parser.add_argument("--attempts", type=attempts, metavar="N", help=f"how many (default: {ATTEMPTS})")
        parser.add_argument("--really", action="store_true", help="add them also where ENV is prod")
        parser.add_argument("--remove", action="store_true", help="delete all demo users and everything of theirs")
        add_yes_argument(parser)

    def handle(self, *args: Any, users: int | None, attempts: int | None, **options: Any) -> None:
        if not options["remove"]:
            self.add(users or USERS, ATTEMPTS if attempts is None else attempts, really=options["really"])
        elif users is attempts is None:
            self.remove(yes=options["yes"])
        else:
            raise CommandError("--remove takes all of it away, so it has no number.", returncode=USAGE)

    def add(self, users: int, attempts: int, *, really: bool) -> None:
        if settings.PRODUCTION and not really:
            raise CommandError(IN_PRODUCTION)
        started = time.monotonic()
        with progress_bar("attempts", attempts) as bar:
            logins = seed(users=users, attempts=attempts, progress=bar.update)
        recount_figures()
        self.report(
            f"Added an admin, {users} user{pluralize(users)} and {attempts} attempt{pluralize(attempts)} in "
            f"{time.monotonic() - started:.1f} s.",
            [
                "An admin and a user can sign in. Their passwords are shown only now:",
                *(f"  {login.email}  {login.password}" for login in logins),
                "`manage.py seed_demo --remove` takes all of it away.",
            ],
            users=users + 1,  # with the admin
            attempts=attempts,
            logins=[asdict(login) for login in logins],
        )

    def remove(self, *, yes: bool) -> None:
        users = demo_users()
        count = users.count()
        if not count:
            self.report(f"There is no user @{DOMAIN}.", users=0)
            return
        them = f"{count} user{pluralize(count)} @{DOMAIN}"
        confirm(f"Permanently delete {them} and everything stored about them?", yes=yes)
        with progress_bar("users", count) as bar:
            remove(users, progress=bar.update)
        recount_figures()
        left = [] if User.objects.admins().exists() else ["No admin is left. `manage.py createsuperuser` makes one."]
        self.report(f"Deleted {them}.", left, users=count)


def recount_figures() -> None:
    with progress_bar("days", daily_stats.DAYS_SHOWN) as bar:
        daily_stats.recount_days(progress=bar.update)


def progress_bar(what: str, total: int) -> Any:
    return tqdm(total=total, desc=what, leave=False, disable=None)

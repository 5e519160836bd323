import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from accounts.management.base import Operation
from attempts.demo.seeding import seed
from peerprep_users.admin_site import daily_stats


class Command(Operation):
    help = "Fills the database with made-up users, who cannot sign in, and their attempts of a year."
    examples = """
seed_demo --users 1000 --attempts 100000
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, default=100)
        parser.add_argument("--attempts", type=int, default=10_000)

    def handle(self, *args: Any, users: int, attempts: int, **options: Any) -> None:
        if users < 1 or attempts < 0:
            raise CommandError("Need at least 1 user and 0 attempts.")
        started = time.monotonic()
        with tqdm(total=attempts, desc="attempts", unit="rows", leave=False, disable=None) as bar:
            seed(users=users, attempts=attempts, progress=bar.update)
        with tqdm(total=daily_stats.DAYS_SHOWN, desc="figures", unit="days", leave=False, disable=None) as bar:
            daily_stats.recount_days(progress=bar.update)
        self.stdout.write(f"{users} users and {attempts} attempts in {time.monotonic() - started:.1f} s")

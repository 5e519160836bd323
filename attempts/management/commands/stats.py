from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.management.base import Operation
from attempts.flows import stats


class Command(Operation):
    help = (
        "Compares what users have reached on questions with their attempts (verify; exit code 1 where it differs), or "
        "counts again for the users where it differs (rebuild). Both can run while the service does."
    )
    examples = """
stats verify
stats rebuild
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("step", choices=["verify", "rebuild"])

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        if step == "rebuild":
            self.stdout.write(f"Statuses of {stats.rebuild()} users were wrong and have been corrected.")
            return
        differences = stats.verify()
        for difference in differences:
            self.stdout.write(str(difference))
        if differences:
            users = len({difference.user_id for difference in differences})
            raise CommandError(f"Statuses of {users} users are wrong. `manage.py stats rebuild` corrects them.")
        self.stdout.write("All statuses are right.")

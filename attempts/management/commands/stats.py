from argparse import ArgumentParser
from typing import Any

from django.template.defaultfilters import pluralize

from accounts.management.base import Operation
from attempts.flows import stats

ALL_RIGHT = "All statuses are right."


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
            users = stats.rebuild()
            wrong = f"Statuses of {users} user{pluralize(users)} were wrong and have been corrected."
            self.report(wrong if users else ALL_RIGHT, users=users)
            return
        differences = stats.verify()
        users = len({difference.user_id for difference in differences})
        wrong = f"Statuses of {users} user{pluralize(users)} are wrong. `manage.py stats rebuild` corrects them."
        self.report(
            wrong if users else ALL_RIGHT,
            stats.in_words(differences),
            ok=not differences,
            differences=[difference.document for difference in differences],
        )

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from accounts.management.base import Operation
from accounts.models import User
from attempts.flows import counters


class Command(Operation):
    help = (
        "Compares what is counted about attempts with the attempts (verify; exit code 1 where they differ), or counts "
        "anew what differs (rebuild). Both run beside the service."
    )
    examples = """
stats verify
stats rebuild
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("step", choices=["verify", "rebuild"])

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        with tqdm(total=User.objects.count(), desc=step, unit="users", leave=False, disable=None) as bar:
            getattr(self, step)(bar)

    def verify(self, bar: "tqdm[Any]") -> None:
        wrong = set()
        for users, differences in counters.verify():
            bar.update(users)
            for difference in differences:
                wrong.add(difference.user_id)
                self.stdout.write(str(difference))
        if wrong:
            raise CommandError(f"The counts of {len(wrong)} users differ. `manage.py stats rebuild` counts them anew.")
        self.stdout.write("All counts are right.")

    def rebuild(self, bar: "tqdm[Any]") -> None:
        counted = 0
        for users, wrong in counters.rebuild():
            bar.update(users)
            counted += wrong
        self.stdout.write(f"The counts of {counted} users were wrong, and are right now.")

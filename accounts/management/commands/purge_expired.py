from typing import Any

from tqdm import tqdm

from accounts.flows import figures
from accounts.flows.housekeeping import tasks
from accounts.management.base import Operation


class Command(Operation):
    help = (
        "Removes what is past its use: expired tokens, sessions, codes, mails, keys, old records, and what deleted "
        "accounts have left behind. It can run beside the service, which does the same about once an hour, and "
        "twice at once."
    )
    examples = """
purge_expired
purge_expired 2> /dev/null    # without the progress bar
"""

    def handle(self, *args: Any, **options: Any) -> None:
        figures.keep_due()  # of what goes now, too
        for name, task in tasks():
            with tqdm(total=task.total, desc=name, unit="rows", leave=False, disable=None) as bar:
                removed = task.run(bar.update)
            self.stdout.write(f"{name}: {removed} removed")

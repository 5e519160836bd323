from typing import Any

from tqdm import tqdm

from accounts.management.base import Operation
from peerprep_users.admin_site import daily_stats
from peerprep_users.purge import tasks


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
        daily_stats.keep_due()  # of what goes now, too
        for name, total, batches in tasks():
            removed = 0
            with tqdm(total=total, desc=name, unit="rows", leave=False, disable=None) as bar:
                for batch in batches:
                    removed += batch
                    bar.update(batch)
            self.stdout.write(f"{name}: {removed} removed")

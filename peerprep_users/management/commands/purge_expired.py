from typing import Any

from tqdm import tqdm

from accounts.audit.chain import chain_entries
from accounts.management.base import Operation
from peerprep_users.admin_site import daily_stats
from peerprep_users.purge import purges


class Command(Operation):
    help = (
        "Deletes what has expired: tokens, sessions, codes, mails, keys and old records. It may run while the service "
        "does, which deletes the same about once an hour, and more than once at a time."
    )
    examples = """
purge_expired
purge_expired 2> /dev/null    # without the progress bar
"""

    def handle(self, *args: Any, **options: Any) -> None:
        daily_stats.count_due_days()  # they may count rows that are deleted now
        chain_entries()  # only what is chained is deleted
        removed: dict[str, int] = {}
        for name, rows, batches in purges():
            removed[name] = 0
            with tqdm(total=rows.count(), desc=name, unit="rows", leave=False, disable=None) as bar:
                for batch in batches:
                    removed[name] += batch
                    bar.update(batch)
        lines = (f"{name}: {count} removed" for name, count in removed.items())
        self.report(f"Rows removed: {sum(removed.values())}.", lines, removed=removed)

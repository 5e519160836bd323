from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from accounts.flows.housekeeping import past_its_use, purge


class Command(BaseCommand):
    help = (
        "Removes what is past its use: expired tokens, sessions, codes, mails and old records. "
        "It can run beside the service, and twice at once; run it once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name, rows in past_its_use().items():
            with tqdm(total=rows.count(), desc=name, unit="rows", leave=False, disable=None) as bar:
                removed = purge(rows, bar.update)
            self.stdout.write(f"{name}: {removed} removed")

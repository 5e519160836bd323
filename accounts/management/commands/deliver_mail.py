from typing import Any

from accounts.mail.queue import deliver_due
from accounts.management.base import Operation


class Command(Operation):
    help = "Tries once to deliver every mail that is due. `manage.py work` keeps delivering."
    examples = "deliver_mail"

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{deliver_due()} taken from the queue.")

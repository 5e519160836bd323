from typing import Any

from accounts.mail.queue import deliver_due
from accounts.management.base import Operation


class Command(Operation):
    help = "Tries once to deliver every mail that is due. `manage.py work` keeps delivering."
    examples = "deliver_mail"

    def handle(self, *args: Any, **options: Any) -> None:
        taken = deliver_due()
        self.report(f"{taken} taken from the queue.", taken=taken)

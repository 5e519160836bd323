from typing import Any

from accounts.mail.queue import deliver_due
from accounts.management.base import Operation
from accounts.models import Mail


class Command(Operation):
    help = "Tries once to deliver every mail that is due. `manage.py work` keeps delivering. Exit code 1: a try failed."
    examples = "deliver_mail"

    def handle(self, *args: Any, **options: Any) -> None:
        counted = deliver_due()
        mails: dict[str, Any] = {state: counted[state] for state in Mail.State.values}
        self.report(
            "Mails sent: {sent}, dropped: {dropped}, to be tried again: {queued}, dead: {dead}.".format(**mails),
            ok=not (mails["queued"] or mails["dead"]),
            **mails,
        )

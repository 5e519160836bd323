import signal
from typing import Any

from django.core.management import CommandError

from accounts.management.base import Operation
from core.jobs import Worker
from peerprep_users.jobs import JOBS
from peerprep_users.legacy.detection import TAKE_OVER, found_at_start


class Command(Operation):
    help = (
        "Runs the background jobs until SIGTERM or Ctrl-C: delivers mail, chains the audit trail, publishes events, "
        "counts finished days and purges expired rows. Any number of them share the work."
    )
    examples = "work"
    is_brief = False

    def handle(self, *args: Any, **options: Any) -> None:
        if found_at_start():
            raise CommandError(TAKE_OVER)
        worker = Worker(JOBS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.request_stop())
        worker.start()
        while worker.is_alive():
            worker.join(0.5)

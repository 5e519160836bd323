import signal
from contextlib import suppress
from typing import Any

from django.core.management import CommandError
from django.db import Error, connection

from accounts.management.base import Operation
from accounts.models import Mail
from core.jobs import Worker
from peerprep_users.doctor.deployment import schema_fault
from peerprep_users.jobs import JOBS


class Command(Operation):
    help = (
        "Runs the background jobs until SIGTERM or Ctrl-C: delivers mail, chains the audit trail, publishes events, "
        "counts finished days and purges expired rows. Any number of them share the work."
    )
    examples = "work"
    is_brief = False

    def handle(self, *args: Any, **options: Any) -> None:
        with suppress(Error):  # a database that does not answer yet is waited for
            if Mail._meta.db_table not in connection.introspection.table_names():
                raise CommandError(schema_fault())
        connection.close()
        worker = Worker(JOBS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.request_stop())
        worker.start()
        while worker.is_alive():
            worker.join(0.5)

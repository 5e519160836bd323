import signal
from argparse import ArgumentParser
from typing import Any

from accounts.flows import mail
from accounts.management.base import Operation


class Command(Operation):
    help = "Delivers the mails that are due, once, or --forever until it is told to stop (SIGTERM or Ctrl-C)."
    examples = """
deliver_mail
deliver_mail --forever
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forever", action="store_true", help="go on delivering what is queued from now on")

    def handle(self, *args: Any, forever: bool, **options: Any) -> None:
        if not forever:
            self.stdout.write(f"{mail.deliver_due()} taken from the queue.")
            return
        sender = mail.Sender()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sender.tell_to_stop())
        sender.start()
        while sender.is_alive():
            sender.join(0.5)

"""What happens to queued mails when their sender is killed again and again.

`python -m bench.mail_kills` queues 1,000 mails, one for each of 1,000 users, lets `manage.py work`
deliver them to an SMTP server of its own, and kills it with SIGKILL ten times on the way. Then it lets one sender
finish, waiting for the claims of the killed ones, and counts what arrived. DATABASE_URL must name an empty database;
unset, it is an SQLite file that is thrown away.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from aiosmtpd.controller import Controller

from core.tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent


class Inbox:
    def __init__(self):
        self.got = Counter()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.got.update(envelope.rcpt_tos)
        return "250 OK"


def start_sender():
    command = [sys.executable, "manage.py", "work"]
    return subprocess.Popen(command, cwd=ROOT)


def wait_until(true, seconds):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return
        time.sleep(0.001)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inbox = Inbox()
        port = free_port()
        controller = Controller(inbox, hostname="127.0.0.1", port=port)
        controller.start()
        os.environ |= {
            "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(port),
            "MAIL_STARTTLS": "false",
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "peerprep_users.settings",
        }
        try:
            run(inbox, options)
        finally:
            controller.stop()


def run(inbox, options):
    import django  # noqa: PLC0415 - the environment is complete only now

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from accounts.mail.queue import circumstances  # noqa: PLC0415
    from accounts.models import Mail, User  # noqa: PLC0415
    from core.client import Client  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    facts = circumstances(Client(ip="192.0.2.7", user_agent="curl/8.0"))
    users = User.objects.bulk_create(User(email=f"user{n}@example.com", name="U") for n in range(options.mails))
    Mail.objects.bulk_create(Mail(kind=Mail.Kind.PASSWORD_CHANGED, to=user.email, facts=facts) for user in users)

    started = time.monotonic()
    stride = options.mails // (options.kills + 1)
    for kill in range(1, options.kills + 1):
        sender = start_sender()
        goal = kill * stride + random.randrange(stride // 2)
        wait_until(lambda goal=goal: inbox.got.total() >= goal, 60)
        time.sleep(random.uniform(0, 0.01))
        sender.send_signal(signal.SIGKILL)
        sender.wait()
    claimed = Mail.objects.waiting().filter(tries__gt=0).count()
    print(f"after {options.kills} kills: {inbox.got.total()} arrived, {claimed} claimed by a killed sender")
    sender = start_sender()
    wait_until(lambda: not Mail.objects.waiting().exists(), 300)
    sender.send_signal(signal.SIGTERM)
    code = sender.wait()
    twice = sum(count - 1 for count in inbox.got.values())
    counts = {state: count for state, count in Mail.objects.all().counts().items() if count}
    print(f"{len(inbox.got)} of {options.mails} arrived, {twice} twice; the queue says {counts}")
    print(f"{time.monotonic() - started:.0f} s, of which a claim lasts 120; the last sender ended with {code}")


if __name__ == "__main__":
    main()

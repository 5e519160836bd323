from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from accounts.mail.messages import INVITATION, SUBJECTS, context, render
from accounts.management.base import Operation, file
from accounts.models import Mail, User

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Command(Operation):
    help = "Writes a sample of every kind of mail to a new folder, as HTML and as plain text, and an index page."
    examples = """
mail_gallery /tmp/mails
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=file, help="a new folder")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        folder.mkdir(parents=True)
        facts = {"at": timezone.now().isoformat(), "ip": "2001:db8::17", "user_agent": FIREFOX}
        subjects = {}
        for kind in SUBJECTS:
            alice = User(name="Alice Example", is_verified=kind not in {Mail.Kind.VERIFICATION, INVITATION})
            shown = context(Mail(kind=kind, facts=facts), alice)
            link = f"{shown['base_url']}/verify-email?token=WyI1YTQ3ZmNhZS00ZjNk{'Xk' * 40}:1wNpQx:0fTq"
            message = render(
                kind, shown | {"link": link, "code": "042117"}, to="alice@example.com", message_id="<1@localhost>"
            )
            (folder / f"{kind}.txt").write_text(f"Subject: {message.subject}\n\n{message.body}")
            (folder / f"{kind}.html").write_text(str(message.alternatives[0][0]))
            subjects[str(kind)] = message.subject
        index = folder / "index.html"
        index.write_text(render_to_string("accounts/mail_gallery.html", {"subjects": subjects}))
        self.report(f"{len(subjects)} mails: open {index}", index=str(index))

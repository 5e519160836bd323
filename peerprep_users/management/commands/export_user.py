import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts.audit.log import Actor
from accounts.management.base import Operation, add_reason_argument, file, get_user
from core.downloads import json_object, pieces
from peerprep_users.export import export_for_admin


class Command(Operation):
    help = "Writes all that the service holds about a user, as JSON, as the user gets it from /users/me/export."
    examples = """
export_user alice@example.com > alice.json
export_user alice@example.com --output alice.json --reason "her letter of 3 May"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--output", type=file, metavar="FILE", help="a new file, readable only by its owner")
        add_reason_argument(parser)

    def handle(self, *args: Any, email: str, output: Path | None, reason: str, **options: Any) -> None:
        user = get_user(email)
        out = None
        if output:
            try:
                out = os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            except OSError as exc:
                raise CommandError(f"{output}: {exc.strerror}.") from None
        sections = export_for_admin(user=user, by=Actor.operator(), reason=reason)
        for piece in pieces(json_object(sections)):
            if out:
                out.write(piece)
            else:
                self.stdout.write(piece.decode(), ending="")
        if out:
            out.close()
            self.report(f"Wrote {output}.")

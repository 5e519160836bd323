from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.audit.log import Actor
from accounts.management.base import Operation, add_reason_argument, address, file, get_user, open_new
from core.downloads import json_object, pieces
from peerprep_users.export import export_for_admin


class Command(Operation):
    help = "Writes all that the service holds about a user, as JSON, as the user gets it from /users/me/export."
    examples = """
export_user alice@example.com > alice.json
export_user alice@example.com --output alice.json --reason "her letter of 3 May"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", type=address)
        parser.add_argument("--output", type=file, metavar="FILE", help="a new file, readable only by its owner")
        add_reason_argument(parser)

    def handle(self, *args: Any, email: str, output: Path | None, reason: str, **options: Any) -> None:
        user = get_user(email)
        export = pieces(json_object(export_for_admin(user=user, by=Actor.operator(), reason=reason)))
        if output is None:
            for piece in export:
                self.stdout.write(piece.decode(), ending="")
            return
        with open_new(output) as out:
            try:
                out.writelines(piece.decode() for piece in export)
                out.flush()
            except BaseException:
                output.unlink()
                raise
        self.report(f"Wrote {output}.")

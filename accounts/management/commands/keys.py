from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.management.base import Operation
from accounts.models import SigningKey
from accounts.tokens import rotation


class Command(Operation):
    help = (
        "Lists, stages, activates and retires the key pairs that sign tokens. A step that comes too early is refused, "
        "with the time from when it is allowed."
    )
    examples = """
keys stage             # publishes a new key
keys activate KID      # ten minutes later: starts signing with it
keys retire OLD_KID    # a week later: tokens of the old key stop working
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True)
        steps.add_parser("list", help="lists the keys and their states")
        steps.add_parser("stage", help="publishes a new key")
        for name, text in (
            ("activate", "starts signing with a staged key"),
            ("retire", "stops accepting tokens of a key"),
        ):
            step = steps.add_parser(name, help=text)
            step.add_argument("kid", help="the key's id, as `keys list` shows it")
            step.add_argument(
                "--force", action="store_true", help="do not wait, for a leaked key: valid tokens may be rejected"
            )

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        try:
            match step:
                case "list":
                    self.show()
                case "stage":
                    self.stdout.write(f"Staged {rotation.stage().kid}.")
                    self.show()  # the very first key signs without staging
                case "activate":
                    rotation.activate(options["kid"], force=options["force"])
                    self.stdout.write(f"{options['kid']} now signs.")
                case "retire":
                    rotation.retire(options["kid"], force=options["force"])
                    self.stdout.write(f"{options['kid']} is retired.")
        except rotation.NotNow as error:
            raise CommandError(str(error)) from None

    def show(self) -> None:
        rows = SigningKey.objects.order_by("-staged_at")
        if not rows:
            self.stdout.write("There are no key pairs.")
        for row in rows:
            steps = {
                "staged": row.staged_at,
                "active": row.activated_at,
                "replaced": row.replaced_at,
                "retired": row.retired_at,
            }
            story = ", ".join(f"{step} {at:%Y-%m-%d %H:%M:%S}" for step, at in steps.items() if at)
            self.stdout.write(f"{row.kid}  {row.algorithm}  {story}")

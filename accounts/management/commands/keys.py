from argparse import ArgumentParser, RawDescriptionHelpFormatter
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import SigningKey
from accounts.tokens import rotation

EXAMPLES = """
To change the key that signs:
  manage.py keys stage             # publishes a new key
  manage.py keys activate KID      # ten minutes later: signs with it
  manage.py keys retire OLD_KID    # a week later: the old one verifies no longer
After each step wait until the next is possible; one that comes too early is refused and says when.
"""


class Command(BaseCommand):
    help = "Lists, stages, activates and retires the key pairs that tokens are signed with."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True)
        steps.add_parser("list", help="shows the keys and the state of each")
        steps.add_parser("stage", help="publishes a new key")
        for name, text in (("activate", "signs with a staged key"), ("retire", "verifies with a key no longer")):
            step = steps.add_parser(name, help=text)
            step.add_argument("kid", help="the key's id, as `keys list` shows it")
            step.add_argument("--force", action="store_true", help="at once, for a key that leaked: tokens may break")

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        try:
            match step:
                case "list":
                    self.show()
                case "stage":
                    self.stdout.write(f"Staged {rotation.stage().kid}.")
                    self.show()  # also the very first key, which needs no staging
                case "activate":
                    rotation.activate(options["kid"], force=options["force"])
                    self.stdout.write(f"{options['kid']} signs now.")
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
            times = (row.staged_at, row.activated_at, row.replaced_at, row.retired_at)
            names = ("staged", "active", "replaced", "retired")
            story = ", ".join(f"{name} {shown(time)}" for name, time in zip(names, times, strict=True) if time)
            self.stdout.write(f"{row.kid}  {row.algorithm}  {story}")


def shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"

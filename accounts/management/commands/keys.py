from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from accounts.management.base import Operation, add_yes_argument, confirm
from accounts.models import SigningKey
from accounts.tokens import rotation
from accounts.tokens.keys import is_symmetric
from core.times import moment

KEY_FIELDS = ("kid", "algorithm", "staged_at", "activated_at", "replaced_at", "retired_at")


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
            add_yes_argument(step)

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        try:
            verdict = self.take(step, **options)
        except rotation.NotNow as error:
            raise CommandError(str(error)) from None
        rows = SigningKey.objects.order_by("-staged_at")
        self.report(verdict, map(key_line, rows), keys=list(rows.values(*KEY_FIELDS)))

    def take(self, step: str, *, kid: str = "", force: bool = False, yes: bool = False, **options: Any) -> str:
        """Takes the step, and says what has become of the keys."""
        match step:
            case "stage":
                return f"Staged {rotation.stage().kid}."
            case "activate":
                if force:
                    rotation.key_to_activate(kid, force=force)
                    confirm(f"Sign with {kid} at once? Services that do not know it yet will refuse tokens.", yes=yes)
                rotation.activate(kid, force=force)
                return f"{kid} now signs."
            case "retire":
                rotation.key_to_retire(kid, force=force)
                confirm(f"Retire {kid}? Its tokens stop working, and it cannot be activated again.", yes=yes)
                rotation.retire(kid, force=force)
                return f"{kid} is retired."
        return signing()


def signing() -> str:
    """What signs at present."""
    if is_symmetric():
        return f"{settings.ALGORITHM} signs with SECRET_KEY."
    active = SigningKey.objects.active().first()
    return f"{active.kid} signs." if active else "No key pair signs yet: the first is created when it is needed."


def key_line(key: SigningKey) -> str:
    times = (key.staged_at, key.activated_at, key.replaced_at, key.retired_at)
    steps = dict(zip(("staged", "active", "replaced", "retired"), times, strict=True))
    story = ", ".join(f"{step} {moment(at)}" for step, at in steps.items() if at)
    return f"{key.kid}  {key.algorithm}  {story}"

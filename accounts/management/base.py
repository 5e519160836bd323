"""The base of the operators' commands. An ApiError becomes one line and exit code 1; wrong usage is exit code 2."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.addresses import normalised
from accounts.models import User
from accounts.text import escaped
from core.errors import ApiError

USAGE = 2
INTERRUPTED = 130  # as shells report Ctrl-C


class Operation(BaseCommand):
    """A command that calls a flow. `examples` end its help."""

    examples = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        examples = "\n".join(f"  manage.py {line}" for line in self.examples.strip().splitlines())
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=f"examples:\n{examples}",
            formatter_class=RawDescriptionHelpFormatter,
            **kwargs,
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except ApiError as error:
            messages = [error.detail] if isinstance(error.detail, str) else [item["msg"] for item in error.detail]
            raise CommandError(" ".join(messages)) from None
        except EOFError:
            raise CommandError("No answer was given. Nothing changed.", returncode=USAGE) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from None

    def line(self, text: str) -> None:
        """Writes one line, with line breaks and control characters escaped."""
        self.stdout.write(escaped(text).rstrip())


def add_reason_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the audit trail")


def add_yes_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def get_user(email: str) -> User:
    user = User.objects.filter(email=normalised(email)).first()
    if user is None:
        raise CommandError(f"There is no account with the address {normalised(email)}.")
    return user


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something is taken away, unless `--yes` was given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("Cannot ask for confirmation without a terminal. Use --yes.", returncode=USAGE)
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing changed.")


def require_reason(reason: str) -> str:
    """The given reason, or one that is asked for."""
    if reason.strip():
        return reason
    if not sys.stdin.isatty():
        raise CommandError("A reason is required. Use --reason TEXT.", returncode=USAGE)
    reason = input("Reason: ")
    if not reason.strip():
        raise CommandError("A reason is required. Nothing changed.")
    return reason

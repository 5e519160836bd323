"""What the operator's commands share. An ApiError is one line and exit code 1; a call that cannot be meant, 2."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.addresses import normalised
from accounts.models import User
from accounts.text import escaped
from core.errors import ApiError

USAGE = 2
INTERRUPTED = 130  # as a shell says of Ctrl-C


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
            raise CommandError(in_a_line(error)) from None
        except EOFError:
            raise CommandError("There is no answer: nothing was done.", returncode=USAGE) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from None

    def line(self, text: str) -> None:
        """Writes one line, whatever is in it."""
        self.stdout.write(escaped(text).rstrip())


def in_a_line(error: ApiError) -> str:
    if isinstance(error.detail, str):
        return error.detail
    return " ".join(str(problem["msg"]) for problem in error.detail)


def takes_reason(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the audit trail")


def takes_yes(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def user_of(email: str) -> User:
    user = User.objects.filter(email=normalised(email)).first()
    if user is None:
        raise CommandError(f"There is no account with the address {normalised(email)}.")
    return user


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something is taken away. Without a terminal there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask on. Say --yes.", returncode=USAGE)
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was done.")


def asked_for(reason: str) -> str:
    """The reason, asked for where it is needed and was not given."""
    if reason.strip():
        return reason
    if not sys.stdin.isatty():
        raise CommandError("Say why: --reason TEXT.", returncode=USAGE)
    reason = input("Why? ")
    if not reason.strip():
        raise CommandError("Nothing was done: there is no reason.")
    return reason

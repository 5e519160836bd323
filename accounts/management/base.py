"""The base of the operators' commands. An ApiError becomes one line and exit code 1; wrong usage is exit code 2."""

import getpass
import json
import logging
import os
import re
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import IO, Any, NoReturn

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError
from django.core.serializers.json import DjangoJSONEncoder

from accounts.addresses import normalised, validate_address
from accounts.models import User
from accounts.text import escaped
from core.errors import ApiError

REFUSED, USAGE = 1, 2
NO_TERMINAL = "Cannot ask without a terminal."


class DjangoOptions(BaseCommand):
    """The options that Django gives to every command. They are left out of the help."""

    requires_system_checks = ()
    suppressed_base_arguments = {  # noqa: RUF012 - as Django has it
        "--version",
        "--verbosity",
        "--traceback",
        "--settings",
        "--pythonpath",
        "--no-color",
        "--force-color",
    }

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--skip-checks", action="store_true", help=SUPPRESS)


class Parser(CommandParser):
    """Answers wrong usage with a sentence, and then the usage. Each part of a command has one, and takes `--json`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        text = "print one JSON document instead, for a program"
        self.add_argument("--json", action="store_true", default=SUPPRESS, help=text)

    def error(self, message: str) -> NoReturn:
        sentence = escaped(f"{message[:1].upper()}{message[1:]}.")
        if not self.called_from_command_line:
            raise CommandError(sentence, returncode=USAGE)
        self.exit(USAGE, f"{sentence}\n{self.format_usage()}")


class Operation(BaseCommand):
    """A command that calls a flow. `examples` end its help."""

    examples = ""
    is_brief = True  # on a terminal, its log lines wait for its end
    as_json = False
    _called_from_command_line: bool  # is Django's, and not in the stubs

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Parser:
        examples = "\n".join(f"  manage.py {line}" for line in self.examples.strip().splitlines())
        parser = Parser(
            prog=f"{Path(prog_name).name} {subcommand}",
            description=self.help,
            epilog=f"examples:\n{examples}",
            formatter_class=RawDescriptionHelpFormatter,
            parents=[DjangoOptions().create_parser(prog_name, subcommand, add_help=False)],
            called_from_command_line=self._called_from_command_line,
            **kwargs,
        )
        self.add_arguments(parser)
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        with log_lines_at_the_end() if self.is_brief and sys.stderr.isatty() else nullcontext():
            super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.as_json = options.get("json", False)
        try:
            return super().execute(*args, **options)
        except ApiError as error:
            messages = [error.detail] if isinstance(error.detail, str) else [item["msg"] for item in error.detail]
            refusal = CommandError(" ".join(messages))
        except SystemCheckError:
            raise
        except CommandError as error:
            refusal = error
        if not self._called_from_command_line:
            raise refusal
        self.stderr.write(str(refusal))  # Django would write the exception's name before it
        sys.exit(refusal.returncode)

    def line(self, text: str) -> None:
        """Writes one line, with line breaks and control characters escaped."""
        self.stdout.write(escaped(text).rstrip())

    def report(
        self, verdict: str, details: Iterable[str] = (), *, ok: bool = True, returncode: int = REFUSED, **facts: Any
    ) -> None:
        """Writes the verdict and the details; with `--json`, the verdict and the facts. Exits unless `ok`."""
        if self.as_json:
            document = {"ok": ok, "verdict": verdict, **facts}
            self.stdout.write(json.dumps(document, cls=DjangoJSONEncoder, indent=2))
        else:
            for text in (verdict, *details):
                self.line(text)
        if not ok:
            sys.exit(returncode)


@contextmanager
def log_lines_at_the_end() -> Iterator[None]:
    """Lets no log line come between a question and its answer: warnings are shown later, and others not at all."""
    root = logging.getLogger()
    shown = root.handlers
    root.handlers = [MemoryHandler(1000, flushLevel=logging.CRITICAL, target=handler) for handler in shown]
    for handler in root.handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers = shown


def whole_number(first: int, last: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (re.fullmatch(r"\d{1,9}", text, re.ASCII) and first <= int(text) <= last):
            raise ArgumentTypeError(f"a whole number from {first} to {last}")
        return int(text)

    return parse


def address(text: str) -> str:
    """An e-mail address, normalised."""
    try:
        validate_address(normalised(text))
    except ValidationError:
        raise ArgumentTypeError("enter a valid e-mail address") from None
    return normalised(text)


def file(text: str) -> Path:
    if not text:
        raise ArgumentTypeError("enter a name")
    return Path(text)


def open_new(path: Path) -> IO[str]:
    """A new file, which only its owner can read."""
    return open(path, "x", encoding="utf-8", opener=partial(os.open, mode=0o600))


def add_reason_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the audit trail")


def add_yes_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def add_confirmation_arguments(parser: ArgumentParser) -> None:
    add_reason_argument(parser)
    add_yes_argument(parser)


def get_user(email: str) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        raise CommandError(f"There is no account with the address {email}.")
    return user


def can_ask() -> bool:
    """Whether a question would be seen, and can be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, *, secret: bool = False, without_terminal: str = NO_TERMINAL) -> str:
    """What the operator answers. That may take hours: never call it in a transaction."""
    if not can_ask():
        raise CommandError(without_terminal, returncode=USAGE)
    if secret:
        return getpass.getpass(question)
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201 - standard output may be a pipe
    return input()


def ask_new_password(*, without_terminal: str = NO_TERMINAL) -> str:
    password = ask("Password: ", secret=True, without_terminal=without_terminal)
    if password != ask("Password (again): ", secret=True, without_terminal=without_terminal):
        raise CommandError("The passwords do not match. Nothing changed.")
    return password


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something is taken away, unless `--yes` was given."""
    if yes:
        return
    answer = ask(f"{question} [y/N] ", without_terminal="Cannot ask for confirmation without a terminal. Use --yes.")
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing changed.")


def confirmed_reason(question: str, *, yes: bool, reason: str) -> str:
    """Asks before something is taken away whose audit entry needs a reason: the given one, or one that is asked for."""
    confirm(question, yes=yes)
    if reason.strip():
        return reason
    reason = ask("Reason: ", without_terminal="A reason is required. Use --reason TEXT.")
    if not reason.strip():
        raise CommandError("A reason is required. Nothing changed.")
    return reason

#!/usr/bin/env python
"""The operators' command line. What ends a command early is said in one line; a traceback is a bug of the service."""

import gc
import os
import sys
from typing import NoReturn

REFUSED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141  # the last two as shells report SIGINT and SIGPIPE


def main() -> None:
    gc.set_threshold(50_000)  # loading Django makes many objects, and hardly any garbage
    open_closed_streams()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415 - Ctrl-C may come that early
        from django.db import Error, IntegrityError  # noqa: PLC0415

        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
            gc.freeze()  # or Python, as it ends, would look for garbage in all that was loaded
    except ModuleNotFoundError as exc:
        if exc.name != "django":
            raise
        stop(REFUSED, "Django is not installed for this Python. Use that of .venv, which `make run` makes.")
    except KeyboardInterrupt:
        stop(INTERRUPTED, "Interrupted.", prompted=True)
    except EOFError:
        stop(USAGE, "No answer was given. Nothing changed.", prompted=True)
    except BrokenPipeError:  # as of `| head`
        stop(BROKEN_PIPE)
    except OSError as exc:
        stop(REFUSED, f"{exc.filename}: {exc.strerror}." if exc.filename else f"{exc.strerror or exc}.")
    except (UnicodeDecodeError, UnicodeEncodeError):
        stop(USAGE, "An argument or an answer is not UTF-8.", prompted=True)
    except IntegrityError:  # a bug
        raise
    except Error as exc:
        stop(REFUSED, explained(exc))


def explained(error: Exception) -> str:
    """What is wrong with the database."""
    from django.db import Error, connection  # noqa: PLC0415

    from core.errors import first_line  # noqa: PLC0415
    from peerprep_users.doctor.deployment import schema_fault  # noqa: PLC0415

    problem = first_line(error)
    try:
        connection.close()  # it may be what failed
        if fault := schema_fault():
            return fault
    except Error:
        return f"The database does not answer: {problem}"
    return f"The database failed: {problem}"


def open_closed_streams() -> None:
    """Opens those that the caller closed; and what the terminal's encoding lacks is escaped."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # typeshed knows it as a TextIO


def stop(code: int, message: str = "", *, prompted: bool = False) -> NoReturn:
    """Exits at once. Python would first write the rest of the output, and complain if that fails."""
    if message:
        print(("\n" if prompted and sys.stderr.isatty() else "") + message, file=sys.stderr, flush=True)  # noqa: T201
    os._exit(code)


if __name__ == "__main__":
    main()

"""Running a command that reports."""

from io import StringIO

from django.core.management import call_command


def reported(*arguments: str) -> tuple[str, int]:
    """What it writes to standard output, and its exit code."""
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as exit_:
        return out.getvalue(), int(str(exit_.code))
    return out.getvalue(), 0

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand

from peerprep_users.doctor import report
from peerprep_users.doctor.findings import Finding

EXAMPLES = """
examples:
  manage.py doctor             # a table; exit code 1 where there is a problem
  manage.py doctor --strict    # 1 where there is a warning, too
  manage.py doctor --json      # for a program

Each code, what it means and how to mend it: docs/operation.md.
"""


class Command(BaseCommand):
    help = "Says whether this deployment is sound: settings, database, mail, clock, keys, files."
    requires_system_checks = []  # noqa: RUF012 - they are among what is examined

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--strict", action="store_true", help="take warnings for problems")

    def handle(self, *args: Any, strict: bool, **options: Any) -> None:
        rows = self.examine()
        sound = report.is_sound([finding for _, finding in rows], strict=strict)
        if options["json"]:
            findings = [report.as_plain(name, finding) for name, finding in rows]
            self.stdout.write(json.dumps({"sound": sound, "findings": findings}, indent=2))
        else:
            self.show(rows, sound)
        if not sound:
            sys.exit(1)

    def examine(self) -> list[tuple[str, Finding]]:
        rows: list[tuple[str, Finding]] = []
        for name, findings in report.examine():
            if findings is None and self.stderr.isatty():
                self.stderr.write(f"\r\033[K{name} …", ending="")
            rows += [(name, finding) for finding in findings or ()]
        if self.stderr.isatty():
            self.stderr.write("\r\033[K", ending="")
        return rows

    def show(self, rows: list[tuple[str, Finding]], sound: bool) -> None:
        width = max(len(name) for name, _ in rows)
        for name, finding in rows:
            code = f"{finding.code}: " if finding.code else ""
            self.stdout.write(f"{finding.level:<8} {name:<{width}}  {code}{finding.sentence}")
            if finding.remedy:
                self.stdout.write(f"{'':{width + 11}}{finding.remedy}")
        self.stdout.write("Sound." if sound else "Not sound.")

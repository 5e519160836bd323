import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from peerprep_users.doctor.findings import Finding, Level
from peerprep_users.doctor.report import run_checks


class Command(BaseCommand):
    help = "Checks this deployment: settings, database, mail, clock, keys, files."
    examples = """
examples:
  manage.py doctor             # a table; exit code 1 if there is a problem
  manage.py doctor --strict    # exit code 1 if there is a warning, too
  manage.py doctor --json      # for a program

docs/operation.md explains each code and its remedy.
"""
    requires_system_checks = ()  # they are among what it checks

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=self.examples, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--strict", action="store_true", help="treat warnings as problems")

    def handle(self, *args: Any, strict: bool, **options: Any) -> None:
        rows = run_checks(before_each=lambda name: self.show_progress(f"{name} …"))
        self.show_progress("")
        bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
        sound = not any(finding.level in bad for _, finding in rows)
        if options["json"]:
            findings = [{"check": name, **asdict(finding)} for name, finding in rows]
            self.stdout.write(json.dumps({"sound": sound, "findings": findings}, indent=2))
        else:
            self.show_table(rows)
            self.stdout.write("Sound." if sound else "Not sound.")
        if not sound:
            sys.exit(1)

    def show_progress(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\033[K{text}", ending="")

    def show_table(self, rows: list[tuple[str, Finding]]) -> None:
        width = max(len(name) for name, _ in rows)
        for name, finding in rows:
            code = f"{finding.code}: " if finding.code else ""
            self.stdout.write(f"{finding.level:<8} {name:<{width}}  {code}{finding.sentence}")
            if finding.remedy:
                self.stdout.write(f"{'':{width + 11}}{finding.remedy}")

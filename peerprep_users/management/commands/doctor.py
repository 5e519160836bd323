from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from accounts.management.base import Operation
from peerprep_users.doctor.findings import Finding, Level
from peerprep_users.doctor.report import run_checks


class Command(Operation):
    help = "Checks this deployment: settings, database, mail, clock, keys, files. docs/operation.md explains each code."
    examples = """
doctor             # a table; exit code 1 if there is a problem
doctor --strict    # exit code 1 if there is a warning, too
doctor --json      # for a program
"""
    requires_system_checks = ()  # they are among what it checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--strict", action="store_true", help="treat warnings as problems")

    def handle(self, *args: Any, strict: bool, **options: Any) -> None:
        rows = run_checks(before_each=lambda name: self.show_progress(f"{name} …"))
        self.show_progress("")
        bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
        faulty = dict.fromkeys(name for name, finding in rows if finding.level in bad)
        self.report(
            f"Not sound: {', '.join(faulty)}." if faulty else "Sound.",
            table(rows),
            ok=not faulty,
            findings=[{"check": name, **asdict(finding)} for name, finding in rows],
        )

    def show_progress(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\033[K{text}", str, ending="")  # not as an error


def table(rows: list[tuple[str, Finding]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    for name, finding in rows:
        code = f"{finding.code}: " if finding.code else ""
        yield f"{finding.level:<8} {name:<{width}}  {code}{finding.sentence}"
        if finding.remedy:
            yield f"{'':{width + 11}}{finding.remedy}"

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from accounts.flows.login_report import Explanation, explain_login, last_seen_in_words
from accounts.flows.timeline import Happening, timeline_of
from accounts.management.base import Operation, address
from accounts.models import User
from core.times import moment

EVENTS_SHOWN = 20


class Command(Operation):
    help = "Explains why a user cannot sign in, and shows what happened to the account. Exit code 1: the user cannot."
    examples = "explain_login alice@example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", type=address)

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        found = explain_login(address=email)
        timeline = timeline_of(found.user) if found.user else []
        self.report(
            found.verdict,
            details(found, timeline[:EVENTS_SHOWN]),
            ok=not found.reasons,
            reasons=[asdict(reason) for reason in found.reasons],
            user=found.user and {"id": found.user.pk, "role": found.user.role, "registered_at": found.user.created_at},
            last_seen_at=found.last_seen_at,
            live_sessions=found.live_sessions,
            timeline=[
                {"at": event.at, "kind": event.kind, "sentence": event.sentence, "note": event.note}
                for event in timeline
            ],
        )


def details(found: Explanation, timeline: list[Happening]) -> Iterator[str]:
    for reason in found.reasons:
        yield reason.sentence
        yield f"  {reason.remedy}"
    if found.user:
        yield from facts(found, found.user)
    for event in timeline:
        yield f"{moment(event.at)}  {event.sentence}{f' ({event.note})' if event.note else ''}"


def facts(found: Explanation, user: User) -> Iterator[str]:
    yield f"registered: {moment(user.created_at)}"
    yield f"role: {user.get_role_display()}"
    yield f"last seen: {last_seen_in_words(found)}"
    yield f"live sessions: {found.live_sessions}"

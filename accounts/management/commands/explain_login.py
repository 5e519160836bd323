from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from accounts.addresses import normalised
from accounts.flows.login_report import (
    ENDS,
    Explanation,
    RecentLogin,
    explain_login,
    last_seen_in_words,
    outcome_in_words,
    who,
)
from accounts.management.base import Operation, add_json_argument
from accounts.models import User
from core.times import moment


class Command(Operation):
    help = "Explains why a user cannot sign in, and shows recent activity. Exit code 1: the user cannot."
    examples = "explain_login alice@example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        add_json_argument(parser)

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        found = explain_login(address=normalised(email))
        self.report(
            found.verdict,
            details(found),
            ok=not found.reasons,
            reasons=[asdict(reason) for reason in found.reasons],
            user=found.user and {"id": found.user.pk, "role": found.user.role, "registered_at": found.user.created_at},
            last_seen_at=found.last_seen_at,
            audit_entries=[
                {
                    "id": entry.pk,
                    "kind": entry.kind,
                    "at": entry.occurred_at,
                    "actor_kind": entry.actor_kind,
                    "actor_id": entry.actor_id,
                }
                for entry in found.entries
            ],
            ended_sessions=found.ended_sessions,
            live_sessions=found.live_sessions,
            last_sessions=[login._asdict() for login in found.successes],
            last_wrong_passwords=[login._asdict() for login in found.failures],
        )


def details(found: Explanation) -> Iterator[str]:
    for reason in found.reasons:
        yield reason.sentence
        yield f"  {reason.remedy}"
    if found.user:
        yield from facts(found, found.user)
    yield f"live sessions: {found.live_sessions}"
    yield from recent("last sessions", found.successes)
    yield from recent("last wrong passwords", found.failures)


def facts(found: Explanation, user: User) -> Iterator[str]:
    yield f"registered: {moment(user.created_at)}"
    yield f"role: {user.get_role_display()}"
    yield f"last seen: {last_seen_in_words(found)}"
    for entry in found.entries:
        yield f"{entry.get_kind_display()}: {moment(entry.occurred_at)} by {who(entry)}"
    ended = ", ".join(f"{count} by {ENDS[end]}" for end, count in found.ended_sessions.items())
    yield f"sessions ended within 7 days: {ended or 'none'}"


def recent(title: str, logins: list[RecentLogin]) -> Iterator[str]:
    yield f"{title}: {'' if logins else 'none recorded'}"
    for login in logins:
        yield f"  {moment(login.at)}  {login.ip or '-'}  {login.device}  {outcome_in_words(login.outcome)}"

from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from tqdm import tqdm

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, asked_for, confirm, takes_reason, takes_yes, user_of
from accounts.models import Session, User
from core.errors import NotFound

BATCH = 100


class Command(Operation):
    help = "Ends every session of a user, or of everybody, at once: whoever it was signs in anew."
    examples = """
revoke_sessions alice@example.com --reason "lost her laptop"
revoke_sessions --all --yes --reason "the signing key leaked"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("email", nargs="?")
        whose.add_argument("--all", action="store_true", dest="everybody", help="everybody's, the admins' too")
        takes_reason(parser)
        takes_yes(parser)

    def handle(self, *args: Any, email: str | None, everybody: bool, reason: str, yes: bool, **options: Any) -> None:
        users = signed_in() if everybody else User.objects.filter(pk=user_of(email or "").pk)
        confirm(f"End every session of {'everybody' if everybody else email}?", yes=yes)
        reason = asked_for(reason)
        ended = 0
        with tqdm(total=users.count(), unit="users", leave=False, disable=None) as bar:
            while batch := list(users[:BATCH]):
                for user in batch:
                    with suppress(NotFound):
                        ended += administration.end_all_sessions(user=user, by=Actor.operator(), reason=reason)
                    bar.update()
                if not everybody:
                    break
        self.stdout.write(f"{ended} sessions ended.")


def signed_in() -> QuerySet[User]:
    """Those who have a session that lives now and began before now."""
    sessions = Session.objects.live().filter(created_at__lte=timezone.now())
    return User.objects.filter(pk__in=sessions.values("user")).order_by("pk")

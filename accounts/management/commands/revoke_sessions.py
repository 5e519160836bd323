from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.template.defaultfilters import pluralize
from django.utils import timezone
from tqdm import tqdm

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.management.base import Operation, add_confirmation_arguments, address, confirmed_reason, get_user
from accounts.models import Session, User
from core.errors import NotFound

USERS_PER_QUERY = 100


class Command(Operation):
    help = "Ends every session of a user, or of all users. They have to sign in again."
    examples = """
revoke_sessions alice@example.com --reason "lost her laptop"
revoke_sessions --all --yes --reason "the signing key leaked"
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        users = parser.add_mutually_exclusive_group(required=True)
        users.add_argument("email", nargs="?", type=address)
        users.add_argument("--all", action="store_true", dest="everyone", help="of all users, admins included")
        add_confirmation_arguments(parser)

    def handle(self, *args: Any, email: str | None, everyone: bool, reason: str, yes: bool, **options: Any) -> None:
        only = get_user(email) if email else None
        users = User.objects.filter(pk=only.pk) if only else signed_in()
        live = Session.objects.live().filter(user__in=users).count()
        if not live and not settings.LEGACY_TOKENS_UNTIL:  # the earlier service's tokens have no session until used
            self.report(f"{only.email} has no live session." if only else "Nobody has a live session.", sessions=0)
            return
        question = f"End every session of {only.email if only else 'all users'} ({live} live)?"
        reason = confirmed_reason(question, yes=yes, reason=reason)
        ended = 0
        with tqdm(total=users.count(), unit="users", leave=False, disable=None) as bar:
            while batch := list(users[:USERS_PER_QUERY]):
                for user in batch:
                    with suppress(NotFound):
                        ended += administration.end_all_sessions(user=user, by=Actor.operator(), reason=reason)
                    bar.update()
                if not everyone:
                    break
        self.report(f"Ended {ended} session{pluralize(ended)}.", sessions=ended)


def signed_in() -> QuerySet[User]:
    """Users with a session that is live and began before now."""
    sessions = Session.objects.live().filter(created_at__lte=timezone.now())
    return User.objects.filter(pk__in=sessions.values("user")).order_by("pk")

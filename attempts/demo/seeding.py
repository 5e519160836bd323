"""Filling a database with made-up users and attempts, and taking them away again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from secrets import token_urlsafe
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.audit.log import Actor
from accounts.flows.administration import create_admin
from accounts.flows.profile import delete_rows_of
from accounts.models import Mail, Session, User
from attempts.demo.rows import YEAR, made_up_attempts
from attempts.flows.stats import count_statuses
from attempts.models import Attempt

DOMAIN = "demo.peerprep.example"  # marks them. Reserved by RFC 2606, so it has no real addresses
SEEDED_AT_ONCE = 2_000
WEEK = timedelta(days=7)  # for which ended sessions and sent mails are kept
USER_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
)


@dataclass(frozen=True)
class Login:
    email: str
    password: str


def demo_users() -> QuerySet[User]:
    return User.objects.filter(email__endswith=f"@{DOMAIN}")


def seed(*, users: int, attempts: int, progress: Callable[[int], object]) -> list[Login]:
    """Adds so many users and attempts of theirs within the last year, and an admin; all or nothing.

    Returns:
        The admin, and the user with the most attempts. Nobody else can sign in.
    """
    now, run = timezone.now(), f"-{uuid7().hex[:12]}" if demo_users().exists() else ""
    admin, user = (Login(f"{name}{run}@{DOMAIN}", token_urlsafe(12)) for name in ("admin", "user"))
    with transaction.atomic():
        create_admin(email=admin.email, password=admin.password, by=Actor.operator())
        ids = seed_users(users, run)
        User.objects.filter(pk=ids[0]).update(email=user.email, password=make_password(user.password))
        made = made_up_attempts(ids, attempts, now=now, seed=attempts)
        while rows := list(islice(made, SEEDED_AT_ONCE)):
            Attempt.objects.bulk_create(rows)
            progress(len(rows))
        count_statuses(ids[0], ids[-1])
        add_last_week(User.objects.filter(pk__range=(ids[0], ids[-1])))
    # What an index alone answers needs a vacuumed table.
    vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if vacuum else "ANALYZE")
    return [admin, user]


def seed_users(count: int, run: str) -> list[UUID]:
    """The new users' ids, ascending, with no other user's between the first and the last."""
    ids = [uuid7() for _ in range(count)]
    password, now = make_password(None), timezone.now()
    made = (
        User(
            id=user_id,
            email=f"demo{run}-{number}@{DOMAIN}",
            name=f"Demo {number}",
            password=password,
            is_verified=True,
            created_at=now - YEAR + YEAR * (number - 1) / count,
        )
        for number, user_id in enumerate(ids, 1)
    )
    User.objects.bulk_create(made, batch_size=SEEDED_AT_ONCE)
    return ids


def add_last_week(users: QuerySet[User]) -> None:
    """What attempts and registrations of the last week cannot have been without: sessions, and verification mails."""
    since = timezone.now() - WEEK
    new = users.filter(created_at__gt=since)
    recent = Attempt.objects.filter(user__in=users, created_at__gt=since).order_by()
    days = recent.values_list("user", TruncDate("created_at")).annotate(Min("created_at"), Max("created_at"))
    registered = ((user.pk, user.created_at, user.created_at) for user in new)
    used = [*registered, *((user, first, last) for user, _, first, last in days)]
    Session.objects.bulk_create(
        (
            Session(
                user_id=user,
                user_agent=USER_AGENTS[user.int % len(USER_AGENTS)],
                ip=f"192.0.2.{user.int % 254 + 1}",
                created_at=first,
                rotated_at=last,
                last_used_at=last,
                expires_at=first + settings.SESSION_MAX,
            )
            for user, first, last in used
        ),
        batch_size=SEEDED_AT_ONCE,
    )
    Mail.objects.bulk_create(
        Mail(
            kind=Mail.Kind.VERIFICATION,
            to=user.email,
            state=Mail.State.SENT,
            created_at=user.created_at,
            due_at=user.created_at,
            sent_at=user.created_at,
            tries=1,
        )
        for user in new
    )


def remove(users: Iterable[User], *, progress: Callable[[int], object]) -> None:
    """Deletes them with everything stored about them, each in a transaction, even if one of them is the last admin."""
    for user in users:
        with transaction.atomic():
            if held := User.objects.lock_any(pk=user.pk):
                delete_rows_of(held, by=Actor.operator(), reason="The demo users were removed.")
        progress(1)

"""Comparing the counts with the attempts they count, and counting anew, beside a running service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction

from accounts.models import User
from attempts import counting, ranks, recounting
from attempts.models import Attempt, Place, Totals

BATCH = 200
PART = 5_000  # attempts that are ranked at once
BEGINNING = Place(datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True)
class Difference:
    """A row as it is stored, or as it should be."""

    model: type[models.Model]
    user_id: UUID
    side: str  # "stored" or "counted"
    facts: tuple[Any, ...]

    def __str__(self) -> str:
        names = ["misranked"] if self.model is Attempt else recounting.columns(self.model)[1:]
        facts = " ".join(f"{name}={value}" for name, value in zip(names, self.facts, strict=True))
        return f"{self.model._meta.db_table} user_id={self.user_id} {self.side}: {facts}"  # noqa: SLF001


def verify() -> Iterator[tuple[int, list[Difference]]]:
    """Compares a batch of users at a time: how many they are, and where they differ."""
    with patience():
        for users in batches():
            yield len(users), compare(users)


def rebuild() -> Iterator[tuple[int, int]]:
    """Counts anew where the counts differ, a batch of users at a time: how many they are, how many were wrong."""
    with patience():
        for users in batches():
            wrong = sorted({difference.user_id for difference in compare(users)})
            for user in wrong:
                recount(user)
            yield len(users), len(wrong)


def recount(user: UUID) -> None:
    """Counts and ranks the user's attempts anew. Whoever records one meanwhile waits only for the last step.

    All that come are later than those there are: what these come to is counted, and they are ranked, a part at a time,
    beside the service. Then the counts change places, and what has come is added. Whatever ends it before that leaves
    counts that are as wrong as before, and `rebuild` begins again.
    """
    last = close(user)
    for after, end in parts(user, last):
        with transaction.atomic():
            if not User.objects.select_for_update(no_key=True).filter(pk=user).exists():
                return
            ranks.rank_anew(user, after=after, last=end)
    whose, values = among([user])
    up_to = f"{whose} AND (created_at, id) <= (%(last_at)s, %(last_id)s)"
    recounting.count_beside(up_to, values | ranks.places(last=last))
    replace(user, last)


def close(user: UUID) -> Place:
    """The place of the last attempt. The totals get its time, so that none is recorded before it."""
    with transaction.atomic():
        held = User.objects.select_for_update().filter(pk=user).first()
        last = held and Attempt.objects.history_of(held).values_list("created_at", "id").first()
        if not last:
            return BEGINNING
        Totals.objects.update_or_create(user=held, defaults={"last_attempt_at": last[0]})
    return Place(*last)


def parts(user: UUID, last: Place) -> Iterator[tuple[Place, Place]]:
    """The history up to `last` from the oldest on, in parts: each begins after a place and ends with one."""
    after = BEGINNING
    while after < last:
        found = Attempt.objects.filter(user=user).newer_than(after).values_list("created_at", "id")
        end = min([last, *(Place(*place) for place in found[PART - 1 : PART])])
        yield after, end
        after = end


def replace(user: UUID, last: Place) -> None:
    """Puts what was counted up to `last` in the place of the counts, and records once more what is after that."""
    with transaction.atomic():
        held = User.objects.select_for_update().filter(pk=user).first()
        if not held:
            return
        newer = Attempt.objects.filter(user=held).newer_than(last)
        meanwhile = list(newer)
        newer.delete()
        recounting.take_recount(held)
        for attempt in meanwhile:
            counting.add(attempt)


def batches() -> Iterator[list[UUID]]:
    found = User.objects.order_by("pk").values_list("pk", flat=True)
    users = list(found[:BATCH])
    while users:
        yield users
        users = list(found.filter(pk__gt=users[-1])[:BATCH])


def compare(users: list[UUID]) -> list[Difference]:
    whose, values = among(users)
    return [
        Difference(model, UUID(str(user_id)), side, tuple(facts))
        for model in recounting.RECOUNTS
        for side, user_id, *facts in recounting.differences(model, whose, values)
    ] + [Difference(Attempt, user, "stored", (wrong,)) for user, wrong in ranks.misranked(whose, values).items()]


def among(users: list[UUID]) -> tuple[str, dict[str, Any]]:
    """A condition that holds for the rows of these users."""
    field: models.Field[Any, Any] = User._meta.pk  # noqa: SLF001
    values = {f"user{number}": field.get_db_prep_value(user, connection) for number, user in enumerate(users)}
    return f"user_id IN ({', '.join(f'%({name})s' for name in values)})", values


@contextmanager
def patience() -> Iterator[None]:
    """Lets a statement take its time: a recount of a long history is none that a client waits for."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        usual = cursor.fetchone()[0]
        cursor.execute("SET statement_timeout = 0")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [usual])

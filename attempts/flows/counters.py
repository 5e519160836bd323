"""Comparing the counts with the attempts they count, and counting anew, beside a running service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction

from accounts.models import User
from attempts import counting, ranks
from attempts.models import Attempt

BATCH = 200


@dataclass(frozen=True)
class Difference:
    """A row as it is stored, or as it should be."""

    model: type[models.Model]
    user_id: UUID
    side: str  # "stored" or "counted"
    facts: tuple[Any, ...]

    def __str__(self) -> str:
        names = ["misranked"] if self.model is Attempt else counting.columns(self.model)[1:]
        facts = " ".join(f"{name}={value}" for name, value in zip(names, self.facts, strict=True))
        return f"{self.model._meta.db_table} user_id={self.user_id} {self.side}: {facts}"  # noqa: SLF001


def verify() -> Iterator[tuple[int, list[Difference]]]:
    """Compares a batch of users at a time: how many they are, and where they differ."""
    with patience():
        for users in batches():
            yield len(users), compare(users)


def rebuild() -> Iterator[tuple[int, int]]:
    """Counts anew where the counts differ, a batch of users at a time: how many they are, how many were wrong.

    The lock of a user's row keeps out whoever records an attempt of theirs; all others go on.
    """
    with patience():
        for users in batches():
            wrong = sorted({difference.user_id for difference in compare(users)})
            for user in wrong:
                recount([user])  # one after the other: nobody waits for the history of another one
            yield len(users), len(wrong)


def recount(users: list[UUID]) -> None:
    with transaction.atomic():
        held = [user.pk for user in User.objects.select_for_update().filter(pk__in=users).order_by("pk")]
        if not held:
            return
        whose, values = among(held)
        for model in counting.RECOUNTS:
            model._base_manager.filter(user__in=held).delete()  # noqa: SLF001
            counting.store_recount(model, whose, values)
        ranks.rank_anew(whose, values)


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
        for model in counting.RECOUNTS
        for side, user_id, *facts in counting.differences(model, whose, values)
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

"""What becomes of attempts when their account is deleted."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from attempts.models import Attempt, IdempotencyKey, QuestionStatus
from attempts.tests.factories import ATTEMPT, store_attempts
from conftest import Person, Together, person

TABLES: list[Any] = [Attempt, QuestionStatus, IdempotencyKey]


def send(someone: Person, key: str | None = None, **changes: Any) -> int:
    headers = {"Idempotency-Key": key} if key else {}
    status: int = someone.api.post("/api/v1/attempts", {**ATTEMPT, **changes}, **headers).status_code
    return status


def rows_of(someone: Person) -> list[int]:
    return [model.objects.filter(user_id=someone.user.pk).count() for model in TABLES]


def test_every_row_of_the_user_goes_and_no_other(alice: Person, bob: Person) -> None:
    for someone in (alice, bob):
        for number in range(1, 6):
            send(someone, str(number), question_id=number)
    assert alice.api.delete("/users/me").status_code == 200
    assert (rows_of(alice), rows_of(bob)) == ([0, 0, 0], [5, 5, 5])


def test_an_attempt_that_races_with_it_is_refused_or_goes_too(together: Together, db: None) -> None:
    keys = [None, None, "new", "live", "expired"]
    for number in range(20):
        someone = person(f"user{number}@example.com")
        store_attempts(someone, [timezone.now()] * 20)
        send(someone, "live")
        send(someone, "expired")
        IdempotencyKey.objects.filter(key="expired").update(created_at=timezone.now() - timedelta(hours=25))

        def act(turn: int, someone: Person = someone) -> int:
            if turn < 5:
                return send(someone, keys[turn], question_id=turn % 2 + 1 if keys[turn] is None else 1)
            status: int = someone.api.delete("/users/me").status_code
            return status

        statuses = together(act, 6)
        assert statuses.pop() == 200
        assert set(statuses) <= {201, 401}
        assert not User.objects.exists()
        assert rows_of(someone) == [0, 0, 0]

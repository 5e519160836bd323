"""What becomes of attempts when their user goes: nothing is left, or nothing that is anybody's."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command

from accounts.flows import housekeeping
from attempts.flows import departures
from attempts.flows.recording import record_attempt
from attempts.models import Attempt, Departure, Totals
from attempts.tests.made import FACTS, attempt
from conftest import Person, Together, browser_of, person

START = datetime(2026, 11, 1, tzinfo=UTC)


def left_of(user_id: Any) -> dict[str, int]:
    models: list[Any] = [*departures.OF_USERS, Totals, Departure]
    return {model.__name__: model.objects.filter(user_id=user_id).count() for model in models}


@pytest.fixture
def histories(alice: Person, bob: Person) -> None:
    for somebody in (alice, bob):
        for number in range(10):
            record_attempt(user=somebody.user, key=str(number), **{**FACTS, "question_id": number + 1})


@pytest.mark.usefixtures("histories")
def test_a_short_history_goes_with_the_account(alice: Person, bob: Person) -> None:
    before = left_of(bob.user.pk)
    assert alice.api.delete("/users/me").status_code == 200
    assert not any(left_of(alice.user.pk).values())
    assert left_of(bob.user.pk) == before


@pytest.mark.usefixtures("histories")
def test_a_long_one_is_nobody_s_at_once_and_gone_with_the_next_purge(
    alice: Person, bob: Person, admin: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(departures, "AT_ONCE", 9)
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    before = left_of(bob.user.pk)
    some = str(Attempt.objects.filter(user=alice.user)[0].pk)
    assert alice.api.delete("/users/me").status_code == 200
    assert left_of(alice.user.pk)["Attempt"] == 10
    assert bob.api.get(f"/api/v1/attempts/{some}").status_code == 404
    browser = browser_of(admin)
    assert len(browser.get("/admin/attempts/attempt/").context["cl"].result_list) == 10
    assert len(browser.get("/admin/attempts/questionstatus/").context["cl"].result_list) == 10
    assert browser.get(f"/admin/attempts/attempt/{some}/change/").status_code == 302
    call_command("stats", "verify")
    call_command("purge_expired")
    assert "attempts of deleted accounts: 10 removed" in capsys.readouterr().out
    assert not any(left_of(alice.user.pk).values())
    assert left_of(bob.user.pk) == before


@pytest.mark.usefixtures("transactional_db", "histories")
def test_a_long_one_is_removed_in_the_background(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departures, "AT_ONCE", 9)
    assert alice.api.delete("/users/me").status_code == 200
    for thread in threading.enumerate():
        if thread.name.startswith("departure"):
            thread.join(20)
    assert not any(left_of(alice.user.pk).values())


@pytest.mark.usefixtures("histories")
def test_a_purge_that_was_interrupted_goes_on(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departures, "AT_ONCE", 9)
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    alice.api.delete("/users/me")

    def interrupted(removed: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        departures.remove_departed(interrupted)
    assert Departure.objects.get().attempts == left_of(alice.user.pk)["Attempt"] == 7
    assert departures.remove_departed(lambda _: None) == 7
    assert not any(left_of(alice.user.pk).values())


def test_two_purges_at_once_leave_nothing(together: Together, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(departures, "AT_ONCE", 5)
    monkeypatch.setattr(housekeeping, "BATCH", 2)
    for number in range(20):
        somebody = person(f"user{number}@example.com")
        for _ in range(6):
            attempt(somebody)
        somebody.api.delete("/users/me")
        together(lambda turn: departures.remove_departed(lambda _: None), 2)
        assert not any(left_of(somebody.user.pk).values())


def test_attempts_race_with_the_deletion_of_a_long_history(
    together: Together, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(departures, "AT_ONCE", 1)
    for number in range(20):
        somebody = person(f"user{number}@example.com")
        attempt(somebody)
        attempt(somebody)
        body = {**FACTS}

        def act(turn: int, somebody: Person = somebody, body: dict[str, Any] = body) -> int:
            answer = somebody.api.delete("/users/me") if turn == 2 else somebody.api.post("/api/v1/attempts", body)
            status: int = answer.status_code
            return status

        statuses = together(act, 4)
        assert statuses.pop(2) == 200
        assert set(statuses) <= {201, 401}
        departures.remove_departed(lambda _: None)
        assert not any(left_of(somebody.user.pk).values())

"""What is counted when an attempt is recorded equals a recount, whatever came in and whatever ran beside it."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attempts import recounting
from attempts.flows import counters, progress
from attempts.models import Attempt, LanguageCount, PairCount, QuarterHour, QuestionStatus, Totals
from attempts.tests.factories import attempt, attempts_at, got, plain_activity, recount
from conftest import Person, Together, person

START = datetime(2026, 11, 1, tzinfo=UTC)
COUNTS: list[Any] = [QuestionStatus, Totals, LanguageCount, PairCount, QuarterHour]

SENT = st.builds(
    lambda question_id, language, total_tests, missing, runtime_ms, pause: {
        "question_id": question_id,
        "language": language,
        "total_tests": total_tests,
        "passed_tests": max(0, total_tests - missing),
        "runtime_ms": runtime_ms,
        "pause": pause,
    },
    st.integers(1, 3),
    st.sampled_from(["c", "go", "rust"]),
    st.integers(0, 3),
    st.sampled_from([0, 0, 1, 2]),
    st.none() | st.integers(0, 5),
    st.integers(0, 40_000).map(lambda seconds: timedelta(seconds=seconds)),
)
people = iter(range(10**9))


@pytest.mark.usefixtures("db")
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(SENT, max_size=12))
def test_every_answer_equals_a_plain_recount(sequence: list[dict[str, Any]]) -> None:
    somebody, now, made = person(f"somebody{next(people)}@example.com"), START, []
    for sent in sequence:
        facts = {name: value for name, value in sent.items() if name != "pause"}
        now += sent["pause"]
        answer = attempt(somebody, created_at=now, **facts)
        now = answer["created_at"]
        made.append({**facts, "created_at": now.isoformat().replace("+00:00", "Z")})
    expected = recount(made)
    for path in ("summary", "questions", "statistics"):
        assert got(somebody, f"/{path}") == expected[path]
    with time_machine.travel(now, tick=False):
        activity = progress.show_activity(user=somebody.user, tz=ZoneInfo("Asia/Kathmandu"), days=30)
    assert activity == plain_activity(made, now, ZoneInfo("Asia/Kathmandu"), 30)
    assert not counters.compare([somebody.user.pk])


def test_parallel_attempts_of_one_user_are_in_order_and_counted(together: Together, db: None) -> None:
    for number in range(20):
        somebody = person(f"user{number}@example.com")
        statuses = together(lambda turn, one=somebody: attempt(one, question_id=turn % 3 + 1, passed_tests=turn % 2), 8)
        times = sorted(made["created_at"] for made in statuses)
        assert len(set(times)) == 8
        assert Totals.objects.get(user=somebody.user).last_attempt_at == times[-1]
        assert not counters.compare([somebody.user.pk])


def test_an_attempt_is_one_statement_on_postgresql_after_the_first(
    alice: Person, django_assert_num_queries: Any
) -> None:
    attempt(alice)
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 9):  # a savepoint's two among them
        attempt(alice)


def test_an_attempt_counts_nowhere_where_it_is_not_stored(alice: Person) -> None:
    made = attempt(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        attempt(alice, id=made["id"])
    assert got(alice, "/summary")["total_attempts"] == 1
    assert not counters.compare([alice.user.pk])


# --- manage.py stats ------------------------------------------------------------------------------------------------


@pytest.fixture
def history(alice: Person, bob: Person) -> None:
    for somebody in (alice, bob):
        attempts_at(somebody, [START + timedelta(hours=number) for number in range(5)], passed_tests=1)


def spoil(alice: Person) -> None:
    for model in COUNTS:
        model.objects.filter(user=alice.user).update(attempts=99)
    Attempt.objects.filter(user=alice.user).update(language_rank=99)


@pytest.mark.usefixtures("history")
def test_verify_finds_no_fault_with_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("stats", "verify")
    assert capsys.readouterr().out == "All counts are right.\n"


@pytest.mark.usefixtures("history")
def test_verify_shows_what_differs_and_fails(alice: Person, bob: Person, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(alice)
    with pytest.raises(CommandError, match="1 users") as raised:
        call_command("stats", "verify")
    assert raised.value.returncode == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"user_language_counts user_id={alice.user.pk} counted: language=python attempts=5 solved=5" in lines
    assert f"user_language_counts user_id={alice.user.pk} stored: language=python attempts=99 solved=5" in lines
    assert {line.split()[0] for line in lines} == {model._meta.db_table for model in (Attempt, *COUNTS)}
    assert not [line for line in lines if str(bob.user.pk) in line]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("model", COUNTS)
def test_rebuild_restores_counts_that_are_lost(alice: Person, model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = list(model.objects.order_by("user").values())
    model.objects.filter(user=alice.user).delete()
    call_command("stats", "rebuild")
    after = list(model.objects.order_by("user").values())
    assert [{**row, "id": 0} for row in after] == [{**row, "id": 0} for row in before]
    assert "1 users were wrong" in capsys.readouterr().out


@pytest.mark.usefixtures("history")
def test_rebuild_removes_counts_of_nothing(alice: Person) -> None:
    Attempt.objects.filter(user=alice.user).delete()
    call_command("stats", "rebuild")
    assert not [model for model in COUNTS if model.objects.filter(user=alice.user).exists()]
    assert got(alice, "/summary")["total_attempts"] == 0
    attempt(alice)
    assert got(alice, "/summary")["total_attempts"] == 1


@pytest.mark.usefixtures("transactional_db")
def test_rebuild_loses_nothing_that_arrives_meanwhile(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never waits long either: one that comes while attempts are counted is recorded before they are."""
    monkeypatch.setattr(counters, "BATCH", 2)
    monkeypatch.setattr(counters, "PART", 100)
    people = [person(f"user{number}@example.com") for number in range(4)]
    done, failures, made = threading.Event(), [], []

    def write(somebody: Person) -> None:
        try:
            while not done.is_set():
                made.append(attempt(somebody, passed_tests=1))
        except BaseException as exc:  # noqa: BLE001 - the test raises it
            failures.append(exc)
        finally:
            connections.close_all()

    def count_beside(*args: Any) -> None:
        made.extend(together(lambda _: attempt(people[0], passed_tests=1), 1))
        counted(*args)

    counted = recounting.count_beside
    monkeypatch.setattr(recounting, "count_beside", count_beside)
    writers = [threading.Thread(target=write, args=(somebody,)) for somebody in people[:3]]
    for writer in writers:
        writer.start()
    try:
        for _ in range(10):
            spoil(people[0])
            spoil(people[3])
            list(counters.rebuild())
    finally:
        done.set()
        for writer in writers:
            writer.join(30)
    assert not failures
    assert not counters.compare([somebody.user.pk for somebody in people])
    assert {each["id"] for each in made} == set(Attempt.objects.values_list("pk", flat=True))
    assert Totals.objects.get(user=people[0].user).attempts > 0


@pytest.mark.parametrize("model", [Totals, QuestionStatus, LanguageCount, PairCount])
def test_a_count_that_is_too_low_costs_no_attempt(alice: Person, model: Any) -> None:
    for _ in range(3):
        attempt(alice, passed_tests=1)
    model.objects.update(attempts=1)
    attempt(alice)
    call_command("stats", "rebuild")
    assert [compared for _, compared in counters.verify()] == [[]]


@pytest.mark.parametrize(
    "row",
    [
        Totals(questions=9, solved_questions=7),
        QuestionStatus(question_id=5, attempts=0, best_passed_tests=1, total_tests=1),
        LanguageCount(language="x", attempts=0, solved=4),
    ],
)
def test_verify_and_rebuild_see_a_row_that_counts_nothing(alice: Person, row: Any) -> None:
    row.user = alice.user
    if isinstance(row, QuestionStatus):
        row.first_attempt_at = row.last_attempt_at = row.solved_at = timezone.now()
    row.save(force_insert=True)
    with pytest.raises(CommandError):
        call_command("stats", "verify")
    call_command("stats", "rebuild")
    call_command("stats", "verify")

"""Attempts that were there before they had ranks have them afterwards."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from attempts.flows import counters
from attempts.models import Attempt
from attempts.tests.made import attempt
from conftest import Person

START = datetime(2026, 11, 1, tzinfo=UTC)


def migrate(to: list[tuple[str, str]]) -> None:
    MigrationExecutor(connection).migrate(to)


def test_they_are_ranked_and_counted(transactional_db: None, alice: Person, bob: Person) -> None:
    for number in range(24):
        facts = {"question_id": number % 3 + 1, "language": ["c", "go"][number % 2], "passed_tests": number // 3 % 2}
        attempt([alice, bob][number // 4 % 2], created_at=START + timedelta(minutes=number), **facts)
    Attempt.objects.filter(user=bob.user).update(created_at=START)  # as some have one time, ids decide
    counters.recount(bob.user.pk)
    migrate([("attempts", "0002_counts_and_keys")])
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    assert not counters.compare([alice.user.pk, bob.user.pk])
    assert Attempt.objects.filter(rank__gt=1, pair_rank__gt=1, user=alice.user).exists()

"""`manage.py seed_demo`."""

from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Sum
from django.utils import timezone

from accounts.models import User
from attempts.models import Attempt, QuestionStatus
from conftest import Person


def attempts_by_user() -> dict[UUID, int]:
    return dict(Attempt.objects.values_list("user").annotate(Count("pk")))


def test_it_fills_the_database_with_what_might_be_real(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo", "--users", "50", "--attempts", "3000")
    assert (User.objects.count(), Attempt.objects.count()) == (51, 3000)
    assert "50 users and 3000 attempts in " in capsys.readouterr().out
    assert len(set(Attempt.objects.values_list("language", flat=True))) == 12
    times = sorted(Attempt.objects.values_list("created_at", flat=True))
    assert 360 < (times[-1] - times[0]).days <= 365
    busiest = sorted(attempts_by_user().values(), reverse=True)
    assert busiest[0] > 5 * busiest[40]
    assert QuestionStatus.objects.filter(attempts__gt=1, solved_at__isnull=False).count() > 100
    call_command("stats", "verify")


def test_its_ids_are_of_the_time_of_each_attempt(alice: Person) -> None:
    call_command("seed_demo", "--users", "2", "--attempts", "50")
    for pk, created_at in Attempt.objects.values_list("pk", "created_at"):
        assert (pk.version, pk.int >> 80) == (7, int(created_at.timestamp() * 1000))


def test_users_register_before_they_attempt_anything(alice: Person) -> None:
    call_command("seed_demo", "--users", "50", "--attempts", "3000")
    assert not Attempt.objects.filter(created_at__lt=F("user__created_at")).exists()
    assert not Attempt.objects.filter(created_at__gt=timezone.now()).exists()


def test_none_of_its_users_can_sign_in(alice: Person) -> None:
    call_command("seed_demo", "--users", "2", "--attempts", "0")
    assert not [user for user in User.objects.exclude(pk=alice.user.pk) if user.has_usable_password()]


def test_it_adds_to_what_is_there(alice: Person) -> None:
    for _ in range(2):
        call_command("seed_demo", "--users", "3", "--attempts", "60")
    assert (User.objects.count(), Attempt.objects.count()) == (7, 120)
    assert dict(QuestionStatus.objects.values_list("user").annotate(Sum("attempts"))) == attempts_by_user()
    call_command("stats", "verify")


@pytest.mark.parametrize("sent", [["--users", "0"], ["--attempts", "-1"]])
def test_it_refuses_what_makes_no_sense(sent: list[str], db: None) -> None:
    with pytest.raises(CommandError):
        call_command("seed_demo", *sent)

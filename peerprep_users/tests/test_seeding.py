"""`manage.py seed_demo`."""

from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db.models import Count, Exists, F, OuterRef, Sum
from django.utils import timezone

from accounts.models import Mail, Role, Session, User
from attempts.models import Attempt, QuestionStatus
from conftest import Api, Person, new_browser, person
from peerprep_users.models import DailyFigure

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())


def attempts_by_user() -> dict[UUID, int]:
    return dict(Attempt.objects.values_list("user").annotate(Count("pk")))


def test_it_fills_the_database_with_what_might_be_real(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo", "--users", "50", "--attempts", "3000")
    assert (User.objects.count(), Attempt.objects.count()) == (52, 3000)
    assert "Added an admin, 50 users and 3000 attempts in " in capsys.readouterr().out
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


@time_machine.travel(timezone.now().replace(hour=12), tick=False)  # yesterday is counted an hour after its end
def test_every_day_of_the_last_week_has_the_logins_and_mails_that_it_needs(alice: Person) -> None:
    call_command("seed_demo", "--users", "400", "--attempts", "3000")
    figures = {
        (name, day): value
        for day, name, label, value in DailyFigure.objects.values_list("day", "name", "label", "value")
        if not label
    }
    days = sorted({day for name, day in figures if name == "logins"})
    assert len(days) == 6
    for day in days:
        assert figures["logins", day] >= figures["registrations", day] > 0
        assert figures["mails", day] == figures["registrations", day]
    recent = Attempt.objects.filter(created_at__gt=timezone.now() - timedelta(days=6))
    used = Session.objects.filter(
        user=OuterRef("user"), created_at__lte=OuterRef("created_at"), last_used_at__gte=OuterRef("created_at")
    )
    assert recent.exists() and not recent.exclude(Exists(used)).exists()


def test_an_admin_and_the_busiest_user_can_sign_in_and_nobody_else(
    alice: Person, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("seed_demo", "--users", "5", "--attempts", "200")
    admin, user = (line.split() for line in capsys.readouterr().out.splitlines() if "@" in line)
    tokens = api.post("/auth/login", {"email": user[0], "password": user[1]}).json()
    summary = Api(tokens["access_token"]).get("/api/v1/attempts/me/summary").json()
    assert summary["total_attempts"] == max(attempts_by_user().values())
    fields = {"username": admin[0], "password": admin[1], "next": "/admin/"}
    assert new_browser().post("/admin/login/", fields).status_code == 302
    able = [made.email for made in User.objects.exclude(pk=alice.user.pk) if made.has_usable_password()]
    assert sorted(able) == [admin[0], user[0]]


def test_production_is_filled_only_if_that_is_really_meant(alice: Person, settings: Any) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match=r"^ENV is prod: this may be a real deployment\. Use --really "):
        call_command("seed_demo", "--users", "2", "--attempts", "0")
    assert User.objects.get() == alice.user
    call_command("seed_demo", "--users", "2", "--attempts", "0", "--really")
    assert User.objects.count() == 4


def test_all_of_it_can_be_taken_away_and_nothing_else(alice: Person, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call_command("seed_demo", "--users", "3", "--attempts", "60")
    with pytest.raises(CommandError, match="Use --yes"):
        call_command("seed_demo", "--remove")
    assert User.objects.count() == 9
    call_command("seed_demo", "--remove", "--yes")
    said = capsys.readouterr().out
    assert "Deleted 8 users @demo.peerprep.example." in said and "No admin is left." in said
    assert (User.objects.get(), Session.objects.get()) == (alice.user, alice.session)
    assert not (Attempt.objects.exists() or QuestionStatus.objects.exists() or Mail.objects.exists())
    assert not DailyFigure.objects.filter(name="attempts", value__gt=0).exists()
    person("root@example.com", role=Role.ADMIN)
    call_command("seed_demo", "--users", "1", "--attempts", "1")
    call_command("seed_demo", "--remove", "--yes")
    assert "No admin is left." not in capsys.readouterr().out
    call_command("seed_demo", "--remove")
    assert "There is no user @demo.peerprep.example." in capsys.readouterr().out


def test_it_adds_to_what_is_there(alice: Person) -> None:
    for _ in range(2):
        call_command("seed_demo", "--users", "3", "--attempts", "60")
    assert (User.objects.count(), Attempt.objects.count()) == (9, 120)
    assert dict(QuestionStatus.objects.values_list("user").annotate(Sum("attempts"))) == attempts_by_user()
    call_command("stats", "verify")


def test_one_of_something_is_named_in_the_singular(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo", "--users", "1", "--attempts", "1")
    assert "Added an admin, 1 user and 1 attempt in " in capsys.readouterr().out


@pytest.mark.parametrize(
    "sent",
    [
        ["--users=0"],
        ["--users=abc"],
        ["--users=100001"],
        ["--attempts=-1"],
        ["--attempts=1000001"],
        ["--remove", "--users=1"],
        ["--remove", "--attempts=0"],
    ],
    ids=" ".join,
)
def test_it_refuses_what_makes_no_sense(sent: list[str], db: None) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("seed_demo", *sent)
    assert refused.value.returncode == 2

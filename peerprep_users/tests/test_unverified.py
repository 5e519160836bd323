"""What becomes of accounts whose address is not verified."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from accounts.audit.log import NO_CLIENT, Actor
from accounts.flows.administration import invite
from accounts.flows.profile import delete_unverified
from accounts.models import AuditEntry, KnownDevice, Mail, Role, Session, User
from accounts.tokens.jwt import verification_token
from attempts.models import Attempt
from attempts.tests.factories import ATTEMPT
from conftest import PASSWORD, Api, Person, Together, person
from core.jobs import Turn
from peerprep_users.purge import purge_expired_rows

pytestmark = pytest.mark.slow

UNA = {"email": "una@example.com", "password": PASSWORD}


def test_they_are_deleted_after_seven_days_with_all_their_data(
    alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = Api().post("/auth/register", UNA).json()
    una = User.objects.get(email=UNA["email"])
    assert Api(tokens["access_token"]).post("/api/v1/attempts", ATTEMPT).status_code == 201
    with time_machine.travel(una.created_at + timedelta(days=7, seconds=-1), tick=False):
        call_command("purge_expired")
        assert User.objects.count() == 2
    with time_machine.travel(una.created_at + timedelta(days=7), tick=False):
        call_command("purge_expired")
    assert User.objects.get() == alice.user
    assert not any(model.objects.exists() for model in (Attempt, KnownDevice, Mail))
    assert Session.objects.get() == alice.session
    entry = AuditEntry.objects.get()
    assert (entry.kind, entry.user_id, entry.actor_kind) == ("account_deleted", una.pk, AuditEntry.ActorKind.SERVICE)
    assert "unverified accounts: 1 removed" in capsys.readouterr().out
    assert Api().post("/auth/register", UNA).status_code == 201


def test_the_worker_deletes_them_too_for_as_long_as_its_turn_lasts(db: None, settings: Any) -> None:
    settings.UNVERIFIED_TTL = timedelta(0)
    for number in range(3):
        person(f"user{number}@example.com", is_verified=False)
    purge_expired_rows(Turn(seconds=0))
    assert User.objects.count() == 3
    purge_expired_rows(Turn())
    assert not User.objects.exists()


def test_an_invited_user_who_chooses_no_password_is_one_of_them(admin: Person) -> None:
    nina = invite(email="nina@example.com", name="", by=Actor.admin(admin.user, NO_CLIENT))
    with time_machine.travel(nina.created_at + timedelta(days=7)):
        purge_expired_rows(Turn())
    assert User.objects.get() == admin.user and not Mail.objects.exists()


def test_others_stay(alice: Person, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    person("chosen@example.com", role=Role.ADMIN, is_verified=False)
    call_command("createsuperuser", email="boss@example.com", interactive=False)
    with time_machine.travel(timezone.now() + timedelta(days=300)):
        call_command("purge_expired")
    assert User.objects.count() == 4


def test_one_that_is_verified_meanwhile_stays(together: Together, transactional_db: None) -> None:
    for number in range(20):
        una = person(f"una{number}@example.com", is_verified=False).user
        link = {"token": verification_token(una)}

        def act(turn: int, una: User = una, link: dict[str, str] = link) -> Any:
            return delete_unverified(user=una) if turn else Api().post("/auth/verify-email", link).status_code

        status, deleted = together(act, 2)
        assert (status, deleted) in {(200, False), (400, True)}
        assert User.objects.filter(pk=una.pk, is_verified=True).exists() is not deleted

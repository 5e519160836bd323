"""`manage.py purge_expired`."""

from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessFailureLog
from django.core.management import call_command
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import AuditEntry, ConfirmationGuess, LoginGuard, Mail, PasswordReset, Session, User
from accounts.reset_codes import new_code
from conftest import PASSWORD, Api, Mailbox, Person, Together, person
from core.jobs import Turn
from core.models import RateCount
from peerprep_users.purge import delete_in_batches, expired_rows, purge_expired_rows

pytestmark = pytest.mark.slow

TOKENS = (OutstandingToken, BlacklistedToken)
EVERYTHING = (*TOKENS, Session, PasswordReset, LoginGuard, ConfirmationGuess, Mail, AccessFailureLog, AuditEntry)


def live_through(alice: Person, mailbox: Mailbox) -> None:
    """Leaves a row in every table that is ever purged."""
    alice.api.put("/users/me", {"old_password": PASSWORD, "new_password": "another horse altogether"})
    Api().post("/auth/login", {**alice.credentials, "password": "wrong"})
    Api().post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token})
    alice.api.post("/auth/verify-password", {"password": "wrong password"})
    Api().post("/auth/forgot-password", {"email": alice.user.email})
    mailbox.all()


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in EVERYTHING}


def test_it_removes_nothing_that_is_of_use(alice: Person, mailbox: Mailbox) -> None:
    live_through(alice, mailbox)
    before = counts()
    assert all(before.values())
    call_command("purge_expired")
    assert counts() == before
    assert alice.api.get("/users/me").status_code == 200


def test_it_removes_all_that_is_past_its_use(db: None, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=400)):  # by the database's clock too
        live_through(person("alice@example.com"), mailbox)
    call_command("purge_expired")
    assert AuditEntry.objects.get().kind == AuditEntry.Kind.TRAIL_PRUNED
    assert not any(count for name, count in counts().items() if name != "AuditEntry")
    assert User.objects.count() == 1
    assert "sessions: 1 removed" in capsys.readouterr().out


def test_a_mail_that_is_still_to_be_sent_is_kept(alice: Person) -> None:
    Api().post("/auth/forgot-password", {"email": alice.user.email})
    with time_machine.travel(timezone.now() + timedelta(days=400)):
        call_command("purge_expired")
    assert Mail.objects.get().state == Mail.State.QUEUED


def test_a_lock_that_still_holds_is_kept(alice: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(3):
            Api().post("/auth/login", {**alice.credentials, "password": "wrong"})
        clock.shift(timedelta(minutes=14, seconds=59))
        call_command("purge_expired")
        assert Api().post("/auth/login", alice.credentials).status_code == 403


def test_a_code_that_still_works_is_kept(alice: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        new_code(alice.user.email)
        clock.shift(timedelta(minutes=9, seconds=59))
        call_command("purge_expired")
    assert PasswordReset.objects.exists()


def test_it_runs_beside_the_deletion_of_an_account(together: Together, transactional_db: None) -> None:
    for number in range(20):
        somebody = person(f"user{number}@example.com")
        revoked = OutstandingToken.objects.bulk_create(
            OutstandingToken(user=somebody.user, jti=f"{number}-{n}", token="", expires_at=timezone.now())
            for n in range(200)
        )
        BlacklistedToken.objects.bulk_create(BlacklistedToken(token=token) for token in revoked)

        def act(turn: int, somebody: Person = somebody) -> int:
            if turn:
                return sum(delete_in_batches(expired_rows()["revoked tokens"]))
            status: int = somebody.api.delete("/users/me").status_code
            return status

        assert together(act, 2)[0] == 200
        assert not OutstandingToken.objects.exists()


def expired_counts(number: int) -> None:
    RateCount.objects.bulk_create(RateCount(name=str(n), count=1, until=0.0) for n in range(number))


def test_it_works_in_batches(db: None) -> None:
    expired_counts(1100)
    assert list(delete_in_batches(expired_rows()["rate counts"])) == [500, 500, 100]


def test_two_at_once_share_the_work(together: Together, transactional_db: None) -> None:
    for _ in range(20):
        expired_counts(1100)
        removed = together(lambda _: sum(delete_in_batches(expired_rows()["rate counts"])), 2)
        assert sum(removed) == 1100
        assert not RateCount.objects.exists()


def test_refreshes_leave_nothing_once_their_tokens_have_expired(alice: Person) -> None:
    token = alice.tokens.refresh_token
    for _ in range(50):
        token = Api().post("/auth/refresh", {"refresh_token": token}).json()["refresh_token"]
    assert (Session.objects.count(), OutstandingToken.objects.count()) == (1, 50)
    new_code(alice.user.email)
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        call_command("purge_expired")
    assert (Session.objects.count(), OutstandingToken.objects.count(), BlacklistedToken.objects.count()) == (1, 0, 0)


def test_the_worker_does_it_too_for_as_long_as_its_turn_lasts(db: None) -> None:
    expired_counts(1)
    purge_expired_rows(Turn(seconds=0))
    assert RateCount.objects.exists()
    purge_expired_rows(Turn())
    assert not RateCount.objects.exists()

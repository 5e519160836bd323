"""Resetting a forgotten password."""

from datetime import timedelta
from typing import Any

import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Mail, PasswordReset
from accounts.reset_codes import digest, new_code
from conftest import PASSWORD, Api, Mailbox, Person, Together
from core.metrics import REGISTRY

NEW = "another horse altogether"


def verify(code: str, email: str = "alice@example.com") -> Any:
    return Api().post("/auth/verify-reset-code", {"email": email, "code": code})


def reset(code: str, password: str = NEW, email: str = "alice@example.com") -> Any:
    return Api().post("/auth/reset-password", {"email": email, "code": code, "new_password": password})


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_it_works_from_the_mail_to_the_login(api: Api, alice: Person, mailbox: Mailbox) -> None:
    assert api.post("/auth/forgot-password", {"email": " Alice@example.com"}).json() == {"ok": True}
    code = mailbox.code()
    assert verify(code).json() == {"ok": True}
    assert verify(code).json() == {"ok": True}
    assert reset(code).json() == {"ok": True}
    assert api.post("/auth/login", alice.credentials).status_code == 401
    assert api.post("/auth/login", {**alice.credentials, "password": NEW}).status_code == 200


def test_it_ends_every_session_opens_a_lock_verifies_and_tells(api: Api, unverified: Person, mailbox: Mailbox) -> None:
    email = unverified.user.email
    for _ in range(3):
        api.post("/auth/login", {"email": email, "password": "wrong"})
    assert reset(new_code(unverified.user.email), email=email).status_code == 200
    assert unverified.api.get("/users/me").status_code == 401
    assert api.post("/auth/login", {"email": email, "password": NEW}).status_code == 200
    assert "was changed" in mailbox.text()
    assert AuditEntry.objects.filter(kind=AuditEntry.Kind.PASSWORD_RESET, user_id=unverified.user.pk).count() == 1


def test_a_code_is_used_once(alice: Person) -> None:
    code = new_code(alice.user.email)
    assert reset(code).status_code == 200
    for answer in (reset(code), verify(code)):
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_reset_code")


def test_a_code_dies_after_five_wrong_guesses_over_both_calls(alice: Person) -> None:
    code = new_code(alice.user.email)
    answers = [verify(wrong(code)), reset(wrong(code)), verify(wrong(code)), reset(wrong(code)), verify(wrong(code))]
    assert {answer.status_code for answer in answers} == {401}
    assert reset(code).status_code == 401


def exhaust(email: str = "alice@example.com") -> None:
    code = new_code(email)
    for _ in range(5):
        assert verify(wrong(code), email).status_code == 401


def test_an_exhausted_code_is_recorded_and_mailed_once_an_hour(alice: Person, mailbox: Mailbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        exhaust()
        assert verify("123456").status_code == 401  # is no guess any more
        exhaust()
        assert [mail["Subject"] for mail in mailbox.all()] == ["Too many wrong reset codes - PeerPrep"]
        clock.shift(timedelta(hours=1, seconds=1))
        exhaust()
        assert len(mailbox.all()) == 2
    entries = AuditEntry.objects.filter(kind=AuditEntry.Kind.RESET_CODE_EXHAUSTED)
    assert [(entry.actor_kind, entry.user_id, entry.ip) for entry in entries] == [
        (AuditEntry.ActorKind.ANYONE, alice.user.pk, "127.0.0.1")
    ] * 3


def test_an_exhausted_code_leaves_nothing_of_an_unknown_address(db: None, mailbox: Mailbox) -> None:
    exhaust("nobody@example.com")
    assert mailbox.all() == []
    assert not AuditEntry.objects.exists() and not Mail.objects.exists()


def test_an_unverified_address_gets_no_mail_about_an_exhausted_code(unverified: Person, mailbox: Mailbox) -> None:
    exhaust(unverified.user.email)
    assert AuditEntry.objects.get().user_id == unverified.user.pk
    assert mailbox.all() == []


def test_an_exhausted_code_takes_the_same_statements_whoever_has_the_address(alice: Person, unverified: Person) -> None:
    found = []
    for email in (alice.user.email, unverified.user.email, "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            exhaust(email)
        verbs = [query["sql"].split()[0] for query in queries.captured_queries]
        found.append([verb for verb in verbs if verb not in {"ROLLBACK", "RELEASE"}])
    assert "INSERT" in found[0][3:] and all(verbs == found[0] for verbs in found)


def test_refused_codes_are_counted(alice: Person) -> None:
    def refused() -> float:
        return REGISTRY.get_sample_value("reset_codes_refused_total") or 0

    code, before = new_code(alice.user.email), refused()
    assert [verify(wrong(code)).status_code, verify(code).status_code, reset("x").status_code] == [401, 200, 401]
    assert refused() - before == 2


def test_right_guesses_do_not_wear_a_code_out(alice: Person) -> None:
    code = new_code(alice.user.email)
    for _ in range(4):
        verify(wrong(code))
    for _ in range(6):
        assert verify(code).status_code == 200
    assert reset(code).status_code == 200


def test_a_code_lives_ten_minutes(alice: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        code = new_code(alice.user.email)
        clock.shift(timedelta(minutes=9, seconds=59))
        assert verify(code).status_code == 200
        clock.shift(timedelta(seconds=1))
        assert verify(code).status_code == 401


def test_a_new_code_voids_the_old(alice: Person) -> None:
    old, new = new_code(alice.user.email), new_code(alice.user.email)
    while new == old:
        new = new_code(alice.user.email)
    assert verify(old).status_code == 401
    assert verify(new).status_code == 200


def test_a_code_for_one_address_is_nothing_for_another(alice: Person, bob: Person) -> None:
    code = new_code(alice.user.email)
    new_code(bob.user.email)
    PasswordReset.objects.filter(address=bob.user.email).update(expires_at=timezone.now())
    assert verify(code, bob.user.email).status_code == 401
    assert reset(code, email="nobody@example.com").status_code == 401
    assert verify(code).status_code == 200


def test_every_refusal_looks_alike(alice: Person) -> None:
    code = new_code(alice.user.email)
    answers = [verify(wrong(code)), verify(code, "nobody@example.com"), reset(wrong(code)), reset(code, email="n@x.co")]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1


def test_spaces_and_dashes_in_a_code_are_forgiven_and_other_digits_are_not(alice: Person) -> None:
    code = new_code(alice.user.email)
    for separator in " -\N{EN DASH}\N{NO-BREAK SPACE}\N{MINUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{ZERO WIDTH SPACE}":
        assert verify(f" {code[:3]}{separator}{code[3:]}\n").status_code == 200
    assert verify("".join(chr(0x0660 + int(digit)) for digit in code)).status_code == 401
    assert Api().post("/auth/verify-reset-code", {"email": alice.user.email, "code": int(code)}).status_code == 422


def test_what_cannot_be_a_code_costs_no_guess(alice: Person) -> None:
    code = new_code(alice.user.email)
    for text in ("12345", f"{code}0", "abcdef", "-", f"+{code[1:]}"):
        assert [verify(text).json()["code"], reset(text).json()["code"]] == ["invalid_reset_code"] * 2
    assert PasswordReset.objects.get().guesses == 0
    assert reset(code).status_code == 200


def test_an_easy_password_is_told_only_to_who_knows_the_code_which_stays_good(alice: Person) -> None:
    code = new_code(alice.user.email)
    assert reset(wrong(code), "password123").status_code == 401
    refused = reset(code, "password123")
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "new_password"])
    assert reset(code).status_code == 200


def test_only_a_hash_of_the_code_is_stored(alice: Person) -> None:
    code = new_code(alice.user.email)
    row = PasswordReset.objects.values().get()
    assert code not in str(row)
    assert len(row["code_hash"]) == 64


def test_the_hash_of_a_code_is_keyed(alice: Person, settings: Any) -> None:
    code, key = new_code(alice.user.email), settings.SECRET_KEY
    settings.SECRET_KEY = "another key of at least 32 bytes, for whoever copied the table"
    assert verify(code).status_code == 401
    settings.SECRET_KEY = key
    assert verify(code).status_code == 200


def test_the_hash_of_a_code_is_salted_for_each() -> None:
    first, second = PasswordReset(), PasswordReset()
    assert digest(first, "123456") == digest(first, "123456") != digest(second, "123456")
    assert digest(first, "123456") != digest(first, "123457")


def test_an_unknown_address_is_answered_alike_and_gets_nothing(api: Api, alice: Person, mailbox: Mailbox) -> None:
    known = api.post("/auth/forgot-password", {"email": alice.user.email})
    unknown = api.post("/auth/forgot-password", {"email": "nobody@example.com"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.headers.keys() == unknown.headers.keys()
    assert [mail["To"] for mail in mailbox.all()] == [alice.user.email]


def test_at_most_one_mail_a_minute_and_five_an_hour_are_sent(api: Api, alice: Person, mailbox: Mailbox) -> None:
    start, sent = timezone.now(), []
    with time_machine.travel(start, tick=False) as clock:
        for seconds in range(0, 3600, 30):
            clock.move_to(start + timedelta(seconds=seconds))
            assert api.post("/auth/forgot-password", {"email": alice.user.email}).status_code == 200
            sent.append(len(mailbox.all()))
        assert sent[:9] == [1, 1, 2, 2, 3, 3, 4, 4, 5]
        assert sent[-1] == 5
        clock.move_to(start + timedelta(hours=1, seconds=1))
        api.post("/auth/forgot-password", {"email": alice.user.email})
        assert len(mailbox.all()) == 6


def test_a_code_that_nobody_waits_for_any_more_is_not_sent(api: Api, alice: Person, mailbox: Mailbox) -> None:
    api.post("/auth/forgot-password", {"email": alice.user.email})
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert not mailbox.all()
    assert Mail.objects.get().state == Mail.State.DROPPED


def test_of_twenty_requests_at_once_one_mails(together: Together) -> None:
    for number in range(20):
        body = {"email": f"user{number}@example.com"}
        answers = together(lambda _, body=body: Api().post("/auth/forgot-password", body).status_code)
        assert answers == [200] * 20
        assert Mail.objects.filter(to=body["email"]).count() == 1


def test_of_many_guesses_at_once_five_are_evaluated(alice: Person, together: Together) -> None:
    for _ in range(3):
        code = new_code(alice.user.email)
        answers = together(lambda number, code=code: verify(wrong(code)).status_code)
        assert answers == [401] * 20
        assert PasswordReset.objects.get().guesses == 5
        assert reset(code).status_code == 401


def test_the_right_code_ten_times_at_once_succeeds_once(alice: Person, together: Together) -> None:
    old = PASSWORD
    for round_ in range(20):
        code = new_code(alice.user.email)
        new = [f"password {number} of round {round_}" for number in range(10)]
        answers = together(lambda number, code=code, new=new: reset(code, new[number]).status_code, 10)
        assert sorted(answers) == [200] + [401] * 9
        winner = new[answers.index(200)]
        for password, status in ((old, 401), (winner, 200)):
            assert Api().post("/auth/login", {"email": alice.user.email, "password": password}).status_code == status
        old = winner

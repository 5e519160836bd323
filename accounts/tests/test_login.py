"""Logging in."""

from typing import Any
from unittest.mock import patch

import jwt
import pytest
from argon2 import PasswordHasher, extract_parameters
from django.conf import settings
from django.contrib.auth.hashers import make_password

from accounts import hashing
from accounts.models import Session, User
from conftest import PASSWORD, Api, Person, Together, browser_of, person


def claims(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"], issuer="user-service")
    return decoded


def test_it_gives_a_pair_of_tokens(api: Api, alice: Person) -> None:
    answer = api.post("/auth/login", alice.credentials)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "refresh_token_id"}


def test_its_tokens_carry_the_documented_claims(api: Api, alice: Person) -> None:
    pair = api.post("/auth/login", alice.credentials).json()
    access, refresh = claims(pair["access_token"]), claims(pair["refresh_token"])
    for token in (access, refresh):
        assert set(token) == {"sub", "email", "type", "iat", "exp", "iss", "jti", "sid"}
        assert (token["sub"], token["email"]) == (str(alice.user.pk), "alice@example.com")
    assert (access["type"], access["exp"] - access["iat"]) == ("access", 15 * 60)
    assert (refresh["type"], refresh["exp"] - refresh["iat"]) == ("refresh", 7 * 24 * 3600)
    assert refresh["jti"] == pair["refresh_token_id"]
    assert access["sid"] == refresh["sid"] == str(Session.objects.get(refresh_id=refresh["jti"]).pk)


def test_it_takes_the_address_in_any_case(api: Api, alice: Person) -> None:
    assert api.post("/auth/login", {"email": " ALICE@Example.Com ", "password": PASSWORD}).status_code == 200


def test_it_refuses_a_wrong_password_and_an_unknown_address_alike(api: Api, alice: Person) -> None:
    wrong = api.post("/auth/login", {**alice.credentials, "password": "wrong"})
    unknown = api.post("/auth/login", {"email": "nobody@example.com", "password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
    assert unknown.headers.keys() == wrong.headers.keys()


@pytest.mark.parametrize("account", ["known", "unknown", "deactivated", "without a password"])
def test_it_does_the_work_of_one_hash_whatever_the_account(api: Api, alice: Person, account: str) -> None:
    usual = extract_parameters(alice.user.password.removeprefix("argon2"))
    match account:
        case "unknown":
            type(alice.user).objects.update(email="carol@example.com")
        case "deactivated":
            type(alice.user).objects.update(is_active=False)
        case "without a password":
            type(alice.user).objects.update(password=make_password(None))
    with patch.object(PasswordHasher, "verify", autospec=True, side_effect=PasswordHasher.verify) as verify:
        assert api.post("/auth/login", {**alice.credentials, "password": "wrong"}).status_code == 401
    assert [extract_parameters(call.args[1]) for call in verify.call_args_list] == [usual]


def test_it_tells_of_an_unverified_address_only_whoever_knows_the_password(api: Api, unverified: Person) -> None:
    assert api.post("/auth/login", {**unverified.credentials, "password": "wrong"}).status_code == 401
    answer = api.post("/auth/login", unverified.credentials)
    assert (answer.status_code, answer.json()["code"]) == (403, "email_not_verified")


def test_it_answers_a_deactivated_account_like_an_unknown_one(api: Api, alice: Person) -> None:
    alice.user.is_active = False
    alice.user.save(update_fields=["is_active"])
    answer = api.post("/auth/login", alice.credentials)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


def test_it_begins_a_session_of_thirty_days(api: Api, alice: Person) -> None:
    api.post("/auth/login", alice.credentials)
    session = Session.objects.latest("created_at")
    assert (session.expires_at - session.created_at).days == 30


def test_twenty_at_once_begin_twenty_sessions(together: Together, transactional_db: None) -> None:
    for number in range(5):
        somebody = person(f"user{number}@example.com")
        answers = together(lambda _, body=somebody.credentials: Api().post("/auth/login", body).status_code)
        assert answers == [200] * 20
        assert Session.objects.filter(user=somebody.user, ended_at=None).count() == 21


def test_it_fails_where_the_password_is_changed_while_it_is_checked(
    api: Api, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_meanwhile(*args: object) -> bool:
        User.objects.update(password=make_password("another horse altogether"))
        return True

    monkeypatch.setattr(PasswordHasher, "verify", change_meanwhile)
    assert api.post("/auth/login", alice.credentials).json()["code"] == "invalid_credentials"
    assert Session.objects.filter(user=alice.user).count() == 1


@pytest.mark.parametrize("stored", ["", "garbage", "argon2$argon2id$v=19$m=64,t=1,p=1$x", "md5$x$y", "$2b$12$x"])
def test_it_fails_on_a_hash_that_cannot_be_read(
    api: Api, alice: Person, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    alice.user.password = stored
    alice.user.save(update_fields=["password"])
    assert api.post("/auth/login", alice.credentials).status_code == 401
    assert "cannot be read" in caplog.text


def test_it_upgrades_an_old_hash_without_ending_sessions(
    api: Api, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browser_of(admin)
    with monkeypatch.context() as patch:
        patch.setattr(hashing.Argon2id, "time_cost", 2)
        admin.user.password = make_password(PASSWORD)
    admin.user.save(update_fields=["password"])
    assert api.post("/auth/login", admin.credentials).status_code == 200
    admin.user.refresh_from_db()
    assert ",t=1," in admin.user.password
    assert admin.api.get("/users/me").status_code == 200
    assert browser.get("/admin/").status_code == 200


def test_of_several_at_once_with_an_old_hash_all_sign_in(
    alice: Person, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(hashing.Argon2id, "time_cost", 2)
            User.objects.update(password=make_password(PASSWORD))
        answers = together(lambda _: Api().post("/auth/login", alice.credentials).status_code, 5)
        assert answers == [200] * 5
        assert ",t=1," in User.objects.get().password

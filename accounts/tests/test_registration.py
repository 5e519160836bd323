"""Registering."""

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.db import IntegrityError

from accounts.models import Mail, Session, User
from conftest import PASSWORD, Api, Mailbox, Person, Together

pytestmark = pytest.mark.django_db

BODY = {"email": "alice@example.com", "password": PASSWORD, "name": "Alice"}


def test_it_gives_tokens_that_work_at_once(api: Api) -> None:
    answer = api.post("/auth/register", BODY)
    assert answer.status_code == 201
    assert set(answer.json()) == {"access_token", "refresh_token", "refresh_token_id"}
    assert Api(answer.json()["access_token"]).get("/home").json() == {"message": "Welcome, Alice!"}


def test_it_stores_an_unverified_user_with_an_argon2id_hash(api: Api) -> None:
    api.post("/auth/register", BODY)
    user = User.objects.get()
    assert (user.email, user.name, user.role, user.is_verified) == ("alice@example.com", "Alice", "USER", False)
    assert identify_hasher(user.password).algorithm == "argon2"
    assert user.password.startswith("argon2$argon2id$")


def test_it_remembers_the_device(api: Api) -> None:
    api.post("/auth/register", BODY, **{"User-Agent": "Browser/1.0"})
    session = Session.objects.get()
    assert (session.user_agent, session.ip) == ("Browser/1.0", "127.0.0.1")


def test_it_sends_one_mail_with_a_link(api: Api, mailbox: Mailbox) -> None:
    api.post("/auth/register", BODY)
    assert [mail["To"] for mail in mailbox.all()] == ["alice@example.com"]
    assert mailbox.verification_token()


@pytest.mark.parametrize("email", ["ALICE@EXAMPLE.COM", " alice@example.com ", "\talice@Example.com\n"])
def test_it_knows_an_address_in_whatever_case_and_space(api: Api, alice: Person, email: str) -> None:
    answer = api.post("/auth/register", {**BODY, "email": email})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert User.objects.count() == 1


def test_it_calls_somebody_without_a_name_by_their_address(api: Api) -> None:
    api.post("/auth/register", {"email": "alice@example.com", "password": PASSWORD})
    assert User.objects.get().name == "alice"


EASY = [
    "password123",
    "alice@example.com",
    "Alice Liddell",
    "alicealice",
    "Alice.alice!",
    "LiddellLiddell1",
    "AliceLiddellAliceLiddell",
    "liddell_alice_42",
]


@pytest.mark.parametrize("password", EASY)
def test_it_refuses_a_password_that_is_easy_to_guess(api: Api, password: str) -> None:
    answer = api.post("/auth/register", {**BODY, "name": "Alice Liddell", "password": password})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "password"]
    assert not User.objects.exists()


def test_it_takes_the_password_exactly_as_sent(api: Api) -> None:
    password = "  spaces \N{SNAKE} around  "
    api.post("/auth/register", {**BODY, "password": password})
    User.objects.update(is_verified=True)
    assert api.post("/auth/login", {"email": BODY["email"], "password": password.strip()}).status_code == 401
    assert api.post("/auth/login", {"email": BODY["email"], "password": password}).status_code == 200


def test_the_database_itself_refuses_an_address_that_is_not_normalised() -> None:
    with pytest.raises(IntegrityError, match="users_email_normalised"):
        User(email="Alice@example.com", name="Alice").save()


def test_of_twenty_at_once_one_wins(together: Together) -> None:
    for number in range(20):
        body = {**BODY, "email": f"alice{number}@example.com"}
        answers = together(lambda _, body=body: Api().post("/auth/register", body).status_code)
        assert sorted(answers) == [201] + [409] * 19
        assert User.objects.filter(email=body["email"]).count() == 1
        assert Mail.objects.filter(to=body["email"]).count() == 1

"""Input that looks odd and is not bad: it is taken exactly as sent, and nothing else is taken with it."""

import pytest

from accounts.models import User
from attempts.models import Attempt
from conftest import PASSWORD, Api, Mailbox, Person
from peerprep_users.tests.calls import ATTEMPT, LARGEST, LEAST, REGISTRATION, nothing_written, places, refused


@pytest.mark.parametrize("field", LARGEST)
@pytest.mark.parametrize("bounds", [LEAST, LARGEST], ids=["least", "largest"])
def test_it_takes_the_ends_of_each_range(alice: Person, bounds: dict[str, int], field: str) -> None:
    body = {**ATTEMPT, "passed_tests": 0, field: bounds[field]}
    if field == "passed_tests":
        body["total_tests"] = LARGEST["total_tests"]
    assert alice.api.post("/api/v1/attempts", body).status_code == 201
    assert getattr(Attempt.objects.get(), field) == bounds[field]


def test_it_takes_a_whole_number_however_it_is_written(alice: Person) -> None:
    assert alice.api.post("/api/v1/attempts", {**ATTEMPT, "question_id": 7.0}).json()["question_id"] == 7
    assert len(alice.api.get("/api/v1/attempts/me?question_id=7.0").json()) == 1


@pytest.mark.parametrize(
    "code",
    ["x" * 65_536, "\U0001f511" * 16_384, "  \n\tx\n ", "\n", "\u2028\x01", ""],
    ids=["ASCII", "emoji", "space", "a line", "control", "nothing"],
)
def test_it_stores_code_exactly_as_sent(alice: Person, code: str) -> None:
    attempt_id = alice.api.post("/api/v1/attempts", {**ATTEMPT, "submitted_code": code}).json()["id"]
    assert alice.api.get(f"/api/v1/attempts/{attempt_id}").json()["submitted_code"] == code


@pytest.mark.parametrize(
    "code", ["x" * 65_537, "x" + "\U0001f511" * 16_384, "\u00e9" * 32_769], ids=["ASCII", "emoji", "accents"]
)
def test_it_counts_code_in_bytes_of_utf8(alice: Person, code: str) -> None:
    problems = refused(alice.api, "POST", "/api/v1/attempts", {**ATTEMPT, "submitted_code": code})
    assert places(problems) == {("body", "submitted_code")}


@pytest.mark.parametrize(
    "password",
    [
        "  pass word key  ",
        "\U0001f511\U0001f40e\U0001f50b" * 3,
        "x y" * 341 + "z",
        "\U0001f511\U0001f40e" * 512,
        "\tpass\nword\r ",
        "\u0130stanbul\u0307 caf\u00e9",
    ],
    ids=["space", "emoji", "1024", "1024 emoji", "control", "accents"],
)
class TestAnUnusualPassword:
    """A password is taken exactly as sent."""

    @pytest.mark.usefixtures("db")
    def test_it_is_taken(self, api: Api, password: str) -> None:
        assert api.post("/auth/register", {**REGISTRATION, "password": password}).status_code == 201
        User.objects.update(is_verified=True)
        assert api.post("/auth/login", {"email": REGISTRATION["email"], "password": password}).status_code == 200

    def test_it_is_never_trimmed_or_folded(self, alice: Person, password: str) -> None:
        alice.api.put("/users/me", {"new_password": password, "old_password": PASSWORD})
        near = {password + " ", " " + password, password.swapcase(), password[:-1]} - {password}
        for guess in sorted(each for each in near if len(each) <= 1024)[:2]:
            assert alice.api.post("/auth/verify-password", {"password": guess}).json() == {"ok": False}
        assert alice.api.post("/auth/verify-password", {"password": password}).json() == {"ok": True}


@pytest.mark.parametrize(
    "sent", ["  Carol@Example.COM ", "\tcarol@example.com\n", "CAROL@EXAMPLE.COM", "carol@example.com\u00a0"], ids=ascii
)
@pytest.mark.usefixtures("db")
def test_it_takes_an_address_whatever_its_case_and_surrounding_space(api: Api, sent: str) -> None:
    assert api.post("/auth/register", {**REGISTRATION, "email": sent}).status_code == 201
    assert User.objects.get().email == "carol@example.com"


@pytest.mark.parametrize(
    "lookalike", ["alice@\uff45xample.com", "alice@exam\u200bple.com", "alice@exam\u00adple\u3002com"]
)
def test_it_gives_no_second_account_to_one_mailbox(api: Api, alice: Person, lookalike: str) -> None:
    # A mail server sees one domain in all of them, as IDNA maps them to it.
    assert api.post("/auth/register", {**REGISTRATION, "email": lookalike}).status_code in {409, 422}
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "address",
    [
        "x" * 50 + "@" + ".".join(["y" * 60] * 3) + "." + "z" * 16 + ".com",
        "a+b_c-d.e@example.co.uk",
        "o'neil@example.com",
        "1@example.museum",
        "a@b.cd",
        "alice@xn--bcher-kva.example",
    ],
)
@pytest.mark.usefixtures("db")
def test_it_takes_every_address_that_is_one(api: Api, address: str) -> None:
    assert api.post("/auth/register", {**REGISTRATION, "email": address}).status_code == 201


@pytest.mark.parametrize(
    ("sent", "domain"),
    [
        ("ann@straße.example", "xn--strae-oqa.example"),
        ("Ann@STRAßE.example", "xn--strae-oqa.example"),
        ("ann@βόλος.example", "xn--nxasmm1c.example"),
        ("ann@ΒΌΛΟΣ.example", "xn--nxasmq6b.example"),  # in capitals another one: a final sigma has none of its own
        ("ann@bücher.example", "xn--bcher-kva.example"),
        ("ann@BU\u0308CHER\u3002example", "xn--bcher-kva.example"),
        ("ann@نامه\u200cای.example", "xn--mgba3gch31f060k.example"),
        ("ann@r3---sn.example", "r3---sn.example"),
    ],
    ids=ascii,
)
@pytest.mark.usefixtures("db")
def test_it_keeps_a_domain_beyond_ascii_the_one_that_it_is(api: Api, mailbox: Mailbox, sent: str, domain: str) -> None:
    assert api.post("/auth/register", {**REGISTRATION, "email": sent}).status_code == 201
    assert api.post("/auth/register", {**REGISTRATION, "email": f"ann@{domain}"}).status_code == 409
    assert (User.objects.get().email, mailbox.last()["To"]) == (f"ann@{domain}", f"ann@{domain}")
    assert mailbox.sink.recipients == [[f"ann@{domain}"]]
    api.post("/auth/verify-email", {"token": mailbox.verification_token()})
    assert api.post("/auth/login", {**REGISTRATION, "email": sent}).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f469\u200d\U0001f4bb",  # woman, joiner, laptop
        "\u2764\ufe0f",
        "\U0001f1f8\U0001f1ec",
        "1\ufe0f\u20e3",
        "\U0001f44d\U0001f3fd",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
        "\u0645\u062d\u0645\u062f",
        "\u05e0\u05b8\u05ea\u05b8\u05df",
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "\u0936\u094d\u0930\u0940",
        "\u0e01\u0e49\u0e2d\u0e07",
        "Zoe\u0308",
        "\u1112\u119e\u11ab",
        "\u674e",
    ],
    ids=ascii,
)
@pytest.mark.usefixtures("db")
def test_it_takes_a_name_that_people_have(api: Api, name: str) -> None:
    assert api.post("/auth/register", {**REGISTRATION, "name": name}).status_code == 201
    assert User.objects.get().name == name


@pytest.mark.parametrize("name", [None, "", "   "], ids=repr)
@pytest.mark.usefixtures("db")
def test_it_registers_as_without_a_name_where_it_is_empty(api: Api, name: str | None) -> None:
    assert api.post("/auth/register", {**REGISTRATION, "name": name}).status_code == 201
    assert User.objects.get().name == "carol"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("empty", [None, ""], ids=repr)
def test_it_leaves_what_is_empty_in_a_profile(alice: Person, method: str, empty: str | None) -> None:
    before = alice.api.get("/users/me").json()
    answer = alice.api(method, "/users/me", dict.fromkeys(["name", "new_password", "old_password"], empty))
    assert (answer.status_code, answer.json()) == (200, before)
    assert alice.api.post("/auth/verify-password", {"password": PASSWORD}).json() == {"ok": True}


@pytest.mark.parametrize("old", [{}, {"old_password": None}, {"old_password": ""}], ids=["absent", "null", "empty"])
def test_it_needs_an_old_password_that_is_not_empty(alice: Person, old: dict[str, str | None]) -> None:
    answer = alice.api.put("/users/me", {"new_password": "another fine password", **old})
    assert (answer.status_code, answer.json()["code"]) == (400, "old_password_required")


def test_it_takes_a_runtime_of_null_for_none(alice: Person) -> None:
    without = {name: value for name, value in ATTEMPT.items() if name != "runtime_ms"}
    key = {"Idempotency-Key": "one"}
    first = alice.api.post("/api/v1/attempts", {**without, "runtime_ms": None}, **key)
    again = alice.api.post("/api/v1/attempts", without, **key)
    assert (first.status_code, again.json(), Attempt.objects.get().runtime_ms) == (201, first.json(), None)


UNKNOWN = {
    "id": "00000000-0000-4000-8000-000000000000",
    "role": "ADMIN",
    "is_verified": True,
    "is_active": False,
    "is_staff": True,
    "is_admin": True,
    "is_superuser": True,
    "password_hash": "x",
    "created_at": "2001-01-01T00:00:00Z",
    "user": "00000000-0000-4000-8000-000000000000",
    "user_id": "00000000-0000-4000-8000-000000000000",
    "sessions": [],
    "__proto__": {"role": "ADMIN"},
    "": 1,
}


@pytest.mark.usefixtures("db")
def test_it_registers_without_unknown_fields(api: Api) -> None:
    assert api.post("/auth/register", {**UNKNOWN, **REGISTRATION}).status_code == 201
    user = User.objects.get()
    assert (user.role, user.is_verified, user.is_active, str(user.pk) == UNKNOWN["id"]) == ("USER", False, True, False)
    assert user.created_at.year > 2001


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_it_changes_a_profile_without_unknown_fields(alice: Person, method: str) -> None:
    with nothing_written():
        answer = alice.api(method, "/users/me", {**UNKNOWN, "email": "mallory@example.com", "password": "x"})
    assert (answer.status_code, answer.json()) == (200, alice.api.get("/users/me").json())


def test_it_stores_an_attempt_without_unknown_fields(alice: Person, bob: Person) -> None:
    body = {**UNKNOWN, **ATTEMPT, "user": str(bob.user.pk), "user_id": str(bob.user.pk), "is_solved": True}
    answer = alice.api.post("/api/v1/attempts", body)
    attempt = Attempt.objects.get()
    assert (answer.status_code, attempt.user, attempt.created_at.year > 2001) == (201, alice.user, True)
    assert answer.json()["id"] != UNKNOWN["id"]

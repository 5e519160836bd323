"""The keys behind the tokens."""

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from accounts.models import AuditEntry, Session, SigningKey
from accounts.tests.test_bearer import forge
from accounts.tokens import rotation
from accounts.tokens.keys import ring, thumbprint
from conftest import Api, Person, person
from core.tests.waiting import wait_until

pytestmark = pytest.mark.slow  # RSA key pairs

ASYMMETRIC = ["RS256", "ES256", "EdDSA"]


ANY_ALGORITHM = pytest.mark.parametrize("algorithm", ["EdDSA"], indirect=True)  # whose key pairs cost least


@pytest.fixture(params=ASYMMETRIC)
def algorithm(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.ALGORITHM = request.param
    return str(request.param)


def log_in(somebody: Person) -> dict[str, str]:
    answer = Api().post("/auth/login", somebody.credentials)
    assert answer.status_code == 200, answer.content
    pair: dict[str, str] = answer.json()
    return pair


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_shared_secret_is_never_published(api: Api, db: None) -> None:
    answer = api.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.json()) == (200, {"keys": []})
    assert answer.headers["Cache-Control"] == "public, max-age=600"


def test_a_client_library_verifies_by_the_published_set(
    algorithm: str, live_server: LiveServer, transactional_db: None
) -> None:
    pair = log_in(person("alice@example.com"))
    client = jwt.PyJWKClient(f"{live_server.url}/.well-known/jwks.json")
    key = client.get_signing_key_from_jwt(pair["access_token"])
    claims = jwt.decode(pair["access_token"], key, algorithms=[algorithm], issuer="user-service")
    assert claims["email"] == "alice@example.com"
    assert Api(pair["access_token"]).get("/users/me").status_code == 200


def test_the_set_holds_public_halves_with_their_thumbprints(algorithm: str, api: Api, alice: Person) -> None:
    token = log_in(alice)["access_token"]
    (published,) = api.get("/.well-known/jwks.json").json()["keys"]
    assert published["kid"] == kid_of(token)
    assert (published["alg"], published["use"]) == (algorithm, "sig")
    assert not {"d", "p", "q", "k"} & set(published)


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
        "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZH"
        "zu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEg"
        "U8awapJzKnqDKgw"
    )
    expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # section 3.1
    assert thumbprint({"e": "AQAB", "kty": "RSA", "n": modulus}) == expected


def test_a_replayed_refresh_gives_the_very_same_token(algorithm: str, alice: Person) -> None:
    first = Api().post("/auth/refresh", {"refresh_token": log_in(alice)["refresh_token"]})
    token = log_in(alice)["refresh_token"]
    answers = [Api().post("/auth/refresh", {"refresh_token": token}).json()["refresh_token"] for _ in range(3)]
    assert first.status_code == 200
    assert len(set(answers)) == 1


def test_the_public_key_is_no_shared_secret(algorithm: str, api: Api, alice: Person) -> None:
    token = log_in(alice)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    public = ring.signing_key().material.public_key()
    secrets = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "raw": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).decode("latin-1"),
        "jwk": json.dumps(api.get("/.well-known/jwks.json").json()["keys"][0]),
    }
    for as_what, secret in secrets.items():
        for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": kid_of(token)}):
            assert Api(forge(header, claims, secret)).get("/users/me").status_code == 401, as_what


CHOOSING: list[dict[str, Any]] = [
    {"kid": "../../../../dev/null"},
    {"kid": "' UNION SELECT 'secret' --"},
    {"kid": "\x00"},
    {"kid": ["a"]},
    {"kid": {"a": 1}},
    {"kid": None},
    {"kid": 7},
    {"jku": "http://127.0.0.1:9/keys.json"},
    {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
    {"x5u": "http://127.0.0.1:9/cert.pem"},
    {"alg": "none"},
]


def test_the_header_cannot_choose_anything_but_a_key_of_ours(algorithm: str, alice: Person) -> None:
    token = log_in(alice)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    for header in CHOOSING:
        for base in ({"alg": algorithm}, {"alg": "HS256"}):
            answer = Api(forge({**base, **header}, claims, "secret")).get("/users/me")
            assert answer.status_code == 401, header


def test_a_token_of_the_shared_secret_is_nothing_to_a_key_pair(alice: Person, settings: Any) -> None:
    for settings.ALGORITHM in ASYMMETRIC:
        claims = jwt.decode(alice.tokens.access_token, options={"verify_signature": False})
        for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": kid_of(log_in(alice)["access_token"])}):
            assert Api(forge(header, claims, settings.SECRET_KEY)).get("/users/me").status_code == 401
        assert alice.api.get("/users/me").status_code == 401
        ring.forget()


def test_private_keys_are_sealed_at_rest(algorithm: str, alice: Person) -> None:
    log_in(alice)
    row = SigningKey.objects.get()
    assert "PRIVATE" not in row.sealed
    assert "d" not in row.public_jwk


@ANY_ALGORITHM
def test_a_new_secret_key_unseals_with_the_old_one_and_seals_anew(algorithm: str, alice: Person, settings: Any) -> None:
    token = log_in(alice)["access_token"]
    sealed = SigningKey.objects.get().sealed
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "n" * 40
    ring.forget()
    assert Api(token).get("/users/me").status_code == 200
    assert SigningKey.objects.get().sealed != sealed
    settings.SECRET_KEY_FALLBACKS = []
    ring.forget()
    assert Api(token).get("/users/me").status_code == 200


@ANY_ALGORITHM
def test_without_the_key_that_sealed_them_keys_verify_and_do_not_sign(
    algorithm: str, api: Api, alice: Person, settings: Any
) -> None:
    pair = log_in(alice)
    settings.SECRET_KEY = "n" * 40
    ring.forget()
    assert Api(pair["access_token"]).get("/users/me").status_code == 200
    assert api.get("/.well-known/jwks.json").status_code == 200
    answer = api.post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
    assert (answer.status_code, answer.json()["code"]) == (503, "signing_key_sealed")
    assert Session.objects.get(refresh_id=pair["refresh_token_id"])  # not used up by an answer that never came
    rotation.activate(rotation.stage().kid, force=True)
    assert log_in(alice)


def test_an_old_secret_key_verifies_and_never_signs(alice: Person, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "n" * 40
    assert alice.api.get("/users/me").status_code == 200
    token = Api().post("/auth/refresh", {"refresh_token": alice.tokens.refresh_token}).json()["access_token"]
    assert jwt.decode(token, "n" * 40, algorithms=["HS256"], issuer="user-service")
    settings.SECRET_KEY_FALLBACKS = []
    assert alice.api.get("/users/me").status_code == 401
    assert Api(token).get("/users/me").status_code == 200


@ANY_ALGORITHM
def test_a_key_is_staged_activated_and_retired_each_in_its_time(
    algorithm: str, api: Api, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        old = kid_of(log_in(alice)["access_token"])
        call_command("keys", "stage")
        new = SigningKey.objects.get(activated_at=None).kid
        ring.forget()
        assert {key["kid"] for key in api.get("/.well-known/jwks.json").json()["keys"]} == {old, new}
        assert kid_of(log_in(alice)["access_token"]) == old
        with pytest.raises(CommandError, match=r"Not before .* when verifiers know the key"):
            call_command("keys", "activate", new)
        clock.shift(timedelta(minutes=10, seconds=4))
        with pytest.raises(CommandError, match="Not before"):
            call_command("keys", "activate", new)
        clock.shift(timedelta(seconds=1))
        call_command("keys", "activate", new)
        assert kid_of(log_in(alice)["access_token"]) == new
        for kid, reason in ((new, "signs"), (old, "Not before .* has expired"), ("?", "not a key in use")):
            with pytest.raises(CommandError, match=reason):
                call_command("keys", "retire", kid)  # before it asks
        clock.shift(timedelta(days=7, seconds=4))
        with pytest.raises(CommandError, match="Not before"):
            call_command("keys", "retire", old)
        with pytest.raises(CommandError, match="not a staged key"):
            call_command("keys", "activate", old, "--force")
        clock.shift(timedelta(seconds=1))
        call_command("keys", "retire", old, "--yes")
        assert [key["kid"] for key in api.get("/.well-known/jwks.json").json()["keys"]] == [new]
        call_command("keys", "list")
        kinds = AuditEntry.objects.filter(actor_kind="operator").order_by("pk").values_list("kind", flat=True)
        assert list(kinds) == ["key_staged", "key_activated", "key_retired"]
    assert f"{old}  {algorithm}  staged" in capsys.readouterr().out


@ANY_ALGORITHM
def test_a_retired_key_verifies_no_longer(algorithm: str, alice: Person) -> None:
    token = log_in(alice)["access_token"]
    rotation.activate(rotation.stage().kid, force=True)
    assert Api(token).get("/users/me").status_code == 200
    rotation.retire(kid_of(token), force=True)
    assert Api(token).get("/users/me").status_code == 401


def test_there_are_no_key_pairs_to_stage_beside_a_shared_secret(db: None) -> None:
    with pytest.raises(CommandError, match="HS256 signs with SECRET_KEY"):
        call_command("keys", "stage")


def test_of_many_first_keys_at_once_one_stays(settings: Any, together: Callable[..., list[Any]]) -> None:
    settings.ALGORITHM = "EdDSA"
    for number in range(20):
        somebody = person(f"user{number}@example.com")
        SigningKey.objects.all().delete()
        ring.forget()
        together(lambda _: Api().get("/.well-known/jwks.json"), 8)
        assert SigningKey.objects.count() == 1
        assert log_in(somebody)


def test_rotating_under_load_fails_no_request(settings: Any, transactional_db: None) -> None:
    settings.ALGORITHM = "EdDSA"
    settings.ACCESS_TTL, settings.REFRESH_TTL = timedelta(seconds=2), timedelta(seconds=2)
    settings.JWKS_MAX_AGE, settings.KEY_RING_TTL = timedelta(seconds=0.3), timedelta(seconds=0.1)
    people = [person(f"user{number}@example.com") for number in range(4)]
    statuses: list[int] = []
    stop = threading.Event()

    def work(somebody: Person) -> None:
        pair = log_in(somebody)
        while not stop.wait(0.02):
            answer = Api().post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
            statuses.append(answer.status_code)
            if answer.status_code != 200:
                break
            pair = answer.json()
            statuses.append(Api(pair["access_token"]).get("/users/me").status_code)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(somebody,)) for somebody in people]
    for thread in threads:
        thread.start()
    try:
        first = ring.signing_key().kid
        second = rotation.stage().kid
        when_possible(lambda: rotation.activate(second))
        when_possible(lambda: rotation.retire(str(first)))
        wait_until(lambda: len(statuses) > 50 or not all(thread.is_alive() for thread in threads))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    assert SigningKey.objects.in_use().get().kid == second


def when_possible(step: Callable[[], None]) -> None:
    for _ in range(200):
        try:
            return step()
        except rotation.NotNow:
            time.sleep(0.05)
    raise AssertionError("never possible")

"""Logging in."""

from conftest import Api, Person


def test_it_gives_a_pair_of_tokens(api: Api, alice: Person) -> None:
    answer = api.post("/auth/login", alice.credentials)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "refresh_token_id"}

"""Passwords that are tried first: the name of the service, and those that became public."""

from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from conftest import Api

COMMON = "correct horse 1"


def registered(api: Api, password: str) -> Any:
    answer = api.post("/auth/register", {"email": "carol@example.org", "password": password})
    return answer.status_code if answer.status_code == 201 else answer.json()["detail"][0]["type"]


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    "password", ["peerprep123", "PeerPrep2026", "Peer-Prep 2026!", "peerprepPEERPREP", "1 PeerPrep User Service 1"]
)
def test_it_refuses_a_password_that_is_little_more_than_the_name_of_the_service(api: Api, password: str) -> None:
    assert registered(api, password) == "password_too_common"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("password", ["a stable horse for peerprep", "prepare1", "per-pier-op-7"])
def test_it_takes_a_password_that_is_more(api: Api, password: str) -> None:
    assert registered(api, password) == 201


@pytest.mark.parametrize("words", [["Pair & Co", "Go"], []])
@pytest.mark.usefixtures("db")
def test_its_names_are_a_setting(api: Api, settings: Any, words: list[str]) -> None:
    name = "accounts.password_validators.ContextWordValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name, "OPTIONS": {"words": words}}]
    assert registered(api, "Pair&Co2026") == ("password_too_common" if words else 201)
    assert words == [] or registered(api, "golang12") == 201  # a short word is part of too many others


@pytest.fixture
def ranges(settings: Any, tmp_path: Path) -> Path:
    """A folder that new passwords are looked up in."""
    name = "accounts.password_validators.BreachedPasswordValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name, "OPTIONS": {"folder": tmp_path}}]
    return tmp_path


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("ending", ["", ".txt"])
@pytest.mark.parametrize(("count", "expected"), [("12", "password_too_common"), ("0", 201)])
def test_it_refuses_a_password_that_became_public(
    api: Api, ranges: Path, ending: str, count: str, expected: object
) -> None:
    digest = sha1(COMMON.encode(), usedforsecurity=False).hexdigest().upper()
    lines = [f"{'0' * 35}:3", f"{digest[5:]}:{count}", f"{'F' * 35}:1"]
    (ranges / f"{digest[:5]}{ending}").write_text("\r\n".join(lines))
    assert registered(api, COMMON) == expected


@pytest.mark.usefixtures("db", "ranges")
def test_it_takes_a_password_whose_range_is_missing_and_logs_that(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert registered(api, COMMON) == 201
    assert "A range of breached passwords cannot be read: No such file or directory" in caplog.text

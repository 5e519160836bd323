"""Who is calling, as far as it can be believed."""

from typing import Any

import pytest
from django.test import RequestFactory

from conftest import Api, Person
from core import rate_limits
from core.client import ip_of

PROXY = "10.0.0.1"


def seen(settings: Any, proxies: int, forwarded: str | None) -> str | None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return ip_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR=PROXY))


@pytest.mark.parametrize(
    ("proxies", "expected"), [(0, PROXY), (1, "192.0.2.3"), (2, "192.0.2.2"), (3, "192.0.2.1"), (4, "192.0.2.1")]
)
def test_an_entry_is_believed_only_as_far_as_our_own_proxies_wrote_it(
    settings: Any, proxies: int, expected: str
) -> None:
    assert seen(settings, proxies, "192.0.2.1, 192.0.2.2, 192.0.2.3") == expected


@pytest.mark.parametrize("forwarded", [None, "", " ", ",", ", ,,"])
@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_without_an_entry_it_is_whoever_connected(settings: Any, proxies: int, forwarded: str | None) -> None:
    assert seen(settings, proxies, forwarded) == PROXY


@pytest.mark.parametrize(
    "junk",
    [
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.256:4711",
        "192.0.2.1:",
        "192.0.2.1:port",
        "192.0.2.1:4711:4712",
        "[192.0.2.1",
        "[2001:db8::1]4711",
        "2001:db8::1]:4711",
        "_hidden:4711",
        "[]",
        "192.0.2.1/32",
        "3221225985",
        "2001:db8::1::2",
        "%eth0",
        "for=192.0.2.1",
        "192.0.2.1 192.0.2.2",
        "192.0.2.1\0",
        "\u0661\u0669\u0662.0.2.1",
        "9" * 10_000,
    ],
)
class TestWhatIsNoAddress:
    def test_it_is_passed_over_for_the_proxy_that_wrote_it(self, settings: Any, junk: str) -> None:
        assert seen(settings, 1, f"192.0.2.1, {junk}") == PROXY
        assert seen(settings, 2, f"192.0.2.1, {junk}, 192.0.2.3") == "192.0.2.3"

    def test_it_is_as_good_as_anything_else_left_of_what_is_believed(self, settings: Any, junk: str) -> None:
        assert seen(settings, 1, f"{junk}, 192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("\t2001:db8::1 ", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("192.0.2.1:51234", "192.0.2.1"),
        ('"192.0.2.1:51234"', "192.0.2.1"),
        ("192.0.2.1:_hidden", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ('"2001:db8::1"', "2001:db8::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
    ],
)
def test_one_address_has_one_spelling(settings: Any, entry: str, expected: str) -> None:
    assert seen(settings, 1, entry) == expected


def test_it_is_nobody_where_the_connection_has_no_address(settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    assert ip_of(RequestFactory().get("/", headers={"X-Forwarded-For": "unknown"}, REMOTE_ADDR="")) is None


@pytest.mark.parametrize(("proxies", "expected"), [(0, "127.0.0.1"), (1, "192.0.2.3"), (2, "192.0.2.2")])
def test_a_session_shows_the_address_that_is_believed(
    alice: Person, settings: Any, proxies: int, expected: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    forwarded = {"X-Forwarded-For": "192.0.2.1, 192.0.2.2, 192.0.2.3"}
    pair = Api().post("/auth/login", alice.credentials, **forwarded).json()
    sessions = Api(pair["access_token"]).get("/auth/sessions").json()
    assert [session["ip"] for session in sessions if session["current"]] == [expected]


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(("proxies", "lines"), [(0, 1), (1, 0)])
def test_the_log_says_once_that_a_proxy_is_not_trusted(
    api: Api, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, proxies: int, lines: int
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    monkeypatch.setattr(rate_limits, "hops_noted_at", {})
    for forwarded in (
        {},
        *[{"X-Forwarded-For": chain} for chain in ("192.0.2.1", "192.0.2.1, 192.0.2.2", "192.0.2.3")],
    ):
        api.post("/auth/login", {}, **forwarded)
    said = [record.getMessage() for record in caplog.records if "TRUSTED_PROXY_COUNT" in record.getMessage()]
    assert len(said) == lines

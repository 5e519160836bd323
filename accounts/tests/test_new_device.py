"""The mail about a sign-in on a device that the user has not used before."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.mail.queue import deliver_due
from accounts.models import KnownDevice, Mail, Session, User
from conftest import PASSWORD, Api, Mailbox, Person, Together, find

LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
FIREFOX, NEXT_FIREFOX = LINUX.format(140), LINUX.format(141)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def log_in(someone: Person, agent: str) -> int:
    """How many mails about a new device there are after a login with this user agent."""
    assert Api().post("/auth/login", someone.credentials, **{"User-Agent": agent}).status_code == 200
    return Mail.objects.filter(kind=Mail.Kind.NEW_DEVICE, to=someone.user.email).count()


def test_it_tells_of_each_new_device_once(alice: Person) -> None:
    assert [log_in(alice, agent) for agent in (FIREFOX, FIREFOX, IPHONE, IPHONE, FIREFOX)] == [0, 0, 1, 1, 1]


def test_it_minds_no_update_of_a_browser(alice: Person) -> None:
    assert [log_in(alice, agent) for agent in (FIREFOX, NEXT_FIREFOX)] == [0, 0]


def test_it_knows_the_device_of_the_registration(api: Api, db: None) -> None:
    credentials = {"email": "carol@example.com", "password": "correct horse battery"}
    api.post("/auth/register", credentials, **{"User-Agent": FIREFOX})
    User.objects.update(is_verified=True)
    for agent in (IPHONE, FIREFOX):
        assert api.post("/auth/login", credentials, **{"User-Agent": agent}).status_code == 200
    assert [mail.facts["user_agent"] for mail in Mail.objects.filter(kind=Mail.Kind.NEW_DEVICE)] == [IPHONE]


def test_it_remembers_a_device_longer_than_its_sessions(alice: Person) -> None:
    log_in(alice, FIREFOX)
    Session.objects.all().delete()  # as housekeeping does in the end
    assert [log_in(alice, agent) for agent in (IPHONE, FIREFOX)] == [1, 1]


def test_it_knows_a_device_of_one_user_from_that_of_another(alice: Person, bob: Person) -> None:
    log_in(bob, IPHONE)
    log_in(alice, FIREFOX)
    assert log_in(alice, IPHONE) == 1


def test_a_refused_login_makes_no_device_known(alice: Person, api: Api) -> None:
    log_in(alice, FIREFOX)
    api.post("/auth/login", {**alice.credentials, "password": "wrong password"}, **{"User-Agent": IPHONE})
    assert list(KnownDevice.objects.values_list("name", flat=True)) == ["Firefox on Linux"]


def test_it_says_what_to_do(alice: Person, mailbox: Mailbox) -> None:
    log_in(alice, FIREFOX)
    log_in(alice, IPHONE)
    text = mailbox.text()
    assert find(r"^Device: (.*)$", text) == "Mobile Safari on iOS"
    assert find(r"^IP address: (.*)$", text) == "127.0.0.1"
    assert "If this wasn't you" in text and "http://localhost:8001" in text


@pytest.mark.parametrize("agent", ["", "x" * 5000, "Ünïcode/1.0", "Mozilla/5.0 (" + "(" * 200])
def test_any_user_agent_is_a_device(alice: Person, mailbox: Mailbox, agent: str) -> None:
    log_in(alice, FIREFOX)
    assert log_in(alice, agent) == 1
    deliver_due()
    assert Mail.objects.get(kind=Mail.Kind.NEW_DEVICE).state == Mail.State.SENT


def test_signing_in_to_the_admin_site_is_noticed_too(admin: Person) -> None:
    log_in(admin, FIREFOX)
    form = {"username": admin.user.email, "password": PASSWORD, "next": "/admin/"}
    assert Client().post("/admin/login/", form, headers={"User-Agent": IPHONE}).status_code == 302
    assert Mail.objects.filter(kind=Mail.Kind.NEW_DEVICE).count() == 1


def test_many_logins_at_once_are_one_new_device(alice: Person, together: Together) -> None:
    log_in(alice, FIREFOX)
    together(lambda _: log_in(alice, IPHONE), 5)
    assert log_in(alice, IPHONE) == 1


def test_a_login_on_a_known_device_costs_one_query(alice: Person) -> None:
    log_in(alice, FIREFOX)
    with CaptureQueriesContext(connection) as queries:
        log_in(alice, FIREFOX)
    assert len([query for query in queries.captured_queries if "known_devices" in query["sql"]]) == 1


def test_devices_go_with_the_account(alice: Person) -> None:
    log_in(alice, FIREFOX)
    alice.api.delete("/users/me")
    assert not KnownDevice.objects.exists()

"""The admin site's pages about attempts. That each page opens is tested with all the others, in accounts."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from attempts.tests.factories import attempt
from conftest import Person

ATTEMPTS = "/admin/attempts/attempt/"
STATUSES = "/admin/attempts/questionstatus/"
CODE = "if True:\n    print('<b>hello</b>')"


def solve(person: Person, question_id: int = 5, **facts: Any) -> str:
    return str(
        attempt(person, **{"question_id": question_id, "submitted_code": CODE, "passed_tests": 1, **facts})["id"]
    )


def rows(browser: Client, path: str) -> list[tuple[str, int]]:
    """Whose attempts or statuses, and at which question, a list shows."""
    return [(row.user.name, row.question_id) for row in browser.get(path).context["cl"].result_list]


@pytest.fixture
def some(alice: Person, bob: Person) -> None:
    solve(alice, 5)
    solve(alice, 55, language="java", passed_tests=0)
    solve(bob, 5, passed_tests=0, total_tests=0)


def test_the_newest_come_first(browser: Client, some: None) -> None:
    assert rows(browser, ATTEMPTS) == [("Bob", 5), ("Alice", 55), ("Alice", 5)]


@pytest.mark.parametrize("path", [ATTEMPTS, STATUSES])
def test_they_are_found_by_the_address_of_their_user(browser: Client, alice: Person, some: None, path: str) -> None:
    for query in ("q=ALICE@example.com", f"user__id__exact={alice.user.pk}"):
        assert sorted(rows(browser, f"{path}?{query}")) == [("Alice", 5), ("Alice", 55)]
    assert rows(browser, f"{path}?q=5") == rows(browser, f"{path}?q=alice") == []


def test_the_attempts_of_a_user_are_filtered(browser: Client, some: None) -> None:
    attempts = f"{ATTEMPTS}?q=alice@example.com"
    assert rows(browser, f"{attempts}&language=java") == [("Alice", 55)]
    assert rows(browser, f"{attempts}&solved__exact=1") == [("Alice", 5)]
    assert rows(browser, f"{attempts}&solved__exact=0") == [("Alice", 55)]
    assert rows(browser, f"{attempts}&created_at_to=2020-01-01") == []


def test_the_statuses_of_a_user_are_filtered(browser: Client, some: None) -> None:
    assert rows(browser, f"{STATUSES}?q=alice@example.com&solved_at__isempty=0") == [("Alice", 5)]


@pytest.mark.parametrize(
    ("path", "filters", "left"),
    [
        (ATTEMPTS, {"language": "java", "solved__exact": "0", "created_at_from": "2020-01-01"}, ["created_at_from"]),
        (STATUSES, {"solved_at__isempty": "0", "last_attempt_at_from": "2020-01-01"}, []),
    ],
)
def test_a_list_that_loses_its_user_loses_what_is_filtered_for_one_user_too(
    browser: Client, alice: Person, some: None, path: str, filters: dict[str, str], left: list[str]
) -> None:
    page = browser.get(path, {**filters, "user__id__exact": str(alice.user.pk)})
    assert page.status_code == 200
    whole = browser.get(path + dict(page.context["cl"].chips())["of alice@example.com"], follow=True)
    assert sorted(name for name in whole.context["request"].GET) == left
    assert "work for the rows of one user only" in whole.content.decode() and ("Bob", 5) in rows(browser, path)


def test_the_code_is_shown_as_it_was_sent_to_read_only(browser: Client, alice: Person) -> None:
    text = browser.get(f"{ATTEMPTS}{solve(alice)}/change/").content.decode()
    assert '<span class="k">if</span>' in text and "&lt;b&gt;hello" in text and "<b>hello" not in text
    odd: list[dict[str, Any]] = [{"language": "no such language"}, {"submitted_code": f"# {CODE}" * 1000}]
    for facts in odd:
        text = browser.get(f"{ATTEMPTS}{solve(alice, **facts)}/change/").content.decode()
        assert "&lt;b&gt;hello" in text and "<b>hello" not in text


def test_a_list_does_not_load_the_code(browser: Client, some: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        browser.get(ATTEMPTS)
    assert not [query for query in queries.captured_queries if "submitted_code" in query["sql"]]


@pytest.mark.parametrize("path", [ATTEMPTS, STATUSES])
def test_a_list_costs_the_same_for_5_and_50_rows(browser: Client, alice: Person, bob: Person, path: str) -> None:
    counts = []
    for questions in (range(1, 6), range(6, 51)):
        for number in questions:
            solve((alice, bob)[number % 2], number)
        with CaptureQueriesContext(connection) as queries:
            assert len(rows(browser, path)) == questions[-1]
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_page_of_a_user_leads_to_their_code_and_says_how_much_goes(browser: Client, alice: Person) -> None:
    for number in range(12):
        solve(alice, submitted_code=f"attempt_{number}")
    page = f"/admin/accounts/user/{alice.user.pk}"
    shown = browser.get(f"{page}/change/").content.decode()
    assert "12 attempts, 1 question solved" in re.sub("<.*?>", "", shown)
    links = re.findall(r"/admin/attempts/attempt/[^/]+/change/", shown)
    assert len(links) == 10 and "attempt_11" in browser.get(links[0]).content.decode()
    title = browser.get(f"{page}/delete/confirm/").context["title"]
    assert title == "Delete alice@example.com: 12 attempts and 1 session go"

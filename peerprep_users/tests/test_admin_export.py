"""The export of the admin site's lists as CSV."""

import csv
import json
import re
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AuditEntry, Mail, User
from conftest import Person
from core.concurrency import Slots
from peerprep_users.tests.admin_lists import MAILS, MODELS, USERS, opened, path_of, texts

SECRET = {"password", "code_hash", "refresh_id", "previous_id", "seal", "hash", "after_hash", "submitted_code"}


def exported(browser: Client, path: str) -> list[dict[str, str]]:
    answer = browser.post(path)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(b"".join(answer).decode())))


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_every_list_is_exported_without_secrets(world: Client, model: Any) -> None:
    row, *_ = exported(world, path_of(model, "export"))
    assert len(row) >= 5 and not SECRET & set(row)


def test_an_export_has_the_filters_and_the_search_of_the_list(browser: Client, alice: Person, bob: Person) -> None:
    User.objects.filter(pk=bob.user.pk).update(is_verified=False)
    address = f"{USERS}export/"
    assert [row["email"] for row in exported(browser, f"{address}?is_verified__exact=0")] == [bob.user.email]
    assert [row["email"] for row in exported(browser, f"{address}?q=alice")] == [alice.user.email]
    newest_last = [row["email"] for row in exported(browser, f"{address}?o=8")]
    assert newest_last == [row["email"] for row in exported(browser, address)][::-1]
    page = opened(browser, f"{USERS}?q=alice")
    assert f'action="{address}?q=alice"' in page and "Export as CSV" in page


def test_an_export_runs_no_formula_in_a_spreadsheet(browser: Client, alice: Person) -> None:
    for name in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\n=1"):
        User.objects.filter(pk=alice.user.pk).update(name=name)
        (row,) = exported(browser, f"{USERS}export/?q=alice")
        assert re.search(r"(^|[\t\r\n])[=+\-@]", row["name"]) is None and "'" in row["name"]


def test_an_export_is_in_the_audit_trail_without_what_was_searched_for(browser: Client, alice: Person) -> None:
    browser.post(f"{USERS}export/?q=alice@example.com&is_verified__exact=1")
    entry = AuditEntry.objects.get(kind="list_exported")
    assert entry.facts == {"list": "users", "rows": 1, "filters": "is_verified__exact, q"}
    assert (entry.actor_kind, entry.actor_name) == ("admin", "root@example.com")
    row = exported(browser, path_of(AuditEntry, "export"))[-1]
    assert json.loads(row["facts"]) == entry.facts


def test_an_export_that_is_refused_is_in_no_audit_trail(
    browser: Client, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.downloads.download_slots", Slots(total=0, per_owner=0))
    for path in (f"{USERS}export/", f"{USERS}{alice.user.pk}/export/confirm/"):
        assert browser.post(path, {"confirmed": "yes"}).status_code == 503, path
    assert not AuditEntry.objects.exists()


def test_what_exports_nothing(browser: Client, alice: Person) -> None:
    address = f"{USERS}export/"
    assert browser.get(f"{address[:-1]}?locked=yes&q=a").headers["Location"] == f"{USERS}?locked=yes&q=a"
    assert browser.post(f"{address}?locked=no").headers["Location"] == "../?e=1"
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(address).status_code == 403
    assert Client().post(address).status_code == 403
    assert not AuditEntry.objects.exists()


@pytest.mark.slow
def test_a_list_and_its_export_end_after_10_000_rows_and_say_so(browser: Client) -> None:
    Mail.objects.bulk_create([Mail(kind=Mail.Kind.VERIFICATION, to="a@example.com") for _ in range(10_001)])
    page = opened(browser, f"{MAILS}?p=200")
    about = "about " if connection.vendor == "postgresql" else ""
    (summary,) = [text for text in texts(page, "p") if " mails, page 200 of 200" in text]
    assert re.fullmatch(rf"{about}\d\d,\d\d\d mails, page 200 of 200", summary)
    assert "The pages end after 10,000 rows. Filters and searches find the others." in texts(page, "p")
    assert "Export the first 10,000 as CSV" in page
    answer = browser.post(f"{MAILS}export/")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="mails-first-10000.csv"'
    assert b"".join(answer).count(b"\r\n") == 10_001

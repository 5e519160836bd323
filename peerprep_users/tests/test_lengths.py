"""No text costs work before its length is checked: a megabyte is refused as fast as a character, but for reading it."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.test import Client
from django.urls import reverse

from accounts.addresses import normalised
from accounts.admin.base import BaseAdmin
from conftest import PASSWORD, Api, Person
from peerprep_users.api_docs import document

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

CPU_SECONDS = 0.1  # reading and refusing a megabyte takes some 5 to 20 ms
DOCUMENT: dict[str, Any] = json.loads(document())
IN_URLS = {"digits": "1" * 1_000_000, "dots": "." * 1_000_000, "space": "+" * 1_000_000}
IN_BODIES = {  # each with its own way to be slow
    "labels of a domain": "a@" + "é." * 330_000 + "com",
    "wide space": "\u3000" * 330_000,
    "marks to compose": "\u0301\u0327" * 240_000,
    "digits": "1" * 1_000_000,
}


def cpu_seconds(call: Callable[[], Any]) -> float:
    started = time.thread_time()
    call()
    return time.thread_time() - started


def refuses_fast(call: Callable[[str], Any], texts: dict[str, str]) -> None:
    """Fails where a long text takes more CPU time than a short one, the least of three tries."""
    short = cpu_seconds(lambda: call("\0"))
    for kind, text in texts.items():
        extra = [cpu_seconds(lambda text=text: call(text)) - short]  # type: ignore[misc]
        while extra[-1] > CPU_SECONDS and len(extra) < 3:
            extra.append(cpu_seconds(lambda text=text: call(text)) - short)  # type: ignore[misc]
        assert min(extra) < CPU_SECONDS, kind


def texts_of_calls() -> Iterator[Any]:
    """Each text that a call takes: in its path, its query, a header or its body."""
    schemas = DOCUMENT["components"]["schemas"]
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in sorted(operations.items()):
            found = [(each["in"], each["name"]) for each in operation.get("parameters", [])]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
                found += [("body", name) for name in schema["properties"]]
            for where, name in found:
                yield pytest.param(method.upper(), path, where, name, id=f"{method} {path} {name}")


@pytest.mark.parametrize(("method", "path", "where", "name"), list(texts_of_calls()))
def test_a_call_refuses_a_long_text_at_once(alice: Person, method: str, path: str, where: str, name: str) -> None:
    def call(text: str) -> None:
        body = json.dumps({name: text}, ensure_ascii=False).encode() if where == "body" else None
        headers = {name: text} if where == "header" else {}
        filled = path.replace(f"{{{name}}}", text) if where == "path" else path
        answer = alice.api(method, filled + (f"?{name}={text}" if where == "query" else ""), body, **headers)
        assert 400 <= answer.status_code < 500, answer.content[:1000]

    refuses_fast(call, IN_BODIES if where == "body" else IN_URLS)


@pytest.mark.parametrize("path", ["/users/me", "/verify-email"])
def test_a_long_token_is_refused_at_once(alice: Person, path: str) -> None:
    def call(text: str) -> None:
        assert Api(text).get(f"{path}?token={text}").status_code in {400, 401}

    refuses_fast(call, {"header of a JWT": "e30" * 300_000 + ".e30.x", **IN_URLS})


PASSWORDS = {
    "old_password": PASSWORD,
    "new_password1": "another fine password",
    "new_password2": "another fine password",
}
FORMS: dict[str, dict[str, Any]] = {
    "/verify-email": {"email": "a@example.com"},
    "/verify-email?": {"token": "x"},
    "/admin/login/": {"username": "root@example.com", "password": PASSWORD, "next": "/admin/"},
    "/admin/password_change/": PASSWORDS,
    "/admin/accounts/user/{alice}/change/": {"name": "Alice"},
    "/admin/accounts/user/{alice}/deactivate/confirm/": {"reason": "left", "confirmed": "yes"},
    "/admin/accounts/user/": {"action": "deactivate", "_selected_action": "x", "index": "0"},
}


@pytest.mark.parametrize(
    ("path", "field"), [pytest.param(path, field, id=f"{path} {field}") for path in FORMS for field in FORMS[path]]
)
def test_a_form_refuses_a_long_text_at_once(browser: Client, alice: Person, path: str, field: str) -> None:
    def call(text: str) -> None:
        answer = browser.post(path.format(alice=alice.user.pk), {**FORMS[path], field: text})
        assert answer.status_code < 500

    refuses_fast(call, IN_BODIES)


def test_a_list_refuses_a_long_search_at_once(browser: Client) -> None:
    for page in [page for page in django_admin.site._registry.values() if isinstance(page, BaseAdmin)]:
        path = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
        answer: Any = browser.get(f"{path}?q={'a+' * 128}")
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{path}?e=1")
        refuses_fast(lambda text, path=path: browser.get(f"{path}?q={text}"), {"words": "a+" * 500_000})  # type: ignore[misc]


def test_a_search_counts_five_words(browser: Client, alice: Person) -> None:
    def found(query: str) -> list[str]:
        return [user.email for user in browser.get(f"/admin/accounts/user/?q={query}").context["cl"].result_list]

    assert found("alice+" * 5 + "bob") == ["alice@example.com"]
    assert found("alice+" * 4 + "bob") == []
    refuses_fast(found, {"words": "a+" * 120})


def test_an_address_is_normalised_only_where_it_is_short_enough_to_be_one() -> None:
    """Also where no field has looked at it: in commands, and in a search."""
    refuses_fast(normalised, IN_BODIES)

"""No secret is at rest anywhere: not in a table, a log line or a page of the admin site."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from accounts.models import User
from conftest import PASSWORD, Api, Mailbox, Person, browser_of

NEW = "another horse altogether"
EMAIL = "alice@example.com"


def every_value() -> Iterator[tuple[str, str]]:
    """Each value of each column of each table, with the name of its table."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                yield from ((table, str(value)) for value in row)


def live_through(api: Api, mailbox: Mailbox) -> list[str]:
    """Every secret that a life with the service brings: registering, verifying, logging in, refreshing, resetting."""
    registered = api.post("/auth/register", {"email": EMAIL, "password": PASSWORD}).json()
    link = mailbox.verification_token()
    api.post("/auth/verify-email", {"token": link})
    logged_in = api.post("/auth/login", {"email": EMAIL, "password": PASSWORD}).json()
    refreshed = api.post("/auth/refresh", {"refresh_token": logged_in["refresh_token"]}).json()
    api.post("/auth/login", {"email": EMAIL, "password": "a wrong password"})
    Api(refreshed["access_token"]).post("/auth/verify-password", {"password": "another wrong password"})
    api.post("/auth/forgot-password", {"email": EMAIL})
    code = mailbox.code()
    api.get(f"/auth/verify-email?token={link}")
    reset = api.post("/auth/reset-password", {"email": EMAIL, "code": code, "new_password": NEW})
    assert reset.status_code == 200
    pairs = [registered, logged_in, refreshed]
    tokens = [pair[name] for pair in pairs for name in ("access_token", "refresh_token")]
    return [*tokens, link, code, PASSWORD, NEW, "a wrong password", "another wrong password"]


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
def test_none_is_found_in_any_table_or_log_line(
    api: Api, mailbox: Mailbox, caplog: pytest.LogCaptureFixture, settings: Any, algorithm: str, db: None
) -> None:
    caplog.set_level("DEBUG")
    settings.ALGORITHM = algorithm
    secrets = live_through(api, mailbox)
    values = list(every_value())
    assert {"users", "sessions", "mails", "password_resets"} <= {table for table, _ in values}
    ours = [record for record in caplog.records if record.name.split(".")[0] not in {"mail", "asyncio"}]
    for secret in secrets:
        found = re.compile(rf"(?<![\w.]){re.escape(secret)}(?!\w)").search  # microseconds may have a code's digits
        assert not [table for table, value in values if found(value)]
        assert not [record for record in ours if found(record.getMessage()) or found(str(record.__dict__))]


@pytest.mark.slow
def test_none_is_found_on_any_page_of_the_admin_site(api: Api, mailbox: Mailbox, admin: Person) -> None:
    secrets = live_through(api, mailbox)
    hashes = list(User.objects.values_list("password", flat=True))
    client = browser_of(admin)
    for name in ("user", "session", "mail", "auditentry"):
        model = apps.get_model("accounts", name)
        pages = [
            f"/admin/accounts/{name}/",
            *(f"/admin/accounts/{name}/{row.pk}/change/" for row in model.objects.all()),
        ]
        for page in pages:
            shown = client.get(page).content.decode()
            assert not [secret for secret in [*secrets, *hashes] if secret in shown]

"""The system checks: what `manage.py check` says of settings that are each fine and together are not."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks


def found() -> set[str | None]:
    return {message.id for message in run_checks() if str(message.id)[:9] == "accounts."}


def test_the_settings_of_the_tests_are_fine() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"REFRESH_TTL": timedelta(days=31)}, "accounts.W001"),
        ({"ACCESS_TTL": timedelta(days=8)}, "accounts.W004"),
        ({"SECRET_KEY": "k" * 31}, "accounts.W003"),
        ({"WORKERS": 16, "WORKERS_THAT_FIT": 5}, "accounts.W005"),
    ],
)
def test_it_warns_and_lets_the_service_start(settings: Any, changes: dict[str, Any], expected: str) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert found() == {expected}


def test_a_short_key_is_no_matter_where_a_key_pair_signs(settings: Any) -> None:
    settings.SECRET_KEY, settings.ALGORITHM = "short", "ES256"
    assert found() == set()

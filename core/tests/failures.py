"""Failures for tests to cause."""

from typing import Any, NoReturn


def raising(error: Exception) -> Any:
    """What takes the place of a function that fails."""

    def fail(*args: object, **kwargs: object) -> NoReturn:
        raise error

    return fail

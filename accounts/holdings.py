"""What other apps keep about users. They say so themselves, since this app knows none of them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import User

Progress = Callable[[int], object]
Section = tuple[str, Any]


@dataclass(frozen=True)
class Task:
    """Something to remove: about how many rows, and what removes them and returns how many they were."""

    total: int
    run: Callable[[Progress], int]


@dataclass(frozen=True)
class Holdings:
    """What an app does with what it keeps about users.

    Args:
        release: called in the transaction that deletes the user. Afterwards nothing is the user's.
        export: names all that is kept about the user, each with a value or an iterator over rows.
        expired: names what is past its use.
        figures: the names of what it counts of each user.
        figures_of: those counts by name, for many users in one query; users without any may be missing.
    """

    release: Callable[[User], None]
    export: Callable[[User], Iterator[Section]]
    expired: Callable[[], Iterator[tuple[str, Task]]]
    figures: tuple[str, ...]
    figures_of: Callable[[Collection[UUID]], dict[UUID, dict[str, int]]]


registered: list[Holdings] = []

"""What a listener to the events of a load heard: whether any is missing or out of order, and how many came twice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from core.models import EventQuerySet
from core.tests.rabbitmq import Listener
from core.tests.waiting import wait_until

Fact = tuple[str, str]  # the type of an event, and the id that it is about
Change = tuple[str, str, str]  # the same after what it is in order with
ABOUT = {"attempt.recorded": "attempt_id", "question.solved": "attempt_id", "session.ended": "session_id"}

BACKLOG = """
INSERT INTO events (id, type, user_id, data, created_at)
SELECT gen_random_uuid(), 'user.verified', md5((number %% 10)::text)::uuid, '{}', now()
FROM generate_series(1, %s) AS number
RETURNING user_id::text, type, id::text
"""
CHANGES = """
WITH solving AS (
    SELECT DISTINCT ON (user_id, question_id) id FROM attempts WHERE solved ORDER BY user_id, question_id, created_at
)
SELECT of, kind, id FROM (
SELECT user_id::text || question_id AS of, 'attempt.recorded' AS kind, id::text, created_at AS at FROM attempts
UNION ALL SELECT user_id::text || question_id, 'question.solved', id::text, created_at
    FROM attempts JOIN solving USING (id)
UNION ALL SELECT id::text, 'user.registered', id::text, created_at FROM users
UNION ALL SELECT user_id::text, 'session.ended', session_id::text, at FROM revocations
) AS change ORDER BY at, kind
"""


def write_backlog(database: str, count: int = 5_000) -> list[Change]:
    """Events of ten users. Returns once publishers are in the middle of it."""
    with psycopg.connect(database, autocommit=True) as connection:
        backlog: list[Change] = connection.execute(BACKLOG, [count]).fetchall()
        first = "SELECT FROM events WHERE id = %s"
        wait_until(lambda: not connection.execute(first, [backlog[0][2]]).rowcount, "none of it is published")
    return backlog


class Told:
    """All that a queue of the load has been told, once every event is published.

    Args:
        backlog: what `write_backlog` wrote.
        left: ids of the users who have deleted their account.
        deaths: how many publishers, or databases under them, were killed: each may repeat what it was about to delete.
    """

    def __init__(
        self, database: str, listener: Listener, backlog: list[Change], *, left: list[str], deaths: int
    ) -> None:
        self.left, self.most_repeated = left, deaths * EventQuerySet.MOST_AT_ONCE
        with psycopg.connect(database, autocommit=True) as connection:
            wait_until(lambda: not connection.execute("SELECT FROM events").rowcount, "not all of it is published")
            self.changes: list[Change] = backlog + connection.execute(CHANGES).fetchall()
        self.done = {(kind, id_) for _, kind, id_ in self.changes}
        events = listener.hear()
        first: dict[str, dict[str, Any]] = {}
        self.altered = sum(first.setdefault(event["id"], event) != event for event in events)
        self.once = [*first.values()]
        self.repeated = len(events) - len(self.once)

    def problems(self) -> Iterator[str]:
        yield from (f"not told: {kind} {id_}" for kind, id_ in self.lost())
        yield from (f"told, but not done: {kind} {id_}" for kind, id_ in self.made_up())
        yield from (f"told out of order: {of}" for of in self.out_of_order())
        if self.altered:
            yield f"{self.altered} events were repeated with another content"
        if self.repeated > self.most_repeated:
            yield f"{self.repeated} events were repeated, more than {self.most_repeated}"

    def figures(self) -> dict[str, str]:
        return {
            "events": str(len(self.once)),
            "untold": str(len([*self.lost()])),
            "repeated": str(self.repeated),
            "disorder": str(len([*self.out_of_order()])),
        }

    def lost(self) -> list[Fact]:
        return sorted((self.done | {("user.deleted", user) for user in self.left}) - set(map(fact, self.once)))

    def made_up(self) -> Iterator[Fact]:
        """Told twice by two events, too. What a user had done who is gone is told rightly."""
        deleted = {event["subject"] for event in self.once if kind_of(event) == "user.deleted"}
        gone = {user for user in deleted if ("user.registered", user) not in self.done}
        seen: set[Fact] = set()
        for event in self.once:
            if fact(event) in seen or (fact(event) not in self.done and event["subject"] not in gone):
                yield fact(event)
            seen.add(fact(event))

    def out_of_order(self) -> Iterator[str]:
        """What was told in another order than it was done, and who before the registration or after the deletion."""
        done = grouped((of, (kind, id_)) for of, kind, id_ in self.changes)
        told = grouped((order_of(event), fact(event)) for event in self.once)
        heard = set(map(fact, self.once))
        for of, facts in done.items():
            if [each for each in told[of] if each in self.done] != [each for each in facts if each in heard]:
                yield of
        for user, kinds in grouped((event["subject"], kind_of(event)) for event in self.once).items():
            if kinds[0] != "user.verified" and (kinds[0] != "user.registered" or "user.deleted" in kinds[:-1]):
                yield user


def kind_of(event: dict[str, Any]) -> str:
    kind: str = event["type"]
    return kind.removeprefix("peerprep.").removesuffix(".v1")


def fact(event: dict[str, Any]) -> Fact:
    """A user of the backlog is verified many times."""
    kind = kind_of(event)
    return kind, str(event["id"] if kind == "user.verified" else event["data"][ABOUT.get(kind, "user_id")])


def order_of(event: dict[str, Any]) -> str:
    """Attempts at one question are in order, and what else a user does."""
    return f"{event['subject']}{event['data'].get('question_id', '')}"


def grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found

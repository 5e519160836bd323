"""What a listener to the events of a load heard: whether any is missing or out of order, and how many came twice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from core.models import EventQuerySet
from core.tests.rabbitmq import Listener
from core.tests.waiting import wait_until

Fact = tuple[str, str]  # the type of an event, and the id that it is about
ABOUT = {"attempt.recorded": "attempt_id", "question.solved": "attempt_id", "session.ended": "session_id"}

BACKLOG = """
INSERT INTO events (id, type, user_id, data, created_at)
SELECT gen_random_uuid(), 'user.verified', gen_random_uuid(), '{}', now() FROM generate_series(1, %s)
RETURNING user_id::text
"""
# In the order of the changes; the first column is what keeps them in order.
CHANGES = """
WITH solving AS (
    SELECT DISTINCT ON (user_id, question_id) id FROM attempts WHERE solved ORDER BY user_id, question_id, created_at
)
SELECT user_id::text || question_id, 'attempt.recorded', id::text, created_at AS at FROM attempts
UNION ALL SELECT user_id::text || question_id, 'question.solved', id::text, created_at
    FROM attempts JOIN solving USING (id)
UNION ALL SELECT id::text, 'user.registered', id::text, created_at FROM users
UNION ALL SELECT user_id::text, 'session.ended', session_id::text, at FROM revocations
ORDER BY at, 2
"""


def write_backlog(database: str, count: int = 5_000) -> list[Fact]:
    """Returns once publishers are in the middle of it."""
    with psycopg.connect(database, autocommit=True) as connection:
        users = [user for (user,) in connection.execute(BACKLOG, [count])]
        first = "SELECT FROM events WHERE user_id = %s"
        wait_until(lambda: not connection.execute(first, [users[0]]).rowcount, "none of it is published")
    return [("user.verified", user) for user in users]


class Told:
    """All that a queue of the load has been told, once every event is published.

    Args:
        backlog: written by `write_backlog`.
        left: ids of the users who have deleted their account.
        deaths: how many publishers, or databases under them, were killed: each may repeat what it was about to delete.
    """

    def __init__(self, database: str, listener: Listener, *, backlog: list[Fact], left: list[str], deaths: int) -> None:
        self.backlog, self.left, self.most_repeated = backlog, left, deaths * EventQuerySet.MOST_AT_ONCE
        with psycopg.connect(database, autocommit=True) as connection:
            wait_until(lambda: not connection.execute("SELECT FROM events").rowcount, "not all of it is published")
            self.changes = connection.execute(CHANGES).fetchall()
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
        done = {(kind, id_) for _, kind, id_, _ in self.changes} | {("user.deleted", id_) for id_ in self.left}
        return sorted((done | set(self.backlog)) - set(map(fact, self.once)))

    def made_up(self) -> Iterator[Fact]:
        """Told twice by two events, too. What a user had done who is gone is told rightly."""
        done = {(kind, id_) for _, kind, id_, _ in self.changes} | set(self.backlog)
        deleted = {event["subject"] for event in self.once if kind_of(event) == "user.deleted"}
        gone = {user for user in deleted if ("user.registered", user) not in done}
        seen: set[Fact] = set()
        for event in self.once:
            if fact(event) in seen or (fact(event) not in done and event["subject"] not in gone):
                yield fact(event)
            seen.add(fact(event))

    def out_of_order(self) -> Iterator[str]:
        """What was told in another order than it was done, and who before the registration or after the deletion."""
        done = grouped((of, (kind, id_)) for of, kind, id_, _ in self.changes)
        told = grouped((order_of(event), fact(event)) for event in self.once)
        for of, facts in done.items():
            if [each for each in told[of] if each in facts] != [each for each in facts if each in told[of]]:
                yield of
        backlog = [fact(event) for event in self.once if kind_of(event) == "user.verified"]
        if backlog != [each for each in self.backlog if each in set(backlog)]:
            yield "the backlog"
        for user, kinds in grouped((event["subject"], kind_of(event)) for event in self.once).items():
            if kinds != ["user.verified"] and (kinds[0] != "user.registered" or "user.deleted" in kinds[:-1]):
                yield user


def kind_of(event: dict[str, Any]) -> str:
    kind: str = event["type"]
    return kind.removeprefix("peerprep.").removesuffix(".v1")


def fact(event: dict[str, Any]) -> Fact:
    return kind_of(event), str(event["data"][ABOUT.get(kind_of(event), "user_id")])


def order_of(event: dict[str, Any]) -> str:
    """Attempts at one question are in order, and what else a user does."""
    return f"{event['subject']}{event['data'].get('question_id', '')}"


def grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found

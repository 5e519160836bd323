"""Attempts, also at given times, and what the calls should answer about them."""

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from attempts.flows.recording import record_attempt
from attempts.models import Attempt
from conftest import Person

ATTEMPT = {"question_id": 1, "language": "python", "submitted_code": "x", "passed_tests": 0, "total_tests": 1}


def attempt(person: Person, **facts: Any) -> dict[str, Any]:
    return record_attempt(user=person.user, **{**ATTEMPT, **facts}).attempt


def attempts_at(person: Person, times: Iterable[datetime], **facts: Any) -> list[dict[str, Any]]:
    return [attempt(person, created_at=time, **facts) for time in times]


def store_attempts(person: Person, times: Iterable[datetime], **facts: Any) -> None:
    """Many at once, and without a status of their question."""
    Attempt.objects.bulk_create(
        Attempt(user=person.user, **{**ATTEMPT, **facts}, created_at=created_at) for created_at in times
    )


def failing_at(table: str) -> AbstractContextManager[None]:
    """A database that fails at every statement about the table."""

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if re.search(rf'(FROM|INTO) "?{table}\b', sql):
            raise RuntimeError(f"no {table}")
        return execute(sql, *rest)

    return connection.execute_wrapper(fail)


def got(person: Person, path: str) -> Any:
    answer = person.api.get(f"/api/v1/attempts/me{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def recount(made: list[dict[str, Any]]) -> dict[str, Any]:
    """What the calls should answer, counted from what was sent and when."""
    by_question: dict[int, list[dict[str, Any]]] = defaultdict(list)
    by_language: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in made:
        by_question[each["question_id"]].append(each)
        by_language[each["language"]].append(each)
    solving = [each for each in made if solves(each)]
    tries = [first for each in by_question.values() if (first := tries_to_solve(each))]
    return {
        "summary": {
            "total_attempts": len(made),
            "solved": len({each["question_id"] for each in solving}),
            "last_attempt_at": made[-1]["created_at"] if made else None,
        },
        "questions": [question(each) for _, each in sorted(by_question.items())],
        "statistics": {
            "acceptance_rate": len(solving) / len(made) if made else None,
            "by_language": sorted(
                (
                    {"language": language, "attempts": len(each), "solved": len([one for one in each if solves(one)])}
                    for language, each in by_language.items()
                ),
                key=lambda row: (-row["attempts"], row["language"]),
            ),
            "average_attempts_to_solve": sum(tries) / len(tries) if tries else None,
        },
    }


def solves(each: dict[str, Any]) -> bool:
    return bool(0 < each["total_tests"] == each["passed_tests"])


def tries_to_solve(made: list[dict[str, Any]]) -> int | None:
    return next((number for number, each in enumerate(made, 1) if solves(each)), None)


def question(made: list[dict[str, Any]]) -> dict[str, Any]:
    best = max(each["passed_tests"] for each in made)
    solving = [each for each in made if solves(each)]
    return {
        "question_id": made[0]["question_id"],
        "attempts": len(made),
        "best_passed_tests": best,
        "total_tests": min(each["total_tests"] for each in made if each["passed_tests"] == best),
        "best_runtime_ms": min(
            (each["runtime_ms"] for each in solving if each["runtime_ms"] is not None), default=None
        ),
        "first_attempt_at": made[0]["created_at"],
        "last_attempt_at": made[-1]["created_at"],
        "solved_at": solving[0]["created_at"] if solving else None,
    }


def plain_activity(made: list[dict[str, Any]], now: datetime, tz: ZoneInfo, days: int) -> dict[str, Any]:
    def day_of(each: dict[str, Any]) -> date:
        return datetime.fromisoformat(each["created_at"]).astimezone(tz).date()

    today = now.astimezone(tz).date()
    dates = [today - timedelta(days=number) for number in range(days)][::-1]
    listed = [[each for each in made if day_of(each) == day] for day in dates]
    streak, longest = 0, 0
    for each in listed:
        streak = streak + 1 if each else 0
        longest = max(longest, streak)
    active = {day_of(each) for each in made}
    current, day = 0, today if today in active else today - timedelta(days=1)
    while day - timedelta(days=current) in active:
        current += 1
    return {
        "days": [
            {"date": day, "attempts": len(each), "solved": len([one for one in each if solves(one)])}
            for day, each in zip(dates, listed, strict=True)
        ],
        "current_streak": current,
        "longest_streak": max(longest, current),
        "active_days": len([each for each in listed if each]),
    }

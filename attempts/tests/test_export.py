"""Taking all of one's attempts away."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attempts.flows import history
from attempts.flows.history import export_attempts, export_questions
from attempts.models import Attempt
from attempts.tests.factories import attempt, attempts_at, failing_at, store_attempts
from conftest import Person
from core.errors import NotAuthenticated

EXPORT = "/api/v1/attempts/me/export"
START = datetime(2026, 11, 1, tzinfo=UTC)


def exported(person: Person, query: str = "") -> bytes:
    answer = person.api.get(f"{EXPORT}?{query}")
    assert answer.status_code == 200
    content: bytes = answer.getvalue()
    return content


def rows_of(person: Person) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(exported(person, "format=csv").decode(), newline="")))


def test_json_is_an_array_of_all_that_is_known(alice: Person, bob: Person) -> None:
    attempt(bob)
    made = attempt(alice, submitted_code="a\n\N{SNAKE}", passed_tests=1, runtime_ms=3, created_at=START)
    assert json.loads(exported(alice)) == [
        {
            "id": str(made["id"]),
            "question_id": 1,
            "language": "python",
            "submitted_code": "a\n\N{SNAKE}",
            "passed_tests": 1,
            "total_tests": 1,
            "runtime_ms": 3,
            "created_at": "2026-11-01T00:00:00Z",
            "is_solved": True,
        }
    ]
    assert exported(alice, "format=json") == exported(alice)


def test_csv_has_the_same(alice: Person) -> None:
    made = attempt(alice, submitted_code='print("a, b")\r\n\N{SNAKE}', created_at=START)
    assert rows_of(alice) == [
        {
            "id": str(made["id"]),
            "question_id": "1",
            "language": "python",
            "submitted_code": 'print("a, b")\r\n\N{SNAKE}',
            "passed_tests": "0",
            "total_tests": "1",
            "runtime_ms": "",
            "created_at": "2026-11-01T00:00:00Z",
            "is_solved": "false",
        }
    ]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", '"=1', "\uff1d1"]
INSIDE = "".join(f"a{separator}{formula}" for separator in ",;\t|\n\r" for formula in FORMULAS)


@pytest.mark.parametrize("separator", list(",;\t|"))
def test_csv_holds_nothing_that_a_spreadsheet_would_run_whatever_it_splits_at(alice: Person, separator: str) -> None:
    for code in [*FORMULAS, INSIDE]:
        attempt(alice, submitted_code=code, language="=x")
    text = exported(alice, "format=csv").decode()
    quoted = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    plain = (line.split(separator) for line in text.splitlines())
    cells = [cell.lstrip('" ') for row in (*quoted, *plain) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]


@pytest.mark.parametrize("code", ["x = a + b", "for i in range(3):\n\tprint(-i)", "a == b; c -= 1", "m.x=@y"])
def test_csv_leaves_other_text_alone(alice: Person, code: str) -> None:
    attempt(alice, submitted_code=code)
    assert [row["submitted_code"] for row in rows_of(alice)] == [code]


def test_nothing_exports_as_nothing(alice: Person) -> None:
    assert exported(alice) == b"[]"
    assert rows_of(alice) == []
    assert exported(alice, "format=csv").startswith(b"id,question_id,")


@pytest.mark.parametrize(("name", "kind"), [("json", "application/json"), ("csv", "text/csv; charset=utf-8")])
def test_it_is_a_file_to_keep(alice: Person, name: str, kind: str) -> None:
    answer = alice.api.get(f"{EXPORT}?format={name}")
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Content-Disposition"] == f'attachment; filename="attempts.{name}"'
    assert answer.streaming


@pytest.mark.parametrize("chunk", [1, 2, 3, 4])
def test_it_is_complete_whatever_is_read_at_a_time(alice: Person, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHUNK", chunk)
    made = attempts_at(alice, [START + timedelta(minutes=number) for number in range(7)])
    Attempt.objects.filter(pk__in=[each["id"] for each in made[2:5]]).update(created_at=START)
    expected = Attempt.objects.order_by("-created_at", "-id").values_list("pk", flat=True)
    assert [row["id"] for row in json.loads(exported(alice))] == list(map(str, expected))


@pytest.mark.slow
def test_it_takes_the_same_memory_for_ten_times_as_many(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "CHUNK", 20)
    peaks = []
    for count in (100, 900):
        store_attempts(alice, [START] * count, submitted_code="x" * 5_000)
        answer = alice.api.get(EXPORT)
        tracemalloc.start()
        size = sum(len(piece) for piece in answer)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert size > 4_900_000
    assert max(peaks) < 1_500_000


def test_what_fails_from_the_start_is_answered_as_a_failure(alice: Person) -> None:
    with failing_at("attempts"):
        answer = alice.api.get(EXPORT)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


@pytest.mark.parametrize("part", [export_attempts, export_questions])
def test_what_a_deletion_cuts_short_does_not_look_complete(
    alice: Person, monkeypatch: pytest.MonkeyPatch, part: Any
) -> None:
    monkeypatch.setattr(history, "CHUNK", 1)
    attempt(alice)
    attempt(alice, question_id=2)
    rows = part(user=alice.user)
    next(rows)
    alice.api.delete("/users/me")
    with pytest.raises(NotAuthenticated):
        list(rows)

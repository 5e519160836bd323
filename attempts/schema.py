"""What the OpenAPI document says about `/api/v1/attempts`."""

from functools import partial

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from accounts.authentication import InvalidToken
from attempts import serializers
from attempts.exports import COLUMNS
from attempts.flows.recording import IdempotencyKeyReused
from core.errors import NotAuthenticated, NotFound
from core.openapi import documented, operation

CODE = "print(sum(map(int, input().split())))"
LISTED = {
    "id": "01932c5e-7a3e-7b7e-8a57-2f3d0a6c9b11",
    "question_id": 17,
    "language": "python",
    "passed_tests": 10,
    "total_tests": 10,
    "created_at": "2026-11-24T12:00:00Z",
    "is_solved": True,
}
SHOWN = {name: value for name, value in LISTED.items() if name != "is_solved"} | {"submitted_code": CODE}
SENT = {
    "question_id": 17,
    "language": "python",
    "submitted_code": CODE,
    "passed_tests": 10,
    "total_tests": 10,
    "runtime_ms": 42,
}

EXPORTED = SHOWN | {"runtime_ms": 42, "is_solved": True}
ASKED = {
    "limit": 20,
    "offset": 0,
    "cursor": "AAZhBHMnkAABkyxeej57fopXLz0KbJsR",
    "question_id": 17,
    "language": "python",
    "solved": True,
    "since": "2026-11-01T00:00:00Z",
    "until": "2026-12-01T00:00:00Z",
}

SIGNED_IN = (NotAuthenticated, InvalidToken)

attempts = partial(operation, tags=["attempts"], errors=SIGNED_IN)

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="The same key and body within 24 hours get the first answer again, with `Idempotent-Replayed: true`. "
    f"With another body: 422 `{IdempotencyKeyReused.code}`.",
    examples=[OpenApiExample("Key", "6f1c2f6e-51c7-4f0e-9d55-8b5d3a0a2f44")],
)
KNOWN = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of an earlier answer; 304 if it holds still.",
    examples=[OpenApiExample("Tag", '"0f3b8a1c5d7e9246b8c0a1d2e3f40516"')],
)
REPLAYED = OpenApiParameter(
    "Idempotent-Replayed", str, OpenApiParameter.HEADER, response=[201], description="`true` on an answer given before."
)
TAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 304], description="Of a first page: the state of the history."
)
COUNT = OpenApiParameter(
    "X-Total-Count", int, OpenApiParameter.HEADER, response=[200], description="How many there are on all pages."
)
NEXT = OpenApiParameter(
    "Link", str, OpenApiParameter.HEADER, response=[200], description='`<…>; rel="next"` where there is a next page.'
)

CSV = OpenApiResponse(
    str,
    examples=[
        OpenApiExample(
            "CSV",
            ",".join(COLUMNS) + "\r\n" + f'{LISTED["id"]},17,python,"{CODE}",10,10,42,2026-11-24T12:00:00Z,true\r\n',
        )
    ],
)

view = documented(
    create=partial(attempts, errors=(*SIGNED_IN, IdempotencyKeyReused))(
        "recordAttempt",
        "Record an attempt",
        description="Solved means at least one test, and all passed.",
        parameters=[KEY, REPLAYED],
        body=serializers.NewAttempt,
        sent=SENT,
        answer=serializers.ListedAttempt,
        answered=LISTED,
        status=201,
    ),
    list=attempts(
        "listAttempts",
        "The user's attempts, newest first",
        description="`since` is inclusive, `until` exclusive; a time without a zone is UTC.",
        parameters=[serializers.AttemptQuery, KNOWN, TAG, COUNT, NEXT],
        asked=ASKED,
        unchanged=True,
        answer=serializers.ListedAttempt(many=True),
        answered=LISTED,
        invalid=True,
    ),
    summary=attempts(
        "summariseAttempts",
        "Totals; `solved` counts distinct questions",
        parameters=[KNOWN, TAG],
        unchanged=True,
        answer=serializers.Summary,
        answered={"total_attempts": 12, "solved": 3, "last_attempt_at": "2026-11-24T12:00:00Z"},
    ),
    questions=attempts(
        "listQuestions",
        "What the user has reached on each question, by the question's number",
        parameters=[serializers.QuestionQuery, COUNT, NEXT],
        asked={"limit": 20, "cursor": "AAAAEQ"},
        answer=serializers.Question(many=True),
        answered={
            "question_id": 17,
            "attempts": 4,
            "best_passed_tests": 10,
            "total_tests": 10,
            "best_runtime_ms": 42,
            "first_attempt_at": "2026-11-23T18:00:00Z",
            "last_attempt_at": "2026-11-24T12:00:00Z",
            "solved_at": "2026-11-23T18:20:00Z",
        },
        invalid=True,
    ),
    activity=attempts(
        "showActivity",
        "Attempts of each of the last days, as a time zone counts days, and streaks",
        parameters=[serializers.ActivityQuery],
        asked={"tz": "Asia/Singapore", "days": 30},
        answer=serializers.Activity,
        answered={
            "days": [{"date": "2026-11-24", "attempts": 4, "solved": 1}],
            "current_streak": 1,
            "longest_streak": 1,
            "active_days": 1,
        },
        invalid=True,
    ),
    statistics=attempts(
        "showStatistics",
        "Rates, and attempts by language",
        answer=serializers.Statistics,
        answered={
            "acceptance_rate": 0.25,
            "by_language": [{"language": "python", "attempts": 4, "solved": 1}],
            "average_attempts_to_solve": 3.0,
        },
    ),
    export=attempts(
        "exportAttempts",
        "All of the user's attempts with their code, as a file",
        parameters=[serializers.ExportQuery],
        asked={"format": "csv"},
        answer=serializers.ExportedAttempt(many=True),
        answered=EXPORTED,
        others={"text/csv": CSV},
        invalid=True,
    ),
    retrieve=partial(attempts, errors=(*SIGNED_IN, NotFound))(
        "readAttempt",
        "One of the user's own attempts, with its code",
        parameters=[OpenApiParameter("attempt_id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)],
        answer=serializers.ShownAttempt,
        answered=SHOWN,
        invalid=True,
    ),
)

"""What the OpenAPI document says about `/api/v1/attempts`."""

from functools import partial

from drf_spectacular.utils import OpenApiParameter

from accounts.authentication import InvalidToken
from attempts import serializers
from peerprep_users.errors import NotAuthenticated, NotFound
from peerprep_users.openapi import documented, operation

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

SIGNED_IN = (NotAuthenticated, InvalidToken)

attempts = partial(operation, tags=["attempts"], errors=SIGNED_IN)

view = documented(
    create=attempts(
        "recordAttempt",
        "Record an attempt",
        description="Solved means at least one test, and all passed.",
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
        parameters=[serializers.AttemptQuery],
        answer=serializers.ListedAttempt(many=True),
        answered=LISTED,
        invalid=True,
    ),
    summary=attempts(
        "summariseAttempts",
        "Totals; `solved` counts distinct questions",
        answer=serializers.Summary,
        answered={"total_attempts": 12, "solved": 3, "last_attempt_at": "2026-11-24T12:00:00Z"},
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

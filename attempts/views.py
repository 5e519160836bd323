"""`/api/v1/attempts`: each call parses, makes one call to a flow, and answers."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from attempts import schema
from attempts.cursors import Cursor, HistoryCursor, QuestionCursor
from attempts.exports import FORMATS
from attempts.flows import history, progress, recording
from attempts.flows.history import Page
from attempts.flows.recording import IdempotencyKeyReused, TooManyUnverifiedAttempts
from attempts.serializers import (
    ActivityQuerySerializer,
    ActivitySerializer,
    AttemptQuerySerializer,
    ExportedAttemptSerializer,
    ExportQuerySerializer,
    ListedAttemptSerializer,
    NewAttemptSerializer,
    QuestionQuerySerializer,
    QuestionSerializer,
    ShownAttemptSerializer,
    StatisticsSerializer,
    SummarySerializer,
    idempotency_key,
)
from core.api import ApiViewSet, uuid_in_path, validated
from core.downloads import TooManyDownloads, download
from core.errors import NotFound
from core.openapi import raises
from core.rate_limits import RateLimited


class AttemptViewSet(ApiViewSet):
    """The signed-in user's attempts."""

    tags = ["attempts"]

    @extend_schema(
        parameters=[schema.IDEMPOTENCY_KEY, schema.IDEMPOTENT_REPLAYED],
        request=NewAttemptSerializer,
        responses={201: ListedAttemptSerializer},
    )
    @raises(IdempotencyKeyReused, TooManyUnverifiedAttempts, RateLimited, limited=(201, 429))
    def record_attempt(self, request: SignedInRequest) -> Response:
        """Record an attempt.

        It is solved if there was at least one test and all passed.
        """
        key = idempotency_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        facts = validated(NewAttemptSerializer, request.data, "body")
        recorded = recording.record_attempt(user=request.user, key=key, **facts)
        headers = {"Idempotent-Replayed": "true"} if recorded.replayed else recorded.headers
        return Response(recorded.attempt, status=201, headers=headers)

    @extend_schema(
        parameters=[AttemptQuerySerializer, schema.TOTAL_COUNT, schema.NEXT_LINK],
        responses=ListedAttemptSerializer(many=True),
    )
    def list_attempts(self, request: SignedInRequest) -> Response:
        """The user's attempts, newest first.

        `since` is inclusive, `until` exclusive; a time without a zone is UTC.
        """
        query = validated(AttemptQuerySerializer, request.query_params.dict(), "query")
        page = history.list_attempts(user=request.user, **query)
        return listed(request, page, query, HistoryCursor)

    @extend_schema(responses=SummarySerializer)
    def summarise_attempts(self, request: SignedInRequest) -> Response:
        """How many attempts there are, and how many questions are solved.

        `last_attempt_at` is `null` before the first attempt.
        """
        return Response(progress.summarise(user=request.user))

    @extend_schema(
        parameters=[QuestionQuerySerializer, schema.TOTAL_COUNT, schema.NEXT_LINK],
        responses=QuestionSerializer(many=True),
    )
    def list_questions(self, request: SignedInRequest) -> Response:
        """The user's progress on each question, by question number.

        `solved_at` is the time of the first attempt that solved it, and `best_runtime_ms` the shortest runtime of those
        that did; both may be `null`.
        """
        query = validated(QuestionQuerySerializer, request.query_params.dict(), "query")
        return listed(request, history.list_questions(user=request.user, **query), query, QuestionCursor)

    @extend_schema(parameters=[ActivityQuerySerializer], responses=ActivitySerializer)
    def show_activity(self, request: SignedInRequest) -> Response:
        """Attempts on each of the last days, and streaks.

        Today is the last day; `tz` is a name from the IANA database. A streak is a run of days with an attempt.
        """
        query = validated(ActivityQuerySerializer, request.query_params.dict(), "query")
        return Response(progress.show_activity(user=request.user, **query))

    @extend_schema(responses=StatisticsSerializer)
    def show_statistics(self, request: SignedInRequest) -> Response:
        """Rates, and attempts by language.

        A rate is `null` if there is no data for it.
        """
        return Response(progress.show_statistics(user=request.user))

    @extend_schema(
        parameters=[ExportQuerySerializer],
        responses={200: ExportedAttemptSerializer(many=True), (200, "text/csv"): schema.CSV},
    )
    @raises(TooManyDownloads)
    def export_attempts(self, request: SignedInRequest) -> HttpResponseBase:
        """All of the user's attempts with their code, as a file.

        Newest first, as a JSON array or as CSV with a header line.
        """
        name = validated(ExportQuerySerializer, request.query_params.dict(), "query")["format"]
        written, kind = FORMATS[name]
        return download(request, written(history.export_attempts(user=request.user)), kind, f"attempts.{name}")

    @extend_schema(parameters=[schema.ATTEMPT_ID], responses=ShownAttemptSerializer)
    @raises(NotFound)
    def read_attempt(self, request: SignedInRequest, attempt_id: str) -> Response:
        """One of the user's own attempts, with its code.

        Another user's attempt is 404, as if it did not exist.
        """
        return Response(history.show_attempt(user=request.user, attempt_id=uuid_in_path("attempt_id", attempt_id)))


def listed(request: SignedInRequest, page: Page, query: dict[str, Any], cursor: type[Cursor]) -> Response:
    """A page with the total, and a link to the next one: a path, which is right behind the gateway too."""
    headers = {"X-Total-Count": str(page.total)}
    if page.next:
        asked = {name: value for name, value in request.query_params.items() if name in query}
        asked.pop("offset", None)
        link = urlencode({**asked, "cursor": cursor.of(page.next)})
        headers["Link"] = f'<{request.path_info}?{link}>; rel="next"'
    return Response(page.rows, headers=headers)

"""`/api/v1/attempts`: each call parses, makes one call to a flow, and answers."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponseBase
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from attempts import schema, serializers
from attempts.cursors import Cursor, HistoryCursor, QuestionCursor
from attempts.exports import FORMATS
from attempts.flows import history, progress, recording
from attempts.flows.history import Page
from core.api import ApiViewSet, known_etags, uuid_in_path, validated
from core.downloads import download

NEW_ATTEMPT = serializers.NewAttempt()
QUERY = serializers.AttemptQuery()
QUESTION_QUERY = serializers.QuestionQuery()
ACTIVITY_QUERY = serializers.ActivityQuery()
EXPORT_QUERY = serializers.ExportQuery()


@schema.view
class AttemptViewSet(ApiViewSet):
    """The signed-in user's attempts."""

    def create(self, request: SignedInRequest) -> Response:
        key = serializers.idempotency_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        facts = validated(NEW_ATTEMPT, request.data, "body")
        recorded = recording.record_attempt(user=request.user, key=key, **facts)
        headers = {"Idempotent-Replayed": "true"} if recorded.replayed else {}
        return Response(recorded.attempt, status=201, headers=headers)

    def list(self, request: SignedInRequest) -> Response:
        query = validated(QUERY, request.query_params.dict(), "query")
        page = history.list_attempts(user=request.user, known=known_etags(request), **query)
        return unchanged(page) if page.rows is None else listed(request, page, query, HistoryCursor)

    def summary(self, request: SignedInRequest) -> Response:
        page = progress.summarise(user=request.user, known=known_etags(request))
        return unchanged(page) if page.rows is None else Response(page.rows[0], headers={"ETag": page.etag})

    def questions(self, request: SignedInRequest) -> Response:
        query = validated(QUESTION_QUERY, request.query_params.dict(), "query")
        return listed(request, history.list_questions(user=request.user, **query), query, QuestionCursor)

    def activity(self, request: SignedInRequest) -> Response:
        query = validated(ACTIVITY_QUERY, request.query_params.dict(), "query")
        return Response(progress.show_activity(user=request.user, **query))

    def statistics(self, request: SignedInRequest) -> Response:
        return Response(progress.show_statistics(user=request.user))

    def export(self, request: SignedInRequest) -> HttpResponseBase:
        name = validated(EXPORT_QUERY, request.query_params.dict(), "query")["format"]
        written, kind = FORMATS[name]
        return download(request, written(history.export_attempts(user=request.user)), kind, f"attempts.{name}")

    def retrieve(self, request: SignedInRequest, attempt_id: str) -> Response:
        return Response(history.show_attempt(user=request.user, attempt_id=uuid_in_path("attempt_id", attempt_id)))


def unchanged(page: Page) -> Response:
    return Response(status=304, headers={"ETag": page.etag})


def listed(request: SignedInRequest, page: Page, query: dict[str, Any], cursor: type[Cursor]) -> Response:
    """A page with how many there are, and where the next one is: a path, which holds behind the gateway too."""
    headers = {"X-Total-Count": str(page.total)}
    if page.etag:
        headers["ETag"] = page.etag
    if page.next:
        asked = {name: value for name, value in request.query_params.items() if name in query}
        asked.pop("offset", None)
        link = urlencode({**asked, "cursor": cursor.of(page.next)})
        headers["Link"] = f'<{request.path_info}?{link}>; rel="next"'
    return Response(page.rows, headers=headers)

"""`/api/v1/attempts`: each call parses, makes one call to a flow, and answers."""

from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from attempts import documentation, flows, serializers
from peerprep_users.api import ApiViewSet, uuid_in_path, validated

NEW_ATTEMPT = serializers.NewAttempt()
QUERY = serializers.AttemptQuery()


@documentation.view
class AttemptViewSet(ApiViewSet):
    """The signed-in user's attempts."""

    def create(self, request: SignedInRequest) -> Response:
        return Response(
            flows.record_attempt(user=request.user, **validated(NEW_ATTEMPT, request.data, "body")), status=201
        )

    def list(self, request: SignedInRequest) -> Response:
        query = validated(QUERY, request.query_params.dict(), "query")
        return Response(flows.list_attempts(user=request.user, **query))

    def summary(self, request: SignedInRequest) -> Response:
        return Response(flows.summarise(user=request.user))

    def retrieve(self, request: SignedInRequest, attempt_id: str) -> Response:
        return Response(flows.show_attempt(user=request.user, attempt_id=uuid_in_path("attempt_id", attempt_id)))

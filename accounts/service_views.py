"""What other services ask: on the internal network only, with a service key."""

from typing import Any, NoReturn

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import BearerAuthentication, introspect
from accounts.flows.profile import names_of
from accounts.flows.revocations import list_revocations
from accounts.serializers import (
    IntrospectionSerializer,
    NameSerializer,
    NamesQuerySerializer,
    RevocationQuerySerializer,
    RevocationsSerializer,
    TokenSerializer,
)
from accounts.service_keys import InvalidServiceKey, ServiceKeyAuthentication
from core.api import ApiViewSet, validated
from core.client import came_through_proxy
from core.errors import NotFound
from core.openapi import raises


class ServiceViewSet(ApiViewSet):
    """Calls for other services. A gateway that passes every path on passes on none of these."""

    authentication_classes = [ServiceKeyAuthentication]
    tags = ["services"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if came_through_proxy(request):
            raise NotFound
        super().initial(request, *args, **kwargs)

    def permission_denied(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise InvalidServiceKey

    @extend_schema(request=TokenSerializer, responses=IntrospectionSerializer)
    @raises(NotFound)
    def introspect_token(self, request: Request) -> Response:
        """Whether an access token is valid at this moment (RFC 7662).

        If it is not, the response is `{"active": false}` alone, whatever the reason.
        """
        return Response(introspect(**validated(TokenSerializer, request.data, "body")))

    @extend_schema(parameters=[RevocationQuerySerializer], responses=RevocationsSerializer)
    @raises(NotFound)
    def list_revocations(self, request: Request) -> Response:
        """The sessions that ended before their tokens expired.

        For services that verify tokens themselves. Call again with `since` set to the `next` of the previous response.
        No session is left out; one may come more than once. They are kept for as long as an access token lives.
        """
        query = validated(RevocationQuerySerializer, request.query_params.dict(), "query")
        return Response(list_revocations(**query))


class NameViewSet(ApiViewSet):
    """The names of other users, for those who are signed in and for services."""

    authentication_classes = [BearerAuthentication, ServiceKeyAuthentication]
    tags = ["users"]

    @extend_schema(parameters=[NamesQuerySerializer], responses=NameSerializer(many=True))
    def list_names(self, request: Request) -> Response:
        """The names of up to 100 users.

        A user who is gone, or never existed, is `{"id": …, "deleted": true}`.
        """
        return Response(names_of(**validated(NamesQuerySerializer, request.query_params.dict(), "query")))

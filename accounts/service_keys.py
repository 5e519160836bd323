"""`X-Service-Key: <key>` of another service on the internal network."""

from dataclasses import dataclass
from hmac import compare_digest

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.client import came_through_proxy
from core.errors import NotAuthenticated


@dataclass(frozen=True, slots=True)
class Service:
    """Who calls, in the place where a request otherwise has its user."""

    name_of_service: str
    is_authenticated: bool = True


class InvalidServiceKey(NotAuthenticated):
    code = "invalid_service_key"
    detail = "This call needs a valid X-Service-Key."


class ServiceKeyAuthentication(BaseAuthentication):
    """A key counts only where the call came directly: the gateway must not make anybody a service."""

    errors = (InvalidServiceKey,)

    def authenticate(self, request: Request) -> tuple[Service, None] | None:
        sent = request.META.get("HTTP_X_SERVICE_KEY")
        if sent is None or came_through_proxy(request):
            return None
        names = [name for name, key in settings.SERVICE_KEYS if compare_digest(key.encode(), sent.encode())]
        if not names:
            raise InvalidServiceKey
        return Service(names[0]), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ServiceKeyScheme(OpenApiAuthenticationExtension):
    """What the OpenAPI document says of it."""

    target_class = ServiceKeyAuthentication
    name = "serviceKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-Service-Key",
            "description": "The key of a service on the internal network. It is ignored in a call through a proxy.",
        }

"""The client of a request: its address, as far as it can be trusted, and its user agent."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

USER_AGENT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Client:
    ip: str | None
    user_agent: str

    @classmethod
    def of(cls, request: HttpRequest | Request) -> Self:
        agent = request.META.get("HTTP_USER_AGENT", "").replace("\0", "")
        return cls(ip=ip_of(request), user_agent=agent[:USER_AGENT_LENGTH])


def ip_of(request: HttpRequest | Request) -> str | None:
    """The client's address, taken from X-Forwarded-For only as far as our own proxies wrote it.

    Each proxy appends the address it was called from. So with `TRUSTED_PROXY_COUNT` proxies the client is that many
    entries from the right, and entries further left are the caller's own.
    """
    hops = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXY_COUNT:
        hops = [*request.META.get("HTTP_X_FORWARDED_FOR", "").split(","), *hops]
    trusted = hops[-(settings.TRUSTED_PROXY_COUNT + 1) :]
    return next((address for hop in trusted if (address := normalized(hop))), None)


def normalized(text: str) -> str | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

"""The client of a request: its address, as far as it can be trusted, and its user agent."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

USER_AGENT_LENGTH = 255
PROXY_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
# RFC 7239 section 6: an IPv6 address in brackets, a port after either kind. A bare IPv6 address cannot have one.
NODE_WITH_PORT = re.compile(
    r"(?:\[(?P<v6>[^\]]{2,64})\]|(?P<v4>[0-9.]{7,15}))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]{1,64}))?"
)


@dataclass(frozen=True, slots=True)
class Client:
    ip: str | None
    user_agent: str

    @classmethod
    def of(cls, request: HttpRequest | Request) -> Self:
        agent = request.META.get("HTTP_USER_AGENT", "")[:USER_AGENT_LENGTH].replace("\0", "")
        return cls(ip=ip_of(request), user_agent=agent)


def came_through_proxy(request: HttpRequest | Request) -> bool:
    """Whether a call came from outside the internal network, whose services call directly."""
    return any(name in request.META for name in PROXY_HEADERS)


def ip_of(request: HttpRequest | Request) -> str | None:
    """The client's address, taken from X-Forwarded-For only as far as our own proxies wrote it.

    Each proxy appends the address it was called from. So with `TRUSTED_PROXY_COUNT` proxies the client is that many
    entries from the right, and entries further left are the caller's own.
    """
    hops = [request.META.get("REMOTE_ADDR", "")]
    if proxies := settings.TRUSTED_PROXY_COUNT:
        hops = [*request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies)[-proxies:], *hops]
    return next((address for hop in hops if (address := client_address(hop))), None)


def client_address(text: str) -> str | None:
    """The address in an entry or a search, in one spelling: without port, brackets, quotes and zone."""
    text = text.strip().strip('"')
    node = NODE_WITH_PORT.fullmatch(text)
    try:
        address = ip_address((node["v6"] or node["v4"] if node else text).partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

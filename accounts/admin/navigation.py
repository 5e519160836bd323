"""The sidebar: each list says itself where it stands."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.base import Pages, Place, path_of, registered

GROUPS = ["People", "Mail", "Practice", "Trail"]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    overview = {"items": [{"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}]}
    return [overview, *({"title": group, "separator": True, "items": items(group, request)} for group in GROUPS)]


def items(group: str, request: HttpRequest) -> list[dict[str, Any]]:
    found = [(place, page) for page in registered() for place in page.places if place.group == group]
    return [item(page, place, request) for place, page in sorted(found, key=lambda one: one[0].order)]


def item(page: Pages, place: Place, request: HttpRequest) -> dict[str, Any]:
    here = request.path.startswith(path_of(page))
    other_parts = [other.query for other in page.places if other.query]
    part = next((query for query in other_parts if query in request.META.get("QUERY_STRING", "")), "")
    return {
        "title": place.title,
        "icon": place.icon,
        "link": path_of(page, place.query),
        "active": here and place.query == part,
    }

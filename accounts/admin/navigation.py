"""The sidebar: each list says itself where it stands."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.base import Pages, Place

GROUPS = ["People", "Mail", "Practice", "Trail"]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    overview = {"items": [{"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}]}
    return [overview, *({"title": group, "separator": True, "items": items(group, request)} for group in GROUPS)]


def items(group: str, request: HttpRequest) -> list[dict[str, Any]]:
    lists = [page for page in admin.site._registry.values() if isinstance(page, Pages)]  # noqa: SLF001
    found = [(place, page) for page in lists for place in page.places if place.group == group]
    return [item(page, place, request) for place, page in sorted(found, key=lambda one: one[0].order)]


def item(page: Pages, place: Place, request: HttpRequest) -> dict[str, Any]:
    path = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    here = request.path.startswith(path)
    other_parts = [other.query for other in page.places if other.query]
    part = next((query for query in other_parts if query in request.META.get("QUERY_STRING", "")), "")
    return {
        "title": place.title,
        "icon": place.icon,
        "link": f"{path}?{place.query}" if place.query else path,
        "active": here and place.query == part,
    }

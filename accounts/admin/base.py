"""What the pages of the admin site have in common, those of other apps included."""

from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import DataError
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts.devices import in_words


class Place(NamedTuple):
    """Where the sidebar has a list, or a part of it."""

    group: str
    title: str
    icon: str  # of Material Symbols
    query: str = ""


class Pages(ModelAdmin):
    """What every list has in common."""

    places: list[Place] = []
    show_full_result_count = False
    paginator = InfinitePaginator  # a table of millions is not counted
    list_per_page = 50
    list_filter_sheet = True

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Answers a filter that no value of its column could match as Django answers one that it does not know."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, DataError):
            raise IncorrectLookupParameters from None


class ReadOnly(Pages):
    """Facts to look up, which nobody edits."""

    details: list[str] = []  # what the page of one row shows beyond the columns of the list

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*self.list_display, *self.details]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OfDevice(ReadOnly):
    """Facts that came from a device."""

    @admin.display(description="device", ordering="user_agent")
    def device(self, row: Any) -> str:
        return in_words(row.user_agent)

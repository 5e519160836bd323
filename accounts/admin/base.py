"""What the pages of the admin site have in common, those of other apps included.

A list offers only filters and searches that an index serves, so that it stays fast however long its table grows.
"""

from collections.abc import Collection
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.forms import ActionForm
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from accounts.addresses import EMAIL_LENGTH, normalised
from accounts.audit.log import Actor
from accounts.devices import agent_name
from accounts.models import User
from core.client import Client

IMPOSSIBLE_VALUE = (ValueError, OverflowError, DataError, ValidationError)  # raised for a value that no column can hold


class CappedPaginator(InfinitePaginator):
    """Counts nothing. A list ends after 10,000 rows; filters and searches find the others."""

    count = 10_000


class FilteredChangeList(ChangeList):
    def get_filters(self, request: HttpRequest) -> Any:
        """Refuses lookups that are not on offer: with `refresh_id__startswith` a column could be guessed by letters.

        And searches for more than the longest address.
        """
        filters = super().get_filters(request)
        lookups = filters[2]
        if set(lookups) - set(self.model_admin.link_parameters) or len(self.query) > EMAIL_LENGTH:
            raise IncorrectLookupParameters
        return filters

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # equal counts are not shown
        self.result_list: list[Any] = self.model_admin.annotate_page(list(self.result_list))


class DayRangeFilter(RangeDateFilter):
    """From one UTC day to another, both included."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        for end, lookup, time_of_day in (("from", "gte", time.min), ("to", "lte", time.max)):
            if value := self.used_parameters.get(f"{self.parameter_name}_{end}"):
                day = parse_date(value)
                if day is None:
                    raise IncorrectLookupParameters
                bound = datetime.combine(day, time_of_day, UTC)
                queryset = self.bounded(queryset, lookup, bound)
        return queryset

    def bounded(self, queryset: Any, lookup: str, bound: datetime) -> Any:
        return queryset.filter(**{f"{self.parameter_name}__{lookup}": bound})


class SelectedRowsForm(ActionForm):
    def clean_select_across(self) -> bool:
        return False  # an action is for the rows that were ticked, never for all of a list


class BaseAdmin(ModelAdmin):
    link_parameters: Collection[str] = ()  # lookups that no filter offers, and links to the list use
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each facet is a count
    list_disable_select_all = True
    list_filter_submit = True
    list_per_page = 100
    paginator = CappedPaginator
    action_form = SelectedRowsForm

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FilteredChangeList]:
        return FilteredChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """An impossible filter value gets Django's `?e=1` redirect, like an unknown lookup."""
        try:
            return super().get_changelist_instance(request)
        except IMPOSSIBLE_VALUE:
            raise IncorrectLookupParameters from None

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Impossible ids get the same redirect."""
        try:
            selected = queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        except IMPOSSIBLE_VALUE:
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        return super().response_action(request, selected)

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        """Adds to the rows of one page what their columns need from other tables."""
        return rows

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        raise Http404  # the audit trail is the record

    def log_change(self, *args: Any) -> None:
        """The audit trail is the record."""


class ReadOnlyAdmin(BaseAdmin):
    details: list[str] = []  # what the page of one row shows in addition to the list's columns
    search_fields = ["pk"]  # shows the search box; `search` says what is searched
    sortable_by: Collection[str] = []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*self.list_display, *self.details]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        return (queryset.filter(self.search(search_term.strip())) if search_term else queryset), False

    def search(self, term: str) -> Q:
        """The rows that a search term finds."""
        raise NotImplementedError


class UserRowsAdmin(ReadOnlyAdmin):
    """Rows with a foreign key to a user, and an index that begins with it."""

    link_parameters = ["user__id__exact"]
    list_select_related = ["user"]
    search_help_text = "E-mail address of a user"

    def search(self, term: str) -> Q:
        return Q(user__in=ids_of_user(term))

    @admin.display(description="user")
    def owner(self, row: Any) -> str:
        return user_link(row.user_id, row.user.email)


class DeviceMixin:
    @admin.display(description="device")
    def device(self, row: Any) -> str:
        return agent_name(row.user_agent)


def actor_of(request: HttpRequest) -> Actor:
    user: Any = request.user
    return Actor.admin(user, Client.of(request))


def ids_of_user(address: str) -> list[UUID]:
    """The id of the user with this e-mail address, if there is one."""
    return list(User.objects.filter(email=normalised(address)).values_list("pk", flat=True))


def user_link(user_id: UUID | None, text: str) -> str:
    return format_html('<a class="text-link" href="{}">{}</a>', user_url(user_id), text)


def user_url(user_id: UUID | None) -> str:
    return reverse("admin:accounts_user_change", args=[user_id])


def changelist_url(name: str, **query: object) -> str:
    """The list of a model, such as `accounts_user`, filtered."""
    return reverse(f"admin:{name}_changelist", query={key: str(value) for key, value in query.items()})

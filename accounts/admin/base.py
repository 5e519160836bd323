"""What the pages of the admin site have in common, those of other apps included."""

from collections.abc import Collection
from datetime import UTC, datetime, time
from ipaddress import ip_address
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

from accounts.addresses import normalised
from accounts.audit.log import Actor
from accounts.devices import device_name
from accounts.models import User
from core.client import Client

REACH = 100_000  # a filter that no index serves looks at so many rows, the newest
NAMESAKES = 50  # a search for the beginning of an address looks at so many users
LARGEST = 2**31 - 1
MEANINGLESS = (ValueError, OverflowError, DataError, ValidationError)  # what a value that no column could have raises


class Uncounted(InfinitePaginator):
    """A table of millions is not counted. What is beyond these pages is found by a filter."""

    count = 10_000


class BoundedList(ChangeList):
    """A list that costs no more the longer its table is."""

    def get_filters(self, request: HttpRequest) -> Any:
        """By its filters and links alone: whatever else a column holds could be asked for letter by letter."""
        found = super().get_filters(request)
        if set(found[2]) - self.model_admin.links:
            raise IncorrectLookupParameters
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        page: Pages = self.model_admin
        filtered = self.query or self.get_filters_params()
        if page.reach is None or not filtered or page.is_narrow(request):
            return found
        newest = page.ordering[0]
        column = newest.removeprefix("-")
        values = page.model._default_manager.order_by(newest).values_list(column, flat=True)  # noqa: SLF001
        last = values[page.reach - 1 : page.reach].first()
        return found if last is None else found.filter(**{f"{column}__gte": last})

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # which says that neither is worth showing
        rows: Any = self.result_list
        self.result_list: list[Any] = self.model_admin.filled(list(rows))


class DayRange(RangeDateFilter):
    """From one day to another, both included, in UTC."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        for side, lookup, moment in (("from", "gte", time.min), ("to", "lte", time.max)):
            if value := self.used_parameters.get(f"{self.parameter_name}_{side}"):
                day = parse_date(value)
                if day is None:
                    raise IncorrectLookupParameters
                bound = datetime.combine(day, moment, UTC)
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": bound})
        return queryset


class ChosenRows(ActionForm):
    def clean_select_across(self) -> bool:
        return False  # nobody is offered to take them all


class Pages(ModelAdmin):
    """What every list has in common."""

    by_user: tuple[str, str] | None = None  # the parameter that leaves the rows of one user, and what of the user it is
    by_link: Collection[str] = ()  # other parameters that no filter has, and a link does
    reach: int | None = REACH
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count
    list_disable_select_all = True
    list_filter_submit = True
    list_per_page = 100
    paginator = Uncounted
    action_form = ChosenRows

    @property
    def links(self) -> set[str]:
        return {*self.by_link, *(self.by_user or ())[:1]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedList]:
        return BoundedList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Answers a filter that no value of its column could match as Django answers one that it does not know."""
        try:
            return super().get_changelist_instance(request)
        except MEANINGLESS:
            raise IncorrectLookupParameters from None

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Answers ids that are none like that too."""
        try:
            chosen = queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        except MEANINGLESS:
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        return super().response_action(request, chosen)

    def filled(self, rows: list[Any]) -> list[Any]:
        """The rows of a page, with what its columns need beside them."""
        return rows

    def is_narrow(self, request: HttpRequest) -> bool:
        """Whether only rows of a few users are asked for: an index finds all of them."""
        return bool(self.by_user and self.by_user[0] in request.GET)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        raise Http404  # the audit trail is the record

    def log_addition(self, *args: Any) -> None:
        """The audit trail is the record."""

    def log_change(self, *args: Any) -> None:
        """The audit trail is the record."""

    def log_deletions(self, *args: Any) -> None:
        """The audit trail is the record."""


def acting(request: HttpRequest) -> Actor:
    user: Any = request.user
    return Actor.admin(user, Client.of(request))


def link_to(user_id: UUID | None, text: str) -> str:
    """A link to a user's page."""
    path = reverse("admin:accounts_user_change", args=[user_id])
    return format_html('<a class="text-link" href="{}">{}</a>', path, text)


def path_of(page: Pages, query: str = "") -> str:
    path = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    return f"{path}?{query}" if query else path


class ReadOnly(Pages):
    """Facts to look up, which nobody edits."""

    details: list[str] = []  # what the page of one row shows beyond the columns of the list
    number = ""  # the column that a number in the search is compared with
    address = ""  # the column that an IP address in the search is compared with
    search_fields = ["pk"]  # that there is a search; `matching` says what it does
    sortable_by: Collection[str] = []  # what an index gives the order of

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*self.list_display, *self.details]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        for word in search_term.split():
            queryset = queryset.filter(self.matching(word))
        return queryset, False

    def matching(self, word: str) -> Q:
        """The rows that a word of a search stands for: by number, by IP address, else by the user's address."""
        if self.is_number(word):
            return Q(**{self.number: int(word)}) if int(word) <= LARGEST else Q(pk=None)
        if self.is_address(word):
            return Q(**{self.address: word})
        return self.of_user(word)

    def is_number(self, word: str) -> bool:
        return bool(self.number) and word.isascii() and word.isdecimal()

    def is_address(self, word: str) -> bool:
        try:
            return bool(self.address) and bool(ip_address(word))
        except ValueError:
            return False

    def of_user(self, word: str) -> Q:
        return Q(user__in=users_called(word))

    def is_narrow(self, request: HttpRequest) -> bool:
        return super().is_narrow(request) or "@" in request.GET.get("q", "")

    @admin.display(description="user")
    def owner(self, row: Any) -> str:
        return link_to(row.user_id, row.user.email)


def users_called(word: str) -> list[UUID]:
    """The user of this address, else those whose addresses begin so."""
    address = normalised(word)
    users = User.objects.filter(email=address) if "@" in word else User.objects.filter(email__startswith=address)
    return list(users.values_list("pk", flat=True)[:NAMESAKES])


class OfDevice(ReadOnly):
    """Facts that came from a device."""

    @admin.display(description="device")
    def device(self, row: Any) -> str:
        return device_name(row.user_agent)

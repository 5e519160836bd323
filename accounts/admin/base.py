"""What the pages of the admin site have in common, those of other apps included.

A list offers only filters and searches that an index serves, so that it stays fast however long its table grows.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import capfirst, slugify
from unfold.admin import ModelAdmin
from unfold.forms import ActionForm

from accounts.addresses import normalised
from accounts.admin.lists import CappedPaginator, FilteredChangeList
from accounts.audit.log import Actor
from accounts.devices import agent_name
from accounts.flows.list_export import export_list
from accounts.models import User
from core.client import Client
from core.downloads import download
from core.estimates import EXACT_UP_TO
from core.spreadsheets import CSV

USER_IDS = {"user_id", "user__id__exact"}  # of `link_parameters`
IMPOSSIBLE_VALUE = (ValueError, OverflowError, DataError, ValidationError)  # raised for a value that no column can hold


class SelectedRowsForm(ActionForm):
    def clean_select_across(self) -> bool:
        return False  # an action is for the rows that were ticked, never for all of a list


class BaseAdmin(ModelAdmin):
    row_name = rows_name = list_name = ""  # "mail", "mails" and the list's title: those of the model unless given
    link_parameters: ClassVar[Mapping[str, str]] = {}  # lookups that no filter offers, but links: "of", "to" or "from"
    adjectives: ClassVar[Mapping[tuple[str, str], str]] = {}  # the name and value of a filter, as the title says them
    csv_columns: ClassVar[list[str]] = []  # what an export of the list has; without them there is none
    kept = ""  # for how long its rows are, in a sentence
    list_before_template = "accounts/admin/list_summary.html"
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each facet is a count
    list_disable_select_all = True
    list_per_page = 50
    list_max_show_all = 0
    paginator = CappedPaginator
    action_form = SelectedRowsForm

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.row_name = self.row_name or str(self.opts.verbose_name)
        self.rows_name = self.rows_name or str(self.opts.verbose_name_plural)
        self.list_name = self.list_name or self.rows_name

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FilteredChangeList]:
        return FilteredChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """An impossible filter value gets Django's `?e=1` redirect, like an unknown lookup."""
        try:
            return super().get_changelist_instance(request)
        except IMPOSSIBLE_VALUE:
            raise IncorrectLookupParameters from None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "GET" and set(request.GET) == {ERROR_FLAG}:
            self.message_user(request, "That was not understood, so all of the list is shown.", messages.WARNING)
        return super().changelist_view(request, extra_context)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Impossible ids get the same redirect."""
        try:
            selected = queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        except IMPOSSIBLE_VALUE:
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        if request.POST.getlist(ACTION_CHECKBOX_NAME) and not selected.exists():
            self.message_user(request, "What was chosen is no longer there.", messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, selected)

    def list_url(self, **query: object) -> str:
        return changelist_url(f"{self.opts.app_label}_{self.opts.model_name}", **query)

    def subject(self, parameter: str, value: str) -> str:
        """What the value of one of `link_parameters` stands for, in words."""
        return address_of_user(value) if parameter in USER_IDS else value or "nothing"

    def title_of(self, row: Any) -> str:
        """What the page of one row is called."""
        return str(row)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, obj: Any = None, **kwargs: Any) -> Any:
        named = {"title": self.title_of(obj), "subtitle": None} if obj else {}
        return super().render_change_form(request, context | named, *args, obj=obj, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]

    def export_view(self, request: Any) -> HttpResponseBase:
        """The rows of the list as CSV, narrowed and in the order that the query says, up to where the list ends."""
        if not self.csv_columns:
            raise Http404
        if request.method != "POST":  # after signing in again
            return HttpResponseRedirect(self.list_url(**request.GET.dict()))
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"../?{ERROR_FLAG}=1")
        names = sorted(name for one in shown.narrowings for name in one.parameters)
        rows = shown.queryset[:EXACT_UP_TO]
        content = export_list(
            self.list_name, rows, self.csv_columns, count=shown.result_count, filters=names, by=actor_of(request)
        )
        part = f"-first-{EXACT_UP_TO}" if shown.paginator.is_cut else ""
        return download(request, content, CSV, f"{slugify(self.list_name)}{part}.csv")

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        """Adds to the rows of one page what their columns need from other tables."""
        return rows

    def _get_obj_does_not_exist_redirect(self, *args: Any) -> HttpResponseBase:
        raise Http404  # Django would lead to the overview

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

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With what the columns of a list need: the page of a row shows them too."""
        row = super().get_object(request, object_id, from_field)
        return row and self.annotate_page([row])[0]

    @admin.display(description="ID")
    def row_id(self, row: Any) -> str:
        return str(row.id)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        is_searched = search_term and self.search_fields
        return (queryset.filter(self.search(search_term.strip())) if is_searched else queryset), False

    def search(self, term: str) -> Q:
        """The rows that a search term finds."""
        raise NotImplementedError


class UserRowsAdmin(ReadOnlyAdmin):
    """Rows with a foreign key to a user, and an index that begins with it."""

    link_parameters = {"user__id__exact": "of"}
    list_select_related = ["user"]
    search_help_text = "Whole e-mail address of a user"

    def title_of(self, row: Any) -> str:
        return f"{capfirst(self.row_name)} of {row.user.email}"

    def search(self, term: str) -> Q:
        return Q(user__in=ids_of_user(term))

    @admin.display(description="user")
    def owner(self, row: Any) -> str:
        return user_link(row.user_id, row.user.email)


class DeviceMixin:
    @admin.display(description="device")
    def device(self, row: Any) -> str | None:
        return agent_name(row.user_agent)

    @admin.display(description="user agent")
    def agent(self, row: Any) -> str:
        return str(row.user_agent or "")


def actor_of(request: HttpRequest) -> Actor:
    user: Any = request.user
    return Actor.admin(user, Client.of(request))


def way_back(request: HttpRequest, rows: str, *, otherwise: str) -> str:
    """The list that an action was opened from, with its filters, or else another page."""
    page = request.POST.get("opened_from") or request.headers.get("Referer", "")
    _, is_list, query = page.partition(rows)
    return f"{rows}{query}" if is_list and query[:1] in {"", "?"} else otherwise


def ids_of_user(address: str) -> list[UUID]:
    """The id of the user with this e-mail address, if there is one."""
    return list(User.objects.filter(email=normalised(address)).values_list("pk", flat=True))


def address_of_user(user_id: str) -> str:
    return User.objects.filter(pk=user_id).values_list("email", flat=True).first() or "a deleted user"


def addresses_of(ids: Collection[UUID]) -> dict[UUID, str]:
    """By id, of the users among these that are still there."""
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "email"))


def grouped(number: int | None) -> str | None:
    """A number with separators."""
    return None if number is None else f"{number:,}"


def user_link(user_id: UUID | None, text: str) -> str:
    return format_html('<a class="text-link" href="{}">{}</a>', user_url(user_id), text)


def row_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


def user_url(user_id: UUID | None) -> str:
    return reverse("admin:accounts_user_change", args=[user_id])


def changelist_url(name: str, **query: object) -> str:
    """The list of a model, such as `accounts_user`, filtered."""
    return reverse(f"admin:{name}_changelist", query={key: str(value) for key, value in query.items()})

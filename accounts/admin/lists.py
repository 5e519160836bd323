"""What a list says about itself: its name, how many rows it has, what it is narrowed to, and the way out of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.dateparse import parse_date
from django.utils.functional import cached_property
from django.utils.text import capfirst
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.contrib.filters.forms import RangeDateForm
from unfold.views import ChangeList
from unfold.widgets import INPUT_CLASSES

from accounts.addresses import EMAIL_LENGTH
from core.estimates import EXACT_UP_TO, RowCount, count_or_estimate


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # which only its stubs take
    """A list ends after 10,000 rows; filters and searches find the others. `total` says how many there are."""

    template_name = "accounts/admin/list_pages.html"

    @cached_property
    def total(self) -> RowCount:
        rows: Any = self.object_list
        return count_or_estimate(rows)

    @cached_property
    def count(self) -> int:
        return min(self.total.value, EXACT_UP_TO)

    def page(self, number: Any) -> Any:
        """The last page instead of one beyond it: rows may have gone since."""
        return super().page(min(number, self.num_pages))

    @property
    def is_cut(self) -> bool:
        return self.total.value > EXACT_UP_TO


@dataclass(frozen=True)
class Narrowing:
    """Something that narrows a list, in words: an adjective such as "locked", or else "of alice@example.com"."""

    text: str
    parameters: list[str]
    is_adjective: bool = False


class OnlyFilter(admin.SimpleListFilter):
    """A filter with one choice."""

    code = "yes"
    choice = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.code, self.choice)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in {None, "", self.code}:
            raise IncorrectLookupParameters
        return self.narrowed(queryset) if self.value() else queryset

    def narrowed(self, queryset: Any) -> Any:
        raise NotImplementedError


class DayRangeForm(RangeDateForm):
    """With the browser's own fields for days, which send no other form of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, label in zip(self.fields.values(), ("From", "To"), strict=True):
            field.label, field.widget = label, forms.DateInput({"type": "date", "class": " ".join(INPUT_CLASSES)})


class DayRangeFilter(RangeDateFilter):
    """From one UTC day to another, both included. It is called what its column is."""

    form_class = DayRangeForm
    template = "accounts/admin/day_range.html"

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, page: Any, field_path: str) -> None:
        super().__init__(field, request, params, model, page, field_path)
        for name in page.list_display:
            column: Any = getattr(page, name, None)
            if getattr(column, "admin_order_field", None) == field_path:
                self.title = column.short_description

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Its form, with what else the list is narrowed to and sorted by."""
        own = self.expected_parameters()
        others = {name: value for name, value in changelist.params.items() if name not in own}
        yield from ({**choice, "others": others} for choice in super().choices(changelist))

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

    def in_words(self) -> str:
        first, last = (self.used_parameters.get(f"{self.parameter_name}_{end}") for end in ("from", "to"))
        if first == last:
            return f"on {first}"
        return " ".join(f"{end} {day}" for end, day in (("from", first), ("to", last)) if day)


class FilteredChangeList(ChangeList):
    page_num: int

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.narrowings = list(self.find_narrowings())
        self.title = capfirst(self.phrase(self.model_admin.list_name))

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuses lookups that are not on offer: with `refresh_id__startswith` a column could be guessed by letters.

        And searches for more than the longest address, and a parameter that is given twice.
        """
        filters = super().get_filters(request)
        lookups = filters[2]
        is_repeated = any(len(values) > 1 for _, values in request.GET.lists())
        if set(lookups) - set(self.model_admin.link_parameters) or len(self.query) > EMAIL_LENGTH or is_repeated:
            raise IncorrectLookupParameters
        return filters

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # equal counts are not shown
        self.page_num = min(self.page_num, self.paginator.num_pages)
        self.result_list: list[Any] = self.model_admin.annotate_page(list(self.result_list))

    def find_narrowings(self) -> Iterator[Narrowing]:
        for name, preposition in self.model_admin.link_parameters.items():
            if name in self.params:
                yield Narrowing(f"{preposition} {self.model_admin.subject(name, self.params[name])}", [name])
        for spec in self.filter_specs:
            if given := {name: self.params[name] for name in spec.expected_parameters() if self.params.get(name)}:
                yield self.narrowing_by(spec, given)
        if term := self.query.strip():
            yield Narrowing(f"matching “{term}”", [SEARCH_VAR])

    def narrowing_by(self, spec: Any, given: dict[str, str]) -> Narrowing:
        if isinstance(spec, DayRangeFilter):
            return Narrowing(spec.in_words(), list(given))
        adjectives = self.model_admin.adjectives
        if adjective := next((adjectives[pair] for pair in given.items() if pair in adjectives), None):
            return Narrowing(adjective, list(given), is_adjective=True)
        offered = (str(choice["display"]) for choice in spec.choices(self) if choice["selected"])
        chosen = next(offered, " ".join(given.values()))
        return Narrowing(f"with {spec.title} {chosen}", list(given))

    def phrase(self, noun: str) -> str:
        """Such as "locked users from 2026-11-01", for the noun "users"."""
        before = [narrowing.text for narrowing in self.narrowings if narrowing.is_adjective]
        after = [narrowing.text for narrowing in self.narrowings if not narrowing.is_adjective]
        return " ".join([*before, noun, *after])

    # --- For templates ----------------------------------------------------------------------------------------------

    def chips(self) -> list[tuple[str, str]]:
        """Each narrowing, and the list without it."""
        return [(one.text, self.get_query_string(remove=one.parameters)) for one in self.narrowings]

    def summary(self) -> str:
        page, total = self.model_admin, self.paginator.total
        counted = f"{total} {page.row_name if total.value == 1 else page.rows_name}"
        return f"{counted}, page {self.page_num} of {self.paginator.num_pages}" if self.multi_page else counted

    def nothing(self) -> str:
        return f"No {self.phrase(self.model_admin.rows_name)}."

"""The admin site's pages about attempts, to look things up."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.admin.base import UserRowsAdmin, grouped
from accounts.admin.lists import DayRangeFilter
from attempts.highlighting import highlighted
from attempts.models import Attempt, QuestionStatus, first_id
from attempts.queries import QUESTION_FIELDS


class LanguageFilter(admin.SimpleListFilter):
    """Clients name the languages, so there may be any number of them: those of the newest attempts are offered."""

    title = parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = Attempt.objects.order_by("-id").values_list("language", flat=True)[:1000]
        return [(language, language) for language in sorted(set(newest))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attempt]) -> QuerySet[Attempt]:
        return queryset.filter(language=self.value()) if self.value() else queryset


class AttemptDayFilter(DayRangeFilter):
    """By the times in the ids, since there is an index on no other time of all users' attempts."""

    def bounded(self, queryset: QuerySet[Attempt], lookup: str, bound: datetime) -> QuerySet[Attempt]:
        if lookup == "gte":
            return queryset.filter(pk__gte=first_id(bound))
        return queryset.filter(pk__lt=first_id(bound + timedelta(milliseconds=1)))


class PracticeAdmin(UserRowsAdmin):
    """No index but the primary key serves the rows of all users, so other filters are offered for the rows of one."""

    ordering = ["-id"]
    user_ordering: list[str] = []  # by an index that begins with the user
    user_filters: list[Any] = []
    user_parameters: set[str] = set()  # of those filters that are not offered for the rows of all

    def is_of_one_user(self, request: HttpRequest) -> bool:
        return "user__id__exact" in request.GET or bool(request.GET.get("q", "").strip())

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        gone = {name for name in self.user_parameters if request.GET.get(name)}
        if not gone or self.is_of_one_user(request):
            return super().changelist_view(request, extra_context)
        self.message_user(request, "Some filters work for the rows of one user only, and were removed.", messages.INFO)
        rest = {name: value for name, value in request.GET.items() if name not in gone}
        return HttpResponseRedirect(self.list_url(**rest))

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return self.user_ordering if self.is_of_one_user(request) else self.ordering

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return self.user_filters if self.is_of_one_user(request) else super().get_list_filter(request)

    def title_of(self, row: Any) -> str:
        return f"{super().title_of(row)}, question {row.question_id}"


@admin.register(Attempt)
class AttemptAdmin(PracticeAdmin):
    list_display = ["question_id", "owner", "language", "outcome", "tests", "runtime", "created_at"]
    list_filter = [("created_at", AttemptDayFilter)]
    user_ordering = ["-created_at", "-id"]
    user_filters = [LanguageFilter, ("solved", admin.BooleanFieldListFilter), ("created_at", DayRangeFilter)]
    user_parameters = {"language", "solved__exact"}
    adjectives = {("solved__exact", "1"): "solved", ("solved__exact", "0"): "unsolved"}
    details = ["row_id", "code"]
    csv_columns = [
        "id",
        "user__id",
        "user__email",
        "question_id",
        "language",
        "solved",
        "passed_tests",
        "total_tests",
        "runtime_ms",
        "created_at",
    ]

    class Media:
        css = {"all": ["attempts/code.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Without the code, of which a page of attempts may hold megabytes; the page of one attempt fetches it."""
        return super().get_queryset(request).defer("submitted_code")

    @display(description="outcome", label={"solved": "success", "not solved": "warning"})
    def outcome(self, attempt: Attempt) -> str:
        return "solved" if attempt.is_solved else "not solved"

    @admin.display(description="tests passed")
    def tests(self, attempt: Attempt) -> str:
        return f"{attempt.passed_tests} of {attempt.total_tests}"

    @admin.display(description="runtime, ms")
    def runtime(self, attempt: Attempt) -> str | None:
        return grouped(attempt.runtime_ms)

    @admin.display(description="submitted code")
    def code(self, attempt: Attempt) -> SafeString:
        return highlighted(attempt.submitted_code, attempt.language)


class SolvedFilter(admin.EmptyFieldListFilter):
    def choices(self, changelist: Any) -> Any:
        for choice, name in zip(super().choices(changelist), ("All", "Unsolved", "Solved"), strict=True):
            yield {**choice, "display": name}


@admin.register(QuestionStatus)
class QuestionStatusAdmin(PracticeAdmin):
    list_display = ["question_id", "owner", "tries", "best", "best_runtime", "last_attempt_at", "solved_at"]
    user_ordering = ["user", "question_id"]
    user_filters = [("solved_at", SolvedFilter), ("last_attempt_at", DayRangeFilter)]
    user_parameters = {"solved_at__isempty", "last_attempt_at_from", "last_attempt_at_to"}
    adjectives = {("solved_at__isempty", "1"): "unsolved", ("solved_at__isempty", "0"): "solved"}
    details = ["first_attempt_at"]
    csv_columns = ["user__id", "user__email", *QUESTION_FIELDS]

    @admin.display(description="attempts")
    def tries(self, status: QuestionStatus) -> str | None:
        return grouped(status.attempts)

    @admin.display(description="best runtime, ms")
    def best_runtime(self, status: QuestionStatus) -> str | None:
        return grouped(status.best_runtime_ms)

    @admin.display(description="best")
    def best(self, status: QuestionStatus) -> str:
        return f"{status.best_passed_tests} of {status.total_tests} tests"

"""The admin site's pages about attempts: facts to look up."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.admin.base import DayRange, ReadOnly
from attempts.highlighting import highlighted
from attempts.models import Attempt, QuestionStatus

NEWEST = 1_000


class LanguageFilter(admin.SimpleListFilter):
    """Clients name the languages, so there may be any number of them: those of the newest attempts are offered."""

    title = parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = Attempt.objects.order_by("-id").values_list("language", flat=True)[:NEWEST]
        return [(language, language) for language in sorted(set(newest))]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Attempt]:
        found: QuerySet[Attempt] = queryset.matching(language=self.value())
        return found


class SolvedFilter(admin.SimpleListFilter):
    title = parameter_name = "solved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Attempt]:
        found: QuerySet[Attempt] = queryset.matching(solved={"yes": True, "no": False}.get(self.value() or ""))
        return found


class OfUsers(ReadOnly):
    """Facts of users who are there: what a deleted account has left behind is joined with none, so it is not found."""

    by_user = ("user__id__exact", "pk")
    by_link = ["question_id__exact"]
    number = "question_id"
    list_select_related = ["user"]
    search_help_text = "Address of a user, or number of a question"
    ordering = ["-id"]
    of_one: list[str] = []  # the order of a few users' rows, which the index that finds them has

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return self.of_one if self.is_narrow(request) else self.ordering

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request).select_related("user")
        return found


@admin.register(Attempt)
class AttemptAdmin(OfUsers):
    list_display = ["question_id", "owner", "language", "outcome", "tests", "runtime_ms", "created_at"]
    list_filter = [LanguageFilter, SolvedFilter, ("created_at", DayRange)]
    of_one = ["-created_at", "-id"]
    details = ["id", "code"]

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

    @admin.display(description="submitted code")
    def code(self, attempt: Attempt) -> SafeString:
        return highlighted(attempt.submitted_code, attempt.language)


@admin.register(QuestionStatus)
class QuestionStatusAdmin(OfUsers):
    list_display = ["question_id", "owner", "attempts", "best", "best_runtime_ms", "last_attempt_at", "solved_at"]
    list_filter = [("solved_at", admin.EmptyFieldListFilter), ("last_attempt_at", DayRange)]
    of_one = ["user", "question_id"]
    details = ["first_attempt_at"]

    @admin.display(description="best")
    def best(self, status: QuestionStatus) -> str:
        return f"{status.best_passed_tests} of {status.total_tests} tests"

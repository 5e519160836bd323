"""The admin site's pages about attempts: facts to look up."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from accounts.admin.base import Place, ReadOnly
from attempts.models import Attempt, QuestionStatus

LANGUAGES = 50


class LanguageFilter(admin.SimpleListFilter):
    """Clients name the languages, so there may be any number of them."""

    title = parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = Attempt.objects.order_by("language").values_list("language", flat=True).distinct()
        return [(language, language) for language in used[:LANGUAGES]]

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


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    places = [Place("Practice", "Attempts", "code")]
    list_display = ["user", "question_id", "language", "passed_tests", "total_tests", "solved", "created_at"]
    list_filter = [LanguageFilter, SolvedFilter, "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "=question_id"]
    ordering = ["-id"]  # UUIDv7: newest first, and the primary key's index gives it
    details = ["runtime_ms", "id", "code"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Without the code, of which a page of attempts may hold megabytes; the page of one attempt fetches it.

        And without what a deleted account has left behind: joined with its user, none is found.
        """
        found: QuerySet[Attempt] = super().get_queryset(request).select_related("user").defer("submitted_code")
        return found

    @admin.display(boolean=True)
    def solved(self, attempt: Attempt) -> bool:
        return attempt.is_solved

    @admin.display(description="submitted code")
    def code(self, attempt: Attempt) -> str:
        return format_html("<pre>{}</pre>", attempt.submitted_code)


@admin.register(QuestionStatus)
class QuestionStatusAdmin(ReadOnly):
    places = [Place("Practice", "Question statuses", "task_alt")]
    list_display = [
        "user",
        "question_id",
        "attempts",
        "best_passed_tests",
        "total_tests",
        "best_runtime_ms",
        "last_attempt_at",
        "solved_at",
    ]
    list_filter = [("solved_at", admin.EmptyFieldListFilter), "last_attempt_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "=question_id"]
    ordering = ["-id"]
    details = ["first_attempt_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuestionStatus]:
        """Without what a deleted account has left behind."""
        found: QuerySet[QuestionStatus] = super().get_queryset(request).select_related("user")
        return found

"""The pages of users."""

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from accounts import lockout
from accounts.addresses import masked
from accounts.admin.base import Pages, Place
from accounts.flows.administration import change_account
from accounts.flows.profiles import delete_account
from accounts.models import User
from peerprep_users.errors import Refusal

View = Callable[..., Any]


def refusing(view: View) -> View:
    """Answers a refusal of the flow behind a page with the same page and a message, after the rollback."""

    @wraps(view)
    def answer(page: "UserAdmin", request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            with transaction.atomic():
                return view(page, request, *args, **kwargs)
        except Refusal as refusal:
            page.message_user(request, str(refusal.detail), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    return answer


@admin.register(User)
class UserAdmin(Pages):
    places = [Place("People", "Users", "group")]
    list_display = ["email", "name", "role", "is_verified", "is_active", "created_at"]
    list_filter = ["role", "is_verified", "is_active", "created_at"]
    search_fields = ["email", "name"]
    ordering = ["-created_at", "id"]
    fields = ["id", "email", "name", "role", "is_verified", "is_active", "locked_until", "created_at", "updated_at"]
    readonly_fields = ["id", "email", "locked_until", "created_at", "updated_at"]
    actions = ["unlock", "delete_selected"]

    changeform_view = refusing(Pages.changeform_view)
    delete_view = refusing(Pages.delete_view)
    delete_selected = admin.action(
        refusing(delete_selected), permissions=["delete"], description="Delete selected users"
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people register

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by the hash: the address of the page could ask for it letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    @admin.display(description="locked until")
    def locked_until(self, user: User) -> str:
        end = lockout.locked_until(user.email)
        return f"{end:%Y-%m-%d %H:%M:%S} UTC" if end else "not locked"

    @admin.action(permissions=["change"], description="Open the lock of selected users")
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            lockout.clear(user.email)
            self.log_change(request, user, "Opened the lock.")
        self.message_user(request, "They may try their passwords again.", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        change_account(user=obj, changed=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_account(user=obj)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[User]) -> None:
        for user in queryset:
            delete_account(user=user)

    def get_deleted_objects(self, objs: Collection[User], request: HttpRequest) -> tuple[Any, ...]:
        """Counts what goes with the users. Django would read every row of it, and refuse since much of it is read-only.

        Returns:
            What to list, how many of what go, which permissions are missing, what stands in the way.
        """
        counts = {str(User._meta.verbose_name_plural): len(objs)}  # noqa: SLF001
        for relation in User._meta.related_objects:  # noqa: SLF001
            model: Any = relation.related_model
            found = model._base_manager.filter(**{f"{relation.field.name}__in": objs}).count()  # noqa: SLF001
            if found:
                counts[str(model._meta.verbose_name_plural)] = found  # noqa: SLF001
        return [str(user) for user in objs], counts, set(), []

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        return self.mask([super().log_change(request, obj, message)])[0]

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[User]) -> list[LogEntry]:
        return self.mask(super().log_deletions(request, queryset))

    def mask(self, entries: list[LogEntry]) -> list[LogEntry]:
        """The log outlives the account, so it must not keep the address."""
        for entry in entries:
            entry.object_repr = masked(entry.object_repr)
            entry.save(update_fields=["object_repr"])
        return entries

"""The admin site, and its pages about accounts."""

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

import django.contrib.auth.admin  # noqa: F401
import rest_framework_simplejwt.token_blacklist.admin  # noqa: F401 - both register what is unregistered below
from axes.models import AccessFailureLog
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import Group
from django.db import DataError, transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseRedirect
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import lockout
from accounts.audit import Actor
from accounts.devices import in_words
from accounts.flows import administration
from accounts.models import AuditEntry, Mail, Role, Session, User
from peerprep_users.clients import Client
from peerprep_users.errors import Refusal

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # generic in the stubs alone
else:
    ModelAdmin = admin.ModelAdmin


# --- The site -------------------------------------------------------------------------------------------------------

admin.site.unregister([Group, OutstandingToken, BlacklistedToken])  # roles are not groups; the sessions tell of tokens


class Pages(ModelAdmin):
    """What every list has in common."""

    show_full_result_count = False
    list_per_page = 50

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Answers a filter that no value of its column could match as Django answers one that it does not know."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, DataError):
            raise IncorrectLookupParameters from None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit trail is the record."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """The audit trail is the record."""


def acting(request: HttpRequest) -> Actor:
    user: Any = request.user
    return Actor.admin(user, Client.of(request))


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


# --- Users ----------------------------------------------------------------------------------------------------------

View = Callable[..., Any]
UNGIVEN = "not asked for by this form"


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
    list_display = ["email", "name", "role", "is_verified", "is_active", "created_at"]
    list_filter = ["role", "is_verified", "is_active", "created_at"]
    search_fields = ["email", "name"]
    ordering = ["-created_at", "id"]
    fields = ["id", "email", "name", "role", "is_verified", "is_active", "locked_until", "created_at", "updated_at"]
    readonly_fields = ["id", "email", "locked_until", "created_at", "updated_at"]
    actions = ["unlock", "delete_selected"]

    changeform_view = refusing(ModelAdmin.changeform_view)
    delete_view = refusing(ModelAdmin.delete_view)
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
            administration.unlock(address=user.email, by=acting(request))
        self.message_user(request, "They may try their passwords again.", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: User, form: "ModelForm[User]", change: bool) -> None:
        by, changed = acting(request), form.changed_data
        if "name" in changed:
            administration.rename(user=obj, name=obj.name, by=by)
        if "is_verified" in changed and obj.is_verified:
            administration.verify_address(user=obj, by=by)
        if "role" in changed:
            administration.set_role(user=obj, role=Role(obj.role), by=by, reason=UNGIVEN)
        if "is_active" in changed and obj.is_active:
            administration.reactivate(user=obj, by=by)
        if "is_active" in changed and not obj.is_active:
            administration.deactivate(user=obj, by=by, reason=UNGIVEN)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        administration.delete(user=obj, by=acting(request), reason=UNGIVEN)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[User]) -> None:
        for user in queryset:
            administration.delete(user=user, by=acting(request), reason=UNGIVEN)

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


# --- Facts about accounts -------------------------------------------------------------------------------------------


class OfDevice(ReadOnly):
    """Facts that came from a device."""

    @admin.display(description="device", ordering="user_agent")
    def device(self, row: Any) -> str:
        return in_words(row.user_agent)


@admin.register(Session)
class SessionAdmin(OfDevice):
    list_display = ["user", "device", "user_agent", "ip", "created_at", "last_used_at", "ended_at", "end"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter), "end", "created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user_agent", "ip"]
    ordering = ["-created_at", "id"]
    details = ["expires_at", "id"]


class OutcomeFilter(admin.SimpleListFilter):
    """By state, and those that wait for another try apart."""

    title = "outcome"
    parameter_name = "outcome"
    failing = "failing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*Mail.State.choices, (self.failing, "Failing, will be tried again")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mail]) -> QuerySet[Mail]:
        if self.value() == self.failing:
            return queryset.filter(state=Mail.State.QUEUED).exclude(error="")
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Mail)
class MailAdmin(ReadOnly):
    list_display = ["to", "kind", "state", "tries", "last_failure", "created_at", "due_at", "sent_at"]
    list_filter = [OutcomeFilter, "kind", "created_at"]
    search_fields = ["to"]
    ordering = ["-created_at", "id"]
    details = ["error", "facts", "id"]
    actions = ["resend"]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    @admin.display(description="last failure")
    def last_failure(self, mail: Mail) -> str:
        return mail.error.rpartition("\n")[2]

    @admin.action(permissions=["resend"], description="Send selected dead mails again")
    def resend(self, request: HttpRequest, queryset: QuerySet[Mail]) -> None:
        revived = [mail for mail in queryset if administration.resend_mail(mail=mail, by=acting(request))]
        left = queryset.count() - len(revived)
        if revived:
            self.message_user(request, f"Queued again: {len(revived)}.", messages.SUCCESS)
        if left:
            why = "not dead, or reset codes that nobody waits for any more; their owners ask for another"
            self.message_user(request, f"Left as they are: {left} ({why}).", messages.WARNING)


@admin.register(AuditEntry)
class AuditEntryAdmin(OfDevice):
    list_display = ["kind", "address", "actor_kind", "actor_name", "occurred_at", "ip", "device"]
    list_filter = ["kind", "actor_kind", "occurred_at"]
    search_fields = ["address", "actor_name", "ip", "request_id"]
    ordering = ["-occurred_at", "-id"]
    details = ["user_id", "actor_id", "reason", "facts", "user_agent", "request_id", "position"]


@admin.register(AccessFailureLog)
class FailedLoginAdmin(OfDevice):
    list_display = ["username", "attempt_time", "locked_out", "ip_address", "device"]
    list_filter = ["locked_out", "attempt_time"]
    search_fields = ["username", "ip_address"]
    ordering = ["-attempt_time", "-id"]
    details = ["user_agent"]

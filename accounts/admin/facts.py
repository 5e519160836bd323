"""The pages of facts about accounts: sessions, mails, failed logins and the trail."""

from typing import Any

from axes.models import AccessFailureLog
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.addresses import masked
from accounts.admin.base import OfDevice, Place, ReadOnly
from accounts.flows.mail import resend
from accounts.models import Mail, SecurityEvent, Session


@admin.register(Session)
class SessionAdmin(OfDevice):
    places = [Place("People", "Sessions", "devices")]
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
    places = [Place("Mail", "Mails", "mail"), Place("Mail", "Dead mails", "unsubscribe", "outcome=dead")]
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
        revived = [mail for mail in queryset if resend(mail=mail)]
        for mail in revived:
            self.log_change(request, mail, "Queued again.")
        left = queryset.count() - len(revived)
        if revived:
            self.message_user(request, f"Queued again: {len(revived)}.", messages.SUCCESS)
        if left:
            why = "not dead, or reset codes that nobody waits for any more; their owners ask for another"
            self.message_user(request, f"Left as they are: {left} ({why}).", messages.WARNING)

    def log_change(self, request: HttpRequest, obj: Mail, message: Any) -> LogEntry:
        """The log outlives the mail, so it must not keep the address."""
        entry = super().log_change(request, obj, message)
        entry.object_repr = f"{obj.kind} to {masked(obj.to)}"
        entry.save(update_fields=["object_repr"])
        return entry


@admin.register(SecurityEvent)
class SecurityEventAdmin(OfDevice):
    places = [Place("Trail", "Security events", "shield")]
    list_display = ["kind", "address", "user", "occurred_at", "ip", "device"]
    list_filter = ["kind", "occurred_at"]
    list_select_related = ["user"]
    search_fields = ["address", "user__email", "ip", "request_id"]
    ordering = ["-occurred_at", "-id"]
    details = ["user_agent", "request_id"]


@admin.register(AccessFailureLog)
class FailedLoginAdmin(OfDevice):
    places = [Place("People", "Failed logins", "gpp_bad")]
    list_display = ["username", "attempt_time", "locked_out", "ip_address", "device"]
    list_filter = ["locked_out", "attempt_time"]
    search_fields = ["username", "ip_address"]
    ordering = ["-attempt_time", "-id"]
    details = ["user_agent"]

"""The pages of facts about accounts: sessions, mails, failed logins and the audit trail."""

import json
from typing import Any

from axes.models import AccessFailureLog
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from accounts.addresses import normalised
from accounts.admin.actions import RESEND, question, reason_for
from accounts.admin.base import DayRange, OfDevice, ReadOnly, acting, link_to, path_of
from accounts.models import AuditEntry, Mail, Session, User

ALARMS = [
    AuditEntry.Kind.ACCOUNT_LOCKED,
    AuditEntry.Kind.REFRESH_TOKEN_REUSED,
    AuditEntry.Kind.PASSWORD_RESET,
    AuditEntry.Kind.PASSWORD_CHANGED,
]


class LiveFilter(admin.SimpleListFilter):
    title = parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Live"), ("no", "Ended or expired")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "yes":
            return queryset.live()
        return queryset.over() if self.value() == "no" else queryset


@admin.register(Session)
class SessionAdmin(OfDevice):
    by_user = ("user__id__exact", "pk")
    list_display = ["device", "owner", "ip", "state", "created_at", "last_used_at"]
    list_filter = [LiveFilter, "end", ("created_at", DayRange)]
    list_select_related = ["user"]
    search_help_text = "Address of a user, or IP address"
    address = "ip"
    ordering = ["-created_at", "id"]
    sortable_by = ["created_at"]
    details = ["ended_at", "expires_at", "user_agent", "id"]

    @display(label={"live": "success", "expired": "warning"})
    def state(self, session: Session) -> str:
        if session.ended_at:
            return f"ended: {session.get_end_display()}"
        return "live" if session.refresh_expires_at > timezone.now() else "expired"


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


class OfAddress(ReadOnly):
    """Facts about an e-mail address, whether or not somebody has an account of it."""

    column = ""

    def of_user(self, word: str) -> Q:
        lookup = self.column if "@" in word else f"{self.column}__startswith"
        return Q(**{lookup: normalised(word)})

    def is_narrow(self, request: HttpRequest) -> bool:
        return self.column in request.GET or "@" in request.GET.get("q", "")


@admin.register(Mail)
class MailAdmin(OfAddress):
    by_user = ("to", "email")
    column = "to"
    list_display = ["to", "kind", "outcome", "tries", "last_failure", "created_at"]
    list_filter = [OutcomeFilter, "kind", ("created_at", DayRange)]
    search_help_text = "Address"
    ordering = ["-created_at", "id"]
    sortable_by = ["created_at"]
    details = ["due_at", "sent_at", "error", "facts", "id"]
    actions = ["resend"]

    def is_narrow(self, request: HttpRequest) -> bool:
        """What waits or is dead has an index of its own."""
        return super().is_narrow(request) or request.GET.get("outcome") in {"queued", "failing", "dead"}

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    @display(description="outcome", label={"sent": "success", "queued": "info", "dead": "danger"})
    def outcome(self, mail: Mail) -> str:
        return mail.state

    @admin.display(description="last failure")
    def last_failure(self, mail: Mail) -> str:
        return mail.error.rpartition("\n")[2]

    @admin.action(permissions=["resend"], description=RESEND.label)
    def resend(self, request: HttpRequest, queryset: QuerySet[Mail]) -> TemplateResponse | None:
        """Asks first, and then queues those again that are dead."""
        mails, form = list(queryset), reason_for(RESEND, request)
        if not form.is_valid():
            chosen = [(mail.pk, mail.to, mail.get_kind_display()) for mail in mails]
            return question(self, request, RESEND, form, chosen, path_of(self))
        by, reason = acting(request), form.cleaned_data["reason"]
        revived = [mail for mail in mails if RESEND.do(mail=mail, by=by, reason=reason)]
        left = len(mails) - len(revived)
        if revived:
            self.message_user(request, f"{RESEND.done}: {len(revived)}.", messages.SUCCESS)
        if left:
            why = "not dead, or reset codes that nobody waits for any more; their owners ask for another"
            self.message_user(request, f"Left as they are: {left} ({why}).", messages.WARNING)
        return None


class AlarmFilter(admin.SimpleListFilter):
    title = "what"
    parameter_name = "part"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("security", "Security events: locks, reused tokens, passwords")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(kind__in=ALARMS) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(OfDevice):
    by_user = ("user_id", "pk")
    list_display = ["what", "account", "who", "why", "occurred_at", "ip"]
    list_filter = [AlarmFilter, "kind", "actor_kind", ("occurred_at", DayRange)]
    search_help_text = "Address of a user, IP address, or id of a request"
    address = "ip"
    ordering = ["-occurred_at", "-id"]
    sortable_by = ["occurred_at"]
    details = ["exactly", "device", "user_agent", "details_of", "request_id", "position"]

    def of_user(self, word: str) -> Q:
        return Q(user_id__in=users) | Q(actor_id__in=users) if (users := users_of(word)) else Q(request_id=word)

    def is_narrow(self, request: HttpRequest) -> bool:
        return "user_id" in request.GET or "@" in request.GET.get("q", "")

    @display(description="what", label={kind.label: "danger" for kind in ALARMS[:2]})
    def what(self, entry: AuditEntry) -> str:
        return entry.get_kind_display()

    @admin.display(description="account")
    def account(self, entry: AuditEntry) -> str:
        return link_to(entry.user_id, entry.address or "somebody") if entry.user_id else entry.address

    @admin.display(description="by")
    def who(self, entry: AuditEntry) -> str:
        return f"{entry.get_actor_kind_display()} {entry.actor_name}".strip()

    @admin.display(description="reason")
    def why(self, entry: AuditEntry) -> str:
        return entry.reason

    @admin.display(description="exactly at")
    def exactly(self, entry: AuditEntry) -> str:
        return entry.occurred_at.isoformat(" ")

    @admin.display(description="facts")
    def details_of(self, entry: AuditEntry) -> str:
        return format_html("<pre>{}</pre>", json.dumps(entry.facts, indent=2, ensure_ascii=False))


def users_of(word: str) -> list[Any]:
    """The user of an address; nobody for any other word."""
    if "@" not in word:
        return []
    return list(User.objects.filter(email=normalised(word)).values_list("pk", flat=True))


@admin.register(AccessFailureLog)
class FailedLoginAdmin(OfDevice, OfAddress):
    by_user = ("username", "email")
    column = "username"
    list_display = ["tried", "outcome", "attempt_time", "ip_address", "device"]
    list_filter = ["locked_out", ("attempt_time", DayRange)]
    search_help_text = "Address that was tried, or IP address"
    address = "ip_address"
    ordering = ["-id"]  # the order in which they came, and the primary key's index gives it
    details = ["user_agent"]

    @admin.display(description="address")
    def tried(self, failure: AccessFailureLog) -> str:
        return str(failure.username)

    @display(description="outcome", label={"locked the account": "danger"})
    def outcome(self, failure: AccessFailureLog) -> str:
        return "locked the account" if failure.locked_out else "refused"

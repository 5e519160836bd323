"""The pages to look things up: sessions, mails, events, failed logins and the audit trail."""

from typing import Any

from axes.models import AccessFailureLog
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from accounts.addresses import normalised
from accounts.admin.actions import END_SESSION, RESEND, ReasonForm, confirmation_page
from accounts.admin.base import (
    DeviceMixin,
    ReadOnlyAdmin,
    UserRowsAdmin,
    actor_of,
    addresses_of,
    changelist_url,
    ids_of_user,
    user_link,
)
from accounts.admin.failed_logins import Overview
from accounts.admin.lists import DayRangeFilter, OnlyFilter
from accounts.admin.row_actions import RowActionMixin, again_url
from accounts.audit.models import SECURITY_KINDS
from accounts.devices import agent_name
from accounts.flows.timeline import joined, sentence_of, worded_facts
from accounts.mail.messages import can_be_sent_again
from accounts.models import ENDED_SESSIONS_KEPT, AuditEntry, Mail, Session, SessionQuerySet, User
from core.client import client_address
from core.models import Event
from core.times import moment


class LiveFilter(OnlyFilter):
    """Of the rows of sessions_newest: most are live, since others are deleted after a week."""

    title = parameter_name = "live"
    choice = "Live now"

    def narrowed(self, queryset: SessionQuerySet) -> SessionQuerySet:
        return queryset.live()


@admin.register(Session)
class SessionAdmin(DeviceMixin, RowActionMixin, UserRowsAdmin):
    row_action = END_SESSION
    list_display = ["device", "owner", "ip", "state", "created_at", "last_used_at", "action"]
    kept = f"Sessions are kept for {ENDED_SESSIONS_KEPT.days} days after their end."
    list_filter = [LiveFilter, ("created_at", DayRangeFilter)]  # sessions_newest
    adjectives = {("live", "yes"): "live"}
    link_parameters = {**UserRowsAdmin.link_parameters, "ip": "from"}  # sessions_newest_of_ip
    search_help_text = "Whole e-mail address of a user, or IP address"
    ordering = ["-created_at", "id"]  # sessions_newest
    sortable_by = ["created_at"]
    details = ["ended_at", "expires_at", "agent", "row_id"]
    csv_columns = [
        "id",
        "user__id",
        "user__email",
        "ip",
        "user_agent",
        "created_at",
        "last_used_at",
        "expires_at",
        "ended_at",
        "end_reason",
    ]

    def search(self, term: str) -> Q:
        address = client_address(term)
        return Q(ip=address) if address else super().search(term)

    @display(description="status", label={"live": "success", "expired": "warning"})
    def state(self, session: Session) -> str:
        return f"ended by {session.get_end_reason_display()}" if session.ended_at else session.outcome

    def applies(self, row: Session) -> bool:
        return row.outcome == "live"

    def address_of(self, row: Session) -> str:
        return row.user.email

    def described(self, row: Session) -> str:
        return joined(agent_name(row.user_agent), row.ip, f"last used {moment(row.last_used_at)}")


class OutcomeFilter(admin.SimpleListFilter):
    """The states that have a partial index: mails_due and mails_dead."""

    title = parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("queued", "Queued"), ("failing", "Failing, will be tried again"), ("dead", "Dead")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mail]) -> QuerySet[Mail]:
        match self.value():
            case None | "":
                return queryset
            case "failing":
                return queryset.filter(state=Mail.State.QUEUED).exclude(error="")
            case Mail.State.QUEUED | Mail.State.DEAD as state:
                return queryset.filter(state=state)
        raise IncorrectLookupParameters


@admin.register(Mail)
class MailAdmin(RowActionMixin, ReadOnlyAdmin):
    row_action = RESEND
    link_parameters = {"to": "to"}
    adjectives = {("outcome", state): state for state in ("queued", "failing", "dead")}
    list_display = ["to", "kind", "outcome", "tries", "last_failure", "created_at", "action"]
    kept = "Mails are kept for 7 days."
    list_filter = [OutcomeFilter, ("created_at", DayRangeFilter)]  # mails_newest
    search_help_text = "Whole e-mail address"
    ordering = ["-created_at", "id"]
    sortable_by = ["created_at"]
    details = ["account", "next_try", "sent_at", "error", "row_id"]
    csv_columns = ["id", "to", "kind", "state", "tries", "error", "created_at", "due_at", "sent_at"]
    actions = ["resend"]

    def search(self, term: str) -> Q:
        return Q(to=normalised(term))  # mails_to

    @display(description="outcome", label={"sent": "success", "queued": "info", "dead": "danger"})
    def outcome(self, mail: Mail) -> str:
        return mail.state

    @admin.display(description="last failure")
    def last_failure(self, mail: Mail) -> str:
        return mail.last_error

    @admin.display(description="user")
    def account(self, mail: Any) -> str | None:
        return user_link(mail.owner.pk, mail.owner.email) if mail.owner else None

    @admin.display(description="next try")
    def next_try(self, mail: Mail) -> str | None:
        return date_format(mail.due_at, "DATETIME_FORMAT") if mail.state == Mail.State.QUEUED else None

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        users = {user.email: user for user in User.objects.filter(email__in={mail.to for mail in rows})}
        for mail in rows:
            mail.owner = users.get(mail.to)
        return rows

    def applies(self, row: Any) -> bool:
        return can_be_sent_again(row, row.owner)

    def action_url(self, row: Any) -> str:
        return again_url(row, row.owner) if row.owner and row.state == Mail.State.DEAD else super().action_url(row)

    def address_of(self, row: Mail) -> str:
        return row.to

    @admin.action(description=RESEND.label)
    def resend(self, request: HttpRequest, queryset: QuerySet[Mail]) -> TemplateResponse | None:
        chosen, form = self.annotate_page(list(queryset)), ReasonForm.of(RESEND, request)
        mails = [mail for mail in chosen if self.applies(mail)]
        if skipped := len(chosen) - len(mails):
            why = "not dead, or there is no more need of them; for an expired code, use “Send again” in its row"
            self.message_user(request, f"Left as they are: {skipped} ({why}).", messages.WARNING)
        if mails and not form.is_valid():
            selected = [(mail.pk, mail.to, mail.get_kind_display()) for mail in mails]
            title = RESEND.title.format(who=mails[0].to) if len(mails) == 1 else f"Send {len(mails)} mails again"
            return confirmation_page(self, request, RESEND, form, selected, request.get_full_path(), title)
        by = actor_of(request)
        if queued := sum(RESEND.run(mail=mail, by=by, reason=form.cleaned_data["reason"]) for mail in mails):
            self.message_user(request, f"{RESEND.done}: {queued}.", messages.SUCCESS)
        return None


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Those that wait."""

    list_display = ["type", "of", "created_at"]
    search_fields = []
    ordering = ["position"]
    details = ["position", "data", "row_id", "claimed_until"]
    csv_columns = ["position", "id", "type", "user_id", "data", "created_at"]

    def title_of(self, row: Event) -> str:
        return f"Event: {row.get_type_display()}"

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        addresses = addresses_of({row.user_id for row in rows})
        for row in rows:
            row.account_address = addresses.get(row.user_id)
        return rows

    @admin.display(description="user")
    def of(self, event: Any) -> str:
        return user_link(event.user_id, event.account_address) if event.account_address else "a deleted user"


class SecurityFilter(OnlyFilter):
    title = "what"
    parameter_name = "part"
    code = "security"
    choice = "Security events: locks, reused tokens, passwords"

    def narrowed(self, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(kind__in=SECURITY_KINDS)


@admin.register(AuditEntry)
class AuditEntryAdmin(DeviceMixin, ReadOnlyAdmin):
    rows_name = "audit entries"
    list_name = "audit trail"
    kept = "Entries are kept for a year."
    link_parameters = {"user_id": "of"}
    adjectives = {("part", "security"): "security"}
    list_display = ["what", "account", "who", "why", "occurred_at", "ip"]
    list_filter = [SecurityFilter, ("occurred_at", DayRangeFilter)]  # audit_trail_security, audit_trail_newest
    search_help_text = "Whole e-mail address of a user"
    ordering = ["-occurred_at", "-id"]
    sortable_by = ["occurred_at"]
    details = ["sentence", "facts_in_words", "device", "agent", "request_id", "row_id", "position"]
    csv_columns = [
        "id",
        "occurred_at",
        "kind",
        "user_id",
        "personal_data__address",
        "actor_kind",
        "actor_id",
        "personal_data__actor_name",
        "reason",
        "facts",
        "personal_data__ip",
        "personal_data__user_agent",
        "request_id",
        "position",
    ]

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        """The whole addresses of accounts that are still there."""
        addresses = addresses_of({row.user_id for row in rows} | {row.actor_id for row in rows})
        for row in rows:
            row.account_address = addresses.get(row.user_id)
            row.actor_address = addresses.get(row.actor_id, row.actor_name)
        return rows

    def search(self, term: str) -> Q:
        ids = ids_of_user(term)
        return Q(user_id__in=ids) | Q(actor_id__in=ids)  # audit_trail_of_user, audit_trail_by_actor

    @display(description="what", label={AuditEntry.Kind(kind).label: "danger" for kind in SECURITY_KINDS[:2]})
    def what(self, entry: AuditEntry) -> str:
        return entry.get_kind_display()

    @admin.display(description="user")
    def account(self, entry: Any) -> str:
        if entry.account_address:
            return user_link(entry.user_id, entry.account_address)
        if entry.user_id is None:
            return str(entry.address)
        trail = changelist_url("accounts_auditentry", user_id=entry.user_id)
        return format_html('<a class="text-link" href="{}">a deleted user</a>', trail)

    @admin.display(description="by")
    def who(self, entry: Any) -> str:
        return f"{entry.get_actor_kind_display()} {entry.actor_address}".strip()

    @admin.display(description="reason")
    def why(self, entry: AuditEntry) -> str:
        return entry.reason

    @admin.display(description="IP address")
    def ip(self, entry: AuditEntry) -> str | None:
        return entry.ip

    @admin.display(description="device")
    def device(self, row: AuditEntry) -> str | None:
        return agent_name(row.user_agent) if row.ip else None  # an operator has none

    @admin.display(description="what happened")
    def sentence(self, entry: AuditEntry) -> str:
        return sentence_of(entry)

    @admin.display(description="facts")
    def facts_in_words(self, entry: AuditEntry) -> str:
        facts = ((name.replace("_", " "), fact) for name, fact in sorted(worded_facts(entry).items()))
        return format_html_join("", "{}: {}<br>", facts)


@admin.register(AccessFailureLog)
class FailedLoginAdmin(DeviceMixin, ReadOnlyAdmin):
    row_name = "failed login"
    rows_name = "failed logins"
    link_parameters = {"username": "of", "ip_address": "from", "user_agent": "by"}  # of each, axes has an index
    list_display = ["time", "tried", "outcome", "ip", "device"]
    kept = "Failed logins are kept for 90 days."
    list_filter = [("attempt_time", DayRangeFilter)]  # failed_logins_newest
    search_help_text = "Whole e-mail address that was tried, or IP address"
    ordering = ["-attempt_time", "-id"]  # failed_logins_newest
    details = ["agent"]
    list_before_template = "accounts/admin/failed_logins.html"
    csv_columns = ["username", "attempt_time", "ip_address", "user_agent", "locked_out"]

    def title_of(self, row: AccessFailureLog) -> str:
        return f"Failed login of {row.username}"

    def subject(self, parameter: str, value: str) -> str:
        return value or agent_name("") if parameter == "user_agent" else super().subject(parameter, value)

    def search(self, term: str) -> Q:
        address = client_address(term)
        return Q(ip_address=address) if address else Q(username=normalised(term))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if changelist := getattr(response, "context_data", {}).get("cl"):
            response.context_data["failed_logins"] = Overview.of(changelist)
        return response

    def annotate_page(self, rows: list[Any]) -> list[Any]:
        owners = dict(User.objects.filter(email__in={row.username for row in rows}).values_list("email", "pk"))
        for row in rows:
            row.owner = owners.get(row.username)
        return rows

    @admin.display(description="time", ordering="attempt_time")
    def time(self, failure: AccessFailureLog) -> str:
        return date_format(failure.attempt_time, "DATETIME_FORMAT")

    @admin.display(description="IP address")
    def ip(self, failure: AccessFailureLog) -> str | None:
        return failure.ip_address

    @admin.display(description="user")
    def tried(self, failure: Any) -> str:
        return user_link(failure.owner, failure.username) if failure.owner else str(failure.username)

    @display(description="outcome", label={"locked the account": "danger"})
    def outcome(self, failure: AccessFailureLog) -> str:
        return "locked the account" if failure.locked_out else "refused"

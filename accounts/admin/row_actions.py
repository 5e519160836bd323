"""Actions on one session or one mail, from a link in its row."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.admin.actions import ACTIONS, Action, ReasonForm, confirmation_page
from accounts.admin.base import ReadOnlyAdmin, actor_of, ids_of_user, user_url, way_back
from accounts.mail.messages import can_be_sent_again
from accounts.models import Mail, User
from core.errors import ApiError

RENEWED_BY = {Mail.Kind.VERIFICATION: "resend_verification", Mail.Kind.RESET_CODE: "send_reset_code"}


class RowActionMixin(ReadOnlyAdmin):
    """A page with an action on each row, which asks first at a URL of its own."""

    row_action: Action

    def applies(self, row: Any) -> bool:
        raise NotImplementedError

    def address_of(self, row: Any) -> str:
        """Whose row it is."""
        raise NotImplementedError

    def described(self, row: Any) -> str:
        """Which one it is."""
        return str(row)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.row_action_view)
        name = f"accounts_{self.opts.model_name}_act"
        return [path(f"<uuid:pk>/{self.row_action.name}/confirm/", view, name=name), *super().get_urls()]

    def action_url(self, row: Any) -> str:
        """Where it is taken; empty where it does not apply."""
        return reverse(f"admin:accounts_{self.opts.model_name}_act", args=[row.pk]) if self.applies(row) else ""

    @admin.display(description="action")
    def action(self, row: Any) -> str:
        url = self.action_url(row)
        return format_html('<a class="text-link" href="{}">{}</a>', url, self.row_action.label) if url else ""

    def row_action_view(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404
        action, who = self.row_action, self.address_of(row)
        owner = ids_of_user(who)
        back = way_back(request, self.list_url(), otherwise=user_url(owner[0]) if owner else self.list_url())
        form = ReasonForm.of(action, request)
        if self.applies(row) and not form.is_valid():
            selected = [(row.pk, who, self.described(row))]
            return confirmation_page(self, request, action, form, selected, back, action.title.format(who=who))
        if self.applies(row) and self.run(request, row, form.cleaned_data["reason"]):
            self.message_user(request, f"{action.done}: {who}.", messages.SUCCESS)
        else:
            self.message_user(request, f"{who}: {action.inapplicable}.", messages.WARNING)
        return HttpResponseRedirect(back)

    def run(self, request: HttpRequest, row: Any, reason: str) -> bool:
        subject = {str(self.opts.model_name): row}
        try:
            return bool(self.row_action.run(**subject, by=actor_of(request), reason=reason))
        except ApiError:
            return False  # the account has just been deleted


def again_url(mail: Mail, user: User) -> str:
    """Where a mail is sent again, or one like it; empty where that would not help."""
    if can_be_sent_again(mail, user):
        return reverse("admin:accounts_mail_act", args=[mail.pk])
    renewal = next((action for action in ACTIONS if action.name == RENEWED_BY.get(Mail.Kind(mail.kind))), None)
    if mail.state != Mail.State.QUEUED and renewal and renewal.applies(user):
        return reverse("admin:accounts_user_act", args=[user.pk, renewal.name])
    return ""

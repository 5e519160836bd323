"""What an admin can do to accounts and mails. Each is confirmed first, and leaves an entry in the audit trail."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.flows.profile import LastAdmin
from accounts.models import Role, User

REASON_LENGTH = 500


@dataclass(frozen=True)
class Action:
    """
    Args:
        label: of its buttons.
        title: of the page that asks first; `{who}` stands for an address.
        effect: what will happen, for the page that asks first.
        done: what has happened, before a colon and the user's address.
        run: takes keyword arguments `user`, `by` and `reason`.
        applies: whether there is anything to do for this user, with what the list of users adds to each.
        inapplicable: what is said of a user to whom it does not apply. Empty: `run` says it, by raising an error.
        destructive: takes something away, so it requires a reason.
        takes: what goes with it, such as `sessions`, for the title.
        needs_other_admin: not for the last admin.
    """

    name: str
    label: str
    icon: str
    title: str
    effect: str
    done: str
    run: Callable[..., Any]
    applies: Callable[[Any], bool] = lambda user: True
    inapplicable: str = ""
    destructive: bool = False
    takes: tuple[str, ...] = ()
    needs_other_admin: bool = False

    def refusal(self, user: User) -> str:
        """Why it cannot be taken on a user, as far as that can be said before it is confirmed. Empty if it can."""
        if self.inapplicable and not self.applies(user):
            return f"{user.email} {self.inapplicable}."
        if self.needs_other_admin and user.is_last_admin:
            return f"{user.email}: {LastAdmin.detail}"
        return ""


def open_lock(*, user: User, by: Actor, reason: str) -> None:
    administration.unlock(address=user.email, by=by, reason=reason)


ACTIONS = [
    Action(
        "verify_address",
        "Verify address",
        "verified",
        "Verify the address {who}",
        "Marks the address as verified, without the link that was mailed to it.",
        "Verified",
        administration.verify_address,
        lambda user: not user.is_verified and user.has_usable_password(),
        "is already verified, or has still to choose a password",
    ),
    Action(
        "resend_verification",
        "Send a new link",
        "forward_to_inbox",
        "Send {who} a new link",
        "Mails a new link, which works for two days. For an invited user it leads to the choice of a password.",
        "Link queued",
        administration.resend_verification,
        lambda user: user.is_active and not user.is_verified,
        "is already verified, or deactivated",
    ),
    Action(
        "unlock",
        "Unlock",
        "lock_open",
        "Unlock {who}",
        "Opens the lock at once and clears the count of wrong passwords.",
        "Unlocked",
        open_lock,
        lambda user: user.locked_until is not None,
        "is not locked",
    ),
    Action(
        "send_reset_code",
        "Send a reset code",
        "password",
        "Send {who} a reset code",
        "Mails the user a code to choose a new password with. You will not see it.",
        "Reset code queued",
        administration.send_reset_code,
        lambda user: user.is_active,
        "is deactivated",
    ),
    Action(
        "reactivate",
        "Reactivate",
        "person_check",
        "Reactivate {who}",
        "Lets the user sign in again. Sessions that were ended stay ended.",
        "Reactivated",
        administration.reactivate,
        lambda user: not user.is_active,
        "is not deactivated",
    ),
    Action(
        "grant_admin",
        "Grant admin role",
        "add_moderator",
        "Make {who} an admin",
        "Lets the user sign in to this site, see everyone's data and do everything you can do here.",
        "Admin role granted",
        partial(administration.set_role, role=Role.ADMIN),
        lambda user: not user.is_admin,
        "is already an admin",
    ),
    Action(
        "end_sessions",
        "End all sessions",
        "logout",
        "End all sessions of {who}",
        "Signs the user out everywhere at once. The same password signs them in again.",
        "Signed out everywhere",
        administration.end_all_sessions,
        lambda user: user.live_sessions > 0,
        "has no live session",
        destructive=True,
        takes=("live sessions",),
    ),
    Action(
        "revoke_admin",
        "Revoke admin role",
        "remove_moderator",
        "Revoke the admin role of {who}",
        "Bars the user from this site. The account itself stays.",
        "Admin role revoked",
        partial(administration.set_role, role=Role.USER),
        lambda user: user.is_admin,
        "is not an admin",
        destructive=True,
        needs_other_admin=True,
    ),
    Action(
        "deactivate",
        "Deactivate",
        "person_off",
        "Deactivate {who}",
        "Ends every session at once and blocks signing in until the account is reactivated.",
        "Deactivated",
        administration.deactivate,
        lambda user: user.is_active,
        "is already deactivated",
        destructive=True,
        takes=("live sessions",),
        needs_other_admin=True,
    ),
    Action(
        "delete",
        "Delete",
        "delete",
        "Delete {who}",
        "Permanently deletes the account and everything that belongs to it. This cannot be undone.",
        "Deleted",
        administration.delete,
        destructive=True,
        takes=("attempts", "sessions"),
        needs_other_admin=True,
    ),
]

RESEND = Action(  # of mails; `run` takes `mail` instead of `user`
    "resend",
    "Send again",
    "forward_to_inbox",
    "Send mail to {who} again",
    "A mail that is dead is queued again, and tried as often as a new one. Any other is left as it is.",
    "Queued again",
    administration.resend_mail,
    inapplicable="the mail is not dead, or there is no more need of it",
)

END_SESSION = Action(  # `run` takes `session` instead of `user`
    "end",
    "End this session",
    "logout",
    "End a session of {who}",
    "Signs this device out at once. The same password signs it in again.",
    "Session ended",
    administration.end_one_session,
    inapplicable="the session has ended already",
    destructive=True,
)


class ReasonForm(forms.Form):
    """Valid once the action is confirmed, with a reason where it requires one."""

    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        help_text="Kept in the audit trail. Please leave out personal data.",
    )

    @classmethod
    def of(cls, action: Action, request: HttpRequest) -> Self:
        form = cls(request.POST if "confirmed" in request.POST else None)
        form.fields["reason"].required = action.destructive
        form.fields["reason"].label = "Reason" if action.destructive else "Reason (optional)"
        return form


def confirmation_page(
    page: Any,
    request: HttpRequest,
    action: Action,
    form: ReasonForm,
    selected: Iterable[tuple[Any, str, str]],
    cancel_url: str,
    title: str,
) -> TemplateResponse:
    """
    Args:
        selected: the id, the title and a note for each row.
    """
    context = {**page.admin_site.each_context(request), "opts": page.opts, "title": title}
    context |= {"action": action, "selected": list(selected), "cancel_url": cancel_url, "form": form}
    return TemplateResponse(request, "accounts/admin/confirm.html", context | {"media": form.media})

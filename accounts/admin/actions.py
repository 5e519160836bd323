"""What an admin can do to accounts and mails. Each is confirmed first, and leaves an entry in the audit trail."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.audit.log import Actor
from accounts.flows import administration
from accounts.models import Role, User

REASON_LENGTH = 500


@dataclass(frozen=True)
class Action:
    """
    Args:
        effect: what will happen.
        takes: it takes something away, so it asks for a reason.
        needless: what is said of a user to whom it does not apply, where the flow would do nothing and say nothing.
        applies: whether there is anything to do for this user, who is locked or not.
    """

    name: str
    label: str
    icon: str
    effect: str
    done: str
    do: Callable[..., Any]
    applies: Callable[[User, bool], bool] = lambda user, locked: True
    takes: bool = False
    needless: str = ""


def unlock(*, user: User, by: Actor, reason: str) -> None:
    administration.unlock(address=user.email, by=by, reason=reason)


def make_admin(*, user: User, by: Actor, reason: str) -> None:
    administration.set_role(user=user, role=Role.ADMIN, by=by, reason=reason)


def take_admin_away(*, user: User, by: Actor, reason: str) -> None:
    administration.set_role(user=user, role=Role.USER, by=by, reason=reason)


ACTIONS = [
    Action(
        "verify_address",
        "Verify address",
        "verified",
        "The address counts as verified, without the link that was mailed to it.",
        "Verified",
        administration.verify_address,
        lambda user, locked: not user.is_verified,
        needless="was verified already",
    ),
    Action(
        "resend_verification",
        "Resend verification",
        "forward_to_inbox",
        "A new link is mailed. It works for two days.",
        "A new link is on its way to",
        administration.resend_verification,
        lambda user, locked: user.is_active and not user.is_verified,
    ),
    Action(
        "unlock",
        "Unlock",
        "lock_open",
        "The lock opens at once, and the wrong passwords before it are forgotten.",
        "Unlocked",
        unlock,
        lambda user, locked: locked,
        needless="was not locked",
    ),
    Action(
        "send_reset_code",
        "Send a reset code",
        "password",
        "A code to choose a new password with is mailed. Nobody else learns it.",
        "A reset code is on its way to",
        administration.send_reset_code,
        lambda user, locked: user.is_active,
    ),
    Action(
        "reactivate",
        "Reactivate",
        "person_check",
        "The owner may sign in again. Sessions that were ended stay ended.",
        "Reactivated",
        administration.reactivate,
        lambda user, locked: not user.is_active,
        needless="was not deactivated",
    ),
    Action(
        "make_admin",
        "Make admin",
        "add_moderator",
        "The user may sign in here, see everybody's data and do everything that this site can do.",
        "Made an admin",
        make_admin,
        lambda user, locked: not user.is_admin,
        needless="was an admin already",
    ),
    Action(
        "end_sessions",
        "End all sessions",
        "logout",
        "The user is signed out everywhere at once, and signs in again with the same password.",
        "Signed out everywhere",
        administration.end_all_sessions,
        takes=True,
    ),
    Action(
        "take_admin_away",
        "Take admin away",
        "remove_moderator",
        "The user may no longer sign in here. The account stays as a user's.",
        "No longer an admin",
        take_admin_away,
        lambda user, locked: user.is_admin,
        takes=True,
        needless="was not an admin",
    ),
    Action(
        "deactivate",
        "Deactivate",
        "person_off",
        "Every session ends at once, and nobody can sign in until the account is reactivated.",
        "Deactivated",
        administration.deactivate,
        lambda user, locked: user.is_active,
        takes=True,
        needless="was deactivated already",
    ),
    Action(
        "delete",
        "Delete",
        "delete",
        "The account and all that is the user's go for good: sessions, mails, attempts. This cannot be undone.",
        "Deleted",
        administration.delete,
        takes=True,
    ),
]

RESEND = Action(  # of mails
    "resend",
    "Send dead mails again",
    "forward_to_inbox",
    "Dead mails are queued again, each with all its tries. Any other mail is left as it is.",
    "Queued again",
    administration.resend_mail,
)


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the audit trail. No personal data, please.",
    )

    def __init__(self, *args: Any, required: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = required
        self.fields["reason"].label = "Reason" if required else "Reason (not needed)"


def reason_for(action: Action, request: HttpRequest) -> ReasonForm:
    """Valid once the action is confirmed, with a reason where it needs one."""
    return ReasonForm(request.POST if "confirmed" in request.POST else None, required=action.takes)


def question(
    page: Any, request: HttpRequest, action: Action, form: ReasonForm, chosen: Iterable[tuple[Any, str, str]], back: str
) -> TemplateResponse:
    """The page that asks first.

    Args:
        chosen: of each row its id, what it is called, and what is said beside that.
        back: where it is left to.
    """
    context = {**page.admin_site.each_context(request), "opts": page.opts, "title": action.label}
    context |= {"action": action, "chosen": list(chosen), "back": back, "form": form, "media": form.media}
    return TemplateResponse(request, "accounts/admin/confirm.html", context)

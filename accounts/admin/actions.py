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
from accounts.models import Role, User

REASON_LENGTH = 500


@dataclass(frozen=True)
class Action:
    """
    Args:
        effect: what will happen, for the page that asks first.
        done: what has happened, before a colon and the user's address.
        run: takes keyword arguments `user`, `by` and `reason`.
        applies: whether there is anything to do for this user, who is locked or not.
        inapplicable: what is said of a user to whom it does not apply. Empty: `run` says it, by raising an error.
        destructive: takes something away, so it requires a reason.
    """

    name: str
    label: str
    icon: str
    effect: str
    done: str
    run: Callable[..., Any]
    applies: Callable[[User, bool], bool] = lambda user, locked: True
    inapplicable: str = ""
    destructive: bool = False


def open_lock(*, user: User, by: Actor, reason: str) -> None:
    administration.unlock(address=user.email, by=by, reason=reason)


ACTIONS = [
    Action(
        "verify_address",
        "Verify address",
        "verified",
        "Marks the address as verified, without the link that was mailed to it.",
        "Verified",
        administration.verify_address,
        lambda user, locked: not user.is_verified,
        "is already verified",
    ),
    Action(
        "resend_verification",
        "Resend verification",
        "forward_to_inbox",
        "Mails a new link, which works for two days.",
        "Verification mail queued",
        administration.resend_verification,
        lambda user, locked: user.is_active and not user.is_verified,
    ),
    Action(
        "unlock",
        "Unlock",
        "lock_open",
        "Opens the lock at once and clears the count of wrong passwords.",
        "Unlocked",
        open_lock,
        lambda user, locked: locked,
        "is not locked",
    ),
    Action(
        "send_reset_code",
        "Send a reset code",
        "password",
        "Mails the user a code to choose a new password with. You will not see it.",
        "Reset code queued",
        administration.send_reset_code,
        lambda user, locked: user.is_active,
    ),
    Action(
        "reactivate",
        "Reactivate",
        "person_check",
        "Lets the user sign in again. Sessions that were ended stay ended.",
        "Reactivated",
        administration.reactivate,
        lambda user, locked: not user.is_active,
        "is not deactivated",
    ),
    Action(
        "grant_admin",
        "Grant admin role",
        "add_moderator",
        "Lets the user sign in to this site, see everyone's data and do everything you can do here.",
        "Admin role granted",
        partial(administration.set_role, role=Role.ADMIN),
        lambda user, locked: not user.is_admin,
        "is already an admin",
    ),
    Action(
        "end_sessions",
        "End all sessions",
        "logout",
        "Signs the user out everywhere at once. The same password signs them in again.",
        "Signed out everywhere",
        administration.end_all_sessions,
        destructive=True,
    ),
    Action(
        "revoke_admin",
        "Revoke admin role",
        "remove_moderator",
        "Bars the user from this site. The account itself stays.",
        "Admin role revoked",
        partial(administration.set_role, role=Role.USER),
        lambda user, locked: user.is_admin,
        "is not an admin",
        destructive=True,
    ),
    Action(
        "deactivate",
        "Deactivate",
        "person_off",
        "Ends every session at once and blocks signing in until the account is reactivated.",
        "Deactivated",
        administration.deactivate,
        lambda user, locked: user.is_active,
        "is already deactivated",
        destructive=True,
    ),
    Action(
        "delete",
        "Delete",
        "delete",
        "Permanently deletes the account and everything that belongs to it. This cannot be undone.",
        "Deleted",
        administration.delete,
        destructive=True,
    ),
]

RESEND = Action(  # of mails; `run` takes `mail` instead of `user`
    "resend",
    "Send dead mails again",
    "forward_to_inbox",
    "Dead mails are queued again, each with all its tries. Other mails are left as they are.",
    "Queued again",
    administration.resend_mail,
)


class ReasonForm(forms.Form):
    """Valid once the action is confirmed, with a reason where it requires one."""

    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
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
) -> TemplateResponse:
    """
    Args:
        selected: the id, the title and a note for each row.
    """
    context = {**page.admin_site.each_context(request), "opts": page.opts, "title": action.label}
    context |= {"action": action, "selected": list(selected), "cancel_url": cancel_url, "form": form}
    return TemplateResponse(request, "accounts/admin/confirm.html", context | {"media": form.media})

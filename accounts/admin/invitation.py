"""The page that creates a user: an invitation by mail, whose link leads to a page to choose a password."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from accounts.addresses import EMAIL_LENGTH
from accounts.admin.base import actor_of, changelist_url, user_url
from accounts.flows import administration
from accounts.models import NAME_LENGTH
from accounts.text import no_control_characters
from core.errors import ApiError


class InvitationForm(forms.Form):
    email = forms.CharField(  # the flow says what is no address
        max_length=EMAIL_LENGTH,
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget(attrs={"autofocus": True, "autocomplete": "off"}),
    )
    name = forms.CharField(
        max_length=NAME_LENGTH,
        required=False,
        label="Name (optional)",
        validators=[no_control_characters],
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def invitation_page(page: Any, request: HttpRequest) -> HttpResponseBase:
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        try:
            user = administration.invite(**form.cleaned_data, by=actor_of(request))
        except ApiError as error:
            form.add_error("email", str(error.detail))
        else:
            page.message_user(request, f"Invited: {user.email}.", messages.SUCCESS)
            return HttpResponseRedirect(user_url(user.pk))
    context = {**page.admin_site.each_context(request), "opts": page.opts, "title": "Invite a user"}
    context |= {
        "days": settings.UNVERIFIED_TTL / timedelta(days=1),
        "form": form,
        "media": form.media,
        "cancel_url": changelist_url("accounts_user"),
    }
    return TemplateResponse(request, "accounts/admin/invite.html", context)

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from accounts import events
from accounts.addresses import normalised
from accounts.flows import mail
from accounts.flows.sessions import end_sessions
from accounts.models import Mail, SecurityEvent, Session, User
from peerprep_users.clients import Client

OPERATOR = Client(ip=None, user_agent="")


class Command(changepassword.Command):
    help = "Sets a user's password, by e-mail address, and ends their sessions as every change of a password does."

    def handle(self, *args: Any, **options: Any) -> str | None:
        address = normalised(options["username"] or "")
        with transaction.atomic():
            done = super().handle(*args, **{**options, "username": address})
            user = User.objects.locked(email=address)
            if user is not None:
                end_sessions(user, Session.End.PASSWORD)
                events.record(SecurityEvent.Kind.PASSWORD_CHANGED, address=address, user=user, client=OPERATOR)
                mail.queue(Mail.Kind.PASSWORD_CHANGED, address, mail.circumstances(OPERATOR))
        return done

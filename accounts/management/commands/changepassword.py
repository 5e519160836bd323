from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from accounts.addresses import normalised
from accounts.audit.log import NO_CLIENT, Actor, Kind, record
from accounts.flows.sessions import end_sessions
from accounts.mail.queue import circumstances, enqueue
from accounts.management.base import Operation
from accounts.models import Mail, Session, User


class Command(Operation, changepassword.Command):
    help = "Sets a user's password, found by e-mail address, and ends all their sessions."
    examples = "changepassword alice@example.com"

    def handle(self, *args: Any, **options: Any) -> str | None:
        address = normalised(options["username"] or "")
        with transaction.atomic():
            done = super().handle(*args, **{**options, "username": address})
            user = User.objects.lock_any(email=address)
            if user is not None:
                end_sessions(user, Session.EndReason.PASSWORD)
                record(Kind.PASSWORD_CHANGED, by=Actor.operator(), address=address, user=user)
                enqueue(Mail.Kind.PASSWORD_CHANGED, address, circumstances(NO_CLIENT))
        return done

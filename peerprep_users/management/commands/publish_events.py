from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from accounts.management.base import Operation
from core.estimates import count_or_estimate
from core.jobs import Turn
from core.models import Event
from core.publisher import BROKER_ERRORS, broker_fault, publish_waiting


class Command(Operation):
    help = (
        "Publishes to RabbitMQ every event that waits, unless another publisher has them. `manage.py work` keeps "
        "publishing. Exit code 1: some still wait."
    )
    examples = "publish_events"

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.RABBITMQ_URL:
            raise CommandError("Events are off: RABBITMQ_URL is not set.")
        try:
            published = publish_waiting(Turn())
        except BROKER_ERRORS as exc:
            raise CommandError(f"RabbitMQ does not take events: {broker_fault(exc)}.") from None
        waiting = count_or_estimate(Event.objects.waiting())
        verdict = f"{published} published."
        if waiting.value:
            verdict += (
                f" Still waiting: {waiting}, new ones, or those of a publisher that is at work or has just failed."
            )
        self.report(verdict, ok=not waiting.value, published=published, waiting=waiting.value)

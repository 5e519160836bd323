"""Domain events: written in the transaction of the change that they tell of, and published afterwards."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from orjson import OPT_UTC_Z, dumps

from core.models import Event

SOURCE = "/user-service"


def emit(kind: Event.Type, user_id: UUID, **data: Any) -> None:
    """Writes an event, if events are published.

    In the transaction of the change, and after it has locked or written the user's row: so a user's events have the
    order of the changes.

    Args:
        data: nothing personal, and ids as text.
    """
    emit_all([Event(type=kind, user_id=user_id, data=data)])


def emit_all(events: Iterable[Event]) -> None:
    """The same for several at once, in their order."""
    if settings.RABBITMQ_URL:
        Event.objects.bulk_create(events)


def cloud_event(event: Event) -> bytes:
    """The event in the JSON format of CloudEvents 1.0."""
    content = {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE,
        "type": f"peerprep.{event.type}.v1",
        "subject": str(event.user_id),
        "time": event.created_at,
        "data": {"user_id": event.user_id, **event.data},
    }
    return dumps(content, option=OPT_UTC_Z)

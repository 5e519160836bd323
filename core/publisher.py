"""Publishes events to RabbitMQ, those of each user in the order of their positions.

Each is published only once RabbitMQ has taken the user's one before it, and deleted only once it is taken itself. So no
event reaches a queue for the first time before an earlier one of its user, wherever a publisher dies. That holds for
several publishers at once too; the claim only spares RabbitMQ what they would all send.

Events of different users are sent at once, in a transaction of AMQP, whose end RabbitMQ answers when it has all of them
on disk, or has refused one: waiting for its disk is what takes the time. Confirms say the same, but pika's blocking
channel waits for each. The transaction need not be atomic, and is not where RabbitMQ dies.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

import pika
from django.conf import settings
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from core.events import cloud_event
from core.jobs import Turn
from core.models import Event

log = logging.getLogger(__name__)

EXCHANGE = "user.events"
BROKER_ERRORS = (AMQPError, AMQPConnectorException, OSError)


@contextmanager
def connected_channel() -> Iterator[BlockingChannel]:
    """A channel of a new connection, which takes 3 s at most. One that goes silent later fails within 20 s."""
    parameters = pika.URLParameters(settings.RABBITMQ_URL)
    parameters.socket_timeout = parameters.stack_timeout = 3
    parameters.heartbeat = parameters.blocked_connection_timeout = 5
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        channel.tx_select()
        yield channel


def publish_waiting(turn: Turn) -> int:
    """Publishes what waits, until the turn is over. Returns how many.

    Raises:
        one of BROKER_ERRORS: the first event that is left stays claimed, so all publishers pause.
    """
    published = 0
    batch = Event.objects.claim()
    if batch:
        with connected_channel() as channel:
            while batch:
                published += publish_batch(channel, batch, turn)
                batch = [] if turn.is_over else Event.objects.claim()
    return published


def publish_batch(channel: BlockingChannel, batch: list[Event], turn: Turn) -> int:
    """One round at least, or a connection that takes a turn to open would publish none."""
    taken: list[int] = []
    try:
        for events in rounds(batch):
            for event in events:
                publish(channel, event)
            channel.tx_commit()
            taken += [event.pk for event in events]
            if turn.is_over:
                break
    finally:
        Event.objects.filter(pk__in=taken).delete()
    return len(taken)


def rounds(batch: list[Event]) -> list[list[Event]]:
    """The first event of each user, then the second of each, and so on."""
    of_user = defaultdict(list)
    for event in batch:
        of_user[event.user_id].append(event)
    return [list(filter(None, events)) for events in zip_longest(*of_user.values())]


def publish(channel: BlockingChannel, event: Event) -> None:
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=str(event.id),
    )
    channel.basic_publish(EXCHANGE, event.type, cloud_event(event), properties)


def publish_events(turn: Turn) -> None:
    try:
        publish_waiting(turn)
    except BROKER_ERRORS as exc:
        log.warning("Events could not be published", extra={"error": explained_failure(exc)})


def explained_failure(exc: Exception) -> str:
    """In a line; RabbitMQ quotes no password."""
    return " ".join(f"{type(exc).__name__}: {exc}".split())

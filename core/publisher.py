"""Publishes events to RabbitMQ, in the order of their positions.

Each is published only once RabbitMQ has confirmed the one before it, and deleted only once it is confirmed itself. So
no event reaches a queue for the first time before an earlier one of the outbox, wherever a publisher dies. That holds
for several publishers at once too; the claim only spares RabbitMQ what they would all send.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pika
from django.conf import settings
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ConnectionBlockedTimeout, ProbableAccessDeniedError, ProbableAuthenticationError

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
        channel.confirm_delivery()
        yield channel


def broker_fault(exc: Exception) -> str:
    """The end of a sentence: what is wrong with RabbitMQ. Of what is common, pika tells only names of exceptions."""
    parameters = pika.URLParameters(settings.RABBITMQ_URL)
    server = f"{parameters.host}:{parameters.port}"
    match exc:
        case socket.gaierror():
            return f"the name {parameters.host} does not resolve"
        case ProbableAuthenticationError():
            return f"{server} rejects the user name or the password"
        case ProbableAccessDeniedError():
            return f"{server} has no such virtual host, or not for this user"
        case _ if "ConnectionRefusedError" in repr(exc):
            return f"nothing listens at {server}"
        case _ if "imeout" in repr(exc) and not isinstance(exc, ConnectionBlockedTimeout):
            return f"{server} does not answer"
    return f"{server} failed: {getattr(exc, 'reply_text', '') or exc or type(exc).__name__}"


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
    """One at least, or a connection that takes a turn to open would publish none."""
    confirmed = []
    try:
        for event in batch:
            properties = pika.BasicProperties(
                content_type="application/cloudevents+json",
                delivery_mode=pika.DeliveryMode.Persistent,
                message_id=str(event.id),
            )
            channel.basic_publish(EXCHANGE, event.type, cloud_event(event), properties)  # waits for the confirm
            confirmed.append(event.pk)
            if turn.is_over:
                break
    finally:
        Event.objects.filter(pk__in=confirmed).delete()
    return len(confirmed)


def publish_events(turn: Turn) -> None:
    try:
        publish_waiting(turn)
    except BROKER_ERRORS as exc:
        log.warning("Events could not be published", extra={"error": repr(exc)})

"""The RabbitMQ on its standard port, and a service that listens to it."""

import json
import socket
from typing import Any, Self

import pika

from core.tests.services import give_up

URL = "amqp://guest:guest@127.0.0.1:5672/"


def require_rabbitmq() -> None:
    try:
        socket.create_connection(("127.0.0.1", 5672), timeout=1).close()
    except OSError:
        give_up("there is no RabbitMQ on its standard port")


class Listener:
    """Keeps what it gets, also what comes again.

    Args:
        queue: a durable one, which another listener can go on with; else it has one of its own as long as it lives.
        arguments: of the queue.
    """

    def __init__(self, url: str = URL, exchange: str = "user.events", queue: str = "", arguments: Any = None) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.exchange_declare(exchange, "topic", durable=True)
        declared = self.channel.queue_declare(queue, durable=bool(queue), exclusive=not queue, arguments=arguments)
        self.queue = declared.method.queue
        self.channel.queue_bind(self.queue, exchange, "#")
        self.events: list[dict[str, Any]] = []
        self.keys: list[str] = []

    def hear(self) -> "list[dict[str, Any]]":
        """All events up to now."""
        while (got := self.channel.basic_get(self.queue, auto_ack=True))[0]:
            method, properties, body = got
            event = json.loads(body)
            assert properties.content_type == "application/cloudevents+json" and properties.delivery_mode == 2
            assert event["id"] == properties.message_id
            self.events.append(event)
            self.keys.append(method.routing_key)
        return self.events

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.connection.close()

"""Where the processor time of a call goes, by layer. `bench/profile` runs it on a database of its own.

Each layer is called on its own, in this process: the time is that of this thread, the least of many batches, between
which the batches of the other layers run. What the server and the kernel do around a call is not in it, nor what
PostgreSQL does. A part's time on its own is not quite its share of the whole, so the remainders are approximate.
"""

import gc
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from tqdm import tqdm

from bench.compare.calls import Request
from bench.compare.prepare import (  # sets Django up, for what follows
    RECORDED_QUESTION,
    facts_of,
    fill,
    new_sessions,
    record,
    requests_of,
)
from bench.statements import replay

from django.db import connection  # isort: skip
from django.test import RequestFactory  # isort: skip
from django.urls import resolve  # isort: skip
from rest_framework.response import Response  # isort: skip

from accounts.authentication import BearerAuthentication
from accounts.models import Session, User
from accounts.tokens.jwt import AccessToken
from core.api import ApiViewSet
from core.json import JSONRenderer
from core.middleware import log_request
from peerprep_users.wsgi import application

ROUNDS, BATCH = 60, 8


class Layer(NamedTuple):
    """
    Args:
        prepared: makes the argument of a call from a session and its request; not timed.
    """

    name: str
    prepared: Callable[[Session, Request], Any]
    call: Callable[[Any], object]


def environ_of(session: Session, request: Request) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {request.token}"} if request.token else {}
    made = RequestFactory().generic(request.method, request.path, request.body, "application/json", headers=headers)
    return {**made.environ, "wsgi.input": BytesIO(request.body.encode())}


def answer(environ: dict[str, Any]) -> bytes:
    response = application(environ, lambda *_: None)
    try:
        return b"".join(response)
    finally:
        response.close()


def request_of(session: Session, request: Request) -> Any:
    return application.request_class(environ_of(session, request))


def view(request: Any) -> Any:
    match = resolve(request.path_info.rstrip("/"))
    response = match.func(request, *match.args, **match.kwargs)
    return response.render() if hasattr(response, "render") else response


class EmptyViewSet(ApiViewSet):
    authentication_classes = []  # noqa: RUF012
    permission_classes = []  # noqa: RUF012

    def show(self, request: Any) -> Response:
        return Response({})


empty_view = EmptyViewSet.as_view({"get": "show", "post": "show"})


def layers(name: str, session: Session) -> Iterator[Layer]:
    recording = record(name, session)
    session.refresh_from_db()
    [request] = requests_of(name, [session], RECORDED_QUESTION)
    shown = view(request_of(session, request))
    alone = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
    facts = {"method": request.method, "route": name, "status": 200, "seconds": 0.001, "request_id": "0" * 32}

    def values(session: Session, request: Request) -> dict[Any, Any]:
        return recording.values_for(facts_of(name, session, request))

    yield Layer("whole", environ_of, answer)
    yield Layer("view", request_of, view)
    yield Layer("log", lambda *_: facts, lambda facts: log_request(**facts))
    yield Layer("healthz", lambda *_: environ_of(session, Request("GET", "/healthz")), answer)
    if isinstance(shown, Response):
        yield Layer("drf", request_of, lambda request: empty_view(request).render())
        yield Layer("json", lambda *_: shown.data, JSONRenderer().render)
    if request.token:
        yield Layer("sign-in", request_of, BearerAuthentication().authenticate)
        yield Layer("token", lambda _, request: request.token, AccessToken.read)
    if recording.statements:
        yield Layer("statements", values, lambda values: replay(connection, recording, values))
        yield Layer("prepared", values, lambda values: replay(alone, recording, values))


def lines(least: dict[str, float]) -> Iterator[tuple[str, float]]:
    """What is printed. What has no layer of its own is the rest of the one around it."""
    part = {"drf": 0.0, "json": 0.0, "sign-in": 0.0, "token": 0.0, **least}
    yield "the whole call", part["whole"]
    yield "  middleware, handler, request slot", part["whole"] - part["view"] - part["log"]
    yield "  log line, metrics", part["log"]
    yield "  DRF around an empty view", part["drf"]
    yield "  sign-in: the token", part["token"]
    yield "  sign-in: session and user", part["sign-in"] - part["token"]
    yield "  JSON of the answer", part["json"]
    yield "  the view and its flow, the rest", part["view"] - part["drf"] - part["sign-in"] - part["json"]
    if "statements" in part:
        yield "all statements of it, by Django's cursor", part["statements"]
        yield "the same by psycopg, prepared", part["prepared"]
    yield "healthz, the whole call", part["healthz"]


def measure(of: list[Layer], items: Iterator[tuple[Session, Request]]) -> dict[str, float]:
    """The least time of each layer, in microseconds."""
    least = dict.fromkeys((layer.name for layer in of), float("inf"))
    for _ in tqdm(range(ROUNDS), leave=False, disable=None):
        for layer in random.sample(of, len(of)):
            arguments = [layer.prepared(*item) for item in islice(items, BATCH)]
            gc.collect()
            began = time.thread_time_ns()
            for argument in arguments:
                layer.call(argument)
            least[layer.name] = min(least[layer.name], (time.thread_time_ns() - began) / BATCH / 1000)
    return least


def main() -> None:
    name = sys.argv[1]
    for handler in logging.getLogger().handlers:
        handler.setStream(Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    gc.freeze()
    gc.disable()
    fill(users=200, attempts=100)
    users = list(User.objects.order_by("id"))
    of = list(layers(name, *new_sessions(users, 1)))
    sessions = new_sessions(users, ROUNDS * BATCH * len(of) if name == "refresh" else len(users))
    items = cycle(zip(sessions, requests_of(name, sessions), strict=True))
    for line, microseconds in lines(measure(of, items)):
        print(f"{line:42}{microseconds:7.0f} µs")


if __name__ == "__main__":
    main()

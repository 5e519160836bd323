"""How gunicorn serves the service, in development and in production alike.

gunicorn reads this file before Django is set up, so what needs Django is imported where it is used.
"""

import atexit
import ctypes
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from logging.config import dictConfig
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from selectors import EVENT_READ
from uuid import uuid4

from django.conf import settings
from gunicorn import glogging, util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import _DEFER, ThreadWorker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")


def make_metrics_folder():
    """Makes the folder in which each process counts in files of its own, as prometheus_client wants it.

    It is in /tmp, which a read-only container has too. A reload reads this file again in the same master and keeps the
    folder. A new master inherits the variable of the old one, whose folder it must not use.
    """
    prefix = f"peerprep-metrics-{os.getpid()}-"
    if not Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")).name.startswith(prefix):
        folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=prefix)
        atexit.register(remove_metrics_folder, folder, os.getpid())


def remove_metrics_folder(folder, master):
    if os.getpid() == master:  # workers inherit the exit handler
        shutil.rmtree(folder, ignore_errors=True)


make_metrics_folder()


def share_heaps():
    """Has all threads of a process share two of glibc's heaps. With one for each, what any thread ever used stays."""
    m_arena_max = -8  # of malloc.h
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(m_arena_max, 2)


share_heaps()


class Logger(glogging.Logger):
    """Formats gunicorn's own lines like the service's, from the start on."""

    def __init__(self, cfg):
        print("Loading the application", flush=True)  # comes next, once in a master, and takes seconds
        super().__init__(cfg)

    def setup(self, cfg):
        super().setup(cfg)
        dictConfig(settings.LOGGING)


ACCEPT_DELAY = 0.001  # seconds
NO_WORKER = 2**31 - 1
# How many each worker has, old and new ones during a reload, in memory that all of them share. Only a hint: in time two
# workers may come to share a place.
connections = RawArray("i", [NO_WORKER] * 2 * settings.WORKERS)


def place_of(worker):
    return worker.age % len(connections)


class Worker(ThreadWorker):
    @property
    def nr_conns(self):
        return self.own_connections

    @nr_conns.setter
    def nr_conns(self, count):
        self.own_connections = connections[place_of(self)] = count

    def accept(self, listener):
        """Lets workers with fewer connections go first. Otherwise the one that wakes first takes nearly all of a burst.

        That gives about 1.2 times the throughput at 16 connections that are kept, and half the p99, kept or not.
        If they are busy it accepts all the same, so nothing waits for a worker that is starting, hangs or has died.
        """
        if self.nr_conns > min(connections):
            time.sleep(ACCEPT_DELAY)
        super().accept(listener)

    def handle_error(self, req, client, addr, exc):
        """Answers malformed HTTP in JSON. gunicorn answers it in HTML, and logs what was sent, secrets included."""
        from core.errors import ErrorResponse, Failed, HeadersTooLarge, MalformedRequest, UrlTooLong
        from core.middleware import log_request

        request_id = uuid4().hex
        if isinstance(exc, ParseException):
            known = {LimitRequestLine: UrlTooLong, LimitRequestHeaders: HeadersTooLarge}
            error = known.get(type(exc), MalformedRequest)()
        else:
            self.log.error("Error handling request", exc_info=exc, extra={"request_id": request_id})
            error = Failed()
        response = ErrorResponse(error)
        response.headers["Connection"] = "close"
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Length"] = str(len(response.content))
        if client.first_bytes.startswith(b"HEAD "):
            response.content = b""
        response.headers["X-Request-ID"] = request_id
        with suppress(OSError):  # the client may have disconnected
            status_line = f"HTTP/1.1 {response.status_code} {response.reason_phrase}\r\n"
            util.write_nonblock(client, status_line.encode() + response.serialize())
        log_request(method="OTHER", route="malformed", status=error.status, seconds=0.0, request_id=request_id)

    # --- Slow clients: see core/slow_clients.py

    def enqueue_req(self, conn):
        from core.slow_clients import ClientSocket

        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket.of(conn.sock)
        super().enqueue_req(conn)

    def handle(self, conn):
        """Answers a request. No thread waits for the first byte of it, and the main thread for no client's last.

        gunicorn would wait 5 s for the one, and up to 2 s for the other.
        """
        if not conn.initialized and not conn.wait_for_data(0):
            return _DEFER
        conn.sock.begin_request()
        is_kept = super().handle(conn)
        if not is_kept:
            conn.sock.linger()
        return is_kept

    # --- The end of a process: after SIGTERM from the master, which may only reload, or once the master is dead

    def is_parent_alive(self):
        self.alive = self.alive and super().is_parent_alive()
        return self.alive

    def set_accept_enabled(self, enabled):
        """Gives up the port at the end. gunicorn would keep it, and accept nothing, until every client is gone."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()

    def finish_request(self, conn, fs):
        """Keeps a connection also at the end, if its client was told so and may be sending the next request."""
        if self.alive or fs.cancelled() or fs.exception() or fs.result() is not True:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def wait_for_and_dispatch_events(self, timeout):
        """Returns in time to close idle connections. At the end gunicorn would wait until the graceful timeout."""
        super().wait_for_and_dispatch_events(min(timeout, 1.0))

    def handle_quit(self, sig, frame):
        """Exits at once; Python would first join the threads that wait for a silent client.

        Ctrl-C sends one signal from the terminal and one from the master. The second must not interrupt the first,
        which may hold a lock.
        """
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        stop_background(self, timeout=2)
        os._exit(0)


bind = f"{settings.HOST}:{settings.PORT}"
wsgi_app = "peerprep_users.wsgi"
preload_app = True  # a bad setting stops the start once, and the workers share what is loaded
workers = settings.WORKERS
worker_class = Worker
threads = settings.THREADS  # most of them wait: see core/concurrency.py
timeout = 60
graceful_timeout = 30
keepalive = 5
http_parser = "python"  # the fast one has no wheel for Python 3.11, and treats some malformed requests differently
limit_request_line = 8190  # the service itself refuses a value of a query that is too long
limit_request_field_size = 16384  # the service itself refuses a token of 8 KiB
forwarded_allow_ips = ""  # not even a peer on this host may set SCRIPT_NAME; Django reads X-Forwarded-* itself
control_socket_disable = True
accesslog = None  # the service logs its requests itself, with their ids
loglevel = "warning"
logger_class = Logger


def on_starting(server):
    """Says in one line why it cannot start. Loads what the first login would have to wait for."""
    try:
        family = socket.AF_INET6 if settings.HOST.startswith("[") else socket.AF_INET
        socket.create_server((settings.HOST.strip("[]"), settings.PORT), family=family).close()
    except OSError as exc:
        sys.exit(f"Cannot listen on {bind}: {str(exc.strerror).partition(' (')[0]}.")
    from accounts.addresses import validate_address
    from accounts.devices import device_name
    from peerprep_users.legacy.detection import TAKE_OVER, found_at_start

    if found_at_start():
        sys.exit(TAKE_OVER)
    device_name("")
    validate_address("anybody@example.com")  # compiles Django's expression, which takes 50 ms
    if settings.REDIS_URL:
        import core.redis_counts  # noqa: F401


def when_ready(server):
    gc.freeze()  # what is loaded stays, so no process looks for garbage in it, or copies it in doing so
    python = os.path.relpath(Path(sys.executable).with_name("python"))
    shown = "localhost" if settings.HOST in {"0.0.0.0", "[::]", "127.0.0.1"} else settings.HOST
    base = f"http://{shown}:{settings.PORT}"
    mail = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}" if settings.EMAIL_HOST else "this console"
    print(
        f"{settings.APP_NAME} is ready. Mail goes to {mail}. Ctrl-C stops it.",
        f"  Start page     {base}/",
        f"  Documentation  {base}/docs",
        f"  Admin site     {base}/admin/",
        f"To become an admin: {python} manage.py createsuperuser",
        sep="\n",
        flush=True,
    )


def pre_request(worker, req):
    """Announces `Connection: close` where the body may be refused unread: its rest would look like the next request.

    The length of a chunked body is known only once it has been read.
    """
    headers = dict(req.headers)
    if "TRANSFER-ENCODING" in headers or int(headers.get("CONTENT-LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        req.force_close()


def post_worker_init(worker):
    from core.jobs import Worker as BackgroundWorker
    from core.metrics import WORKER_COUNT

    WORKER_COUNT.set(1)
    if settings.BACKGROUND_JOBS:
        from peerprep_users.jobs import JOBS

        worker.background = BackgroundWorker(JOBS)
        worker.background.start()


def stop_background(worker, timeout):
    """Lets the job under way finish. A worker that is still starting has no background thread yet."""
    if hasattr(worker, "background"):
        worker.background.stop(timeout)


def worker_exit(server, worker):
    stop_background(worker, timeout=15)


def child_exit(server, worker):
    """Takes a process that has ended out of the gauges. What it counted stays counted."""
    from prometheus_client.multiprocess import mark_process_dead

    connections[place_of(worker)] = NO_WORKER
    mark_process_dead(worker.pid)

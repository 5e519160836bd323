"""How gunicorn serves the service, in development and in production alike."""

import atexit
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from http import HTTPStatus
from logging.config import dictConfig
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from gunicorn import glogging, util
from gunicorn.workers.gthread import ThreadWorker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peerprep_users.settings")


def make_metrics_folder():
    """Where each process counts in files of its own, new for each master: /tmp, which a read-only container has too.

    prometheus_client looks for it when it is imported. A reload reads this file again, in the same master; a new
    master inherits the variable of the old one, which still has that folder.
    """
    prefix = f"peerprep-metrics-{os.getpid()}-"
    if not Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")).name.startswith(prefix):
        folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=prefix)
        atexit.register(remove_metrics_folder, folder, os.getpid())


def remove_metrics_folder(folder, master):
    if os.getpid() == master:  # a worker inherits what is to be done at the exit
        shutil.rmtree(folder, ignore_errors=True)


make_metrics_folder()

bind = f"{settings.HOST}:{settings.PORT}"
wsgi_app = "peerprep_users.wsgi"
preload_app = True  # a bad setting stops the start once, and the workers share what is loaded


def write_error(sock, status_int, reason, mesg):
    """Answers what is no HTTP request in the form of every other error; gunicorn's own answer is HTML."""
    if status_int == HTTPStatus.NOT_IMPLEMENTED:  # a transfer coding that nobody knows is the client's mistake
        status_int, reason = 400, "Bad Request"
    code = "request_too_large" if status_int in {413, 414, 431} else "bad_request"
    body = json.dumps({"detail": f"This is not a valid HTTP request: {reason}.", "code": code}).encode()
    request_id = uuid4().hex
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Cache-Control: no-store\r\nX-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, head.encode("latin-1") + body)
    from core.access_log import MALFORMED, OTHER, note  # noqa: PLC0415 - Django is set up only now

    note(method=OTHER, route=MALFORMED, status=int(status_int), seconds=0.0, request_id=request_id)


util.write_error = write_error


class Logger(glogging.Logger):
    """Writes gunicorn's own lines as the service writes its lines, before Django is set up too."""

    def setup(self, cfg):
        super().setup(cfg)
        dictConfig(settings.LOGGING)


class Worker(ThreadWorker):
    """A thread worker that a client's idle connection does not keep from stopping.

    The stock worker waits for such connections until the graceful timeout is over.
    """

    def handle_exit(self, sig, frame):
        for connection in list(self.keepalived_conns):
            connection.timeout = 0
        super().handle_exit(sig, frame)

    def handle_quit(self, sig, frame):
        """Leaves at once: the interpreter would first wait for threads that read from a client that says nothing.

        Ctrl-C brings one signal from the terminal and one from the master. The second must not interrupt the first
        while that holds a lock.
        """
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        stop_background(self, timeout=2)
        os._exit(0)


# Processes rather than threads: see peerprep_users/seats.py for what the threads are there for.
workers = settings.WORKERS
worker_class = Worker
threads = settings.THREADS
timeout = 60
graceful_timeout = 30
keepalive = 5
http_parser = "python"  # the other one needs a compiler to install, and answers some malformed requests differently
limit_request_line = 8190  # so that the service itself refuses a value of a query that is too long
limit_request_field_size = 16384  # so that the service itself refuses a token of 8 KiB
control_socket_disable = True
accesslog = None  # the service logs its requests itself, with their ids
loglevel = "warning"
logger_class = Logger


def on_starting(server):
    """Says in one line where it cannot listen; loads what the first login would have to wait for."""
    try:
        family = socket.AF_INET6 if settings.HOST.startswith("[") else socket.AF_INET
        socket.create_server((settings.HOST.strip("[]"), settings.PORT), family=family).close()
    except OSError as exc:
        sys.exit(f"Cannot listen on {bind}: {str(exc.strerror).partition(' (')[0]}.")
    from accounts.devices import device_name  # noqa: PLC0415 - Django is set up only now

    device_name("")


def when_ready(server):
    shown = "localhost" if settings.HOST in {"0.0.0.0", "[::]"} else settings.HOST
    base = f"http://{shown}:{settings.PORT}"
    mail = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}" if settings.EMAIL_HOST else "this console"
    print(
        f"{settings.APP_NAME} listens on {base} (docs: {base}/docs, mail goes to {mail}). Ctrl-C stops it.", flush=True
    )


def pre_request(worker, req):
    """A body that is too large is refused unread, so nothing more can come on its connection: the answer says so.

    How large a chunked one is, is known only when it has been read.
    """
    headers = dict(req.headers)
    if "TRANSFER-ENCODING" in headers or int(headers.get("CONTENT-LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        req.force_close()


def post_worker_init(worker):
    from core.jobs import Worker as BackgroundWorker  # noqa: PLC0415 - Django is set up only now
    from core.metrics import WORKERS  # noqa: PLC0415
    from peerprep_users.jobs import JOBS  # noqa: PLC0415

    WORKERS.set(1)
    if settings.BACKGROUND_JOBS:
        worker.background = BackgroundWorker(JOBS)
        worker.background.start()


def stop_background(worker, timeout):
    """Lets a job under way finish. A worker that is still starting has none yet."""
    if hasattr(worker, "background"):
        worker.background.stop(timeout)


def worker_exit(server, worker):
    stop_background(worker, timeout=15)


def child_exit(server, worker):
    """Takes a process that has ended out of the gauges. What it counted stays counted."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - it looks for its folder

    mark_process_dead(worker.pid)

"""What lies between the service and its database."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

from psycopg.conninfo import conninfo_to_dict

from core.tests.servers import free_port
from core.tests.services import program
from core.tests.waiting import PATIENCE, wait_until


def rerouted(url: str, port: int) -> str:
    """The same database, by way of a port of this host."""
    parts = urlsplit(url)
    user = f"{parts.username}:{parts.password}" if parts.password else f"{parts.username}"
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}", query=""))


# It uses several connections in turn, so that no two statements of a client meet on one by chance.
PGBOUNCER = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_login_retry = 1
server_round_robin = 1
min_pool_size = 3
"""


class ForgetfulProxy:
    """Forwards TCP connections until it forgets those that are open: both ends hear nothing more, not even a reset."""

    def __init__(self, url: str) -> None:
        server = conninfo_to_dict(url)
        self.host, self.port = str(server["host"]), int(server.get("port") or 5432)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = rerouted(url, self.listener.getsockname()[1])
        self.age = 0
        self.sockets = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                upstream = self.connect()
                self.sockets += [client, upstream]
                for ends in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self.forward, args=(*ends, self.age), daemon=True).start()

    def connect(self) -> socket.socket:
        if not self.host.startswith("/"):
            return socket.create_connection((self.host, self.port))
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(f"{self.host}/.s.PGSQL.{self.port}")
        return upstream

    def forward(self, source: socket.socket, target: socket.socket, age: int) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if age == self.age:
                    target.sendall(data)
            if age == self.age:
                target.shutdown(socket.SHUT_WR)

    def forget(self) -> None:
        self.age += 1

    def close(self) -> None:
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class PgBouncer:
    """A PgBouncer in transaction mode that leads to a database, set as `docs/operation.md` says."""

    def __init__(self, url: str, folder: Path) -> None:
        self.port, self.settings = free_port(), folder / "pgbouncer.ini"
        self.url = rerouted(url, self.port)
        self.lead_to(url)
        # It refuses to run as root; a socket's folder may be open to its owner alone.
        host = str(conninfo_to_dict(url)["host"])
        user = Path(host).owner() if host.startswith("/") else "nobody"
        as_another = ["setpriv", f"--reuid={user}", "--clear-groups", "--regid=nogroup"] if os.getuid() == 0 else []
        self.command = [*as_another, program("pgbouncer"), "-q", str(self.settings)]

    def lead_to(self, url: str) -> None:
        """From the next start or `reload` on."""
        server = conninfo_to_dict(url)
        target = " ".join(f"{name}={server[name]}" for name in ("host", "port", "user", "password") if name in server)
        self.settings.write_text(PGBOUNCER.format(target=target, port=self.port))

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        self.process = subprocess.Popen(self.command)
        wait_until(lambda: self.process.poll() is not None or is_open(self.port))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@contextmanager
def pgbouncer(url: str) -> Iterator[PgBouncer]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        pooler = PgBouncer(url, folder)
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.kill()


def is_open(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False

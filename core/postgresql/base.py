"""Django's PostgreSQL backend, for connections that fall silent, become read-only, or lead to a pooler."""

import time
from contextlib import suppress
from typing import Any, Self, TypeVar

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from psycopg.abc import PQGen
from psycopg.errors import QueryCanceled, _WaitTimeout
from psycopg.types.datetime import TimestamptzLoader

IDLE_SECONDS = 1.0
CHECK_SECONDS = 2.0
CANCEL_SECONDS = 1.0
STATEMENT_SECONDS = 15.0  # of a command or a background job
LOCK_SECONDS = 2.0  # that a migration waits for a table: less than a request has

ResultT = TypeVar("ResultT")


class Connection(psycopg.Connection[Any]):
    """Gives up a statement after `seconds`, whether the server is slow, waits for a lock, or cannot be reached.

    The server's own `statement_timeout` does not help against a network that drops packets, and PgBouncer refuses it
    at the start of a connection, or loses it between transactions.
    """

    seconds: float | None = STATEMENT_SECONDS

    def wait(self, gen: PQGen[ResultT], interval: float = 0.1, timeout: float | None = None) -> ResultT:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.seconds)
        except _WaitTimeout:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.close()
            raise QueryCanceled(f"no result within {self.seconds:g} s") from None


class SchemaEditor(DatabaseSchemaEditor):
    """Gives up a table's lock soon: all statements that come after one that waits for it wait too."""

    def __enter__(self) -> Self:
        super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            self.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS:g}s'", params=None)
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """Limits the time of every statement, and checks a persistent connection only if it was idle for a second or more.

    `CONN_HEALTH_CHECKS` costs a round trip per request. A connection that was used within the last second is taken to
    work. If it broke in that second, the request is answered with 503 and the next one is checked.
    """

    SchemaEditorClass = SchemaEditor

    statement_seconds: float | None = STATEMENT_SECONDS
    deadline = 0.0  # until which a statement may take longer
    _last_used = 0.0

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        self.isolation_level = IsolationLevel.READ_COMMITTED
        connection = Connection.connect(**conn_params)
        # Django's own is in Python and takes 4 µs a time. Both give UTC, which connections are in.
        connection.adapters.register_loader("timestamptz", TimestamptzLoader)
        connection.seconds = self.seconds_for_statement
        return connection

    def init_connection_state(self) -> None:
        """A client that dies without a word must not hold its locks for as long as TCP takes to notice.

        PgBouncer hands the setting to one of its connections, which is harmless, since all clients set the same. It may
        hand the next statement to another one, which knows none that were prepared.
        """
        super().init_connection_state()
        cursor = self.connection.execute(
            "SELECT pg_backend_pid(), set_config('idle_in_transaction_session_timeout', '30s', false)"
        )
        if cursor.fetchone()[0] != self.connection.info.backend_pid:  # a pooler makes one up
            self.connection.prepare_threshold = None

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:
        """Does not connect for it at the end of a transaction whose connection broke: a new one has it anyway."""
        if autocommit and self.connection is None:
            self.autocommit = True
            return
        super().set_autocommit(autocommit, *args, **kwargs)

    def close_if_health_check_failed(self) -> None:
        if self.connection is not None and time.monotonic() - self._last_used < IDLE_SECONDS:
            self.health_check_done = True
            return
        super().close_if_health_check_failed()

    def is_usable(self) -> bool:
        """Whether it answers soon and may write: after a failover, the old primary may answer and be read-only.

        Django closes a connection that is not usable. It asks this after an error too, which may mean that a migration
        has made a prepared statement invalid: it would fail again and again.
        """
        if self.connection is None or self.errors_occurred:
            return False
        self.connection.seconds = CHECK_SECONDS
        try:
            return bool(self.connection.execute("SHOW transaction_read_only").fetchone() == ("off",))
        except psycopg.Error:
            return False

    def create_cursor(self, name: str | None = None) -> Any:
        self._last_used = time.monotonic()
        self.connection.seconds = self.seconds_for_statement
        return super().create_cursor(name) if name else self.connection.cursor()

    @property
    def seconds_for_statement(self) -> float | None:
        return self.statement_seconds and max(self.statement_seconds, self.deadline - time.monotonic())

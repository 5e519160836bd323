"""Redis and the SMTP server fail under load: no call shows it, and no mail is lost."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from core.tests.smtp import HANG_UP, POLITE, SILENCE, scripted
from tests.faults.load import Load
from tests.faults.neighbours import RedisServer
from tests.faults.service import serving

pytestmark = [pytest.mark.slow, pytest.mark.faults]
LIMITS = ("LOGIN", "REGISTER", "REFRESH")
MUCH = {f"RATE_LIMIT_{name}": "100000/min" for name in LIMITS}
TROUBLES = [{"greeting": "421 too busy"}, {"greeting": SILENCE}, {"content": HANG_UP}, {"RCPT": "451 later"}]


def test_no_call_shows_that_redis_fails(database: str, tmp_path: Path, verify: Callable[..., None]) -> None:
    with (
        RedisServer() as redis,
        serving(tmp_path / "log", database, RATE_LIMIT_ENABLED="true", REDIS_URL=redis.url, **MUCH) as service,
    ):
        with Load(service, database) as load:
            time.sleep(3)  # it is not there yet
            redis.start()
            time.sleep(3)
            redis.send(signal.SIGSTOP)
            time.sleep(3)
            redis.send(signal.SIGCONT)
            time.sleep(1)
            redis.kill()
            time.sleep(3)
            redis.start()
            time.sleep(3)
        verify(load)


def test_every_mail_is_delivered_after_trouble_with_its_server(
    database: str, tmp_path: Path, verify: Callable[..., None]
) -> None:
    with scripted() as smtp:
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(smtp.port), "MAIL_STARTTLS": "false"}
        with serving(tmp_path / "log", database, **mail, USE_CREDENTIALS="false") as service:
            with Load(service, database) as load:
                time.sleep(1)
                for trouble in TROUBLES:
                    smtp.answers = POLITE | trouble
                    time.sleep(4)
                smtp.answers = POLITE
                time.sleep(2)
            verify(load)
    with psycopg.connect(database) as connection:
        sent = {to for (to,) in connection.execute("SELECT \"to\" FROM mails WHERE state = 'sent'")}
    arrived = set(re.findall(r"^To: (\S+)", b"".join(smtp.contents).decode(), re.MULTILINE))
    assert set(load.registered) <= sent & arrived

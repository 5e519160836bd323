"""How long register and forgot-password take while the SMTP server is healthy, refuses, or says nothing for 30 s.

`python -m bench.mail_latency` starts the service on an SQLite file of its own, once for each server, at the real cost
of a password hash, and prints the medians of calls one after the other, and their ratio to those with a healthy server.
"""

import statistics
import tempfile
import time
from contextlib import nullcontext

import httpx

from core.tests.servers import free_port, migrate, served
from core.tests.smtp import SILENCE, scripted

CALLS = 40


def durations(http, path, bodies):
    for body in bodies:
        started = time.perf_counter()
        answer = http.post(path, json=body)
        yield (time.perf_counter() - started) * 1000
        assert answer.is_success, answer.text


def medians(smtp_port):
    """Of register and of forgot-password, in milliseconds."""
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(smtp_port), "MAIL_STARTTLS": "false", "LOG_LEVEL": "CRITICAL"}
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/bench.sqlite3"
        migrate(database)
        with (
            served(free_port(), DATABASE_URL=database, WEB_CONCURRENCY="2", **mail) as base_url,
            httpx.Client(base_url=base_url, trust_env=False, timeout=60) as http,
        ):
            people = [{"email": f"user{n}@example.com", "password": "correct horse battery"} for n in range(CALLS)]
            registering = list(durations(http, "/auth/register", people))
            asking = list(durations(http, "/auth/forgot-password", [{"email": one["email"]} for one in people]))
    return statistics.median(registering), statistics.median(asking)


def main():
    servers = {
        "healthy": scripted(),
        "refusing": nullcontext(None),
        "silent": scripted(greeting=SILENCE),
    }
    base = None
    for name, server in servers.items():
        with server as running:
            found = medians(running.port if running else free_port())
        base = base or found
        shown = [f"{value:.1f} ms (× {value / healthy:.2f})" for value, healthy in zip(found, base, strict=True)]
        print(f"{name:>8}: register {shown[0]}, forgot-password {shown[1]}")


if __name__ == "__main__":
    main()

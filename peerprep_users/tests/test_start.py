"""Starting and stopping the server: bad settings stop it at once, Ctrl-C soon, a lost database not at all."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from accounts.models import User
from accounts.tokens.jwt import verification_token
from core.tests.browsers import BROWSER
from core.tests.servers import ROOT, free_port, wait_for
from core.tests.waiting import wait_until

pytestmark = pytest.mark.slow

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
MIGRATE = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
SOON = 15  # seconds, on a busy machine; waiting for clients would take the 30 of gunicorn's `graceful_timeout`
BAD = [
    ("PORT", {"PORT": "abc"}),
    ("DATABASE_URL", {"DATABASE_URL": "mysql://user:hidden@db.example/users"}),
    ("SECRET_KEY", {"ENV": "prod", "SECRET_KEY": "hidden"}),
]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    database = f"sqlite:///{folder / 'db.sqlite3'}"
    own = {"HOST": "127.0.0.1", "PORT": str(free_port()), "DATABASE_URL": database, "WEB_CONCURRENCY": "1"}
    return {**os.environ, **own, **variables}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A server in a process group of its own, as a terminal would start it, and its port."""
    variables = environment(tmp_path)
    with subprocess.Popen(
        GUNICORN, cwd=ROOT, env=variables, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            wait_for(f"http://127.0.0.1:{variables['PORT']}/readyz", process)
            yield process, int(variables["PORT"])
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("name", "variables"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_it_is_stopped_by_a_bad_variable_with_one_clear_line(
    tmp_path: Path, name: str, variables: dict[str, str]
) -> None:
    command = MIGRATE if name == "PORT" else GUNICORN  # both read the same settings
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert done.returncode != 0
    assert [line for line in lines if not line.startswith(f"Configuration error: {name} must be ")] == []
    assert len(lines) == 1
    assert variables[next(reversed(variables))] not in done.stderr.replace("ENV=prod", "")


def test_a_database_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    variables = environment(tmp_path, DATABASE_URL=f"postgresql://user:hidden@127.0.0.1:{free_port()}/users")
    done = subprocess.run(MIGRATE, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("The database does not answer: ") and len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "nosuch.invalid"])
def test_where_it_cannot_listen_is_said_in_one_line(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = environment(tmp_path, HOST=host, PORT=str(taken.getsockname()[1]))
        done = subprocess.run(
            GUNICORN, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cannot listen on {host}:") and len(done.stderr.splitlines()) == 1


def test_it_says_where_to_go_and_how_to_become_an_admin(server: tuple["subprocess.Popen[bytes]", int]) -> None:
    output = server[0].stdout
    assert output
    assert output.readline() == b"Loading the application\n"
    said = [output.readline().decode() for _ in range(5)]
    links = [line.split()[-1] for line in said[1:4]]
    assert all(link.startswith("http://localhost:") for link in links)
    assert [httpx.get(link, headers=BROWSER, follow_redirects=True).status_code for link in links] == [200] * 3
    command = said[4].partition(": ")[2].split()
    assert subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, check=True).stdout


def test_a_step_of_make_is_never_silent_for_long() -> None:
    command = [".ci/step", "Doing it", "sh", "-c", "echo It failed. >&2; sleep 2; exit 3"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 3
    assert re.fullmatch(rb"Doing it\.+\nIt failed\.\n", done.stdout)


def stopped(process: "subprocess.Popen[bytes]") -> tuple[int, float, str]:
    """Presses Ctrl-C. The exit code, the seconds that it took, and what was said."""
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - began, (output + errors).decode()


def test_it_is_stopped_by_ctrl_c_while_clients_dawdle(server: tuple["subprocess.Popen[bytes]", int]) -> None:
    process, port = server
    with ExitStack() as stack:
        for sent in (b"", b"GET /healthz HT", b"POST /auth/login HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
            stalled = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            stalled.sendall(sent)
        kept = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        assert kept.get("/healthz").status_code == 200  # by now the others are being read
        code, seconds, said = stopped(process)
    assert (code, seconds < SOON) == (0, True)
    assert "Traceback" not in said


def test_a_kept_connection_is_not_cut_by_a_reload_or_a_stop(server: tuple["subprocess.Popen[bytes]", int]) -> None:
    process, port = server
    for number in (signal.SIGHUP, signal.SIGTERM):
        connections = [HTTPConnection("127.0.0.1", port, timeout=SOON) for _ in range(10)]
        assert [answer_on(each)[0] for each in connections] == [200] * 10
        process.send_signal(number)
        while connections:
            answers = [(each, answer_on(each)) for each in connections]
            assert {answer for _, answer in answers} <= {(200, "keep-alive"), (200, "close")}
            connections = [each for each, answer in answers if answer == (200, "keep-alive")]


def answer_on(connection: HTTPConnection) -> tuple[int, str | None]:
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection")


def test_the_workers_of_a_killed_master_give_up_the_port(server: tuple["subprocess.Popen[bytes]", int]) -> None:
    process, port = server
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/healthz").status_code == 200
        process.kill()
        process.wait()
        began = time.monotonic()
        wait_until(lambda: is_free(port))
        assert time.monotonic() - began < SOON


HEAPS = """
import ctypes, runpy, threading
runpy.run_path("deploy/gunicorn.conf.py")
libc = ctypes.CDLL(None)
barrier = threading.Barrier(20)
def allocate():
    barrier.wait()
    libc.malloc(1000)
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_the_threads_of_a_process_share_two_heaps(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HEAPS]
    done = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=True)
    assert 1 <= done.stdout.count("<heap nr=") <= 2


ACCEPTED = """
import os, runpy, socket, time
from gunicorn.config import Config
Worker = runpy.run_path("deploy/gunicorn.conf.py")["Worker"]
Worker.accept.__globals__["ACCEPT_DELAY"] = 1
Worker.enqueue_req = lambda self, conn: None
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
workers = [Worker(age, 0, [listener], None, 30, Config(), None) for age in (1, 2)]
workers[0].accept(listener)
if os.fork() == 0:
    time.sleep(0.2)
    workers[1].accept(listener)
    os._exit(0)
workers[0].accept(listener)
os.wait()
print(list(Worker.accept.__globals__["connections"]))
"""


def test_a_process_lets_one_with_fewer_connections_accept_first(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ACCEPTED]
    done = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 1]\n"


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server answers whose PostgreSQL is not there."""
    log = tmp_path_factory.mktemp("down") / "log"
    url = f"postgresql://user:hidden@127.0.0.1:{free_port()}/users"
    variables = environment(log.parent, DATABASE_URL=url)
    base = f"http://127.0.0.1:{variables['PORT']}"
    with (
        log.open("wb") as out,
        subprocess.Popen(GUNICORN, cwd=ROOT, env=variables, stdout=out, stderr=out) as process,
    ):
        try:
            wait_for(f"{base}/healthz", process)
            yield base
        finally:
            process.terminate()
            process.wait(40)
    assert "hidden" not in log.read_text()


class TestWithoutItsDatabase:
    """PostgreSQL is not there; the service starts, says so, and waits for it."""

    def test_it_is_alive(self, base_url: str) -> None:
        assert httpx.get(f"{base_url}/healthz").json() == {"ok": True}

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/readyz"),
            ("POST", "/auth/login"),
            ("POST", "/auth/register"),
            ("POST", "/auth/forgot-password"),
            ("POST", "/auth/verify-reset-code"),
        ],
    )
    def test_it_answers_try_later(self, base_url: str, method: str, path: str) -> None:
        body = {"email": "nobody@example.com", "password": "a fine long password", "code": "123456"}
        answer = httpx.request(method, base_url + path, json=body)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert {"detail", "code"} <= set(answer.json())

    def test_requests_that_need_the_database_keep_no_other_waiting(self, base_url: str) -> None:
        def forgot(number: int) -> int:
            body = {"email": f"{number}@example.com"}
            return httpx.post(f"{base_url}/auth/forgot-password", json=body, timeout=60).status_code

        with ThreadPoolExecutor(16) as pool:
            answers = [pool.submit(forgot, number) for number in range(16)]
            began = time.monotonic()
            assert httpx.get(f"{base_url}/healthz", timeout=60).status_code == 200
            assert time.monotonic() - began < 3  # what a probe allows
            assert {answer.result() for answer in answers} == {503}

    @pytest.mark.parametrize(("method", "path"), [("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/verify-email")])
    def test_it_answers_what_needs_no_database(self, base_url: str, method: str, path: str) -> None:
        assert httpx.request(method, base_url + path).status_code == 200

    @pytest.mark.parametrize(
        "sent",
        [{"token": verification_token(User(email="una@example.com"))}, {"email": "una+1@example.com"}],
        ids=["token", "email"],
    )
    def test_the_button_of_a_mailed_link_can_be_pressed_again(self, base_url: str, sent: dict[str, str]) -> None:
        answer = httpx.post(f"{base_url}/verify-email", data=sent, headers=BROWSER)
        ((name, value),) = sent.items()
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert f'<form method="post"><input type="hidden" name="{name}" value="{value}">' in answer.text
        assert int(answer.headers["Retry-After"]) >= 1 and answer.headers["X-Request-ID"] in answer.text

    def test_the_admin_site_says_so_and_repeats_no_password(self, base_url: str) -> None:
        with httpx.Client(base_url=base_url, headers=BROWSER) as browser:
            browser.get("/admin/login/")
            token = browser.cookies["csrftoken"]
            sent = {"csrfmiddlewaretoken": token, "username": "root@example.com", "password": "hush"}
            answer = browser.post("/admin/login/", data=sent)
        assert answer.status_code == 503 and "<h1>The service is not available at the moment</h1>" in answer.text
        assert 'href="">Try again</a>' in answer.text and "hush" not in answer.text
        assert "<dd>root@example.com</dd>" in answer.text

    def test_it_refuses_what_needs_no_database_to_be_refused(self, base_url: str) -> None:
        assert httpx.get(f"{base_url}/users/me").status_code == 401
        assert httpx.get(f"{base_url}/nope").status_code == 404
        assert httpx.post(f"{base_url}/auth/login", json={}).status_code == 422

"""What the gateway passes on, by a real nginx where there is one."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from django.test import Client

from core.tests.servers import ROOT, free_port, wait_for

pytestmark = pytest.mark.slow


def test_the_gateway_opens_no_other_paths() -> None:
    config = (ROOT / "deploy/nginx.conf").read_text()
    opened = set(re.findall(r"location (?:= )?(/\S+) \{\s+proxy_pass", config))
    assert opened == {"/api/v1/users/", "/auth/", "/api/v1/attempts/", "/api/v1/attempts", "/auth", "/api/v1/users"}


class Reached(BaseHTTPRequestHandler):
    """Stands where the service would, and says what came through."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx with the gateway's configuration."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    folder, port = tmp_path_factory.mktemp("gateway"), free_port()
    with ThreadingHTTPServer(("127.0.0.1", 0), Reached) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        config = (ROOT / "deploy/nginx.conf").read_text().replace("worker_processes auto", "worker_processes 1")
        config = config.replace("user-service:8001", f"127.0.0.1:{service.server_port}").replace("/tmp/", f"{folder}/")
        config = config.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/dev/stdout", f"{folder}/access")
        (folder / "nginx.conf").write_text(config)
        command = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error"), "-g", "daemon off;"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            wait_for(f"http://127.0.0.1:{port}/api/v1/users/healthz", process)
            yield port
            process.terminate()
        service.shutdown()


def passed_on(port: int, path: str) -> tuple[int, str]:
    """What the gateway answers to a path that no client has tidied up."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_what_the_gateway_refuses_is_json(gateway: int) -> None:
    codes = {400: "bad_request", 404: "not_found", 414: "request_too_large"}
    for path, status in {"/%00": 400, "/auth/%00": 400, "/x": 404, "/bad_request": 404, f"/{'x' * 40000}": 414}.items():
        found, answer = passed_on(gateway, path)
        assert (found, json.loads(answer)["code"]) == (status, codes[status]), path


def test_the_gateway_passes_no_metrics_on(gateway: int) -> None:
    assert passed_on(gateway, "/api/v1/users/users/me?x=metrics") == (200, "/users/me?x=metrics")
    for name in ("metrics", "%6detrics", "metric%73", "readyz/details", "readyz%2fdetails", "readyz//details"):
        for path in (name, f"{name}/", f"{name}?x", f"/{name}", f"./{name}", f"x/../{name}", f"{name};x", f"{name}%00"):
            for base in ("/api/v1/users/", "/auth/../api/v1/users/", "/auth/../", "/api/v1/attempts/../../../", "/"):
                status, answer = passed_on(gateway, base + path)
                reached = urlsplit(answer).path.rstrip("/") if status == 200 else ""
                assert unquote(reached) not in {"/metrics", "/readyz/details"}, base + path
                assert status in {400, 404} or unquote(reached).endswith(";x"), (base + path, status, answer)
    for odd in ("Metrics", "METRICS", "metrics%20", "metrics.", "%2e%2e/metrics"):
        status, answer = passed_on(gateway, f"/api/v1/users/{odd}")
        assert status in {400, 404} or Client().get(answer).status_code == 404, odd

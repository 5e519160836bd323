"""Gateways of real nginx: with the configuration that is shipped, and with the rules of the earlier one."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.tests.servers import ROOT, free_port, wait_for
from core.tests.services import program


def shipped_rules(services: str, port: int, folder: Path) -> str:
    config = (ROOT / "deploy/gateway/nginx.conf").read_text().replace("worker_processes auto", "worker_processes 1")
    (server,) = re.findall("server user-service:8001.*", config)
    each = (server.replace("user-service:8001", address) for address in services.split())
    config = config.replace(server, "\n".join(each)).replace("/tmp/", f"{folder}/")
    return config.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/dev/stdout", f"{folder}/access")


def earlier_rules(service: str, port: int, folder: Path) -> str:
    """They say who calls for the users' paths only, and everything else is the front end's."""
    folders = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi"))
    folders += f"uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;"
    return f"""
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    {folders}
    server {{
        listen 127.0.0.1:{port};
        location /api/v1/users/ {{
            proxy_pass http://{service}/;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
        location /api/v1/attempts/ {{
            proxy_pass http://{service};
        }}
        location / {{
            return 200 "the front end";
        }}
    }}
}}
"""


RULES = {"shipped": shipped_rules, "earlier": earlier_rules}


@contextmanager
def nginx(rules: str, services: str, folder: Path) -> Iterator[int]:
    """The port of a gateway to a service at a host and port; with the shipped rules, also at several."""
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(RULES[rules](services, port, folder))
    command = [program("nginx", package="nginx-light"), "-c", str(config), "-e", str(folder / "error")]
    with subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/api/v1/users/healthz", process)
            yield port
        finally:
            process.terminate()

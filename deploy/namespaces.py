"""Containers without an engine: processes with a network and a file system of their own. Needs root."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checking import Failed, need, run

Service = dict[str, Any]  # as `docker compose config` describes it

START_SECONDS = 60
HOST = "10.213.0.1"  # the address of this machine among the containers


def make_network() -> None:
    """A bridge that the containers are joined by."""
    run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "link", "add", "bridge", "type", "bridge"])
    run(["ip", "address", "add", f"{HOST}/16", "dev", "bridge"])
    run(["ip", "link", "set", "bridge", "up"])


class Container:
    """One process in a network and a file system of its own, as the service describes them.

    What its image would say is in `service` too: user, environment, command, stop_signal.
    """

    def __init__(self, name: str, service: Service, address: str, folder: Path) -> None:
        self.name, self.service, self.address, self.folder = name, service, address, folder
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "log"
        self.root = folder / "files/root"
        for each in (folder, self.root.parent):
            each.mkdir()
        self.namespace = f"at-{address}"
        run(["ip", "netns", "add", self.namespace])
        run(["ip", "link", "add", address, "type", "veth", "peer", "name", "eth0", "netns", self.namespace])
        run(["ip", "link", "set", address, "master", "bridge", "up"])
        for command in (f"address add {address}/16 dev eth0", "link set eth0 up", "link set lo up"):
            run(["ip", "-netns", self.namespace, *command.split()])

    def as_its_user(self, *command: str) -> list[str]:
        uid = self.service["user"]
        bounds = ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", *bounds]
        variables = [f"{name}={value}" for name, value in self.service["environment"].items()]
        return [*user, "env", "-i", "-C", "/app", *variables, *command]

    def mounts(self) -> Iterator[str]:
        """The commands that build its file system on this machine's, which it sees and cannot change."""
        files, root = shlex.quote(str(self.root.parent)), shlex.quote(str(self.root))
        yield f"mount -t tmpfs tmpfs {files}"
        yield f"mkdir {files}/upper {files}/work {root}"
        yield f"mount -t overlay overlay -o lowerdir=/,upperdir={files}/upper,workdir={files}/work {root}"
        yield f"mount --bind /dev {root}/dev && mount --bind /proc {root}/proc"
        yield f"mount -t tmpfs -o mode=1777,size=64m tmpfs {root}/dev/shm"
        yield f"mount -t tmpfs tmpfs {root}/run && mkdir -p {root}/app"
        yield f"chmod a+x {root}/root"  # where the interpreter may be
        yield f"mount --bind /etc/hosts {root}/etc/hosts"
        for entry in self.service.get("tmpfs", ()):
            target, _, options = entry.partition(":")
            options = ",".join(filter(None, ["mode=1777", options]))
            yield f"mkdir -p {self.place(target)} && mount -t tmpfs -o {options} tmpfs {self.place(target)}"
        for volume in self.service.get("volumes", ()):
            yield from self.bind(volume["source"], volume["target"], read_only=volume.get("read_only", False))
        if self.service.get("read_only"):
            yield f"mount -o remount,ro,bind {root}"

    def bind(self, source: str, target: str, *, read_only: bool) -> Iterator[str]:
        place = self.place(target)
        kind = "mkdir -p" if Path(source).is_dir() else f"mkdir -p $(dirname {place}) && touch"
        yield f"{kind} {place} && mount --bind {shlex.quote(source)} {place}"
        if read_only:
            yield f"mount -o remount,ro,bind {place}"

    def place(self, target: str) -> str:
        """Where a path of its own is for us. A symbolic link such as /var/run would lead out of its root."""
        return shlex.quote(f"{self.root}{os.path.realpath(target)}")

    def start(self) -> "Container":
        inside = shlex.join(["chroot", str(self.root), *self.as_its_user(*self.service["command"])])
        script = "\n".join(["set -e", *self.mounts(), f"exec {inside}"])
        with self.log.open("wb") as log:
            self.log.chmod(0o666)  # nginx opens /dev/stdout
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, "bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def inside(self, *command: str) -> str:
        """Run one more command in it."""
        assert self.process
        target = ["nsenter", "--target", str(self.process.pid), "--mount", "--net"]
        return run([*target, "chroot", str(self.root), *self.as_its_user(*command)], timeout=30)

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process
            need(self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.last_words()}")
            try:
                self.inside(*self.service["healthcheck"]["test"][1:])
            except Failed as error:
                need(time.monotonic() < deadline, f"{self.name} is not healthy: {error}\n{self.last_words()}")
                time.sleep(0.2)
            else:
                return

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def finish(self) -> None:
        assert self.process
        need(self.process.wait(120) == 0, f"{self.name} ended with {self.process.returncode}:\n{self.last_words()}")

    def stop(self) -> float:
        """Stop it as an engine would, which kills it at the end of its grace."""
        assert self.process
        began, grace = time.monotonic(), seconds(self.service.get("stop_grace_period", "10s"))
        self.process.send_signal(signal.Signals[self.service.get("stop_signal", "SIGTERM")])
        try:
            code = self.process.wait(grace)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still ran after {grace} s") from None
        need(code == 0, f"{self.name} ended with {code}:\n{self.last_words()}")
        return time.monotonic() - began

    def kill(self) -> None:
        """Also what its first process has left behind, such as Erlang's port mapper."""
        for pid in run(["ip", "netns", "pids", self.namespace]).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if self.process:
            self.process.wait()
        run(["ip", "netns", "delete", self.namespace])


def seconds(duration: str) -> int:
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups()
    return int(minutes or 0) * 60 + int(rest or 0)


def publish(host: str, port: int, target: tuple[str, int]) -> socket.socket:
    """Pass what is called at a port of this machine on to a container, as an engine does."""
    listener = socket.create_server((host, port))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    upstream = socket.create_connection(target, timeout=60)
                except OSError:
                    client.close()
                    continue
                for pair in ((client, upstream), (upstream, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener

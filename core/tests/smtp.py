"""An SMTP server that misbehaves as a test tells it to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SILENCE, HANG_UP, DRIBBLE = "silence", "hang up", "dribble"
POLITE = {
    "greeting": "220 here",
    "EHLO": "250 here",
    "MAIL": "250 OK",
    "RCPT": "250 OK",
    "DATA": "354 go on",
    "content": "250 OK",
    "RSET": "250 OK",
    "QUIT": "221 bye",
}


class Scripted:
    """Answers each command with the line that it has for it, or does not.

    Args:
        answers: by command; `greeting` is for the connection, `content` for a mail's end.
    """

    def __init__(self, listener: socket.socket, answers: dict[str, str]) -> None:
        self.answers = POLITE | answers
        self.listener = listener
        self.port: int = listener.getsockname()[1]
        self.contents: list[bytes] = []
        self.stopping = threading.Event()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            going_on = self.answer(connection, "greeting")
            while going_on and (line := lines.readline()):
                command = line[:4].decode().upper()
                going_on = self.answer(connection, command)
                if command == "DATA" and going_on and self.answers["DATA"].startswith("354"):
                    self.contents.append(b"".join(iter(lines.readline, b".\r\n")))
                    going_on = self.answer(connection, "content")

    def answer(self, connection: socket.socket, command: str) -> bool:
        said = self.answers[command]
        if said == DRIBBLE:
            while not self.stopping.wait(0.05):
                connection.sendall(b"2")
        if said == SILENCE:
            self.stopping.wait(60)
        if said in {SILENCE, HANG_UP, DRIBBLE}:
            return False
        connection.sendall(f"{said}\r\n".encode())
        return True


@contextmanager
def scripted(**answers: str) -> Iterator[Scripted]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Scripted(listener, answers)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)

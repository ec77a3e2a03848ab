"""A server that is no HTTP server: a test says what it does with each connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Talk = Callable[[socket.socket], object]
"""What is done with one connection; it is closed afterwards."""


def answer(text: str, body: bytes = b"", *, read: bool = True) -> Talk:
    """Read a request's head, and answer: the status line and headers of ``text``, a blank line, the body."""

    def talk(connection: socket.socket) -> None:
        if read:
            connection.recv(65536)
        head = "\r\n".join([*text.splitlines(), f"Content-Length: {len(body)}", "Connection: close", "", ""])
        connection.sendall(head.encode() + body)

    return talk


class Scripted:
    """Counts its connections; ``place`` is host and port."""

    def __init__(self, talk: Talk) -> None:
        self.connections = 0
        self._talk = talk
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listening.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                self._talk(connection)

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@contextlib.contextmanager
def scripted(talk: Talk) -> Iterator[Scripted]:
    """A server that does this with each connection, one after the other."""
    server = Scripted(talk)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join()

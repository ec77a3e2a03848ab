"""Answers whose status line and headers must arrive within the time-out.

A socket's time-out applies to each piece that arrives. A server that sends one byte of a header every second
would hold a request for ever. ``sending`` limits the time of the body.
"""

from __future__ import annotations

import io
import math
import socket
from http.client import HTTPResponse
from time import monotonic
from typing import Any


class _Limited(io.RawIOBase):
    """Reads from a connection until a time has passed.

    Args:
        raw: What it reads.
        seconds: How long it may be read; None for no limit.
    """

    def __init__(self, raw: io.RawIOBase, seconds: float | None) -> None:
        self._raw = raw
        self._until = math.inf if seconds is None else monotonic() + seconds

    def lift(self) -> None:
        """From now on there is no limit."""
        self._until = math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if monotonic() > self._until:
            raise TimeoutError("timed out")  # urllib3 takes it for the socket's own
        return self._raw.readinto(buffer)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class TimelyHead(HTTPResponse):
    """An answer whose head has as long as the socket's time-out, and its last piece as long again.

    This includes a proxy's answer to CONNECT. ``begin`` reads the head and any ``100 Continue`` before it.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._limited = _Limited(self.fp.detach(), sock.gettimeout())
        self.fp = io.BufferedReader(self._limited)

    def begin(self) -> None:
        super().begin()
        self._limited.lift()

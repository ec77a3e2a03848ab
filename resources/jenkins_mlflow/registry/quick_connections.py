"""Connections to a server that do not wait for the system's delayed acknowledgements, nor for ever for headers."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from jenkins_mlflow.registry.timely_heads import TimelyHead


def _acknowledge_at_once(sock: socket.socket | None) -> None:
    """Acknowledge the first packet of the next answer at once (Linux).

    MLflow's server sends the headers and the body of an answer in two packets and holds back the second one
    until the first is acknowledged, which the system delays by 40 ms on a kept connection. TCP_QUICKACK does
    not stay on, so it is set before each answer.
    """
    if sock is not None and hasattr(socket, "TCP_QUICKACK"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class _QuickHttp(HTTPConnection):
    response_class = TimelyHead

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        _acknowledge_at_once(self.sock)
        return super().getresponse()


class _QuickHttps(HTTPSConnection):
    response_class = TimelyHead

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        _acknowledge_at_once(self.sock)
        return super().getresponse()


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _QuickHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _QuickHttps


class QuickAdapter(HTTPAdapter):
    """Makes quick connections, directly or through a proxy, at most so many that are kept, with these options."""

    _POOLS = {"http": _HttpPool, "https": _HttpsPool}  # noqa: RUF012

    def __init__(self, connections: int, socket_options: Sequence[tuple[int, int, int]]) -> None:
        self._options = [*HTTPConnection.default_socket_options, *socket_options]
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=self._options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, socket_options=self._options, **kwargs)
        if isinstance(manager, ProxyManager):  # that of a SOCKS proxy has connections of its own
            manager.pool_classes_by_scheme = self._POOLS
        return manager

"""Unit tests have no network: a test that opens a connection fails, whatever catches the error."""

import socket
from typing import NoReturn

import pytest


def _forbidden(*_args: object, **_kwargs: object) -> NoReturn:
    pytest.fail("a unit test must not use a socket; pass a fake in, or move it to tests/integration")


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("bind", "connect", "connect_ex", "sendmsg", "sendto"):
        monkeypatch.setattr(socket.socket, method, _forbidden, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", _forbidden)

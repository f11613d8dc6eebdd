"""Slack's end of Socket Mode: a WebSocket server (RFC 6455), as far as slack_sdk's own client needs it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Connection:
    """One client.

    Attributes:
        received: the JSON messages that it sent, in order.
    """

    def __init__(self, sock: socket.socket, on_message: Callable[[Connection, Any], None]) -> None:
        self._sock, self._on_message = sock, on_message
        self._lock = threading.Lock()
        self.received: list[Any] = []
        self.open = True

    def send(self, message: Mapping[str, Any] | str) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self._frame(_TEXT, text.encode())

    def close(self) -> None:
        """Break the connection, without a word."""
        self.open = False
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _frame(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        with self._lock, suppress(OSError):
            self._sock.sendall(head + data)

    def serve(self) -> None:
        with suppress(OSError, EOFError):
            while self.open:
                opcode, data = self._read_frame()
                if opcode == _PING:
                    self._frame(_PONG, data)
                elif opcode == _CLOSE:
                    self._frame(_CLOSE, data)
                    break
                elif opcode == _TEXT:
                    message = json.loads(data)
                    self.received.append(message)
                    self._on_message(self, message)
        self.open = False
        self._sock.close()

    def _read_frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else b"\0" * 4
        data = self._exactly(size)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self._sock.recv(size - len(found))
            if not part:
                raise EOFError
            found += part
        return found


class SocketModeServer:
    """The server.

    Attributes:
        connections: those that were ever opened.
        acknowledged: by envelope, what the answer carried; None: nothing.
        hello: what every connection is told first; None: nothing.
    """

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.acknowledged: dict[str, Any] = {}
        self.hello: dict[str, Any] | None = {
            "type": "hello",
            "num_connections": 1,
            "connection_info": {"app_id": "A111"},
        }
        self.on_acknowledged: Callable[[str], None] = lambda _: None
        self.changed = threading.Condition()
        self._number = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/link/?ticket=secret&app_id=A111"

    @contextmanager
    def running(self) -> Iterator[None]:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        try:
            yield
        finally:
            listener.close()
            for connection in self.connections:
                connection.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = sock.recv(4096)
            if not part:
                return
            head += part
        lines = (line.partition(":") for line in head.decode().split("\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        digest = hashlib.sha1(f"{headers['sec-websocket-key']}{_GUID}".encode()).digest()  # noqa: S324 - RFC 6455
        accept = base64.b64encode(digest).decode()
        sock.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        connection = Connection(sock, self._on_message)
        with self.changed:
            self.connections.append(connection)
            self.changed.notify_all()
        if self.hello is not None:
            connection.send(self.hello)
        connection.serve()
        with self.changed:
            self.changed.notify_all()

    def _on_message(self, connection: Connection, message: Any) -> None:
        if isinstance(message, dict) and "envelope_id" in message:
            self.on_acknowledged(message["envelope_id"])
            with self.changed:
                self.acknowledged[message["envelope_id"]] = message.get("payload")
                self.changed.notify_all()

    def wait(self, holds: Callable[[], bool], seconds: float = 20) -> bool:
        """Wait until something holds."""
        with self.changed:
            return self.changed.wait_for(holds, seconds)

    def live(self) -> list[Connection]:
        return [connection for connection in self.connections if connection.open]

    def envelope(self, payload: Mapping[str, Any], envelope_id: str = "", times: int = 1) -> str:
        """Send a payload in an envelope, over the newest connection, and wait until it is acknowledged."""
        self._number += 1
        envelope_id = envelope_id or f"envelope-{self._number}"
        accepts = payload.get("type") == "view_submission"
        for _ in range(times):
            self.live()[-1].send(
                {
                    "envelope_id": envelope_id,
                    "type": "interactive",
                    "accepts_response_payload": accepts,
                    "payload": payload,
                }
            )
        assert self.wait(lambda: envelope_id in self.acknowledged)
        return envelope_id

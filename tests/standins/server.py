"""What the stand-ins have in common: a server, its log of requests, and faults that are to happen."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]
    raw: bytes = b""


@dataclass(frozen=True)
class Answer:
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """Goes wrong instead of answering.

    Attributes:
        on: the method, a space, and what the path must contain.
        answer: given instead; None: the connection is dropped.
        done: whether the request is carried out all the same.
        times: how often.
        hangs: whether it never answers, until the server stops.
    """

    on: str
    answer: Answer | None = None
    done: bool = False
    times: int = 1
    hangs: bool = False

    def hits(self, request: Request) -> bool:
        method, _, part = self.on.partition(" ")
        return self.times > 0 and request.method == method and part in request.path


class StandIn:
    """One server.

    Attributes:
        requests: every request that arrived, those that went wrong among them.
        faults: what is still to go wrong.
        before: called with each request before it is answered.
        instead: gives the answer to a request that is not carried out; None: it is.
        tls: what the server speaks TLS with; None: it does not.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.before: Callable[[Request], None] = lambda _: None
        self.instead: Callable[[Request], Answer | None] = lambda _: None
        self.url = ""
        self.tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def writes(self) -> list[Request]:
        """The requests that change something."""
        raise NotImplementedError

    def answer(self, request: Request) -> Answer:
        """Carry a request out."""
        raise NotImplementedError

    def handle(self, request: Request) -> Answer | None:
        """The answer to a request; None: drop the connection."""
        with self._lock:
            self.requests.append(request)
            self.before(request)
            fault = next((fault for fault in self.faults if fault.hits(request)), None)
            if fault is None:
                return self.instead(request) or self.answer(request)
            fault.times -= 1
            if fault.done:
                self.answer(request)
        if fault.hangs:
            self._stopped.wait()
            return None
        return fault.answer

    @contextmanager
    def running(self) -> Iterator[None]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        if self.tls:
            # Without a handshake at once, which would keep the one thread that accepts connections.
            server.socket = self.tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{server.server_address[1]}"
        try:
            yield
        finally:
            self._stopped.set()
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(standin: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: the second of two small ones waits 40 ms for the first to be acknowledged.
        wbufsize = -1

        def handle(self) -> None:
            # A client that does not trust the certificate goes away in the middle of the handshake.
            with suppress(ssl.SSLError, ConnectionError):
                super().handle()

        def _serve(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(
                self.command,
                url.path,
                {name: values[-1] for name, values in parse_qs(url.query).items()},
                self._body(raw),
                {name.lower(): value for name, value in self.headers.items()},
                raw,
            )
            answer = standin.handle(request)
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            is_text = isinstance(answer.body, str)
            content = b"" if answer.body is None else (answer.body if is_text else json.dumps(answer.body)).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/html" if is_text else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self, raw: bytes) -> Any:
            if not raw:
                return None
            if "json" in self.headers.get("Content-Type", ""):
                return json.loads(raw)
            return {name: values[-1] for name, values in parse_qs(raw.decode(), keep_blank_values=True).items()}

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler

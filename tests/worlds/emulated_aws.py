"""An emulated AWS behind real HTTP on a free loopback port, that records calls and can be told to fail.

moto's server application does the work; what stands before it sees every request as AWS would.
"""

from __future__ import annotations

import io
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from moto.core.decorator import mock_aws as _mock_aws  # noqa: F401 - loads what the server needs
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

MAIN_ACCESS_KEY = "testing"  # tests/conftest.py


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        service: as its endpoint is named, `"ec2"`.
        operation: such as `"DescribeSecurityGroups"`.
        parameters: of the query protocol by their dotted names, of JSON as they are.
        assumed: whether it came with the credentials of an assumed role.
    """

    service: str
    operation: str
    region: str
    parameters: dict[str, Any]
    assumed: bool


@dataclass(frozen=True)
class Rejection:
    """An error that AWS answers with."""

    code: str
    status: int = 400
    message: str = "no"


@dataclass
class Answer:
    """What was answered to a JSON call."""

    call: Call
    body: dict[str, Any]


Hook = Callable[[Call], Rejection | None]
Rewrite = Callable[[Call, str], str]
StandIn = Callable[[Call], "dict[str, Any] | Rejection"]


@dataclass
class EmulatedAws:
    """The server's controls.

    Attributes:
        endpoint: its address.
        calls: every request since the start or `forget`.
        answers: what was answered to the JSON ones, DynamoDB's that is.
        hooks: each is shown every call before it is carried out, and may refuse it.
        rewrites: each is given every answer as text, and returns what is sent.
        stand_ins: answer JSON operations that moto lacks, by their names.
    """

    endpoint: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        """Forget the calls and faults so far."""
        for kept in (self.calls, self.answers, self.hooks, self.rewrites):
            kept.clear()
        self.stand_ins.clear()

    def operations(self, service: str = "") -> list[str]:
        """The operations that were called, in order."""
        return [call.operation for call in self.calls if not service or call.service == service]

    def refuse(self, operation: str, rejection: Rejection, *, times: int | None = None, **where: str) -> None:
        """Refuse an operation from now on, or this many times, where `region=` is as said."""
        left = itertools.repeat(None) if times is None else iter([None] * times)

        def hook(call: Call) -> Rejection | None:
            if call.operation != operation or any(getattr(call, name) != value for name, value in where.items()):
                return None
            with self._lock:
                return rejection if next(left, self) is None else None

        self.hooks.append(hook)

    def application(self, inner: Any) -> Any:
        """A WSGI application that records, refuses and rewrites, and leaves the rest to `inner`."""

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            call = _call(environ, body)
            with self._lock:
                self.calls.append(call)
                hooks, rewrites = list(self.hooks), list(self.rewrites)
            for hook in hooks:
                if rejection := hook(call):
                    return _refuse(rejection, environ, start_response)
            if stand_in := self.stand_ins.get(call.operation):
                stood_in = stand_in(call)
                if isinstance(stood_in, Rejection):
                    return _refuse(stood_in, environ, start_response)
                return _send(200, "application/x-amz-json-1.1", json.dumps(stood_in), start_response)
            status: list[Any] = []

            def keep(*arguments: Any) -> None:
                status[:] = arguments

            text = b"".join(inner(environ, keep)).decode()
            for rewrite in rewrites:
                text = rewrite(call, text)
            if _is_json(environ) and text:
                with self._lock:
                    self.answers.append(Answer(call, json.loads(text)))
            answer = text.encode()
            # DynamoDB's checksum would be that of the answer before it was rewritten.
            headers = [
                (name, value) for name, value in status[1] if name.lower() not in ("content-length", "x-amz-crc32")
            ]
            start_response(status[0], [*headers, ("Content-Length", str(len(answer)))])
            return [answer]

        return application


def _is_json(environ: dict[str, Any]) -> bool:
    return "HTTP_X_AMZ_TARGET" in environ


def _call(environ: dict[str, Any], body: bytes) -> Call:
    # AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
    key, _, region, service = [*scope, "", "", "", ""][:4]
    if _is_json(environ):
        operation, parameters = environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2], json.loads(body)
    else:
        parameters = dict(parse_qsl(body.decode()))
        operation = parameters.get("Action", environ["REQUEST_METHOD"])
    return Call(service, operation, region, parameters, key != MAIN_ACCESS_KEY)


def _refuse(rejection: Rejection, environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if _is_json(environ):
        kind, body = "application/x-amz-json-1.0", json.dumps({"__type": rejection.code, "message": rejection.message})
    else:
        # EC2 and the query protocol differ in what is around the error: each reads its own.
        error = f"<Error><Code>{rejection.code}</Code><Message>{rejection.message}</Message></Error>"
        kind, body = "text/xml", f"<Response><Errors>{error}</Errors>{error}</Response>"
    return _send(rejection.status, kind, body, start_response)


def _send(status: int, kind: str, body: str, start_response: Any) -> list[bytes]:
    answer = body.encode()
    start_response(
        f"{status} {'OK' if status == 200 else 'No'}", [("Content-Type", kind), ("Content-Length", str(len(answer)))]
    )
    return [answer]


class _Quiet(MotoRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        """No line for each request."""


@contextmanager
def emulated_aws() -> Iterator[EmulatedAws]:
    """Serve a fresh emulated AWS."""
    moto_api_backend.reset()
    aws = EmulatedAws()
    server = make_server(
        "127.0.0.1",
        0,
        aws.application(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=_Quiet,
    )
    aws.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield aws
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The Socket Mode connection to Slack: opened, watched and renewed; no port is opened for it.

slack_sdk's own client speaks the protocol. It would connect again at once whatever Slack says, also when Socket Mode
was switched off, so `Listening` decides about that itself: after growing pauses from 1 second to 5 minutes, and not at
all where Slack says that it makes no sense.

Source: Slack, "Using Socket Mode": `apps.connections.open`, `hello`, `disconnect` with its reasons.
"""

from __future__ import annotations

import json
import logging
import queue
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.client import HTTPException
from threading import Event, Lock
from typing import Any, Protocol

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from library.errors import HammerError
from library.notifications.slack_connection import SlackWebClient, redirect_problem

_log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
_HELLO_WITHIN_S = 15
_STEADY_AFTER = timedelta(minutes=1)
"""A connection that lasted this long was a good one: the next one is opened after the first pause again."""
_HEARTBEAT = timedelta(minutes=1)
_TIMEOUT_S = 30
_CHECK_EVERY_S = 1.0
_PING_EVERY_S = 2
"""A connection that broke without a word is noticed after four pings without an answer."""
_KEPT_ENVELOPES = 1000

_SWITCHED_OFF = "link_disabled"
# What Slack says of a token, or an app, that no waiting mends.
_NO_LOGIN = frozenset(
    {
        "access_denied",
        "account_inactive",
        "app_not_found",
        "ekm_access_denied",
        "forbidden_team",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "socket_mode_disabled",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
_ERRORS = (SlackClientError, OSError, HTTPException, AttributeError, KeyError, TypeError, ValueError)


class SocketError(HammerError):
    """There is no connection to Slack; another attempt may help. The text is one line, without any token."""


class SocketStoppedError(HammerError):
    """There is no connection to Slack, and no further attempt would help until somebody changes something."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What Slack says at the beginning.

    Attributes:
        app_id: the app's id; empty: it is not told.
        connections: how many the app has now.
    """

    app_id: str = ""
    connections: int = 1


Envelope = Callable[[str, Mapping[str, Any]], "Mapping[str, Any] | None"]
"""Called with an envelope's type and payload; returns what the answer carries, or None. Must return at once."""


class Session(Protocol):
    """One connection."""

    hello: Hello

    def lost(self, timeout_s: float) -> str | None:
        """Wait for its end. Returns Slack's reason, such as `refresh_requested`, empty where the connection broke.

        None: it has not ended yet.
        """

    def close(self) -> None:
        """Close it."""


class _Client(SocketModeClient):
    """slack_sdk's client, which leaves it to `Listening` when to connect again."""

    def connect_to_new_endpoint(self, force: bool = False) -> None:
        """Do nothing."""
        del force


class SlackSession:
    """One connection by slack_sdk's client.

    Args:
        base_url: of Slack's API.
        app_token: the app-level token.
        answer: called for each envelope, before it is acknowledged.
        acknowledged: called with an envelope's type and payload after it was.
        greeted: called with what Slack says at the beginning, before any envelope.

    Raises:
        SocketError: it could not be opened.
        SocketStoppedError: Slack refuses the token, or Socket Mode is off.
    """

    def __init__(
        self,
        base_url: str,
        app_token: str,
        answer: Envelope,
        acknowledged: Callable[[str, Mapping[str, Any]], None],
        greeted: Callable[[Hello], None],
    ) -> None:
        self._answer, self._acknowledged, self._greeted = answer, acknowledged, greeted
        self._said: queue.Queue[Hello | str] = queue.Queue()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._seen_lock = Lock()
        web = SlackWebClient(base_url=base_url, timeout=_TIMEOUT_S, retry_handlers=[])
        url = _open(web, app_token)
        self._client = _Client(
            app_token,
            web_client=web,
            auto_reconnect_enabled=False,
            ping_interval=_PING_EVERY_S,
            on_message_listeners=[self._on_message],
            on_close_listeners=[self._on_close],
            logger=_quiet_log(),
        )
        self._client.socket_mode_request_listeners.append(self._on_envelope)
        self._client.wss_uri = url
        try:
            self._client.connect()
            self.hello = self._await_hello()
        except _ERRORS as error:
            self.close()
            raise SocketError(f"the connection could not be opened ({type(error).__name__})") from None
        except SocketError:
            self.close()
            raise

    def lost(self, timeout_s: float) -> str | None:
        """Wait for its end. Returns Slack's reason, empty where the connection broke; None: it has not ended yet."""
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            return None if self._client.is_connected() else ""
        return said if isinstance(said, str) else None

    def close(self) -> None:
        """Close it, after what was received is acknowledged."""
        try:
            self._client.close()
        except _ERRORS as error:
            _log.info("the connection was not closed properly: %s", type(error).__name__)

    def _await_hello(self) -> Hello:
        for _ in range(_HELLO_WITHIN_S):
            try:
                said = self._said.get(timeout=1.0)
                break
            except queue.Empty:
                if not self._client.is_connected():
                    raise SocketError("the connection broke at once") from None
        else:
            raise SocketError("Slack said no hello")
        if isinstance(said, str):
            if said == _SWITCHED_OFF:
                self.close()
                raise SocketStoppedError(_OFF)
            raise SocketError(f"the connection ended at once ({said or 'without a reason'})")
        return said

    def _on_message(self, text: str) -> None:
        """Called for every message: notes how the connection begins and ends."""
        try:
            message = json.loads(text)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if message.get("type") == "hello":
            info = message.get("connection_info")
            app_id = str(info.get("app_id") or "") if isinstance(info, dict) else ""
            number = message.get("num_connections")
            hello = Hello(app_id, number if isinstance(number, int) else 1)
            self._greeted(hello)
            self._said.put(hello)
        elif message.get("type") == "disconnect":
            self._said.put(str(message.get("reason") or "unknown"))

    def _on_close(self, code: int, reason: str | None = None) -> None:
        del code, reason
        self._said.put("")

    def _on_envelope(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Called in a thread of the client's for each envelope."""
        payload = request.payload
        answer = self._answer(request.type, payload)
        carried = dict(answer) if answer and request.accepts_response_payload else None
        try:
            client.send_socket_mode_response(SocketModeResponse(request.envelope_id, carried))
        except _ERRORS as error:
            # The person sees a warning sign, and presses again: nothing was done.
            _log.warning("an envelope could not be acknowledged, and is dropped: %s", type(error).__name__)
            return
        if not answer and self._is_new(request.envelope_id):
            self._acknowledged(request.type, payload)

    def _is_new(self, envelope_id: str) -> bool:
        """Whether this connection did not have the envelope yet."""
        with self._seen_lock:
            if envelope_id in self._seen:
                return False
            self._seen[envelope_id] = None
            if len(self._seen) > _KEPT_ENVELOPES:
                self._seen.popitem(last=False)
            return True


_OFF = "Slack says link_disabled: Socket Mode is switched off for the app. Switch it on, then start hammer listen again"


def _open(web: SlackWebClient, app_token: str) -> str:
    """The address of a new connection."""
    try:
        return str(web.apps_connections_open(app_token=app_token)["url"])
    except SlackApiError as error:
        code = error.response.get("error") if hasattr(error.response, "get") else ""
        code = code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,60}", code) else ""
        if code in _NO_LOGIN:
            raise SocketStoppedError(
                f"Slack refused the app token ({code}): check app_token in the secret, and that Socket Mode is on"
            ) from None
        answered = f"Slack answered {code or 'something that is not understood'}"
        raise SocketError(redirect_problem(error) or answered) from None
    except _ERRORS as error:
        raise SocketError(f"Slack could not be reached ({type(error).__name__})") from None


def _quiet_log() -> logging.Logger:
    """The client's log: it would write addresses of connections, which hold a ticket, at lower levels."""
    log = logging.getLogger("hammer.slack_socket")
    log.setLevel(logging.CRITICAL)
    return log


@dataclass(slots=True)
class Listening:
    """Keeps one connection open, until it is to stop.

    Attributes:
        open_session: opens a connection.
        wait: waits so many seconds, or until it is to stop.
        now: the clock, in UTC.
        connected: called when a connection was opened, and about once a minute while it lasts.
        failed: called with the reason when there is none.
        tick: called about every second; raises SocketStoppedError where the service is to end.
        stopping: set when the process is to end.
    """

    open_session: Callable[[], Session]
    wait: Callable[[float], None]
    now: Callable[[], datetime]
    connected: Callable[[Hello], None]
    failed: Callable[[str], None]
    tick: Callable[[], None]
    stopping: Event = field(default_factory=Event)

    def run(self) -> None:
        """Listen until `stopping` is set.

        Raises:
            SocketStoppedError: no further connection makes sense.
        """
        session: Session | None = None
        reason: str | None = None
        pause = FIRST_PAUSE_S
        try:
            while not self.stopping.is_set():
                try:
                    opened = self.open_session()
                except SocketError as error:
                    reason = ""  # Slack keeps the old one open for seconds
                    self.failed(str(error))
                    self._pause(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_S)
                    continue
                # The old one is closed when there is a new one, so that nothing that is pressed meanwhile is lost.
                if session is not None:
                    if reason:  # Slack said that it ends: it is open until then, and counted with the others
                        opened.hello = replace(opened.hello, connections=max(1, opened.hello.connections - 1))
                    session.close()
                session = opened
                began = self.now()
                reason = self._stay(session)
                if reason is None:
                    return
                if reason == _SWITCHED_OFF:
                    raise SocketStoppedError(_OFF)
                if self.now() - began >= _STEADY_AFTER:
                    pause = FIRST_PAUSE_S
                _log.info("the connection to Slack ended (%s)", reason or "it broke")
                self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
        finally:
            if session is not None:
                session.close()

    def _stay(self, session: Session) -> str | None:
        """Wait for the end of a connection. Returns the reason; None: the process is to end."""
        self.connected(session.hello)
        last_beat = self.now()
        while not self.stopping.is_set():
            self.tick()
            if (reason := session.lost(_CHECK_EVERY_S)) is not None:
                return reason
            if self.now() - last_beat >= _HEARTBEAT:
                self.connected(session.hello)
                last_beat = self.now()
        return None

    def _pause(self, seconds: float) -> None:
        """Wait, a second at a time, so that the watchdog sees that the process lives."""
        while seconds > 0 and not self.stopping.is_set():
            self.tick()
            self.wait(min(seconds, 1.0))
            seconds -= 1.0

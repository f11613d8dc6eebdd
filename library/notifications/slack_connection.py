"""The connection to one Slack workspace: send requests, and say what went wrong.

A message is sent once. It is sent again only if it surely did not arrive or was turned away for its rate; Slack is
waited for as long as it says.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from http.client import HTTPException
from typing import TYPE_CHECKING

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from library.aws.secrets import SecretError
from library.errors import HammerError
from library.notifications.retry import LATE, SOON, Failure, RetryingCaller

if TYPE_CHECKING:
    from library.aws.secrets import SlackSecret
    from library.config import Slack

_TIMEOUT_S = 30

# What Slack says of a channel or user that cannot get messages, whatever is tried.
_UNUSABLE = frozenset(
    {
        "cannot_dm_bot",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "is_archived",
        "message_not_found",
        "messages_tab_disabled",
        "not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "user_disabled",
        "user_not_found",
        "users_not_found",
    }
)
_NO_LOGIN = frozenset(
    {"account_inactive", "invalid_auth", "missing_scope", "not_authed", "token_expired", "token_revoked"}
)
# What Slack, or a proxy that lets only some methods through, says to who may post but not look users up.
_NO_LOOKUP = frozenset(
    {"access_denied", "method_deprecated", "missing_scope", "no_permission", "not_allowed_token_type", "unknown_method"}
)
_SERVER_ERRORS = ("fatal_error", "internal_error", "request_timeout", "service_unavailable")
_RATE = ("rate_limited", "ratelimited")
# AttributeError, TypeError, ValueError: an answer that the package does not understand, such as a page of a proxy.
_ERRORS = (SlackClientError, OSError, HTTPException, AttributeError, TypeError, ValueError)


class SlackError(HammerError):
    """Slack did not do what it was asked. The text is one line.

    Attributes:
        may_have_arrived: whether the message may be in the channel all the same.
    """

    def __init__(self, reason: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(reason)
        self.may_have_arrived = may_have_arrived


class SlackUnavailableError(SlackError):
    """Slack cannot be used at all in this run: it is not asked again."""


class SlackDestinationError(SlackError):
    """There is no such channel or user, or it cannot get messages."""


class SlackMessageRefusedError(SlackError):
    """Slack, or a proxy before it, does not take this message. It may take a smaller one.

    After a server error the message may have arrived.
    """


class SlackUserLookupError(SlackDestinationError):
    """Slack does not let its users be looked up."""


class SlackConnection:
    """One Slack workspace. It is not contacted until something is needed.

    Args:
        settings: the section `slack`.
        secret: gives the secret.
        sleep: waits so many seconds.
        before_write: called before each message is sent; what it raises keeps the message from being sent.
    """

    def __init__(
        self,
        settings: Slack,
        secret: Callable[[], SlackSecret],
        sleep: Callable[[float], None],
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._before_write = before_write
        self._caller = RetryingCaller(sleep, SlackUnavailableError)
        self._client: WebClient | None = None
        self._has_app_token: bool | None = None

    @property
    def has_app_token(self) -> bool:
        """Whether the secret has an app-level token. False also where it cannot be read."""
        if self._has_app_token is None:
            try:
                self._has_app_token = bool(self._secret().app_token)
            except SecretError:
                self._has_app_token = False
        return self._has_app_token

    def read(self, call: Callable[[WebClient], SlackResponse]) -> SlackResponse:
        """Look something up, more than once if needed.

        Raises:
            SlackUserLookupError: Slack does not let its users be looked up.
            SlackDestinationError: there is no such user.
            SlackError: it could not be asked.
        """
        self._caller.check()
        client = self._connected()
        return self._caller.call(lambda: call(client), _ERRORS, lambda error: self._failure(error, writes=False))

    def write(self, call: Callable[[WebClient], SlackResponse]) -> SlackResponse:
        """Send a message.

        Raises:
            SlackDestinationError: the channel cannot get messages.
            SlackMessageRefusedError: Slack does not take this message.
            SlackError: it was not sent, or nobody knows whether it was.
        """
        self._caller.check()
        client = self._connected()

        def send() -> SlackResponse:
            self._before_write()
            return call(client)

        return self._caller.call(send, _ERRORS, lambda error: self._failure(error, writes=True))

    def _connected(self) -> WebClient:
        if self._client is None:
            try:
                token = self._secret().api_token
            except SecretError as error:
                raise self._caller.give_up(str(error)) from error
            # Its own handlers would send again what may have arrived.
            self._client = WebClient(
                token=token, base_url=self._settings.base_url, timeout=_TIMEOUT_S, retry_handlers=[]
            )
        return self._client

    def _failure(self, error: Exception, *, writes: bool) -> Failure:
        match error:
            case SlackApiError():
                return self._refused(error, writes=writes)
            case SlackClientError() | OSError() | HTTPException():
                return self._unreachable(error, writes=writes)
            case _:
                reason = f"Slack's answer was not understood ({type(error).__name__}): is slack.base_url right?"
                return Failure(SlackError(reason, may_have_arrived=writes))

    def _refused(self, error: SlackApiError, *, writes: bool) -> Failure:
        # Never the exception's own text: it carries the whole answer.
        status, code = _status(error), _code(error)
        reason = f"Slack answered {code or status}"
        if status == 429 or code in _RATE:
            wait_s = _retry_after(error)
            return Failure(SlackError(reason), may_repeat=True, wait_s=wait_s, down_after=SOON if status == 429 else 0)
        if not writes and (code in _NO_LOOKUP or (not code and status in (403, 404, 405))):
            return Failure(SlackUserLookupError(f"Slack does not let users be looked up ({code or status})"))
        if code in _NO_LOGIN or status == 401 or (status == 403 and not writes):
            down = f"Slack refused the login ({code or status}): check the secret {self._settings.secret!r}"
            return Failure(SlackUnavailableError(down), down=down)
        if code in _UNUSABLE:
            return Failure(SlackDestinationError(f"Slack says {code}"))
        if writes:
            # Also a server error, or a proxy's 403, may be about what this message says: others are still to be sent.
            may_have_arrived = status >= 500 or code in _SERVER_ERRORS or (not code and status < 400)
            return Failure(SlackMessageRefusedError(reason, may_have_arrived=may_have_arrived), down_after=LATE)
        if status >= 500 or code in _SERVER_ERRORS:
            return Failure(SlackError(reason), may_repeat=status >= 500, down_after=SOON)
        return Failure(SlackDestinationError(reason))

    def _unreachable(self, error: Exception, *, writes: bool) -> Failure:
        base_url = self._settings.base_url
        if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
            down = f"Slack at {base_url}: its certificate is not trusted: set SSL_CERT_FILE"
            return Failure(SlackUnavailableError(down), down=down)
        unsent = _never_connected(error)
        what = "no connection" if unsent or not writes else "the connection broke or took too long"
        reason = f"Slack at {base_url} could not be reached: {what}"
        if unsent or not writes:
            return Failure(SlackUnavailableError(reason), may_repeat=True, down_after=SOON, down=reason)
        return Failure(SlackError(reason, may_have_arrived=True), down_after=SOON)


def _status(error: SlackApiError) -> int:
    return int(getattr(error.response, "status_code", 0) or 0)


def _code(error: SlackApiError) -> str:
    """Slack's name of the error, where the answer has one at all."""
    try:
        code = error.response.get("error")
    except (AttributeError, ValueError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,60}", code) else ""


def _retry_after(error: SlackApiError) -> float | None:
    headers = {str(name).lower(): value for name, value in dict(getattr(error.response, "headers", {}) or {}).items()}
    value = headers.get("retry-after", "")
    value = value[0] if isinstance(value, list) and value else value
    return float(value) if isinstance(value, str) and value.isdigit() else None


def _never_connected(error: BaseException) -> bool:
    """Whether not even a connection was made, so that the message surely did not arrive."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ConnectionRefusedError) or "Name or service not known" in str(reason)

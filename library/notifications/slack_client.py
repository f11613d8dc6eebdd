"""Slack: a thin adapter over `slack_sdk`.

A message is sent once. Only what surely did not arrive, or was turned away for its rate, is sent again; Slack is
waited for as long as it says.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from library.aws.secrets import SecretError

if TYPE_CHECKING:
    from library.aws.secrets import SlackSecret
    from library.config import Slack

_TIMEOUT_S = 30
_ATTEMPTS = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 300.0
_FAILURES_UNTIL_DOWN = 3
_USERS_A_PAGE = 200

_ID = re.compile(r"[CDGUW][A-Z0-9]{8,}")
# What Slack says of a channel or user that cannot get messages, whatever is tried.
_UNUSABLE = frozenset(
    {
        "cannot_dm_bot",
        "channel_not_found",
        "is_archived",
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


class AlertError(Exception):
    """Slack did not do what it was asked, in one line."""


class SlackDownError(AlertError):
    """Slack cannot be used at all in this run: it is not to be asked again."""


class DestinationError(AlertError):
    """There is no such channel or user, or it cannot get messages."""


class _NoLookupError(DestinationError):
    """Nobody can say who is meant."""


class Messenger:
    """One Slack workspace. Nothing is asked of it until something is needed.

    Args:
        settings: the section `slack`.
        secret: gives the secret.
        sleep: waits so many seconds.
    """

    def __init__(self, settings: Slack, secret: Callable[[], SlackSecret], sleep: Callable[[float], None]) -> None:
        self._settings = settings
        self._secret = secret
        self._sleep = sleep
        self._client: WebClient | None = None
        self._members: dict[str, str] | None = None
        self._channels: dict[str, str] = {}
        self._failures = 0
        self._down = ""

    def channel(self, destination: str) -> str:
        """What Slack takes for a destination: a channel's name as it is, a user's id.

        Args:
            destination: `#channel`, an e-mail address, a user's name, or an id.

        Raises:
            DestinationError: there is no such user.
        """
        if destination.startswith("#") or _ID.fullmatch(destination):
            return destination
        if destination not in self._channels:
            self._channels[destination] = self._user(destination.removeprefix("@"))
        return self._channels[destination]

    def post(
        self, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], thread: tuple[str, str] | None = None
    ) -> tuple[str, str]:
        """Send a message.

        Args:
            channel: as `channel` gave it.
            text: what notifications show; it is not parsed for mentions.
            blocks: the message, in Block Kit.
            thread: the message that this one answers, as this function returned it.

        Returns:
            The message: its channel's id and its time.

        Raises:
            DestinationError: the channel cannot get messages.
            AlertError: it was not sent, or nobody knows.
        """
        arguments: dict[str, Any] = {
            "channel": thread[0] if thread else channel,
            "text": text,
            "blocks": list(blocks),
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if thread:
            if not thread[1]:
                raise AlertError("Slack did not say which message it answers")
            arguments["thread_ts"] = thread[1]
        sent = self._called(lambda client: client.chat_postMessage(**arguments), writes=True)
        return str(sent.get("channel") or channel), str(sent.get("ts") or "")

    def _user(self, name: str) -> str:
        if "@" in name:
            try:
                found = self._called(lambda client: client.users_lookupByEmail(email=name), looks_up=True)
                return str((found.get("user") or {})["id"])
            except KeyError:
                raise AlertError("Slack did not say which user has the address") from None
            except _NoLookupError:
                raise
            except DestinationError:
                raise DestinationError(f"Slack knows no user with the address {name!r}") from None
        if self._members is None:
            self._members = self._all_members()
        user_id = self._members.get(name.casefold(), "")
        if not user_id:
            raise DestinationError(f"Slack knows no user called {name!r}, or several")
        return user_id

    def _all_members(self) -> dict[str, str]:
        """The ids of all active people by each of their names; empty for a name that several have."""
        ids: dict[str, set[str]] = {}
        cursor = ""
        while True:
            page = self._called(_users_page(cursor), looks_up=True)
            for member in page.get("members") or ():
                if member.get("deleted") or member.get("is_bot"):
                    continue
                profile = member.get("profile") or {}
                names = (member.get("name"), profile.get("display_name"), profile.get("real_name"))
                for name in {str(name).casefold() for name in names if name}:
                    ids.setdefault(name, set()).add(str(member["id"]))
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return {name: min(found) if len(found) == 1 else "" for name, found in ids.items()}

    def _connected(self) -> WebClient:
        if self._client is None:
            try:
                token = self._secret().api_token
            except SecretError as error:
                self._down = str(error)
                raise SlackDownError(self._down) from error
            # Its own handlers would send again what may have arrived.
            self._client = WebClient(
                token=token, base_url=self._settings.base_url, timeout=_TIMEOUT_S, retry_handlers=[]
            )
        return self._client

    def _called(
        self, call: Callable[[WebClient], SlackResponse], *, writes: bool = False, looks_up: bool = False
    ) -> SlackResponse:
        """Call, again as long as that is safe and may help."""
        if self._down:
            raise SlackDownError(self._down)
        client = self._connected()
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            wait = min(_FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)
            try:
                answer = call(client)
            except SlackApiError as error:
                status, code = _status(error), _code(error)
                if (status == 429 or code in ("ratelimited", "rate_limited")) and not last:
                    self._sleep(min(_retry_after(error, wait), _LONGEST_WAIT_S))
                    continue
                if status >= 500 and not writes and not last:
                    self._sleep(wait)
                    continue
                if looks_up and (code in _NO_LOOKUP or (not code and status in (403, 404, 405))):
                    raise _NoLookupError(f"Slack does not let users be looked up ({code or status})") from None
                raise self._refused(status, code) from None
            except (AttributeError, TypeError, ValueError) as error:
                # An answer that the package does not understand: a page of some proxy, say.
                reason = f"Slack's answer was not understood ({type(error).__name__}): is slack.base_url right?"
                raise AlertError(reason) from None
            except (SlackClientError, OSError, HTTPException) as error:
                if _is_certificate(error):
                    self._down = (
                        f"Slack at {self._settings.base_url}: its certificate is not trusted: set SSL_CERT_FILE"
                    )
                    raise SlackDownError(self._down) from None
                unsent = _never_connected(error)
                if (unsent or not writes) and not last:
                    self._sleep(wait)
                    continue
                raise self._unreachable(unsent=unsent or not writes) from None
            else:
                self._failures = 0
                return answer
        raise AssertionError("unreachable")

    def _refused(self, status: int, code: str) -> AlertError:
        # Never the exception's own text: it carries the whole answer.
        if code in _NO_LOGIN or status in (401, 403):
            self._down = f"Slack refused the login ({code or status}): check the secret {self._settings.secret!r}"
            return SlackDownError(self._down)
        if code in _UNUSABLE:
            return DestinationError(f"Slack says {code}")
        reason = f"Slack answered {code or status}"
        # A server error is quick, and may be about this destination alone: the others have still to hear.
        if status == 429:
            self._failed(reason)
        return AlertError(reason)

    def _unreachable(self, *, unsent: bool) -> AlertError:
        what = "no connection" if unsent else "the connection broke or took too long"
        reason = f"Slack at {self._settings.base_url} could not be reached: {what}"
        self._failed(reason)
        if unsent:
            self._down = reason
            return SlackDownError(reason)
        return AlertError(reason)

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= _FAILURES_UNTIL_DOWN:
            self._down = f"{reason}, {self._failures} times in a row"


def _users_page(cursor: str) -> Callable[[WebClient], SlackResponse]:
    return lambda client: client.users_list(limit=_USERS_A_PAGE, cursor=cursor)


def _status(error: SlackApiError) -> int:
    return int(getattr(error.response, "status_code", 0) or 0)


def _code(error: SlackApiError) -> str:
    """Slack's name of the error, where the answer has one at all."""
    try:
        code = error.response.get("error")
    except (AttributeError, ValueError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[a-z_]{1,60}", code) else ""


def _retry_after(error: SlackApiError, default: float) -> float:
    headers = {str(name).lower(): value for name, value in dict(getattr(error.response, "headers", {}) or {}).items()}
    value = headers.get("retry-after", "")
    value = value[0] if isinstance(value, list) and value else value
    return float(value) if isinstance(value, str) and value.isdigit() else default


def _never_connected(error: BaseException) -> bool:
    """Whether not even a connection was made, so that the message surely did not arrive."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ConnectionRefusedError) or "Name or service not known" in str(reason)


def _is_certificate(error: BaseException) -> bool:
    return isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)

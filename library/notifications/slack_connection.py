"""Slack: the connection to one workspace, its channels and people, and the messages that they get.

A message is sent once. It is sent again only if it surely did not arrive or was turned away for its rate; Slack is
waited for as long as it says.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Container, Mapping, Sequence
from functools import cached_property
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from library.aws.secrets import SecretError, SlackSecret
from library.config import Slack
from library.documents.text import flattened
from library.errors import HammerError
from library.notifications.connection import CONTENT_LIMIT, NETWORK_LIMIT, Failure, ServiceConnection

_TIMEOUT_S = 30
_CODE_LIMIT = 80
_NO_JSON = "Received a response in a non-JSON format"  # slack_sdk's word for an answer without a code

# What Slack is known to say of a channel or user that cannot get messages, whatever is tried. The list is open: what it
# says beyond that costs a few requests more (`library.notifications.broadcast`).
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
        "team_access_not_granted",
        "user_disabled",
        "user_not_found",
        "users_not_found",
    }
)
_UNUSABLE_PREFIX = "restricted_action"
# What it says of the app or its token: it holds for every channel.
_NO_LOGIN = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
# What Slack, or a proxy that lets only some methods through, says to who may post but not look users up.
_NO_LOOKUP = frozenset(
    {"access_denied", "method_deprecated", "missing_scope", "no_permission", "not_allowed_token_type", "unknown_method"}
)
_SERVER_ERRORS = ("fatal_error", "internal_error", "request_timeout", "service_unavailable")
_RATE = ("rate_limited", "ratelimited")


class SlackError(HammerError):
    """Slack did not do what it was asked. The text is one line.

    `may_have_arrived`: whether the message may be in the channel all the same.
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


class _RedirectRefuser(HTTPRedirectHandler):
    """Leaves a redirect to be the error that urllib makes of an answer that no handler takes."""

    def redirect_request(self, *_: object) -> None:
        """Make no request of a redirect."""


class SlackWebClient(WebClient):
    """slack_sdk's client, which follows no redirect: urllib would send the token to whatever address it names."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        del url  # of slack.base_url, which is http or https: the request has it
        proxy = [ProxyHandler({"http": self.proxy, "https": self.proxy})] if self.proxy else []
        opener = build_opener(_RedirectRefuser, HTTPSHandler(context=self.ssl), *proxy)
        with opener.open(req, timeout=self.timeout) as answer:
            charset = answer.headers.get_content_charset() or "utf-8"
            return {"status": answer.status, "headers": answer.headers, "body": answer.read().decode(charset)}


class SlackConnection(ServiceConnection[Slack, SlackSecret, WebClient]):
    """One Slack workspace.

    `read` raises SlackUserLookupError where Slack does not let its users be looked up, and SlackDestinationError where
    there is no such user. `write` raises SlackDestinationError where the channel cannot get messages, and
    SlackMessageRefusedError where Slack does not take this message. Both raise SlackError for everything else.
    """

    # The last three: an answer that the package does not understand, such as a page of a proxy.
    errors = (SlackClientError, OSError, HTTPException, AttributeError, TypeError, ValueError)
    unavailable = SlackUnavailableError

    @cached_property
    def has_app_token(self) -> bool:
        """Whether the secret has an app-level token. False also where it cannot be read."""
        try:
            return bool(self._secret().app_token)
        except SecretError:
            return False

    def _connect(self) -> WebClient:
        token = self._read_secret().api_token
        # Its own handlers would send again what may have arrived.
        return SlackWebClient(token=token, base_url=self.settings.base_url, timeout=_TIMEOUT_S, retry_handlers=[])

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
        if down := redirect_problem(error):
            return Failure(SlackUnavailableError(down), down=down)
        if status == 429 or code in _RATE:
            wait_s = self._wait_s(_retry_after(error))
            return Failure(
                SlackError(reason),
                may_repeat=True,
                wait_s=wait_s,
                down_after=NETWORK_LIMIT if status == 429 else 0,
            )
        if not writes and (code in _NO_LOOKUP or (not code and status in (403, 404, 405))):
            return Failure(SlackUserLookupError(f"Slack does not let users be looked up ({code or status})"))
        if code in _NO_LOGIN or status == 401 or (status == 403 and not writes):
            down = f"Slack refused the login ({code or status}): check the secret {self.settings.secret!r}"
            return Failure(SlackUnavailableError(down), down=down)
        if code in _UNUSABLE or code.startswith(_UNUSABLE_PREFIX):
            return Failure(SlackDestinationError(f"Slack says {code}"), is_answer=True)
        is_down = status >= 500 or code in _SERVER_ERRORS
        if writes:
            # Also a server error, or a proxy's 403, may be about what this message says: others are still to be sent.
            may_have_arrived = is_down or (not code and status < 400)
            refused = SlackMessageRefusedError(reason, may_have_arrived=may_have_arrived)
            return Failure(refused, down_after=CONTENT_LIMIT if is_down else 0, is_answer=not is_down)
        if is_down:
            return Failure(SlackError(reason), may_repeat=status >= 500, down_after=NETWORK_LIMIT)
        return Failure(SlackDestinationError(reason), is_answer=True)

    def _unreachable(self, error: Exception, *, writes: bool) -> Failure:
        base_url = self.settings.base_url
        if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
            down = f"Slack at {base_url}: its certificate is not trusted: set SSL_CERT_FILE"
            return Failure(SlackUnavailableError(down), down=down)
        unsent = _never_connected(error)
        what = "no connection" if unsent or not writes else "the connection broke or took too long"
        reason = f"Slack at {base_url} could not be reached: {what}"
        if unsent or not writes:
            return Failure(SlackUnavailableError(reason), may_repeat=True, down_after=NETWORK_LIMIT, down=reason)
        return Failure(SlackError(reason, may_have_arrived=True), down_after=NETWORK_LIMIT)


def redirect_problem(error: SlackApiError) -> str:
    """What to do about an answer that is a redirect; empty: it is none."""
    if not 300 <= (status := _status(error)) < 400:
        return ""
    return f"Slack answered {status}, a redirect, which is not followed: set slack.base_url to its target"


def _status(error: SlackApiError) -> int:
    return int(getattr(error.response, "status_code", 0) or 0)


def _code(error: SlackApiError) -> str:
    """Slack's name of the error, on one line, where the answer has one at all."""
    try:
        code, is_refusal = error.response.get("error"), error.response.get("ok") is False
    except (AttributeError, ValueError):
        return ""
    if not isinstance(code, str):
        return "no, without a reason" if is_refusal else ""
    return "" if code.startswith(_NO_JSON) else flattened(code, _CODE_LIMIT)


def _retry_after(error: SlackApiError) -> str:
    headers = {str(name).lower(): value for name, value in dict(getattr(error.response, "headers", {}) or {}).items()}
    value = headers.get("retry-after", "")
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else ""


def _never_connected(error: BaseException) -> bool:
    """Whether not even a connection was made, so that the message surely did not arrive."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, ConnectionRefusedError) or "Name or service not known" in str(reason)


_USERS_A_PAGE = 200
_ID = re.compile(r"[CDGUW][A-Z0-9]{8,}")
_CHANNEL_ID = re.compile(r"[CG](?=[A-Z]*[0-9])[A-Z0-9]{8,}")


class SlackClient:
    """Finds destinations and sends messages.

    Args:
        configured: the destinations that the configuration names. A channel's id among them needs no look-up; one in a
            tag may as well be somebody's name.
    """

    def __init__(self, connection: SlackConnection, configured: Container[str] = ()) -> None:
        self._connection = connection
        self._configured = configured
        self._members: dict[str, str] | None = None
        self._channels: dict[str, str] = {}

    @property
    def has_app_token(self) -> bool:
        """Whether the secret has what the service needs that takes decisions. False also where it cannot be read."""
        return self._connection.has_app_token

    def channel(self, destination: str) -> str:
        """What Slack takes for a destination: a channel's name as it is, a user's id.

        The destination is `#channel`, an e-mail address, a user's name, or an id.

        Raises:
            SlackDestinationError: there is no such user.
        """
        if destination.startswith("#") or (destination in self._configured and _CHANNEL_ID.fullmatch(destination)):
            return destination
        if destination not in self._channels:
            self._channels[destination] = self._user_or_id(destination)
        return self._channels[destination]

    def post(
        self, channel: str, text: str, blocks: Sequence[Mapping[str, Any]], thread: tuple[str, str] | None = None
    ) -> tuple[str, str]:
        """Send a message.

        Args:
            channel: as `channel` gave it.
            text: what notifications show; it is not parsed for mentions.
            blocks: the message, in Block Kit; none: the text is the message.
            thread: the message that this one answers, as this function returned it.

        Returns:
            The message: its channel's id and its time.

        Raises:
            SlackDestinationError: the channel cannot get messages.
            SlackMessageRefusedError: Slack does not take this message.
            SlackError: it was not sent, or nobody knows whether it was.
        """
        arguments: dict[str, Any] = {
            "channel": thread[0] if thread else channel,
            "text": text,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if blocks:
            arguments["blocks"] = list(blocks)
        if thread:
            if not thread[1]:
                raise SlackError("Slack did not say which message it answers")
            arguments["thread_ts"] = thread[1]
        sent = self._connection.write(lambda client: client.chat_postMessage(**arguments))
        return str(sent.get("channel") or channel), str(sent.get("ts") or "")

    def update(self, channel: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Rewrite a message of Hammer's own. To do it twice does no harm.

        Raises:
            SlackDestinationError: there is no such message any more, or it cannot be rewritten.
            SlackError: it was not rewritten, or nobody knows whether it was.
        """
        arguments: dict[str, Any] = {"channel": channel, "ts": ts, "text": text, "parse": "none", "link_names": False}
        arguments["blocks"] = list(blocks)
        self._connection.write(lambda client: client.chat_update(**arguments))

    def post_ephemeral(self, channel: str, user: str, text: str) -> None:
        """Tell one person something that nobody else sees; where that cannot be, in a direct message.

        Raises:
            SlackError: it was not told, or nobody knows whether it was.
        """
        arguments: dict[str, Any] = {"user": user, "text": text, "parse": "none", "link_names": False}
        try:
            if channel:
                self._connection.write(lambda client: client.chat_postEphemeral(channel=channel, **arguments))
                return
        except (SlackDestinationError, SlackMessageRefusedError):
            pass
        self.post(user, text, ())

    def open_view(self, trigger_id: str, view: Mapping[str, Any]) -> None:
        """Open a view for the person who pressed, within 3 seconds of that. Raises SlackError."""
        self._connection.write(lambda client: client.views_open(trigger_id=trigger_id, view=dict(view)))

    def _user_or_id(self, destination: str) -> str:
        try:
            return self._user(destination.removeprefix("@"))
        except SlackDestinationError:
            # People are called GUARDIANS or D12345678: only what is nobody's name may be an id. If it is none, either,
            # Slack says so when it gets a message.
            if _ID.fullmatch(destination):
                return destination
            raise

    def _user(self, name: str) -> str:
        if "@" in name:
            try:
                found = self._connection.read(lambda client: client.users_lookupByEmail(email=name))
                return str((found.get("user") or {})["id"])
            except KeyError:
                raise SlackError("Slack did not say which user has the address") from None
            except SlackUserLookupError:
                raise
            except SlackDestinationError:
                raise SlackDestinationError(f"Slack knows no user with the address {name!r}") from None
        if self._members is None:
            self._members = self._all_members()
        user_id = self._members.get(name.casefold(), "")
        if not user_id:
            raise SlackDestinationError(f"Slack knows no user called {name!r}, or several")
        return user_id

    def _all_members(self) -> dict[str, str]:
        """The ids of all active people by each of their names; empty for a name that several have."""
        ids: dict[str, set[str]] = {}
        cursor = ""
        while True:
            page = self._connection.read(_users_page(cursor))
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


def _users_page(cursor: str) -> Callable[[WebClient], SlackResponse]:
    return lambda client: client.users_list(limit=_USERS_A_PAGE, cursor=cursor)

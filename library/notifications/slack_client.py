"""Slack: channels and people, and the messages that they get."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from library.notifications.slack_connection import (
    SlackConnection,
    SlackDestinationError,
    SlackError,
    SlackMessageRefusedError,
    SlackUserLookupError,
)

_USERS_A_PAGE = 200
_ID = re.compile(r"[CDGUW][A-Z0-9]{8,}")


class SlackClient:
    """Finds destinations and sends messages.

    Args:
        connection: to Slack.
    """

    def __init__(self, connection: SlackConnection) -> None:
        self._connection = connection
        self._members: dict[str, str] | None = None
        self._channels: dict[str, str] = {}

    @property
    def has_app_token(self) -> bool:
        """Whether the secret has what the service needs that takes decisions. False also where it cannot be read."""
        return self._connection.has_app_token

    def channel(self, destination: str) -> str:
        """What Slack takes for a destination: a channel's name as it is, a user's id.

        Args:
            destination: `#channel`, an e-mail address, a user's name, or an id.

        Raises:
            SlackDestinationError: there is no such user.
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

    def post_ephemeral(self, channel: str, user: str, text: str, thread_ts: str = "") -> None:
        """Tell one person something that nobody else sees; where that cannot be, in a direct message.

        Raises:
            SlackError: it was not told, or nobody knows whether it was.
        """
        arguments: dict[str, Any] = {"user": user, "text": text, "parse": "none", "link_names": False}
        if thread_ts:
            arguments["thread_ts"] = thread_ts
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

"""Slack: channels and people, and the messages that they get."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from library.notifications.slack_connection import (
    SlackConnection,
    SlackDestinationError,
    SlackError,
    SlackUserLookupError,
)

_USERS_A_PAGE = 200
_ID = re.compile(r"[CDGUW][A-Z0-9]{8,}")
_CHANNEL_ID = re.compile(r"[CG](?=[A-Z]*[0-9])[A-Z0-9]{8,}")


class SlackClient:
    """Finds destinations and sends messages.

    Args:
        connection: to Slack.
        configured: the destinations that the configuration names. A channel's id among them needs no look-up; one in a
            tag may as well be somebody's name.
    """

    def __init__(self, connection: SlackConnection, configured: Container[str] = ()) -> None:
        self._connection = connection
        self._configured = configured
        self._members: dict[str, str] | None = None
        self._channels: dict[str, str] = {}

    def channel(self, destination: str) -> str:
        """What Slack takes for a destination: a channel's name as it is, a user's id.

        Args:
            destination: `#channel`, an e-mail address, a user's name, or an id.

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

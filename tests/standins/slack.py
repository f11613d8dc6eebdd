"""Slack: the methods of its Web API that Hammer uses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.standins.server import Answer, Request, StandIn

_TOKEN = "xoxb-slack-t0ken"


@dataclass
class Message:
    """What somebody would see: `channel` is a channel's or a person's name."""

    channel: str
    text: str
    blocks: list[dict[str, Any]]
    ts: str
    thread: str = ""
    replies: list[Message] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The texts of its blocks."""
        return "\n".join(block["text"]["text"] for block in self.blocks) if self.blocks else self.text


class SlackStandIn(StandIn):
    """One workspace.

    Attributes:
        channels: names, with `#`.
        people: ids to name and e-mail address.
        messages: those that are not in a thread.
        most_characters: how many characters of blocks a message may have, in the encoding in which they are most.
        refuses: what it answers a message that contains a text, by that text: a code, or a status.
    """

    secret: ClassVar = {"api_token": _TOKEN}

    def __init__(self) -> None:
        super().__init__()
        self.channels = {"#hammer"}
        self.people: dict[str, tuple[str, str]] = {}
        self.messages: list[Message] = []
        self.most_characters = 13_200
        self.refuses: dict[str, str | int] = {}

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.path.endswith("chat.postMessage")]

    def to(self, channel: str) -> list[Message]:
        return [message for message in self.messages if message.channel == channel]

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {_TOKEN}":
            return Answer({"ok": False, "error": "invalid_auth"})
        arguments = {**request.query, **(request.body or {})}
        method = request.path.rpartition("/")[2]
        if method == "chat.postMessage":
            said = json.dumps(arguments, ensure_ascii=False)
            for answer in (answer for part, answer in self.refuses.items() if part in said):
                is_code = isinstance(answer, str)
                return Answer({"ok": False, "error": answer}) if is_code else Answer("<html>no</html>", int(answer))
            return Answer(self._post(arguments))
        if method == "users.lookupByEmail":
            for user_id, (name, email) in self.people.items():
                if email and email == arguments["email"]:
                    return Answer({"ok": True, "user": {"id": user_id, "name": name}})
            return Answer({"ok": False, "error": "users_not_found"})
        if method == "users.list":
            # A page holds one person: whoever does not follow the cursor sees only the first.
            listed = sorted(self.people.items())
            at = int(arguments.get("cursor") or 0)
            members = [{"id": user_id, "name": name, "profile": {}} for user_id, (name, _) in listed[at : at + 1]]
            following = str(at + 1) if at + 1 < len(listed) else ""
            return Answer({"ok": True, "members": members, "response_metadata": {"next_cursor": following}})
        return Answer({"ok": False, "error": "unknown_method"})

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = arguments["channel"]
        blocks = arguments.get("blocks", [])
        blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
        if channel in self.people:
            channel = self.people[channel][0]
        elif channel not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        if len(arguments["text"]) > 40_000:
            return {"ok": False, "error": "msg_too_long"}
        if not blocks and not arguments["text"]:
            return {"ok": False, "error": "no_text"}
        if len(json.dumps(blocks)) > self.most_characters:
            return {"ok": False, "error": "msg_blocks_too_long"}
        if len(blocks) > 50 or any(not 1 <= len(block["text"]["text"]) <= 3000 for block in blocks):
            return {"ok": False, "error": "invalid_blocks"}
        thread = arguments.get("thread_ts", "")
        message = Message(channel, arguments["text"], blocks, f"{len(self.requests)}.0", thread)
        if thread:
            next(found for found in self.messages if found.ts == thread).replies.append(message)
        else:
            self.messages.append(message)
        return {"ok": True, "channel": arguments["channel"], "ts": message.ts}

"""Slack: the methods of its Web API that Hammer uses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.standins.server import Answer, Request, StandIn
from tests.standins.socket_mode import SocketModeServer

_TOKEN = "xoxb-slack-t0ken"
APP_TOKEN = "xapp-1-A111-slack-t0ken"
TEAM = "T0G9PQBBK"


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
    def buttons(self) -> dict[str, str]:
        """The values of its buttons, by action id."""
        return {
            element["action_id"]: element["value"]
            for block in self.blocks
            if block["type"] == "actions"
            for element in block["elements"]
        }

    @property
    def shown(self) -> str:
        """The texts of its blocks."""
        sections = [block["text"]["text"] for block in self.blocks if block["type"] == "section"]
        return "\n".join(sections) if self.blocks else self.text


class SlackStandIn(StandIn):
    """One workspace.

    Attributes:
        channels: names, with `#`.
        people: ids to name and e-mail address.
        messages: those that are not in a thread.
        most_characters: how many characters of blocks a message may have, in the encoding in which they are most.
        refuses: what it answers a message that contains a text, by that text: a code, or a status.
        users: what `users.info` says of people, beyond their names and addresses, by id.
        groups: the members of user groups, by id.
        socket: Socket Mode.
        ephemeral: what single people were told: channel, user, text.
        views: the views that were opened, with the trigger.
        open_error: what `apps.connections.open` answers; empty: an address.
    """

    secret: ClassVar = {"api_token": _TOKEN}

    def __init__(self) -> None:
        super().__init__()
        self.channels = {"#hammer"}
        self.people: dict[str, tuple[str, str]] = {}
        self.messages: list[Message] = []
        self.most_characters = 13_200
        self.refuses: dict[str, str | int] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[str]] = {}
        self.socket = SocketModeServer()
        self.ephemeral: list[tuple[str, str, str]] = []
        self.views: list[tuple[str, dict[str, Any]]] = []
        self.open_error = ""
        self.has_auth_test = True

    @property
    def listener_secret(self) -> dict[str, str]:
        return {**self.secret, "app_token": APP_TOKEN}

    def message(self, ts: str) -> Message:
        every = [message for message in self.messages for message in (message, *message.replies)]
        return next(message for message in every if message.ts == ts)

    def with_buttons(self) -> list[Message]:
        every = [message for message in self.messages for message in (message, *message.replies)]
        return [message for message in every if message.buttons]

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.path.endswith("chat.postMessage")]

    def to(self, channel: str) -> list[Message]:
        return [message for message in self.messages if message.channel == channel]

    def answer(self, request: Request) -> Answer:
        method = request.path.rpartition("/")[2]
        token = APP_TOKEN if method == "apps.connections.open" else _TOKEN
        if request.headers.get("authorization") != f"Bearer {token}":
            return Answer({"ok": False, "error": "invalid_auth"})
        arguments = {**request.query, **(request.body or {})}
        if (decided := self._for_decisions(method, arguments)) is not None:
            return Answer(decided)
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

    def _for_decisions(self, method: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """The methods that decisions need."""
        match method:
            case "apps.connections.open":
                return (
                    {"ok": False, "error": self.open_error} if self.open_error else {"ok": True, "url": self.socket.url}
                )
            case "auth.test":
                home = {"ok": True, "team_id": TEAM, "user_id": "U0BOT"}
                return home if self.has_auth_test else {"ok": False, "error": "unknown_method"}
            case "users.info":
                return self._user(arguments["user"])
            case "usergroups.users.list":
                group = self.groups.get(arguments["usergroup"])
                return {"ok": False, "error": "no_such_subteam"} if group is None else {"ok": True, "users": group}
            case "views.open":
                self.views.append((arguments["trigger_id"], _parsed(arguments["view"])))
                return {"ok": True, "view": {"id": f"V{len(self.views)}"}}
            case "chat.postEphemeral":
                self.ephemeral.append((arguments["channel"], arguments["user"], arguments["text"]))
                return {"ok": True, "message_ts": "1.0"}
            case "chat.update":
                return self._update(arguments)
        return None

    def _user(self, user_id: str) -> dict[str, Any]:
        if user_id not in self.people and user_id not in self.users:
            return {"ok": False, "error": "user_not_found"}
        name, email = self.people.get(user_id, (user_id, ""))
        user = {
            "id": user_id,
            "team_id": TEAM,
            "name": name,
            "deleted": False,
            "is_bot": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_email_confirmed": True,
            "profile": {"email": email},
        }
        return {"ok": True, "user": {**user, **self.users.get(user_id, {})}}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        every = [message for message in self.messages for message in (message, *message.replies)]
        found = [message for message in every if message.ts == arguments["ts"]]
        if not found:
            return {"ok": False, "error": "message_not_found"}
        found[0].text, found[0].blocks = arguments["text"], _parsed(arguments.get("blocks", "[]"))
        return {"ok": True, "channel": arguments["channel"], "ts": arguments["ts"]}

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
        sections = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        if len(blocks) > 50 or any(not 1 <= len(text) <= 3000 for text in sections):
            return {"ok": False, "error": "invalid_blocks"}
        thread = arguments.get("thread_ts", "")
        message = Message(channel, arguments["text"], blocks, f"{len(self.requests)}.0", thread)
        if thread:
            next(found for found in self.messages if found.ts == thread).replies.append(message)
        else:
            self.messages.append(message)
        return {"ok": True, "channel": arguments["channel"], "ts": message.ts}


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value

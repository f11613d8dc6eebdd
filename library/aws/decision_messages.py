"""Which messages in Slack have buttons of an issue, so that whoever comes next can rewrite them.

One item for each issue, under an id of its own: several processes write it, and none of them writes the issue for it.
Before a message is rewritten, the process leaves a claim, and takes it away after it has recorded what the message
shows. A claim that is left over says that nobody knows what the message shows: it is rewritten once more.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.errors import ConflictError
from library.issues.times import format_time, parse_time

if TYPE_CHECKING:
    from library.aws.conditional_writes import Items

ITEM_PREFIX = "decision-messages#"
_KEPT = 100
_ATTEMPTS = 20
ABANDONED_AFTER = timedelta(minutes=10)
"""How old a claim is before the process that left it counts as dead: longer than any call of Slack with its retries."""


@dataclass(frozen=True, slots=True)
class ButtonMessage:
    """A message with buttons.

    Attributes:
        channel: the channel's id.
        ts: the message's time, which is its id there.
        shown: the digest of what it shows; empty: nobody knows.
        claims: the processes that were about to rewrite it, each with the time.
    """

    channel: str
    ts: str
    shown: str = ""
    claims: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from other messages."""
        return self.channel, self.ts

    def to_item(self) -> dict[str, Any]:
        """An entry of the item."""
        claims = {name: format_time(at) for name, at in self.claims.items()}
        return {"channel": self.channel, "ts": self.ts, "shown": self.shown, "claims": claims}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> ButtonMessage:
        """Read an entry."""
        claims = {str(name): parse_time(at) for name, at in (item.get("claims") or {}).items()}
        known = {name: at for name, at in claims.items() if at}
        return cls(str(item["channel"]), str(item["ts"]), str(item.get("shown") or ""), known)


@dataclass(frozen=True, slots=True)
class IssueMessages:
    """The messages of one issue. `version` counts the writes; 0: there is no item."""

    account_id: str
    group_id: str
    messages: tuple[ButtonMessage, ...] = ()
    version: int = 0


class DecisionMessages:
    """These records in one table."""

    def __init__(self, items: Items, now: Callable[[], datetime]) -> None:
        self._items = items
        self._now = now

    def of_issue(self, account_id: str, group_id: str) -> IssueMessages:
        """The messages of an issue; none, where there are none."""
        item = self._items.get(account_id, f"{ITEM_PREFIX}{group_id}")
        return _read(item) if item else IssueMessages(account_id, group_id)

    def of_account(self, account_id: str) -> Iterator[IssueMessages]:
        """The messages of every issue of an account that has any."""
        for item in self._items.with_prefix(account_id, ITEM_PREFIX):
            if (found := _read(item)).messages:
                yield found

    def add(self, account_id: str, group_id: str, message: ButtonMessage) -> None:
        """Keep a message that was just sent. One that is kept already stays as it is."""

        def change(messages: Sequence[ButtonMessage]) -> Sequence[ButtonMessage]:
            known = message.key in {kept.key for kept in messages}
            return messages if known else [*messages, message][-_KEPT:]

        self._change(account_id, group_id, change)

    def claim(self, account_id: str, group_id: str, key: tuple[str, str]) -> str:
        """Say that this process is about to rewrite a message. Returns the claim."""
        claim, at = uuid.uuid4().hex, self._now()
        self._change(
            account_id,
            group_id,
            lambda messages: [
                replace(kept, claims={**kept.claims, claim: at}) if kept.key == key else kept for kept in messages
            ],
        )
        return claim

    def rewritten(
        self, account_id: str, group_id: str, key: tuple[str, str], claim: str, shown: str, *, keep: bool
    ) -> None:
        """Say what a message shows now, and take the claim away, with those of processes that are dead.

        `shown` is the digest of what the message shows; `keep` says whether it still is to be rewritten when something
        changes.
        """
        dead = self._now() - ABANDONED_AFTER

        def change(messages: Sequence[ButtonMessage]) -> Sequence[ButtonMessage]:
            return [
                replace(kept, shown=shown, claims=_without(kept.claims, claim, dead)) if kept.key == key else kept
                for kept in messages
                if keep or kept.key != key or _without(kept.claims, claim, dead)
            ]

        self._change(account_id, group_id, change)

    def _change(
        self, account_id: str, group_id: str, change: Callable[[Sequence[ButtonMessage]], Sequence[ButtonMessage]]
    ) -> None:
        for _ in range(_ATTEMPTS):
            found = self.of_issue(account_id, group_id)
            after = tuple(change(found.messages))
            if after == found.messages:
                return
            condition = "#version = :read" if found.version else "attribute_not_exists(#version)"
            try:
                self._items.update(
                    account_id,
                    f"{ITEM_PREFIX}{group_id}",
                    {"messages": [message.to_item() for message in after], "version": found.version + 1},
                    condition=condition,
                    values={":read": found.version} if found.version else {},
                )
            except ConflictError:
                continue
            return
        raise ConflictError(f"the messages of {group_id} in {account_id} kept changing")


def _without(claims: Mapping[str, datetime], own: str, dead: datetime) -> dict[str, datetime]:
    return {name: at for name, at in claims.items() if name != own and at > dead}


def _read(item: Mapping[str, Any]) -> IssueMessages:
    return IssueMessages(
        str(item["account_id"]),
        str(item["issue_id"]).removeprefix(ITEM_PREFIX),
        tuple(ButtonMessage.from_item(raw) for raw in item.get("messages") or ()),
        int(item.get("version") or 0),
    )

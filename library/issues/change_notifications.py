"""What remediation did to a group, or could not do, as it is recorded in the issue until every channel was told.

Pure, but for `new_claim`, which makes a random token. Remediation records it before it tells anybody, and tells the
channels that answer at that moment. What is left is delivered by the next reporting run. Either claims it first
(`library.notifications.change_delivery`), so each is told once to each channel, whatever ends a run and whichever runs
meet.

What every run finds again, such as a quota, has the same key each time, and is not told again.

A claim says that a process is notifying a channel, so that no other does at the same time; decisions have the same.
Whoever is going to notify writes its claim by a write that is conditional on the claim as it was read: of two
processes one succeeds. A process that dies leaves its claim behind; after `CLAIMED_FOR` another may take it over.
Without claims, two processes both look for their comment in a ticket, both find none, and both write it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from library.issues.names import required_text
from library.issues.times import format_time, parse_time, stored_time

KEPT_LIMIT = 20
"""How much news of an issue is kept. The oldest that every channel has had is dropped first."""

KEPT_BYTES = 30_000
"""How many bytes of it, as far as it was told. An item of the table, which is copied to two indexes, has 133 KB for all
that every job keeps in it."""

_TEXT_LIMIT = 2_000
_DETAILS_LIMIT = 60
_LAST_DETAILS = 2  # of them, which are kept in any case
_MORE_BYTES = 40  # of the line that says how many are left out
_DETAILS_BYTES = 8_000  # of one thing's details together


class Channel(StrEnum):
    """Where it is told."""

    JIRA = "jira"
    SLACK = "slack"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class ChangeNotification:
    """One thing that happened to a group.

    Attributes:
        heading: what an alert is listed under.
        text: one sentence or two; may hold untrusted input.
        details: more, a sentence each; may hold untrusted input.
        notified: the channels that were told, or need not be: the ticket has nobody to tell, Slack is off, the webhook
            was off when it happened.
        claims: who is telling a channel, as `new_claim` writes it; without an entry: nobody was yet.
        delivered_to: the destinations in Slack that were told, while others were not.
    """

    occurrence: int
    at: datetime
    heading: str
    text: str
    details: tuple[str, ...] = ()
    notified: frozenset[Channel] = frozenset()
    claims: Mapping[Channel, str] = field(default_factory=dict)
    delivered_to: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Tells it from all other news of the issue; the same for what every run finds again."""
        return notification_key(self.occurrence, self.heading, self.text, self.details)

    def claim(self, channel: Channel) -> str:
        """Who is telling a channel; empty: nobody was yet."""
        return self.claims.get(channel, "")

    def to_item(self) -> dict[str, Any]:
        """An entry of the map `change_news` of the table."""
        return {
            "occurrence": self.occurrence,
            "at": format_time(self.at),
            "heading": self.heading,
            "text": self.text,
            "details": list(self.details),
            "in_jira": Channel.JIRA in self.notified,
            "in_slack": Channel.SLACK in self.notified,
            **({} if Channel.WEBHOOK in self.notified else {"in_webhook": False}),
            **{f"claim_{channel}": claim for channel in Channel if (claim := self.claim(channel))},
            **({"heard": list(self.delivered_to)} if self.delivered_to else {}),
        }


def notification_key(occurrence: int, heading: str, text: str, details: Sequence[str]) -> str:
    """The key of a notification that says this."""
    kept = _kept(details)
    return hashlib.sha256(repr((occurrence, heading, text[:_TEXT_LIMIT], kept)).encode()).hexdigest()[:16]


def new_notification(
    occurrence: int, at: datetime, heading: str, text: str, details: Sequence[str], *, webhook: bool = False
) -> ChangeNotification:
    """A notification that no channel has had yet, cut to what the table has room for. `webhook`: whether that is on."""
    notified = frozenset(() if webhook else (Channel.WEBHOOK,))
    return ChangeNotification(occurrence, at, heading, text[:_TEXT_LIMIT], _kept(details), notified)


def _kept(details: Sequence[str]) -> tuple[str, ...]:
    """The details that there is room for, how many more there are, and the last two, which tell the way back.

    Of what was kept, all is kept again: the key of a notification is made of it.
    """
    cut = [each[:_TEXT_LIMIT] for each in details]
    first, last = cut[:-_LAST_DETAILS], cut[-_LAST_DETAILS:]
    most, available = _DETAILS_LIMIT - _LAST_DETAILS, _DETAILS_BYTES - sum(map(_bytes, last))
    if len(first) <= most and sum(map(_bytes, first)) <= available:
        return tuple(cut)
    kept, available = list[str](), available - _MORE_BYTES
    for detail in first[: most - 1]:
        available -= _bytes(detail)
        if available < 0:
            break
        kept.append(detail)
    return (*kept, f"{len(first) - len(kept):,} more are left out here", *last)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def notifications_from_item(item: object) -> tuple[ChangeNotification, ...]:
    """The news of an issue, the oldest first. What is not as it should be is left out."""
    found = []
    for key, entry in item.items() if isinstance(item, Mapping) else ():
        try:
            at = parse_time(entry["at"])
            texts = (entry["heading"], entry["text"], *entry["details"])
            if at is None or not all(isinstance(text, str) for text in texts):
                continue
            notification = ChangeNotification(
                int(entry["occurrence"]),
                at,
                entry["heading"],
                entry["text"],
                tuple(entry["details"]),
                frozenset(channel for channel in Channel if _is_notified(entry, channel)),
                {channel: claim for channel in Channel if (claim := required_text(entry.get(f"claim_{channel}", "")))},
                tuple(required_text(destination) for destination in entry.get("heard", ())),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        if notification.key == key:
            found.append(notification)
    return tuple(sorted(found, key=lambda notification: notification.at))


def _is_notified(entry: Mapping[str, Any], channel: Channel) -> bool:
    """Whether a channel was told: an entry without `in_webhook` does not concern the webhook."""
    notified = entry.get(f"in_{channel}")
    return notified is not False if channel is Channel.WEBHOOK else notified is True


def undelivered(
    notifications: Sequence[ChangeNotification], channels: Collection[Channel]
) -> tuple[ChangeNotification, ...]:
    """What is left to be told of an issue in the enabled channels, in the same order."""
    return tuple(each for each in notifications if not each.notified.issuperset(channels))


REMEDIATED = "Remediated"
"""The heading of a group that was closed."""
COMPLETED = "Completed"
"""The heading of a change that an earlier run had begun, and somebody else made unnecessary."""
RESTORED, RELEASED = "Restored", "Released"
"""The headings of what a person had Hammer do."""
NOT_DONE = "Not remediated"
"""The heading of what could not be done."""


def not_done(
    known: Sequence[ChangeNotification], occurrence: int, remediated: datetime | None
) -> ChangeNotification | None:
    """The last that could not be done about a group in this occurrence; None: nothing, or it was remediated since."""
    last = next((each for each in reversed(known) if each.occurrence == occurrence), None)
    if last is None or last.heading != NOT_DONE or (remediated is not None and remediated >= last.at):
        return None
    return last


def record_paths(known: Sequence[ChangeNotification], new: ChangeNotification) -> tuple[dict[str, Any], list[str]]:
    """What records one more thing in an issue: paths of its item to set, each with its value, and paths to remove.

    Nothing is set where it is known already: every run finds it again, and whoever was told of it stays told.
    """
    if any(each.key == new.key for each in known):
        return {}, []
    if not known:  # a path needs its map
        return {"change_news": {new.key: new.to_item()}}, []
    return {f"change_news.{new.key}": new.to_item()}, [f"change_news.{key}" for key in superfluous(known, new)]


def superfluous(known: Sequence[ChangeNotification], new: ChangeNotification) -> tuple[str, ...]:
    """The keys of notifications to drop for want of room before `new` is added: delivered ones, the oldest first."""
    left, size = len(known) + 1, sum(map(_size, known)) + _size(new)
    found: list[str] = []
    for each in known:
        if left <= KEPT_LIMIT and size <= KEPT_BYTES:
            break
        if each.notified.issuperset(Channel):
            found.append(each.key)
            left, size = left - 1, size - _size(each)
    return tuple(found)


def _size(notification: ChangeNotification) -> int:
    """About how many bytes it has in an item."""
    return sum(map(_bytes, (notification.heading, notification.text, *notification.details))) + 300


CLAIMED_FOR = timedelta(minutes=10)
"""How long nobody else tells what a process has claimed: longer than JIRA and Slack take with all retries."""

_RELEASED = "released"


def is_held(since: datetime | None, now: datetime) -> bool:
    """Whether a claim made then still counts. One in the future, of a clock that was wrong, does not count for ever."""
    return since is not None and abs(now - since) < CLAIMED_FOR


def new_claim(now: datetime) -> str:
    """The text of a claim, which no other process writes: its time and a token.

    >>> claimed_at(new_claim(datetime.fromisoformat("2026-11-22T03:00:00+00:00"))).isoformat()
    '2026-11-22T03:00:00+00:00'
    """
    return f"{format_time(now)} {uuid.uuid4().hex}"


def released(claim: str) -> str:
    """What is kept of a claim that was given back: whoever read the text before it was made sees that it changed.

    >>> released("2026-11-22T03:00:00+00:00 5b10")
    'released 5b10'
    """
    return f"{_RELEASED} {claim.rpartition(' ')[2]}"


def claimed_at(claim: str) -> datetime | None:
    """When a claim was made; None: there is none, it was given back, or the text is none."""
    return stored_time(claim.partition(" ")[0])

"""Text and messages for Slack: `mrkdwn` and Block Kit.

Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from library.documents.text import printable, shortened

_SECTION_LIMIT = 3000  # Block Kit, "Section block": characters of its text
_BLOCKS_LIMIT = 50  # Block Kit: blocks of a message
_HEAD_LINES = 20
_REPLY_BLOCKS = 20

# A zero-width space at each side: whether Slack takes it for a letter or for white space, no effect begins there.
_APART = "\u200b"
_EFFECT = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=[\w+'-]+:)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def literal(text: str) -> str:
    """Text as Slack must be given it to show it as it is, on one line.

    `<!channel>` becomes `&lt;!channel&gt;`: Slack, "Formatting text for app surfaces", escapes these three characters
    and no others.
    """
    apart = _EFFECT.sub(lambda found: f"{_APART}{found[0]}{_APART}", printable(text))
    return "".join(_ENTITIES.get(char, char) for char in apart)


def link(url: str, text: str) -> str:
    """A link. The address must be Hammer's own, not an account's."""
    return f"<{url.replace('|', '%7C').replace('>', '%3E')}|{literal(text)}>"


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told of one issue. Line and details are `mrkdwn`, with everything hostile in them made literal.

    Attributes:
        key: tells one issue from another.
        heading: what it is listed under.
        subject: what it is about, in a few words.
        line: the same and what is to be told, on one line.
        details: what is told in the thread, one line each.
    """

    key: str
    heading: str
    subject: str
    line: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        text: what a notification shows.
        blocks: what the channel shows.
        keys: the issues that it tells of.
    """

    text: str
    blocks: tuple[dict[str, Any], ...]
    keys: frozenset[str]


def compose(title: str, alerts: Sequence[Alert], notes: Iterable[str] = ()) -> list[Message]:
    """One message for a channel, and those of its thread.

    Args:
        title: what the message begins with, in words of our own.
        alerts: what is told, in this order under each heading.
        notes: what is to be said of the message itself; hostile text.
    """
    shown = alerts[:_HEAD_LINES]
    headings = list(dict.fromkeys(alert.heading for alert in shown))
    counted = Counter(alert.heading for alert in alerts)
    title = f"{title}: " + ", ".join(f"{count} {heading.lower()}" for heading, count in counted.items())
    texts = [f"*{title}*"]
    for heading in headings:
        lines = [f"• {alert.line}" for alert in shown if alert.heading == heading]
        texts += _packed([f"*{heading}*", *lines])
    if len(alerts) > len(shown):
        texts.append(f"and {len(alerts) - len(shown)} more, listed in the thread")
    texts += [f"_{literal(note)}_" for note in notes]
    head = Message(title, tuple(_section(text) for text in texts[:_BLOCKS_LIMIT]), frozenset(a.key for a in shown))
    replies: list[Message] = []
    blocks: list[dict[str, Any]] = []
    keys: set[str] = set()
    for alert in alerts:
        if not alert.details and alert.key in head.keys:
            continue
        first = alert.subject if alert.key in head.keys else alert.line
        added = [_section(text) for text in _packed([first, *alert.details])]
        if blocks and len(blocks) + len(added) > _REPLY_BLOCKS:
            replies.append(Message(title, tuple(blocks), frozenset(keys)))
            blocks, keys = [], set()
        blocks += added[:_BLOCKS_LIMIT]
        keys.add(alert.key)
    if blocks:
        replies.append(Message(title, tuple(blocks), frozenset(keys)))
    return [head, *replies]


def _packed(lines: Iterable[str]) -> list[str]:
    """Lines in as few texts as a section's limit allows."""
    texts: list[str] = []
    for line in lines:
        line = shortened(line, _SECTION_LIMIT)
        if texts and len(texts[-1]) + 1 + len(line) <= _SECTION_LIMIT:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return texts


def _section(text: str) -> dict[str, Any]:
    # Verbatim: Slack makes no links and mentions of its own out of plain text.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}

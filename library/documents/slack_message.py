"""Messages for Slack, in Block Kit: one for a channel, with a thread, of everything that is to be sent there.

Pure. Each message keeps to all of Slack's limits as a whole. Slack refuses a message of more than about 13,200
characters of blocks (`msg_blocks_too_long`), which its documentation does not say. What it counts is not known: here it
is the JSON of all blocks, in which every character outside ASCII is an escape sequence.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from library.documents.text import ascii_only, cut_utf16, printable, utf16_size

# A zero-width space at each side: whether Slack takes it for a letter or for white space, no effect begins there.
_APART = "\u200b"
_EFFECT = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=[\w+'-]+:)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|<[^>]*)\Z")


def slack_literal(text: str) -> str:
    """Text as Slack must be given it to show it as it is, on one line.

    `<!channel>` becomes `&lt;!channel&gt;`: Slack, "Formatting text for app surfaces", escapes these three characters
    and no others.
    """
    apart = _EFFECT.sub(lambda found: f"{_APART}{found[0]}{_APART}", printable(text))
    return "".join(_ENTITIES.get(char, char) for char in apart)


def link(url: str, text: str) -> str:
    """A link. The address must be Hammer's own, not an account's."""
    return f"<{url.replace('|', '%7C').replace('>', '%3E')}|{slack_literal(text)}>"


def cut(mrkdwn: str, limit: int) -> str:
    """`mrkdwn` of at most `limit` characters as Slack counts them, without half an entity or link at its end.

    A character outside the Basic Multilingual Plane counts as two.

    >>> cut("a &lt;b&gt;", 6), cut("web", 3)
    ('a …', 'web')
    """
    if utf16_size(mrkdwn) <= limit:
        return mrkdwn
    return _BROKEN_END.sub("", cut_utf16(mrkdwn, limit)[:-1]) + "…"


_MESSAGE_LIMIT = 12_000  # characters of the JSON of all blocks; Slack takes about 13,200
_BLOCKS_LIMIT = 50  # Block Kit: blocks of a message
_SECTION_LIMIT = 3000  # Block Kit, "Section block": characters of its text
_LINE_LIMIT = 4000  # characters of one line's JSON, so that a line of every kind fits
_HEAD_LINES = 20
_REPLY_BLOCKS = 20
_NOTES = 5
_RESERVED = 600  # for what ends a message: how much more there is
_NOTE_LIMIT = 200
_PLAIN_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Alert:
    """What is sent about one issue. Line and details are `mrkdwn`, with everything untrusted in them made literal.

    Attributes:
        key: tells one issue from another.
        heading: what it is listed under.
        subject: what it is about, in a few words.
        line: the same and what is to be said, on one line.
        details: what is said in the thread, one line each.
        actions: the block of buttons; None: there are none. An alert with buttons has a message of its own.
    """

    key: str
    heading: str
    subject: str
    line: str
    details: tuple[str, ...] = ()
    actions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        text: what a notification shows; without blocks, the message.
        blocks: what the channel shows.
        keys: the issues whose line or details it has.
    """

    text: str
    blocks: tuple[dict[str, Any], ...]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is short enough to fit beside others. `size`: characters of its JSON, without the quotation marks."""

    text: str
    size: int


@dataclass(slots=True)
class _Blocks:
    """Sections of a message, as many as Slack takes."""

    limit: int = _MESSAGE_LIMIT
    texts: list[str] = field(default_factory=list)
    size: int = 2

    def add(self, lines: Iterable[_Line], *, apart: bool = False, most_blocks: int = _BLOCKS_LIMIT) -> bool:
        """Add lines, all or none. `apart`: in a new section. Returns whether they fit."""
        texts, size = list(self.texts), self.size
        for line in lines:
            if texts and not apart and len(texts[-1]) + 1 + len(line.text) <= _SECTION_LIMIT:
                texts[-1] += f"\n{line.text}"
                size += len(r"\n") + line.size
            else:
                texts.append(line.text)
                size += _EMPTY_SECTION + line.size
            if len(texts) > most_blocks or size > self.limit:
                return False
            apart = False
        self.texts, self.size = texts, size
        return True

    def message(self, text: str, keys: Iterable[str]) -> Message:
        return Message(text, tuple(_section(text) for text in self.texts), frozenset(keys))


def compose(title: str, alerts: Sequence[Alert], notes: Sequence[str] = ()) -> list[Message]:
    """One message for a channel, and those of its thread.

    The message begins with the title and has a line for each of the first alerts, as many as it can take; the others
    have theirs in the thread. The alerts keep their order under each heading. `notes` are about the message itself;
    they are untrusted input.
    """
    counted = Counter(alert.heading for alert in alerts)
    title = f"{title}: " + ", ".join(f"{count} {heading.lower()}" for heading, count in counted.items())
    head = _head(title, alerts, notes)
    buttons = tuple(dict(alert.actions) for alert in alerts if alert.actions) if len(alerts) == 1 else ()
    return [replace(head, blocks=(*head.blocks, *buttons)), *replies(title, alerts, head.keys)]


def plain(title: str, alert: Alert) -> Message:
    """One alert as a short text of ASCII, for when Slack refuses it in any other form."""
    line = alert.line.replace("\u200b", "")
    return Message(f"{title}: {cut(ascii_only(line), _PLAIN_LIMIT)}", (), frozenset({alert.key}))


def _head(title: str, alerts: Sequence[Alert], notes: Sequence[str]) -> Message:
    said = [_line(f"_{cut(slack_literal(note), _NOTE_LIMIT)}_") for note in notes[:_NOTES]]
    if len(notes) > _NOTES:
        said.append(_line(f"_and {len(notes) - _NOTES} more such notes_"))
    limit = _MESSAGE_LIMIT - sum(_EMPTY_SECTION + line.size for line in said) - _RESERVED
    shown: dict[str, list[_Line]] = {}  # the lines under each heading
    blocks, keys = _Blocks(), list[str]()
    for alert in alerts[:_HEAD_LINES]:
        longer = {heading: list(lines) for heading, lines in shown.items()}
        longer.setdefault(alert.heading, []).append(_line(f"• {alert.line}"))
        if (attempt := _head_blocks(title, longer, limit)) is None:
            break
        blocks, shown = attempt, longer
        keys.append(alert.key)
    blocks.limit = _MESSAGE_LIMIT
    if len(alerts) > len(keys):
        said.insert(0, _line(f"and {len(alerts) - len(keys)} more, listed in the thread"))
    for line in said:
        blocks.add([line], apart=True)
    return blocks.message(title, keys)


def _head_blocks(title: str, shown: Mapping[str, Sequence[_Line]], limit: int) -> _Blocks | None:
    blocks = _Blocks(limit)
    fits = blocks.add([_line(f"*{title}*")])
    for heading, lines in shown.items():
        most_blocks = _BLOCKS_LIMIT - _NOTES - 2
        fits = fits and blocks.add([_line(f"*{heading}*"), *lines], apart=True, most_blocks=most_blocks)
    return blocks if fits else None


def replies(title: str, alerts: Sequence[Alert], in_head: Container[str]) -> list[Message]:
    """The messages of a thread. `in_head`: the keys of the alerts whose line the message has that they answer."""
    messages: list[Message] = []
    blocks, keys = _Blocks(), set[str]()
    for alert in alerts:
        if not alert.details and alert.key in in_head:
            continue
        first = alert.subject if alert.key in in_head else alert.line
        lines = [_line(first), *map(_line, alert.details)]
        if not blocks.add(lines, apart=True, most_blocks=_REPLY_BLOCKS):
            if keys:
                messages.append(blocks.message(title, keys))
            blocks, keys = _as_many_as_fit(lines), set()
        keys.add(alert.key)
    return [*messages, blocks.message(title, keys)] if keys else messages


def _as_many_as_fit(lines: Sequence[_Line]) -> _Blocks:
    blocks = _Blocks()
    if blocks.add(lines, most_blocks=_REPLY_BLOCKS):
        return blocks
    blocks = _Blocks(_MESSAGE_LIMIT - _RESERVED)
    added = 0
    while blocks.add([lines[added]], most_blocks=_REPLY_BLOCKS - 1):
        added += 1
    blocks.limit = _MESSAGE_LIMIT
    blocks.add([_line(f"    and {len(lines) - added} more lines")])
    return blocks


def _line(text: str) -> _Line:
    """A line that fits beside others, however it is encoded."""
    limit = _SECTION_LIMIT
    text = cut(text, limit)
    while (size := len(json.dumps(text)) - 2) > _LINE_LIMIT:
        limit //= 2
        text = cut(text, limit)
    return _Line(text, size)


def _section(text: str) -> dict[str, Any]:
    # Verbatim: Slack makes no links and mentions of its own out of plain text.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


_EMPTY_SECTION = len(json.dumps([_section("")]))

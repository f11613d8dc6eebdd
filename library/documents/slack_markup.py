"""Text for Slack: `mrkdwn`.

Pure.
"""

from __future__ import annotations

import re

from library.documents.text import cut_utf16, printable, utf16_size

# A zero-width space at each side: whether Slack takes it for a letter or for white space, no effect begins there.
_APART = "\u200b"
_EFFECT = re.compile(r"[*~`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=[\w+'-]+:)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|<[^>]*)\Z")


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


def cut(mrkdwn: str, limit: int) -> str:
    """`mrkdwn` of at most `limit` characters as Slack counts them, without half an entity or link at its end.

    A character outside the Basic Multilingual Plane counts as two.

    >>> cut("a &lt;b&gt;", 6), cut("web", 3)
    ('a …', 'web')
    """
    if utf16_size(mrkdwn) <= limit:
        return mrkdwn
    return _BROKEN_END.sub("", cut_utf16(mrkdwn, limit)[:-1]) + "…"

"""Text for people: what came from an account, made safe to print, and numbers with their nouns.

Pure.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Text with everything that does not print, escape sequences and direction marks among it, spelled out.

    >>> printable("web\x1b[31m")
    'web\\x1b[31m'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shortened(text: str, limit: int) -> str:
    """Text of at most `limit` characters; a longer one ends in an ellipsis.

    >>> shortened("security group", 9), shortened("web", 9), shortened("web", 0)
    ('security…', 'web', '')
    """
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"[: max(limit, 0)]


def flattened(text: str, limit: int) -> str:
    r"""Hostile text on one line of at most `limit` characters, with single spaces.

    >>> flattened("no\nsuch   group", 40)
    'no such group'
    """
    return shortened(" ".join(printable(text.replace("\n", " ")).split()), limit)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts.

    >>> counted(1, "group"), counted(2, "group"), counted(1200, "policy", "policies")
    ('1 group', '2 groups', '1,200 policies')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"

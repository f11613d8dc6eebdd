"""Text for people: what came from an account, made safe to print, and numbers with their nouns.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    r"""Text with everything that does not print, escape sequences and direction marks among it, spelled out.

    >>> printable("web\x1b[31m")
    'web\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shortened(text: str, limit: int) -> str:
    """Text of at most `limit` characters; a longer one ends in an ellipsis.

    >>> shortened("security group", 9), shortened("web", 9), shortened("web", 0)
    ('security…', 'web', '')
    """
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"[: max(limit, 0)]


def flattened(text: str, limit: int) -> str:
    r"""Untrusted input on one line of at most `limit` characters, with single spaces.

    >>> flattened("no\nsuch   group", 40)
    'no such group'
    """
    return shortened(" ".join(printable(text.replace("\n", " ")).split()), limit)


def ordinal(number: int) -> str:
    """A number's place in a row: `4th`, `21st`, `112th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts.

    >>> counted(1, "group"), counted(2, "group"), counted(1200, "policy", "policies")
    ('1 group', '2 groups', '1,200 policies')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def and_more(texts: Sequence[str], most: int, rest: str = "more") -> str:
    """The first texts, and how many more there are.

    >>> and_more(["ana", "bo", "chen"], 2), and_more(["ana"], 2), and_more(["ana", "bo"], 1, "more owners")
    ('ana, bo and 1 more', 'ana', 'ana and 1 more owners')
    """
    left = f" and {len(texts) - most:,} {rest}" if len(texts) > most else ""
    return f"{', '.join(texts[:most])}{left}"


def utf16_size(text: str) -> int:
    r"""Characters of a text as Java counts them, and so JIRA: one outside the Basic Multilingual Plane counts as two.

    >>> utf16_size("web"), utf16_size("\U0001f525")
    (3, 2)
    """
    return len(text.encode("utf-16-le")) // 2


def cut_utf16(text: str, limit: int) -> str:
    """Text of at most `limit` characters as `utf16_size` counts them; a longer one ends in an ellipsis."""
    if utf16_size(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]
    while (over := utf16_size(kept) - (limit - 1)) > 0 and kept:
        kept = kept[: len(kept) - (over + 1) // 2]
    return kept + "…"[: max(limit, 0)]


def ascii_only(text: str) -> str:
    """Text in which a question mark stands for each character that is not ASCII."""
    return text if text.isascii() else "".join(char if char.isascii() else "?" for char in text)

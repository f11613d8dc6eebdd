"""Text that came from an account, made safe to print.

Pure.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Text with everything that does not print, escape sequences and direction marks among it, spelled out.

    >>> printable("web\x1b[31m")
    'web\\x1b[31m'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)

"""What is wrong with a configuration, in words for people.

Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

from library.documents.text import shortened
from library.errors import HammerError

Location = tuple[str | int, ...]
"""Where a value is in its file: keys, and indexes of lists."""

_PLAIN_KEY = re.compile(r"[\w.$-]+")
_SHOWN = 60


class Problem(NamedTuple):
    """One mistake.

    Attributes:
        file: the file's name (`config.json`), or the whole place where that is what is wrong.
        path: where it is in the file, such as `aws.accounts` or `cidrs[2]`; empty: the file as a whole.
        message: what is wrong, and where that helps what to write instead. Never a secret.
    """

    file: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)


class ConfigurationError(HammerError):
    """A configuration that cannot be used.

    Attributes:
        problems: every mistake in it, sorted by file and path. Printed one a line.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_order))
        super().__init__("\n".join(map(str, self.problems)))


def path_text(location: Location) -> str:
    """A location as people write it.

    >>> path_text(("inspector", "allowed_ports", "webapps (Prod)", 0))
    'inspector.allowed_ports["webapps (Prod)"][0]'
    """
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def show(value: object) -> str:
    """A wrong value on one line: short scalars as they are, sections and lists by their kind alone."""
    if isinstance(value, (dict, list)) or value is None:
        return kind(value)
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return shortened(text, _SHOWN)


def kind(value: object) -> str:
    """What sort of value it is, without showing it."""
    for types, name in (
        (dict, "a section"),
        (list, "a list"),
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
    ):
        if isinstance(value, types):
            return name
    return "null"


def closest(key: str, known: Iterable[str]) -> str:
    """The one of `known` that somebody who wrote `key` most likely meant; empty: none is close."""
    import difflib  # noqa: PLC0415 - only mistakes need it

    return next(iter(difflib.get_close_matches(key, list(known), n=1)), "")


def _order(problem: Problem) -> tuple[str, list[tuple[int, str]], str]:
    return problem.file, _natural(problem.path), problem.message


def _natural(path: str) -> list[tuple[int, str]]:
    """A sort key that puts `[10]` after `[9]`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,9})", path)]

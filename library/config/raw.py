"""What a file's text stands for before anybody asks whether it is a configuration.

Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from library.config.problems import Location

COMMENT = "__"
"""How a key begins that is a comment."""


class TextError(Exception):
    """A text that is not what its file's name says. The message never shows the text itself."""


class RawSection(dict[str, Any]):
    """A mapping as the file has it.

    Attributes:
        repeated: the keys that it has more than once, comments among them; the last one of each counts.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated: tuple[str, ...] = ()
        if len(self) < len(pairs):
            times = Counter(key for key, _ in pairs)
            self.repeated = tuple(key for key in times if times[key] > 1)


def without_comments(value: object, mistakes: list[tuple[Location, str]], location: Location = ()) -> object:
    """A value without the keys that are comments, at any depth.

    Args:
        value: what a file's text stands for.
        mistakes: where a repeated key is added, which is one unless it is a comment.
        location: where the value is in its file.
    """
    if isinstance(value, list):
        return [without_comments(entry, mistakes, (*location, index)) for index, entry in enumerate(value)]
    if not isinstance(value, RawSection):
        return value
    mistakes += [((*location, key), "is there more than once") for key in value.repeated if not _is_comment(key)]
    return {
        key: without_comments(entry, mistakes, (*location, key)) for key, entry in value.items() if not _is_comment(key)
    }


def _is_comment(key: str) -> bool:
    return key.startswith(COMMENT)

"""The text of a configuration's files as sections, lists and scalars: comments, and JSON. YAML is in `yaml_text.py`.

Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any, NoReturn

from library.config.errors import Location

Mistake = tuple[Location, str]
"""Where a value is wrong in its file, and what is wrong with it."""

COMMENT = "__"
"""How a key begins that is a comment."""
_MOST_VALUES = 1_000_000


class TextError(Exception):
    """A text that is not what its file's name says. The message never shows the text itself."""


class RawSection(dict[str, Any]):
    """A mapping as the file has it.

    Attributes:
        repeated: the keys that it has more than once, comments among them; the last one of each counts.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = repeated_keys([key for key, _ in pairs])


def repeated_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Those that are there more than once."""
    return tuple(key for key, times in Counter(keys).items() if times > 1) if len(set(keys)) < len(keys) else ()


def without_comments(value: object, mistakes: list[Mistake]) -> object:
    """A value without the keys that are comments, at any depth.

    A repeated key is added to `mistakes`, unless it is a comment.

    Raises:
        TextError: aliases of YAML let a few lines stand for more than any memory holds.
    """
    numbers = count()

    def copied(value: object, location: Location) -> object:
        if next(numbers) > _MOST_VALUES:
            raise TextError("is too large once its aliases are written out")
        if isinstance(value, list):
            return [copied(entry, (*location, index)) for index, entry in enumerate(value)]
        if not isinstance(value, RawSection):
            return value
        mistakes.extend(((*location, key), "is there more than once") for key in value.repeated if not _is_comment(key))
        return {key: copied(entry, (*location, key)) for key, entry in value.items() if not _is_comment(key)}

    return copied(value, ())


def _is_comment(key: str) -> bool:
    return key.startswith(COMMENT)


def read_json(text: str) -> Any:
    """The value that a JSON text stands for, its objects as `RawSection`.

    Raises:
        TextError: it is not JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=RawSection, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise TextError(f"is not JSON: {reason}, at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise TextError("is nested too deeply") from None
    except ValueError:
        # Python's own bound on the digits of a number.
        raise TextError("has a number in it that is too long") from None


def _refuse(name: str) -> NoReturn:
    raise TextError(f"is not JSON: it has no {name}")

"""How values of a configuration are read: scalars, lists, mappings, and a section or its short form.

Pure. Each is a `library.config.section.Reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from library.config.problems import Location, kind, show
from library.config.section import ConfigSection, JsonSchema, Mistakes, Reader


class Scalar:
    """A value that one function reads.

    Args:
        convert: makes the value of what the file has, or raises ValueError with a message for people.
        schema: what an editor lets people write.
    """

    def __init__(self, convert: Callable[[Any], Any], schema: JsonSchema) -> None:
        self.convert = convert
        self._schema = schema

    def read(self, value: Any, location: Location, mistakes: Mistakes) -> Any:
        """See `Reader.read`."""
        try:
            return self.convert(value)
        except ValueError as error:
            mistakes.append((location, str(error)))
            return None

    def schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """See `Reader.schema`."""
        del definitions
        return self._schema


class ListOf:
    """A list, or one comma-separated text.

    Args:
        entry: reads each entry.
        make: makes the value of the entries.
    """

    def __init__(self, entry: Reader, make: Callable[[Sequence[Any]], Any] = tuple) -> None:
        self._entry = entry
        self._make = make

    def read(self, value: Any, location: Location, mistakes: Mistakes) -> Any:
        """See `Reader.read`."""
        if isinstance(value, str):
            value = [entry for part in value.split(",") if (entry := part.strip())]
        if not isinstance(value, list):
            mistakes.append((location, f"must be a list or a comma-separated text, not {show(value)}"))
            return None
        before = len(mistakes)
        entries = [self._entry.read(entry, (*location, index), mistakes) for index, entry in enumerate(value)]
        return self._make(entries) if len(mistakes) == before else None

    def schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """See `Reader.schema`."""
        return {"anyOf": [{"items": self._entry.schema(definitions), "type": "array"}, {"type": "string"}]}


class MappingOf:
    """A section in which people choose the keys.

    Args:
        key: reads each key.
        value: reads each value; None: it may be anything.
    """

    def __init__(self, key: Scalar, value: Reader | None) -> None:
        self._key = key
        self._value = value

    def read(self, value: Any, location: Location, mistakes: Mistakes) -> Any:
        """See `Reader.read`."""
        if not isinstance(value, dict):
            mistakes.append((location, f"must be a section, not {kind(value)}"))
            return None
        return {
            self._key.read(key, (*location, key), mistakes): (
                self._value.read(entry, (*location, key), mistakes) if self._value else entry
            )
            for key, entry in value.items()
        }

    def schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """See `Reader.schema`."""
        value: JsonSchema | bool = self._value.schema(definitions) if self._value else True
        pattern = self._key.schema(definitions).get("pattern")
        keys = {"patternProperties": {pattern: value}} if pattern else {"additionalProperties": value}
        return {**keys, "type": "object"}


class ShortOr:
    """A section, or a short form of it that is no section.

    Args:
        section: the section.
        short: reads the short form.
        make: makes the section of what `short` gave.
        what: what may be written, for people.
    """

    def __init__(
        self, section: type[ConfigSection], short: Scalar, make: Callable[[Any], ConfigSection], what: str
    ) -> None:
        self._section = section
        self._short = short
        self._make = make
        self._what = what

    def read(self, value: Any, location: Location, mistakes: Mistakes) -> Any:
        """See `Reader.read`."""
        if isinstance(value, dict):
            return self._section.read(value, location, mistakes)
        if isinstance(value, list) or value is None:
            mistakes.append((location, f"must be {self._what}, not {kind(value)}"))
            return None
        before = len(mistakes)
        short = self._short.read(value, location, mistakes)
        return self._make(short) if len(mistakes) == before else None

    def schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """See `Reader.schema`."""
        short = self._short.schema(definitions)
        return {"anyOf": [*short.get("anyOf", [short]), self._section.schema(definitions)]}


class WordOr:
    """One word with a meaning of its own, or a section.

    Args:
        word: the word.
        section: reads the section.
        what: what the section holds, for people.
    """

    def __init__(self, word: str, section: Reader, what: str) -> None:
        self._word = word
        self._section = section
        self._what = what

    def read(self, value: Any, location: Location, mistakes: Mistakes) -> Any:
        """See `Reader.read`."""
        if value == self._word:
            return value
        if isinstance(value, dict):
            return self._section.read(value, location, mistakes)
        mistakes.append((location, f'must be {self._what}, or "{self._word}", not {show(value)}'))
        return None

    def schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """See `Reader.schema`."""
        return {"anyOf": [{"const": self._word, "type": "string"}, self._section.schema(definitions)]}

"""Sections of a configuration: known keys, and for each how it is read, its default and what it means.

A section is declared as a class with a `setting` for each key. The same declaration reads the files, names their
mistakes, and gives editors their JSON Schemas.

Pure. A Lambda reads its configuration in every cold start. Declaring sections costs it next to nothing, where pydantic
took a fifth of the start (docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import FrozenInstanceError, dataclass
from inspect import cleandoc
from typing import Any, ClassVar, Protocol, Self, dataclass_transform

from library.config.problems import Location, closest, kind

Mistakes = list[tuple[Location, str]]
"""Where a value is wrong, and what is wrong with it. Readers add to it."""

JsonSchema = dict[str, Any]


class Reader(Protocol):
    """How the value of a key is read. A section's class is one, too."""

    def read(self, value: Any, location: Location, mistakes: Mistakes) -> Any:
        """The value that a file's value stands for. With a mistake more, what is returned means nothing.

        Args:
            value: what JSON or YAML gave.
            location: where it is in its file.
            mistakes: what is wrong is added to it, all of it.
        """

    def schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """What an editor lets people write.

        Args:
            definitions: the schemas of the sections within are added to it, by name.
        """


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a section.

    Attributes:
        reader: how its value is read.
        description: what it means, for people.
        default: makes the value where a file does not have the key; None: the key is required.
        key: how the file calls it; empty: as the attribute is called.
        secret: whether `repr` leaves the value out.
        shown_default: the default as a file would have it, where that is not plain from the value.
    """

    reader: Reader
    description: str
    default: Callable[[], Any] | None
    key: str
    secret: bool
    shown_default: Any


def setting(
    reader: Reader,
    description: str,
    *,
    default: Any = ...,
    factory: Callable[[], Any] | None = None,
    key: str = "",
    secret: bool = False,
    shown_default: Any = None,
) -> Any:
    """Declare a key. Without `default` and `factory`, which makes a default, it is required."""
    make = factory if default is ... else lambda: default
    return Setting(reader, description, make, key, secret, shown_default)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
class ConfigSection:
    """A mapping with known keys, as a value that does not change: anything else in the mapping is a mistake.

    Attributes:
        settings: the keys, by attribute name.
    """

    settings: ClassVar[Mapping[str, Setting]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Setting)}
        cls.settings = {**cls.settings, **own}

    def __init__(self, **values: Any) -> None:
        if unknown := values.keys() - self.settings.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        for name, declared in self.settings.items():
            if name not in values and declared.default is None:
                raise TypeError(f"{type(self).__name__} needs {name}")
            self.__dict__[name] = values[name] if name in values or declared.default is None else declared.default()

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"a configuration does not change: {name}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in vars(self).items() if not self.settings[name].secret)
        return f"{type(self).__name__}({', '.join(shown)})"

    def replaced(self, **values: Any) -> Self:
        """The same section with other values for some attributes."""
        return type(self)(**{**vars(self), **values})

    @classmethod
    def read(cls, value: Any, location: Location, mistakes: Mistakes) -> Self | None:
        """The section that a file's value stands for; see `Reader.read`. None: it has mistakes."""
        if not isinstance(value, dict):
            mistakes.append((location, f"must be a section, not {kind(value)}"))
            return None
        before = len(mistakes)
        names = {declared.key or name: name for name, declared in cls.settings.items()}
        misspelt = set(_unknown(value, names, location, mistakes))
        values: dict[str, Any] = {}
        for key, name in names.items():
            declared = cls.settings[name]
            if key in value:
                values[name] = declared.reader.read(value[key], (*location, key), mistakes)
            # A misspelt key is one mistake, even where the section cannot do without it.
            elif declared.default is None and key not in misspelt:
                mistakes.append(((*location, key), "is missing"))
        return cls(**values) if len(mistakes) == before and not misspelt else None

    @classmethod
    def schema(cls, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """What an editor lets people write: the section is among `definitions`, by its class's name."""
        if cls.__name__ not in definitions:
            definitions[cls.__name__] = {}  # a section within may refer to it
            definitions[cls.__name__] = cls.own_schema(definitions)
        return {"$ref": f"#/$defs/{cls.__name__}"}

    @classmethod
    def own_schema(cls, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """The section's own schema; those of the sections within are added to `definitions`."""
        required = [declared.key or name for name, declared in cls.settings.items() if declared.default is None]
        properties = {declared.key or name: _property(declared, definitions) for name, declared in cls.settings.items()}
        return {
            "additionalProperties": False,
            "description": cleandoc(cls.__doc__ or ""),
            "properties": properties,
            **({"required": required} if required else {}),
            "type": "object",
        }


def _unknown(value: Mapping[str, Any], known: Iterable[str], location: Location, mistakes: Mistakes) -> Iterable[str]:
    """Name the keys that a section does not know; the known ones that were meant."""
    for key in value:
        if key not in known:
            meant = closest(key, known)
            mistakes.append(((*location, key), f'unknown key, did you mean "{meant}"?' if meant else "unknown key"))
            yield meant


def _property(declared: Setting, definitions: dict[str, JsonSchema]) -> JsonSchema:
    default = declared.shown_default
    if default is None and declared.default is not None:
        default = _as_written(declared.default())
    schema = {**declared.reader.schema(definitions), "description": declared.description}
    return schema if default is None else {**schema, "default": default}


def _as_written(value: Any) -> Any:
    """A default as a file would have it; None where it has none, or it cannot be said."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, (bool, int, str, dict)):
        return value
    # What is left is a section, or a set of ports or addresses, of which only an empty one is a default.
    return None if value is None or isinstance(value, ConfigSection) else []

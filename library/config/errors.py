"""What is wrong with a configuration, in words for people: every mistake at once.

Pure. `explained` says in these words what pydantic found.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from library.documents.text import shortened
from library.errors import HammerError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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
    return next(iter(difflib.get_close_matches(key, list(known), n=1)), "")


def _order(problem: Problem) -> tuple[str, list[tuple[int, str]], str]:
    return problem.file, _natural(problem.path), problem.message


def _natural(path: str) -> list[tuple[int, str]]:
    """A sort key that puts `[10]` after `[9]`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,9})", path)]


def explained(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Location, str]]:
    """Each mistake that validating `model` found: where it is, and what is wrong."""
    misspelt: set[Location] = set()
    missing: list[Location] = []
    for details in error.errors(include_url=False):
        location = details["loc"]
        # How pydantic marks that a key, not its value, is wrong. A key that is unknown may have that name itself.
        if location[-1:] == ("[key]",) and details["type"] != "extra_forbidden":
            location = location[:-1]
        if details["type"] == "missing":
            missing.append(location)
        elif details["type"] == "extra_forbidden":
            *section, key = location
            meant = closest(str(key), _known_keys(model, tuple(section)))
            misspelt.add((*section, meant))
            yield location, f'unknown key, did you mean "{meant}"?' if meant else "unknown key"
        else:
            yield location, _message(details)
    # A misspelt key is one mistake, even where the section cannot do without it.
    for location in missing:
        if location not in misspelt:
            yield location, "is missing"


def _message(details: ErrorDetails) -> str:
    """What is wrong, without the value where it may be a secret: texts are never shown here."""
    value, context = details["input"], details.get("ctx", {})
    match details["type"]:
        case "value_error":
            return str(context["error"])
        case "string_type":
            return f"must be text, not {kind(value)}"
        case "string_unicode":
            return "must be text, and this has half of a character in it"
        case "int_type" | "int_from_float" | "int_parsing":
            return f"must be a whole number, not {show(value)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, not {show(value)}"
        case "less_than_equal":
            return f"must be at most {context['le']}, not {show(value)}"
        case "literal_error":
            return f"must be {str(context['expected']).replace(chr(39), '')}, not {show(value)}"
        case "model_type" | "dict_type" | "mapping_type":
            return f"must be a section, not {kind(value)}"
        case _:
            return details["msg"][:1].lower() + details["msg"][1:]


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that the section at a location may have."""
    found: Any = model
    for part in location:
        found = _inside(found, part)
    return [field.alias or name for name, field in found.model_fields.items()] if found is not None else []


def _inside(type_: Any, part: str | int) -> Any:
    """The type of what is at `part` of a section, a mapping or a list; None: it cannot be said."""
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        for name, field in type_.model_fields.items():
            if part in (name, field.alias):
                return _stripped(field.annotation, field.metadata)
    elif hasattr(type_, "entry"):
        return _stripped(type_.entry, ())
    elif get_origin(type_) is Mapping:
        return _stripped(get_args(type_)[1], ())
    return None


def _stripped(type_: Any, metadata: Any) -> Any:
    """A type without its annotations, or the one annotation that says how it is read."""
    if get_origin(type_) is Annotated:
        type_, *metadata = get_args(type_)
    for annotation in metadata:
        if hasattr(annotation, "read_as"):
            return _stripped(annotation.read_as, ())
        if hasattr(annotation, "entry"):
            return annotation
    return type_

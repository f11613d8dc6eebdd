"""From what the validation library found to words for people.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from library.config.fields import ListOf, ReadAs
from library.config.problems import Location, closest, kind, show

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def explained(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Location, str]]:
    """Each mistake that validating `model` found: where it is, and what is wrong."""
    misspelt: set[Location] = set()
    missing: list[Location] = []
    for details in error.errors(include_url=False):
        location = details["loc"]
        # How pydantic marks that a key, not its value, is wrong.
        if location[-1:] == ("[key]",):
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
    elif isinstance(type_, ListOf):
        return _stripped(type_.entry, ())
    elif get_origin(type_) is Mapping:
        return _stripped(get_args(type_)[1], ())
    return None


def _stripped(type_: Any, metadata: Any) -> Any:
    """A type without its annotations, or the one annotation that says how it is read."""
    if get_origin(type_) is Annotated:
        type_, *metadata = get_args(type_)
    for annotation in metadata:
        if isinstance(annotation, ReadAs):
            return _stripped(annotation.type_, ())
        if isinstance(annotation, ListOf):
            return annotation
    return type_

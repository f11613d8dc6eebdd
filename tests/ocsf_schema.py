"""OCSF's own schema, 1.6.0, as the package pydantic-ocsf carries it, and what an event breaks of it.

The package's models are not used: they give `status_id` of a finding the values of `compliance.status_id`.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

# The profiles that Hammer's events name add these to a class.
_OF_PROFILES = ("cloud",)
_NUMBERS = {"integer_t", "long_t", "timestamp_t", "port_t"}


@cache
def schema() -> dict[str, Any]:
    """The whole schema."""
    text = (importlib.resources.files("ocsf") / "schemas" / "v1_6_0.json").read_text()
    return json.loads(text)  # type: ignore[no-any-return]


def mistakes(event: dict[str, Any], name: str = "compliance_finding") -> list[str]:
    """What an event breaks, one line each."""
    return list(_mistakes(event, "events", name, name))


def _attributes(kind: str, name: str | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    while name:
        described = schema()[kind][name]
        for key, value in described["attributes"].items():
            if isinstance(value, dict):
                found[key] = {**schema()["dictionary"]["attributes"].get(key, {}), **value, **found.get(key, {})}
        name = described.get("extends")
    return found


def _mistakes(value: dict[str, Any], kind: str, name: str, path: str) -> Iterator[str]:
    attributes = _attributes(kind, name)
    for key, attribute in attributes.items():
        if attribute.get("requirement") == "required" and not attribute.get("profile") and key not in value:
            yield f"{path}.{key} is missing"
    for key, inner in value.items():
        attribute = attributes.get(key) or (
            schema()["dictionary"]["attributes"].get(key.removesuffix("_dt"), {})
            if key in _OF_PROFILES or key.endswith("_dt")
            else {}
        )
        if not attribute:
            yield f"{path}.{key} is not in the schema"
        elif attribute.get("is_array"):
            if not isinstance(inner, list):
                yield f"{path}.{key} is no list"
                continue
            for number, this in enumerate(inner):
                yield from _wrong(this, attribute, key, f"{path}.{key}[{number}]")
        else:
            yield from _wrong(inner, attribute, key, f"{path}.{key}")


def _wrong(value: Any, attribute: dict[str, Any], key: str, path: str) -> Iterator[str]:
    kind = str(attribute.get("type"))
    if key.endswith("_dt"):
        kind = "string_t"
    # The base event's place holders: the caller compares these.
    enum = None if key in ("category_uid", "class_uid") else attribute.get("enum")
    if isinstance(enum, dict) and str(value) not in {*enum, "0", "99"}:
        yield f"{path}: {value!r} is none of {sorted(enum)}"
    if kind in schema()["objects"]:
        if not isinstance(value, dict):
            yield f"{path} is no object"
        elif kind != "object":
            yield from _mistakes(value, "objects", kind, path)
    elif kind in _NUMBERS:
        if not isinstance(value, int):
            yield f"{path} is no number"
    elif kind != "json_t" and not isinstance(value, (str, bool)):
        yield f"{path} is no text"

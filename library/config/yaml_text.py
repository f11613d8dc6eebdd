"""YAML, read so that a text stays as it was written.

YAML 1.1 makes 342391 of the account id 012345670123's kin, a date of 2027-03-01, 1340 of the range 22:20 and true of
`yes`. Here only true, false, null and plain whole numbers are more than text, and keys are always text.

Pure. Only the parser of PyYAML is used, which makes nodes; none of its constructors ever runs.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from library.config.raw import RawSection, TextError

# Aliases let a few lines stand for more than any memory holds.
_MOST_NODES = 1_000_000
_MERGE = "<<"
_STRING, _INTEGER, _BOOLEAN, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null"))
_SCALARS = {
    _INTEGER: re.compile(r"-?(?:0|[1-9][0-9]{0,18})"),
    _BOOLEAN: re.compile(r"true|True|TRUE|false|False|FALSE"),
    _NULL: re.compile(r"~|null|Null|NULL|"),
}


# PyYAML's parser, with the scalars above in place of YAML 1.1's.
_Loader: type[yaml.SafeLoader] = type("_Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
for _tag, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern.pattern})\Z"), None)


def read_yaml(text: str) -> Any:
    """The value that a YAML text stands for, its mappings as `RawSection`.

    Raises:
        TextError: it is not one YAML document, or uses more of YAML than a configuration needs.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return None if node is None else _Builder().value(node)
    except yaml.MarkedYAMLError as error:
        reason = error.problem or error.context or "it cannot be read"
        raise TextError(f"is not YAML: {reason}{_at(error.problem_mark)}") from None
    except RecursionError:
        raise TextError("is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # The parser lets Python's own errors through for an escape beyond Unicode, say.
        raise TextError("is not YAML: it has a character or an escape that YAML does not know") from None


class _Builder:
    """Makes values of nodes, and keeps watch over aliases."""

    def __init__(self) -> None:
        self._made = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        """The value that a node stands for."""
        self._made += 1
        if self._made > _MOST_NODES:
            raise TextError("is too large once its aliases are written out")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise TextError(f"has an alias that contains itself{_at(node.start_mark)}")
        self._open.add(id(node))
        value = self._mapping(node) if isinstance(node, yaml.MappingNode) else self._sequence(node)
        self._open.discard(id(node))
        return value

    def _sequence(self, node: yaml.Node) -> list[Any]:
        _check_tag(node, "tag:yaml.org,2002:seq")
        return [self.value(entry) for entry in node.value]

    def _mapping(self, node: yaml.MappingNode) -> RawSection:
        _check_tag(node, "tag:yaml.org,2002:map")
        own: list[tuple[str, Any]] = []
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise TextError(f"has a key that is not text{_at(key.start_mark)}")
            if key.value == _MERGE and key.style is None:
                merged |= self._merged(value)
            else:
                own.append((key.value, self.value(value)))
        section = RawSection(own)
        for name, value in merged.items():
            section.setdefault(name, value)
        return section

    def _merged(self, node: yaml.Node) -> dict[str, Any]:
        """What `<<: *alias`, or a list of them, adds: the first that has a key wins."""
        value = self.value(node)
        merged: dict[str, Any] = {}
        for section in value if isinstance(value, list) else [value]:
            if not isinstance(section, RawSection):
                raise TextError(f"merges something that is not a section{_at(node.start_mark)}")
            merged = section | merged
        return merged


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.tag == _STRING:
        return node.value
    pattern = _SCALARS.get(node.tag)
    if pattern is None or not pattern.fullmatch(node.value):
        raise TextError(f"has a value of a kind that is not supported{_at(node.start_mark)}")
    if node.tag == _INTEGER:
        return int(node.value)
    return node.value.lower() == "true" if node.tag == _BOOLEAN else None


def _check_tag(node: yaml.Node, tag: str) -> None:
    if node.tag != tag:
        raise TextError(f"has a value of a kind that is not supported{_at(node.start_mark)}")


def _at(mark: yaml.Mark | None) -> str:
    return f", at line {mark.line + 1}, column {mark.column + 1}" if mark else ""

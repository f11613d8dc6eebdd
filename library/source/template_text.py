"""A CloudFormation template as text with positions: YAML or JSON, read as a tree with places. Pure.

JSON is read as YAML, of which it is a part, with each tab as a space. Tags such as `!Ref` stay tags; comments, quotes
and anchors are not in the tree, so that two trees compare equal exactly when CloudFormation would read the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import yaml

from library.errors import HammerError

_DEEPEST = 200
_LARGEST = 500_000  # nodes, with each use of an anchor counted: a few lines of anchors can stand for billions
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TemplateError(HammerError, ValueError):
    """A text that is no template."""


@dataclass(slots=True)
class Tree:
    """One part of a template.

    Attributes:
        tag: as YAML resolved it, or the template's own, such as `!Sub`.
        value: a scalar's text.
        items: a sequence's members.
        pairs: a mapping's keys and values, in order.
        start: where its text begins, in characters.
        style: a scalar's quotes or block sign; of the others, whether they stand in brackets (`flow`).
    """

    kind: Literal["scalar", "sequence", "mapping"]
    tag: str
    value: str = ""
    items: list[Tree] = field(default_factory=list)
    pairs: list[tuple[Tree, Tree]] = field(default_factory=list)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)
    style: str = field(default="", compare=False)

    def get(self, key: str) -> Tree | None:
        """A mapping's value; that of a merge key (`<<`) where it has none of its own."""
        found = self.pair(key)
        if found:
            return found[1]
        for merged_key, merged in self.pairs:
            if merged_key.value == "<<":
                for each in merged.items or [merged]:
                    if (value := each.get(key)) is not None:
                        return value
        return None

    def pair(self, key: str) -> tuple[Tree, Tree] | None:
        """A mapping's own key and value. Of keys that come twice the last counts, as in CloudFormation."""
        return next(((k, v) for k, v in reversed(self.pairs) if k.kind == "scalar" and k.value == key), None)

    def named(self) -> Iterator[tuple[str, Tree]]:
        """A mapping's keys as texts, with their values."""
        return ((key.value, value) for key, value in self.pairs)

    def text(self, key: str) -> str:
        """A mapping's value if that is a plain scalar, else empty."""
        value = self.get(key)
        return value.value if value is not None and value.kind == "scalar" and not value.tag.startswith("!") else ""


def parse_template(text: str) -> Tree:
    """The tree of a template's text.

    Raises:
        TemplateError: it is neither YAML nor JSON, holds several documents, or is no mapping.
    """
    body = text.removeprefix("\ufeff")
    offset = len(text) - len(body)
    if body.lstrip().startswith("{"):
        body = body.replace("\t", " ")
    try:
        node = yaml.compose(body, _LOADER)
        if not isinstance(node, yaml.MappingNode):
            raise TemplateError("it is no mapping")
        return _Reader(offset).tree(node, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f" at line {mark.line + 1}" if mark else ""
        raise TemplateError(f"it cannot be parsed{at}: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, TemplateError):
            raise
        raise TemplateError(f"it cannot be parsed: {type(error).__name__}") from error


class _Reader:
    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._count = 0

    def tree(self, node: yaml.Node, depth: int) -> Tree:
        self._count += 1
        if self._count > _LARGEST or depth > _DEEPEST:
            raise TemplateError("it is nested too deeply, or its anchors stand for too much")
        start, end = node.start_mark.index + self._offset, node.end_mark.index + self._offset
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if isinstance(node, yaml.SequenceNode):
            items = [self.tree(each, depth + 1) for each in node.value]
            return Tree("sequence", tag, items=items, start=start, end=end, style=_flow(node))
        if isinstance(node, yaml.MappingNode):
            pairs = [(self.tree(key, depth + 1), self.tree(value, depth + 1)) for key, value in node.value]
            return Tree("mapping", tag, pairs=pairs, start=start, end=end, style=_flow(node))
        style = str(getattr(node, "style", None) or "")
        return Tree("scalar", tag, value=node.value, start=start, end=end, style=style)


def _flow(node: yaml.CollectionNode) -> str:
    return "flow" if node.flow_style else ""

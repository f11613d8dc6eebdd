"""Terraform's language as a tree with positions, read with the grammar of tree-sitter. Pure.

Comments, spaces and the layout are not in the tree, so that two trees compare equal exactly when Terraform would read
the same. An expression that is no literal is kept as its tokens. The package is the extra `source`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from library.errors import HammerError
from library.source.text_edit import line_of

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# The grammar knows exponents of numbers with a fraction alone.
_EXPONENT = re.compile(rb"\b\d+[eE][-+]?\d+\b")
_DEEPEST = 50  # lists, objects and blocks in each other: copying and comparing a tree takes a few calls for each

HclKind = Literal["body", "block", "attribute", "list", "object", "string", "literal", "expression"]


class HclError(HammerError, ValueError):
    """A text that is no Terraform configuration. Says where."""


class GrammarMissingError(HammerError):
    """The grammar is not installed."""


@dataclass(slots=True)
class Hcl:
    """One part of a configuration. Where it and its name begin and end is counted in characters.

    Attributes:
        name: a block's type, an attribute's or an object key's name.
        labels: a block's.
        value: a string's text, or a number, true, false or null as written.
        tokens: an expression's.
        items: of a body and a list, the members; of a block and an attribute, the body or value alone; of an object,
            its attributes.
    """

    kind: HclKind
    name: str = ""
    labels: tuple[str, ...] = ()
    value: str = ""
    tokens: tuple[str, ...] = ()
    items: list[Hcl] = field(default_factory=list)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)
    name_start: int = field(default=0, compare=False)
    name_end: int = field(default=0, compare=False)

    def attribute(self, name: str) -> Hcl | None:
        """An attribute of a block, a body or an object."""
        return next((each for each in self.members() if each.kind == "attribute" and each.name == name), None)

    def get(self, name: str) -> Hcl | None:
        """An attribute's value."""
        found = self.attribute(name)
        return found.items[0] if found is not None else None

    def text(self, name: str) -> str:
        """An attribute's value if it is a literal string, else empty."""
        found = self.get(name)
        return found.value if found is not None and found.kind == "string" else ""

    def members(self) -> list[Hcl]:
        """The attributes and blocks of a block, a body or an object."""
        return self.items[0].items if self.kind == "block" else self.items

    def blocks(self, name: str) -> Iterator[Hcl]:
        """The blocks of one type."""
        return (each for each in self.members() if each.kind == "block" and each.name == name)


@dataclass(frozen=True, slots=True)
class TerraformFile:
    """One file.

    Attributes:
        path: relative to the repository's root, else to the folder given.
        folder: the folder that it counts for, resolved: where it stands, or where a link to it stands.
    """

    path: str
    folder: str
    text: str
    tree: Hcl

    @property
    def identity(self) -> int:
        """What tells it from other files: two repositories can have files of the same path."""
        return id(self.tree)

    def where(self, part: Hcl) -> str:
        """Path and line of a part of it."""
        return f"{self.path}:{line_of(self.text, part.start)}"


def parse_hcl(text: str) -> Hcl:
    """The tree of a file's text.

    Raises:
        HclError: it is not Terraform's language.
        GrammarMissingError: the extra `source` is not installed.
    """
    body = text.removeprefix("\ufeff")
    data = body.encode("utf-8")
    root = _parser().parse(data).root_node
    if root.has_error:
        # As many digits have the same tree; texts come from the file as it is.
        root = _parser().parse(_EXPONENT.sub(lambda match: b"1" * len(match[0]), data)).root_node
    if root.has_error:
        raise HclError(f"it cannot be parsed at line {_first_error(root) + 1}")
    return _Reader(body, data, len(text) - len(body)).body(root)


class _OfThread(threading.local):
    """What one thread parses with: reporting reads several regions at a time.

    A parser keeps the state of the text that it is at, and tree-sitter's are not made to be shared by threads.
    """

    parser: Parser | None = None


_of_thread = _OfThread()


def _parser() -> Parser:
    """The parser of this thread."""
    parser = _of_thread.parser
    if parser is None:
        parser = _of_thread.parser = _new_parser()
    return parser


def _new_parser() -> Parser:
    try:
        import tree_sitter  # noqa: PLC0415 - an extra
        import tree_sitter_hcl  # noqa: PLC0415
    except ImportError as error:
        raise GrammarMissingError(
            "Terraform files need the extra 'source', as in pip install '.[source]' in a clone of Hammer"
        ) from error
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


def _first_error(root: Node) -> int:
    """The row of the first error, from 0."""
    nodes = [root]
    rows = [root.end_point.row]
    while nodes:
        node = nodes.pop()
        if node.is_error or node.is_missing:
            rows.append(node.start_point.row)
        elif node.has_error:
            nodes += node.children
    return min(rows)


class _Reader:
    def __init__(self, text: str, data: bytes, offset: int) -> None:
        self._data = data
        self._offset = offset
        self._depth = 0
        self._positions: list[int] | None = None
        if len(text) != len(data):
            self._positions = []
            for index, char in enumerate(text):
                self._positions += [index] * len(char.encode("utf-8"))
            self._positions.append(len(text))

    def _at(self, byte: int) -> int:
        return self._offset + (byte if self._positions is None else self._positions[byte])

    def _text(self, node: Node) -> str:
        return self._data[node.start_byte : node.end_byte].decode("utf-8")

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise HclError("it cannot be parsed: it is nested too deeply")
        yield
        self._depth -= 1

    def body(self, node: Node) -> Hcl:
        found = Hcl("body", start=self._at(node.start_byte), end=self._at(node.end_byte))
        for child in node.children:
            if child.type == "attribute":
                found.items.append(self._attribute(child))
            elif child.type == "block":
                found.items.append(self._block(child))
            elif child.type == "body":
                return self.body(child)
        return found

    def _block(self, node: Node) -> Hcl:
        name, labels = "", []
        body = Hcl("body", start=self._at(node.end_byte), end=self._at(node.end_byte))
        for child in node.children:
            if child.type == "identifier" and not name:
                name = self._text(child)
            elif child.type in ("identifier", "string_lit"):
                labels.append(self._text(child).strip('"'))
            elif child.type == "body":
                with self._deeper():
                    body = self.body(child)
        return Hcl(
            "block",
            name,
            tuple(labels),
            items=[body],
            start=self._at(node.start_byte),
            end=self._at(node.end_byte),
            name_start=self._at(node.start_byte),
            name_end=self._at(node.start_byte) + len(name),
        )

    def _attribute(self, node: Node) -> Hcl:
        named = [child for child in node.children if child.type != "comment"]
        return self._pair(node, named[0], named[-1])

    def _pair(self, node: Node, key: Node, value: Node) -> Hcl:
        return Hcl(
            "attribute",
            self._text(key).strip('"'),
            items=[self._value(value)],
            start=self._at(node.start_byte),
            end=self._at(node.end_byte),
            name_start=self._at(key.start_byte),
            name_end=self._at(key.end_byte),
        )

    def _value(self, node: Node) -> Hcl:
        with self._deeper():
            found = self._content(node)
        found.start, found.end = self._at(node.start_byte), self._at(node.end_byte)
        return found

    def _content(self, node: Node) -> Hcl:
        inner = node
        while inner.type in ("expression", "literal_value", "collection_value", "template_expr"):
            children = [child for child in inner.children if child.type != "comment"]
            if len(children) != 1:
                break
            inner = children[0]
        if inner.type == "tuple":
            return Hcl("list", items=[self._value(child) for child in inner.children if child.type == "expression"])
        if inner.type == "object":
            pairs = []
            for child in inner.children:
                if child.type == "object_elem":
                    parts = [each for each in child.children if each.type == "expression"]
                    pairs.append(self._pair(child, parts[0], parts[-1]))
            return Hcl("object", items=pairs)
        if inner.type in ("string_lit", "quoted_template"):
            inside = [child.type for child in inner.children[1:-1]]
            if all(kind == "template_literal" for kind in inside):
                return Hcl("string", value=self._text(inner)[1:-1])
        tokens = tuple(self._tokens(inner))
        if inner.type in ("numeric_lit", "bool_lit", "null_lit") or (len(tokens) == 2 and tokens[0] == "-"):
            return Hcl("literal", value="".join(tokens))
        return Hcl("expression", tokens=tokens)

    def _tokens(self, node: Node) -> Iterator[str]:
        """The leaves under a node, in order, without comments."""
        nodes = [node]
        while nodes:
            found = nodes.pop()
            if found.type == "comment":
                continue
            if found.child_count:
                nodes += reversed(found.children)
            else:
                yield self._text(found)

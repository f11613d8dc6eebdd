"""A CloudFormation template: its text read as a tree with positions, and what its functions come to. Pure.

JSON is read as YAML, of which it is a part but for tabs and escaped surrogates. Tags such as `!Ref` stay tags;
comments, quotes and anchors are not in the tree, so that two trees compare equal exactly when CloudFormation would read
the same.

What a template and its parameters do not tell raises UnknownValueError with the reason: nobody may take it for
harmless. Functions: the "Intrinsic function reference" of the AWS CloudFormation User Guide.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from library.errors import HammerError

_DEEPEST = 200
_LARGEST = 500_000  # nodes, with each use of an anchor counted: a few lines of anchors can stand for billions
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:([^}]*)\}\}")
_NETWORKS = ("AWS::EC2::VPC", "AWS::EC2::Subnet")
_A_NETWORK = ".CidrBlock"  # beside the names of conditions, which have no dot
_LIST_TYPES = ("CommaDelimitedList", "List<")
_SURROGATES = re.compile(r"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2})")
_SHORTER = len(r"\ud83d\ude80") - len(r"\U0001F680")
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
        pairs: a mapping's keys and values, in order; before its own those that merge keys (`<<`) bring into it.
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
        """A mapping's value."""
        found = self.pair(key)
        return found[1] if found else None

    def pair(self, key: str) -> tuple[Tree, Tree] | None:
        """A mapping's key and value. Of keys that come twice the last counts, as in CloudFormation."""
        return next(((k, v) for k, v in reversed(self.pairs) if k.kind == "scalar" and k.value == key), None)

    def named(self) -> Iterator[tuple[str, Tree]]:
        """A mapping's keys as texts, with their values."""
        return ((key.value, value) for key, value in self.pairs)

    @property
    def plain(self) -> str:
        """A scalar's text as CloudFormation has it in JSON: `True` without quotes is `true`."""
        is_spelled = self.tag == "bool" and self.value.casefold() in ("true", "false")
        return self.value.casefold() if is_spelled else self.value

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
    escapes: list[int] = []
    if body.lstrip().startswith("{"):
        body, escapes = _json_as_yaml(body)
    try:
        node = yaml.compose(body, _LOADER)
        if not isinstance(node, yaml.MappingNode):
            raise TemplateError("it is no mapping")
        return _Reader(offset, escapes).tree(node, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f" at line {mark.line + 1}" if mark else ""
        raise TemplateError(f"it cannot be parsed{at}: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, TemplateError):
            raise
        raise TemplateError(f"it cannot be parsed: {type(error).__name__}") from error


def _json_as_yaml(text: str) -> tuple[str, list[int]]:
    """The same JSON as YAML has it, and where in it an escape is shorter by `_SHORTER` characters.

    JSON escapes a sign such as an emoji as two surrogates. YAML has one escape for it.
    """
    pieces: list[str] = []
    escapes: list[int] = []
    length = position = 0
    for match in _SURROGATES.finditer(text):
        kept = text[position : match.start(1)]
        length += len(kept)
        escapes.append(length)
        sign = json.loads(f'"{match[1]}"')
        pieces += [kept, f"\\U{ord(sign):08X}"]
        length += len(pieces[-1])
        position = match.end()
    return "".join([*pieces, text[position:]]).replace("\t", " "), escapes


class _Reader:
    def __init__(self, offset: int, escapes: list[int]) -> None:
        self._offset = offset
        self._escapes = escapes
        self._count = 0

    def _at(self, mark: yaml.Mark) -> int:
        """A position in the text as it was given."""
        index: int = mark.index
        return index + self._offset + _SHORTER * bisect_left(self._escapes, index)

    def tree(self, node: yaml.Node, depth: int) -> Tree:
        self._count += 1
        if self._count > _LARGEST or depth > _DEEPEST:
            raise TemplateError("it is nested too deeply, or its anchors stand for too much")
        start, end = self._at(node.start_mark), self._at(node.end_mark)
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if isinstance(node, yaml.SequenceNode):
            items = [self.tree(each, depth + 1) for each in node.value]
            return Tree("sequence", tag, items=items, start=start, end=end, style=_flow(node))
        if isinstance(node, yaml.MappingNode):
            pairs = [(self.tree(key, depth + 1), self.tree(value, depth + 1)) for key, value in node.value]
            return Tree("mapping", tag, pairs=_merged(pairs), start=start, end=end, style=_flow(node))
        style = str(getattr(node, "style", None) or "")
        return Tree("scalar", tag, value=node.value, start=start, end=end, style=style)


def _merged(pairs: list[tuple[Tree, Tree]]) -> list[tuple[Tree, Tree]]:
    """A mapping's pairs with those of its merge keys, as PyYAML and `aws cloudformation package` merge them.

    An own key counts before a merged one, an earlier mapping of a list before a later one, a later merge key before an
    earlier one.
    """
    own = [pair for pair in pairs if pair[0].tag != "merge"]
    if len(own) == len(pairs):
        return pairs
    merged: dict[str, tuple[Tree, Tree]] = {}
    for key, value in pairs:
        for each in reversed(value.items or [value]) if key.tag == "merge" else ():
            merged |= {name.value: (name, part) for name, part in each.pairs}
    names = {key.value for key, _ in own}
    return [*(pair for name, pair in merged.items() if name not in names), *own]


def _flow(node: yaml.CollectionNode) -> str:
    return "flow" if node.flow_style else ""


NO_VALUE = object()
"""What `AWS::NoValue` stands for: the property is not there."""


class UnknownValueError(HammerError, ValueError):
    """A value that the template alone does not tell. Says why."""


@dataclass(frozen=True, slots=True)
class ResourceValue:
    """What a reference to a resource of the template stands for: known only when the resource exists.

    Attributes:
        attribute: empty for `Ref`.
    """

    logical_id: str
    attribute: str = ""


def function_of(tree: Tree) -> tuple[str, Tree] | None:
    """The name of the function that a part of a template calls, as in `Fn::If` or `Ref`, and its argument."""
    if tree.tag.startswith("!"):
        name = tree.tag[1:]
        return (name if name in ("Ref", "Condition") else f"Fn::{name}", tree)
    if tree.kind == "mapping" and len(tree.pairs) == 1:
        key, value = tree.pairs[0]
        if key.value in ("Ref", "Condition") or key.value.startswith("Fn::"):
            return key.value, value
    return None


@dataclass(slots=True)
class TemplateValues:
    """A template with its parameters, ready to tell values.

    Attributes:
        given: parameters' values, as CloudFormation has them: text, lists with commas.
        pseudo: those pseudo parameters that are known, such as `AWS::Region`.
        hidden: parameters whose values are not known or must not be, by name with the reason.
    """

    template: Tree
    given: Mapping[str, str]
    pseudo: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    _deciding: set[str] = field(default_factory=set)
    _decided: dict[str, bool | str] = field(default_factory=dict)  # conditions; a text says why one is not known

    def section(self, name: str) -> Mapping[str, Tree]:
        """A section such as `Parameters`, by logical name."""
        tree = self.template.get(name)
        return dict(tree.named()) if tree is not None and tree.kind == "mapping" else {}

    def value(self, tree: Tree) -> Any:
        """Text, a list, a dictionary, a ResourceValue or NO_VALUE.

        Raises:
            UnknownValueError: the template alone does not tell.
        """
        called = function_of(tree)
        if called:
            return self._call(*called)
        if tree.kind == "sequence":
            return [value for each in tree.items if (value := self.value(each)) is not NO_VALUE]
        if tree.kind == "mapping":
            pairs = {key: self.value(value) for key, value in tree.named()}
            return {key: value for key, value in pairs.items() if value is not NO_VALUE}
        if found := _DYNAMIC.search(tree.value):
            raise UnknownValueError(f"the dynamic reference {found[1]} decides it")
        return tree.plain

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds.

        Raises:
            UnknownValueError: the template alone does not tell, or has no such condition.
        """
        if name in self._deciding:
            raise UnknownValueError(f"condition {name} depends on itself")
        if name not in self._decided:
            self._deciding.add(name)
            try:
                self._decided[name] = self._decide(name)
            except UnknownValueError as error:
                self._decided[name] = str(error)
            finally:
                self._deciding.discard(name)
        decided = self._decided[name]
        if isinstance(decided, str):
            raise UnknownValueError(decided)
        return decided

    def _decide(self, name: str) -> bool:
        tree = self.section("Conditions").get(name)
        if tree is None:
            raise UnknownValueError(f"there is no condition {name}")
        try:
            return self._holds(tree)
        except RecursionError as error:
            raise UnknownValueError(f"condition {name} is nested too deeply") from error

    def _holds(self, tree: Tree) -> bool:
        called = function_of(tree)
        if called is None:
            if tree.value.casefold() in ("true", "false"):
                return tree.value.casefold() == "true"
            raise UnknownValueError("a condition of another shape")
        name, argument = called
        if name == "Condition":
            return self.condition(argument.value)
        parts = argument.items
        if name == "Fn::Equals" and len(parts) == 2:
            this, other = self.value(parts[0]), self.value(parts[1])
            if isinstance(this, ResourceValue) or isinstance(other, ResourceValue):
                raise UnknownValueError("a condition compares a resource")
            if this != other and _may_be_same(this, other):
                raise UnknownValueError(f"a condition compares {this} with {other}")
            return bool(this == other)
        if name == "Fn::Not" and len(parts) == 1:
            return not self._holds(parts[0])
        if name in ("Fn::And", "Fn::Or") and parts:
            return self._any_or_all(parts, ends=name == "Fn::Or")
        raise UnknownValueError(f"{name} decides a condition")

    def _any_or_all(self, parts: list[Tree], *, ends: bool) -> bool:
        """Or (`ends` true) and And (`ends` false): one part that is `ends` decides, whatever is unknown beside it."""
        unknown: UnknownValueError | None = None
        for part in parts:
            try:
                if self._holds(part) is ends:
                    return ends
            except UnknownValueError as error:
                unknown = error
        if unknown:
            raise unknown
        return not ends

    def _call(self, name: str, argument: Tree) -> Any:
        if name == "Ref":
            return self._ref(argument.value)
        known = {
            "Fn::If": self._if,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
        }
        if name not in known:
            raise UnknownValueError(f"{name} decides it")
        return known[name](argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.hidden:
            raise UnknownValueError(f"parameter {name}: {self.hidden[name]}")
        parameter = self.section("Parameters").get(name)
        if parameter is not None:
            if name not in self.given:
                raise UnknownValueError(f"parameter {name} has no value")
            kind = parameter.text("Type")
            text = self.given[name]
            is_list = kind.removeprefix("AWS::SSM::Parameter::Value<").startswith(_LIST_TYPES)
            return [part.strip() for part in text.split(",")] if is_list else text
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.section("Resources"):
            return ResourceValue(name)
        raise UnknownValueError(f"{name} is not known here")

    def _if(self, argument: Tree) -> Any:
        if len(argument.items) != 3 or function_of(argument.items[0]):
            raise UnknownValueError("an Fn::If of another shape")
        name, yes, no = argument.items
        try:
            return self.value(yes if self.condition(name.value) else no)
        except UnknownValueError:
            # Whatever the condition is, if both ways lead to the same.
            this, other = self.value(yes), self.value(no)
            if this is other or this == other:
                return this
            raise

    def _sub(self, argument: Tree) -> str | ResourceValue:
        own: dict[str, Any] = {}
        text = argument
        if argument.kind == "sequence":
            if len(argument.items) != 2:
                raise UnknownValueError("an Fn::Sub of another shape")
            text, values = argument.items
            own = {key: self.value(value) for key, value in values.named()}
        if text.kind != "scalar":
            raise UnknownValueError("an Fn::Sub of another shape")

        def named(name: str) -> Any:
            if name in own:
                return own[name]
            return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

        def replaced(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            return "${" + match[2] + "}" if literal else _as_text(named(name))

        only = _VARIABLE.fullmatch(text.value)
        if only and not only[1] and isinstance(value := named(only[2].strip()), ResourceValue):
            return value
        made = _VARIABLE.sub(replaced, text.value)
        if found := _DYNAMIC.search(made):
            raise UnknownValueError(f"the dynamic reference {found[1]} decides it")
        return made

    def _join(self, argument: Tree) -> str | ResourceValue:
        parts = self.value(Tree("sequence", "seq", items=argument.items))
        if len(parts) != 2 or not isinstance(parts[0], str) or not isinstance(parts[1], list):
            raise UnknownValueError("an Fn::Join of another shape")
        if len(parts[1]) == 1 and isinstance(parts[1][0], ResourceValue):
            return parts[1][0]
        return parts[0].join(_as_text(part) for part in parts[1])

    def _select(self, argument: Tree) -> Any:
        parts = self.value(Tree("sequence", "seq", items=argument.items))
        if len(parts) != 2 or not isinstance(parts[1], list) or not str(parts[0]).isdecimal():
            raise UnknownValueError("an Fn::Select of another shape")
        if int(parts[0]) >= len(parts[1]):
            raise UnknownValueError("an Fn::Select beyond the end of its list")
        return parts[1][int(parts[0])]

    def _split(self, argument: Tree) -> list[str]:
        parts = self.value(Tree("sequence", "seq", items=argument.items))
        if len(parts) != 2 or not all(isinstance(part, str) for part in parts) or not parts[0]:
            raise UnknownValueError("an Fn::Split of another shape")
        found: list[str] = parts[1].split(parts[0])
        return found

    def _find_in_map(self, argument: Tree) -> Any:
        default = argument.items[3].get("DefaultValue") if len(argument.items) == 4 else None
        if len(argument.items) != 3 and default is None:
            raise UnknownValueError("an Fn::FindInMap of another shape")
        names = [_as_text(self.value(part)) for part in argument.items[:3]]
        tree = self.template.get("Mappings")
        for name in names:
            above, tree = tree, tree.get(name) if tree is not None else None
            if tree is None and above is not None and above.get("Fn::Transform") is not None:
                raise UnknownValueError(f"a macro makes a part of mapping {names[0]}")
        tree = default if tree is None else tree
        if tree is None:
            raise UnknownValueError(f"mapping {names[0]} has no such entry")
        return self.value(tree)

    def _get_att(self, argument: Tree) -> Any:
        parts = [part.value for part in argument.items] or argument.value.split(".", 1)
        if len(parts) != 2 or not all(parts):
            raise UnknownValueError("an Fn::GetAtt of another shape")
        return self._attribute(parts[0], parts[1])

    def _attribute(self, logical_id: str, attribute: str) -> Any:
        """An attribute of a resource. The CIDR of a network is what the template gives it, but not by way of another.

        A few lines of networks that name each other can stand for billions.
        """
        resource = self.section("Resources").get(logical_id)
        given = resource.get("Properties") if resource is not None and resource.text("Type") in _NETWORKS else None
        tree = given.get("CidrBlock") if given is not None and attribute == "CidrBlock" else None
        if tree is None or _A_NETWORK in self._deciding:
            return ResourceValue(logical_id, attribute)
        self._deciding.add(_A_NETWORK)
        try:
            value = self.value(tree)
        finally:
            self._deciding.discard(_A_NETWORK)
        return ResourceValue(logical_id, attribute) if value is NO_VALUE else value


_NUMBER = re.compile(r"[-+]?\d{1,40}(\.\d{0,40})?", re.ASCII)
_OCTAL = re.compile(r"0[0-7]{1,40}")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _may_be_same(this: Any, other: Any) -> bool:
    """Whether two texts may be one value: `yes`, and `1.10`, without quotes are `true` and `1.1` in YAML 1.1."""
    texts = [each.casefold() for each in (this, other) if isinstance(each, str)]
    if len(texts) == 2 and _numbers(texts[0]) & _numbers(texts[1]):
        return True
    values = {_BOOLEANS.get(each) for each in texts}
    return len(texts) == 2 and len(values) == 1 and None not in values and not {"true", "false"} >= set(texts)


def _numbers(text: str) -> set[float]:
    """The numbers that a text may be without quotes: `010` is 8 in YAML 1.1."""
    octal = {float(int(text, 8))} if _OCTAL.fullmatch(text) else set()
    return octal | ({float(text)} if _NUMBER.fullmatch(text) else set())


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, ResourceValue):
        name = f"{value.logical_id}.{value.attribute}".removesuffix(".")
        raise UnknownValueError(f"{name} is known only when the resource exists")
    raise UnknownValueError("a list where a text is expected")

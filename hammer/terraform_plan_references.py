"""Which resources of a Terraform plan an argument refers to, where its value is known after apply only. Pure.

A plan's configuration has of an expression no more than the names in it, of a block those of all its arguments
together, and of a local and a `dynamic` block nothing. What a reference may mean is followed through variables and
outputs of modules. Format: "Expression Representation" of the Terraform documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

DEFAULT_GROUP = "aws_default_security_group"
GROUPS = ("aws_security_group", DEFAULT_GROUP)
LIST = "aws_ec2_managed_prefix_list"
_INDEX = re.compile(r"\[(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"]*)\]")
_PART = re.compile(rf"(?:{_INDEX.pattern}|[^.])+")
_MAY_BE_LISTS = re.compile(r"(^|_)ids?$|prefix_list")
_DEEPEST = 12  # variables and outputs, one by way of the other


@dataclass(frozen=True, slots=True)
class PlannedResource:
    """A resource of the plan. `before`: what the state has of it; empty where it is made, or made anew."""

    address: str
    kind: str
    values: Mapping[str, Any]
    unknown: Mapping[str, Any]
    expressions: Mapping[str, Any]
    index: Any = None
    before: Mapping[str, Any] = field(default_factory=dict)

    def sets(self, key: str) -> bool:
        """Whether the configuration sets an argument of which the state may have more than the configuration.

        A plan's configuration does not show `dynamic` blocks. What they set is unknown, or differs from the state,
        where they change. What nothing sets stays as it is, but in a resource that is made: there it is unknown, too.
        """
        if key in self.expressions:
            return True
        changes = self.unknown.get(key) is True or (self.before.get(key) or []) != (self.values.get(key) or [])
        return bool(self.before) and changes

    @property
    def module(self) -> str:
        """The address of the module that it is in, with a dot at its end; empty: the root."""
        return self.address.rpartition(f"{self.kind}.")[0]


class PlanConfiguration:
    """The configuration that a plan has: modules, and the resources that they define."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._resources: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    def module(self, prefix: str) -> Mapping[str, Any]:
        """The configuration of a module, by its address."""
        module, path = self._root, _INDEX.sub("", prefix).strip(".").split(".")
        while len(path) >= 2 and path[0] == "module":
            module = ((module.get("module_calls") or {}).get(path[1]) or {}).get("module") or {}
            path = path[2:]
        return module

    def call(self, parent: str, name: str) -> Mapping[str, Any]:
        """The call of a module in the configuration of the module that calls it."""
        return (self.module(parent).get("module_calls") or {}).get(name) or {}

    def resource(self, address: str) -> Mapping[str, Any]:
        """The resource of the configuration that an address of the plan is an instance of."""
        path = _INDEX.sub("", address).split(".")
        prefix = ".".join(path[:-2])
        if prefix not in self._resources:
            listed = reversed(self.module(prefix).get("resources") or ())
            self._resources[prefix] = {each.get("address"): each for each in listed}
        return self._resources[prefix].get(".".join(path[-2:]), {})


class References:
    """What the references of a plan's configuration mean."""

    def __init__(self, configuration: PlanConfiguration, resources: Sequence[PlannedResource]) -> None:
        self._configuration = configuration
        self._by_address: dict[str, list[PlannedResource]] = {}
        self._by_bare: dict[str, list[PlannedResource]] = {}  # by the address without any index
        self._by_module: dict[tuple[str, str], list[PlannedResource]] = {}  # by the bare address, and the module
        self._by_index: dict[tuple[str, str, Any], list[PlannedResource]] = {}
        self._below: dict[str, list[PlannedResource]] = {}  # by each module that a group, or a list, is in
        for resource in resources:
            if resource.kind not in (*GROUPS, LIST):
                continue  # nothing else is referred to
            bare, module = _INDEX.sub("", resource.address), resource.module
            self._by_address.setdefault(resource.address, []).append(resource)
            self._by_bare.setdefault(bare, []).append(resource)
            self._by_module.setdefault((bare, module), []).append(resource)
            self._by_index.setdefault((bare, module, resource.index), []).append(resource)
            for above in _with_modules_above(module):
                self._below.setdefault(above, []).append(resource)
        # Those that do not exist yet: a reference to another one is known.
        self._new_groups = {
            module: [each.address for each in below if each.kind in GROUPS and not each.values.get("id")]
            for module, below in self._below.items()
        }

    def to(self, resource: PlannedResource, key: str, kinds: Sequence[str], within: str = "") -> list[str]:
        """The addresses of the resources of some kinds that an argument refers to, in its own instance if it can be."""
        found: dict[str, None] = {}
        named = list(self._named(resource, key, within))
        index = resource.index if within else _own_key(named, resource.index)
        for reference in named:
            found |= dict.fromkeys(self._targets(reference, resource.module, kinds, index, 0))
        return list(found)

    def _named(self, resource: PlannedResource, key: str, within: str) -> Iterator[str]:
        """The references of an argument; of a block's argument, where Terraform does not tell them apart, the block's.

        With `for_each = aws_security_group.web`, `each.value.id` is the id of the instance with the same key.
        """
        expressions = resource.expressions
        blocks = expressions.get(within) if within else [expressions]
        of_each = _references(self._configuration.resource(resource.address).get("for_each_expression"))
        for block in blocks if isinstance(blocks, list) else [{key: blocks}]:
            for reference in _references(block.get(key)):
                is_chained = reference == "each.value.id" and len(of_each) == 1
                yield from (of_each[0], "each.key") if is_chained else (reference,)

    def name_another_list(self, resource: PlannedResource, key: str, within: str) -> bool:
        """Whether what is unknown of an argument may be another prefix list than those that it refers to."""
        for reference in self._named(resource, key, within):
            parts = _split(reference)
            # A block's references are those of all of its arguments.
            if within and (parts[0] in ("local", "each") or not _MAY_BE_LISTS.search(_INDEX.sub("", parts[-1]))):
                continue
            if self._is_another(reference, resource.module, resource.index, 0):
                return True
        return False

    def _is_another(self, reference: str, prefix: str, index: Any, depth: int) -> bool:
        parts = _split(reference)
        if parts[0] in (*GROUPS, "count", "path", "terraform") or reference == "each.key":
            return False
        if parts[0] == "var" and depth <= _DEEPEST:
            if not prefix:
                return False  # whoever makes a plan gives their values
            parent, call = _parent(prefix)
            given = (self._configuration.call(parent, call).get("expressions") or {}).get(_INDEX.sub("", parts[1]))
            return any(self._is_another(each, parent, index, depth + 1) for each in _references(given))
        return not any(self._targets(reference, prefix, (LIST,), index, 0))

    def _targets(self, reference: str, prefix: str, kinds: Sequence[str], index: Any, depth: int) -> Iterator[str]:
        parts = _split(reference)
        if depth > _DEEPEST or len(parts) < 2:
            return
        name = _INDEX.sub("", parts[1])
        if parts[0] in kinds:
            yield from self._instances(prefix, parts[0], parts[1], index)
        elif parts[0] == "var" and prefix:
            parent, call = _parent(prefix)
            given = self._configuration.call(parent, call).get("expressions") or {}
            key, references = _key(prefix), _references(given.get(name))
            # There `each.key` and `count.index` are those of the module's instance.
            index = index if key is None else _own_key(references, key)
            for inner in references:
                yield from self._targets(inner, parent, kinds, index, depth + 1)
        elif _is_call(reference):
            yield from self._of_module(f"{prefix}module.{parts[1]}", kinds, index)
        elif parts[0] == "module":
            child = f"{prefix}module.{parts[1]}."
            output = (self._configuration.module(child).get("outputs") or {}).get(_INDEX.sub("", parts[2])) or {}
            for inner in _references(output.get("expression")):
                yield from self._targets(inner, child, kinds, index, depth + 1)
        elif parts[0] == "local" and kinds == GROUPS:
            yield from self._of_local(prefix)
        elif parts[-1] == "default_security_group_id" and DEFAULT_GROUP in kinds:
            for resource in self._below.get(prefix, ()):
                if resource.kind == DEFAULT_GROUP and resource.module == prefix:
                    yield resource.address

    def _of_local(self, prefix: str) -> Iterator[str]:
        """The only group that a module's instance makes: a plan does not show what its locals are."""
        new = self._new_groups.get(prefix, ())
        if len(new) == 1:
            yield new[0]

    def _of_module(self, called: str, kinds: Sequence[str], index: Any) -> Iterator[str]:
        """The only resource of these kinds of a module's instance, where an expression does not tell the output.

        Where the module itself has none, the only one of the modules that it calls, if that does not exist yet: a
        reference to another one is known.
        """
        modules = (f"{called}.", f"{called}[{json.dumps(index, ensure_ascii=False)}].")
        below = [each for module in modules for each in self._below.get(module, ()) if each.kind in kinds]
        there = [each for each in below if each.module in modules]
        if len(there or below) == 1 and (there or not below[0].values.get("id")):
            yield (there or below)[0].address

    def _instances(self, prefix: str, kind: str, named: str, index: Any) -> Iterator[str]:
        """The instances of a resource that a reference can mean: the one it names, the one with the same index, all."""
        address = f"{prefix}{kind}.{named}"
        bare = _INDEX.sub("", address)
        there, here = self._by_bare.get(bare, []), self._by_module.get((bare, prefix), [])
        exact = self._by_address.get(address, [])
        same = [] if index is None else self._by_index.get((bare, prefix, index), [])
        yield from (each.address for each in exact or same or here or there)


def _references(expression: Any) -> list[str]:
    """The references of an expression, the most precise first, as Terraform writes them."""
    if isinstance(expression, list):
        return [reference for each in expression for reference in _references(each)]
    if not isinstance(expression, dict):
        return []
    found = expression.get("references")
    if isinstance(found, list):
        texts = [each for each in found if isinstance(each, str)]
        return list(dict.fromkeys(each for before, each in pairwise(["", *texts]) if not _is_part(each, before)))
    return [reference for each in expression.values() for reference in _references(each)]


def _own_key(references: Sequence[str], key: Any) -> Any:
    """The key, or number, of an instance, if an expression with these references means that of the same key; else None.

    Of `web[each.key].id` Terraform writes `web` and `each.key`. `web[each.value.group].id` and `web[var.group].id` have
    another key, which a plan does not show.
    """
    is_own = any(each in ("each.key", "each.value", "count.index") for each in references)
    has_other = any(each.startswith("each.value.") for each in references)
    return key if is_own and not has_other else None


def _is_part(reference: str, before: str) -> bool:
    """Whether a reference tells less of what the one before it tells: after `module.net.id` comes `module.net`."""
    return before.startswith((f"{reference}.", f"{reference}["))


def _is_call(reference: str) -> bool:
    """Whether a reference is to a module, and does not tell which of its outputs."""
    parts = _split(reference)
    return parts[0] == "module" and len(parts) == 2


def _split(reference: str) -> list[str]:
    """A reference by its dots, with each index left with its name. A key may have dots and brackets itself."""
    return _PART.findall(reference) or [""]


def _parent(prefix: str) -> tuple[str, str]:
    """The address of the module above one, with a dot at its end, and the name of the call."""
    parts = _split(prefix.removesuffix("."))
    above = ".".join(parts[:-2])
    return (f"{above}." if above else ""), _INDEX.sub("", parts[-1])


def _with_modules_above(prefix: str) -> Iterator[str]:
    """The address of a module with a dot at its end, and those of the modules that it is in, to the root's."""
    while prefix:
        yield prefix
        prefix, _ = _parent(prefix)
    yield ""


def _key(prefix: str) -> Any:
    """The key, or number, of an instance of a module, by its address with a dot at its end; None: it has none."""
    index = _INDEX.search(_split(prefix.removesuffix("."))[-1])
    try:
        return json.loads(index[0])[0] if index else None
    except ValueError:
        return None

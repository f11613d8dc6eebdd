"""What an expression of Terraform names: the references in it, followed through the definitions of the files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from library.source.hcl import Hcl
from library.source.terraform_rules import Configurations, Context, Resolved, TerraformRule

_ROOTS = frozenset({"var", "local", "module", "data", "each"})  # beside the types of resources
_OPENING = ("(", "[", "{", "${")
_CLOSING = (")", "]", "}")
_DEEPEST = 8  # definitions, one by way of the other
_GROUP_ID = re.compile(r"sg-[0-9a-f]+")

Reference = tuple[tuple[str, ...], Context]
"""The tokens of a reference, such as those of `aws_security_group.web.id`, and where they count; or a group's id."""


def named_references(
    configurations: Configurations, part: Hcl, where: Resolved, rule: TerraformRule
) -> list[Reference]:
    """The references that an expression of a rule may stand for."""
    return list(_named(configurations, part, where, rule, set(), 0))


def _named(
    configurations: Configurations, part: Hcl, where: Resolved, rule: TerraformRule, seen: set[Reference], depth: int
) -> Iterator[Reference]:
    """What an expression may stand for, such as `one(aws_security_group.web[*].id)`: each reference that is in it.

    References are followed through locals, variables, outputs of local modules and the rule's own `for_each`, each
    once: they can stand for billions.
    """
    for written in _written(part):
        for tokens in _references(written):
            if (tokens, where.context) in seen:
                continue
            seen.add((tokens, where.context))
            inner = _definition(configurations, tokens, where, rule) if depth < _DEEPEST else None
            meant = None if inner is None else inner.node or inner.expression
            if inner is None or meant is None:
                yield tokens, where.context
            else:
                yield from _named(configurations, meant, inner, rule, seen, depth + 1)


def _written(node: Hcl) -> Iterator[tuple[str, ...]]:
    """The tokens of an expression or a string, or of those in a list or an object."""
    if node.kind == "string":
        yield (node.value,)
    elif node.kind == "expression":
        yield node.tokens
    for item in node.items:
        yield from _written(item)


def _references(tokens: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The references, and ids of groups, of an expression, without those of an index and of a choice's condition."""
    done: list[list[tuple[str, ...]]] = [[]]  # for each bracket that is open
    part: list[list[tuple[str, ...]]] = [[]]  # the same, since the last comma or colon
    at, last = 0, ""
    while at < len(tokens):
        word, start = tokens[at], at
        at += 1
        if word == "[" and (last in ("]", ")") or (last.isidentifier() and last != "in")):
            at = _after_index(tokens, start)
        elif word in _OPENING:
            done.append([])
            part.append([])
        elif word in _CLOSING and len(done) > 1:
            inner = [*done.pop(), *part.pop()]
            part[-1] += inner
        elif word in (",", ":"):
            done[-1] += part[-1]
            part[-1] = []
        elif word == "?":
            part[-1] = []
        elif _GROUP_ID.fullmatch(word):
            part[-1].append((word,))
        elif tokens[at : at + 1] == (".",) and last != "." and (word in _ROOTS or "_" in word):
            at = _end_of_reference(tokens, start)
            part[-1].append(tokens[start:at])
        last = tokens[at - 1]
    return [reference for each in (*done, *part) for reference in each]


def _end_of_reference(tokens: tuple[str, ...], start: int) -> int:
    at = start + 1
    while at < len(tokens):
        if tokens[at] == ".":
            at += 2
        elif tokens[at] in (".*", "[*]"):
            at += 1
        elif tokens[at] == "[":
            at = _after_index(tokens, at)
        else:
            break
    return at


def _after_index(tokens: tuple[str, ...], start: int) -> int:
    depth = 0
    for at in range(start, len(tokens)):
        depth += (tokens[at] == "[") - (tokens[at] == "]")
        if not depth:
            return at + 1
    return len(tokens)


def _definition(
    configurations: Configurations, tokens: tuple[str, ...], where: Resolved, rule: TerraformRule
) -> Resolved | None:
    """What a local, a variable, an output of a local module or `each.value` is; None: it is not known, or none."""
    context = where.context
    if tokens[0] == "module":
        return _output(configurations, tokens, context)
    if tokens[:3] == ("each", ".", "value") and context is rule.context:
        each = rule.resource.get("for_each")
        return configurations.resolve(each, rule.file, context) if each is not None else None
    if tokens[0] not in ("var", "local"):
        return None
    found = configurations.resolve(Hcl("expression", tokens=tokens[:3]), where.file, context)
    is_followed = found.expression is None or found.expression.tokens != tokens[:3]
    return _member(configurations, found, _keys(tokens, 3)) if is_followed else None


def _member(configurations: Configurations, found: Resolved, keys: Sequence[str]) -> Resolved:
    """What is in an object by some keys, one after the other, as far as the object is known."""
    for key in keys:
        value = found.node.get(key) if found.node is not None and found.node.kind == "object" else None
        if value is None:
            break
        found = configurations.resolve(value, found.file, found.context)
    return found


def _keys(tokens: tuple[str, ...], at: int) -> list[str]:
    """The names and indexes of a reference from one of its tokens on."""
    found: list[str] = []
    while at < len(tokens):
        is_name = tokens[at] == "."
        after = at + 2 if is_name else _after_index(tokens, at)
        found.append("".join(tokens[at + 1 : after if is_name else after - 1]).strip('"'))
        at = after
    return found


def _output(configurations: Configurations, tokens: tuple[str, ...], context: Context) -> Resolved | None:
    inner = next((each for each in configurations.contexts if _is_call(each, context, tokens)), None)
    at = 3
    while tokens[at : at + 1] not in ((), (".",)):
        at = _after_index(tokens, at)  # which of the module's instances
    if inner is None or at >= len(tokens):
        return None
    name, *keys = _keys(tokens, at)
    for file, block in configurations.blocks(inner.folder, "output"):
        value = block.get("value")
        if block.labels == (name,) and value is not None:
            return _member(configurations, configurations.resolve(value, file, inner), keys)
    return None


def _is_call(inner: Context, outer: Context, tokens: tuple[str, ...]) -> bool:
    return (
        inner.call is not None
        and inner.parent is outer
        and tokens[:2] == ("module", ".")
        and inner.call[1].labels == tokens[2:3]
    )

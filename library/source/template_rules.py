"""The security groups and ingress rules of a CloudFormation template, with the place of each in the text. Pure.

Resources: AWS::EC2::SecurityGroup with its inline `SecurityGroupIngress`, AWS::EC2::SecurityGroupIngress, and
AWS::EC2::PrefixList (CloudFormation Template Reference). A condition that is not known counts as true for what it
admits: what might be there is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from library.network.addresses import Network, parse_network
from library.network.ports import protocol_name
from library.security_groups.group import IngressRule, ShapeError, checked_ports
from library.source.location import Traffic
from library.source.template_text import NO_VALUE, ResourceValue, TemplateValues, Tree, UnknownValueError, function_of

GROUP = "AWS::EC2::SecurityGroup"
INGRESS = "AWS::EC2::SecurityGroupIngress"
PREFIX_LIST = "AWS::EC2::PrefixList"

SOURCE_KEYS = ("CidrIp", "CidrIpv6", "SourcePrefixListId")
_GROUP_KEYS = ("SourceSecurityGroupId", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")
_INTEGER = re.compile(r"-?(0|[1-9]\d*)")  # YAML 1.1 reads 026 as 22
_MACRO = "Fn::Transform"
_ELSEWHERE = {
    "AWS::CloudFormation::Stack": "a nested stack",
    "AWS::CloudFormation::StackSet": "a stack set",
    "AWS::Serverless::Application": "a nested application",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "a product",
}


@dataclass(slots=True)
class TemplateRule:
    """One source of one ingress entry.

    Attributes:
        logical_id: the resource that holds the entry.
        entry: the mapping with protocol, ports and source.
        key: which of SOURCE_KEYS.
        sequence: the list that the entry is a member of; None: it is the only one, without a list.
        resource: the key and value of the AWS::EC2::SecurityGroupIngress that holds it alone; None: it is inline.
        conditions: of the Fn::If around the entry, the names.
        traffic: protocol, first and last port; None: they are not known.
        rule: as EC2 would have it; None: it is not known, see `unknown`.
        unknown: why the source or the traffic is not known; empty: they are.
        cidr: the source where only the traffic is not known, else empty.
    """

    logical_id: str
    entry: Tree
    key: str
    source_key: Tree
    source: Tree
    sequence: Tree | None = None
    resource: tuple[Tree, Tree] | None = None
    conditions: tuple[str, ...] = ()
    traffic: Traffic | None = None
    rule: IngressRule | None = None
    unknown: str = ""
    cidr: str = ""


@dataclass(slots=True)
class TemplateGroup:
    """One security group of a template, or one elsewhere that the template adds rules to.

    Attributes:
        logical_id: of the group; of one elsewhere, that of the first resource that adds a rule to it.
        unknown: what of its rules is not known, one reason each.
        other_rules: those whose source is a group.
        makers: the parts of the text that make rules which it does not show, each with what does.
        target: of a group elsewhere, how the template names it.
    """

    logical_id: str
    properties: Tree | None
    rules: list[TemplateRule] = field(default_factory=list)
    other_rules: list[IngressRule] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    makers: list[tuple[Tree, str]] = field(default_factory=list)
    target: str = ""


@dataclass(slots=True)
class TemplateGroups:
    """What a template says of security groups.

    Attributes:
        prefix_lists: the entries of its prefix lists, by logical id; None: they are not known.
        unknown: what of the whole template cannot be evaluated here, one reason each.
    """

    groups: dict[str, TemplateGroup] = field(default_factory=dict)
    prefix_lists: dict[str, tuple[Network, ...] | None] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def read_groups(values: TemplateValues) -> TemplateGroups:
    """The security groups of a template."""
    found = TemplateGroups(unknown=list(_beyond_evaluation(values)))
    resources = {name: tree for name, tree in values.section("Resources").items() if tree.kind == "mapping"}
    there = {name: tree for name, tree in resources.items() if _exists(tree, values)}
    for name, tree in there.items():
        if tree.text("Type") == GROUP:
            properties = tree.get("Properties")
            group = TemplateGroup(name, properties)
            found.groups[name] = group
            if properties is not None and (maker := maker_in(properties)):
                group.unknown.append(f"{maker.function} makes a part of its properties that cannot be evaluated here")
                group.makers.append((maker.location, maker.name))
            ingress = properties.get("SecurityGroupIngress") if properties is not None else None
            if ingress is not None:
                _read_inline(group, ingress, values)
        elif tree.text("Type") == PREFIX_LIST:
            found.prefix_lists[name] = _entries(tree, values)
    section = values.template.get("Resources")
    for pair in section.pairs if section is not None else ():
        name, tree = pair[0].value, pair[1]
        if there.get(name) is tree and tree.text("Type") == INGRESS:
            _read_resource(found, pair, values)
    return found


def transform_name(argument: Tree) -> str:
    """The call of a macro by `Fn::Transform`, in words."""
    return f"{_MACRO} ({argument.text('Name')})"


def _beyond_evaluation(values: TemplateValues) -> Iterator[str]:
    """Parts of a template that make resources which its text does not show."""
    transform = values.template.get("Transform")
    for name in [] if transform is None else [each.value for each in transform.items] or [transform.value]:
        if not name.startswith("AWS::") or name == "AWS::Include":
            yield f"the macro {name or 'in Transform'} may change the template"
    yield from (f"{key} makes a part of the template" for key, _ in values.template.named() if key.startswith("Fn::"))
    for name, tree in values.section("Resources").items():
        if name.startswith("Fn::"):
            yield f"{name} makes resources that cannot be evaluated here"
        elif tree.kind != "mapping" or not _exists(tree, values):
            continue
        elif tree.text("Type").endswith("::MODULE"):
            yield f"{name} is a module, whose resources are elsewhere"
        elif kind := _ELSEWHERE.get(tree.text("Type")):
            yield f"{name} is {kind}, whose template is another: judge that by itself"
        elif tree.get("Fn::Transform") is not None:
            yield f"a macro makes a part of {name}"


class Maker(NamedTuple):
    """What makes a mapping, or a part of it that the text does not show: where it is called, and how it is called."""

    location: Tree
    function: str
    argument: Tree

    @property
    def name(self) -> str:
        """What it is, in words."""
        return transform_name(self.argument) if self.function == _MACRO else self.function


def maker_in(mapping: Tree) -> Maker | None:
    """The function or macro that makes a mapping, or a part of it; None: the text shows all of it."""
    called = function_of(mapping)
    if called:
        return Maker(mapping, *called)
    pairs = mapping.pairs if mapping.kind == "mapping" else ()
    return next((Maker(key, key.value, body) for key, body in pairs if key.value.startswith("Fn::")), None)


def _exists(resource: Tree, values: TemplateValues) -> bool:
    name = resource.text("Condition")
    try:
        return not name or values.condition(name)
    except UnknownValueError:
        return True


def _entries(resource: Tree, values: TemplateValues) -> tuple[Network, ...] | None:
    properties = resource.get("Properties")
    tree = properties.get("Entries") if properties is not None else None
    try:
        entries = values.value(tree) if tree is not None else []
        return tuple(parse_network(entry["Cidr"]) for entry in entries if entry is not NO_VALUE)
    except (KeyError, TypeError, UnknownValueError, ValueError, AttributeError):
        return None


def _read_inline(group: TemplateGroup, ingress: Tree, values: TemplateValues) -> None:
    for entry, sequence, conditions, unknown in _members(ingress, values, None, ()):
        if unknown:
            group.unknown.append(unknown)
            if maker := maker_in(entry):
                group.makers.append((maker.location, maker.name))
        else:
            _read_entry(group, group.logical_id, entry, values, sequence, None, conditions)


def _members(
    tree: Tree, values: TemplateValues, sequence: Tree | None, conditions: tuple[str, ...]
) -> Iterator[tuple[Tree, Tree | None, tuple[str, ...], str]]:
    """The entries of an ingress property: entry, its list, the conditions around it, and why it is not known."""
    called = function_of(tree)
    if called is None:
        if tree.kind == "sequence":
            for item in tree.items:
                yield from _members(item, values, tree, conditions)
        elif tree.kind == "mapping":
            yield tree, sequence, conditions, ""
        elif tree.value:
            yield tree, sequence, conditions, f"an ingress entry of another shape: {tree.value:.80}"
        return
    name, argument = called
    if name == "Ref" and argument.value == "AWS::NoValue":
        return
    if name == "Fn::If" and len(argument.items) == 3:
        condition, yes, no = argument.items
        try:
            branches = [yes if values.condition(condition.value) else no]
        except UnknownValueError:
            branches = [yes, no]
        for branch in branches:
            yield from _members(branch, values, None, (*conditions, condition.value))
        return
    yield tree, sequence, conditions, f"{name} makes ingress rules that cannot be evaluated here"


def _read_resource(found: TemplateGroups, pair: tuple[Tree, Tree], values: TemplateValues) -> None:
    name, properties = pair[0].value, pair[1].get("Properties")
    if properties is None or properties.kind != "mapping" or function_of(properties):
        found.unknown.append(f"the properties of {name} cannot be evaluated here")
        return
    target = properties.get("GroupId") or properties.get("GroupName")
    if target is None and maker_in(properties):
        found.unknown.append(f"the properties of {name} cannot be evaluated here")
        return
    logical_id, named = _target(target, values) if target is not None else ("", "")
    if not logical_id and properties.get("GroupId") is None:
        logical_id = _group_named(found, named, values)
    if logical_id and logical_id in found.groups:
        group = found.groups[logical_id]
    else:
        known = (each for each in found.groups.values() if each.properties is None and each.target == (named or name))
        group = next(known, None) or TemplateGroup(name, None, target=named or name)
        found.groups[group.logical_id] = group
    _read_entry(group, name, properties, values, None, pair, ())


def _target(tree: Tree, values: TemplateValues) -> tuple[str, str]:
    """Which group a rule is of: the logical id, else how the template names one elsewhere, else twice nothing."""
    try:
        value = values.value(tree)
    except UnknownValueError:
        called = function_of(tree)
        return "", f"{called[0]} {' '.join(_words(called[1]))}" if called else ""
    if isinstance(value, ResourceValue):
        return value.logical_id, f"{value.logical_id}.{value.attribute}".removesuffix(".")
    return "", value if isinstance(value, str) else ""


def _group_named(found: TemplateGroups, name: str, values: TemplateValues) -> str:
    """The logical id of a group by its name, as EC2 finds one of the default VPC; empty: the template has none."""
    for logical_id, group in found.groups.items():
        given = group.properties.get("GroupName") if group.properties is not None else None
        if not name or given is None or group.properties is None or _target(given, values) != ("", name):
            continue
        if not _is_given(group.properties.get("VpcId"), values):
            return logical_id
    return ""


def _is_given(tree: Tree | None, values: TemplateValues) -> bool:
    try:
        return tree is not None and values.value(tree) is not NO_VALUE
    except UnknownValueError:
        return True


def _words(tree: Tree) -> Iterator[str]:
    """The texts of a part of a template, in order: the same for the same expression."""
    if tree.value:
        yield tree.value
    for key, value in tree.pairs:
        yield from (key.value, *_words(value))
    for item in tree.items:
        yield from _words(item)


def _read_entry(
    group: TemplateGroup,
    logical_id: str,
    entry: Tree,
    values: TemplateValues,
    sequence: Tree | None,
    resource: tuple[Tree, Tree] | None,
    conditions: tuple[str, ...],
) -> None:
    if maker := maker_in(entry):
        group.unknown.append(f"{maker.function} makes a part of a rule of {logical_id} that cannot be evaluated here")
        group.makers.append((maker.location, maker.name))
    try:
        traffic = _traffic(entry, values)
        problem = ""
    except (UnknownValueError, ShapeError) as error:
        traffic, problem = None, f"the ports of a rule of {logical_id}: {error}"
    sources = 0
    for key in SOURCE_KEYS:
        tree = entry.get(key)
        if tree is None:
            continue
        try:
            value = values.value(tree)
            if value is NO_VALUE:
                continue
            reason = ""
        except UnknownValueError as error:
            value, reason = None, f"the {key} of a rule of {logical_id}: {error}"
        sources += 1
        own = entry.pair(key)
        rule = TemplateRule(
            logical_id, entry, key, own[0] if own else tree, tree, sequence, resource, conditions, traffic
        )
        rule.unknown = reason or problem
        rule.cidr = value if problem and not reason and isinstance(value, str) and key != "SourcePrefixListId" else ""
        if not rule.unknown and traffic:
            rule.rule, rule.unknown = _rule(traffic, key, value, logical_id)
        group.rules.append(rule)
    if not sources:
        _read_without_cidr(group, logical_id, entry, problem, traffic)


def _read_without_cidr(
    group: TemplateGroup,
    logical_id: str,
    entry: Tree,
    problem: str,
    traffic: Traffic | None,
) -> None:
    if any(entry.get(key) is not None for key in _GROUP_KEYS):
        if traffic:
            group.other_rules.append(IngressRule(*traffic, group_id="a group"))
        return  # a reference to a group does not count, whatever its ports are
    if any(entry.get(key) is not None for key in SOURCE_KEYS):
        return  # the source is not there: AWS::NoValue
    group.unknown.append(problem or f"a rule of {logical_id} without a source that this version knows")


def _traffic(entry: Tree, values: TemplateValues) -> Traffic:
    if (tree := entry.get("IpProtocol")) is None:
        raise UnknownValueError("it has no protocol")
    protocol = values.value(tree)
    if not isinstance(protocol, str) or not protocol:
        raise UnknownValueError("a protocol of another shape")
    try:
        first, last = (_port(entry.get(key), values) for key in ("FromPort", "ToPort"))
    except UnknownValueError:
        if protocol_name(protocol) != "-1":
            raise
        return protocol, None, None  # whatever its ports are
    return (protocol, *checked_ports(protocol, first, last))


def _port(tree: Tree | None, values: TemplateValues) -> int | None:
    value = NO_VALUE if tree is None else values.value(tree)
    if value is NO_VALUE:
        return None
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise UnknownValueError("a port of another shape")


def _rule(traffic: Traffic, key: str, value: Any, logical_id: str) -> tuple[IngressRule | None, str]:
    if key == "SourcePrefixListId":
        list_id = value.logical_id if isinstance(value, ResourceValue) else value
        if isinstance(list_id, str) and list_id:
            return IngressRule(*traffic, prefix_list_id=list_id), ""
    elif isinstance(value, str):
        try:
            parse_network(value)
        except ValueError:
            return None, f"the {key} of a rule of {logical_id} is no CIDR: {value:.80}"
        return IngressRule(*traffic, cidr=value), ""
    return None, f"the {key} of a rule of {logical_id} is of another shape"

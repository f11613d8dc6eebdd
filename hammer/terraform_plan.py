"""The security groups that a Terraform plan would leave, from the output of `terraform show -json`. Pure.

A plan is read as the state after it (`planned_values`), unchanged resources included. What Terraform does not know yet
(`after_unknown`) is told as that, unless it cannot matter: ids, references to groups, and an `ingress` that the
configuration does not set. Format: "JSON Output Format" of the Terraform documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from library.errors import HammerError
from library.network.addresses import Network, parse_network
from library.security_groups.group import IngressRule, RuleKey, ShapeError, checked_ports, rule_key
from library.source.location import Traffic

_GROUPS = ("aws_security_group", "aws_default_security_group")
_RULE = "aws_security_group_rule"
_SINGLE = "aws_vpc_security_group_ingress_rule"
_LIST = "aws_ec2_managed_prefix_list"
_ENTRY = "aws_ec2_managed_prefix_list_entry"
_CLOUD_CONTROL = ("awscc_ec2_security_group", "awscc_ec2_security_group_ingress")
_ANY_CLOUD_CONTROL = "aws_cloudcontrolapi_resource"
_STACKS = (
    "aws_cloudformation_stack",
    "aws_cloudformation_stack_set",
    "aws_serverlessapplicationrepository_cloudformation_stack",
    "aws_servicecatalog_provisioned_product",
)
_GROUP_TYPE = r"AWS::EC2::SecurityGroup(?:Ingress)?(?![\w:])"  # "AWS::EC2::SecurityGroup::Id" is a parameter's type
_MAKES_GROUPS = re.compile(
    rf"{_GROUP_TYPE}|AWS::CloudFormation::Stack(?:Set)?(?![\w:])|::MODULE\b|Fn::Transform|!Transform"
    r"|AWS::Serverless::Application\b|::CloudFormationProvisionedProduct\b"
    # A macro; AWS's own, alone, make no group that the text does not show.
    r"|\bTransform[\"']?\s*:(?!\s*[\"']?AWS::(?!Include)[\w:-]+[\"']?\s*?(?:[\n,}#]|$))"
)
_INDEX = re.compile(r"\[(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"]*)\]")
_MAY_BE_LISTS = re.compile(r"(^|_)ids?$|prefix_list")
_DEEPEST = 12


class NotAPlanError(HammerError, ValueError):
    """A document that is no plan."""


@dataclass(frozen=True, slots=True)
class UnknownSource:
    """A source that is not known yet.

    Attributes:
        traffic: None: the ports are not known either.
        cidr: the source where only the ports are not known; empty: it is not known.
    """

    reason: str
    traffic: Traffic | None = None
    cidr: str = ""


@dataclass(slots=True)
class PlannedGroup:
    """A group as it will be.

    Attributes:
        address: in the plan; of a group that the plan does not have, its id, else the address of the first rule.
        unnamed: why it is not known which group it is; empty: it is.
    """

    address: str
    name: str = ""
    description: str = ""
    vpc_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    rules: list[IngressRule] = field(default_factory=list)
    unknown: list[UnknownSource] = field(default_factory=list)
    unnamed: str = ""


@dataclass(slots=True)
class PlannedGroups:
    """What a plan says of security groups.

    Attributes:
        prefix_lists: the entries of the lists that the plan defines, by address and by id where that is known; None:
            they are not known yet.
        unknown: what of the whole plan is not known, one reason each.
    """

    groups: dict[str, PlannedGroup] = field(default_factory=dict)
    prefix_lists: dict[str, tuple[Network, ...] | None] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Resource:
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
        bare = self.address
        name = f"{self.kind}."
        return bare[: bare.rindex(name)] if name in bare else ""


def read_plan(plan: Any) -> PlannedGroups:
    """The security groups that a plan, as `terraform show -json` prints it, would leave.

    Raises:
        NotAPlanError: it is none, as a state or any other document is.
    """
    if not isinstance(plan, dict) or "format_version" not in plan or not isinstance(plan.get("planned_values"), dict):
        raise NotAPlanError("it is no plan: `terraform plan -out=FILE`, then `terraform show -json FILE` print one")
    try:
        return _Plan(plan).groups()
    except (AttributeError, KeyError, TypeError) as error:
        raise NotAPlanError(f"it is no plan that this version understands: {type(error).__name__} {error}") from error


class _Plan:
    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._configuration = (plan.get("configuration") or {}).get("root_module") or {}
        changes = {
            change["address"]: change["change"]
            for change in plan.get("resource_changes") or ()
            # A deposed object, which a failed replacement left to be deleted, has the address of its successor.
            if change.get("change") and not change.get("deposed")
        }
        planned = plan["planned_values"].get("root_module") or {}
        self._of_configuration: dict[int, Mapping[str, Any]] = {}
        self._resources = [self._resource(raw, changes) for raw in _resources(planned) if raw.get("mode") != "data"]
        self._by_bare: dict[str, list[_Resource]] = {}
        for resource in self._resources:
            self._by_bare.setdefault(_INDEX.sub("", resource.address), []).append(resource)
        groups = [each for each in self._resources if each.kind in _GROUPS]
        self._new_groups = [each.address for each in groups if not _text(each.values.get("id"))]
        # Of two that have the same id the first counts.
        self._group_by_id = {_text(each.values.get("id")): each.address for each in reversed(groups)}
        prior = ((plan.get("prior_state") or {}).get("values") or {}).get("root_module") or {}
        self._data = [raw for raw in _resources(prior) if raw.get("mode") == "data"]
        self._found = PlannedGroups()
        self._ending = self._ending_rules(plan.get("resource_changes") or ())
        if plan.get("errored"):
            self._found.unknown.append("the plan ended with an error: what it would do is not all known")
        for deferred in plan.get("deferred_changes") or ():
            address = (deferred.get("resource_change") or {}).get("address", "a resource")
            kinds = (*_GROUPS, _RULE, _SINGLE, _LIST, *_CLOUD_CONTROL, _ANY_CLOUD_CONTROL, *_STACKS)
            if any(kind in address for kind in kinds):
                self._found.unknown.append(f"{address} is deferred to a later plan")

        self._found.unknown += [
            f"{resource.address}: {reason}" for resource in self._resources if (reason := _beyond(resource))
        ]

    def _resource(self, raw: Mapping[str, Any], changes: Mapping[str, Any]) -> _Resource:
        address = raw["address"]
        change = changes.get(address) or {}
        unknown, is_made = change.get("after_unknown") or {}, "create" in (change.get("actions") or ())
        expressions = self._configured(address).get("expressions") or {}
        known = raw.get("values") or {}
        return _Resource(
            address,
            raw["type"],
            known,
            unknown if isinstance(unknown, dict) else {},
            expressions,
            raw.get("index"),
            {} if is_made else change.get("before") or {},
        )

    def _ending_rules(self, changes: Iterable[Mapping[str, Any]]) -> dict[str, set[RuleKey | Network]]:
        """What resources that are one rule, or one entry of a list, have now and do not keep, by group's or list's id.

        A group whose configuration sets no `ingress` has in the plan all rules of the state, these among them, and so
        has a list its entries. EC2 has a rule, and an entry, once: what ends here is there for no other reason.
        """
        found: dict[str, set[RuleKey | Network]] = {}
        for each in changes:
            change, kind = each.get("change") or {}, _text(each.get("type"))
            before = change.get("before") or {}
            is_rule = kind == _SINGLE or (kind == _RULE and before.get("type") == "ingress")
            if not {"delete", "update"} & set(change.get("actions") or ()) or not (is_rule or kind == _ENTRY):
                continue
            if kind == _ENTRY:
                found.setdefault(_text(before.get("prefix_list_id")), set()).update(_networks([before]) or ())
                continue
            ended = PlannedGroup("")
            self._read_sources(ended, _Resource(each["address"], kind, before, {}, {}), before, {}, "")
            keys = found.setdefault(_text(before.get("security_group_id")), set())
            keys.update(map(rule_key, ended.rules))
        return found

    def groups(self) -> PlannedGroups:
        """All of them."""
        found = self._found
        for kind in (_LIST, _ENTRY):
            for resource in self._resources:
                if resource.kind == kind:
                    self._read_list(resource)
        for raw in self._data:
            if raw.get("type") == _LIST:
                self._read_data(raw.get("values") or {})
        for resource in self._resources:
            if resource.kind in _GROUPS:
                values = resource.values
                found.groups[resource.address] = PlannedGroup(
                    resource.address,
                    _text(values.get("name")) or _text(values.get("name_prefix")),
                    _text(values.get("description")),
                    _text(values.get("vpc_id")),
                    _tags(values),
                )
                self._read_inline(found.groups[resource.address], resource)
        for resource in self._resources:
            if resource.kind == _SINGLE or (
                resource.kind == _RULE and (resource.values.get("type") == "ingress" or resource.unknown.get("type"))
            ):
                self._read_sources(self._group_of(resource), resource, resource.values, resource.unknown, "")
        return found

    # Prefix lists

    def _read_list(self, resource: _Resource) -> None:
        values, lists = resource.values, self._found.prefix_lists
        if resource.kind == _LIST:
            names = [resource.address, _text(values.get("id"))]
            entries = None if _any_unknown(resource.unknown.get("entry"), "cidr") else _networks(values.get("entry"))
            if entries and not resource.sets("entry"):
                ending = self._ending.get(_text(values.get("id")), set())
                entries = tuple(entry for entry in entries if entry not in ending)
        else:
            target = _text(values.get("prefix_list_id"))
            names = [target] if target else self._referenced(resource, "prefix_list_id", (_LIST,))
            if len(names) != 1:  # it can be of any of those that do not exist yet
                for each in self._resources:
                    if each.kind == _LIST and not _text(each.values.get("id")):
                        lists[each.address] = None
                return
            entries = None if resource.unknown.get("cidr") else _networks([values])
        for name in filter(None, names):
            # An entry alone does not tell what else is in a list that is elsewhere.
            known = lists.get(name, () if resource.kind == _LIST else None)
            lists[name] = None if entries is None or known is None else (*known, *entries)

    def _read_data(self, values: Mapping[str, Any]) -> None:
        name = _text(values.get("id"))
        if name and name not in self._found.prefix_lists:
            # A list that AWS owns does not count.
            entries = () if values.get("owner_id") == "AWS" else _networks(values.get("entries"))
            self._found.prefix_lists[name] = entries

    # Rules

    def _read_inline(self, group: PlannedGroup, resource: _Resource) -> None:
        unknown = resource.unknown.get("ingress")
        is_set = resource.sets("ingress")
        if unknown is True:
            if is_set:
                group.unknown.append(UnknownSource(f"{group.address}: its ingress is known after apply"))
            return
        rules = resource.values.get("ingress") or ()
        for position, rule in enumerate(rules):
            mark = unknown[position] if isinstance(unknown, list) and position < len(unknown) else {}
            if mark is True:
                group.unknown.append(UnknownSource(f"{group.address}: an ingress rule is known after apply"))
                continue
            self._read_sources(group, resource, rule, mark or {}, "ingress")
        if isinstance(unknown, list) and len(unknown) > len(rules) and is_set:
            group.unknown.append(UnknownSource(f"{group.address}: an ingress rule is known after apply"))
        if not is_set and (ending := self._ending.get(_text(resource.values.get("id")))):
            group.rules = [rule for rule in group.rules if rule_key(rule) not in ending]

    def _read_sources(
        self, group: PlannedGroup, resource: _Resource, rule: Mapping[str, Any], unknown: Mapping[str, Any], within: str
    ) -> None:
        traffic, problem = _traffic(rule, unknown)
        label = f"{resource.address}: "
        for key in ("cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6"):
            if _any_unknown(unknown.get(key)):
                group.unknown.append(UnknownSource(f"{label}{key} is known after apply", traffic))
            for cidr in _texts(rule.get(key)):
                if traffic is None:
                    group.unknown.append(UnknownSource(label + problem, None, cidr))
                else:
                    group.rules.append(IngressRule(*traffic, cidr=cidr))
        for key in ("prefix_list_ids", "prefix_list_id"):
            named = list(_texts(rule.get(key)))
            if _any_unknown(unknown.get(key)):
                referenced = self._referenced(resource, key, (_LIST,), within)
                if not referenced or self._names_another(resource, key, within):
                    group.unknown.append(UnknownSource(f"{label}{key} is known after apply", traffic))
                named += referenced
            for each in dict.fromkeys(named):
                if traffic is None:
                    group.unknown.append(UnknownSource(label + problem))
                else:
                    group.rules.append(IngressRule(*traffic, prefix_list_id=each))

    def _group_of(self, resource: _Resource) -> PlannedGroup:
        groups = self._found.groups
        group_id = _text(resource.values.get("security_group_id"))
        if group_id:
            address = self._group_by_id.get(group_id, group_id)
            return groups.setdefault(address, PlannedGroup(address))
        referenced = self._referenced(resource, "security_group_id", _GROUPS)
        if len(referenced) == 1:
            return groups[referenced[0]]
        # None, or one of several: an exemption of one is not for all of them.
        reason = f"{resource.address}: which group it is a rule of is known after apply"
        return groups.setdefault(resource.address, PlannedGroup(resource.address, unnamed=reason))

    # The configuration: which resource an expression refers to

    def _configured(self, address: str) -> Mapping[str, Any]:
        """The resource of the configuration that an address of the plan is an instance of."""
        module, path = self._configuration, _INDEX.sub("", address).split(".")
        while len(path) > 2 and path[0] == "module":
            module = ((module.get("module_calls") or {}).get(path[1]) or {}).get("module") or {}
            path = path[2:]
        if id(module) not in self._of_configuration:
            resources = reversed(module.get("resources") or ())
            self._of_configuration[id(module)] = {each.get("address"): each for each in resources}
        found: Mapping[str, Any] = self._of_configuration[id(module)].get(".".join(path), {})
        return found

    def _module(self, prefix: str) -> Mapping[str, Any]:
        """The configuration of a module, by its address with a dot at its end."""
        module, path = self._configuration, _INDEX.sub("", prefix).strip(".").split(".")
        while len(path) >= 2 and path[0] == "module":
            module = ((module.get("module_calls") or {}).get(path[1]) or {}).get("module") or {}
            path = path[2:]
        return module

    def _call(self, parent: str, name: str) -> Mapping[str, Any]:
        """The call of a module in the configuration of the module that calls it."""
        return (self._module(parent).get("module_calls") or {}).get(name) or {}

    def _referenced(self, resource: _Resource, key: str, kinds: Sequence[str], within: str = "") -> list[str]:
        """The addresses of the resources of some kinds that an argument refers to, in its own instance if it can be."""
        found: dict[str, None] = {}
        for reference in self._named(resource, key, within):
            found |= dict.fromkeys(self._targets(reference, resource.module, kinds, resource.index, 0))
        return list(found)

    def _named(self, resource: _Resource, key: str, within: str) -> Iterator[str]:
        """The references of an argument; of a block's argument, where Terraform does not tell them apart, the block's.

        With `for_each = aws_security_group.web`, `each.value.id` is the id of the instance with the same key.
        """
        expressions = resource.expressions
        blocks = expressions.get(within) if within else [expressions]
        of_each = _references(self._configured(resource.address).get("for_each_expression"))
        for block in blocks if isinstance(blocks, list) else [{key: blocks}]:
            for reference in _references(block.get(key)):
                is_chained = reference == "each.value.id" and len(of_each) == 1
                yield of_each[0] if is_chained else reference

    def _names_another(self, resource: _Resource, key: str, within: str) -> bool:
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
        if parts[0] in (*_GROUPS, "count", "path", "terraform") or reference == "each.key":
            return False
        if parts[0] == "var" and depth <= _DEEPEST:
            if not prefix:
                return False  # whoever makes a plan gives their values
            parent, call = _parent(prefix)
            given = (self._call(parent, call).get("expressions") or {}).get(_INDEX.sub("", parts[1]))
            return any(self._is_another(each, parent, index, depth + 1) for each in _references(given))
        return not any(self._targets(reference, prefix, (_LIST,), index, 0))

    def _targets(self, reference: str, prefix: str, kinds: Sequence[str], index: Any, depth: int) -> Iterator[str]:
        parts = _split(reference)
        if depth > _DEEPEST or len(parts) < 2:
            return
        name = _INDEX.sub("", parts[1])
        if parts[0] in kinds:
            yield from self._instances(prefix, parts[0], parts[1], index)
        elif parts[0] == "var" and prefix:
            parent, call = _parent(prefix)
            given = self._call(parent, call).get("expressions") or {}
            key = _key(prefix)
            for inner in _references(given.get(name)):
                # There `each.key` and `count.index` are those of the module's instance.
                yield from self._targets(inner, parent, kinds, index if key is None else key, depth + 1)
        elif _is_call(reference):
            yield from self._of_module(f"{prefix}module.{parts[1]}", kinds, index)
        elif parts[0] == "module":
            child = f"{prefix}module.{parts[1]}."
            output = (self._module(child).get("outputs") or {}).get(_INDEX.sub("", parts[2])) or {}
            for inner in _references(output.get("expression")):
                yield from self._targets(inner, child, kinds, index, depth + 1)
        elif parts[0] == "local" and kinds == _GROUPS:
            yield from self._of_local(prefix)
        elif parts[-1] == "default_security_group_id":
            for resource in self._resources:
                if (
                    resource.kind == "aws_default_security_group"
                    and resource.module == prefix
                    and resource.kind in kinds
                ):
                    yield resource.address

    def _of_local(self, prefix: str) -> Iterator[str]:
        """The only group that a module's instance makes: a plan does not show what its locals are."""
        new = [address for address in self._new_groups if address.startswith(prefix)]
        if len(new) == 1:
            yield new[0]

    def _of_module(self, called: str, kinds: Sequence[str], index: Any) -> Iterator[str]:
        """The only resource of these kinds of a module's instance, where an expression does not tell the output."""
        modules = (f"{called}.", f"{called}[{json.dumps(index, ensure_ascii=False)}].")
        there = [each for each in self._resources if each.kind in kinds and each.module in modules]
        if len(there) == 1:
            yield there[0].address

    def _instances(self, prefix: str, kind: str, named: str, index: Any) -> Iterator[str]:
        """The instances of a resource that a reference can mean: the one it names, the one with the same index, all."""
        bare = _INDEX.sub("", f"{prefix}{kind}.{named}")
        there = self._by_bare.get(bare, [])
        here = [each for each in there if each.module == prefix]
        exact = [each for each in here if each.address == f"{prefix}{kind}.{named}"]
        same = [each for each in here if index is not None and each.index == index]
        yield from (each.address for each in exact or same or here or there)


def _beyond(resource: _Resource) -> str:
    """Why a resource that makes, or may make, security groups is not judged; empty: it is none."""
    if resource.kind in _CLOUD_CONTROL:
        return "resources of the provider awscc are not judged"
    made = _text(resource.values.get("type_name"))
    if resource.kind == _ANY_CLOUD_CONTROL and (not made or re.fullmatch(_GROUP_TYPE, made)):
        return "resources of Cloud Control are not judged"
    body = _text(resource.values.get("template_body"))
    if resource.kind in _STACKS and (not body or _MAKES_GROUPS.search(body)):
        return "it makes what a CloudFormation template says: judge that with --template"
    return ""


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    modules = [module]
    while modules:
        each = modules.pop(0)
        yield from each.get("resources") or ()
        modules += each.get("child_modules") or ()


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


def _is_part(reference: str, before: str) -> bool:
    """Whether a reference tells less of what the one before it tells: after `module.net.id` comes `module.net`."""
    return before.startswith((f"{reference}.", f"{reference}["))


def _is_call(reference: str) -> bool:
    """Whether a reference is to a module, and does not tell which of its outputs."""
    parts = _split(reference)
    return parts[0] == "module" and len(parts) == 2


def _split(reference: str) -> list[str]:
    """A reference by its dots, with each index left with its name."""
    parts, inside = [""], ""
    for char in reference:
        if char == "." and not inside:
            parts.append("")
            continue
        if char == "[":
            inside += "["
        elif char == "]":
            inside = inside[:-1]
        parts[-1] += char
    return parts


def _parent(prefix: str) -> tuple[str, str]:
    """The address of the module above one, with a dot at its end, and the name of the call."""
    parts = _split(prefix.removesuffix("."))
    above = ".".join(parts[:-2])
    return (f"{above}." if above else ""), _INDEX.sub("", parts[-1])


def _key(prefix: str) -> Any:
    """The key, or number, of an instance of a module, by its address with a dot at its end; None: it has none."""
    index = _INDEX.search(_split(prefix.removesuffix("."))[-1])
    try:
        return json.loads(index[0])[0] if index else None
    except ValueError:
        return None


def _traffic(rule: Mapping[str, Any], unknown: Mapping[str, Any]) -> tuple[Traffic | None, str]:
    key = "ip_protocol" if "ip_protocol" in rule or "ip_protocol" in unknown else "protocol"
    for name in (key, "from_port", "to_port"):
        if unknown.get(name) is True and (name == key or rule.get(key) not in ("-1", -1, "all")):
            return None, f"{name} is known after apply"
    protocol = str(rule.get(key) if rule.get(key) is not None else "").lower()
    if not protocol:
        return None, "it has no protocol"
    first, last = (_port(rule.get(name)) for name in ("from_port", "to_port"))
    try:
        protocol = "-1" if protocol == "all" else protocol
        return (protocol, *checked_ports(protocol, first, last)), ""
    except ShapeError as error:
        return None, str(error)


def _port(value: Any) -> Any:
    return int(value) if isinstance(value, (float, str)) and re.fullmatch(r"-?\d+(\.0+)?", str(value)) else value


def _any_unknown(mark: Any, key: str = "") -> bool:
    """Whether anything within a part of `after_unknown` is; with a key, whether that of any member is."""
    if isinstance(mark, list):
        return any(_any_unknown(each, key) for each in mark)
    if isinstance(mark, dict):
        return any(_any_unknown(each) for name, each in mark.items() if not key or name == key)
    return mark is True


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and each:
            yield each


def _tags(values: Mapping[str, Any]) -> dict[str, str]:
    tags = values.get("tags_all") or values.get("tags") or {}
    return {str(key): _text(value) for key, value in tags.items()} if isinstance(tags, dict) else {}


def _networks(entries: Any) -> tuple[Network, ...] | None:
    """The networks of a list's entries; None: one is none."""
    try:
        return tuple(parse_network(entry["cidr"]) for entry in entries or ())
    except (KeyError, TypeError, ValueError, AttributeError):
        return None

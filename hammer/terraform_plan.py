"""The security groups that a Terraform plan would leave, from the output of `terraform show -json`. Pure.

A plan is read as the state after it (`planned_values`), unchanged resources included; those that it does not touch are
read from the state before it (`prior_state`). What Terraform does not know yet (`after_unknown`) is told as that,
unless it cannot matter: ids, references to groups, and an `ingress` that the configuration does not set. Format: "JSON
Output Format" of the Terraform documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hammer.terraform_plan_references import DEFAULT_GROUP, GROUPS, LIST, PlanConfiguration, PlannedResource, References
from library.errors import HammerError
from library.network.addresses import Network, parse_network
from library.security_groups.group import IngressRule, RuleKey, ShapeError, checked_ports, rule_key
from library.source.location import Traffic

_RULE = "aws_security_group_rule"
_SINGLE = "aws_vpc_security_group_ingress_rule"
_ENTRY = "aws_ec2_managed_prefix_list_entry"
_AWS_LIST = "aws_prefix_list"
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
    rf"{_GROUP_TYPE}|AWS::CloudFormation::Stack(?:Set)?(?![\w:])|::MODULE\b|!Transform"
    r"|AWS::Serverless::Application\b|::CloudFormationProvisionedProduct\b"
    # A macro; AWS's own, alone, make no group that the text does not show.
    r"|\bTransform[\"']?\s*:(?!\s*[\"']?AWS::(?!Include)[\w:-]+[\"']?\s*?(?:[\n,}#]|$))"
)


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
        self._configuration = PlanConfiguration((plan.get("configuration") or {}).get("root_module") or {})
        changes = {
            change["address"]: change["change"]
            for change in plan.get("resource_changes") or ()
            # A deposed object, which a failed replacement left to be deleted, has the address of its successor.
            if change.get("change") and not change.get("deposed")
        }
        # Terraform lists what it forgets, too, without any values.
        planned = [
            raw
            for raw in _resources(plan["planned_values"].get("root_module") or {})
            if (changes.get(raw["address"]) or {}).get("actions") != ["forget"]
        ]
        prior = list(_resources(((plan.get("prior_state") or {}).get("values") or {}).get("root_module") or {}))
        left = list(_left(prior, planned, plan.get("resource_changes") or ()))
        self._left = {raw["address"] for raw in left}
        self._resources = [self._resource(raw, changes) for raw in planned if raw.get("mode") != "data"]
        self._resources += [self._resource(raw, {}) for raw in left]
        self._references = References(self._configuration, self._resources)
        groups = [each for each in self._resources if each.kind in GROUPS]
        # Of two that have the same id the first counts.
        self._group_by_id = {_text(each.values.get("id")): each.address for each in reversed(groups)}
        self._data = [raw for raw in prior if raw.get("mode") == "data"]
        self._found = PlannedGroups()
        self._ending = self._ending_rules(plan.get("resource_changes") or ())
        if plan.get("errored"):
            self._found.unknown.append("the plan ended with an error: what it would do is not all known")
        for deferred in plan.get("deferred_changes") or ():
            address = (deferred.get("resource_change") or {}).get("address", "a resource")
            kinds = (*GROUPS, _RULE, _SINGLE, LIST, *_CLOUD_CONTROL, _ANY_CLOUD_CONTROL, *_STACKS)
            if any(kind in address for kind in kinds):
                self._found.unknown.append(f"{address} is deferred to a later plan")

        self._found.unknown += [
            f"{resource.address}: {reason}" for resource in self._resources if (reason := _beyond(resource))
        ]

    def _resource(self, raw: Mapping[str, Any], changes: Mapping[str, Any]) -> PlannedResource:
        address = raw["address"]
        change = changes.get(address) or {}
        unknown, is_made = change.get("after_unknown") or {}, "create" in (change.get("actions") or ())
        expressions = self._configuration.resource(address).get("expressions") or {}
        known = raw.get("values") or {}
        return PlannedResource(
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
            self._read_sources(ended, PlannedResource(each["address"], kind, before, {}, {}), before, {}, "")
            keys = found.setdefault(_text(before.get("security_group_id")), set())
            keys.update(map(rule_key, ended.rules))
        return found

    def groups(self) -> PlannedGroups:
        """All of them."""
        found = self._found
        for kind in (LIST, _ENTRY):
            for resource in self._resources:
                if resource.kind == kind:
                    self._read_list(resource)
        for raw in self._data:
            if raw.get("type") in (LIST, _AWS_LIST):
                self._read_data(raw.get("values") or {})
        for resource in self._resources:
            if resource.kind in GROUPS:
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
                self._read_rule(self._group_of(resource), resource)
        return found

    # Prefix lists

    def _read_list(self, resource: PlannedResource) -> None:
        values, lists = resource.values, self._found.prefix_lists
        if resource.kind == LIST:
            names = [resource.address, _text(values.get("id"))]
            entries = None if _any_unknown(resource.unknown.get("entry"), "cidr") else _networks(values.get("entry"))
            if entries and not resource.sets("entry"):
                ending = self._ending.get(_text(values.get("id")), set())
                entries = tuple(entry for entry in entries if entry not in ending)
        else:
            target = _text(values.get("prefix_list_id"))
            names = [target] if target else self._references.to(resource, "prefix_list_id", (LIST,))
            if len(names) != 1:  # it can be of any of those that do not exist yet
                for each in self._resources:
                    if each.kind == LIST and not _text(each.values.get("id")):
                        lists[each.address] = None
                return
            entries = None if resource.unknown.get("cidr") else _networks([values])
        for name in filter(None, names):
            # An entry alone does not tell what else is in a list that is elsewhere.
            known = lists.get(name, () if resource.kind == LIST else None)
            lists[name] = None if entries is None or known is None else (*known, *entries)

    def _read_data(self, values: Mapping[str, Any]) -> None:
        name = _text(values.get("id"))
        if name and name not in self._found.prefix_lists:
            # A list that AWS owns does not count. Nobody else's may have such a name.
            is_aws = values.get("owner_id") == "AWS" or _text(values.get("name")).startswith("com.amazonaws.")
            entries = values.get("entries")
            self._found.prefix_lists[name] = () if is_aws else None if entries is None else _networks(entries)

    # Rules

    def _read_inline(self, group: PlannedGroup, resource: PlannedResource) -> None:
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

    def _read_rule(self, group: PlannedGroup, resource: PlannedResource) -> None:
        """A rule of its own; of what the plan leaves as it is, without what another resource of the same rule ends."""
        known = len(group.rules)
        self._read_sources(group, resource, resource.values, resource.unknown, "")
        if resource.address in self._left:
            ending = self._ending.get(_text(resource.values.get("security_group_id")), set())
            group.rules[known:] = [rule for rule in group.rules[known:] if rule_key(rule) not in ending]

    def _read_sources(
        self,
        group: PlannedGroup,
        resource: PlannedResource,
        rule: Mapping[str, Any],
        unknown: Mapping[str, Any],
        within: str,
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
                referenced = self._references.to(resource, key, (LIST,), within)
                if not referenced or self._references.name_another_list(resource, key, within):
                    group.unknown.append(UnknownSource(f"{label}{key} is known after apply", traffic))
                named += referenced
            for each in dict.fromkeys(named):
                if traffic is None:
                    group.unknown.append(UnknownSource(label + problem))
                else:
                    group.rules.append(IngressRule(*traffic, prefix_list_id=each))

    def _group_of(self, resource: PlannedResource) -> PlannedGroup:
        groups = self._found.groups
        group_id = _text(resource.values.get("security_group_id"))
        if group_id:
            address = self._group_by_id.get(group_id, group_id)
            return groups.setdefault(address, PlannedGroup(address))
        referenced = self._references.to(resource, "security_group_id", GROUPS)
        if len(referenced) == 1:
            return groups[referenced[0]]
        # None, or one of several: an exemption of one is not for all of them.
        reason = f"{resource.address}: which group it is a rule of is known after apply"
        return groups.setdefault(resource.address, PlannedGroup(resource.address, unnamed=reason))


def _beyond(resource: PlannedResource) -> str:
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


def _left(
    prior: Iterable[Mapping[str, Any]], planned: Iterable[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """What the state has and the plan leaves as it is without planned values, under an address of its own.

    These are resources outside of `-target`, all of them in a refresh-only plan, and what Terraform forgets. To delete
    a VPC's default group is no more than that, unless the VPC goes, too. What the plan has at another address, by
    `import` or as the VPC's default group, is not left as it is.
    """
    actions = {
        (each["address"], each.get("deposed") or ""): (each.get("change") or {}).get("actions") or ()
        for each in changes
    }
    managed = [(each, each.get("values") or {}) for each in planned if each.get("mode") != "data"]
    addresses = {each["address"] for each, _ in managed}
    ids = {_text(values.get("id")) for _, values in managed} - {""}
    vpcs = {values.get("vpc_id") for each, values in managed if each["type"] == DEFAULT_GROUP}
    vpcs |= {
        ((each.get("change") or {}).get("before") or {}).get("id")
        for each in changes
        if each.get("type") == "aws_vpc" and "delete" in actions[each["address"], each.get("deposed") or ""]
    }
    for each in prior:
        address, deposed, values = each["address"], each.get("deposed_key") or "", each.get("values") or {}
        change = actions.get((address, deposed))
        is_default = each.get("type") == DEFAULT_GROUP
        is_forgotten = "forget" in (change or ()) or (is_default and "delete" in (change or ()))
        if each.get("mode") == "data" or (change is not None and not is_forgotten):
            continue
        if _text(values.get("id")) in ids or (is_default and is_forgotten and values.get("vpc_id") in vpcs):
            continue
        if deposed:
            yield {**each, "address": f"{address} (deposed {deposed})"}
        elif address not in addresses:
            yield each
        elif is_forgotten:
            yield {**each, "address": f"{address} (forgotten)"}


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

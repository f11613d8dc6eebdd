"""Security groups of one account, in memory, as an EC2 that shows its changes late.

A write takes effect at once, on the groups as they are. DescribeSecurityGroups and DescribeSecurityGroupRules answer
with groups as they were up to a minute ago, and each of them lags on its own.

A group is in one region. A client of another region neither sees nor changes it, and each region may have a lag of its
own, or be away. People know where a group is: their calls name no region.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from random import Random
from typing import Any

from tests.simulation.errors import client_error

QUOTA = 60
HOME, ELSEWHERE = "eu-west-1", "us-east-1"
"""The region of every group, and the second one of histories with several."""
NOT_ENABLED = "AuthFailure"
"""What a region answers that the account has not enabled."""
_LISTS_AT_FIRST: Mapping[str, tuple[str, ...]] = {
    "pl-0world": ("0.0.0.0/0", "10.1.0.0/16"),
    "pl-0office": ("8.8.8.0/24",),
}
PREFIX_LISTS = dict(_LISTS_AT_FIRST)
"""The entries, now, of the lists that every account has. Each counts as three rules. A process has one world."""
_MAX_ENTRIES = 3
_SOURCES = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}
_PORTLESS = ("-1",)


@dataclass(frozen=True, slots=True)
class Rule:
    """One ingress rule."""

    protocol: str
    from_port: int | None
    to_port: int | None
    kind: str
    source: str
    description: str = field(default="", compare=False)
    rule_id: str = field(default="", compare=False)
    tags: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        ports = "" if self.from_port is None else f" {self.from_port}-{self.to_port}"
        return f"{self.protocol}{ports} from {self.source}"

    def permission(self) -> dict[str, Any]:
        """As AuthorizeSecurityGroupIngress takes it."""
        source = {_SOURCES[self.kind]: self.source, **({"Description": self.description} if self.description else {})}
        ports = {} if self.from_port is None else {"FromPort": self.from_port, "ToPort": self.to_port}
        return {"IpProtocol": self.protocol, **ports, self.kind: [source]}


@dataclass(frozen=True, slots=True)
class Group:
    """A group at one moment."""

    group_id: str
    name: str
    vpc_id: str
    tags: Mapping[str, str]
    rules: tuple[Rule, ...] = ()
    region: str = HOME


@dataclass(slots=True)
class _History:
    """The versions of a group, each with the time from which either API shows it. None: deleted."""

    versions: list[tuple[dict[str, float], Group | None]]

    region: str

    @property
    def now(self) -> Group | None:
        return self.versions[-1][1]


Watch = Callable[[str, str, Group, Group | None, tuple[Rule, ...], tuple[Rule, ...]], None]
"""Called after each write: operation, group id, the group before and after, what was added, what was removed."""


class Ec2:
    """The groups of one account.

    Args:
        account_id: the account.
        now: tells the virtual time, in seconds.
        random: decides how late a change is shown.
        watch: is told of each change.

    Attributes:
        longest_lag: how late a change may be shown, in seconds.
        flickers: whether each read is late on its own, so that an answer may be older than the one before.
        quota: how many rules a group may have, IPv4 and IPv6 counted apart.
        refuses: whether nobody may add a rule.
        denies_tags: whether an organization's policy denies tags of rules.
        is_used: whether each group has a network interface, without a public address.
        lags: `longest_lag` of the regions that have one of their own.
        away: by region: from when until when it is away, and the error (code, message) that says so.
        wrong_region: called where a client of one region is to change a group of another: group id and client's region.
    """

    def __init__(self, account_id: str, now: Callable[[], float], random: Random, watch: Watch) -> None:
        self.account_id = account_id
        self.longest_lag = 0.0
        self.flickers = False
        self.quota = QUOTA
        self.refuses = False
        self.denies_tags = False
        self.is_used = False
        self.lags: dict[str, float] = {}
        self.away: dict[str, tuple[float, float, tuple[str, str]]] = {}
        self.wrong_region: Callable[[str, str], None] = lambda *_: None
        self._now = now
        self._random = random
        self._watch = watch
        self._groups: dict[str, _History] = {}
        self._numbers = 0

    # As it is, for the world.

    def groups(self) -> dict[str, Group]:
        """All groups as they are."""
        return {group_id: group for group_id, history in self._groups.items() if (group := history.now)}

    def region_of(self, group_id: str) -> str:
        """The region that a group is or was in; empty: there never was such a group here."""
        return history.region if (history := self._groups.get(group_id)) else ""

    def could_show(self, group_id: str, since: float) -> list[Group | None]:
        """Every version of a group that an answer since then may have been about. None: without it."""
        if (history := self._groups.get(group_id)) is None:
            return [None]
        delayed = self._lag(history.region) if self.flickers else 0.0
        # Before the first version it was not there: an answer may be that old, too (seed 2941).
        versions = [None, *(group for _, group in history.versions)]
        ends = [*(max(shown.values()) + delayed for shown, _ in history.versions), since]
        return [group for group, end in zip(versions, ends, strict=True) if end >= since]

    def create(self, group: Group) -> None:
        """Make a group with its rules, shown at once; what is there when the world begins was made long before."""
        rules = tuple(replace(rule, rule_id=self._next_id()) for rule in group.rules)
        shown = dict.fromkeys(("groups", "rules"), self._now() or -math.inf)
        self._groups[group.group_id] = _History([(shown, replace(group, rules=rules))], group.region)

    def delete(self, group_id: str) -> None:
        """Delete a group."""
        self._change("DeleteSecurityGroup", group_id, None)

    # Reads.

    def describe_security_groups(
        self,
        Filters: Iterable[Mapping[str, Any]] = (),  # noqa: N803 - as the SDK names its arguments
        GroupIds: Iterable[str] = (),  # noqa: N803
        region: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        self._is_there(region)
        wanted = set(GroupIds) | {value for each in Filters for value in each["Values"]}
        found = [
            self._described(group)
            for group_id in self._in(region)
            if (not wanted or group_id in wanted) and (group := self._shown(group_id, "groups"))
        ]
        if missing := set(GroupIds) - {each["GroupId"] for each in found}:
            raise client_error("InvalidGroup.NotFound", f"The security group '{min(missing)}' does not exist")
        return {"SecurityGroups": found}

    def describe_security_group_rules(
        self,
        Filters: Iterable[Mapping[str, Any]] = (),  # noqa: N803
        SecurityGroupRuleIds: Iterable[str] = (),  # noqa: N803
        region: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        self._is_there(region)
        wanted = {value for each in Filters for value in each["Values"]}
        rule_ids = set(SecurityGroupRuleIds)
        found = [
            self._described_rule(group.group_id, rule)
            for group_id in self._in(region)
            if (not wanted or group_id in wanted) and (group := self._shown(group_id, "rules"))
            for rule in group.rules
            if not rule_ids or rule.rule_id in rule_ids
        ]
        return {"SecurityGroupRules": found}

    def describe_managed_prefix_lists(self, Filters: Iterable[Mapping[str, Any]] = (), **_: Any) -> dict[str, Any]:  # noqa: N803
        wanted = {value for each in Filters for value in each["Values"]} or set(PREFIX_LISTS)
        more = {"OwnerId": self.account_id, "AddressFamily": "IPv4", "MaxEntries": _MAX_ENTRIES}
        return {"PrefixLists": [{"PrefixListId": each, **more} for each in sorted(wanted & set(PREFIX_LISTS))]}

    def get_managed_prefix_list_entries(self, PrefixListId: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Entries": [{"Cidr": cidr} for cidr in PREFIX_LISTS[PrefixListId]]}

    def describe_network_interfaces(self, region: str = "", **_: Any) -> dict[str, Any]:
        """An interface of each group, if there are any at all."""
        self._is_there(region)
        return {
            "NetworkInterfaces": [
                {
                    "NetworkInterfaceId": f"eni-{group_id}",
                    "VpcId": group.vpc_id,
                    "SubnetId": "subnet-1",
                    "InterfaceType": "interface",
                    "Attachment": {"Status": "attached", "InstanceId": f"i-{group_id}"},
                    "Groups": [{"GroupId": group_id}],
                    "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.4", "Primary": True}],
                }
                for group_id, group in (sorted(self.groups().items()) if self.is_used else ())
                if region in ("", group.region)
            ]
        }

    def describe_regions(self, Filters: Iterable[Mapping[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        """Regions that say that they are not enabled are not."""
        off = {region for region, (*_, (code, _)) in self.away.items() if code == NOT_ENABLED}
        wanted = [name for each in Filters for name in each["Values"]]
        return {
            "Regions": [
                {"RegionName": each, "OptInStatus": "not-opted-in" if each in off else "opted-in"} for each in wanted
            ]
        }

    # Writes.

    def authorize_security_group_ingress(
        self,
        GroupId: str,  # noqa: N803
        IpPermissions: Any,  # noqa: N803
        TagSpecifications: Any = (),  # noqa: N803
        region: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        group = self._existing(GroupId, region)
        if self.refuses:
            raise client_error("UnauthorizedOperation")
        if TagSpecifications and self.denies_tags:
            raise client_error("UnauthorizedOperation", "not authorized to perform: ec2:CreateTags")
        tags = tuple((tag["Key"], tag["Value"]) for each in TagSpecifications for tag in each["Tags"])
        rules = [rule for permission in IpPermissions for rule in parse(permission)]
        for rule in rules:
            if rule in group.rules or rules.count(rule) > 1:
                raise client_error("InvalidPermission.Duplicate", f"the specified rule already exists: {rule}")
        if used(*group.rules, *rules) > self.quota:
            raise client_error("RulesPerSecurityGroupLimitExceeded")
        added = tuple(replace(rule, rule_id=self._next_id(), tags=tags) for rule in rules)
        self._change("AuthorizeSecurityGroupIngress", GroupId, replace(group, rules=(*group.rules, *added)))
        return {"Return": True, "SecurityGroupRules": [self._described_rule(GroupId, rule) for rule in added]}

    def revoke_security_group_ingress(
        self,
        GroupId: str,  # noqa: N803
        SecurityGroupRuleIds: Iterable[str] = (),  # noqa: N803
        IpPermissions: Any = (),  # noqa: N803
        region: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        group = self._existing(GroupId, region)
        ids = list(SecurityGroupRuleIds)
        if missing := set(ids) - {rule.rule_id for rule in group.rules}:
            raise client_error("InvalidSecurityGroupRuleId.NotFound", f"{min(missing)} does not exist")
        named = [rule for permission in IpPermissions for rule in parse(permission)]
        if any(rule not in group.rules for rule in named):
            raise client_error("InvalidPermission.NotFound")
        kept = tuple(rule for rule in group.rules if rule.rule_id not in ids and rule not in named)
        self._change("RevokeSecurityGroupIngress", GroupId, replace(group, rules=kept))
        return {"Return": True}

    def edit(self, group_id: str, rule_id: str, rule: Rule) -> None:
        """Make another rule of a rule (ModifySecurityGroupRules): it keeps its id."""
        group = self._existing(group_id)
        if rule in group.rules:
            raise client_error("InvalidPermission.Duplicate", f"the specified rule already exists: {rule}")
        (old,) = (each for each in group.rules if each.rule_id == rule_id)
        edited = replace(rule, rule_id=rule_id, tags=old.tags)
        rules = tuple(edited if each.rule_id == rule_id else each for each in group.rules)
        if used(*rules) > self.quota:
            raise client_error("RulesPerSecurityGroupLimitExceeded")
        self._change("ModifySecurityGroupRules", group_id, replace(group, rules=rules))

    def update_security_group_rule_descriptions_ingress(
        self,
        GroupId: str,  # noqa: N803
        IpPermissions: Any,  # noqa: N803
        region: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        group = self._existing(GroupId, region)
        named = {rule: rule.description for permission in IpPermissions for rule in parse(permission)}
        if any(rule not in group.rules for rule in named):
            raise client_error("InvalidPermission.NotFound")
        rules = tuple(replace(rule, description=named.get(rule, rule.description)) for rule in group.rules)
        self._change("UpdateSecurityGroupRuleDescriptionsIngress", GroupId, replace(group, rules=rules))
        return {"Return": True}

    def _is_there(self, region: str) -> None:
        """Whether a region answers now."""
        begins, ends, error = self.away.get(region, (0.0, 0.0, ("", "")))
        if begins <= self._now() < ends:
            raise client_error(*error)

    def _in(self, region: str) -> list[str]:
        """The groups that there are or were in a region; empty: in all of them."""
        return [group_id for group_id in sorted(self._groups) if region in ("", self._groups[group_id].region)]

    def _lag(self, region: str) -> float:
        return self.lags.get(region, self.longest_lag)

    def _existing(self, group_id: str, region: str = "") -> Group:
        self._is_there(region)
        history = self._groups.get(group_id)
        if history and region not in ("", history.region):
            self.wrong_region(group_id, region)
            history = None
        if history is None or history.now is None:
            raise client_error("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        return history.now

    def _change(self, operation: str, group_id: str, after: Group | None) -> None:
        history = self._groups[group_id]
        before = history.now
        assert before is not None
        last = history.versions[-1][0]
        lag = 0.0 if self.flickers else self._lag(history.region)
        shown = {api: max(last[api], self._now() + self._random.uniform(0, lag)) for api in ("groups", "rules")}
        history.versions.append((shown, after))
        rules = after.rules if after else ()
        is_now, was = {(rule.rule_id, rule) for rule in rules}, {(rule.rule_id, rule) for rule in before.rules}
        added = tuple(rule for rule in rules if (rule.rule_id, rule) not in was)
        removed = tuple(rule for rule in before.rules if (rule.rule_id, rule) not in is_now)
        self._watch(operation, group_id, before, after, added, removed)

    def _shown(self, group_id: str, api: str) -> Group | None:
        history = self._groups[group_id]
        at = self._now() - (self._random.uniform(0, self._lag(history.region)) if self.flickers else 0.0)
        shown: Group | None = None
        for since, group in history.versions:
            if since[api] > at:
                break
            shown = group
        return shown

    def _next_id(self) -> str:
        self._numbers += 1
        return f"sgr-{self._numbers:017x}"

    def _described(self, group: Group) -> dict[str, Any]:
        permissions: dict[tuple[str, int | None, int | None], dict[str, Any]] = {}
        for rule in group.rules:
            ports = {} if rule.from_port is None else {"FromPort": rule.from_port, "ToPort": rule.to_port}
            empty: dict[str, Any] = {"IpProtocol": rule.protocol, **ports, **{kind: [] for kind in _SOURCES}}
            permission = permissions.setdefault((rule.protocol, rule.from_port, rule.to_port), empty)
            permission[rule.kind] += rule.permission()[rule.kind]
        return {
            "GroupId": group.group_id,
            "GroupName": group.name,
            "Description": "simulated",
            "OwnerId": self.account_id,
            "VpcId": group.vpc_id,
            "Tags": [{"Key": key, "Value": value} for key, value in group.tags.items()],
            "IpPermissions": list(permissions.values()),
            "IpPermissionsEgress": [],
        }

    def _described_rule(self, group_id: str, rule: Rule) -> dict[str, Any]:
        sources: dict[str, dict[str, Any]] = {
            "IpRanges": {"CidrIpv4": rule.source},
            "Ipv6Ranges": {"CidrIpv6": rule.source},
            "PrefixListIds": {"PrefixListId": rule.source},
            "UserIdGroupPairs": {"ReferencedGroupInfo": {"GroupId": rule.source, "UserId": self.account_id}},
        }
        return {
            "SecurityGroupRuleId": rule.rule_id,
            "GroupId": group_id,
            "GroupOwnerId": self.account_id,
            "IsEgress": False,
            "IpProtocol": rule.protocol,
            "FromPort": -1 if rule.from_port is None else rule.from_port,
            "ToPort": -1 if rule.to_port is None else rule.to_port,
            "Tags": [{"Key": key, "Value": value} for key, value in rule.tags],
            **sources[rule.kind],
            **({"Description": rule.description} if rule.description else {}),
        }


def parse(permission: Mapping[str, Any]) -> Iterable[Rule]:
    """The rules of a permission."""
    protocol = str(permission["IpProtocol"])
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if protocol in _PORTLESS or (first == -1 and protocol not in ("icmp", "icmpv6")):
        first = last = None
    for kind, name in _SOURCES.items():
        for source in permission.get(kind) or ():
            value = source[name]
            if kind in ("IpRanges", "Ipv6Ranges"):
                value = str(ip_network(value, strict=False))
            yield Rule(protocol, first, last, kind, value, source.get("Description") or "")


def change_list(list_id: str = "", entries: tuple[str, ...] = ()) -> None:
    """Give a prefix list other entries; without one, all lists those that they have at first."""
    PREFIX_LISTS.update({list_id: entries} if list_id else _LISTS_AT_FIRST)


def rule(protocol: str, ports: tuple[int, int] | None, source: str) -> Rule:
    """A rule of an owner."""
    kind = "PrefixListIds" if source in PREFIX_LISTS else "Ipv6Ranges" if ":" in source else "IpRanges"
    first, last = ports or (None, None)
    return Rule(protocol, first, last, kind, source)


def used(*rules: Rule) -> int:
    """How much of the quota some rules take: what those of IPv4, or those of IPv6, count together."""
    ipv6 = sum(each.kind == "Ipv6Ranges" for each in rules)
    ipv4 = sum(_MAX_ENTRIES if each.kind == "PrefixListIds" else 1 for each in rules) - ipv6
    return max(ipv4, ipv6)

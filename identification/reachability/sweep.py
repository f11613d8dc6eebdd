"""One sweep over the network of an account and region, for all exposed groups at once. Only reads.

Nothing is called for a region without exposures, and no call is made for each group. Load balancers that are asked
about: those whose own interfaces have an exposed group, and network load balancers that the Internet can send to, in a
VPC where an exposed group is used. What could not be read is a reason in the network's value, and a note for the scan's
coverage; everything else is read all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from identification.reachability.network import (
    Balancer,
    ElbAnswers,
    Interface,
    RegionNetwork,
    groups_of,
    is_entrance,
    key_of,
    parse_balancers,
    parse_classic,
    parse_interface,
    region_network,
)
from library.aws.ec2 import VALUES_A_FILTER, PrefixListReader, read_security_groups
from library.aws.failures import AWS_ERRORS, chunks, error_code, explain
from library.security_groups.group import SecurityGroup

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

_BALANCERS_A_PAGE = 400  # DescribeLoadBalancers and DescribeTargetGroups, PageSize
_WHAT = "load balancers"


class BalancerSweep:
    """Reads load balancers of one account and region.

    Args:
        clients: gives the client of a service.
        failed: takes what could not be read.
    """

    def __init__(self, clients: Callable[[str], Any], failed: FailedReads) -> None:
        self._clients = clients
        self._failed = failed
        self.described: dict[str, Raw] = {}
        """The load balancers that exposed groups are on, as they are described, by key."""

    def read(self, users: Collection[Interface], entrances: Collection[Interface]) -> dict[str, Balancer]:
        """The load balancers that matter, by `BalancerRef.key`.

        Args:
            users: the interfaces of exposed groups.
            entrances: interfaces of network load balancers with a public address.
        """
        own = {user.balancer.key for user in users if user.balancer and user.addresses}
        leading = {each.balancer.key for each in entrances if each.balancer}
        wanted = frozenset(name for user in users for name in user.known_as)
        found: dict[str, Balancer] = {}
        if classic := {key for key in own if "/" not in key}:
            raws = self._pages("elb", "describe_load_balancers", "LoadBalancerDescriptions") or []
            self.described |= {raw["LoadBalancerName"]: raw for raw in raws if raw["LoadBalancerName"] in classic}
            found |= parse_classic(raws)
        if keys := {key for key in own | leading if "/" in key}:
            found |= parse_balancers(self._version_2(keys, own, leading, wanted))
        return found

    def _version_2(
        self, keys: Collection[str], own: Collection[str], leading: Collection[str], wanted: frozenset[str]
    ) -> ElbAnswers:
        elbv2 = "elbv2"
        raws = self._pages(
            elbv2, "describe_load_balancers", "LoadBalancers", PaginationConfig={"PageSize": _BALANCERS_A_PAGE}
        )
        needed = [raw for raw in raws or () if key_of(raw) in keys]
        self.described |= {key_of(raw): raw for raw in needed if key_of(raw) in own}
        listeners = {
            raw["LoadBalancerArn"]: answer
            for raw in needed
            if (answer := self._pages(elbv2, "describe_listeners", "Listeners", LoadBalancerArn=raw["LoadBalancerArn"]))
            is not None
        }
        entrances = [raw for raw in needed if is_entrance(raw) and key_of(raw) in leading]
        groups: Sequence[Raw] | None = ()
        if entrances:
            groups = self._pages(
                elbv2, "describe_target_groups", "TargetGroups", PaginationConfig={"PageSize": _BALANCERS_A_PAGE}
            )
        targets: dict[str, list[Raw]] = {}
        attributes: dict[str, Mapping[str, str]] = {}
        for arn in self._arns(entrances, listeners, groups or ()):
            health = self._call(elbv2, "describe_target_health", "TargetHealthDescriptions", TargetGroupArn=arn)
            if health is None:
                continue
            targets[arn] = [each["Target"] for each in health]
            if any(target["Id"] in wanted for target in targets[arn]):
                told = self._call(elbv2, "describe_target_group_attributes", "Attributes", TargetGroupArn=arn)
                if told is not None:
                    attributes[arn] = {each["Key"]: each["Value"] for each in told}
        return ElbAnswers(
            load_balancers=needed,
            listeners=listeners,
            target_groups=groups,
            targets=targets,
            attributes=attributes,
            wanted=wanted,
        )

    def _arns(
        self, entrances: Iterable[Raw], listeners: Mapping[str, Sequence[Raw]], groups: Sequence[Raw]
    ) -> list[str]:
        """The target groups of these load balancers, each once."""
        arns = [
            group["TargetGroupArn"]
            for raw in entrances
            for group, _ in groups_of(raw, listeners.get(raw["LoadBalancerArn"], ()), groups)
        ]
        return list(dict.fromkeys(arns))

    def _pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Raw] | None:
        try:
            paginator = self._clients(service).get_paginator(operation)
            return [raw for page in paginator.paginate(**arguments) for raw in page[key]]
        except self._failed.catches as error:
            self._failed.add(_WHAT, error)
            return None

    def _call(self, service: str, operation: str, key: str, **arguments: Any) -> list[Raw] | None:
        try:
            answer: list[Raw] = getattr(self._clients(service), operation)(**arguments)[key]
        except self._failed.catches as error:
            self._failed.add(_WHAT, error)
            return None
        return answer


NOT_UNDERSTOOD = (KeyError, TypeError, ValueError)
"""What reading an answer raises that lacks what AWS always sends, or holds what no one expects."""


class FailedReads:
    """Keeps the first failure of each kind of read.

    Attributes:
        reasons: why, by what could not be read. Part of what is stored of an issue, so it has no request's id in it: an
            unchanged group must compare equal.
    """

    # An answer without what AWS always sends is as good as none.
    catches = (*AWS_ERRORS, *NOT_UNDERSTOOD)

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._notes: dict[str, str] = {}

    def add(self, what: str, error: Exception) -> None:
        """Note that something could not be read."""
        if isinstance(error, ClientError):
            reason = f"{error.operation_name} was refused ({error_code(error)})"
        elif isinstance(error, AWS_ERRORS) and not isinstance(error, ResponseParserError):
            reason = f"AWS could not be reached ({type(error).__name__})"
        else:
            reason = "an answer was not understood"
        self.reasons.setdefault(what, reason)
        self._notes.setdefault(what, f"{what} could not be read: {explain(error)}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read and why, one line each."""
        return tuple(self._notes.values())


Raw = Mapping[str, Any]
ClientMaker = Callable[[str], Any]
"""Gives the client of a service, for the account and region."""

_A_PAGE = 1000  # DescribeNetworkInterfaces, DescribeSubnets, DescribeVpcs, DescribeNetworkAcls: MaxResults
_ROUTE_TABLES_A_PAGE = 100  # DescribeRouteTables, MaxResults


@dataclass(slots=True)
class Swept:
    """What a sweep showed.

    Attributes:
        network: the region's network.
        users: the interfaces of exposed groups as EC2 describes them; None: they could not be read.
        balancers: the load balancers that these belong to, as Elastic Load Balancing describes them, by key.
        notes: what could not be read and why, one line each, for the scan's coverage.
    """

    network: RegionNetwork
    users: list[Raw] | None = None
    balancers: Mapping[str, Raw] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def sweep(
    clients: ClientMaker,
    exposed: frozenset[str],
    prefix_lists: PrefixListReader,
    *,
    whole_region: bool,
) -> Swept:
    """Read the network that decides who can connect to the exposed groups.

    Args:
        clients: for the account and region.
        exposed: the exposed groups; not empty.
        prefix_lists: reads those of routes.
        whole_region: read all of the region in as few calls as there are; otherwise only the VPCs that matter.
    """
    return _Sweep(clients, exposed, prefix_lists, whole_region=whole_region).run()


class _Sweep:
    def __init__(
        self, clients: ClientMaker, exposed: frozenset[str], prefix_lists: PrefixListReader, *, whole_region: bool
    ) -> None:
        self._clients = clients
        self._ec2: EC2Client = clients("ec2")
        self._exposed = exposed
        self._prefix_lists = prefix_lists
        self._whole = whole_region
        self._failed = FailedReads()
        self._users: list[Raw] = []
        self._balancers = BalancerSweep(clients, self._failed)

    def run(self) -> Swept:
        interfaces = self._interfaces()
        if interfaces is None:
            return Swept(RegionNetwork(interfaces=None, unread=self._failed.reasons), None, {}, self._failed.notes)
        users = [each for each in interfaces if each.attached and each.groups & self._exposed]
        vpcs = sorted({user.vpc_id for user in users})
        entrances = [each for each in interfaces if each.vpc_id in vpcs and _is_entrance(each)]
        # An interface without a public address, where nothing else could lead in, is internal whatever the rest says.
        matters = any(user.addresses for user in users) or any(
            each.vpc_id in vpcs and (each.is_accelerator or each in entrances) for each in interfaces
        )
        if not matters:
            return Swept(RegionNetwork(interfaces=tuple(interfaces)), self._users, {}, self._failed.notes)
        tables = self._read("route tables", "describe_route_tables", "RouteTables", _ROUTE_TABLES_A_PAGE, vpcs)
        balancers = self._balancers.read(users, entrances)
        groups = self._groups(entrances, balancers)
        self._read_prefix_lists(tables, groups)
        subnets = self._read("subnets", "describe_subnets", "Subnets", _A_PAGE, vpcs)
        vpcs_told = self._read("VPCs", "describe_vpcs", "Vpcs", _A_PAGE, vpcs)
        acls = self._read("network ACLs", "describe_network_acls", "NetworkAcls", _A_PAGE, vpcs)
        try:
            network = region_network(
                interfaces=interfaces,
                subnets=subnets,
                vpcs=vpcs_told,
                route_tables=tables,
                acls=acls,
                prefix_lists=self._prefix_lists.entries,
                balancers=balancers,
                groups=groups,
                unread=self._failed.reasons,
            )
        except NOT_UNDERSTOOD as error:
            self._failed.add("network interfaces", error)
            network = RegionNetwork(interfaces=None, unread=self._failed.reasons)
        return Swept(network, self._users, self._balancers.described, self._failed.notes)

    def _interfaces(self) -> list[Interface] | None:
        """The interfaces of the region, or of the VPCs that matter; keeps those of exposed groups as they came."""
        found: dict[str, Interface] = {}
        try:
            for filters in self._interface_filters():
                for raw in self._pages("describe_network_interfaces", "NetworkInterfaces", _A_PAGE, filters):
                    if raw["NetworkInterfaceId"] in found:
                        continue
                    interface = found[raw["NetworkInterfaceId"]] = parse_interface(raw)
                    if interface.groups & self._exposed:
                        self._users.append(raw)
        except self._failed.catches as error:
            self._failed.add("network interfaces", error)
            return None
        return list(found.values())

    def _interface_filters(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        if self._whole:
            yield ()
            return
        # A group may be used in VPCs other than its own (AssociateSecurityGroupVpc).
        for ids in chunks(sorted(self._exposed), VALUES_A_FILTER):
            yield [{"Name": "group-id", "Values": list(ids)}]
        vpcs = {raw.get("VpcId", "") for raw in self._users}
        for ids in chunks(sorted(vpcs), VALUES_A_FILTER):
            yield [{"Name": "vpc-id", "Values": list(ids)}]

    def _read(self, what: str, operation: str, key: str, page_size: int, vpcs: Sequence[str]) -> list[Raw]:
        """Everything of one kind in the VPCs that matter, or in the region; what fails is noted."""
        filters: list[Sequence[Mapping[str, Any]]] = [()]
        if not self._whole:
            filters = [[{"Name": "vpc-id", "Values": list(ids)}] for ids in chunks(vpcs, VALUES_A_FILTER)]
        try:
            return [raw for each in filters for raw in self._pages(operation, key, page_size, each)]
        except self._failed.catches as error:
            self._failed.add(what, error)
            return []

    def _pages(self, operation: str, key: str, page_size: int, filters: Sequence[Mapping[str, Any]]) -> Iterator[Raw]:
        paginator: Any = self._ec2.get_paginator(operation)  # type: ignore[call-overload]
        arguments: dict[str, Any] = {"Filters": list(filters)} if filters else {}
        for page in paginator.paginate(**arguments, PaginationConfig={"PageSize": page_size}):
            yield from page[key]

    def _groups(self, entrances: Iterable[Interface], balancers: Mapping[str, Balancer]) -> list[SecurityGroup]:
        """The groups of network load balancers that send to an exposed group."""
        forwarding = {key for key, balancer in balancers.items() if balancer.forwards}
        wanted = {
            group_id
            for entrance in entrances
            if entrance.balancer and entrance.balancer.key in forwarding
            for group_id in entrance.groups
        }
        if not wanted:
            return []
        try:
            return [group for page in read_security_groups(self._ec2, sorted(wanted)) for group in page.groups]
        except self._failed.catches as error:
            self._failed.add("security groups", error)
            return []

    def _read_prefix_lists(self, tables: Iterable[Raw], groups: Iterable[SecurityGroup]) -> None:
        wanted = {route.get("DestinationPrefixListId", "") for table in tables for route in table.get("Routes", ())}
        wanted |= {rule.prefix_list_id for group in groups for rule in group.ingress}
        if not wanted - {""}:
            return
        try:
            self._prefix_lists.read(wanted - {""})
        except self._failed.catches as error:
            self._failed.add("prefix lists", error)


def _is_entrance(interface: Interface) -> bool:
    """Whether it is a network load balancer's, with a public address."""
    return bool(interface.balancer and interface.balancer.is_network and interface.addresses)

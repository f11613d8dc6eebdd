"""One sweep over the network of an account and region, for all exposed groups at once. Only reads.

Nothing is called for a region without exposures, and no call is made for each group. What could not be read is a reason
in the network's value, and a note for the scan's coverage; everything else is read all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from identification.reachability.answers import parse_interface, region_network
from identification.reachability.balancer_sweep import BalancerSweep
from identification.reachability.failed_read import NOT_UNDERSTOOD, FailedReads
from identification.reachability.network import Balancer, Interface, RegionNetwork
from library.aws.chunks import chunks
from library.aws.ec2 import VALUES_A_FILTER, PrefixListReader, read_security_groups
from library.security_groups.group import SecurityGroup

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

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

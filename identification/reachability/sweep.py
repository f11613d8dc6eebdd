"""One sweep over the network of an account and region, for all exposed groups at once. Only reads.

`with_reachability` tells the story: `Sweep` reads the network, the judge of `verdict` says who can connect to each
group, and `UserReader` says what uses it and who owns that.

Nothing is called for a region without exposures, and no call is made for each group. Load balancers that are asked
about: those whose own interfaces have an exposed group, and network load balancers that the Internet can send to, in a
VPC where an exposed group is used. What could not be read is a reason in the network's value, and a note for the scan's
coverage; everything else is read all the same.

Of users, only so much is read: names and tags of a region's first 1,000 instances that exposed groups are on, and
those of load balancers, databases and auto scaling groups where any of these is among the users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from identification.reachability.network import (
    Balancer,
    ElbAnswers,
    Interface,
    RegionNetwork,
    RouteTables,
    TargetNames,
    groups_of,
    is_entrance,
    key_of,
    not_listed,
    parse_balancers,
    parse_classic,
    parse_interface,
    parse_odd_interface,
    parse_route_tables,
    region_network,
)
from identification.reachability.verdict import Judge
from library.aws.ec2 import VALUES_A_FILTER, PrefixListReader, read_security_groups
from library.aws.failures import AWS_ERRORS, THROTTLED, chunks, error_code, explain
from library.issues.reconcile import Detection
from library.network.addresses import parse_network
from library.security_groups.exposure import OpenTraffic
from library.security_groups.group import SecurityGroup
from library.security_groups.users import GroupUsers, Resource, User, balancer_of, instance_id_of, resource_of

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

_BALANCERS_A_PAGE = 400  # DescribeLoadBalancers and DescribeTargetGroups, PageSize
_WHAT = "load balancers"
_INTERFACES = "network interfaces"
_DESCRIBE_INTERFACES = "describe_network_interfaces"
_LEADING_IN = ("global_accelerator_managed", "network_load_balancer")  # DescribeNetworkInterfaces, interface-type

T = TypeVar("T")


class BalancerSweep:
    """Reads load balancers of one account and region."""

    def __init__(self, clients: Callable[[str], Any], failed: FailedReads) -> None:
        self._clients = clients
        self._failed = failed
        self.described: dict[str, Raw] = {}
        """The load balancers that exposed groups are on, as they are described, by key."""

    def read(self, users: Collection[Interface], entrances: Collection[Interface]) -> dict[str, Balancer]:
        """The load balancers that matter, by `BalancerRef.key`.

        `users` are the interfaces of exposed groups, `entrances` those of network load balancers with a public address.
        """
        own = {user.balancer.key for user in users if user.balancer and user.addresses}
        leading = {each.balancer.key for each in entrances if each.balancer}
        wanted = TargetNames.union(user.known_as for user in users)
        found: dict[str, Balancer] = {}
        if classic := {key for key in own if "/" not in key}:
            found |= self._failed.read(_WHAT, lambda: self._classic(classic)) or {}
        if keys := {key for key in own | leading if "/" in key}:
            described = self._failed.read(_WHAT, lambda: parse_balancers(self._version_2(keys, own, leading, wanted)))
            found |= described or {}
        return found

    def _classic(self, names: Collection[str]) -> dict[str, Balancer]:
        raws = self._pages("elb", "describe_load_balancers", "LoadBalancerDescriptions") or []
        self.described |= {raw["LoadBalancerName"]: raw for raw in raws if raw["LoadBalancerName"] in names}
        return parse_classic(raws)

    def _version_2(
        self, keys: Collection[str], own: Collection[str], leading: Collection[str], wanted: TargetNames
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
        sending = [each for raw in entrances for each in listeners.get(raw["LoadBalancerArn"], ())]
        if groups is not None and (missing := not_listed(sending, groups)):
            self._failed.add(_WHAT, ResponseParserError(f"a listener sends to {missing[0]}, which is not listed"))
        targets: dict[str, list[Raw]] = {}
        attributes: dict[str, Mapping[str, str]] = {}
        for arn in self._arns(entrances, listeners, groups or ()):
            health = self._call(elbv2, "describe_target_health", "TargetHealthDescriptions", TargetGroupArn=arn)
            if health is None:
                continue
            targets[arn] = [each["Target"] for each in health]
            if any(target["Id"] in wanted for target in targets[arn]):
                answer = self._call(elbv2, "describe_target_group_attributes", "Attributes", TargetGroupArn=arn)
                if answer is not None:
                    attributes[arn] = {each["Key"]: each["Value"] for each in answer}
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
        def pages() -> list[Raw]:
            paginator = self._clients(service).get_paginator(operation)
            return [raw for page in paginator.paginate(**arguments) for raw in page[key]]

        return self._failed.read(_WHAT, pages)

    def _call(self, service: str, operation: str, key: str, **arguments: Any) -> list[Raw] | None:
        return self._failed.read(_WHAT, lambda: getattr(self._clients(service), operation)(**arguments)[key])


NOT_UNDERSTOOD = (KeyError, TypeError, ValueError)
"""What reading an answer raises that lacks what AWS always sends, or holds what no one expects."""


class FailedReads:
    """Keeps the first failure of each kind of read.

    Attributes:
        reasons: why, by what could not be read. Part of what is stored of an issue, so it has no request's id in it: an
            unchanged group must compare equal.
        throttled: of what AWS throttled a read: another time it may be read.
    """

    # An answer without what AWS always sends is as good as none.
    catches = (*AWS_ERRORS, *NOT_UNDERSTOOD)

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.throttled: set[str] = set()
        self._notes: dict[str, str] = {}

    def read(self, what: str, read: Callable[[], T]) -> T | None:
        """What this reads; None: it could not be read, which is noted."""
        try:
            return read()
        except self.catches as error:
            self.add(what, error)
            return None

    def add(self, what: str, error: Exception) -> None:
        """Note that something could not be read."""
        if error_code(error) in THROTTLED:
            self.throttled.add(what)
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
Filters = Sequence[Mapping[str, Any]]
ClientMaker = Callable[[str], Any]
"""Gives the client of a service, for the account and region."""

_A_PAGE = 1000  # DescribeNetworkInterfaces, DescribeSubnets, DescribeVpcs, DescribeNetworkAcls: MaxResults
_ROUTE_TABLES_A_PAGE = 100  # DescribeRouteTables, MaxResults
_EVERY_ADDRESS = (parse_network("0.0.0.0/0"), parse_network("::/0"))


@dataclass(slots=True)
class Swept:
    """What a sweep showed.

    Attributes:
        network: the region's network.
        users: the interfaces of exposed groups as EC2 describes them, those that were understood; None: they could not
            be read.
        balancers: the load balancers that these belong to, as Elastic Load Balancing describes them, by key.
        notes: what could not be read and why, one line each, for the scan's coverage.
        users_throttled: AWS throttled the read of interfaces or load balancers.
    """

    network: RegionNetwork
    users: list[Raw] | None = None
    balancers: Mapping[str, Raw] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    users_throttled: bool = False


class Sweep:
    """Reads the network that decides who can connect to the exposed groups, of which there is one at least.

    With `whole_region` all of the region in as few calls as there are; otherwise only the VPCs that matter.
    """

    def __init__(
        self, clients: ClientMaker, exposed: frozenset[str], prefix_lists: PrefixListReader, *, whole_region: bool
    ) -> None:
        self._clients = clients
        self._ec2: EC2Client = clients("ec2")
        self._exposed = exposed
        self._prefix_lists = prefix_lists
        self._whole = whole_region
        self._failed = FailedReads()
        self._users: dict[str, Raw] = {}
        self._found: dict[str, Interface] = {}
        self._was_in_use: set[str] = set()
        self._pages_read: Counter[str] = Counter()
        self._balancers = BalancerSweep(clients, self._failed)

    def run(self) -> Swept:
        """Read it. What could not be read is named in what is returned."""
        interfaces = self._interfaces()
        if interfaces is None:
            network = RegionNetwork(interfaces=None, unread=self._failed.reasons)
            return Swept(network, None, {}, self._failed.notes, self._users_throttled)
        users = [each for each in interfaces if each.attached and each.groups & self._exposed]
        vpcs = sorted({user.vpc_id for user in users})
        entrances = [each for each in interfaces if each.vpc_id in vpcs and _is_entrance(each)]
        # An interface without a public address, where nothing else could lead in, is internal whatever the rest says.
        matters = any(user.addresses for user in users) or any(
            each.vpc_id in vpcs and (each.is_accelerator or each in entrances) for each in interfaces
        )
        if not matters:
            network = RegionNetwork(interfaces=tuple(interfaces), unread=self._failed.reasons)
            return Swept(network, [*self._users.values()], {}, self._failed.notes)
        tables = self._route_tables([each for each in (*users, *entrances) if each.addresses], vpcs)
        balancers = self._balancers.read(users, entrances)
        groups = self._groups(entrances, balancers)
        self._read_prefix_lists(tables, groups)
        subnets = self._read("subnets", "describe_subnets", "Subnets", _A_PAGE, vpcs)
        listed_vpcs = self._read("VPCs", "describe_vpcs", "Vpcs", _A_PAGE, vpcs)
        acls = self._read("network ACLs", "describe_network_acls", "NetworkAcls", _A_PAGE, vpcs)
        try:
            network = region_network(
                interfaces=interfaces,
                subnets=subnets,
                vpcs=listed_vpcs,
                route_tables=tables,
                acls=acls,
                prefix_lists=self._prefix_lists.entries,
                balancers=balancers,
                groups=groups,
                unread=self._failed.reasons,
            )
        except NOT_UNDERSTOOD as error:
            self._failed.add(_INTERFACES, error)
            network = RegionNetwork(interfaces=None, unread=self._failed.reasons)
        described = self._balancers.described
        return Swept(network, [*self._users.values()], described, self._failed.notes, self._users_throttled)

    @property
    def _users_throttled(self) -> bool:
        # Route tables, say, tell who can connect, but not what uses a group.
        return not self._failed.throttled.isdisjoint({_INTERFACES, _WHAT})

    def _interfaces(self) -> list[Interface] | None:
        """The interfaces of the region, or of the VPCs that matter; keeps those of exposed groups as they came."""
        try:
            for filters in self._interface_filters():
                for raw in self._pages(_DESCRIBE_INTERFACES, "NetworkInterfaces", _A_PAGE, filters):
                    # Of two answers about an interface the later one counts: it may have been attached between them.
                    interface = self._found[raw["NetworkInterfaceId"]] = self._interface(raw)
                    self._users.pop(interface.interface_id, None)
                    self._was_in_use |= self._used([interface])
                    if interface.is_understood and interface.groups & self._exposed:
                        self._users[interface.interface_id] = raw
        except self._failed.catches as error:
            self._failed.add(_INTERFACES, error)
            return None
        return list(self._found.values())

    def _used(self, interfaces: Iterable[Interface]) -> set[str]:
        """The exposed groups that these interfaces use."""
        return {group_id for each in interfaces if each.attached for group_id in each.groups & self._exposed}

    def _interface(self, raw: Raw) -> Interface:
        try:
            return parse_interface(raw)
        except NOT_UNDERSTOOD as error:
            interface = parse_odd_interface(raw)
            self._failed.add(f"network interface {interface.interface_id}", error)
            return interface

    def _interface_filters(self) -> Iterator[Filters]:
        """What to ask for, one answer after the other.

        Each page shows EC2 at a time of its own: where interfaces go in between, one may be on no page. Of a region a
        group that seems to be unused is asked for once more. A look at groups also asks for what may lead to them.
        """
        if self._whole:
            yield ()
            if self._pages_read[_DESCRIBE_INTERFACES] < 2:
                return
            yield from _of_each("group-id", self._exposed - self._was_in_use)
        else:
            # A group may be used in VPCs other than its own (AssociateSecurityGroupVpc).
            yield from _of_each("group-id", self._exposed)
            had_pages = False
            for of_vpcs in _of_each("vpc-id", {raw.get("VpcId", "") for raw in self._users.values()}):
                before = self._pages_read[_DESCRIBE_INTERFACES]
                yield of_vpcs
                had_pages |= self._pages_read[_DESCRIBE_INTERFACES] > before + 1
            if had_pages:
                yield from _of_each("interface-type", _LEADING_IN)
        # Where a later answer shows that an interface has left a group, another one may have come to it since.
        again: set[str] = set()
        while left := self._was_in_use - self._used(self._found.values()) - again:
            again |= left
            yield from _of_each("group-id", left)

    def _route_tables(self, entered: Iterable[Interface], vpcs: Sequence[str]) -> list[Raw]:
        """The route tables of the VPCs that matter, or of the region.

        Each page shows EC2 at a time of its own: where tables go in between, one may be on no page. If the subnet of an
        `entered` interface seems to have its VPC's main table, and that has no default route to a gateway, its own is
        asked for.
        """
        what, operation, key = "route tables", "describe_route_tables", "RouteTables"
        tables = self._read(what, operation, key, _ROUTE_TABLES_A_PAGE, vpcs)
        if not tables or self._pages_read[operation] < 2:
            return tables

        def of_subnets() -> list[Raw]:
            asked = _of_each("association.subnet-id", _subnets_to_ask_about(entered, parse_route_tables(tables, {})))
            return [raw for each in asked for raw in self._pages(operation, key, _ROUTE_TABLES_A_PAGE, each)]

        found = self._failed.read(what, of_subnets)
        # Without it the main table would count where it may not.
        return [] if found is None else [*tables, *found]

    def _read(self, what: str, operation: str, key: str, page_size: int, vpcs: Sequence[str]) -> list[Raw]:
        """Everything of one kind in the VPCs that matter, or in the region; what fails is noted."""

        def everything() -> list[Raw]:
            filters: Iterable[Filters] = [()] if self._whole else _of_each("vpc-id", vpcs)
            return [raw for each in filters for raw in self._pages(operation, key, page_size, each)]

        return self._failed.read(what, everything) or []

    def _pages(self, operation: str, key: str, page_size: int, filters: Filters) -> Iterator[Raw]:
        paginator: Any = self._ec2.get_paginator(operation)  # type: ignore[call-overload]
        arguments: dict[str, Any] = {"Filters": list(filters)} if filters else {}
        for page in paginator.paginate(**arguments, PaginationConfig={"PageSize": page_size}):
            self._pages_read[operation] += 1
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
        pages = self._failed.read("security groups", lambda: list(read_security_groups(self._ec2, sorted(wanted))))
        return [group for page in pages or () for group in page.groups]

    def _read_prefix_lists(self, tables: Iterable[Raw], groups: Iterable[SecurityGroup]) -> None:
        wanted = {route.get("DestinationPrefixListId", "") for table in tables for route in table.get("Routes", ())}
        wanted |= {rule.prefix_list_id for group in groups for rule in group.ingress}
        self._failed.read("prefix lists", lambda: self._prefix_lists.read(wanted - {""}))


def _of_each(name: str, values: Iterable[str]) -> Iterator[Filters]:
    """Filters of EC2 by these values, as many as one call takes each."""
    for some in chunks(sorted(values), VALUES_A_FILTER):
        yield [{"Name": name, "Values": list(some)}]


def _subnets_to_ask_about(interfaces: Iterable[Interface], read: RouteTables) -> set[str]:
    """The subnets of these interfaces that seem to have the main route table, unless that lets everybody in.

    It does if it has a default route to a gateway for each family of an interface's addresses.
    """
    open_to_all = {
        (vpc_id, destination.version)
        for vpc_id, table in read.main_tables.items()
        for route in table.routes
        if route.gateway
        for destination in route.destinations or ()
        if destination in _EVERY_ADDRESS
    }
    found = {
        each.subnet_id
        for each in interfaces
        if any((each.vpc_id, address.version) not in open_to_all for address in each.addresses)
    }
    return found - read.tables.keys() - {""}


def _is_entrance(interface: Interface) -> bool:
    """Whether it is a network load balancer's, with a public address."""
    return bool(interface.balancer and interface.balancer.is_network and interface.addresses)


def with_reachability(
    detections: list[Detection],
    open_traffic: Mapping[str, Sequence[OpenTraffic]],
    clients: ClientMaker,
    prefix_lists: PrefixListReader,
    *,
    whole_region: bool,
    owner_keys: frozenset[str] | None = None,
) -> tuple[list[Detection], tuple[str, ...]]:
    """Judge who can connect to each exposed group. Without exposures nothing is called.

    `open_traffic` is by group id. `owner_keys` are the keys of tags that tell an owner, in lower case; None: what uses
    the groups is not read.

    Returns:
        The same list, with a judged detection in place of each, and what could not be read, one line each. In place,
        since a second list of a large region is what a scan would need most memory for.
    """
    if not detections:
        return detections, ()
    exposed = frozenset(detection.group_id for detection in detections)
    swept = Sweep(clients, exposed, prefix_lists, whole_region=whole_region).run()
    judge = Judge(swept.network)
    for position, detection in enumerate(detections):
        details, traffic = detection.details, open_traffic[detection.group_id]
        reachability = judge.judge(detection.group_id, traffic, details.status)
        detections[position] = replace(detection, details=replace(details, reachability=reachability))
    if owner_keys is None:
        return detections, swept.notes
    reader = UserReader(clients, owner_keys)
    used_by = reader.read(swept, exposed)
    throttled = swept.users_throttled or reader.is_throttled
    for position, detection in enumerate(detections):
        users = used_by[detection.group_id]
        detections[position] = replace(detection, used_by=users, users_throttled=throttled)
    return detections, (*swept.notes, *reader.notes)


Tags = Mapping[str, str]

USERS_KEPT = 50
"""Of a group's users and of their tags: an item of the table has room for 400 KB."""
_INSTANCES_A_GROUP = 20
_INSTANCES_A_CALL = 1000  # DescribeInstances, InstanceIds
_BALANCERS_A_CALL = 20  # DescribeTags of Elastic Load Balancing
_SCALING_GROUPS_A_CALL = 100
_SCALING_GROUP = "aws:autoscaling:groupName"  # the tag that Amazon EC2 Auto Scaling gives its instances


class _Found(NamedTuple):
    """Something that uses a group: its interface's own tags, and those of what it belongs to."""

    user: User
    tags: Sequence[Tags]


class UserReader:
    """Reads what uses exposed groups of one account and region.

    `owner_keys` are the keys of tags that tell an owner, in lower case.
    """

    def __init__(self, clients: Callable[[str], Any], owner_keys: frozenset[str]) -> None:
        self._clients = clients
        self._owner_keys = owner_keys
        self._failed = FailedReads()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read and why, one line each, for the scan's coverage."""
        return self._failed.notes

    @property
    def is_throttled(self) -> bool:
        """Whether AWS throttled a read, so that users, names or tags are missing that are there."""
        return bool(self._failed.throttled)

    def read(self, swept: Swept, group_ids: Collection[str]) -> dict[str, GroupUsers]:
        """What uses each of these groups."""
        if swept.users is None:
            reason = swept.network.unread.get(_INTERFACES, "network interfaces could not be read")
            return dict.fromkeys(group_ids, GroupUsers(unknown=reason))
        using: dict[str, list[Raw]] = {group_id: [] for group_id in group_ids}
        for interface in sorted(swept.users, key=lambda raw: str(raw["NetworkInterfaceId"])):
            for group_id in {group["GroupId"] for group in interface.get("Groups", ())} & using.keys():
                using[group_id].append(interface)
        instances = self._instances(using.values())
        scaling = self._scaling_groups(instances.values())
        balancers = self._balancer_tags(swept)
        databases = self._databases(swept.users)
        found = {
            group_id: self._used_by(
                [self._found(raw, instances, scaling, balancers, swept) for raw in interfaces],
                [each for each in databases if group_id in _groups_of_database(each)],
            )
            for group_id, interfaces in using.items()
        }
        odd = [interface for interface in swept.network.interfaces or () if not interface.is_understood]
        for group_id in {group_id for interface in odd for group_id in interface.groups} & found.keys():
            found[group_id] = replace(found[group_id], unknown="a network interface was not understood")
        return found

    def _used_by(self, found: Sequence[_Found], databases: Sequence[Raw]) -> GroupUsers:
        addresses: dict[tuple[str, str], set[str]] = {}
        for user, _ in found:
            name = user.name
            if user.kind == "database" and len(databases) == 1:
                name = databases[0]["DBInstanceIdentifier"]
            addresses.setdefault((user.kind, name), set()).update(user.public_addresses)
        tag_sets = [tags for _, each in found for tags in each]
        tag_sets += [self._owner_tags(database.get("TagList")) for database in databases]
        users = sorted(User(kind, name, tuple(sorted(public))) for (kind, name), public in addresses.items())
        return GroupUsers(
            users=tuple(users[:USERS_KEPT]),
            more=max(0, len(users) - USERS_KEPT),
            tags=tuple(tags for tags in tag_sets if tags)[:USERS_KEPT],
        )

    def _found(
        self,
        raw: Raw,
        instances: Mapping[str, Raw],
        scaling: Mapping[str, Tags],
        balancers: Mapping[str, Tags],
        swept: Swept,
    ) -> _Found:
        resource = resource_of(raw)
        tags: list[Tags] = [self._owner_tags(raw.get("TagSet"))]
        if instance := instances.get(instance_id_of(raw)):
            own = _tags(instance.get("Tags"))
            if name := own.get("Name"):
                resource = Resource(resource.kind, f"{resource.name} ({name})")
            tags = [self._owner_tags(instance.get("Tags")), scaling.get(own.get(_SCALING_GROUP, ""), {}), *tags]
        if balancer := balancer_of(raw):
            tags.append(balancers.get(balancer.key, {}))
        public = tuple(address.text for address in parse_interface(raw).addresses)
        return _Found(User(*resource, public), tags)

    def _instances(self, using: Iterable[Sequence[Raw]]) -> dict[str, Raw]:
        wanted: dict[str, None] = {}
        for interfaces in using:
            ids = dict.fromkeys(filter(None, map(instance_id_of, interfaces)))
            wanted |= dict.fromkeys(list(ids)[:_INSTANCES_A_GROUP])

        def described() -> dict[str, Raw]:
            asked = chunks(sorted(wanted), _INSTANCES_A_CALL)
            return {raw["InstanceId"]: raw for ids in asked for raw in self._described(ids)}

        return self._failed.read("instances", described) or {}

    def _described(self, ids: Sequence[str]) -> Iterator[Raw]:
        client = self._clients("ec2")
        try:
            answers = [client.describe_instances(InstanceIds=list(ids))]
        except self._failed.catches as error:
            if not error_code(error).startswith("InvalidInstanceID"):
                raise
            # One of them is gone: a filter, unlike InstanceIds, does not fail for all then.
            paginator = client.get_paginator("describe_instances")
            answers = [
                page
                for some in chunks(ids, VALUES_A_FILTER)
                for page in paginator.paginate(Filters=[{"Name": "instance-id", "Values": list(some)}])
            ]
        for answer in answers:
            for reservation in answer["Reservations"]:
                yield from reservation["Instances"]

    def _scaling_groups(self, instances: Iterable[Raw]) -> dict[str, dict[str, str]]:
        names = {_tags(raw.get("Tags")).get(_SCALING_GROUP, "") for raw in instances} - {""}
        found: dict[str, dict[str, str]] = {}
        if not names or not self._owner_keys:
            return found
        try:
            paginator = self._clients("autoscaling").get_paginator("describe_tags")
            for wanted in chunks(sorted(names), _SCALING_GROUPS_A_CALL):
                for page in paginator.paginate(Filters=[{"Name": "auto-scaling-group", "Values": list(wanted)}]):
                    for tag in page["Tags"]:
                        found.setdefault(tag["ResourceId"], {}).update(self._owner_tags([tag]))
        except self._failed.catches as error:
            self._failed.add("tags of auto scaling groups", error)
        return found

    def _balancer_tags(self, swept: Swept) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        arns = {raw["LoadBalancerArn"]: key for key, raw in swept.balancers.items() if "LoadBalancerArn" in raw}
        names = {key: key for key, raw in swept.balancers.items() if "LoadBalancerArn" not in raw}
        asked = (
            ("elbv2", "ResourceArns", "ResourceArn", arns),
            ("elb", "LoadBalancerNames", "LoadBalancerName", names),
        )
        try:
            for service, parameter, answered, keys in asked:
                for some in chunks(sorted(keys), _BALANCERS_A_CALL):
                    answer = self._clients(service).describe_tags(**{parameter: list(some)})
                    for each in answer["TagDescriptions"]:
                        found[keys[each[answered]]] = self._owner_tags(each.get("Tags"))
        except self._failed.catches as error:
            self._failed.add("tags of load balancers", error)
        return found

    def _databases(self, users: Iterable[Raw]) -> list[Raw]:
        if not any(raw.get("Description") == "RDSNetworkInterface" for raw in users):
            return []

        def databases() -> list[Raw]:
            paginator = self._clients("rds").get_paginator("describe_db_instances")
            return [raw for page in paginator.paginate() for raw in page["DBInstances"]]

        return self._failed.read("databases", databases) or []

    def _owner_tags(self, raw: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
        return {key: value for key, value in _tags(raw).items() if key.casefold() in self._owner_keys}


def _groups_of_database(raw: Raw) -> set[str]:
    return {group.get("VpcSecurityGroupId", "") for group in raw.get("VpcSecurityGroups", ())}


def _tags(raw: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value") or "" for tag in raw or ()}

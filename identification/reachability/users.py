"""What uses exposed groups, and what tags say of who owns it: from the interfaces of a sweep, and a few calls more.

Only reads, and at most so much: names and tags of a region's first 1,000 instances that exposed groups are on, and
those of load balancers, databases and auto scaling groups where any of these is among the users.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from identification.reachability.network import parse_interface
from identification.reachability.sweep import FailedReads, Swept
from library.aws.ec2 import VALUES_A_FILTER
from library.aws.failures import chunks, error_code
from library.security_groups.users import GroupUsers, Resource, User, balancer_of, instance_id_of, resource_of

Raw = Mapping[str, Any]
Tags = Mapping[str, str]

USERS_KEPT = 50
"""Of a group's users and of their tags: an item of the table has room for 400 KB."""
_INSTANCES_A_GROUP = 20
_INSTANCES_A_REGION = 1000  # DescribeInstances, InstanceIds
_BALANCERS_A_CALL = 20  # DescribeTags of Elastic Load Balancing
_SCALING_GROUPS_A_REGION = 100
_SCALING_GROUP = "aws:autoscaling:groupName"  # the tag that Amazon EC2 Auto Scaling gives its instances


class _Found(NamedTuple):
    """Something that uses a group: its interface's own tags, and those of what it belongs to."""

    user: User
    tags: Sequence[Tags]


class UserReader:
    """Reads what uses exposed groups of one account and region.

    Args:
        clients: gives the client of a service.
        owner_keys: the keys of tags that tell an owner, in lower case.
    """

    def __init__(self, clients: Callable[[str], Any], owner_keys: frozenset[str]) -> None:
        self._clients = clients
        self._owner_keys = owner_keys
        self._failed = FailedReads()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read and why, one line each, for the scan's coverage."""
        return self._failed.notes

    def read(self, swept: Swept, group_ids: Collection[str]) -> dict[str, GroupUsers]:
        """What uses each of these groups."""
        if swept.users is None:
            reason = swept.network.unread.get("network interfaces", "network interfaces could not be read")
            return dict.fromkeys(group_ids, GroupUsers(unknown=reason))
        using: dict[str, list[Raw]] = {group_id: [] for group_id in group_ids}
        for interface in sorted(swept.users, key=lambda raw: str(raw["NetworkInterfaceId"])):
            for group_id in {group["GroupId"] for group in interface.get("Groups", ())} & using.keys():
                using[group_id].append(interface)
        instances = self._instances(using.values())
        scaling = self._scaling_groups(instances.values())
        balancers = self._balancer_tags(swept)
        databases = self._databases(swept.users)
        return {
            group_id: self._used_by(
                [self._found(raw, instances, scaling, balancers, swept) for raw in interfaces],
                [each for each in databases if group_id in _groups_of_database(each)],
            )
            for group_id, interfaces in using.items()
        }

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
        ids_asked = sorted(list(wanted)[:_INSTANCES_A_REGION])
        if not ids_asked:
            return {}
        try:
            return {raw["InstanceId"]: raw for raw in self._described(ids_asked)}
        except self._failed.catches as error:
            self._failed.add("instances", error)
            return {}

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
            wanted = sorted(names)[:_SCALING_GROUPS_A_REGION]
            for page in paginator.paginate(Filters=[{"Name": "auto-scaling-group", "Values": wanted}]):
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
        try:
            paginator = self._clients("rds").get_paginator("describe_db_instances")
            return [raw for page in paginator.paginate() for raw in page["DBInstances"]]
        except self._failed.catches as error:
            self._failed.add("databases", error)
            return []

    def _owner_tags(self, raw: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
        return {key: value for key, value in _tags(raw).items() if key.casefold() in self._owner_keys}


def _groups_of_database(raw: Raw) -> set[str]:
    return {group.get("VpcSecurityGroupId", "") for group in raw.get("VpcSecurityGroups", ())}


def _tags(raw: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value") or "" for tag in raw or ()}

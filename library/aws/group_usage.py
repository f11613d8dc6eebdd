"""Who uses security groups: one sweep over the network interfaces of an account and region for all that are asked for.

Only reads. Everything that has a security group has it on a network interface; what an interface belongs to is told by
its attachment, or by the description that the service gave it (Amazon EC2 User Guide, "Requester-managed network
interfaces").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from library.aws.chunks import chunks
from library.aws.ec2 import VALUES_A_FILTER
from library.aws.failures import AWS_ERRORS, explain
from library.network.addresses import PUBLIC, AddressSet
from library.security_groups.resources import instance_id_of, resource_of
from library.security_groups.usage import Usage, User

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

_INTERFACES_A_PAGE = 1000  # DescribeNetworkInterfaces, MaxResults


def usage_of(client: EC2Client, group_id: str) -> Usage:
    """What uses one group, or why that could not be read: for when a person looks at that group.

    Args:
        client: for the account and region.
        group_id: the group.
    """
    try:
        return read_usage(client, [group_id])[group_id]
    except AWS_ERRORS as error:
        return Usage(unknown=explain(error))


def read_usage(client: EC2Client, group_ids: Iterable[str]) -> dict[str, Usage]:
    """What uses each of these groups.

    Args:
        client: for the account and region.
        group_ids: the groups.

    Raises:
        ClientError, BotoCoreError: it could not be read.
    """
    wanted = sorted(set(group_ids))
    interfaces = list({found["NetworkInterfaceId"]: found for found in _interfaces(client, wanted)}.values())
    instance_ids = sorted({instance_id_of(interface) for interface in interfaces} - {""})
    instances = {instance["InstanceId"]: _tags(instance.get("Tags")) for instance in _instances(client, instance_ids)}
    using: dict[str, list[Mapping[str, Any]]] = {group_id: [] for group_id in wanted}
    for interface in interfaces:
        for group_id in {group["GroupId"] for group in interface.get("Groups", ())} & using.keys():
            using[group_id].append(interface)
    return {group_id: _usage(found, instances) for group_id, found in using.items()}


def _usage(interfaces: Sequence[Mapping[str, Any]], instances: Mapping[str, Mapping[str, str]]) -> Usage:
    addresses: dict[tuple[str, str], set[str]] = {}
    for interface in interfaces:
        addresses.setdefault(_owner(interface, instances), set()).update(_public_addresses(interface))
    used_by = sorted({instance_id_of(interface) for interface in interfaces} & instances.keys())
    return Usage(
        users=tuple(sorted(User(kind, name, tuple(sorted(found))) for (kind, name), found in addresses.items())),
        tags=(
            *(instances[instance_id] for instance_id in used_by),
            *(_tags(interface.get("TagSet")) for interface in interfaces),
        ),
    )


def _owner(interface: Mapping[str, Any], instances: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """What an interface belongs to: kind and name."""
    kind, name = resource_of(interface)
    called = instances.get(instance_id_of(interface), {}).get("Name", "")
    return kind, f"{name} ({called})" if called else name


def _public_addresses(interface: Mapping[str, Any]) -> Iterator[str]:
    for address in (interface, *interface.get("PrivateIpAddresses", ())):
        if public := (address.get("Association") or {}).get("PublicIp"):
            yield public
    for address in interface.get("Ipv6Addresses", ()):
        if PUBLIC.covers(AddressSet.parse(address["Ipv6Address"])):
            yield address["Ipv6Address"]


def _interfaces(client: EC2Client, group_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for ids in chunks(group_ids, VALUES_A_FILTER):
        for page in client.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "group-id", "Values": list(ids)}], PaginationConfig={"PageSize": _INTERFACES_A_PAGE}
        ):
            yield from page["NetworkInterfaces"]


def _instances(client: EC2Client, instance_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    # A filter, unlike InstanceIds, does not fail for all when one of them is gone.
    for ids in chunks(instance_ids, VALUES_A_FILTER):
        for page in client.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-id", "Values": list(ids)}]
        ):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]


def _tags(raw: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in raw or ()}

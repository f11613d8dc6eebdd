"""EC2, read only: security groups and their rules, managed prefix lists, regions, and what uses a group.

Whatever has a security group has it on a network interface. What an interface belongs to is in its attachment, or in
the description that the service gave it (Amazon EC2 User Guide, "Requester-managed network interfaces").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from library.aws.failures import ACCESS_DENIED, AWS_ERRORS, THROTTLED, chunks, error_code, explain
from library.aws.session import read_pages
from library.network.addresses import PUBLIC, AddressSet, Network, parse_network
from library.security_groups.ec2_answer import read_answer, unknown_rule_parts
from library.security_groups.group import GroupPage, parse_page
from library.security_groups.users import GroupUsers, User, instance_id_of, resource_of

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

GROUPS_A_PAGE = 1000  # DescribeSecurityGroups, MaxResults
VALUES_A_FILTER = 200  # EC2 API Reference, "Filter": values of all filters of a request
_PREFIX_LISTS_A_CALL = 100  # DescribeManagedPrefixLists, MaxResults
_ENTRIES_A_PAGE = 100  # GetManagedPrefixListEntries, MaxResults: the default, too
_GONE = frozenset({"InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"})  # EC2 spells it in both ways


def security_group_pages(client: EC2Client, group_ids: Sequence[str] = ()) -> Iterator[list[dict[str, Any]]]:
    """The groups of a region as EC2 returns them, a page at a time: every attribute, for a backup.

    With `group_ids` only those groups; one that does not exist is simply not among the answers.
    """
    paginator = client.get_paginator("describe_security_groups")
    for ids in chunks(group_ids, VALUES_A_FILTER) if group_ids else [()]:
        filters: Any = [{"Name": "group-id", "Values": list(ids)}] if ids else []
        for page in paginator.paginate(Filters=filters, PaginationConfig={"PageSize": GROUPS_A_PAGE}):
            if "SecurityGroups" not in page:
                raise ResponseParserError("the answer to DescribeSecurityGroups holds no list of groups")
            yield _only(ids, page["SecurityGroups"])


def _only(group_ids: Sequence[str], page: Any) -> Any:
    """A page without groups that were not asked for: an emulator may not know the filter."""
    if not group_ids:
        return page
    wanted = frozenset(group_ids)
    if isinstance(page, GroupPage):
        return page._replace(groups=tuple(group for group in page.groups if group.group_id in wanted))
    return [raw for raw in page if raw.get("GroupId") in wanted or not raw.get("GroupId")]


def read_security_groups(client: EC2Client, group_ids: Sequence[str] = ()) -> Iterator[GroupPage]:
    """The groups of a region as values, a page at a time: what a scan looks at. With `group_ids` only those groups.

    botocore signs, retries, pages and reads errors. An answer as EC2 writes it is read from its text
    (`library.security_groups.ec2_answer`); any other comes as dictionaries, which give the same values. If an answer
    has parts of rules that botocore does not know, and drops, none of its groups with rules counts as understood.
    """
    unknown: list[str] = []

    def read(body: bytes, customized: dict[str, Any]) -> bytes:
        answer = read_answer(body)
        unknown[:] = unknown_rule_parts(body) if answer is None else ()
        if answer is None:
            return body
        customized["SecurityGroups"] = answer.page
        return answer.rest

    for page in read_pages(client, "DescribeSecurityGroups", read, security_group_pages(client, group_ids)):
        yield page if isinstance(page, GroupPage) else _doubted(parse_page(page), unknown)


def _doubted(page: GroupPage, unknown: Sequence[str]) -> GroupPage:
    if not unknown:
        return page
    reason = f"a rule in the same answer has an unknown part: {', '.join(unknown)}"
    return page._replace(
        groups=tuple(
            replace(group, unreadable=(*group.unreadable, reason)) if group.ingress else group for group in page.groups
        )
    )


def security_groups_named(client: EC2Client, names: Sequence[str]) -> dict[str, str]:
    """The groups with these names in the default VPC, name to id. EC2 means those where a call gives a name alone."""
    default: Any = [{"Name": "is-default", "Values": ["true"]}]
    vpcs = [vpc["VpcId"] for vpc in client.describe_vpcs(Filters=default)["Vpcs"] if vpc.get("IsDefault")]
    found: dict[str, str] = {}
    for some in chunks(names, VALUES_A_FILTER - 1) if vpcs else ():
        filters: Any = [{"Name": "vpc-id", "Values": vpcs}, {"Name": "group-name", "Values": list(some)}]
        for page in client.get_paginator("describe_security_groups").paginate(Filters=filters):
            # A filter's value may have wildcards, and an emulator may not know the filter.
            found |= {
                raw["GroupName"]: raw["GroupId"]
                for raw in page["SecurityGroups"]
                if raw["GroupName"] in some and raw.get("VpcId") in vpcs
            }
    return found


def groups_of_interfaces(client: EC2Client, interface_ids: Sequence[str]) -> list[str]:
    """The groups of these network interfaces, each once. An interface that does not exist has none."""
    interfaces = _interfaces(client, "network-interface-id", interface_ids)
    return list(dict.fromkeys(group["GroupId"] for raw in interfaces for group in raw["Groups"]))


class PrefixListReader:
    """Reads managed prefix lists of one account and region, each once."""

    def __init__(self, client: EC2Client) -> None:
        self._client = client
        self.entries: dict[str, tuple[Network, ...]] = {}
        """The entries of each list that could be read; none for a list that AWS owns, which does not count."""
        self._missing: set[str] = set()

    def read(self, prefix_list_ids: Iterable[str]) -> None:
        """Add these lists to `entries`; one that does not exist, or is not shared any more, stays out.

        Raises:
            ClientError: a list could not be read for another reason: the first that could not. Where that is denied,
                the others were read, and the list is not asked for again.
        """
        denied: ClientError | None = None
        wanted = sorted(set(prefix_list_ids) - self.entries.keys() - self._missing)
        for ids in chunks(wanted, _PREFIX_LISTS_A_CALL):
            for prefix_list_id, listed in _prefix_lists(self._client, ids).items():
                try:
                    self.entries[prefix_list_id] = () if listed["OwnerId"] == "AWS" else self._entries(listed)
                except ClientError as error:
                    if error_code(error) in ACCESS_DENIED:  # whoever shares a list decides who may read its entries
                        denied = denied or error
                    elif error_code(error) not in _GONE:  # deleted, or not shared any more, since it was listed
                        raise
            self._missing |= set(ids) - self.entries.keys()
        if denied:
            raise denied

    def _entries(self, listed: Mapping[str, Any]) -> tuple[Network, ...]:
        prefix_list_id, version = listed["PrefixListId"], listed.get("Version")
        if version and listed.get("MaxEntries", 0) > _ENTRIES_A_PAGE:
            # Pages of a list that changes between them do not fit together, unless all of them are of one version.
            # Where EC2 refuses it (AWS does not say who may read versions of a shared list): the current one.
            try:
                return self._entries_of(prefix_list_id, TargetVersion=version)
            except ClientError as error:
                if error_code(error) in THROTTLED:  # the version is not what it refused
                    raise
        return self._entries_of(prefix_list_id)

    def _entries_of(self, prefix_list_id: str, **version: int) -> tuple[Network, ...]:
        paginator: Any = self._client.get_paginator("get_managed_prefix_list_entries")
        return tuple(
            parse_network(entry["Cidr"])
            for page in paginator.paginate(PrefixListId=prefix_list_id, **version)
            for entry in page["Entries"]
        )


def _prefix_lists(client: EC2Client, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """These prefix lists as EC2 describes them, by id; those that are gone are left out."""
    # A filter, unlike PrefixListIds, does not fail for all when one of them is gone.
    pages = client.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-id", "Values": list(ids)}]
    )
    return {listed["PrefixListId"]: listed for page in pages for listed in page["PrefixLists"]}


def prefix_list_weights(client: EC2Client, prefix_list_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The family (4 or 6) of prefix lists and how many rules each counts as; those that do not say are left out."""
    wanted = sorted(set(filter(None, prefix_list_ids)))
    return {
        prefix_list_id: (6 if listed.get("AddressFamily") == "IPv6" else 4, weight)
        for ids in chunks(wanted, _PREFIX_LISTS_A_CALL)
        for prefix_list_id, listed in _prefix_lists(client, ids).items()
        if (weight := listed.get("MaxEntries") or aws_weight(listed.get("PrefixListName", "")))
    }


_AWS_WEIGHTS = {
    "cloudfront.origin-facing": 55,
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "route53-healthchecks": 25,
    "s3": 1,
    "s3express": 6,
    "vpc-lattice": 10,
}
# com.amazonaws.<region or "global">[.ipv6].<service>
_AWS_LIST = re.compile(r"com\.amazonaws\.[a-z0-9-]+\.(?:ipv6\.)?(?P<service>[a-z0-9.-]+)")


def aws_weight(name: str) -> int:
    """How many rules one of AWS's own prefix lists counts as; 0: that is not known.

    The answer of DescribeManagedPrefixLists has no maximum for them. The figures are those of the Amazon VPC User
    Guide, "AWS-managed prefix lists", weight, as of November 2026.

    >>> [aws_weight(f"com.amazonaws.{of}") for of in ("global.cloudfront.origin-facing", "eu-west-1.ipv6.vpc-lattice")]
    [55, 10]
    """
    found = _AWS_LIST.fullmatch(name)
    return _AWS_WEIGHTS.get(found["service"], 0) if found else 0


def enabled_regions(client: EC2Client) -> list[str]:
    """The regions that are enabled in the client's account, sorted."""
    return sorted(region["RegionName"] for region in client.describe_regions()["Regions"])


def region_is_enabled(client: EC2Client, region: str) -> bool:
    """Whether the client's account has a region enabled. `client` is for a region that surely is."""
    answer = client.describe_regions(AllRegions=True, Filters=[{"Name": "region-name", "Values": [region]}])
    return any(found["OptInStatus"] != "not-opted-in" for found in answer["Regions"])


_INTERFACES_A_PAGE = 1000  # DescribeNetworkInterfaces, MaxResults


def users_of(client: EC2Client, group_id: str) -> GroupUsers:
    """What uses one group, or why that could not be read: for when a person looks at that group."""
    try:
        return read_group_users(client, [group_id])[group_id]
    except AWS_ERRORS as error:
        return GroupUsers(unknown=explain(error))


def read_group_users(client: EC2Client, group_ids: Iterable[str]) -> dict[str, GroupUsers]:
    """What uses each of these groups."""
    wanted = sorted(set(group_ids))
    described = _interfaces(client, "group-id", wanted)
    interfaces = list({found["NetworkInterfaceId"]: found for found in described}.values())
    instance_ids = sorted({instance_id_of(interface) for interface in interfaces} - {""})
    instances = {instance["InstanceId"]: _tags(instance.get("Tags")) for instance in _instances(client, instance_ids)}
    using: dict[str, list[Mapping[str, Any]]] = {group_id: [] for group_id in wanted}
    for interface in interfaces:
        for group_id in {group["GroupId"] for group in interface.get("Groups", ())} & using.keys():
            using[group_id].append(interface)
    return {group_id: _used_by(found, instances) for group_id, found in using.items()}


def _used_by(interfaces: Sequence[Mapping[str, Any]], instances: Mapping[str, Mapping[str, str]]) -> GroupUsers:
    addresses: dict[tuple[str, str], set[str]] = {}
    for interface in interfaces:
        addresses.setdefault(_owner(interface, instances), set()).update(_public_addresses(interface))
    used_by = sorted({instance_id_of(interface) for interface in interfaces} & instances.keys())
    return GroupUsers(
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
    assigned = [each["Ipv6Address"] for each in interface.get("Ipv6Addresses", ())]
    assigned += [each["Ipv6Prefix"] for each in interface.get("Ipv6Prefixes", ())]
    for address in assigned:
        if PUBLIC.covers(AddressSet.parse(address)):
            yield address


def _interfaces(client: EC2Client, filter_name: str, values: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for some in chunks(values, VALUES_A_FILTER):
        filters: Any = [{"Name": filter_name, "Values": list(some)}]
        for page in client.get_paginator("describe_network_interfaces").paginate(
            Filters=filters, PaginationConfig={"PageSize": _INTERFACES_A_PAGE}
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

"""The demo's world: three accounts, two regions, real security groups from public templates, and a few traps.

At the end are the flow logs of one group: two weeks of its traffic, and what is refused after its rules were replaced.
The embedded AWS writes no flow logs, so the objects that AWS would write are put into a bucket. Its flow log is as new
as the demo, so the two weeks are those that follow: the demo reads them as a run at their end would.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.aws.session import Sessions

MAIN_ACCOUNT = "123456789012"  # the account that moto gives to whoever has not assumed a role
ACCOUNTS = {MAIN_ACCOUNT: "main", "210987654321": "shop", "321098765432": "data"}
REGIONS = ("eu-west-1", "us-east-1")
VPCS = 2 * len(ACCOUNTS) * len(REGIONS)  # AWS's default one, and the demo's
SHOWN_GROUP = "bastion"  # the trap whose rules the demo shows before and after
VERDICTS_SHOWN = ("bastion", "orders-db", "every-port", "by-prefix-list", "ipv6-only")
"""The traps of which the demo shows who can connect: public, behind a load balancer, behind a network ACL, internal,
unused."""


GROUPS_FILE = Path(__file__).parent / "data" / "security-groups.jsonl"

_OWNERS = ("ana", "bo", "chen", "dara", "")
_TRAPS_TARGET = ("210987654321", "eu-west-1")
_EXEMPT = ("partner-vpn", "status-page")
_IMAGE = "ami-12c6146b"  # one that moto knows


@dataclass(frozen=True, slots=True)
class World:
    """What was made: so many groups, of which some from templates and some traps, with so many ingress rules."""

    groups: int
    templates: int
    traps: int
    rules: int


def configuration(bucket: str) -> dict[str, Any]:
    """The file `config` for this world: everything on, JIRA and Slack off."""
    return {
        "aws": {
            "main_account_id": MAIN_ACCOUNT,
            "region": REGIONS[0],
            "accounts": ACCOUNTS,
            "regions": list(REGIONS),
            "role_name_identification": "hammer-cloudsec-crossact-id",
            "role_name_reporting": "hammer-cloudsec-crossact-ec2",
            "external_id": "demo",
            "s3_backup_bucket": bucket,
        },
        "usage": {"enabled": True},
        "secgrp_unrestricted_access": {
            "ddb.table_name": "hammer-security-groups-unrestricted",
            "reporting": True,
            "remediation": True,
            "remediation_scope": ["open_completely", "open_partly"],
            "remediation_limit_per_run": 100,
        },
    }


def whitelist(vpc_id: str, group_id: str) -> dict[str, Any]:
    """The file `whitelist`: a group of this VPC by its name, and `partner-vpn` by its id, for a port and a source."""
    account_id, _ = _TRAPS_TARGET
    return {
        "secgrp_unrestricted_access": {
            account_id: [
                f"{vpc_id}:{_EXEMPT[1]}",
                {"group": group_id, "ports": ["tcp/3389"], "cidrs": ["8.8.4.0/24"], "reason": "the partner's office"},
            ]
        }
    }


def build(sessions: Sessions) -> tuple[World, dict[str, Any]]:
    """Make the groups and instances.

    Returns:
        What was made, and the content of the file `whitelist`.
    """
    templates = [json.loads(line) for line in GROUPS_FILE.read_text().splitlines()[1::2]]  # all of them take a minute
    targets = [(account_id, region) for account_id in ACCOUNTS for region in REGIONS]

    def populate(location: tuple[int, tuple[str, str]]) -> tuple[int, dict[str, Any] | None]:
        number, (account_id, region) = location
        client = sessions.client("ec2", account_id, region)
        vpc_id = client.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnet_id = client.create_subnet(VpcId=vpc_id, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
        groups = [
            (f"{template['name']}-{line}", template["IpPermissions"], _OWNERS[line % len(_OWNERS)])
            for line, template in enumerate(templates, 1)
            if line % len(targets) == number
        ]
        with_traps = (account_id, region) == _TRAPS_TARGET
        if with_traps:
            prefix_list_id = _prefix_list(client)
            groups += [(name, permissions, "ana") for name, permissions in _traps(prefix_list_id).items()]
        ids = {name: _create_group(client, vpc_id, name, permissions, owner) for name, permissions, owner in groups}
        _run_instance(client, subnet_id, list(ids.values())[:2], "app")
        if with_traps:
            _open_to_the_internet(client, vpc_id, subnet_id)
            guarded = client.create_subnet(VpcId=vpc_id, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
            _guard(client, vpc_id, guarded)
            _run_instance(client, subnet_id, [ids["bastion"]], "bastion-1", public=True)
            _run_instance(client, guarded, [ids["every-port"]], "batch-1", public=True)
            _run_instance(client, subnet_id, [ids["by-prefix-list"]], "database-1")
            orders = _run_instance(client, subnet_id, [ids["orders-db"]], "orders-1")
            elb = sessions.client("elbv2", account_id, region)
            _balance(client, elb, vpc_id, subnet_id, orders, ids["orders-db"])
        rules = sum(_count(permissions) for _, permissions, _ in groups)
        return rules, whitelist(vpc_id, ids[_EXEMPT[0]]) if with_traps else None

    with ThreadPoolExecutor(len(targets)) as pool:
        made = list(pool.map(populate, enumerate(targets)))
    traps = len(_traps(""))
    world = World(
        groups=len(templates) + traps, templates=len(templates), traps=traps, rules=sum(rules for rules, _ in made)
    )
    return world, next(exempt for _, exempt in made if exempt)


def _open_to_the_internet(client: EC2Client, vpc_id: str, subnet_id: str) -> None:
    """An internet gateway, and a route to it from a subnet."""
    gateway = client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    client.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    table = client.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["RouteTables"][0][
        "RouteTableId"
    ]
    client.associate_route_table(RouteTableId=table, SubnetId=subnet_id)
    client.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


def _guard(client: EC2Client, vpc_id: str, subnet_id: str) -> None:
    """A network ACL for a subnet that lets private addresses in only."""
    acl_id = client.create_network_acl(VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
    for number, action, cidr, egress in (
        (100, "allow", "10.0.0.0/8", False),
        (200, "deny", "0.0.0.0/0", False),
        (100, "allow", "0.0.0.0/0", True),
    ):
        client.create_network_acl_entry(
            NetworkAclId=acl_id,
            RuleNumber=number,
            Protocol="-1",
            RuleAction=action,  # type: ignore[arg-type]
            Egress=egress,
            CidrBlock=cidr,
        )
    found = client.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet_id]}])
    association = next(
        each["NetworkAclAssociationId"]
        for each in found["NetworkAcls"][0]["Associations"]
        if each["SubnetId"] == subnet_id
    )
    client.replace_network_acl_association(AssociationId=association, NetworkAclId=acl_id)


def _run_instance(
    client: EC2Client, subnet_id: str, group_ids: Sequence[str], name: str, *, public: bool = False
) -> str:
    """Start an instance; its id."""
    answer = client.run_instances(
        ImageId=_IMAGE,
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "SubnetId": subnet_id,
                "Groups": list(group_ids),
                "AssociatePublicIpAddress": public,
            }
        ],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
    )
    return answer["Instances"][0]["InstanceId"]


def _balance(client: EC2Client, elb: Any, vpc_id: str, subnet_id: str, target: str, group_id: str) -> None:
    """A network load balancer that the Internet can send to, and that sends MySQL's port on to an instance.

    The embedded AWS makes no network interface for a load balancer: one is made with the description that AWS writes.
    It has the group of the instance.
    """
    made = elb.create_load_balancer(Name="orders", Type="network", Scheme="internet-facing", Subnets=[subnet_id])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="orders", Protocol="TCP", Port=3306, VpcId=vpc_id, TargetType="instance")
    group_arn = group["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=group_arn, Targets=[{"Id": target, "Port": 3306}])
    elb.create_listener(
        LoadBalancerArn=arn,
        Protocol="TCP",
        Port=3306,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group_arn}],
    )
    name = "/".join(arn.split("/")[-2:])
    made_interface = client.create_network_interface(
        SubnetId=subnet_id, Groups=[group_id], Description=f"ELB net/{name}"
    )
    allocated = client.allocate_address(Domain="vpc")
    client.associate_address(
        AllocationId=allocated["AllocationId"],
        NetworkInterfaceId=made_interface["NetworkInterface"]["NetworkInterfaceId"],
    )


def open_again(sessions: Sessions) -> None:
    """Open three groups, in two accounts."""
    anywhere = _permission("tcp", 22, 22, "0.0.0.0/0")
    some = _permission("tcp", 5432, 5432, "8.8.8.0/24")
    for (account_id, region), name, permission in (
        (_TRAPS_TARGET, "legacy-admin", anywhere),
        ((MAIN_ACCOUNT, REGIONS[1]), "reporting-db", some),
        ((MAIN_ACCOUNT, REGIONS[0]), "windows-jump-host", _permission("tcp", 3389, 3389, "0.0.0.0/0", "::/0")),
    ):
        client = sessions.client("ec2", account_id, region)
        vpc_id = client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        _create_group(client, vpc_id, name, [permission], "chen")


def _traps(prefix_list_id: str) -> dict[str, list[dict[str, Any]]]:
    """Groups that simpler tools misjudge or mistreat, by name."""
    return {
        SHOWN_GROUP: [
            _permission("tcp", 22, 22, "0.0.0.0/1", "128.0.0.0/1", "10.8.0.0/16"),
            _permission("tcp", 443, 443, "0.0.0.0/0"),
        ],
        "ipv6-only": [_permission("tcp", 3389, 3389, "::/0")],
        "by-prefix-list": [
            {
                "IpProtocol": "tcp",
                "FromPort": 5432,
                "ToPort": 5432,
                "PrefixListIds": [{"PrefixListId": prefix_list_id}],
            }
        ],
        "orders-db": [_permission("tcp", 3306, 3306, "0.0.0.0/0")],
        "every-port": [_permission("tcp", 0, 65535, "0.0.0.0/0")],
        _EXEMPT[0]: [_permission("tcp", 3389, 3389, "8.8.4.0/24")],
        _EXEMPT[1]: [_permission("tcp", 0, 65535, "0.0.0.0/0")],
    }


def _permission(protocol: str, first: int, last: int, *cidrs: str) -> dict[str, Any]:
    return {
        "IpProtocol": protocol,
        "FromPort": first,
        "ToPort": last,
        "IpRanges": [{"CidrIp": cidr} for cidr in cidrs if ":" not in cidr],
        "Ipv6Ranges": [{"CidrIpv6": cidr} for cidr in cidrs if ":" in cidr],
    }


def _prefix_list(client: EC2Client) -> str:
    answer = client.create_managed_prefix_list(
        PrefixListName="offices",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "10.9.0.0/16"}, {"Cidr": "0.0.0.0/0", "Description": "temporary, remove"}],
    )
    return answer["PrefixList"]["PrefixListId"]


def _create_group(
    client: EC2Client, vpc_id: str, name: str, permissions: Iterable[Mapping[str, Any]], owner: str
) -> str:
    tags: Any = [{"Key": "Name", "Value": name}, *([{"Key": "owner", "Value": owner}] if owner else [])]
    group_id = client.create_security_group(
        GroupName=name,
        Description="Hammer demo",
        VpcId=vpc_id,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
    )["GroupId"]
    # A reference to the group itself stands as {"GroupId": "self"} in the templates, some of which say a thing twice.
    asked = [json.dumps(permission).replace('"self"', json.dumps(group_id)) for permission in permissions]
    client.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=[json.loads(permission) for permission in dict.fromkeys(asked)]
    )
    return group_id


def _count(permissions: Iterable[Mapping[str, Any]]) -> int:
    sources = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
    return sum(len(permission.get(source, ())) for permission in permissions for source in sources)


PERIOD = timedelta(days=14)
WORKER, TALKER = "9.9.9.7", "8.8.4.20"
"""Who works through the bastion, and who exchanges so little with it that only its owner can tell what that is."""

_FLOW_LOG_BUCKET = "hammer-demo-flow-logs"
_FLOW_LOG_HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_SCANNERS = tuple(f"45.33.{number}.{number + 3}" for number in range(1, 41))
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class FlowLogOfGroup:
    """A flow log of the one interface that uses a group.

    Attributes:
        address: the interface's private address.
        created: about when it was made, in UTC.
    """

    account_id: str
    region: str
    flow_log_id: str
    interface_id: str
    address: str
    created: datetime

    def record(
        self, source: str, packets: tuple[int, int], start: int, action: str = "ACCEPT", port: int = 50_122
    ) -> Iterator[str]:
        """The records of one connection to port 22: what came in and, where there is any, what went out."""
        ends = ((source, self.address, port, 22), (self.address, source, 22, port))
        for way, count in zip(ends, packets, strict=True):
            if count:
                sizes = f"{count} {count * (40 if action == 'REJECT' or count < 3 else 120)} {start} {start + 60}"
                yield " ".join(map(str, (2, self.account_id, self.interface_id, *way, 6, sizes, action, "OK")))

    def silence(self, start: int) -> str:
        """The record of an interval without traffic."""
        nothing = " ".join("-" * 7)
        return f"2 {self.account_id} {self.interface_id} {nothing} {start} {start + 60} - NODATA"


def make_flow_log(sessions: Sessions, account_id: str, region: str, group_id: str) -> FlowLogOfGroup:
    """Make a bucket, and a flow log of the interface that uses a group."""
    ec2 = sessions.client("ec2", account_id, region)
    sessions.client("s3", account_id, region).create_bucket(
        Bucket=_FLOW_LOG_BUCKET,
        CreateBucketConfiguration={"LocationConstraint": region},
    )
    (interface,) = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group_id]}])[
        "NetworkInterfaces"
    ]
    created = datetime.now(UTC)
    made = ec2.create_flow_logs(
        ResourceIds=[interface["NetworkInterfaceId"]],
        ResourceType="NetworkInterface",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{_FLOW_LOG_BUCKET}",
    )
    return FlowLogOfGroup(
        account_id,
        region,
        made["FlowLogIds"][0],
        interface["NetworkInterfaceId"],
        interface["PrivateIpAddress"],
        created,
    )


def put_two_weeks(sessions: Sessions, of: FlowLogOfGroup) -> datetime:
    """Put what the period shows: one who works each day, one who talks, and scanners. Returns when it ends."""
    until = of.created + PERIOD + timedelta(minutes=5)
    first, last = int(of.created.timestamp()) // _HOUR + 1, int(until.timestamp()) // _HOUR
    lines = [of.silence(hour * _HOUR) for hour in range(first, last + 1)]
    for day in range(14):
        lines += of.record(WORKER, (900, 700), (first + 24 * day + 2) * _HOUR, port=50_200 + day)
    lines += of.record(TALKER, (9, 8), (first + 50) * _HOUR)
    for number, scanner in enumerate(_SCANNERS):
        lines += of.record(scanner, (2, 1 if number % 2 else 0), (first + 7 * number) * _HOUR)
    _put_records(sessions, of, lines, until)
    return until


def put_refused(sessions: Sessions, of: FlowLogOfGroup, changed: datetime) -> datetime:
    """Put what is refused in the hours after a change. Returns until when."""
    start = int(changed.timestamp()) + 60
    lines = [line for at in (0, 900, 1800) for line in of.record(WORKER, (1, 0), start + at, "REJECT")]
    lines += of.record(_SCANNERS[0], (1, 0), start, "REJECT")
    until = changed + timedelta(hours=2)
    _put_records(sessions, of, lines, until)
    return until


def _put_records(sessions: Sessions, of: FlowLogOfGroup, lines: Iterable[str], closed: datetime) -> None:
    name = f"{of.account_id}_vpcflowlogs_{of.region}_{of.flow_log_id}_{closed:%Y%m%dT%H%MZ}_0a1b2c3d.log.gz"
    key = f"AWSLogs/{of.account_id}/vpcflowlogs/{of.region}/{closed:%Y/%m/%d}/{name}"
    body = gzip.compress("\n".join((_FLOW_LOG_HEADER, *lines, "")).encode())
    sessions.client("s3", of.account_id, of.region).put_object(Bucket=_FLOW_LOG_BUCKET, Key=key, Body=body)

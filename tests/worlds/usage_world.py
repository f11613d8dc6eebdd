"""An account with an exposed group, an instance that has it, and flow logs, in an embedded AWS."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from library.aws.issue_table import IssueTable
from library.issues.issue import Issue
from library.issues.use import Use

MAIN, REGION, BUCKET, TABLE = DEFAULT_ACCOUNT_ID, "eu-west-1", "flow-logs", "issues"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
WORKER, SCANNER = "9.9.9.7", "8.8.8.66"


@dataclass
class UsageWorld:
    """What a test works with. Hours are counted back from the run: 1 is the last whole one."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    objects: int = 0

    def __post_init__(self) -> None:
        """An account with an instance behind an open group, an issue of it, and a flow log of its VPC."""
        # Until fifteen minutes after an hour, not all of it has come (`read.is_delivered`). Else as it is: the emulated
        # log groups refuse what is long ago.
        now = datetime.now(UTC)
        self.now = max(now, now.replace(minute=16))
        self.ec2: Any = boto3.client("ec2", region_name=REGION)
        self.s3: Any = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.configure()
        assert self.hammer("bootstrap").exit_code == 0
        subnet = self.ec2.describe_subnets()["Subnets"][0]
        self.vpc_id, self.subnet_id = subnet["VpcId"], subnet["SubnetId"]
        self.group_id = self.group("tcp", 22, "0.0.0.0/0")
        self.interface_id, self.address = self.interface(self.group_id)
        self.flow_log_id = self.flow_log()
        assert self.hammer("identify").exit_code == 0

    def configure(self, **usage: Any) -> None:
        """Write the configuration, with these values in its section `usage`."""
        self.config = {
            "aws": {"main_account_id": MAIN, "region": REGION, "accounts": {MAIN: "main"}, "regions": [REGION]},
            "usage": {"enabled": True, **usage},
            "secgrp_unrestricted_access": {"ddb.table_name": TABLE, "restricted_ports": [22, 3389], "reporting": True},
        }
        (self.folder / "config.json").write_text(json.dumps(self.config))

    def hammer(self, *arguments: str) -> Result:
        """Run a command."""
        named = [*arguments, "--config", str(self.folder)]
        return CliRunner().invoke(application(named), named, catch_exceptions=False)

    def group(self, protocol: str, port: int, cidr: str, name: str = "open") -> str:
        """Make a group with one rule."""
        group_id: str = self.ec2.create_security_group(GroupName=name, Description="test")["GroupId"]
        self.ec2.authorize_security_group_ingress(
            GroupId=group_id, IpProtocol=protocol, FromPort=port, ToPort=port, CidrIp=cidr
        )
        return group_id

    def interface(self, *group_ids: str) -> tuple[str, str]:
        """Start an instance with these groups; returns its interface and private address."""
        instance = self.ec2.run_instances(
            ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=self.subnet_id, SecurityGroupIds=list(group_ids)
        )["Instances"][0]
        found = instance["NetworkInterfaces"][0]
        return found["NetworkInterfaceId"], found["PrivateIpAddress"]

    def flow_log(self, resource: str = "", *, days: float = 30, **other: Any) -> str:
        """Make a flow log, of the VPC unless told otherwise, some days ago."""
        resource = resource or self.vpc_id
        kind = {"eni": "NetworkInterface", "subnet": "Subnet"}.get(resource.partition("-")[0], "VPC")
        arguments: dict[str, Any] = {
            "ResourceIds": [resource],
            "ResourceType": kind,
            "TrafficType": "ALL",
            "LogDestinationType": "s3",
            "LogDestination": f"arn:aws:s3:::{BUCKET}",
        }
        destination = other.pop("destination", f"arn:aws:s3:::{BUCKET}/vpc")
        flow_log_id: str = self.ec2.create_flow_logs(**(arguments | other))["FlowLogIds"][0]
        if not other.get("LogGroupName"):
            # The embedded AWS takes a bucket that is there, and no prefix.
            ec2_backends[MAIN][REGION].flow_logs[flow_log_id].log_destination = destination
        self.made(flow_log_id, days)
        return flow_log_id

    def made(self, flow_log_id: str, days: float) -> None:
        """Say when a flow log was made: the embedded AWS knows no past."""
        made = (self.now - timedelta(days=days)).replace(tzinfo=None)
        ec2_backends[MAIN][REGION].flow_logs[flow_log_id].creation_time = made

    def at(self, hours: float) -> int:
        """The beginning of an hour, counted back from now, in seconds since 1970."""
        return (int(self.now.timestamp()) // 3600 - int(hours)) * 3600

    def line(
        self, source: str, hours: float, *, packets: int = 900, port: int = 22, incoming: bool = True, **other: Any
    ) -> str:
        """A record of the default format."""
        peer_port, action, interface = other.get("peer_port", 50_000), other.get("action", "ACCEPT"), self.interface_id
        start = self.at(hours) + other.get("second", 0)
        ends = (source, self.address, peer_port, port) if incoming else (self.address, source, port, peer_port)
        sizes = f"{packets} {packets * other.get('size', 100)} {start} {start + 60}"
        return " ".join(map(str, (2, MAIN, interface, *ends, 6, sizes, action, "OK")))

    def both_ways(self, source: str, hours: float, *, packets: int = 900, **other: Any) -> list[str]:
        """A connection: a record in, one out."""
        return [self.line(source, hours, packets=packets, incoming=way, **other) for way in (True, False)]

    def no_data(self, hours: Iterable[float], interface: str = "", status: str = "NODATA") -> list[str]:
        """Records without traffic, one an hour."""
        return [
            f"2 {MAIN} {interface or self.interface_id} - - - - - - - {self.at(hour)} {self.at(hour) + 60} - {status}"
            for hour in hours
        ]

    def put(self, lines: Iterable[str], hours: float = 1, *, flow_log: str = "", **other: Any) -> str:
        """Put an object that was closed at the end of an hour; returns its key."""
        self.objects += 1
        flow_log = flow_log or self.flow_log_id
        closed = datetime.fromtimestamp(self.at(hours) + 3600, UTC)
        name = f"{MAIN}_vpcflowlogs_{REGION}_{flow_log}_{closed:%Y%m%dT%H%MZ}_{self.objects:08x}.log.gz"
        key = f"{other.get('prefix', 'vpc/')}AWSLogs/{MAIN}/vpcflowlogs/{REGION}/{closed:%Y/%m/%d}/{name}"
        if other.get("hive"):
            day = f"year={closed:%Y}/month={closed:%m}/day={closed:%d}/hour={closed:%H}"
            location = f"aws-account-id={MAIN}/aws-service=vpcflowlogs/aws-region={REGION}"
            key = f"vpc/AWSLogs/{location}/{day}/{name}"
        text = "\n".join([other.get("header", HEADER), *lines, ""]).encode()
        body = other["body"] if "body" in other else gzip.compress(text)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return key

    def usage(self, *arguments: str, exit_code: int = 0) -> Use:
        """Run the job; returns what it stored about the group."""
        result = self.hammer("usage", *arguments)
        assert result.exit_code == exit_code, result.output
        self.output = result.output
        use = self.stored()
        assert use is not None
        return use

    def open_too(self, port: int) -> None:
        """Somebody opens another port of the group to the Internet, and a scan finds it."""
        self.ec2.authorize_security_group_ingress(
            GroupId=self.group_id, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
        )
        assert self.hammer("identify").exit_code == 0

    def issue(self) -> Issue:
        """The issue of the group."""
        issue = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).get(MAIN, self.group_id)
        assert issue is not None
        return issue

    def changed(self, hours: float) -> None:
        """Remediation closed the group, so many hours ago."""
        rules = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [self.group_id]}])
        ids = [rule["SecurityGroupRuleId"] for rule in rules["SecurityGroupRules"] if not rule["IsEgress"]]
        self.ec2.revoke_security_group_ingress(GroupId=self.group_id, SecurityGroupRuleIds=ids)
        table = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE)
        when = (self.now - timedelta(hours=hours)).isoformat()
        table.update(self.issue(), {"timestamps.remediated": when})

    def item(self) -> dict[str, Any]:
        """The same as an item."""
        items = IssueTable(boto3.client("dynamodb", region_name=REGION), TABLE).items
        return items.get(MAIN, self.group_id) or {}

    def stored(self) -> Use | None:
        """What is stored about the group."""
        return Use.from_item(self.item().get("use"))


@contextmanager
def usage_world(folder: Path) -> Iterator[UsageWorld]:
    """The world, in an embedded AWS. Each run is at the moment in which it was made: no hour is settled meanwhile."""
    with mock_aws(), pytest.MonkeyPatch.context() as clock:
        world = UsageWorld(folder)
        clock.setattr("identification.read_security_group_usage.utc_now", lambda: world.now)
        yield world


def counts(use: Use) -> dict[str, int]:
    """Sources by class, of all rules together."""
    found: dict[str, int] = {}
    for rule in use.rules:
        for name, count in rule.counts.items():
            found[name] = found.get(name, 0) + count
    return found

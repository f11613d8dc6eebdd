"""The flow logs of the demo: two weeks of one group's traffic, and what is refused after its rules were replaced.

The embedded AWS writes no flow logs, so the objects that AWS would write are put into a bucket. Its flow log is as new
as the demo, so the two weeks are those that follow: the demo reads them as a run at their end would.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from library.aws.session import Sessions

PERIOD = timedelta(days=14)
WORKER, TALKER = "9.9.9.7", "8.8.4.20"
"""Who works through the bastion, and who exchanges so little with it that only its owner can tell what that is."""

_BUCKET = "hammer-demo-flow-logs"
_HEADER = (
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


def make(sessions: Sessions, account_id: str, region: str, group_id: str) -> FlowLogOfGroup:
    """Make a bucket, and a flow log of the interface that uses a group.

    Args:
        sessions: give the clients.
        account_id: the group's account.
        region: its region.
        group_id: the group.
    """
    ec2 = sessions.client("ec2", account_id, region)
    sessions.client("s3", account_id, region).create_bucket(
        Bucket=_BUCKET,
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
        LogDestination=f"arn:aws:s3:::{_BUCKET}",
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
    _put(sessions, of, lines, until)
    return until


def put_refused(sessions: Sessions, of: FlowLogOfGroup, changed: datetime) -> datetime:
    """Put what is refused in the hours after a change. Returns until when."""
    start = int(changed.timestamp()) + 60
    lines = [line for at in (0, 900, 1800) for line in of.record(WORKER, (1, 0), start + at, "REJECT")]
    lines += of.record(_SCANNERS[0], (1, 0), start, "REJECT")
    until = changed + timedelta(hours=2)
    _put(sessions, of, lines, until)
    return until


def _put(sessions: Sessions, of: FlowLogOfGroup, lines: Iterable[str], closed: datetime) -> None:
    name = f"{of.account_id}_vpcflowlogs_{of.region}_{of.flow_log_id}_{closed:%Y%m%dT%H%MZ}_0a1b2c3d.log.gz"
    key = f"AWSLogs/{of.account_id}/vpcflowlogs/{of.region}/{closed:%Y/%m/%d}/{name}"
    body = gzip.compress("\n".join((_HEADER, *lines, "")).encode())
    sessions.client("s3", of.account_id, of.region).put_object(Bucket=_BUCKET, Key=key, Body=body)

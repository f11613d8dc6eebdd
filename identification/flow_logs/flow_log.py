"""Flow logs as DescribeFlowLogs tells them: which can be read, and which one tells of an interface.

Pure. EC2 API Reference, "FlowLog"; Amazon VPC User Guide, "Publish flow logs to Amazon S3", for the keys of objects.
Several flow logs may cover one interface: through itself, its subnet and its VPC. Their records are the same traffic
again, so one is used and they are never added.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from identification.flow_logs.evidence import Interface
from identification.flow_logs.records import NEEDED, NEEDS_PYARROW, USEFUL, Columns, FormatError, format_names
from library.aws.partition import partition_of

S3, LOGS = "s3", "cloud-watch-logs"
TYPES_OF_USE = ("ACCEPT", "ALL")
_BUCKET_ARN = re.compile(r"arn:[\w-]+:s3:::(?P<bucket>[\w.-]+)(?:/(?P<prefix>.*))?")
_GROUP_ARN = re.compile(r"arn:[\w-]+:logs:[\w-]+:(?P<account>[0-9]{12}):log-group:(?P<group>[^:*]+)(?::\*)?")
_KEY = re.compile(
    r"(?P<account>[0-9]{12})_vpcflowlogs_(?P<region>[\w-]+?)_(?P<flow_log>fl-\w+)_(?P<time>[0-9]{8}T[0-9]{4})Z_[^/]*"
    r"\.log\.(?P<form>gz|parquet)"
)


@dataclass(frozen=True, slots=True)
class FlowLog:
    """One flow log.

    Attributes:
        resource_id: the interface, subnet or VPC that it covers.
        destination: `s3` or `cloud-watch-logs`.
        bucket: where its objects are; `prefix`: what their keys begin with, with its slash.
        log_group: where its streams are; `log_group_account`: whose it is, empty: the flow log's account.
        traffic_type: `ACCEPT`, `REJECT` or `ALL`.
        names: the fields of its format.
        created: in UTC; None: not told.
        interval: the longest aggregation interval, in seconds.
        problem: why it cannot be read, to follow "flow log fl-… "; empty: it can.
        useful: how many of the useful fields it has.
    """

    flow_log_id: str
    resource_id: str
    destination: str = ""
    bucket: str = ""
    prefix: str = ""
    log_group: str = ""
    log_group_account: str = ""
    traffic_type: str = ""
    names: tuple[str, ...] = ()
    created: datetime | None = None
    interval: int = 600
    problem: str = ""
    useful: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether it is active and delivers somewhere that is read, whatever its type."""
        return not self.problem or self.problem.startswith("is of type")

    @property
    def location(self) -> str:
        """Its bucket or log group, for people."""
        return f"bucket {self.bucket}" if self.destination == S3 else f"log group {self.log_group}"


def parse_flow_log(raw: Mapping[str, Any], *, has_parquet: bool = True, types: Sequence[str] = TYPES_OF_USE) -> FlowLog:
    """Read one element of DescribeFlowLogs' answer. `has_parquet`: whether Parquet can be read here."""
    names = tuple(format_names(str(raw.get("LogFormat") or "")))
    created = raw.get("CreationTime")
    if isinstance(created, datetime):
        created = created.replace(tzinfo=UTC) if created.tzinfo is None else created.astimezone(UTC)
    destination = str(raw.get("LogDestinationType") or LOGS)
    target = str(raw.get("LogDestination") or "")
    bucket, group = _BUCKET_ARN.fullmatch(target), _GROUP_ARN.fullmatch(target)
    prefix = (bucket["prefix"] or "").strip("/") if bucket else ""
    problem = _problem(raw, destination, types, has_parquet=has_parquet)
    useful = 0
    try:
        useful = sum(at is not None for at in Columns.of(names).useful)
    except FormatError as error:
        problem = problem or f"cannot be used: {error}"
    log_group = str(raw.get("LogGroupName") or (group["group"] if group else ""))
    if not problem and not (bucket if destination == S3 else log_group):
        problem = f"has a destination that is not understood: {target:.200}"
    return FlowLog(
        flow_log_id=str(raw.get("FlowLogId") or ""),
        resource_id=str(raw.get("ResourceId") or ""),
        destination=destination,
        bucket=bucket["bucket"] if bucket else "",
        prefix=f"{prefix}/" if prefix else "",
        log_group=log_group,
        log_group_account=group["account"] if group else "",
        traffic_type=str(raw.get("TrafficType") or ""),
        names=names,
        created=created if isinstance(created, datetime) else None,
        interval=int(raw.get("MaxAggregationInterval") or 600),
        problem=problem,
        useful=useful,
    )


def _problem(raw: Mapping[str, Any], destination: str, types: Sequence[str], *, has_parquet: bool) -> str:
    if (status := str(raw.get("FlowLogStatus") or "ACTIVE")) != "ACTIVE":
        return f"is {status:.40}, not ACTIVE"
    if raw.get("DeliverLogsStatus") == "FAILED":
        return f"fails to deliver: {raw.get('DeliverLogsErrorMessage') or 'AWS does not tell why'!s:.200}"
    if raw.get("TrafficType") not in types:
        lacking = "accepted" if "ACCEPT" in types else "refused"
        return f"is of type {raw.get('TrafficType')!s:.20}: it does not tell what was {lacking}"
    if destination not in (S3, LOGS):
        return f"goes to {destination:.60}, which is not read: send it to S3 or CloudWatch Logs"
    options = raw.get("DestinationOptions") or {}
    if destination == S3 and options.get("FileFormat") == "parquet" and not has_parquet:
        return f"writes Parquet, {NEEDS_PYARROW}"
    return ""


def command_for(region: str, interface_ids: Iterable[str]) -> str:
    """The command of the AWS CLI that switches flow logs on for interfaces, with all useful fields.

    It is for a person to run, with a bucket of theirs in it.
    """
    names = ("version", *NEEDED, *USEFUL)
    fields = " ".join(f"${{{name}}}" for name in names)
    return (
        f"aws ec2 create-flow-logs --region {shlex.quote(region)} --resource-type NetworkInterface --resource-ids "
        f"{shlex.join(sorted(interface_ids))} --traffic-type ALL --log-destination-type s3 --log-destination "
        f"arn:{partition_of(region)}:s3:::BUCKET --max-aggregation-interval 60 --log-format '{fields}'"
    )


def covering(interface: Interface, flow_logs: Iterable[FlowLog]) -> list[FlowLog]:
    """The flow logs that cover an interface."""
    resources = {interface.interface_id, interface.subnet_id, interface.vpc_id}
    return [flow_log for flow_log in flow_logs if flow_log.resource_id in resources]


def in_order(flow_logs: Iterable[FlowLog], refused: Collection[str] = ()) -> list[FlowLog]:
    """Those of one interface's flow logs that can be read, the one to use first; those in `refused` cannot."""
    usable = [flow_log for flow_log in flow_logs if not flow_log.problem and flow_log.flow_log_id not in refused]
    return sorted(
        usable,
        key=lambda each: (
            -each.useful,
            each.traffic_type != "ALL",
            each.created or datetime.max.replace(tzinfo=UTC),
            each.flow_log_id,
        ),
    )


def flow_log_of(interface: Interface, flow_logs: Iterable[FlowLog], refused: Collection[str] = ()) -> FlowLog | None:
    """The flow log that tells of an interface; None: none can be read. Those in `refused` cannot."""
    over = covering(interface, flow_logs)
    for flow_log in in_order(over, refused):
        # Two formats with as many fields in the same streams cannot be told apart.
        if not any(len(other.names) == len(flow_log.names) for other in same_streams(flow_log, over)):
            return flow_log
    return None


def not_used(flow_logs: Sequence[FlowLog], chosen: FlowLog | None) -> Iterator[str]:
    """A sentence for each flow log of an interface that is not used."""
    for flow_log in flow_logs:
        if flow_log.problem:
            yield f"Flow log {flow_log.flow_log_id} {flow_log.problem}."
        elif chosen and flow_log.flow_log_id != chosen.flow_log_id:
            yield (
                f"Flow log {flow_log.flow_log_id} is not used: {chosen.flow_log_id} tells of the same interface, and "
                "records are not added."
            )


def same_streams(flow_log: FlowLog, others: Iterable[FlowLog]) -> list[FlowLog]:
    """The other flow logs of an interface that write into the same streams of the same log group."""
    return [
        other
        for other in others
        if flow_log.destination == other.destination == LOGS
        and other.flow_log_id != flow_log.flow_log_id
        and (other.log_group, other.traffic_type) == (flow_log.log_group, flow_log.traffic_type)
        and not other.problem.startswith("is ")
    ]


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What the key of a flow log's object tells.

    Attributes:
        closed: when the object was closed, in UTC: its records end in the five minutes before.
        is_parquet: whether it is Parquet, else plain text.
    """

    closed: datetime
    is_parquet: bool


def day_prefixes(flow_log: FlowLog, account_id: str, region: str, day: date) -> tuple[str, str]:
    """What the keys of a day begin with, without and with Hive's names; hourly partitions are below."""
    return (
        f"{flow_log.prefix}AWSLogs/{account_id}/vpcflowlogs/{region}/{day:%Y/%m/%d}/",
        f"{flow_log.prefix}AWSLogs/aws-account-id={account_id}/aws-service=vpcflowlogs/aws-region={region}/"
        f"year={day:%Y}/month={day:%m}/day={day:%d}/",
    )


def days_of(since: datetime, until: datetime) -> list[date]:
    """The days under which objects of a period are, the last first; late records are under a later day."""
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date() + timedelta(days=1)
    return [last - timedelta(days=back) for back in range((last - first).days + 1)]


def parse_key(key: str, flow_log_id: str, account_id: str, region: str) -> ObjectName | None:
    """Read an object's key; None: it is not one of this flow log's.

    >>> name = "123456789012_vpcflowlogs_us-east-1_fl-0a_20261120T1005Z_5e6f.log.gz"
    >>> parse_key(f"AWSLogs/x/{name}", "fl-0a", "123456789012", "us-east-1").closed.isoformat()
    '2026-11-20T10:05:00+00:00'
    """
    found = _KEY.fullmatch(key.rpartition("/")[2])
    if found is None or (found["flow_log"], found["account"], found["region"]) != (flow_log_id, account_id, region):
        return None
    try:
        closed = datetime.strptime(found["time"], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return ObjectName(closed, found["form"] == "parquet")

"""Reading flow logs: objects in S3 and streams in CloudWatch Logs, as parts that are each read once.

A part is an object, or one hour of a log group's streams. `S3Parts` and `LogsParts` list the parts of a flow log in a
period, the newest first, and read one: only lines of the wanted interfaces become records. `FlowLogReading` goes
through the parts for all issues that need them, within the run's budget; a part that could not be read as a whole adds
nothing, is named, and is tried again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from identification.flow_logs.evidence import HOUR, Evidence, Interface
from identification.flow_logs.evidence_store import Kept, unit_of
from identification.flow_logs.flow_log import S3, FlowLog, day_prefixes, days_of, parse_key
from identification.flow_logs.records import (
    LOG_STATUSES,
    Columns,
    FlowRecord,
    FormatError,
    OnBadLine,
    OnRecord,
    Wanted,
    packed_address,
    parse_line,
    read_parquet_object,
    read_text_object,
)
from library.aws.failures import ACCESS_DENIED, AWS_ERRORS, chunks, error_code, explain
from library.aws.session import Sessions
from library.documents.text import counted
from library.errors import HammerError
from library.network.addresses import parse_network
from library.network.intervals import EMPTY
from library.security_groups.users import is_attached

if TYPE_CHECKING:
    from collections.abc import Collection

MEGABYTE = 1_000_000
_OBJECTS_LISTED = 50_000  # of one flow log in one run; the newest
_UNITS_KEPT = 100_000
_PARQUET_OBJECT = 200 * MEGABYTE  # it is in memory at once; AWS closes a file at 75 MB
_STREAM_SUFFIXES = ("-all", "-accept", "-reject")
_STREAMS_A_CALL = 100  # FilterLogEvents, logStreamNames
_SETTLED_AFTER = 24  # hours: until then an hour of a log group may still get events
_DELIVERED_AFTER = 15 * 60  # most of them come until then: intervals of ten minutes, and five to deliver them
_BEFORE_CLOSING = 15 * 60  # an object holds what ended in five minutes, and that began up to ten minutes earlier
_ENTRIES_IN_MEMORY = 150_000
_DENIED = ACCESS_DENIED | {"403", "AllAccessDisabled"}
_OF_ANOTHER_CLASS = {"InvalidOperationException", "ValidationException"}  # FilterLogEvents is for class STANDARD alone

T = TypeVar("T")


class RefusedError(HammerError):
    """A bucket or log group refused, or is not there. Its text names it and says why."""


class LimitReachedError(HammerError):
    """The run has read as much as `usage.limit_mb` allows."""


@dataclass(slots=True)
class Budget:
    """How many stored bytes the run may still read, or an account, a region of it.

    Attributes:
        whole: of what it is a share; None: it is the run's.
        has_read: whether a part was read as a whole. The first may exceed the share, or a share that is smaller than
            any object would never read one.
        is_short: whether something was not read for want of it.
        most: what the run may read.
    """

    left: int
    whole: Budget | None = None
    has_read: bool = False
    is_short: bool = False
    most: int = field(init=False)

    def __post_init__(self) -> None:
        self.most = self.whole.most if self.whole else self.left

    def share(self, among: int) -> Budget:
        """A part for one of so many; what it does not need is to be given back: `left += share.left`."""
        share = Budget(self.left // among, self)
        self.left -= share.left
        return share

    def take(self, size: int) -> None:
        """Count bytes that are read. Raises LimitReachedError, and counts nothing, if there are not as many left."""
        if size > self.left and (self.has_read or not self._borrow(size - self.left)):
            self.is_short = True
            raise LimitReachedError("usage.limit_mb is reached")
        self.left -= size

    def _borrow(self, size: int) -> bool:
        whole = self.whole
        if whole is None or (size > whole.left and not whole._borrow(size - whole.left)):
            return False
        whole.left -= size
        self.left += size
        return True


class Access:
    """Clients that read the logs of an account: its own credentials first, then a reader role.

    `reader_roles` are ARNs, by bucket name or log group's account. An empty `external_id` is none. `sessions` give the
    clients of the account's own credentials.
    """

    def __init__(
        self, sessions: Sessions, account_id: str, region: str, reader_roles: Mapping[str, str], external_id: str
    ) -> None:
        self.sessions = sessions
        self.account_id, self.region = account_id, region
        self._roles = reader_roles
        self._external_id = external_id
        self._with_role: dict[str, Sessions] = {}

    def call(self, service: str, holder: str, work: Callable[[Any], T]) -> T:
        """Do something with a client of `s3` or `logs` that may read what a bucket or a log group's account holds.

        `work` is called again, with another client, if the first one is refused.

        Raises:
            ClientError, BotoCoreError: what the last client met.
        """
        try:
            return work(self.sessions.client(service, self.account_id, self.region))
        except ClientError as error:
            if holder not in self._roles or error_code(error) not in _DENIED | {"ResourceNotFoundException"}:
                raise
        return self.by_role(service, holder, work)

    def has_role(self, holder: str) -> bool:
        """Whether there is a reader role for a bucket, or a log group's account."""
        return holder in self._roles

    def by_role(self, service: str, holder: str, work: Callable[[Any], T]) -> T:
        """Do something with the client of the reader role. Raises what that meets."""
        return work(self._reader(holder).client(service, self._roles[holder].split(":")[4], self.region))

    def _reader(self, holder: str) -> Sessions:
        role = self._roles[holder]
        if role not in self._with_role:
            name = role.partition(":role/")[2]
            # No account counts as the main one here: the role is assumed also where it is the main account's.
            self._with_role[role] = Sessions("", self.region, name, self._external_id)
        return self._with_role[role]


@dataclass(frozen=True, slots=True)
class Part:
    """An object, or an hour of a log group.

    Attributes:
        unit: the number by which it is remembered.
        at: when it ends, in seconds since 1970.
        size: its stored bytes; 0: they are counted as they are read.
        key: the object's key.
        is_settled: whether nothing can be added to it any more.
    """

    unit: int
    at: int
    size: int = 0
    key: str = ""
    is_parquet: bool = False
    is_settled: bool = True

    @property
    def hours(self) -> range:
        """The hours in which records of it may start."""
        if not self.key:
            return range(self.unit, self.unit + 1)
        return range((self.at - _BEFORE_CLOSING) // HOUR, max(self.at - 1, 0) // HOUR + 1)

    @property
    def name(self) -> str:
        """What people call it."""
        return (
            self.key.rpartition("/")[2]
            if self.key
            else f"{datetime.fromtimestamp(self.unit * HOUR, UTC):%Y-%m-%d %H:00}"
        )


class S3Parts:
    """The objects of a flow log."""

    def __init__(self, access: Access, flow_log: FlowLog) -> None:
        self._access, self._flow_log = access, flow_log
        self.note = ""

    def listed(self, since: datetime, until: datetime, interface_ids: Collection[str]) -> list[Part]:
        """The objects of a period, the newest first.

        Raises:
            RefusedError: the bucket refuses, or is not there.
        """
        del interface_ids  # an object is about all interfaces of the flow log
        parts: dict[str, Part] = {}
        floor = int(since.timestamp()) // HOUR * HOUR
        for day in days_of(since, until):
            if len(parts) > _OBJECTS_LISTED:
                self.note = f"There are more than {_OBJECTS_LISTED:,} objects of flow log {self._flow_log.flow_log_id}."
                break
            for prefix in day_prefixes(self._flow_log, self._access.account_id, self._access.region, day):
                for key, size in self._keys(prefix):
                    name = parse_key(key, self._flow_log.flow_log_id, self._access.account_id, self._access.region)
                    if name and (closed := int(name.closed.timestamp())) >= floor:
                        parts[key] = Part(unit_of(key), closed, size, key, name.is_parquet)
        return sorted(parts.values(), key=lambda part: (part.at, part.key), reverse=True)

    def _keys(self, prefix: str) -> list[tuple[str, int]]:
        bucket = self._flow_log.bucket

        def keys(client: Any) -> list[tuple[str, int]]:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [(found["Key"], int(found["Size"])) for page in pages for found in page.get("Contents", ())]

        try:
            return self._access.call("s3", bucket, keys)
        except AWS_ERRORS as error:
            raise RefusedError(f"bucket {bucket} cannot be listed: {explain(error)}") from error

    def read(self, part: Part, wanted: Wanted, budget: Budget, on_record: OnRecord, on_bad_line: OnBadLine) -> None:
        """Read an object.

        Raises:
            RefusedError: the bucket refuses.
            LimitReachedError: the budget is used up.
            FormatError: the object cannot be read, or not as a whole.
        """
        bucket = self._flow_log.bucket
        if not part.size:
            raise FormatError("it is empty")
        budget.take(part.size)
        try:
            answer = self._access.call("s3", bucket, lambda client: client.get_object(Bucket=bucket, Key=part.key))
            if part.is_parquet:
                if part.size > _PARQUET_OBJECT:
                    raise FormatError(f"it has more than {_PARQUET_OBJECT // MEGABYTE} MB of Parquet")
                read_parquet_object(answer["Body"].read(), wanted, on_record, on_bad_line)
            else:
                read_text_object(answer["Body"], wanted, on_record, on_bad_line)
        except ClientError as error:
            budget.left += part.size
            if error_code(error) in _DENIED:
                raise RefusedError(f"bucket {bucket} refuses its objects: {explain(error)}") from error
            raise FormatError(explain(error)) from error
        except AWS_ERRORS as error:
            raise FormatError(f"it could not be read as a whole: {explain(error)}") from error


class LogsParts:
    """The hours of a flow log's streams in CloudWatch Logs.

    `others` are flow logs that write into the same streams.
    """

    def __init__(self, access: Access, flow_log: FlowLog, others: Sequence[FlowLog], now: datetime) -> None:
        self._access, self._flow_log = access, flow_log
        self._holder = flow_log.log_group_account or access.account_id
        self._columns = Columns.of(flow_log.names)
        # Lines of another flow log in the same stream are told by how many values they have.
        self._other_lengths = {len(other.names) for other in others} - {len(flow_log.names)}
        self._streams: dict[str, list[str]] = {}  # by interface
        self._now = now
        self.note = ""

    def listed(self, since: datetime, until: datetime, interface_ids: Collection[str]) -> list[Part]:
        """The hours of a period, the newest first, where there is a stream of the interfaces.

        Raises:
            RefusedError: the log group refuses, or is not there.
        """
        self._streams = {each: self._streams_of(each) for each in sorted(interface_ids)}
        first, last = int(since.timestamp()) // HOUR, int(until.timestamp()) // HOUR
        settled = int(self._now.timestamp()) // HOUR - _SETTLED_AFTER
        return [Part(hour, (hour + 1) * HOUR, is_settled=hour < settled) for hour in range(last, first - 1, -1)]

    def _streams_of(self, interface_id: str) -> list[str]:
        group, suffix = self._flow_log.log_group, f"-{self._flow_log.traffic_type.lower()}"

        def names(client: Any) -> list[str]:
            pages = client.get_paginator("describe_log_streams").paginate(
                logGroupName=group, logStreamNamePrefix=interface_id
            )
            return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

        try:
            found = self._access.call("logs", self._holder, names)
            if not found and self._holder != self._access.account_id and self._access.has_role(self._holder):
                # The account has a group of the same name itself, in which there is nothing.
                found = self._access.by_role("logs", self._holder, names)
        except AWS_ERRORS as error:
            raise RefusedError(f"log group {group} cannot be read: {explain(error)}") from error
        own = [name for name in found if name == interface_id or name.startswith(f"{interface_id}-")]
        # Some have no suffix; another type's stream is another flow log's.
        plain = [name for name in own if not name.endswith(_STREAM_SUFFIXES)]
        return [name for name in own if name.endswith(suffix)] or plain

    def read(self, part: Part, wanted: Wanted, budget: Budget, on_record: OnRecord, on_bad_line: OnBadLine) -> None:
        """Read an hour. Raises as `S3Parts.read` does."""
        streams = [name for each in sorted(wanted.ids) for name in self._streams[each]]
        # A flow log that was there before, with another format, may have written into the same streams.
        created = int(self._flow_log.created.timestamp()) if self._flow_log.created else 0

        def hour(client: Any, some: Sequence[str]) -> None:
            is_begun = False
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=self._flow_log.log_group,
                logStreamNames=list(some),
                startTime=max(part.unit * HOUR, created) * 1000,
                endTime=(part.unit + 1) * HOUR * 1000 - 1,
            )
            try:
                for page in pages:
                    is_begun = True
                    messages = [event["message"] for event in page.get("events", ())]
                    budget.take(sum(len(message.encode()) for message in messages))
                    for message in messages:
                        self._read_message(message, wanted, on_record, on_bad_line)
            except ClientError as error:
                if is_begun:  # another client would begin anew, and what was read would count twice
                    raise self._failure(error) from error
                raise

        try:
            for some in chunks(streams, _STREAMS_A_CALL):
                self._access.call("logs", self._holder, partial(hour, some=some))
        except AWS_ERRORS as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> RefusedError | FormatError:
        """What it means for an hour that a call failed."""
        if error_code(error) in _DENIED | _OF_ANOTHER_CLASS:
            return RefusedError(f"log group {self._flow_log.log_group} refuses: {explain(error)}")
        return FormatError(explain(error))

    def _read_message(self, message: str, wanted: Wanted, on_record: OnRecord, on_bad_line: OnBadLine) -> None:
        values = message.split()
        # Also that of one that is deleted by now, and that DescribeFlowLogs does not show: its lines are whole.
        is_whole = len(values) in self._other_lengths or not LOG_STATUSES.isdisjoint(values)
        if len(values) != self._columns.count and is_whole:
            return
        try:
            record = parse_line(self._columns, message.encode(), wanted)
        except ValueError:
            on_bad_line(values)
            return
        if record is not None:
            on_record(record)


def is_delivered(hour: int, now: datetime) -> bool:
    """Whether a log group has of an hour, since 1970, what usually comes: if not, it is still to be read."""
    return (hour + 1) * HOUR + _DELIVERED_AFTER <= now.timestamp()


@dataclass(slots=True)
class IssueReading:
    """What one issue needs of a flow log, and what it got.

    Attributes:
        interfaces: by id, those whose records are wanted.
        floor: records that start earlier are not of the period, in seconds since 1970.
        kept: what is kept of the flow log.
        recent: what the hours showed that are read again, because they may not be whole yet.
        former: what the former run had as `recent`: it counts until it is read again.
        seen: the interfaces that have shown something before.
        left: by interface, the hours of which something is still to be read.
    """

    issue_id: str
    interfaces: Mapping[str, Interface]
    floor: int
    kept: Kept
    recent: Kept
    former: Kept = field(default_factory=lambda: Kept.empty(EMPTY))
    seen: frozenset[str] = frozenset()
    left: dict[str, set[int]] = field(default_factory=dict)

    def leave(self, part: Part, interface_ids: Iterable[str]) -> bool:
        """Record that a part is still to be read; returns whether it was not read by the former run either."""
        unread = self.former.unread(part.unit, interface_ids)
        for interface_id in unread:
            self.left.setdefault(interface_id, set()).update(part.hours)
        return bool(unread)


@dataclass(slots=True)
class FlowLogReading:
    """Reads one flow log for all issues that need it.

    Attributes:
        gaps: what could not be read, a sentence each.
        refused: why the bucket or log group refused; empty: it did not.
        parts_left: how many parts are still to be read.
        renew: called before each part: a flow log may take longer than the run's lock lasts.
    """

    flow_log: FlowLog
    source: S3Parts | LogsParts
    readings: Sequence[IssueReading]
    budget: Budget
    renew: Callable[[], None]
    gaps: list[str] = field(default_factory=list)
    refused: str = ""
    parts_left: int = 0
    limit_reached: bool = False
    _unreadable: dict[str, list[str]] = field(default_factory=dict)

    def run(self, since: datetime, until: datetime) -> None:
        """Read what is new in a period, the newest first.

        Raises:
            RefusedError: the flow log's parts cannot even be listed.
        """
        wanted = {interface_id for reading in self.readings for interface_id in reading.interfaces}
        whole = self.budget.left
        parts = self.source.listed(since, until, wanted)
        units = {part.unit for part in parts}
        for reading in self.readings:
            # Of a list that was cut, what was left out may be listed again, and is not to be read twice.
            if not self.source.note or len(reading.kept.units) > _UNITS_KEPT:
                reading.kept.keep_units(units)
        for part in self._in_order(parts):
            needed = self._needed(part)
            if not needed:
                continue
            self.renew()
            if self.limit_reached or self.refused:
                self._leave(part, needed)
                continue
            available = self.budget.left
            try:
                self._read(part, needed)
            except LimitReachedError:
                # A single object above all that a run may read is left alone; the older ones are still read.
                self.limit_reached = not part.size or part.size <= self.budget.most
                self._leave(part, needed)
                if not part.size and available > whole // 2:
                    for reading, _ in needed:
                        reading.kept.mark(part.unit, ())  # begun, and read for nobody
            except RefusedError as error:
                self.refused = str(error)
                self._leave(part, needed)
            except FormatError as error:
                self._unreadable.setdefault(str(error), []).append(part.name)
                for reading, interface_ids in needed:
                    reading.leave(part, interface_ids)
        self._name_what_is_left()

    def _in_order(self, parts: Sequence[Part]) -> list[Part]:
        """What was never read first, then what is read for the last time, then what is read again and again.

        An hour that has more than half of the limit may have more than all of it: what is older comes before it.
        """
        if self.flow_log.destination == S3:
            return list(parts)  # each is read once

        def order(part: Part) -> int:
            if any(reading.former.unread(part.unit, reading.interfaces) for reading in self.readings):
                return 2 if any(reading.kept.units.get(part.unit) == 0 for reading in self.readings) else 0
            return 1 if part.is_settled else 3

        return sorted(parts, key=order)

    def _needed(self, part: Part) -> list[tuple[IssueReading, list[str]]]:
        needed = []
        for reading in self.readings:
            if part.at < reading.floor // HOUR * HOUR:
                continue
            unread = reading.kept.unread(part.unit, reading.interfaces)
            if reading.kept.units.get(part.unit):
                # It was read for others already: an interface that was attached later, and never before, is not in it.
                not_read = reading.former.unread(part.unit, unread)
                attached_later = [
                    each
                    for each in not_read
                    if reading.interfaces[each].attached_at > part.at and each not in reading.seen
                ]
                reading.kept.mark(part.unit, attached_later)
                unread = [each for each in unread if each not in attached_later]
            if unread:
                needed.append((reading, unread))
        return needed

    def _read(self, part: Part, needed: Sequence[tuple[IssueReading, list[str]]]) -> None:
        targets: dict[str, list[tuple[Evidence, Interface, int, int]]] = {}
        scratches: list[tuple[IssueReading, list[str], Evidence]] = []
        for reading, interface_ids in needed:
            kept = reading.kept if part.is_settled else reading.recent
            scratch = kept.evidence.blank()
            scratches.append((reading, interface_ids, scratch))
            for each in interface_ids:
                targets.setdefault(each, []).append(
                    (scratch, reading.interfaces[each], scratch.number(each), reading.floor)
                )

        def on_record(record: FlowRecord) -> None:
            for evidence, interface, number, floor in targets[record.interface_id]:
                if record.start >= floor:
                    evidence.add(record, interface, number)

        def on_bad_line(values: Sequence[str]) -> None:
            for each in targets.keys() & set(values):
                for evidence, _, _, _ in targets[each]:
                    evidence.add_bad_line(part.hours[-1])

        self.source.read(part, Wanted(targets.keys()), self.budget, on_record, on_bad_line)
        for reading, interface_ids, scratch in scratches:
            kept = reading.kept if part.is_settled else reading.recent
            kept.evidence.merge(scratch)
            kept.mark(part.unit, interface_ids)
        self.budget.has_read = True
        self._bound()

    def _bound(self) -> None:
        """Keep memory bounded: all issues of the flow log are in it at once."""
        share = min(1.0, 1.5 / len(self.readings))
        # Other peers matter least: connections are added up only where that is not enough.
        for fold in (Evidence.fold_others, Evidence.fold):
            if sum(len(reading.kept.evidence.entries) for reading in self.readings) > _ENTRIES_IN_MEMORY:
                for reading in self.readings:
                    fold(reading.kept.evidence, share)

    def _leave(self, part: Part, needed: Sequence[tuple[IssueReading, list[str]]]) -> None:
        is_left = [reading.leave(part, interface_ids) for reading, interface_ids in needed]
        self.parts_left += any(is_left)

    def _name_what_is_left(self) -> None:
        if self.source.note:
            self.gaps.append(self.source.note)
        for reason, names in self._unreadable.items():
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            self.gaps.append(f"{names[0]}{more} of flow log {self.flow_log.flow_log_id} could not be read: {reason}.")
        if self.parts_left and not self.refused:
            noun = "object" if self.flow_log.destination == S3 else "hour"
            self.gaps.append(
                f"{counted(self.parts_left, noun)} of flow log {self.flow_log.flow_log_id} "
                f"{'is' if self.parts_left == 1 else 'are'} left for the next run: usage.limit_mb is reached."
            )


def interfaces_of(client: Any, group_ids: Sequence[str]) -> Iterator[Interface]:
    """The attached network interfaces that have one of the groups.

    Raises:
        ClientError, BotoCoreError: they could not be read.
    """
    seen: set[str] = set()
    for some in chunks(group_ids, 200):
        for page in client.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "group-id", "Values": list(some)}]
        ):
            for raw in page["NetworkInterfaces"]:
                interface = parse_interface(raw)
                if interface is not None and interface.interface_id not in seen:
                    seen.add(interface.interface_id)
                    yield interface


def parse_interface(raw: Mapping[str, Any]) -> Interface | None:
    """Read an element of DescribeNetworkInterfaces' answer; None: it is not attached."""
    if not is_attached(raw):
        return None
    texts = [raw.get("PrivateIpAddress")]
    texts += [each.get("PrivateIpAddress") for each in raw.get("PrivateIpAddresses", ())]
    texts += [each.get("Ipv6Address") for each in raw.get("Ipv6Addresses", ())]
    addresses = set()
    for text in filter(None, texts):
        try:
            addresses.add(packed_address(text))
        except ValueError:
            continue
    attached_at = (raw.get("Attachment") or {}).get("AttachTime")
    return Interface(
        raw["NetworkInterfaceId"],
        raw.get("SubnetId", ""),
        raw.get("VpcId", ""),
        frozenset(addresses),
        tuple(group["GroupId"] for group in raw.get("Groups", ())),
        int(attached_at.timestamp()) if isinstance(attached_at, datetime) else 0,
        tuple(_delegated(raw)),
    )


def _delegated(raw: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """The first and the last address of each prefix that is delegated to an interface, packed."""
    texts = [each.get("Ipv4Prefix") for each in raw.get("Ipv4Prefixes", ())]
    texts += [each.get("Ipv6Prefix") for each in raw.get("Ipv6Prefixes", ())]
    for text in filter(None, texts):
        with suppress(ValueError):
            network = parse_network(text)
            size = 4 if network.version == 4 else 16
            yield network.first.to_bytes(size), network.last.to_bytes(size)


def flow_logs_of(client: Any, resource_ids: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """The flow logs of interfaces, subnets and VPCs, as DescribeFlowLogs tells them.

    Raises:
        ClientError, BotoCoreError: they could not be read.
    """
    for some in chunks(sorted(resource_ids), 200):
        for page in client.get_paginator("describe_flow_logs").paginate(
            Filter=[{"Name": "resource-id", "Values": list(some)}]
        ):
            yield from page["FlowLogs"]

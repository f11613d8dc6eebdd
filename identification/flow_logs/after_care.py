"""After-care: who worked through a rule and is refused since remediation closed it.

For `usage.after_care_days` after a change the refused records of the group's interfaces are read, by a flow log of type
ALL or REJECT, and kept apart from those of open issues. Who is admitted where it was refused was not cut off by the
change: a network ACL refuses too. `refused_workers` is pure; `watch` reads and stores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

from identification.flow_logs.classify import Admission, admissions
from identification.flow_logs.evidence import HOUR, Interface, RefusedPort, axis_of
from identification.flow_logs.evidence_store import Kept, KeptEvidence
from identification.flow_logs.flow_log import S3, FlowLog, covering, flow_log_of, parse_flow_log, same_streams
from identification.flow_logs.read import (
    Access,
    Budget,
    FlowLogReading,
    IssueReading,
    LogsParts,
    RefusedError,
    S3Parts,
    flow_logs_of,
    interfaces_of,
)
from identification.flow_logs.records import packed_address, parquet_is_installed
from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE
from library.aws.ec2 import PrefixListReader, read_security_groups
from library.aws.failures import AWS_ERRORS, explain
from library.documents.text import and_more
from library.issues.after_care import ITEM_PREFIX, AfterCare, RefusedSource
from library.issues.use import SourceClass
from library.network.intervals import IntervalSet
from library.network.ports import traffic_name, traffic_of

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.aws.conditional_writes import Items
    from library.issues.issue import Issue
    from library.issues.use import Use

KEPT_SUFFIX = "+after"  # beside a flow log's evidence for open issues
TYPES = ("ALL", "REJECT")
_RECORDS = 3  # without TCP flags: so many, in so many intervals, are attempts and no late packets
_INTERVALS = 2
_TCP = 6
_GROUPS_NAMED = 3
KEPT_FOR = timedelta(days=30)


def refused_workers(
    use: Use | None, ports: Iterable[RefusedPort], interval: int, *, has_tcp_flags: bool
) -> tuple[RefusedSource, ...]:
    """The sources that were working and are refused on ports of the rules that they worked through, the latest first.

    `use` is the issue's from before the change, `interval` in seconds. Where the flow log tells TCP flags, only SYN
    without ACK counts.
    """
    workers: dict[bytes, list[IntervalSet]] = {}
    for rule in use.rules if use else ():
        traffic = traffic_of(rule.protocol, rule.from_port, rule.to_port)
        for source in rule.sources:
            if source.source_class is SourceClass.WORKING:
                workers.setdefault(packed_address(source.source), []).append(traffic)
    together: dict[tuple[bytes, int], list[RefusedPort]] = {}  # on all interfaces: a name may lead to several
    for port in ports:
        axis = axis_of(port.protocol, port.port)
        if any(axis in traffic for traffic in workers.get(port.source, ())):
            together.setdefault((port.source, axis), []).append(port)
    found: list[RefusedSource] = []
    for (worker, axis), parts in together.items():
        by_flags = has_tcp_flags and parts[0].protocol == _TCP
        records = sum(part.with_syn if by_flags else part.records for part in parts)
        slots = {minute * 60 // max(interval, 60) for part in parts for minute in part.minutes}
        if not (records if by_flags else records >= _RECORDS and len(slots) >= _INTERVALS):
            continue
        found.append(
            RefusedSource(
                str(ip_address(worker)),
                traffic_name(axis),
                records,
                datetime.fromtimestamp(min(part.first for part in parts), UTC),
                datetime.fromtimestamp(max(part.last for part in parts), UTC),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.last, each.source), reverse=True))


def watch(
    access: Access, items: Items, issues: Sequence[Issue], now: datetime, budget: Budget, renew: Callable[[], None]
) -> tuple[list[str], list[str]]:
    """Read what is refused since remediation changed the groups of these issues, and keep whom it cut off.

    The issues are of the account and region of `access`, each with its use from before the change, and
    `timestamps.remediated`. `renew` is called before each part is read.

    Returns:
        What refused, and what else could not be read or is left, one line each.
    """
    account_id, region = access.account_id, access.region
    client = access.sessions.client("ec2", account_id, region)
    try:
        interfaces = list(interfaces_of(client, [issue.issue_id for issue in issues]))
        resources = {name for each in interfaces for name in (each.interface_id, each.subnet_id, each.vpc_id) if name}
        has_parquet = parquet_is_installed()
        flow_logs = [
            parse_flow_log(raw, has_parquet=has_parquet, types=TYPES)
            for raw in (flow_logs_of(client, resources) if resources else ())
        ]
        admitting = _admitting(client, {group_id for each in interfaces for group_id in each.group_ids})
    except AWS_ERRORS as error:
        return [f"{account_id} {region}: {explain(error, access.sessions.role_arn(account_id))}"], []
    care = _Watch(access, items, issues, flow_logs, now, budget, renew)
    own_of = {issue.issue_id: [each for each in interfaces if issue.issue_id in each.group_ids] for issue in issues}
    for issue, ports_of in zip(issues, care.refused_ports(own_of), strict=True):
        refused: list[RefusedSource] = []
        known: set[str] = set()  # also who is admitted now: whom the last run kept may be among them
        for flow_log, ports in ports_of.items():
            has_tcp_flags = "tcp-flags" in flow_log.names
            workers = partial(refused_workers, issue.use, interval=flow_log.interval, has_tcp_flags=has_tcp_flags)
            known.update(each.name for each in workers(ports))
            refused += workers(_not_admitted(ports, issue.issue_id, own_of[issue.issue_id], admitting))
        if known and issue.timestamps.remediated:
            before = _found_before(items, issue, issue.timestamps.remediated, known)
            refused += _still_cut_off(before, issue.issue_id, own_of[issue.issue_id], admitting)
            found = AfterCare(issue.issue_id, issue.timestamps.remediated, tuple(refused))
            lasting = {TIME_TO_LIVE_ATTRIBUTE: int((now + KEPT_FOR).timestamp())}
            items.update(account_id, f"{ITEM_PREFIX}{issue.issue_id}", found.to_item() | lasting)
    problems = (f"{account_id} {region}: flow log {name}: {reason}" for name, reason in care.refusing.items())
    return list(problems), list(dict.fromkeys(care.gaps))


@dataclass(slots=True)
class _Watch:
    """Reads what is refused, of one account and region.

    Attributes:
        refusing: the flow logs of which a bucket or log group refused, each with why.
        gaps: what else was not read, a sentence each.
    """

    access: Access
    items: Items
    issues: Sequence[Issue]
    flow_logs: Sequence[FlowLog]
    now: datetime
    budget: Budget
    renew: Callable[[], None]
    refusing: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    def refused_ports(self, own_of: Mapping[str, Sequence[Interface]]) -> list[dict[FlowLog, tuple[RefusedPort, ...]]]:
        """All that was refused since the changes, of each issue by flow log; where one refuses, the next one tells.

        `own_of` are the interfaces of each issue, by its id. Each flow log is read once for all issues.
        """
        found: dict[str, dict[FlowLog, tuple[RefusedPort, ...]]] = {issue.issue_id: {} for issue in self.issues}
        read: dict[FlowLog, dict[str, list[Interface]]] = {}
        while waiting := [each for each in self._used(own_of).items() if read.get(each[0]) != each[1]]:
            for flow_log, wanted in waiting:
                try:
                    for issue_id, ports in self._read(flow_log, wanted):
                        found[issue_id][flow_log] = ports
                    read[flow_log] = wanted
                except RefusedError as error:
                    self.refusing[flow_log.flow_log_id] = str(error)
        return [found[issue.issue_id] for issue in self.issues]

    def _used(self, own_of: Mapping[str, Sequence[Interface]]) -> dict[FlowLog, dict[str, list[Interface]]]:
        """The flow logs that tell of the interfaces, with these, by issue."""
        used: dict[FlowLog, dict[str, list[Interface]]] = {}
        for issue_id, interfaces in own_of.items():
            for interface in interfaces:
                if (flow_log := flow_log_of(interface, self.flow_logs, self.refusing)) is not None:
                    used.setdefault(flow_log, {}).setdefault(issue_id, []).append(interface)
        return used

    def _read(
        self, flow_log: FlowLog, wanted: Mapping[str, Sequence[Interface]]
    ) -> list[tuple[str, tuple[RefusedPort, ...]]]:
        """Read what is new in a flow log; returns all that it showed as refused since the changes, by issue."""
        store, name = KeptEvidence(self.items), f"{flow_log.flow_log_id}{KEPT_SUFFIX}"
        account_id = self.access.account_id
        changes = {issue.issue_id: changed for issue in self.issues if (changed := issue.timestamps.remediated)}
        readings = [
            _reading(store, name, issue, wanted[issue.issue_id]) for issue in self.issues if issue.issue_id in wanted
        ]
        over = [each for own in wanted.values() for interface in own for each in covering(interface, self.flow_logs)]
        source = (
            S3Parts(self.access, flow_log)
            if flow_log.destination == S3
            else LogsParts(self.access, flow_log, same_streams(flow_log, over), self.now)
        )
        first = min(changes[issue_id] for issue_id in wanted)
        run = FlowLogReading(flow_log, source, readings, self.budget, self.renew)
        run.run(max(first, flow_log.created or first), self.now)
        found: list[tuple[str, tuple[RefusedPort, ...]]] = []
        for reading in readings:
            self.renew()  # else a run that stalled in its last part would undo what the next one kept
            store.save(account_id, reading.issue_id, name, reading.kept, self.now + KEPT_FOR)
            together = reading.kept.evidence
            together.merge(reading.recent.evidence)
            first_hour = int(changes[reading.issue_id].timestamp()) // HOUR
            ports = together.refused_ports(first_hour, int(self.now.timestamp()) // HOUR)
            found.append((reading.issue_id, tuple(ports)))
        groups = f"{and_more(sorted(wanted), _GROUPS_NAMED)} in {account_id}, {self.access.region}"
        self.gaps += (f"after the change of {groups}: {gap}" for gap in run.gaps)
        if run.refused:
            raise RefusedError(run.refused)
        return found


def _reading(store: KeptEvidence, name: str, issue: Issue, interfaces: Sequence[Interface]) -> IssueReading:
    """What an issue that was changed needs of a flow log, with what is kept of it under a name."""
    changed, use = issue.timestamps.remediated, issue.use
    scope = _traffic_of_rules(use) if use else IntervalSet()
    floor = -int(-changed.timestamp() // 1) if changed else 0
    kept = store.of_issue(issue.account_id, issue.issue_id).get(name)
    if kept is None or not kept.evidence.scope.covers(scope) or _is_of_earlier_change(kept, floor):
        kept = Kept.empty(scope)
    kept.evidence.prune(floor // HOUR)
    by_id = {each.interface_id: each for each in interfaces}
    return IssueReading(issue.issue_id, by_id, floor, kept, Kept.empty(kept.evidence.scope))


def _is_of_earlier_change(kept: Kept, floor: int) -> bool:
    """Whether it has what was refused before the change, in the same hour: that cannot be taken out of the sums."""
    hour = floor // HOUR
    return any(port.first < floor for port in kept.evidence.refused_ports(hour, hour))


def _not_admitted(
    ports: Iterable[RefusedPort],
    group_id: str,
    interfaces: Iterable[Interface],
    admitting: Mapping[str, Sequence[Admission]],
) -> Iterator[RefusedPort]:
    """The refused attempts that no group of the interface admits now. An interface that is gone had the group alone."""
    groups_of = {each.interface_id: each.group_ids for each in interfaces}
    for port in ports:
        axis = axis_of(port.protocol, port.port)
        group_ids = groups_of.get(port.interface_id, (group_id,))
        if not any(each.takes(axis, port.source) for name in group_ids for each in admitting.get(name, ())):
            yield port


def _found_before(items: Items, issue: Issue, changed: datetime, known: Collection[str]) -> list[RefusedSource]:
    """Whom earlier runs found since a change in flow logs that are not read any more. `known`: who is found now."""
    care = AfterCare.from_item(items.get(issue.account_id, f"{ITEM_PREFIX}{issue.issue_id}") or {})
    return [each for each in care.sources if each.name not in known] if care and care.changed == changed else []


def _still_cut_off(
    sources: Iterable[RefusedSource],
    group_id: str,
    interfaces: Sequence[Interface],
    admitting: Mapping[str, Sequence[Admission]],
) -> Iterator[RefusedSource]:
    """Those whom no group that all of the interfaces have admits now. On which of them they were, is not kept."""
    of_all = {group_id}.union(*(each.group_ids for each in interfaces))
    for each in interfaces:
        of_all &= {group_id, *each.group_ids}
    admissions_now = [each for name in of_all for each in admitting.get(name, ())]
    for source in sources:
        protocol, _, port = source.port.removeprefix("protocol ").partition("/")
        try:
            number = int(port) if port else None
            axis, address = traffic_of(protocol, number, number).spans[0][0], packed_address(source.source)
        except (IndexError, ValueError):
            continue  # nobody whom this job wrote
        if not any(each.takes(axis, address) for each in admissions_now):
            yield source


def _admitting(client: EC2Client, group_ids: Collection[str]) -> dict[str, tuple[Admission, ...]]:
    """What groups admit now, by their ids: whom they admit, the change did not cut off, or not any more."""
    if not group_ids:
        return {}
    groups = [group for page in read_security_groups(client, sorted(group_ids)) for group in page.groups]
    lists = PrefixListReader(client)
    lists.read(rule.prefix_list_id for group in groups for rule in group.ingress if rule.prefix_list_id)
    return {group.group_id: tuple(admissions(group, {}, lists.entries)) for group in groups}


def _traffic_of_rules(use: Use) -> IntervalSet:
    """The traffic of all rules of a use."""
    return IntervalSet.union(traffic_of(rule.protocol, rule.from_port, rule.to_port) for rule in use.rules)

"""One run of the job `usage`: reads flow logs for open issues and stores what they show.

Account by account: in each region the interfaces of the groups of open issues, the flow logs that cover them, and what
is new in each flow log (`identification.flow_logs.read`); then, with what all regions of the account showed, the use of
each issue (`identification.flow_logs.classify`), which is written on its occurrence alone. What could not be read is
named and stops nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from identification.flow_logs.after_care import KEPT_FOR, KEPT_SUFFIX, TYPES, watch
from identification.flow_logs.classify import (
    GONE,
    Admission,
    Read,
    RuleCountForecast,
    UsageCase,
    WideSources,
    admissions,
    judge,
    without_sources,
)
from identification.flow_logs.evidence import HOUR, Evidence, Interface
from identification.flow_logs.evidence_store import Kept, KeptEvidence
from identification.flow_logs.flow_log import (
    LOGS,
    S3,
    FlowLog,
    covering,
    flow_log_of,
    not_used,
    parse_flow_log,
    same_streams,
)
from identification.flow_logs.read import (
    MEGABYTE,
    Access,
    Budget,
    FlowLogReading,
    IssueReading,
    LogsParts,
    RefusedError,
    S3Parts,
    flow_logs_of,
    interfaces_of,
    is_delivered,
)
from identification.flow_logs.records import parquet_is_installed
from library.aws.conditional_writes import TIME_TO_LIVE_ATTRIBUTE
from library.aws.ec2 import PrefixListReader, prefix_list_weights, read_security_groups
from library.aws.failures import AWS_ERRORS, error_code, explain
from library.aws.issue_table import IssueTable, UnreadableIssueError, read_issue
from library.errors import ConflictError, HammerError
from library.issues.after_care import ITEM_PREFIX, NO_FLOW_LOGS_AT_HAND, changed_last
from library.issues.issue import USE_BEFORE, Issue, Status
from library.issues.schedule import kept_open
from library.issues.times import format_time, parse_time
from library.issues.use import SourceClass, Use
from library.network.addresses import PUBLIC
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import traffic_of
from library.security_groups.exemptions import applying
from library.security_groups.exposure import Evaluator
from library.security_groups.group import RuleKey, is_prefix_list, rule_key
from library.security_groups.replacement import carved_ports, replace_rules

if TYPE_CHECKING:
    from library.aws.session import Sessions
    from library.config import Configuration
    from library.security_groups.exemptions import Exemption
    from library.security_groups.exposure import Evaluation, Exposure, PrefixLists
    from library.security_groups.group import IngressRule, SecurityGroup

_log = logging.getLogger(__name__)
_RECENT = "+recent"  # beside a flow log's evidence: that of hours that are read again
_KEPT_LONGER = timedelta(days=2)
_ITEM_TOO_LARGE = "ValidationException"


@dataclass(slots=True)
class _Subject:
    """One open issue, and what the run found out for it."""

    issue: Issue
    since: datetime
    attached: tuple[Interface, ...] = ()
    interfaces_known: bool = False
    used: dict[str, set[str]] = field(default_factory=dict)  # interfaces by the flow log that tells of them
    left: dict[str, set[int]] = field(default_factory=dict)
    staying: dict[str, tuple[Admission, ...]] = field(default_factory=dict)
    forecast: RuleCountForecast = field(default_factory=RuleCountForecast)
    unusable: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    is_left: bool = False  # usage.limit_mb was reached

    @property
    def scope(self) -> IntervalSet:
        perms = self.issue.details.perms
        return IntervalSet.union(traffic_of(perm.protocol, perm.from_port, perm.to_port) for perm in perms)

    @property
    def floor(self) -> int:
        return int(self.since.timestamp())


@dataclass(slots=True)
class UsageRun:
    """A run.

    Attributes:
        problems: what could not be done, one line each.
        gaps: what was not read of what followed a change, one line each.
        written: the issues whose use was written, with it.
        without_flow_log: by region, the interfaces that no flow log covers.
    """

    sessions: Sessions
    table: IssueTable
    config: Configuration
    now: datetime
    renew: Callable[[], None]
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    written: list[tuple[Issue, Use]] = field(default_factory=list)
    without_flow_log: dict[str, set[str]] = field(default_factory=dict)
    _not_remembered: set[str] = field(default_factory=set)

    def run(self, accounts: Sequence[str], takes: Callable[[Issue], bool]) -> None:
        """Read flow logs for the open issues of these accounts that are selected, and store their use."""
        budget = Budget(self.config.usage.limit_mb * MEGABYTE)
        issues = {account_id: self._issues(account_id, Status.OPEN) for account_id in _rotated(accounts, self.now)}
        waiting = sum(any(map(takes, found)) for found in issues.values())
        for account_id, found in issues.items():
            selected = list(filter(takes, found))
            # What an account does not need of its share is for those after it.
            share = budget.share(waiting + (not selected))
            over = list(filter(takes, (*self._forget_old(account_id), *self._issues(account_id, Status.WHITELISTED))))
            self._remember_workers([*selected, *over])
            # First: a backlog of open issues may need all of the limit, run after run.
            care = share.share(2 if selected else 1)
            gaps = self._watch(account_id, [*selected, *over], care)
            share.left += care.left
            if selected and (subjects := self._read_account(account_id, selected, share)):
                self._judge_account(account_id, found, subjects)
            if selected and care.is_short and share.left > care.left:  # they did not need all of theirs
                gaps = self._watch(account_id, [*selected, *over], share)
            self.gaps += gaps
            budget.left += share.left
            waiting -= bool(selected)

    def _read_account(self, account_id: str, issues: Sequence[Issue], budget: Budget) -> list[_Subject]:
        """Read for the issues of an account, region by region, and again where the budget was reached."""
        by_region: dict[str, list[Issue]] = {}
        for issue in issues:
            by_region.setdefault(issue.details.region, []).append(issue)
        read: dict[str, list[_Subject]] = {}
        for position, region in enumerate(_rotated(sorted(by_region), self.now)):
            share = budget.share(len(by_region) - position)
            read[region] = self._read_region(account_id, region, by_region[region], share)
            budget.left += share.left
        for region, subjects in read.items():
            if len(read) > 1 and any(subject.is_left for subject in subjects):
                read[region] = self._read_region(account_id, region, by_region[region], budget)
        return [subject for subjects in read.values() for subject in subjects]

    def _issues(self, account_id: str, status: Status) -> list[Issue]:
        def unreadable(error: HammerError) -> None:
            self.problems.append(str(error))

        found = self.table.with_status(account_id, status, unreadable=unreadable)
        return [issue for issue in found if issue.issue_id.startswith("sg-")]

    def _since(self, issue: Issue, flow_logs: Iterable[FlowLog]) -> datetime:
        """When the period of an issue begins: days ago, the creation of its flow logs, or the call that opened it."""
        starts = [self.now - timedelta(days=self.config.usage.days)]
        starts += [flow_log.created for flow_log in flow_logs if flow_log.created]
        starts += [issue.opened_by.event_time] if issue.opened_by else []
        return min(max(starts), self.now)

    def _read_region(self, account_id: str, region: str, issues: Sequence[Issue], budget: Budget) -> list[_Subject]:
        """Read what is new for the issues of an account and region, and keep it."""
        self.renew()
        subjects = [_Subject(issue, self._since(issue, ()), unusable=_not_listed(issue)) for issue in issues]
        client = self.sessions.client("ec2", account_id, region)
        try:
            by_group: dict[str, list[Interface]] = {}
            for interface in interfaces_of(client, [each.issue.issue_id for each in subjects]):
                for group_id in interface.group_ids:
                    by_group.setdefault(group_id, []).append(interface)
            for subject in subjects:
                subject.attached = tuple(by_group.get(subject.issue.issue_id, ()))
                subject.interfaces_known = True
            resources = {
                resource
                for subject in subjects
                for each in subject.attached
                for resource in (each.interface_id, each.subnet_id, each.vpc_id)
                if resource
            }
            has_parquet = parquet_is_installed()
            raw = list(flow_logs_of(client, resources)) if resources else []
            flow_logs = [parse_flow_log(each, has_parquet=has_parquet) for each in raw]
        except AWS_ERRORS as error:
            reason = explain(error, self.sessions.role_arn(account_id))
            self.problems.append(f"{account_id} {region}: {reason}")
            for subject in subjects:
                subject.unusable.append(f"Interfaces and flow logs could not be read: {reason}.")
        else:
            self._read_flow_logs(account_id, region, subjects, flow_logs, budget)
        self._describe_rules(account_id, region, subjects)
        return subjects

    def _read_flow_logs(
        self,
        account_id: str,
        region: str,
        subjects: Sequence[_Subject],
        flow_logs: Sequence[FlowLog],
        budget: Budget,
    ) -> None:
        """Read each flow log that is used; where one refuses, the next one of the same interfaces.

        That one may have been read for others already: it is read for these, too.
        """
        access = self._access(account_id, region)
        refused: dict[str, str] = {}
        read: dict[str, set[str]] = {}  # for which interfaces, by flow log
        while True:
            chosen = self._choose(subjects, flow_logs, refused)
            wanted = {
                name: {each for subject in subjects for each in subject.used.get(name, ())}
                for name in (flow_log.flow_log_id for flow_log in chosen)
            }
            waiting = [each for each in chosen if wanted[each.flow_log_id] - read.get(each.flow_log_id, set())]
            if not waiting:
                break
            # Created last first: where that one refuses, the period of the others begins earlier.
            flow_log = max(waiting, key=lambda each: each.created.timestamp() if each.created else 0)
            self.renew()
            read[flow_log.flow_log_id] = wanted[flow_log.flow_log_id]
            reason = self._read_flow_log(access, flow_log, flow_logs, subjects, budget)
            if reason:
                refused[flow_log.flow_log_id] = reason
                self.problems.append(f"{account_id} {region}: flow log {flow_log.flow_log_id}: {reason}")
        self._name_flow_logs(subjects, flow_logs, refused)

    def _access(self, account_id: str, region: str) -> Access:
        """Clients for the logs of an account and region."""
        return Access(self.sessions, account_id, region, self.config.usage.reader_roles, self.config.aws.external_id)

    def _choose(
        self, subjects: Sequence[_Subject], flow_logs: Sequence[FlowLog], refused: Mapping[str, str]
    ) -> list[FlowLog]:
        """Set which flow log tells of each interface, and when each period begins; returns the flow logs in use."""
        used: dict[str, FlowLog] = {}
        for subject in subjects:
            subject.used = {}
            in_use: list[FlowLog] = []
            for interface in subject.attached:
                flow_log = flow_log_of(interface, flow_logs, refused)
                if flow_log is not None:
                    subject.used.setdefault(flow_log.flow_log_id, set()).add(interface.interface_id)
                    used[flow_log.flow_log_id] = flow_log
                    in_use.append(flow_log)
            subject.since = self._since(subject.issue, in_use)
        return [used[flow_log_id] for flow_log_id in sorted(used)]

    def _name_flow_logs(
        self, subjects: Sequence[_Subject], flow_logs: Sequence[FlowLog], refused: Mapping[str, str]
    ) -> None:
        by_id = {flow_log.flow_log_id: flow_log for flow_log in flow_logs}
        for subject in subjects:
            telling = {each: by_id[name] for name, interfaces in subject.used.items() for each in interfaces}
            sentences: dict[str, None] = {}
            for interface in subject.attached:
                over = covering(interface, flow_logs)
                chosen = telling.get(interface.interface_id)
                sentences |= dict.fromkeys(not_used([each for each in over if each.flow_log_id not in refused], chosen))
                for flow_log in over:
                    if flow_log.flow_log_id in refused:
                        sentences[f"Flow log {flow_log.flow_log_id}: {refused[flow_log.flow_log_id]}."] = None
                if chosen is None:
                    subject.unusable.append(_without_flow_log(interface, over, refused))
                    if not over:
                        self.without_flow_log.setdefault(subject.issue.details.region, set()).add(
                            interface.interface_id
                        )
            subject.gaps += sentences
            if subject.attached and not any(self._reports_refused(each, flow_logs) for each in subject.attached):
                subject.gaps.append(NO_FLOW_LOGS_AT_HAND)

    @staticmethod
    def _reports_refused(interface: Interface, flow_logs: Sequence[FlowLog]) -> bool:
        """Whether a flow log tells refused traffic of an interface."""
        return any(each.traffic_type in TYPES and each.is_alive for each in covering(interface, flow_logs))

    def _read_flow_log(
        self,
        access: Access,
        flow_log: FlowLog,
        flow_logs: Sequence[FlowLog],
        subjects: Sequence[_Subject],
        budget: Budget,
    ) -> str:
        """Read one flow log for all issues that need it. Returns why its bucket or log group refused, or nothing."""
        store = KeptEvidence(self.table.items)
        using = [subject for subject in subjects if flow_log.flow_log_id in subject.used]
        readings = [self._reading(store, access.account_id, flow_log, subject) for subject in using]
        source: S3Parts | LogsParts
        if flow_log.destination == S3:
            source = S3Parts(access, flow_log)
        else:
            over = [
                each for subject in using for interface in subject.attached for each in covering(interface, flow_logs)
            ]
            source = LogsParts(access, flow_log, same_streams(flow_log, over), self.now)
        reading = FlowLogReading(flow_log, source, readings, budget, self.renew)
        try:
            reading.run(min(subject.since for subject in using), self.now)
        except RefusedError as error:
            return str(error)
        for subject, issue_reading in zip(using, readings, strict=True):
            subject.gaps += reading.gaps
            subject.is_left |= reading.limit_reached
            if not reading.refused:  # else another flow log tells of the interface, or none
                for interface_id, hours in issue_reading.left.items():
                    subject.left.setdefault(interface_id, set()).update(hours)
            self.renew()  # else a run that stalled in its last part would undo what the next one kept
            self._keep(store, access.account_id, flow_log, subject, issue_reading)
        return reading.refused

    def _reading(self, store: KeptEvidence, account_id: str, flow_log: FlowLog, subject: _Subject) -> IssueReading:
        kept_of = store.of_issue(account_id, subject.issue.issue_id)
        scope = subject.scope
        days_ago = int((self.now - timedelta(days=self.config.usage.days)).timestamp())
        interfaces = {
            each.interface_id: each
            for each in subject.attached
            if each.interface_id in subject.used[flow_log.flow_log_id]
        }
        kept = kept_of.get(flow_log.flow_log_id) or Kept.empty(scope)
        former = kept_of.get(f"{flow_log.flow_log_id}{_RECENT}") or Kept.empty(scope)
        floor = _first_second(subject, days_ago)
        # Where the group exposes more than what was looked for, or for longer, all of it is read again.
        if not kept.is_enough(scope, floor):
            kept = kept.widened(scope)
        if not former.is_enough(kept.evidence.scope, floor):
            former = former.widened(kept.evidence.scope)
        # Also where the period begins later: it may begin earlier again, when the logs are gone.
        first_hour = days_ago // HOUR
        for each in (kept, former):
            each.evidence.prune(first_hour)
        former.keep_units([hour for hour in former.units if hour >= first_hour])
        kept.floor = floor
        recent = replace(Kept.empty(kept.evidence.scope), slot=former.slot, floor=floor)
        seen = kept.shown_interfaces() | former.shown_interfaces()
        return IssueReading(subject.issue.issue_id, interfaces, floor, kept, recent, former, seen)

    def _keep(
        self, store: KeptEvidence, account_id: str, flow_log: FlowLog, subject: _Subject, reading: IssueReading
    ) -> None:
        expires = self.now + timedelta(days=self.config.usage.days) + _KEPT_LONGER
        if flow_log.destination == LOGS:
            shown = reading.kept.hours() | reading.recent.hours()
            reading.recent.carry(reading.former, reading.kept.read_for() | reading.recent.read_for(), shown)
            reading.recent.keep_units([hour for hour in reading.recent.units if is_delivered(hour, self.now)])
        for each in (reading.kept, reading.recent):
            each.drop_narrow(reading.interfaces, reading.left)
            each.compact(reading.interfaces.keys())
        name = flow_log.flow_log_id
        stored = store.save(account_id, subject.issue.issue_id, name, reading.kept, expires)
        if flow_log.destination == LOGS:
            stored &= store.save(account_id, subject.issue.issue_id, f"{name}{_RECENT}", reading.recent, expires)
        if not stored:
            subject.unusable.append(f"What flow log {name} shows is more than can be kept.")

    def _describe_rules(self, account_id: str, region: str, subjects: Sequence[_Subject]) -> None:
        """Find what the rules that stay admit, and what a change would make of each group."""
        client = self.sessions.client("ec2", account_id, region)
        section = self.config.secgrp_unrestricted_access
        wanted = {subject.issue.issue_id for subject in subjects}
        wanted |= {group_id for subject in subjects for each in subject.attached for group_id in each.group_ids}
        evaluator = Evaluator(section.restricted_ports, section.trusted_cidrs)
        prefix_lists = PrefixListReader(client)
        try:
            groups = {
                group.group_id: group for page in read_security_groups(client, sorted(wanted)) for group in page.groups
            }
            named = {rule.prefix_list_id for group in groups.values() for rule in group.ingress if rule.prefix_list_id}
            named |= {each for each in section.remediation_sources if is_prefix_list(each)}
            prefix_lists.read(named)
            weights = prefix_list_weights(client, named)
        except AWS_ERRORS as error:
            reason = explain(error)
            self.problems.append(f"{account_id} {region}: rules could not be read: {reason}")
            for subject in subjects:
                subject.gaps.append(f"Whether other rules admit the same sources could not be read: {reason}.")
            return
        exemptions = self.config.exemptions(account_id)
        kept = {subject.issue.issue_id: [kept for _, kept in kept_open(subject.issue)] for subject in subjects}

        def is_replaced(group_id: str, exposure: Exposure) -> bool:
            stays = any(each.covers(exposure) for each in kept.get(group_id, ()))
            return exposure.status in section.remediation_scope and not stays

        changes: dict[str, Mapping[RuleKey, IntervalSet | None]] = {}
        admits: dict[str, tuple[Admission, ...]] = {}
        for group in groups.values():
            changes[group.group_id] = self._forecast(group, evaluator, prefix_lists.entries, exemptions, is_replaced)
            admits[group.group_id] = tuple(admissions(group, changes[group.group_id], prefix_lists.entries))
        for subject in subjects:
            for interface in subject.attached:
                subject.staying[interface.interface_id] = tuple(
                    admission for group_id in interface.group_ids for admission in admits.get(group_id, ())
                )
            subject.staying[GONE] = admits.get(subject.issue.issue_id, ())
            own, replaced = groups.get(subject.issue.issue_id), changes.get(subject.issue.issue_id, {})
            subject.forecast = RuleCountForecast(
                rules=own.ingress if own is not None else None,
                replaced=tuple(each for each in subject.issue.details.perms if rule_key(each) in replaced),
                carved={key: carved for key, carved in replaced.items() if carved is not None},
                replacements=section.remediation_sources,
                prefix_list_weights=weights,
                quota=section.rules_per_security_group_quota,
            )

    def _forecast(
        self,
        group: SecurityGroup,
        evaluator: Evaluator,
        prefix_lists: PrefixLists,
        exemptions: Sequence[Exemption],
        is_replaced: Callable[[str, Exposure], bool],
    ) -> Mapping[RuleKey, IntervalSet | None]:
        """The rules of a group that remediation would replace, each with the ports that it would take from it.

        None: all of them. `is_replaced` is given the group's id and an exposure that is not exempt.
        """
        section, today = self.config.secgrp_unrestricted_access, self.now.date()
        applies = applying(exemptions, group.group_id, group.vpc_id, group.name, today)
        public_sources = PUBLIC - section.trusted_cidrs

        def evaluate(changed: SecurityGroup) -> Evaluation:
            return evaluator.evaluate(changed, prefix_lists, exemptions, today)

        def in_scope(evaluation: Evaluation) -> set[RuleKey]:
            exposures = () if evaluation.whitelisted else evaluation.exposures
            return {rule_key(each) for each in exposures if is_replaced(group.group_id, each)}

        def carve(rule: IngressRule) -> IntervalSet | None:
            if section.remediation_strategy != "carve_ports":
                return None
            return carved_ports(rule, prefix_lists, section.restricted_ports, public_sources, applies)

        rules = in_scope(evaluate(group))
        changed = replace_rules(group, rules, evaluate, in_scope, carve)
        return {rule_key(rule): carved for rule, carved in changed.replaced} if changed else dict.fromkeys(rules)

    def _judge_account(self, account_id: str, issues: Sequence[Issue], subjects: Sequence[_Subject]) -> None:
        """Judge and store the use of an account's selected issues, with what all its issues' interfaces met."""
        store = KeptEvidence(self.table.items)
        wide = WideSources()
        last_hour = int(self.now.timestamp()) // HOUR
        first_hour = int((self.now - timedelta(days=self.config.usage.days)).timestamp()) // HOUR
        for issue in issues:
            for evidence in _by_flow_log(store.of_issue(account_id, issue.issue_id)).values():
                wide.add(evidence.contacts(first_hour, last_hour))
        noise = wide.noise()
        for subject in subjects:
            self.renew()
            kept_of = store.of_issue(account_id, subject.issue.issue_id)
            self._write(subject.issue, judge(self._case(subject, kept_of, noise)))

    def _case(self, subject: _Subject, kept_of: Mapping[str, Kept], noise: frozenset[bytes]) -> UsageCase:
        return UsageCase(
            since=subject.since,
            until=self.now,
            perms=subject.issue.details.perms,
            attached=subject.attached,
            reads=tuple(_reads(subject, kept_of)),
            left={interface_id: frozenset(hours) for interface_id, hours in subject.left.items()},
            trusted=self.config.secgrp_unrestricted_access.trusted_cidrs,
            wide=noise,
            staying=subject.staying,
            unusable=tuple(dict.fromkeys(subject.unusable)),
            gaps=tuple(dict.fromkeys(subject.gaps)),
            forecast=subject.forecast,
            interfaces_known=subject.interfaces_known,
        )

    def _write(self, issue: Issue, use: Use) -> None:
        if issue.issue_id in self._not_remembered:
            return  # the next run does both
        try:
            try:
                self.table.update(issue, {"use": use.to_item()})
            except AWS_ERRORS as error:
                if error_code(error) != _ITEM_TOO_LARGE:
                    raise
                use = without_sources(use)
                self.table.update(issue, {"use": use.to_item()})
        except ConflictError:
            _log.info("%s was found anew while its flow logs were read: the next run reads them", issue.issue_id)
            return
        except AWS_ERRORS as error:
            self.problems.append(f"{issue.location}: its use could not be stored: {explain(error)}")
            return
        self.written.append((issue, use))

    def _remember_workers(self, issues: Iterable[Issue]) -> None:
        """Keep the use of groups that were changed since the last run: what is written next is of what is left open.

        Of an issue that stays open, because a source was kept or something else is exposed, the rules that are closed
        are in its use no longer, and whom their change cut off would not be looked for. So it is with one that is over
        and found again, by what its owner opens.
        """
        for issue in issues:
            if (changed := changed_last(issue)) is None:
                continue
            try:
                kept = self._use_before(issue, changed)
                use = self._use_when_changed(issue, kept)
                if use is not None and self._is_lately(changed):
                    self._remember(issue, changed, use)
                if kept:
                    self._forget_use_before(issue, kept)
            except AWS_ERRORS as error:
                self._not_remembered.add(issue.issue_id)
                self.problems.append(f"{issue.location}: who worked before the change is not kept: {explain(error)}")

    def _remember(self, issue: Issue, changed: datetime, use: Use) -> None:
        item = self.table.items.get(issue.account_id, f"{ITEM_PREFIX}{issue.issue_id}") or {}
        before, since = Use.from_item(item.get("before")), parse_time(item.get("before_changed"))
        if since == changed:
            return
        if before is not None and since is not None and self._is_lately(since):
            use = _with_rules_of(use, before)
        sets = {"before": use.to_item(), "before_changed": format_time(changed)}
        lasting = {TIME_TO_LIVE_ATTRIBUTE: int((self.now + KEPT_FOR).timestamp())}
        self.table.items.update(issue.account_id, f"{ITEM_PREFIX}{issue.issue_id}", sets | lasting)

    def _use_before(self, issue: Issue, changed: datetime) -> Mapping[str, Any]:
        """What the write kept that began an occurrence of a group that was changed; empty: nothing."""
        if not any(past.remediated for past in issue.history):
            return {}
        kept = (self.table.items.get(issue.account_id, issue.issue_id) or {}).get(USE_BEFORE)
        if not isinstance(kept, Mapping):
            return {}
        since = parse_time(kept.get("changed"))
        # One of a later change: the issue was found again since it was read, and the next run moves it.
        return kept if since is not None and since <= changed else {}

    def _use_when_changed(self, issue: Issue, kept: Mapping[str, Any]) -> Use | None:
        """Who worked before a group was changed last; `kept`: before an earlier change, of which no run knows yet."""
        use = issue.use if issue.timestamps.remediated else None  # else it is of what was opened since
        earlier, since = Use.from_item(kept.get("use")), parse_time(kept.get("changed"))
        if earlier is None or since is None or not self._is_lately(since):
            return use
        return _with_rules_of(use, earlier) if use is not None else earlier

    def _forget_use_before(self, issue: Issue, kept: Mapping[str, Any]) -> None:
        with suppress(ConflictError):  # it was found again once more
            self.table.items.update(
                issue.account_id,
                issue.issue_id,
                {},
                removes=[USE_BEFORE],
                condition=f"{USE_BEFORE}.changed = :changed",
                values={":changed": kept["changed"]},
            )

    def _is_lately(self, changed: datetime) -> bool:
        return changed >= self.now - timedelta(days=self.config.usage.after_care_days)

    def _before(self, issue: Issue, changed: datetime) -> Use | None:
        """The use of an issue when it was changed; None: it was not read."""
        item = self.table.items.get(issue.account_id, f"{ITEM_PREFIX}{issue.issue_id}") or {}
        if parse_time(item.get("before_changed")) == changed:
            return Use.from_item(item.get("before"))
        return issue.use if issue.timestamps.remediated == changed else None  # else it is of what was opened since

    def _watch(self, account_id: str, issues: Iterable[Issue], budget: Budget) -> list[str]:
        """Look whom the changes of the last days cut off in an account. Returns what was not read, one line each."""
        gaps: list[str] = []
        by_region: dict[str, list[Issue]] = {}
        for issue in issues:
            changed = changed_last(issue)
            if changed is None or not self._is_lately(changed):
                continue
            try:
                use = self._before(issue, changed)
            except AWS_ERRORS as error:
                self.problems.append(
                    f"{issue.location}: who worked before the change could not be read: {explain(error)}"
                )
                continue
            if use is not None and _had_workers(use):
                times = replace(issue.timestamps, remediated=changed)
                by_region.setdefault(issue.details.region, []).append(replace(issue, use=use, timestamps=times))
        for region, changed_issues in sorted(by_region.items()):
            self.renew()
            access = self._access(account_id, region)
            refusing, left = watch(access, self.table.items, changed_issues, self.now, budget, self.renew)
            self.problems += (each for each in refusing if each not in self.problems)
            gaps += left
        return gaps

    def _forget_old(self, account_id: str) -> list[Issue]:
        """Take the use off the issues that were resolved long ago. Returns those that are over and keep theirs.

        And those that were resolved lately: after-care may last longer than the use is kept.
        """
        kept: list[Issue] = []
        before = self.now - timedelta(days=self.config.usage.retention_days)
        for status in (Status.RESOLVED, Status.CLOSED):
            for item in self.table.items_with_status(account_id, status):
                try:
                    resolved = parse_time(item["timestamps"].get("resolved"))
                except (AttributeError, KeyError, TypeError, ValueError):
                    continue
                if resolved is None:
                    continue
                is_old, is_lately = resolved < before, self._is_lately(resolved)
                if ("use" in item and not is_old) or is_lately:
                    with suppress(UnreadableIssueError):
                        kept.append(read_issue(item))
                # Of one that was resolved lately, `use_before` is still to be moved.
                names = ("use",) if is_lately else ("use", USE_BEFORE)
                if is_old and (removes := [name for name in names if name in item]):
                    try:
                        self.table.items.update(
                            account_id,
                            item["issue_id"],
                            {},
                            removes=removes,
                            condition="#status = :status",
                            values={":status": str(status)},
                        )
                    except ConflictError:
                        continue  # it was found again
        return kept


def _with_rules_of(use: Use, before: Use) -> Use:
    """A use with the rules of the one before it, too: whom an earlier change cut off may still be refused."""
    return replace(use, rules=(*use.rules, *(rule for rule in before.rules if rule not in use.rules)))


def _had_workers(use: Use) -> bool:
    """Whether somebody worked, also where a rule that stayed then admitted them: it may be gone by now."""
    return any(source.source_class is SourceClass.WORKING for rule in use.rules for source in rule.sources)


def _not_listed(issue: Issue) -> list[str]:
    """That not all rules can be looked at, where the table had no room for all of them."""
    listed, total = len(issue.details.perms), issue.details.perms_total
    return [f"Only {listed:,} of {total:,} rules and sources that expose the group are looked at."] if total else []


def _rotated(names: Sequence[str], now: datetime) -> list[str]:
    """Names in an order that begins with another one each hour: the last may find nothing left of the limit."""
    first = int(now.timestamp()) // HOUR % len(names) if names else 0
    return [*names[first:], *names[:first]]


def _reads(subject: _Subject, kept_of: Mapping[str, Kept]) -> Iterator[Read]:
    """The evidence of an issue's flow logs, each for the interfaces of which it tells, and for those that are gone."""
    reported_now = {interface_id for interface_ids in subject.used.values() for interface_id in interface_ids}
    together = _by_flow_log(kept_of)
    # Of an interface that is gone, or of which nothing can be read now, what was read before stays true. Of each hour
    # one flow log tells: one that is still used, else the one that saw most.
    order = sorted(together, key=lambda each: (each not in subject.used, -len(together[each].coverage), each))
    shown: set[tuple[str, int]] = set()
    for flow_log in order:
        evidence = _but_for(together[flow_log], shown)
        names = evidence.interfaces
        gone = set(names) - reported_now
        shown |= {(names[number], hour) for number, hour in evidence.coverage if names[number] in gone}
        yield Read(flow_log, evidence, frozenset(gone | subject.used.get(flow_log, set())))


def _but_for(evidence: Evidence, shown: Collection[tuple[str, int]]) -> Evidence:
    """Evidence without these interfaces' hours."""
    if {name for name, _ in shown}.isdisjoint(evidence.interfaces):
        return evidence
    return evidence.where(lambda name, hour: (name, hour) not in shown)


def _by_flow_log(kept_of: Mapping[str, Kept]) -> dict[str, Evidence]:
    """The evidence of an issue by flow log, that of hours that are read again with the rest."""
    together: dict[str, Evidence] = {}
    for name in dict.fromkeys(name.removesuffix(_RECENT) for name in kept_of if not name.endswith(KEPT_SUFFIX)):
        kept = kept_of.get(name) or Kept.empty(EMPTY)
        if recent := kept_of.get(f"{name}{_RECENT}"):
            # A run that died between the two may have left an hour in both.
            kept.carry(recent, kept.read_for(), kept.hours())
        together[name] = kept.shown()
    return together


def _first_second(subject: _Subject, days_ago: int) -> int:
    """The earliest start of a record that counts. `days_ago`: when `usage.days` begin, in seconds since 1970.

    The hour in which those days begin counts as a whole, so that it does not matter in which run it was read.
    """
    return days_ago // HOUR * HOUR if subject.floor <= days_ago else -int(-subject.since.timestamp() // 1)


def _without_flow_log(interface: Interface, over: Sequence[FlowLog], refused: Mapping[str, str]) -> str:
    name = interface.interface_id
    if not over:
        return f"No flow log covers {name}."
    for flow_log in over:
        if flow_log.flow_log_id in refused:
            return f"{name} has no flow log that can be read: {refused[flow_log.flow_log_id]}."
    for flow_log in over:
        if flow_log.problem:
            return f"{name} has no flow log that can be read: {flow_log.flow_log_id} {flow_log.problem}."
    return f"{name} has flow logs of two formats in the same streams of {over[0].location}, which cannot be told apart."

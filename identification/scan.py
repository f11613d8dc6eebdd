"""The scan of one account and region: describe, judge, and bring the issues of the table up to date.

`scan_region` reads and judges: the groups a page at a time, then, if any is exposed, who can connect to it. `hammer
scan` uses it, too.

`scan` is what the describing function does with a target. It

1. records that it begins: the whole region in its coverage record, or what events told about the groups it is to scan;
2. reads the issues of the table, and only then describes the groups: who writes in between makes its writes fail;
3. decides with `library.issues.reconcile` what changed, and writes that;
4. scans a group again where somebody else was faster, or where several pages of an answer list it nowhere.

Scans of the same group cross: a slow one of the region, and those that events caused. And EC2 may show a change only
five minutes after its call. So what is opened and what is taken away is treated differently:

- What a scan sees exposed becomes an issue at once. If its answer was too old, a scan that comes later mends that.
- An issue is resolved, or loses an exposure, in one conditional write (a transaction of DynamoDB) that fails where

  - a scan has seen the group exposed since the issue was read (`last_seen`), or changed the issue;
  - a scan of the whole region has begun since: it does not write what it leaves as it is;
  - the group's newest event is less than five minutes older than the begin of this scan.

The times are compared with what was read before EC2 was asked, not with the clock of this machine, so it does not
matter that clocks differ. Only events are compared with a clock (`CLOCK_MARGIN`).

Before an issue is written, its details are cut to what an item of the table holds (`truncate_to_item_limit`): anybody
who may tag a group or write rules decides how much text there is, and an issue that cannot be stored would never be
reported. What was cut decides nothing: the status and the verdict are of all exposures, and remediation describes the
group again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from identification.event_hints import CLOCK_MARGIN, EventHintRecords, EventHints
from identification.reachability.sweep import with_reachability
from library.aws.decision_store import with_decided
from library.aws.ec2 import PrefixListReader, read_security_groups, region_is_enabled
from library.aws.failures import ACCESS_DENIED, REGION_MAY_BE_OFF, error_code, explain, one_line
from library.aws.issue_table import backfill_index
from library.aws.records import CoverageRecords, RegionState
from library.errors import ConflictError, HammerError
from library.issues.issue import IssueDetails
from library.issues.opening_calls import OpeningCall
from library.issues.reconcile import (
    Change,
    Detection,
    attribute,
    reconcile,
    reconcile_additions,
    still_opened_by,
    with_opener,
)
from library.security_groups.exemptions import applying
from library.security_groups.exposure import Evaluator, Exposure

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from identification.messages import ScanTarget
    from identification.runtime import Runtime
    from library.aws.conditional_writes import Check
    from library.aws.issue_table import UnreadableIssueError
    from library.aws.session import Sessions
    from library.issues.issue import Issue
    from library.security_groups.exemptions import Exemption
    from library.security_groups.exposure import OpenTraffic
    from library.security_groups.group import GroupPage

_log = logging.getLogger(__name__)

# An item may have 400 KB, and each local index with all attributes holds a copy of it that counts, too (Amazon DynamoDB
# Developer Guide, "Local secondary indexes", limits): with two indexes about 133 KB are left for an issue. What
# reporting and remediation keep about it needs some of that.
PERMS_BYTES = 36_000
TAGS_BYTES = 20_000
PATHS_BYTES = 20_000


def truncate_to_item_limit(details: IssueDetails) -> IssueDetails:
    """The details with as many exposures, tags and paths as there is room for. Equal details stay equal.

    The worst exposures are kept, and at least one of each status; `perms_total` then says how many there are.
    """
    perms = _kept(details.perms)
    cut = replace(details, perms=perms, tags=_kept_tags(details.tags))
    if len(perms) < len(details.perms):
        cut = replace(cut, perms_total=len(details.perms))
    if cut.reachability:
        paths = tuple(_while_they_fit(cut.reachability.paths, lambda path: _size(path.to_item()), PATHS_BYTES))
        cut = replace(cut, reachability=replace(cut.reachability, paths=paths))
    return cut


def _kept(perms: tuple[Exposure, ...]) -> tuple[Exposure, ...]:
    first_of_each = {perm.status: perm for perm in reversed(perms)}
    order = sorted(perms, key=lambda perm: (perm not in first_of_each.values(), perm.status != "open_completely"))
    kept = set(_while_they_fit(order, lambda perm: _size(perm._asdict()), PERMS_BYTES))
    return tuple(perm for perm in perms if perm in kept)


def _kept_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    if _size(tags) <= TAGS_BYTES:
        return tags
    # The short ones: a name or an address of an owner is short.
    by_size = sorted(tags, key=lambda key: (_size({key: tags[key]}), key))
    kept = set(_while_they_fit(by_size, lambda key: _size({key: tags[key]}), TAGS_BYTES))
    return {key: value for key, value in tags.items() if key in kept}


def _while_they_fit(values: Iterable[Any], size: Any, available: int) -> Iterable[Any]:
    for value in values:
        available -= size(value)
        if available < 0:
            return
        yield value


def _size(value: Any) -> int:
    """About how many bytes DynamoDB counts for a value: names and texts in UTF-8, and a few for each."""
    if isinstance(value, str):
        return 1 + len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return 3 + sum(_size(key) + _size(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return 3 + sum(map(_size, value))
    return 4


_PROBLEMS_NAMED = 20  # an item of the table has room for 400 KB, a person for less
_CONCURRENT_WRITES = 8
_ATTEMPTS = 5  # at groups that others keep changing meanwhile
_READS_ENTRIES = "GetManagedPrefixListEntries"
_DENIED_BY_POLICY = "explicit deny in a service control policy"  # as AWS words it in every service's message

T = TypeVar("T")


class RegionOffError(HammerError):
    """The account has not enabled the region: there is nothing to scan."""


class DeniedByPolicyError(HammerError):
    """A service control policy of the organization denies what a scan reads: nobody uses the region, or may look."""


@dataclass(slots=True)
class RegionScan:
    """What was read of an account and region.

    Attributes:
        groups: how many groups were read.
        pages: how many answers they came in.
        group_ids: those of the groups that were read.
        shared: how many of them are another account's, which shares them (AWS RAM), and judged there alone.
        detections: the exposed ones.
        unreadable: of groups with rules that could not be understood, the reasons, by group id. Whether these
            are fixed cannot be told.
        notes: what of the network and of what uses the groups could not be read, one line each. The groups themselves
            were.
        without_id: of groups that came without an id, the reasons. Each could be any group.
        incomplete: why the answer cannot be all that there is; empty: it can.
        denied: that the role may not read the entries of a prefix list, the first such error. The groups that name one
            are `unreadable`, and the answer is `incomplete`: it opens issues and resolves none.
    """

    groups: int = 0
    pages: int = 0
    group_ids: set[str] = field(default_factory=set)
    shared: int = 0
    detections: list[Detection] = field(default_factory=list)
    unreadable: dict[str, tuple[str, ...]] = field(default_factory=dict)
    without_id: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    incomplete: str = ""
    denied: ClientError | None = None

    @property
    def problem(self) -> str:
        """What was not understood, on one line; empty: everything was. Of many groups, the first few."""
        reasons = self.without_id + [f"{group_id}: {', '.join(reason)}" for group_id, reason in self.unreadable.items()]
        return "; ".join(_first_few(reasons))

    @property
    def note(self) -> str:
        """What of the network could not be read, on one line; empty: everything was. Of much, the first few.

        The groups themselves were read.
        """
        return f"who can connect is not known: {'; '.join(_first_few(self.notes))}" if self.notes else ""

    @property
    def swept(self) -> bool:
        """Whether the region's network was read, all of it."""
        return bool(self.detections) and not self.notes

    def tells_about(self, group_id: str) -> bool:
        """Whether a group that is not among the detections is known to expose nothing, or to be gone."""
        return group_id not in self.unreadable and not self.without_id and not self.incomplete


def _first_few(reasons: Sequence[str]) -> list[str]:
    """As many reasons as one line has room for, and how many more there are."""
    more = [f"and {len(reasons) - _PROBLEMS_NAMED} more"] if len(reasons) > _PROBLEMS_NAMED else []
    return [*reasons[:_PROBLEMS_NAMED], *more]


def scan_region(
    sessions: Sessions,
    account_id: str,
    region: str,
    evaluator: Evaluator,
    exemptions: Sequence[Exemption],
    today: date,
    group_ids: Sequence[str] = (),
    owner_keys: frozenset[str] | None = None,
) -> RegionScan:
    """Describe the groups of an account and region and judge them, a page at a time; then who can connect to them.

    No `group_ids`: all. `owner_keys` are the keys of tags that tell an owner, in lower case; None: what uses the groups
    is not read.

    Raises:
        RegionOffError: the account has not enabled the region.
        DeniedByPolicyError: a service control policy of the organization denies it.
        ClientError, BotoCoreError: anything else that could not be read, after the SDK's retries.
    """
    client: EC2Client = sessions.client("ec2", account_id, region)
    found = RegionScan()
    prefix_lists = PrefixListReader(client)
    open_traffic: dict[str, Sequence[OpenTraffic]] = {}
    try:
        for page in read_security_groups(client, group_ids):
            open_traffic |= _judge_page(found, page, evaluator, exemptions, today, prefix_lists, account_id, region)
            del page  # it is let go before the next one is read
    except ClientError as error:
        # A policy that closes the region denies its groups, too. One that denies prefix lists alone, say, or the role,
        # would hide open groups: that is a failure.
        is_closed = error.operation_name == "DescribeSecurityGroups" and error_code(error) in ACCESS_DENIED
        if is_closed and _DENIED_BY_POLICY in str(error):
            message = f"a service control policy of the organization denies it: {one_line(error)}"
            raise DeniedByPolicyError(message) from error
        # Without the region being asked about elsewhere, a region that is off looks like wrong credentials.
        if error_code(error) in REGION_MAY_BE_OFF and not region_is_enabled(sessions.client("ec2", account_id), region):
            raise RegionOffError(f"region {region} is not enabled in account {account_id}") from error
        raise
    if len(found.detections) > len(open_traffic):
        # A group that moved from one page to the next is on both: the later one counts.
        found.detections = list({detection.group_id: detection for detection in found.detections}.values())
    found.detections, found.notes = with_reachability(
        found.detections,
        open_traffic,
        lambda service: sessions.client(service, account_id, region),
        prefix_lists,
        whole_region=not group_ids,
        owner_keys=owner_keys,
    )
    return found


def _judge_page(
    scan: RegionScan,
    page: GroupPage,
    evaluator: Evaluator,
    exemptions: Sequence[Exemption],
    today: date,
    prefix_lists: PrefixListReader,
    account_id: str,
    region: str,
) -> dict[str, Sequence[OpenTraffic]]:
    """Add the groups of a page to a scan. Returns what the exposed ones open, by group id."""
    open_traffic: dict[str, Sequence[OpenTraffic]] = {}
    scan.pages += 1
    new = {group.group_id for group in page.groups} - scan.group_ids
    scan.groups += len(new) + len(page.without_id)
    scan.group_ids |= new
    scan.without_id += page.without_id
    for group in page.groups:
        if group.owner_id not in ("", account_id):
            # Its rules are that account's, and so is the issue.
            scan.shared += group.group_id in new
            continue
        try:
            prefix_lists.read(evaluator.prefix_lists_named(group))
        except ClientError as error:
            # It hides no other open group. That lists may not be described at all is a failure.
            if error.operation_name != _READS_ENTRIES or error_code(error) not in ACCESS_DENIED:
                raise
            scan.denied = scan.denied or error
            scan.incomplete = explain(scan.denied)
        evaluation = evaluator.evaluate(group, prefix_lists.entries, exemptions, today)
        if evaluation.unreadable:
            scan.unreadable[group.group_id] = evaluation.unreadable
        if evaluation.exposures:
            details = IssueDetails(
                name=group.name,
                region=region,
                vpc_id=group.vpc_id,
                status=evaluation.status,
                tags=group.tags,
                perms=evaluation.exposures,
            )
            is_exempt = evaluation.whitelisted and any(
                exemption.is_whole
                for exemption in applying(exemptions, group.group_id, group.vpc_id, group.name, today)
            )
            scan.detections.append(
                Detection(account_id, group.group_id, details, evaluation.whitelisted, exempt_as_a_whole=is_exempt)
            )
            open_traffic[group.group_id] = evaluation.open_traffic
    return open_traffic


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What became of the scan of a target.

    Attributes:
        scan: what was read at first.
        changes: how many issues changed.
        issues: those of the groups that were scanned, as the table has them now.
        unreadable_issues: of issues whose item in the table could not be read, what is wrong. They were left as they
            are.
    """

    scan: RegionScan
    changes: int
    unreadable_issues: Sequence[str] = ()
    issues: Mapping[str, Issue] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """Why the scan was not complete, on one line; empty: it was."""
        understood = f"not understood: {self.scan.problem}" if self.scan.problem else ""
        return "; ".join(filter(None, [self.scan.incomplete, understood, *_first_few(self.unreadable_issues)]))


def scan(target: ScanTarget, runtime: Runtime) -> ScanResult:
    """Scan a target and bring its issues up to date.

    Raises:
        ConflictError: somebody else kept changing an issue meanwhile, or other scans of the region began at the same
            moment. The message must be handled again.
        Exception: it could not be read, or its issues not be written. No issue of what was not read changes.
    """
    if target.is_whole:
        backfill_index(runtime.table, target.account_id, runtime.now())
    group_ids: Sequence[str] = () if target.is_whole else target.group_ids
    first: RegionScan | None = None
    unreadable_issues: dict[str, str] = {}
    issues: dict[str, Issue] = {}
    changes, may_wait = 0, True
    for _ in range(_ATTEMPTS):
        attempt = _Attempt(target, runtime, group_ids, may_wait=may_wait)
        again = attempt.run()
        may_wait = may_wait and not attempt.waited
        first, changes = first or attempt.scan, changes + attempt.changes
        if attempt.scan.denied and not first.denied:  # of a group that the first one did not see, or saw otherwise
            first.denied, first.incomplete = attempt.scan.denied, first.incomplete or attempt.scan.incomplete
        unreadable_issues |= attempt.unreadable_issues
        issues |= attempt.issues
        if not again:
            return ScanResult(
                first, changes, [unreadable_issues[group_id] for group_id in sorted(unreadable_issues)], issues
            )
        group_ids = sorted(again)
    raise ConflictError(f"issues that kept changing while they were written: {', '.join(group_ids)}")


class _Attempt:
    """One attempt at a target: it describes, decides and writes once.

    No `group_ids`: the whole region. With `may_wait` it lets a moment pass where EC2 must show a group's newest change
    only then.

    Attributes:
        waited: whether it did.
        scan: what was read.
        changes: how many issues changed.
        issues: those of the groups, by id, as the table has them.
        unreadable_issues: of the issues that cannot be read, what is wrong, by group id. Nothing is decided about
            these groups.
    """

    def __init__(self, target: ScanTarget, runtime: Runtime, group_ids: Sequence[str], *, may_wait: bool) -> None:
        self._target = target
        self._account_id, self._region = target.account_id, target.region
        self._runtime = runtime
        self._group_ids = group_ids
        self._coverage = CoverageRecords(runtime.table.items)
        self._hint_records = EventHintRecords(runtime.table.items)
        self._evaluator = runtime.evaluator()
        self._hints: dict[str, EventHints] = {}
        self._scan_start = runtime.now()
        self._state = RegionState()
        self._may_wait = may_wait
        self.waited = False
        self.scan = RegionScan()
        self.changes = 0
        self.issues: dict[str, Issue] = {}
        self.unreadable_issues: dict[str, str] = {}

    def run(self) -> set[str]:
        """Describe, decide and write. Returns the groups that must be scanned again."""
        self._begin()
        self._read_issues()
        self.scan = self._scan_region()
        if not self._group_ids:
            self._read_missing_issues([detection.group_id for detection in self.scan.detections])
        if self.scan.swept:
            self._coverage.record_sweep(self._account_id, self._region, self._scan_start)
        detections = {
            detection.group_id: replace(detection, details=truncate_to_item_limit(detection.details))
            for detection in self.scan.detections
        }
        again = self._resolved_meanwhile(detections) | self._missing_between_pages()
        decided = self._decide(detections, but=again)
        # One read for all that change. Of a group without hints after this read, no event told anything.
        self._read_hints(decided.keys() - self._hints.keys())
        again |= self._wait_for_observation(decided)
        decided = self._hold_back_removals(decided, detections)
        changes = {group_id: self._with_opener(change) for group_id, change in decided.items()}
        changes |= self._attributions(changes)
        conflicts = self._write(changes)
        written = {group_id: change for group_id, change in changes.items() if group_id not in conflicts}
        self.changes = len(written)
        self.issues |= {group_id: change.issue for group_id, change in written.items()}
        conflicts |= self._record_seen(detections.keys() - changes.keys())
        return again | conflicts | self._overtaken(written.values())

    def _begin(self) -> None:
        """Record the begin, and what events told; learn what the table knows of other scans and events."""
        target = self._target
        openings: dict[str, list[OpeningCall]] = {}
        for group_id, opening in target.openings:
            openings.setdefault(group_id, []).append(opening)
        newest: dict[str, datetime] = {}
        for group_id, time in target.events:
            newest[group_id] = max(time, newest.get(group_id, time))
        hints = {
            group_id: EventHints(openings.get(group_id, ()), newest.get(group_id))
            for group_id in sorted(openings.keys() | newest.keys())
        }
        self._hints = self._hint_records.add(self._account_id, hints, self._scan_start, self._evaluator)
        if self._group_ids:
            self._read_hints(group_id for group_id in self._group_ids if group_id not in hints)
            self._state = self._coverage.state(self._account_id, self._region)
        else:
            self._state = self._coverage.begin(self._account_id, self._region, self._scan_start)

    def _read_hints(self, group_ids: Iterable[str]) -> None:
        self._hints |= self._hint_records.of_groups(self._account_id, group_ids)

    def _read_issues(self) -> None:
        if self._group_ids:
            self._read_missing_issues(self._group_ids)
        else:
            self.issues = self._runtime.table.exposed(self._account_id, self._region, unreadable=self._skip)

    def _read_missing_issues(self, group_ids: Iterable[str]) -> None:
        missing = [group_id for group_id in group_ids if group_id not in self.issues]
        self.issues |= self._runtime.table.get_many(self._account_id, missing, unreadable=self._skip, check=False)

    def _skip(self, error: UnreadableIssueError) -> None:
        self.unreadable_issues[error.issue_id] = str(error)

    def _scan_region(self) -> RegionScan:
        config, section = self._runtime.config, self._runtime.config.secgrp_unrestricted_access
        found = scan_region(
            self._runtime.sessions,
            self._account_id,
            self._region,
            self._evaluator,
            # Read after the issues: a decision to exempt one comes either before both, or after what is written.
            with_decided(config.exemptions(self._account_id), self._runtime.table.decided_exemptions(self._account_id)),
            self._runtime.now().date(),
            self._group_ids,
            section.owner_tags.keys,
        )
        if not found.groups and not self._group_ids and (last := self._state.last_groups):
            # Every VPC has a default group: where there were groups, an empty answer is an error of whatever answered.
            found.incomplete = f"EC2 listed no security group at all; the last whole scan read {last}"
        return found

    def _resolved_meanwhile(self, group_ids: Iterable[str]) -> set[str]:
        """Groups that this scan sees exposed, and whose issue another one resolved after this one had begun.

        They are scanned again. Only of a scan of the whole region: any other reads the issues before it describes.
        """
        if self._group_ids:
            return set()
        known = {group_id: self.issues[group_id] for group_id in group_ids if group_id in self.issues}
        return {
            group_id
            for group_id, issue in known.items()
            if not issue.status.is_exposed
            and issue.timestamps.resolved
            and issue.timestamps.resolved > self._scan_start
        }

    def _missing_between_pages(self) -> set[str]:
        """Groups that a scan of the region looks for in vain, in an answer of several pages. They are scanned again.

        Each page shows EC2 at a time of its own. Where a group that one page has is deleted before the next is asked
        for, the groups after it may move up, and one of them may be on neither page. Asked for by its id it is there.
        Where the answer as a whole tells of no group that it is gone, none is asked for.
        """
        if self._group_ids or self.scan.pages < 2:
            return set()
        return {
            group_id
            for group_id, issue in self.issues.items()
            if issue.status.is_exposed
            and self._is_here(issue)
            and group_id not in self.scan.group_ids
            and self.scan.tells_about(group_id)
        }

    def _decide(self, detections: Mapping[str, Detection], *, but: Collection[str]) -> dict[str, Change]:
        """What the scan means for the issues, by group id, `but` for some. What was not understood is not fixed."""
        now = self._runtime.now()
        gone = {
            group_id
            for group_id, issue in self.issues.items()
            if group_id not in detections and self._is_here(issue) and self.scan.tells_about(group_id)
        }
        return {
            group_id: change
            for group_id in sorted((detections.keys() | gone) - self.unreadable_issues.keys() - set(but))
            if (change := reconcile(self.issues.get(group_id), detections.get(group_id), now))
        }

    def _wait_for_observation(self, decided: Mapping[str, Change]) -> set[str]:
        """Groups that this scan began seconds too early to resolve. Waits until EC2 must show their newest change.

        The message that comes five minutes after an event is the last one about it. Were its scan too early because a
        clock is behind, nothing would resolve the issue until the next scan of the region. What the target was merged
        with does not matter: a scan of the region, or of the groups of newer events, may be that last one, too.
        """
        if not self._may_wait or self._target.earliest_start_to_take_away:
            return set()
        missed = {
            group_id: observed_from - self._scan_start
            for group_id, change in decided.items()
            if change.takes_away
            and (observed_from := self._hints.get(group_id, EventHints()).observed_from)
            and timedelta() < observed_from - self._scan_start <= CLOCK_MARGIN
        }
        if missed:
            self.waited = True
            self._runtime.sleep(max(missed.values()).total_seconds())
        return set(missed)

    def _hold_back_removals(
        self, decided: Mapping[str, Change], detections: Mapping[str, Detection]
    ) -> dict[str, Change]:
        """The changes without what may only seem to be gone: EC2 does not show it yet, or it was not understood."""
        now, earliest = self._runtime.now(), self._target.earliest_start_to_take_away
        found: dict[str, Change] = {}
        for group_id, change in decided.items():
            hints = self._hints.get(group_id, EventHints())
            is_observed = hints.are_observed_by(self._scan_start)
            is_asked_too_early = earliest is not None and self._scan_start < earliest
            # Of what was not understood of a group, such as a rule's prefix list, an exposure may still be there.
            is_understood = group_id not in self.scan.unreadable
            if not change.takes_away or (is_understood and is_observed and not is_asked_too_early):
                found[group_id] = change
                continue
            kept = reconcile_additions(self.issues.get(group_id), detections.get(group_id), now)
            if kept is None:
                continue
            # What the table has no room for waits for the scan that may take something away. Of what is not understood
            # none may ever come: the worst of it is stored.
            cut = truncate_to_item_limit(kept.issue.details)
            is_last = is_observed and not is_asked_too_early
            known = kept.before
            is_new = known is None or (known.status, known.details.perms) != (kept.issue.status, cut.perms)
            if cut == kept.issue.details or (is_last and is_new):
                found[group_id] = replace(kept, issue=replace(kept.issue, details=cut))
        return found

    def _with_opener(self, change: Change) -> Change:
        """A change that names who opened the group, as far as events told."""
        hints = self._hints.get(change.issue.issue_id)
        return with_opener(change, hints.openings if hints else ())

    def _attributions(self, changes: Collection[str]) -> dict[str, Change]:
        """Changes of issues that stay as they are, but for who opened them."""
        found: dict[str, Change] = {}
        for group_id, hints in self._hints.items():
            issue = self.issues.get(group_id)
            if issue is None or not hints.openings or group_id in changes or not issue.status.is_exposed:
                continue
            if self._is_here(issue):
                named = still_opened_by(hints.openings, issue.details.perms, issue)
                if change := attribute(issue, named):
                    found[group_id] = change
        return found

    def _is_here(self, issue: Issue) -> bool:
        """Whether an issue is of this region: a message may name a group and a region that it is not in."""
        return issue.details.region == self._region

    def _write(self, changes: Mapping[str, Change]) -> set[str]:
        """Write changes. Returns the ids of the groups whose issue had changed meanwhile.

        Raises:
            Exception: a write failed otherwise: the first that did. All others were tried, so that no issue keeps
                another one open.
        """

        def write(change: Change) -> None:
            self._runtime.table.write(change, seen=self._scan_start, checks=self._checks(change))
            _log.info(
                str(change.event),
                extra={
                    "account_id": change.issue.account_id,
                    "group_id": change.issue.issue_id,
                    "region": change.issue.details.region,
                    "status": str(change.issue.status),
                    "exposure": change.issue.details.status,
                },
            )

        taking = {group_id: change for group_id, change in changes.items() if change.takes_away}
        others = {group_id: change for group_id, change in changes.items() if group_id not in taking}
        # One after the other: transactions that check the same item at the same time cancel each other.
        take = partial(_conflicts, write, taking, concurrent=1)
        try:
            conflicts = _conflicts(write, others)
        except Exception:
            try:
                take()
            except Exception as error:  # noqa: BLE001 - the first one is on its way up
                extra = {"account_id": self._account_id, "region": self._region}
                _log.error("what is fixed could not be written, either: %s", explain(error), extra=extra)
            raise
        return conflicts | take()

    def _checks(self, change: Change) -> Sequence[Check]:
        """What must hold, beside the issue itself, for a change to be written."""
        if not change.takes_away:
            return ()
        return (
            self._coverage.no_scan_begun_since(self._region, self._state),
            self._hint_records.newest_event_was_shown(change.issue.issue_id, self._scan_start),
        )

    def _record_seen(self, group_ids: Iterable[str]) -> set[str]:
        """Record of exposed groups that stay as they are that they were seen, so that no older answer resolves them.

        A scan of a region does not: it has recorded its begin once for all of them.
        """
        if not self._group_ids:
            return set()
        seen = {group_id: self.issues[group_id] for group_id in group_ids if group_id in self.issues}
        return _conflicts(lambda issue: self._runtime.table.record_seen(issue, self._scan_start), seen)

    def _overtaken(self, written: Iterable[Change]) -> set[str]:
        """Of the groups with something new, those that are to be scanned again: this answer may be an old one.

        It is old if a scan of the region has begun since, which did not see what was written now. It may also be old
        if the second scan after an event has run meanwhile and saw nothing to resolve: no further scan is coming.
        """
        opened = {change.issue.issue_id for change in written if change.issue.status.is_exposed}
        if not opened:
            return set()
        if self._coverage.state(self._account_id, self._region).last_scan_begun != self._state.last_scan_begun:
            return opened
        now = self._runtime.now()
        return {
            group_id
            for group_id, hints in self._hint_records.of_groups(self._account_id, opened).items()
            if hints.observed_from and self._scan_start < hints.observed_from <= now + CLOCK_MARGIN
        }


def _conflicts(write: Callable[[T], None], values: Mapping[str, T], concurrent: int = _CONCURRENT_WRITES) -> set[str]:
    """Write values, several at a time. Returns the keys of those that were in conflict.

    Raises:
        Exception: a write failed otherwise. The others were tried.
    """

    def in_conflict(value: T) -> bool:
        try:
            write(value)
        except ConflictError:
            return True
        return False

    with ThreadPoolExecutor(concurrent) as pool:
        # Not pool.map: its first error cancels what has not begun.
        tried = {key: pool.submit(in_conflict, value) for key, value in values.items()}
    return {key for key, each in tried.items() if each.result()}

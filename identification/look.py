"""One look at a scan target: describe, decide, write, and look again where somebody else wrote or looked meanwhile.

`library.aws.looks` says how looks that cross are told apart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from identification.events_told import EventsTold
from identification.expected_changes import Lagging, Shown, lagging, needs_rules
from identification.region_scan import RegionScan, first_few, scan_region
from library.aws.conditional_writes import ConflictError
from library.aws.coverage_records import CoverageRecords
from library.aws.ec2 import read_rules
from library.aws.failures import ACCESS_DENIED, AWS_ERRORS, error_code, explain
from library.aws.issue_table import adopt
from library.aws.looks import Looks
from library.issues.reconcile import Change, Event, attribute, reconcile, still_opened_by, with_opener
from library.issues.stored_size import fitting
from library.security_groups.exposure import Evaluator

if TYPE_CHECKING:
    from identification.runtime import Runtime
    from identification.scan_targets import ScanTarget
    from library.aws.issue_table import UnreadableIssueError
    from library.issues.issue import Issue
    from library.security_groups.group import IngressRule

_log = logging.getLogger(__name__)

NAMED_AT_MOST = 500
"""Of more groups than this the whole region is read: pages of it are fewer calls than a mark for each group."""

_CONCURRENT_WRITES = 8
_LOOKS = 5  # at groups that others keep changing meanwhile

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of a look.

    Attributes:
        scan: what was seen at first.
        changes: how many issues changed.
        lagging: the groups of which EC2 does not show yet what calls changed. The look must be repeated.
        issues: those of the groups that were looked at, as the table has them now.
        odd_rows: of issues whose item in the table could not be read, what is wrong. They were left as they are.
    """

    scan: RegionScan
    changes: int
    odd_rows: Sequence[str] = ()
    lagging: Mapping[str, Lagging] = field(default_factory=dict)
    issues: Mapping[str, Issue] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """Why the look was not complete, on one line; empty: it was."""
        understood = f"not understood: {self.scan.problem}" if self.scan.problem else ""
        return "; ".join(filter(None, [self.scan.incomplete, understood, *first_few(self.odd_rows)]))

    @property
    def note(self) -> str:
        """What of the network could not be read, on one line; empty: everything was. The groups themselves were."""
        return f"who can connect is not known: {'; '.join(self.scan.notes)}" if self.scan.notes else ""


@dataclass(slots=True)
class _Known:
    """What the table has of the groups that are looked at.

    Attributes:
        issues: by group id.
        odd: what is wrong with those that cannot be read, by group id. Nothing is decided about these groups.
    """

    issues: dict[str, Issue] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)


def look(target: ScanTarget, runtime: Runtime) -> Looked:
    """Look at a scan target and bring its issues up to date.

    Raises:
        ConflictError: somebody else kept changing an issue meanwhile. The message must be handled again.
        Exception: it could not be read, or its issues not be written. No issue of what was not read changes.
    """
    if is_whole(target):
        adopt(runtime.table, target.account_id)
    group_ids: Sequence[str] = () if is_whole(target) else target.group_ids
    first: RegionScan | None = None
    changes, odd_rows, behind = 0, dict[str, str](), dict[str, Lagging]()
    issues: dict[str, Issue] = {}
    for _ in range(_LOOKS):
        once = _Once(target, runtime, group_ids)
        scan, written, again = once.look()
        first, changes, odd_rows = first or scan, changes + written, odd_rows | once.known.odd
        behind = {name: seen for name, seen in behind.items() if group_ids and name not in group_ids} | once.lagging
        issues |= once.known.issues
        if not again:
            odd = tuple(odd_rows[group_id] for group_id in sorted(odd_rows))
            return Looked(first, changes, odd, behind, issues)
        group_ids = () if len(again) > NAMED_AT_MOST else sorted(again)
    raise ConflictError(f"issues that kept changing while they were written: {', '.join(sorted(again))}")


def is_whole(target: ScanTarget) -> bool:
    """Whether a target leads to a look at its whole region."""
    return not target.group_ids or len(target.group_ids) > NAMED_AT_MOST


class _Once:
    """A look with one ticket.

    Args:
        target: the account and region.
        runtime: what to work with.
        group_ids: the groups to look at; empty: the whole region.
    """

    def __init__(self, target: ScanTarget, runtime: Runtime, group_ids: Sequence[str]) -> None:
        self._target = target
        self._account_id, self._region = target.account_id, target.region
        self._runtime = runtime
        self._group_ids = group_ids
        self._looks = Looks(runtime.table.items)
        self._told = EventsTold(target, runtime.now())
        self.known = _Known()
        self.lagging: dict[str, Lagging] = {}

    def look(self) -> tuple[RegionScan, int, set[str]]:
        """Describe, decide and write.

        Returns:
            What was seen, how many issues changed, and the groups that must be looked at again.
        """
        ticket = self._begin()
        # Known before it is described: who writes in between makes the conditional write fail.
        self._read(self._group_ids)
        scan = self._scan()
        self.lagging = self._not_shown_yet(scan)
        if not self._group_ids:
            self._read_more([detection.group_id for detection in scan.detections])
        decided = {change.issue.issue_id: change for change in self._decide(scan)}
        decided |= {change.issue.issue_id: change for change in self._attribute(decided)}
        refused = self._claim(decided.values(), ticket)
        marks = self._looks.marks(self._account_id, self._region, decided, ticket)
        self._told.learn_openings(marks.told)
        written = decided.keys() - marks.overtaken - refused
        conflicts = self._write([self._with_opener(decided[group_id]) for group_id in sorted(written)], ticket)
        self.known.issues |= {group_id: decided[group_id].issue for group_id in written - conflicts}
        again = marks.overtaken | refused | conflicts | self._mark_unchanged(decided.keys(), ticket)
        # A later look may have begun after the check above and read the table before the writes.
        marks = self._looks.marks(self._account_id, self._region, written - conflicts, ticket)
        again |= marks.overtaken
        if not self._group_ids:
            # A whole look does not know what events told. A look at these groups does.
            again |= {group_id for group_id, told in marks.told.items() if self._told.awaited(group_id, told)}
        return scan, len(written - conflicts), set(again)

    def _begin(self) -> int:
        now, own = self._runtime.now(), self._told.own()
        if self._group_ids:
            ticket, known = self._looks.begin_named(self._account_id, self._region, self._group_ids, own, now)
        else:
            known = self._looks.remember(self._account_id, own, now)
            ticket = self._looks.begin_whole(self._account_id, self._region)
        for group_id, old in self._told.learn(known).items():
            self._looks.forget_expected(self._account_id, group_id, old)
        return ticket

    def _read(self, group_ids: Sequence[str]) -> None:
        if group_ids:
            self._read_more(group_ids)
            return
        self.known.issues = self._runtime.table.exposed(self._account_id, self._region, unreadable=self._skip)

    def _read_more(self, group_ids: Iterable[str]) -> None:
        missing = [group_id for group_id in group_ids if group_id not in self.known.issues]
        self.known.issues |= self._runtime.table.get_many(self._account_id, missing, unreadable=self._skip)

    def _skip(self, error: UnreadableIssueError) -> None:
        self.known.odd[error.issue_id] = str(error)

    def _scan(self) -> RegionScan:
        config, section = self._runtime.config, self._runtime.config.secgrp_unrestricted_access
        scan = scan_region(
            self._runtime.sessions,
            self._account_id,
            self._region,
            Evaluator(section.restricted_ports, section.trusted_cidrs),
            config.exemptions(self._account_id),
            self._runtime.now().date(),
            self._group_ids,
            section.owner_tags.keys,
            self._told.expected.keys(),
        )
        if not scan.groups and not self._group_ids:
            # Every VPC has a default group: where there were groups, an empty answer is an error of whatever answered.
            last = CoverageRecords(self._runtime.table.items).last_groups(self._account_id, self._region)
            if last:
                scan.incomplete = f"EC2 listed no security group at all; the last complete scan read {last}"
        return scan

    def _decide(self, scan: RegionScan) -> list[Change]:
        """The changes that a scan of the known groups means. What was not understood is not fixed."""
        issues, now = self.known.issues, self._runtime.now()
        detections = {
            detection.group_id: replace(detection, details=fitting(detection.details)) for detection in scan.detections
        }
        gone = {
            group_id
            for group_id, issue in issues.items()
            if group_id not in detections
            and self._is_here(issue)
            and scan.tells_about(group_id)
            # An answer that is behind resolves nothing.
            and group_id not in self.lagging
        }
        return [
            change
            for group_id in (detections.keys() | gone) - self.known.odd.keys() - self._fixed(issues)
            if (change := reconcile(issues.get(group_id), detections.get(group_id), now))
        ]

    def _not_shown_yet(self, scan: RegionScan) -> dict[str, Lagging]:
        told, now = self._told.expected, self._runtime.now()
        expected = {name: changes for name, changes in told.items() if name in (self._group_ids or told)}
        by_id = self._rules([name for name, changes in expected.items() if needs_rules(changes, now)])
        return lagging(expected, Shown(scan.shown, scan.entries, scan.versions, by_id), now)

    def _rules(self, group_ids: Sequence[str]) -> Mapping[str, Mapping[str, IngressRule | None] | None]:
        """The rules of groups by their ids, as in `Shown`.

        Where the role may not read them, a change that names an id is not waited for.
        """
        if not group_ids:
            return {}
        try:
            return read_rules(self._runtime.sessions.client("ec2", self._account_id, self._region), group_ids)
        except AWS_ERRORS as error:
            _log.warning("whether EC2 shows every change of rules is not known: %s", explain(error))
            return {} if error_code(error) in ACCESS_DENIED else dict.fromkeys(group_ids)

    def _fixed(self, issues: Mapping[str, Issue]) -> set[str]:
        """Groups that have no issue now and of which EC2 still shows what was taken away: none is opened."""
        return {
            group_id
            for group_id, seen in self.lagging.items()
            if seen.shows_old and not (group_id in issues and issues[group_id].status.is_exposed)
        }

    def _attribute(self, decided: Collection[str]) -> Iterator[Change]:
        """Changes of issues that stay as they are, but for who opened them."""
        for group_id, openings in self._told.openings.items():
            issue = self.known.issues.get(group_id)
            if issue is None or group_id in decided or not issue.status.is_exposed or not self._is_here(issue):
                continue
            if change := attribute(issue, still_opened_by(openings, issue.details.perms, issue)):
                yield change

    def _with_opener(self, change: Change) -> Change:
        """A change that names who opened the group, as far as events told."""
        return with_opener(change, self._told.openings.get(change.issue.issue_id, ()))

    def _is_here(self, issue: Issue) -> bool:
        """Whether an issue is of this region: a message may name a group and a region that it is not in."""
        return issue.details.region == self._region

    def _claim(self, changes: Iterable[Change], ticket: int) -> set[str]:
        """Claim the issues that are to be resolved. Returns the ids of the groups whose issue had changed meanwhile.

        A scan of a region does not mark what it leaves as it is. It marks what is claimed, so that an earlier look
        which was held before its write resolves nothing that this scan has seen exposed.
        """
        known = {change.issue.issue_id: change.before for change in changes if change.event is Event.RESOLVED}
        return _conflicts(lambda issue: self._runtime.table.claim(issue, ticket), {i: b for i, b in known.items() if b})

    def _write(self, changes: Sequence[Change], ticket: int) -> set[str]:
        """Write changes. Returns the ids of the groups whose issue had changed meanwhile."""

        def write(change: Change) -> None:
            self._runtime.table.write(change, look=ticket)
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

        return _conflicts(write, {change.issue.issue_id: change for change in changes})

    def _mark_unchanged(self, changed: Iterable[str], ticket: int) -> set[str]:
        """Mark the issues that this look leaves as they are, so that no earlier look changes them any more.

        In a scan of a region only those that another look claims: unchanged groups cost no write.
        """
        skipped = set(changed)
        unchanged = {
            group_id: issue
            for group_id, issue in self.known.issues.items()
            if group_id not in skipped
            and self._is_here(issue)
            and (self._group_ids or issue.resolving not in (None, ticket))
        }
        return _conflicts(lambda issue: self._runtime.table.mark(issue, ticket), unchanged)


def _conflicts(write: Callable[[T], None], values: Mapping[str, T]) -> set[str]:
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

    with ThreadPoolExecutor(_CONCURRENT_WRITES) as pool:
        # Not pool.map: its first error cancels what has not begun.
        tried = {key: pool.submit(in_conflict, value) for key, value in values.items()}
    return {key for key, each in tried.items() if each.result()}

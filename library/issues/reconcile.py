"""What a scan of a group means for its issue: the life of an issue.

Pure. `reconcile` compares what was found with what the table knew and returns the change, or nothing, so that an
unchanged group costs no write. `reconcile_additions` does so where the answer may be older than the group's newest
change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from library.issues.history import KEPT, PastOccurrence
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.notified_exposures import exposure_texts
from library.issues.opening_calls import OpenedBy, OpeningCall, opened_by
from library.issues.reachability import Severity
from library.security_groups.exposure import Exposure, exposure_key, exposure_order
from library.security_groups.users import GroupUsers


@dataclass(frozen=True, slots=True)
class Detection:
    """One exposed group, as it was just described and judged.

    Attributes:
        whitelisted: exemptions cover all that is exposed.
        exempt_as_a_whole: one of them covers whatever the group may expose, seen or not.
        used_by: what uses the group; None: it was not read.
        users_throttled: some of that could not be read this time: users, their names, or whose they are.
    """

    account_id: str
    group_id: str
    details: IssueDetails
    whitelisted: bool
    used_by: GroupUsers | None = None
    users_throttled: bool = False
    exempt_as_a_whole: bool = False


class Event(StrEnum):
    """What happened to an issue."""

    FOUND = "found"
    FOUND_AGAIN = "found again"
    CHANGED = "changed"
    ADOPTED = "adopted"  # as it was, but other tooling wrote it
    EXEMPTED = "exempted"
    ATTRIBUTED = "attributed"  # as it was, but it is known now who opened it
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Change:
    """An issue as it shall be in the table. `before`: the one that this was decided on; None: the table had none."""

    event: Event
    issue: Issue
    before: Issue | None

    @property
    def starts_occurrence(self) -> bool:
        """Whether everything that was done about the issue before is history."""
        return self.before is not None and self.issue.occurrence != self.before.occurrence

    @property
    def takes_away(self) -> bool:
        """Whether the issue is resolved, or loses an exposure: an answer of EC2 that is too old must not do that."""
        if self.before is None or not self.before.status.is_exposed:
            return False
        left = {exposure_key(perm) for perm in self.issue.details.perms} if self.issue.status.is_exposed else set()
        return not left.issuperset(exposure_key(perm) for perm in self.before.details.perms)


def reconcile(known: Issue | None, detection: Detection | None, now: datetime) -> Change | None:
    """Decide what becomes of one group's issue.

    `known` is what the table has of the group, closed or not. `detection` is the group as it is exposed now; None: a
    complete read showed that it is gone or fixed.

    Returns:
        The change, or None when the table says it all already.
    """
    if detection is None:
        if known is None or not known.status.is_exposed:
            return None
        times = replace(known.timestamps, resolved=now)
        history = (*known.history, _ended(known, now))[-KEPT:] if known.status is Status.OPEN else known.history
        return _changed(Event.RESOLVED, known, status=Status.RESOLVED, timestamps=times, history=history)

    status = Status.WHITELISTED if detection.whitelisted else Status.OPEN
    first_seen = Timestamps(identified=now, updated=now)
    if known is None:
        issue = Issue(
            detection.account_id, detection.group_id, status, detection.details, first_seen, used_by=detection.used_by
        )
        return Change(Event.FOUND, issue, None)
    if not known.status.is_exposed or (known.status is Status.WHITELISTED and status is Status.OPEN):
        # An issue whose exemption ended starts anew as well: its owner has all of the retention period again.
        return _changed(
            Event.FOUND_AGAIN,
            known,
            status=status,
            details=detection.details,
            timestamps=first_seen,
            is_same_occurrence=False,
            used_by=detection.used_by,
            history=_with_late_change(known),
        )
    used_by = None if _tells_less(detection, known.used_by) else detection.used_by
    if known.status is status and known.details == detection.details and used_by in (None, known.used_by):
        return None if known.revision else _changed(Event.ADOPTED, known, status=status, timestamps=known.timestamps)
    times = known.timestamps if _is_about_the_same(known, status, detection) else replace(known.timestamps, updated=now)
    return _changed(
        Event.CHANGED if known.status is status else Event.EXEMPTED,
        known,
        status=status,
        details=detection.details,
        timestamps=times,
        used_by=used_by,
    )


def _tells_less(detection: Detection, known: GroupUsers | None) -> bool:
    """Whether throttling left less of a group's users than is known of them: not who owns the group, say."""
    found = detection.used_by
    return bool(detection.users_throttled and known and found and (found.unknown or not known.unknown))


def _ended(issue: Issue, now: datetime) -> PastOccurrence:
    """The occurrence that ends now, as the issue's history keeps it."""
    principal = issue.opened_by.principal if issue.opened_by else ""
    source_is_of_it = issue.source.get("occurrence") == issue.occurrence
    made_by = str(issue.source.get("made_by") or "") if source_is_of_it else ""
    return PastOccurrence(issue.timestamps.identified, now, principal, issue.timestamps.remediated, made_by)


def _with_late_change(known: Issue) -> tuple[PastOccurrence, ...]:
    """The history of an issue that is over, with the change that was recorded after a scan had seen what it did."""
    remediated = known.timestamps.remediated
    if remediated is None or not known.history or known.status.is_exposed:
        return known.history
    *others, last = known.history
    is_late = last.remediated is None and last.resolved == known.timestamps.resolved
    return (*others, replace(last, remediated=remediated)) if is_late else known.history


def reconcile_additions(known: Issue | None, detection: Detection | None, now: datetime) -> Change | None:
    """What becomes of an issue while EC2 may not show the group's newest change yet: nothing is taken from it.

    Exposures that are new are added. Those that the issue has and EC2 does not show stay, and so does the worse of the
    two verdicts on who can connect.
    """
    change = reconcile(known, detection, now)
    if change is None or known is None or detection is None or not change.takes_away:
        return None if change and change.takes_away else change
    if detection.whitelisted and known.status is Status.OPEN and not detection.exempt_as_a_whole:
        return None  # exempt is only what is left
    shown = {exposure_key(perm) for perm in detection.details.perms}
    kept = [perm for perm in known.details.perms if exposure_key(perm) not in shown]
    perms = tuple(sorted((*detection.details.perms, *kept), key=exposure_order))
    verdicts = [details.reachability for details in (known.details, detection.details) if details.reachability]
    is_complete = any(perm.status == "open_completely" for perm in perms)
    details = replace(
        detection.details,
        perms=perms,
        status="open_completely" if is_complete else "open_partly",
        reachability=min(verdicts, key=lambda verdict: list(Severity).index(verdict.severity), default=None),
        perms_total=0,
    )
    return reconcile(known, replace(detection, details=details), now)


def _is_about_the_same(known: Issue, status: Status, detection: Detection) -> bool:
    """Whether nothing changed but that the group is judged for the first time, or that something else uses it."""
    judged = detection.details.reachability
    before = known.details if known.details.reachability else replace(known.details, reachability=judged)
    return known.status is status and before == detection.details


def still_opened_by(
    openings: Sequence[OpeningCall], perms: Sequence[Exposure], before: Issue | None
) -> OpenedBy | None:
    """Who opened a group, by the calls that are kept and by what its issue says already.

    The latest call whose rule is exposed. The call that the issue names may not be kept any more: it stays named while
    everything that was exposed with it still is. `before` is the issue before, of the same occurrence.
    """
    named = opened_by(openings, perms)
    known = before.opened_by if before else None
    if before is None or known is None or any(opening.by == known for opening in openings):
        return named
    if not {exposure_key(perm) for perm in before.details.perms} <= {exposure_key(perm) for perm in perms}:
        return named
    return max(filter(None, (named, known)), key=lambda by: (by.event_time, by.event_id))


def with_opener(change: Change, openings: Sequence[OpeningCall]) -> Change:
    """A change that names who opened the group, as far as the calls that are kept tell."""
    issue = change.issue
    if not issue.status.is_exposed:
        return change
    named = still_opened_by(openings, issue.details.perms, None if change.starts_occurrence else change.before)
    return replace(change, issue=replace(issue, opened_by=named))


def attribute(known: Issue, opened_by: OpenedBy | None) -> Change | None:
    """The change that names the opener of an issue that is otherwise unchanged. None: the issue names it already."""
    if known.opened_by == opened_by:
        return None
    return Change(Event.ATTRIBUTED, replace(known, opened_by=opened_by, revision=known.revision + 1), known)


def _changed(
    event: Event,
    known: Issue,
    *,
    status: Status,
    timestamps: Timestamps,
    details: IssueDetails | None = None,
    is_same_occurrence: bool = True,
    used_by: GroupUsers | None = None,
    history: tuple[PastOccurrence, ...] | None = None,
) -> Change:
    issue = replace(
        known,
        status=status,
        timestamps=timestamps,
        details=details or known.details,
        occurrence=known.occurrence if is_same_occurrence else known.occurrence + 1,
        revision=known.revision + 1,
        used_by=used_by or known.used_by,
        history=known.history if history is None else history,
        open_at_report=_open_at_report(known, details) if is_same_occurrence else None,
        opened_by=known.opened_by if status.is_exposed and is_same_occurrence else None,
        use=known.use if is_same_occurrence else None,
    )
    return Change(event, issue, known)


def _open_at_report(known: Issue, details: IssueDetails | None) -> tuple[str, ...] | None:
    """What was open when an issue was reported, kept where nobody recorded it and something else is open now.

    Reporting records what people were told (`library.issues.notified_exposures`). An older version, or another tool,
    did not: then what the table has before the first change after the report is what they were told.
    """
    notified = known.notified_exposures
    is_recorded = notified is not None and notified.occurrence == known.occurrence
    if is_recorded or known.open_at_report is not None or known.timestamps.reported is None or details is None:
        return known.open_at_report
    if known.details.perms == details.perms or known.details.perms_total:
        return None
    return exposure_texts(known.details.perms)

"""Whether and when remediation changes the group of an issue: the one answer that every part of Hammer asks for.

Pure. `remediation_schedule` is asked by identification (is a run at once to be requested), by reporting (what is
announced), by the lists and `hammer explain` (what is shown), and by remediation itself (what is done).

An exposure is due `retention` after every enabled channel has told of it (`library.issues.notified_exposures`). In
immediate mode an issue whose severity is among those named is due with the notice that says so. An issue is due with
the first of its exposures that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from library.issues.decision_record import CloseNow, KeptSource, kept_sources
from library.issues.history import flapping_text, reopenings
from library.issues.issue import Issue, Status
from library.issues.notified_exposures import NotifiedTimes, exposure_texts, times_of_record
from library.issues.reachability import Severity, severity
from library.issues.times import format_time, shown_time
from library.issues.use import UseVerdict
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.exposure import Exposure, OpenStatus

CARRIED_OUT = "carried_out"
"""The key of `remediation_details` with the time of the decision to close that the last change knew; empty: none."""


class SkipReason(StrEnum):
    """Why a group is left as it is."""

    OFF = "not remediated by this configuration"
    NOT_OPEN = "not open"
    NOT_REPORTED = "not reported"
    NOT_DUE = "not due"
    RESTORED = "restored"
    EXEMPT = "exempt"
    GONE = "gone"
    FIXED = "safe already"
    REMEDIATED = "remediated already"
    OUT_OF_SCOPE = "out of remediation_scope"
    QUOTA = "quota"
    CANNOT_KEEP = "cannot be kept"
    KEPT_BY_PERSON = "kept by a person"
    SOURCES = "remediation_sources"
    NOT_UNDERSTOOD = "not understood"
    FLAPPING = "opened again and again"
    SERVICE = "made by a controller"


_NEED_SOMEBODY = frozenset(
    {SkipReason.QUOTA, SkipReason.NOT_UNDERSTOOD, SkipReason.FLAPPING, SkipReason.CANNOT_KEEP, SkipReason.SOURCES}
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing is to be changed. `text` is the reason in full, for a person; it may hold untrusted input."""

    reason: SkipReason
    text: str

    @property
    def needs_somebody(self) -> bool:
        """Whether the group stays exposed although it is due, so that somebody must look at it."""
        return self.reason in _NEED_SOMEBODY


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What manages a group (`library.source.service.made_by` finds it).

    Attributes:
        manager: its name, on one line and short; empty: nothing is known. May hold untrusted input.
        is_controller: whether it opens again within minutes what is closed in EC2 alone.
    """

    manager: str = ""
    is_controller: bool = False


@dataclass(frozen=True, slots=True)
class RemediationTerms:
    """What the configuration says about the time of remediation in one account.

    Attributes:
        retention: how long after people were told.
        immediate: the severities that are closed at the next run after a notice that says so.
        reaches_people: whether JIRA, Slack or a webhook that reports is enabled, so that what only the console told
            counts no longer.
        is_on: whether remediation acts by itself in the account.
        scope: the statuses that it changes; None: the group is judged again before anything is done.
        stop_after: how often a group may be opened again lately before it is left to a person; 0: any number.
        wait_in_use: how much longer it waits while flow logs show somebody at work through the rules.
        service_groups: whether groups that a controller made, and opens again within minutes, are changed too.
        made_by: tells what manages an issue's group.
    """

    retention: timedelta
    immediate: frozenset[Severity] = frozenset()
    reaches_people: bool = False
    is_on: bool = True
    scope: frozenset[str] | None = None
    exemptions: Sequence[Exemption] = ()
    stop_after: int = 0
    wait_in_use: timedelta = timedelta()
    service_groups: bool = False
    made_by: Callable[[Issue], MadeBy] = field(default=lambda _: MadeBy(), compare=False)

    def is_immediate(self, issue: Issue) -> bool:
        """Whether immediate mode is on for an issue, by its severity when it was last described."""
        return issue.details.severity in self.immediate

    def is_immediate_as(self, issue: Issue, status: OpenStatus) -> bool:
        """Whether immediate mode is on for an issue whose group has another status now.

        Who can connect is known from the last scan only. A partly open group never admits the whole Internet, so it is
        not as severe as one that is open completely.
        """
        reachability = issue.details.reachability
        if reachability is None:
            return severity(None, None, status) in self.immediate
        sources = reachability.sources.at_most(status) if reachability.sources else None
        return severity(reachability.verdict, sources, status) in self.immediate


@dataclass(frozen=True, slots=True)
class ExposureTimes:
    """From when each exposure of an issue may be closed.

    Attributes:
        notified: when people were told of what.
        retention: how long after that.
        notice: when they were told that it is closed at the next run; None: they were not, or it counts no longer.
        not_before: until when all of it waits, since somebody works through the rules; None: it does not wait.
        close_now: that somebody decided to close some of it now; None: nobody did.
        kept: the rules that a person kept when the group was changed: they are not due until one decides otherwise.
    """

    notified: NotifiedTimes
    retention: timedelta
    notice: datetime | None = None
    not_before: datetime | None = None
    close_now: CloseNow | None = None
    kept: tuple[KeptSource, ...] = ()

    def kept_as(self, exposure: Exposure) -> KeptSource | None:
        """Which choice of a person keeps it; None: none does, or somebody decided since to close it."""
        kept = next((each for each in self.kept if each.covers(exposure)), None)
        close_now = self.close_now
        if kept is None or (close_now is not None and close_now.at > kept.at and close_now.covers(exposure)):
            return None
        return kept

    def due(self, exposure: Exposure) -> datetime | None:
        """From when, in UTC; None: people were not told of it yet, or a person keeps it."""
        if self.kept_as(exposure) is not None:
            return None
        notified = self.notified.at(exposure)
        due = None if notified is None else self._after(notified)
        if self.close_now is None or not self.close_now.covers(exposure):
            return due
        return self.close_now.at if due is None else min(due, self.close_now.at)

    def is_due(self, exposure: Exposure, now: datetime) -> bool:
        """Whether it may be closed now. What somebody decided on may, whatever the clock of their machine said."""
        if self.kept_as(exposure) is not None:
            return False
        if self.close_now is not None and self.close_now.covers(exposure):
            return True
        due = self.due(exposure)
        return due is not None and due <= now

    def due_at_best(self) -> datetime | None:
        """When the first exposure that people were told of, or decided on, is due, even if it is closed by now."""
        times = [when for when, extents in self.notified.notified if extents]
        times += [self.notified.otherwise] if self.notified.otherwise else []
        dues = [self._after(when) for when in times] + ([self.close_now.at] if self.close_now else [])
        return min(dues, default=None)

    def _after(self, notified: datetime) -> datetime:
        by_retention = notified + self.retention
        if self.not_before is not None:
            by_retention = max(by_retention, self.not_before)
        return by_retention if self.notice is None else min(by_retention, max(self.notice, notified))


@dataclass(frozen=True, slots=True)
class Waiting:
    """An exposure that is not due with the issue.

    `due` is from when it may be closed, in UTC; None: people were not told of it yet.
    """

    exposure: Exposure
    due: datetime | None


@dataclass(frozen=True, slots=True)
class RemediationSchedule:
    """Whether and when an issue is remediated.

    Attributes:
        due: from when remediation may change the group, in UTC; None: it does not by itself, or nobody was told yet.
        skipped: why it does not change it now; None: it does, at its next run.
        at_once: whether it is closed at the next run once people are told so (immediate mode).
        times: from when each exposure may be closed; None: the issue was not reported.
        waiting: the exposures of the issue that are due later than the issue, in the order of the issue.
    """

    due: datetime | None
    skipped: Skipped | None
    at_once: bool = False
    times: ExposureTimes | None = None
    waiting: tuple[Waiting, ...] = ()

    @property
    def is_untold(self) -> bool:
        """Whether it waits only until people are told of what is open."""
        return self.skipped is not None and self.skipped.reason is SkipReason.NOT_REPORTED


def remediation_schedule(
    issue: Issue, terms: RemediationTerms, now: datetime, *, is_resumed: bool = False
) -> RemediationSchedule:
    """Whether and when remediation changes the group of an issue.

    What is known only when the group is described again, such as that its owner has closed it, is not asked here.
    `is_resumed`: whether a change of its group was begun, so that a notice counts whatever has become of the severity.
    """
    if skipped := _skipped_for_good(issue, terms, now.date()):
        return RemediationSchedule(None, skipped)
    at_once = terms.is_immediate(issue)
    times = exposure_times(issue, terms, is_resumed=is_resumed)
    if times is None:
        return RemediationSchedule(None, Skipped(SkipReason.NOT_REPORTED, "not reported yet"), at_once)
    in_scope = [perm for perm in issue.details.perms if terms.scope is None or perm.status in terms.scope]
    perms = [perm for perm in in_scope if times.kept_as(perm) is None]
    if in_scope and not perms and not issue.details.perms_total:
        kept = times.kept_as(in_scope[0])
        text = f"{kept.text if kept else 'kept'}: left alone until somebody decides"
        return RemediationSchedule(None, Skipped(SkipReason.KEPT_BY_PERSON, text), False, times)
    dues = [times.due(perm) for perm in perms]
    known = [due for due in dues if due is not None]
    # Where the issue lists none, what people were told of says when to describe the group again.
    due = min(known) if known else None if perms else times.due_at_best()
    waiting = tuple(
        Waiting(perm, when) for perm, when in zip(perms, dues, strict=True) if due is None or when is None or when > due
    )
    if due is None:
        text = "nothing of what is open now was reported yet"
        return RemediationSchedule(None, Skipped(SkipReason.NOT_REPORTED, text), at_once, times, waiting)
    skipped = None
    is_decided = times.close_now is not None and (not perms or any(map(times.close_now.covers, perms)))
    if now < due and not is_decided:
        waits = at_once and not has_notice(issue)
        before = ", or as soon as people are told that it is closed at once" if waits else ""
        skipped = Skipped(SkipReason.NOT_DUE, f"due at {shown_time(due)}{before}")
    if terms.stop_after and reopenings(issue.history, max(now, due)) >= terms.stop_after:
        text = f"{flapping_text(issue.history, max(now, due), terms.made_by(issue).manager)}: somebody must decide"
        return RemediationSchedule(None, skipped or Skipped(SkipReason.FLAPPING, text), at_once, times, waiting)
    if not (is_resumed or terms.service_groups) and (made_by := terms.made_by(issue)).is_controller:
        text = f"{made_by.manager} made it and would open it again: change it there, or decide by hand"
        return RemediationSchedule(None, skipped or Skipped(SkipReason.SERVICE, text), False, times, waiting)
    return RemediationSchedule(due, skipped, at_once, times, waiting)


def _skipped_for_good(issue: Issue, terms: RemediationTerms, today: date) -> Skipped | None:
    """Why remediation does not change the group by itself, whatever the time; None: it does."""
    details = issue.details
    if not issue.kind.is_remediated:
        return Skipped(SkipReason.OFF, f"an {issue.kind.name} is not remediated")
    if not terms.is_on:
        return Skipped(SkipReason.OFF, "remediation is off, or the account is not among remediation_accounts")
    applies = applying(terms.exemptions, issue.issue_id, details.vpc_id, details.name, today)
    if issue.status is Status.WHITELISTED or any(exemption.is_whole for exemption in applies):
        return Skipped(SkipReason.EXEMPT, "exempt now")
    if issue.status is not Status.OPEN:
        return Skipped(SkipReason.NOT_OPEN, f"its issue is {issue.status}")
    if restored := issue.remediation_details.get("restored"):
        flag = restored if hasattr(restored, "get") else {}
        by, at = flag.get("by", "somebody"), flag.get("at", "some time")
        return Skipped(SkipReason.RESTORED, f"restored by {by} at {at}: left alone until somebody decides")
    if terms.scope is not None and not any(perm.status in terms.scope for perm in details.perms):
        scope = ", ".join(sorted(terms.scope)) or "nothing"
        return Skipped(SkipReason.OUT_OF_SCOPE, f"{details.status}, and remediation_scope is {scope}")
    return None


def exposure_times(issue: Issue, terms: RemediationTerms, *, is_resumed: bool = False) -> ExposureTimes | None:
    """From when each exposure of an issue may be closed; None: the issue was not reported, or to nobody.

    `is_resumed`: whether a change of its group was begun.
    """
    reported, notice, close_now = issue.timestamps.reported, issue.closing_notice, decided_to_close(issue)
    kept = kept_sources(issue)
    if reported is None or (terms.reaches_people and on_console_only(issue)):
        untold = ExposureTimes(NotifiedTimes(()), terms.retention, close_now=close_now, kept=kept)
        return untold if close_now else None
    counts = is_resumed or (terms.is_immediate(issue) and has_notice(issue))
    is_notified = counts and notice is not None and notice.occurrence == issue.occurrence
    return ExposureTimes(
        issue_notified_times(issue, reported),
        terms.retention,
        notice.at if notice and is_notified else None,
        None if is_resumed else _end_of_wait(issue, terms),
        close_now,
        kept,
    )


def kept_open(issue: Issue) -> tuple[tuple[Exposure, KeptSource], ...]:
    """The exposures that stay open because a person kept them, each with that choice."""
    kept = kept_sources(issue)
    times = ExposureTimes(NotifiedTimes(()), timedelta(), close_now=decided_to_close(issue), kept=kept)
    found = ((perm, times.kept_as(perm)) for perm in issue.details.perms) if kept else ()
    return tuple((perm, choice) for perm, choice in found if choice is not None)


def may_wait(issue: Issue, terms: RemediationTerms) -> bool:
    """Whether an issue waits if flow logs show somebody at work: not a critical one, and none of immediate mode."""
    is_urgent = issue.details.severity is Severity.CRITICAL or terms.is_immediate(issue)
    return terms.wait_in_use > timedelta() and not is_urgent


def _end_of_wait(issue: Issue, terms: RemediationTerms) -> datetime | None:
    """Until when an issue waits because somebody works through its rules; None: it does not.

    It waits once in an occurrence, from the first report on, whatever is opened later. What is not known of use delays
    nothing.
    """
    works = issue.use is not None and issue.use.verdict is UseVerdict.WORKING
    reported = issue.timestamps.reported
    if reported is None or not works or not may_wait(issue, terms):
        return None
    return reported + terms.retention + terms.wait_in_use


def decided_to_close(issue: Issue) -> CloseNow | None:
    """The decision of a person to close an issue at once; None: there is none, or it was carried out."""
    close_now, remediated = issue.decided.close_now, issue.timestamps.remediated
    if close_now is None or close_now.occurrence != issue.occurrence:
        return None
    # What its owner opens again after it was closed is decided about anew, also where something else is still open.
    known = issue.remediation_details.get(CARRIED_OUT)
    if known is not None:  # a decision that came during the change is still to be carried out
        return None if known == format_time(close_now.at) else close_now
    return None if remediated is not None and remediated >= close_now.at else close_now


def issue_notified_times(issue: Issue, reported: datetime) -> NotifiedTimes:
    """When people were told of the exposures of a reported issue."""
    record = issue.notified_exposures
    if record is not None and record.occurrence != issue.occurrence:
        record = None
    fallback = issue.open_at_report
    if fallback is None and issue.details.perms and not issue.details.perms_total:
        fallback = exposure_texts(issue.details.perms)
    return times_of_record(record, reported, fallback)


def due_by_retention(issue: Issue, terms: RemediationTerms) -> datetime | None:
    """When an issue is due without immediate mode; None: it was not reported yet."""
    reported = issue.timestamps.reported
    if reported is None:
        return None
    times = issue_notified_times(issue, reported)
    return ExposureTimes(times, terms.retention, not_before=_end_of_wait(issue, terms)).due_at_best()


def as_reported(issue: Issue, now: datetime) -> Issue:
    """An issue as it will be once it is reported now for the first time."""
    times = replace(issue.timestamps, reported=now)
    untold = replace(issue, jira_details={}, slack_details={}, webhook_details={})
    return replace(untold, timestamps=times, notified_exposures=None, open_at_report=None)


def has_notice(issue: Issue) -> bool:
    """Whether the last that people were told of this occurrence is that it is closed at the next run."""
    notice = issue.closing_notice
    return notice is not None and notice.occurrence == issue.occurrence and not notice.withdrawn


def on_console_only(issue: Issue) -> bool:
    """Whether the item says that this occurrence was reported on the console and nowhere else.

    That counts as a report only while no other channel is enabled. The first that is enabled later reports the
    issue anew, and until it has, nobody knows of it. An item that does not say who was told, as other tooling writes
    it, is taken as reported.
    """
    kept, slack = issue.jira_details, issue.slack_details
    in_slack = "digest" in slack and slack.get("occurrence") in (None, issue.occurrence)
    # Hammer 0.1 left on the console what a ticket leaves, without a ticket.
    on_console = kept.get("console") == issue.occurrence or ("digest" in kept and not kept.get("ticket"))
    in_webhook = issue.webhook_details.get("reported") == issue.occurrence
    return on_console and not in_slack and not in_webhook

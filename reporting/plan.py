"""The ticket plan: what each channel is to be sent about each issue, that it was not sent before.

Pure. Tickets, alerts, events and the console are channels; each has a state in the issue's item, and is sent what that
state does not hold. So a channel that failed is sent it by the next run, and no other gets it twice. Also here: what
remediation will do with an issue, as far as reporting announces it, and the exemption that an issue is about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from library.config.models import remediation_terms
from library.issues.decision_rules import exempt_until
from library.issues.issue import SECURITY_GROUP, Issue, Status
from library.issues.reachability import severity
from library.issues.schedule import (
    RemediationSchedule,
    RemediationTerms,
    Skipped,
    SkipReason,
    Waiting,
    as_reported,
    due_by_retention,
    has_notice,
    may_wait,
    remediation_schedule,
)
from library.issues.use import UseVerdict
from library.security_groups.exemptions import REMIND_DAYS, Exemption, applying, deciding, last_ended
from reporting.exposure_text import exposure_line

if TYPE_CHECKING:
    from library.config import Configuration

_EXPOSED_BY_AN_END = timedelta(days=7)
"""How long after the end of an exemption a new occurrence is said to follow from it. Scans may fail for some time."""


def exemption_of(issue: Issue, exemptions: Sequence[Exemption], now: datetime) -> Exemption | None:
    """The exemption of an exempt issue, or the one whose end started the occurrence of an open one."""
    if issue.kind is not SECURITY_GROUP:
        return None
    about = (issue.issue_id, issue.details.vpc_id, issue.details.name)
    if issue.status is Status.WHITELISTED:
        return deciding(exemptions, *about, now.date())
    identified = issue.timestamps.identified
    if issue.status is not Status.OPEN or identified is None:
        return None
    over = last_ended(exemptions, *about, now.date())
    if over is None or over.expires is None:
        return None
    ended = datetime(over.expires.year, over.expires.month, over.expires.day, tzinfo=UTC)
    return over if ended <= identified < ended + _EXPOSED_BY_AN_END else None


def reminder_of_end(issue: Issue, exemption: Exemption | None, now: datetime) -> str:
    """The end of an exemption and the days before it, as in `Step.reminder_of_end`; empty: it is not near."""
    if not issue.status.is_exposed or exemption is None or exemption.expires is None:
        return ""
    left = (exemption.expires - now.date()).days
    days = [days for days in REMIND_DAYS if left <= days]
    return f"{exemption.expires}, {min(days)} days" if days else ""


def ending_exemption(
    issue: Issue, exemption: Exemption | None, exemptions: Sequence[Exemption], now: datetime
) -> Exemption | None:
    """The exemption whose end opens something: that of `exemption_of`, or the first of an open issue's."""
    if issue.status is not Status.OPEN or issue.kind is not SECURITY_GROUP:
        return exemption
    if exempt_until(issue, now.date()):
        return None  # all of it: the next scan finds it exempt, and that issue has its own reminders
    counting = applying(exemptions, issue.issue_id, issue.details.vpc_id, issue.details.name, now.date())
    dated = [each for each in counting if each.expires and not each.is_whole]
    return min(dated, key=lambda each: each.expires or now.date(), default=None)


def is_exempt_in_part(issue: Issue, exemptions: Sequence[Exemption], now: datetime) -> bool:
    """Whether an exemption counts for the group of an open issue: what it covers is not in the issue."""
    if issue.kind is not SECURITY_GROUP or issue.status is not Status.OPEN:
        return False
    return bool(applying(exemptions, issue.issue_id, issue.details.vpc_id, issue.details.name, now.date()))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What automatic remediation will do.

    Attributes:
        terms: what the configuration says of an account, where people are told now: `reaches_people` is False, since
            it does not count where an issue was reported before.
        strategy: how it changes groups.
        scope: the statuses that it changes.
        retention: from the report to the change.
        reminder_days: how many days before to remind, the most first.
    """

    terms: Callable[[str], RemediationTerms]
    strategy: str
    scope: frozenset[str]
    retention: timedelta
    reminder_days: tuple[int, ...] = ()

    def of(self, issue: Issue, now: datetime) -> IssueForecast:
        """What it will do to the group of an issue. `now`: the time, in UTC."""
        return IssueForecast(issue, now, self.terms(issue.account_id))


@dataclass(slots=True)
class IssueForecast:
    """What automatic remediation will do to one group, if people are told now of what they were not told before.

    `anew` below: whether the issue is reported now even if it was before.
    """

    issue: Issue
    now: datetime
    terms: RemediationTerms
    _schedules: dict[bool, RemediationSchedule] = field(default_factory=dict)

    def schedule(self, *, anew: bool = False) -> RemediationSchedule:
        """Whether and when it changes the group."""
        anew = anew or self.issue.timestamps.reported is None
        if anew not in self._schedules:  # asked of every issue, several times
            self._schedules[anew] = self._schedule(as_reported(self.issue, self.now) if anew else self.issue)
        return self._schedules[anew]

    def _schedule(self, issue: Issue) -> RemediationSchedule:
        if exempt_until(issue, self.now.date()):
            return RemediationSchedule(None, Skipped(SkipReason.EXEMPT, "exempt now"))
        return remediation_schedule(issue, self.terms, self.now)

    def closes_at(self, *, anew: bool = False) -> datetime | None:
        """When it changes the group for the first time; None: it will not."""
        found = self.schedule(anew=anew)
        if found.at_once and (anew or not has_notice(self.issue)):
            return min(self.now, found.due) if found.due else self.now
        if found.due is None and found.times is not None and found.waiting and found.is_untold:
            # None of what is open was told yet: it is now.
            return max(self.now + self.terms.retention, found.times.not_before or self.now)
        return found.due

    def closes_last(self, *, anew: bool) -> datetime | None:
        """When it changes the group at the latest, if flow logs show somebody at work; None: it does not wait."""
        closes_at = self.closes_at(anew=anew)
        if closes_at is None or not may_wait(self.issue, self.terms):
            return None
        reported = None if anew else self.issue.timestamps.reported
        return max(closes_at, (reported or self.now) + self.terms.retention + self.terms.wait_in_use)

    @property
    def closes_at_once(self) -> bool:
        """Whether it closes the issue at its next run, once people are told so (immediate mode)."""
        return self.schedule().at_once

    @property
    def is_due_anyway(self) -> bool:
        """Whether the retention period is over, so that immediate mode changes nothing."""
        due = due_by_retention(self.issue, self.terms)
        return due is not None and due <= self.now


def remediation_forecast(config: Configuration) -> Forecast:
    """What automatic remediation will do by this configuration."""
    section = config.secgrp_unrestricted_access

    @cache  # the same for all issues of an account
    def terms(account_id: str) -> RemediationTerms:
        return replace(remediation_terms(config, account_id), reaches_people=False)

    return Forecast(
        terms,
        strategy=section.remediation_strategy,
        scope=frozenset(section.remediation_scope),
        retention=timedelta(days=section.remediation_retention_period),
        reminder_days=tuple(sorted(config.slack.reminder_days, reverse=True)),
    )


class Update(StrEnum):
    """What a channel has not heard yet."""

    NEW = "new"
    FOUND_AGAIN = "found again"
    CHANGED = "changed"
    CLOSING = "to be closed sooner or later than was told"
    EXEMPT = "exempt"
    EXEMPTION_ENDS = "exemption ends"
    USE = "flow logs show its use"
    GONE = "gone"
    NOT_WATCHED = "not watched any more"

    @property
    def ends(self) -> bool:
        """Whether the ticket is to be closed."""
        return self in (Update.EXEMPT, Update.GONE, Update.NOT_WATCHED)

    @property
    def begins(self) -> bool:
        """Whether the channel reports this occurrence of the issue for the first time."""
        return self in (Update.NEW, Update.FOUND_AGAIN)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What a channel was last told of an issue.

    Attributes:
        occurrence: of which occurrence; None: another tool wrote the state, and knows no occurrences.
        closed: that it is over.
        digest: of what was open then (`digest`); empty: nobody knows.
        verdict: of reachability, then; empty: none. None: nobody knows.
        severity: the severity then; None: nobody knows.
        at_once: that remediation closes it at its next run.
        is_doubted: whether it may have been told another change since: a run ended, or failed, while it told that.
        doubted_at_once: `at_once` by what it may have been told since; None: nothing.
    """

    occurrence: int | None = None
    closed: bool = False
    digest: str = ""
    verdict: str | None = None
    severity: str | None = None
    at_once: bool = False
    is_doubted: bool = False
    doubted_at_once: bool | None = None


@dataclass(frozen=True, slots=True)
class Channels:
    """Where issues are told. Where nothing else reports new issues the console is the channel.

    Attributes:
        webhook: whether the webhook is on.
        webhook_reports: whether it gets what is new; else it counts as nobody who was told.
    """

    jira: bool
    slack: bool
    webhook: bool = False
    webhook_reports: bool = True

    @property
    def console(self) -> bool:
        """Whether there is nothing but the console."""
        return not (self.jira or self.slack or (self.webhook and self.webhook_reports))


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one issue.

    Attributes:
        ticket_update: what its ticket, or the console, has to hear.
        alert_update: what Slack has to hear.
        event_update: what the webhook has to hear.
        alert_reminder: the days, of those that are configured, of which Slack is to be reminded.
        event_reminder: the same of the webhook.
        follow_up: whether a watcher or link that the last run could not set is to be tried again.
        closes_at: when remediation will close it.
        closes_last: when it will although flow logs show somebody at work; None: it does not wait for that.
        at_once: whether that is its next run, by immediate mode.
        closing_time_changed: whether its ticket was told otherwise.
        notice: whether `closing_notice` is recorded after all of that was sent: people know when the group is closed.
        withdraws_notice: whether the `closing_notice` that is recorded is withdrawn before anything is sent.
        report: whether the issue is recorded as reported after all of that was sent.
        report_anew: whether it was recorded as reported before, which counts no longer: a channel that was enabled
            since reports it for the first time.
        exempt_in_part: whether an exemption applies to the group of an open issue: what it covers is not in the issue.
        exemption: of an exempt issue the exemption whose end exposes it again; of a new occurrence the one whose end
            exposed it; None: there is none.
        reminder_of_end: the end of the exemption and the days before it, of those on which its owner is notified, to
            be remembered as told; empty: it is not near.
        close: whether the issue is recorded as closed after all of that was sent.
        notified: whether what is open now is recorded as what people know, after all of that was sent.
        waiting: the exposures that remediation closes later than `closes_at`: they are new, and have their own period.
        retention_days: that period, of those of `waiting` that people are told of now.
    """

    issue: Issue
    ticket_update: Update | None
    alert_update: Update | None
    alert_reminder: int | None
    closes_at: datetime | None
    report: bool
    close: bool
    report_anew: bool = False
    follow_up: bool = False
    at_once: bool = False
    closing_time_changed: bool = False
    notice: bool = False
    withdraws_notice: bool = False
    exempt_in_part: bool = False
    exemption: Exemption | None = None
    reminder_of_end: str = ""
    notified: bool = False
    waiting: tuple[Waiting, ...] = ()
    retention_days: int = 0
    closes_last: datetime | None = None
    event_update: Update | None = None
    event_reminder: int | None = None

    @property
    def reminds(self) -> bool:
        """Whether a channel is reminded of what it was told before."""
        return self.alert_reminder is not None or self.event_reminder is not None


def plan(
    issues: Iterable[Issue],
    channels: Channels,
    remediation: Forecast,
    now: datetime,
    exemptions: Callable[[str], Sequence[Exemption]] = lambda _: (),
    watches: Callable[[Issue], bool] = lambda _: True,
) -> list[Step]:
    """What is to be done, in the order of the issues; nothing for an issue of which everything is told.

    Args:
        issues: open, exempt and resolved ones.
        channels: where they are told.
        remediation: what is announced.
        now: the time, in UTC.
        exemptions: the exemptions of an account, expired ones among them.
        watches: whether the place of an issue is still scanned. An issue that nobody can resolve any more is ended.
    """
    return [
        step
        for issue in issues
        if (
            step := _step(issue, channels, remediation, now, exemptions(issue.account_id))
            if issue.status is Status.RESOLVED or watches(issue)
            else _step_where_not_scanned(issue, channels)
        )
    ]


def _step_where_not_scanned(issue: Issue, channels: Channels) -> Step:
    """What is to be done about an issue whose account or region is not watched any more."""

    def last_update(state: ChannelState | None) -> Update | None:
        return None if state is None or state.closed else Update.NOT_WATCHED

    ticket = last_update(ticket_state(issue, on_paper=channels.console)) if channels.jira or channels.console else None
    alert = last_update(slack_state(issue)) if channels.slack else None
    event = last_update(webhook_state(issue)) if channels.webhook else None
    return Step(issue, ticket, alert, alert_reminder=None, closes_at=None, report=False, close=True, event_update=event)


@dataclass(slots=True)
class _ChannelUpdates:
    """What each channel has to hear of one issue.

    Attributes:
        closing_time_changed: whether the ticket was told another time of closing.
        knows: of each channel, whether it knows, or is told now, that the issue is closed at the next run.
    """

    ticket: Update | None = None
    alert: Update | None = None
    event: Update | None = None
    closing_time_changed: bool = False
    knows: list[bool] = field(default_factory=list)

    def begins(self, channels: Channels) -> bool:
        """Whether a channel reports this occurrence for the first time."""
        reporting = (self.ticket, self.alert, self.event if channels.webhook_reports else None)
        return any(update is not None and update.begins for update in reporting)


def _channel_updates(issue: Issue, channels: Channels, remediation: IssueForecast, end: str) -> _ChannelUpdates:
    """What each channel has to hear. `end`: of `reminder_of_end`."""
    found = _ChannelUpdates()

    def owed_update(state: ChannelState | None) -> Update | None:
        is_late = _was_notified_otherwise(issue, state, remediation)
        update = update_for(issue, state)
        if update is None and state and state.is_doubted and issue.status is Status.OPEN:
            update = Update.CHANGED  # what it may have been told since is not so any more
        update = update or (Update.CLOSING if is_late else None)
        found.knows.append(bool(update or (state and state.at_once)))
        return update

    if channels.jira or channels.console:
        state = ticket_state(issue, on_paper=channels.console)
        found.closing_time_changed = _was_notified_otherwise(issue, state, remediation)
        found.ticket = owed_update(state)
        # Without a ticket JIRA has nobody to notify.
        if channels.console or issue.jira_details.get("ticket"):
            found.ticket = found.ticket or _end_update(issue.jira_details, end)
        found.ticket = found.ticket or _use_update(issue, state, issue.jira_details)
    if channels.slack:
        state = slack_state(issue)
        found.alert = owed_update(state) or _end_update(issue.slack_details, end)
        found.alert = found.alert or _use_update(issue, state, issue.slack_details)
    if channels.webhook:
        found.event = owed_update(webhook_state(issue, reports=channels.webhook_reports)) or _end_update(
            issue.webhook_details, end
        )
    return found


def _step(
    issue: Issue, channels: Channels, remediation: Forecast, now: datetime, exemptions: Sequence[Exemption]
) -> Step | None:
    exemption = exemption_of(issue, exemptions, now)
    ending = ending_exemption(issue, exemption, exemptions, now)
    end = reminder_of_end(issue, ending, now)
    forecast = remediation.of(issue, now)
    at_once = forecast.closes_at_once
    updates = _channel_updates(issue, channels, forecast, end)
    ticket, alert, event = updates.ticket, updates.alert, updates.event
    is_open, is_reported = issue.status is Status.OPEN, issue.timestamps.reported is not None
    begins, has_update = updates.begins(channels), bool(ticket or alert or event)
    closes_at = forecast.closes_at(anew=begins)
    may_remind = not begins and not at_once
    alert_reminder = event_reminder = None
    if may_remind and channels.slack and not alert:
        alert_reminder = _reminder(issue, issue.slack_details, closes_at, remediation, now)
    if may_remind and channels.webhook and not event:
        event_reminder = _reminder(issue, issue.webhook_details, closes_at, remediation, now)
    report = is_open and (begins or not is_reported)
    close = issue.status is Status.RESOLVED
    follow_up = channels.jira and not ticket and is_open and bool(issue.jira_details.get("still"))
    notice = at_once and all(updates.knows) and (begins or not has_notice(issue))
    reminds = alert_reminder is not None or event_reminder is not None
    if not (has_update or reminds or report or close or follow_up or notice):
        return None  # most issues: what else a step says is not worked out for them
    has_old = is_open and is_reported and not begins and closes_at is not None
    waiting = forecast.schedule().waiting if has_old else ()
    says_when = any(each not in (None, Update.USE) for each in (ticket, alert, event))
    return Step(
        issue,
        ticket,
        alert,
        alert_reminder,
        closes_at,
        report=report,
        report_anew=is_open and begins and is_reported,
        close=close,
        exempt_in_part=has_update and is_exempt_in_part(issue, exemptions, now),
        exemption=exemption
        if begins or not is_open
        else ending
        if Update.EXEMPTION_ENDS in (ticket, alert, event)
        else None,
        reminder_of_end=end,
        follow_up=follow_up,
        at_once=at_once,
        waiting=waiting,
        retention_days=remediation.retention.days if waiting and not at_once else 0,
        notified=is_open and (says_when or not is_reported),
        closing_time_changed=updates.closing_time_changed,
        notice=notice,
        closes_last=forecast.closes_last(anew=begins),
        withdraws_notice=is_open and not at_once and has_notice(issue) and says_when,
        event_update=event,
        event_reminder=event_reminder,
    )


def _was_notified_otherwise(issue: Issue, state: ChannelState | None, remediation: IssueForecast) -> bool:
    """Whether what a channel said about a closing at the next run is wrong now."""
    if state is None or state.closed or issue.status is not Status.OPEN:
        return False
    if remediation.closes_at() is None or remediation.is_due_anyway:
        return False
    said = {state.at_once, state.at_once if state.doubted_at_once is None else state.doubted_at_once}
    return said != {remediation.closes_at_once}


def _end_update(kept: Mapping[str, Any], reminder_of_end: str) -> Update | None:
    was_told = not reminder_of_end or kept.get("exemption_told") == reminder_of_end
    return None if was_told else Update.EXEMPTION_ENDS


_USE_KNOWN = (UseVerdict.NONE, UseVerdict.TALKED, UseVerdict.WORKING)  # each is news after those before it


def _use_update(issue: Issue, state: ChannelState | None, kept: Mapping[str, Any]) -> Update | None:
    """Whether flow logs show more of an open issue's use than a channel that reported it was told.

    A ticket that was filed before the flow logs were read would else never say whom a change cuts off. It is told when
    something is known for the first time, and once more when somebody turns out to talk, or to work.
    """
    if state is None or state.closed or issue.status is not Status.OPEN or issue.use is None:
        return None
    if issue.use.verdict not in _USE_KNOWN:
        return None
    notified = kept.get("use_told")
    if not isinstance(notified, Mapping) or notified.get("occurrence") != issue.occurrence:
        return Update.USE
    known = _USE_KNOWN.index(issue.use.verdict)
    return Update.USE if notified.get("verdict") not in _USE_KNOWN[known:] else None


def use_notified(issue: Issue) -> dict[str, Any]:
    """What a channel keeps of a text that says what flow logs show."""
    if issue.use is None or issue.use.verdict not in _USE_KNOWN:
        return {}
    return {"use_told": {"occurrence": issue.occurrence, "verdict": str(issue.use.verdict)}}


def state_after_update(step: Step, update: Update, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a channel keeps of an issue once it is told an update of a step, given what it kept before."""
    if update is Update.USE:
        return {**kept, **use_notified(step.issue)}
    # Of an open issue other news does not tell of the end.
    tells_of_end = step.reminder_of_end and (update is Update.EXEMPTION_ENDS or step.issue.status is not Status.OPEN)
    ends: dict[str, Any] = {"exemption_told": step.reminder_of_end} if tells_of_end else {}
    if update is Update.EXEMPT:
        ends["exempt"] = True
    if update is Update.EXEMPTION_ENDS:
        return {**kept, **ends}
    return {**lasting(kept), **state_as_notified(step.issue, closed=update.ends, at_once=step.at_once), **ends}


def state_with_reminder(
    step: Step, update: Update | None, reminder: int | None, kept: Mapping[str, Any]
) -> dict[str, Any]:
    """What a channel that reminds keeps of an issue once it is told an update of a step, or reminded (no update)."""
    if update is None:
        return {**kept, "reminded": reminder}
    if update not in (Update.CHANGED, Update.CLOSING, Update.EXEMPTION_ENDS, Update.USE):
        kept = {name: value for name, value in kept.items() if name != "reminded"}
    return state_after_update(step, update, kept)


def lasting(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a channel keeps whatever it is told next: not when the issue is closed, nor that it is exempt."""
    return {name: value for name, value in kept.items() if name not in ("at_once", "exempt")}


def update_for(issue: Issue, state: ChannelState | None) -> Update | None:
    """What a channel has to hear of an issue. Without a state it was told nothing."""
    if issue.status is not Status.OPEN:
        if state is None or state.closed:
            return None
        return Update.EXEMPT if issue.status is Status.WHITELISTED else Update.GONE
    if state is None:
        return Update.NEW
    if state.closed or state.occurrence not in (None, issue.occurrence):
        return Update.FOUND_AGAIN
    if state.digest:
        return Update.CHANGED if state.digest != channel_digest(issue) or _reachability_changed(issue, state) else None
    reported, updated = issue.timestamps.reported, issue.timestamps.updated
    return Update.CHANGED if reported and updated and updated > reported else None


_ENDS_OWED = (Update.NEW, Update.FOUND_AGAIN, Update.EXEMPT, Update.GONE, Update.NOT_WATCHED)
"""What a run that broke off was telling, so that a channel may still be to be told that an issue is over."""


def ticket_state(issue: Issue, *, on_paper: bool = False) -> ChannelState | None:
    """What the issue's ticket says; None: it has none. `on_paper`: a report on the console counts as one."""
    kept = issue.jira_details
    # A run that ended while it filed or reopened a ticket may have done so: there may be one to close.
    broke_off = {} if issue.status is Status.OPEN else kept.get("intent") or {}
    if broke_off and (not kept.get("ticket") or broke_off.get("news") in _ENDS_OWED):
        return ChannelState(issue.occurrence)
    if not on_paper and kept.get("ticket") and kept.get("console") == issue.occurrence:
        return ChannelState(closed=True)  # the ticket is about an occurrence before, and is closed
    has_one = kept.get("ticket") or (on_paper and ("digest" in kept or issue.timestamps.reported))
    intent = kept.get("intent") or {}
    in_doubt = str(intent.get("news") or ""), bool(intent.get("at_once"))
    return _with_doubt(_channel_state(kept), *in_doubt) if has_one else None


def slack_state(issue: Issue) -> ChannelState | None:
    """What Slack was told of the issue; None: nothing."""
    kept = issue.slack_details
    in_doubt = str((kept.get("heard") or {}).get("news") or "")
    if issue.status is not Status.OPEN and in_doubt.partition(",")[0] in _ENDS_OWED:
        # A part of its destinations was told, or may have been: they are also told when it is over.
        return ChannelState(issue.occurrence)
    if "digest" not in kept:
        return None
    return _with_doubt(_channel_state(kept), in_doubt.partition(",")[0], in_doubt.endswith(AT_ONCE))


DOUBTED = "unsure"
"""In `webhook_details`: the update that the webhook did not confirm, and may have all the same."""
AT_ONCE = ", closed at once"
"""The end of the key of an alert that promises that."""


def _with_doubt(state: ChannelState, update: str, at_once: bool) -> ChannelState:
    """A state with an update that the channel may have been told beyond it; empty: none."""
    if update not in (Update.CHANGED, Update.CLOSING):
        return state
    return replace(state, is_doubted=update == Update.CHANGED, doubted_at_once=at_once)


def webhook_state(issue: Issue, *, reports: bool = True) -> ChannelState | None:
    """What the webhook was told of the issue; None: nothing.

    Args:
        issue: the issue.
        reports: whether the webhook gets what is new. If so, an open issue that was recorded without an event, because
            the webhook did not get new ones then, is still to be told.
    """
    kept, doubted = issue.webhook_details, issue.webhook_details.get(DOUBTED) or {}
    in_doubt = str(doubted.get("news") or "")
    if issue.status is not Status.OPEN and in_doubt in _ENDS_OWED:
        return ChannelState(issue.occurrence)  # it may have been told, so it is told when it is over
    if "digest" not in kept:
        return None
    state = _with_doubt(_channel_state(kept), in_doubt, bool(doubted.get("at_once")))
    was_silent = kept.get("reported") != issue.occurrence and state.occurrence == issue.occurrence
    return None if reports and was_silent and not state.closed and issue.status is Status.OPEN else state


def _channel_state(kept: Mapping[str, Any]) -> ChannelState:
    occurrence = kept.get("occurrence")
    return ChannelState(
        occurrence=None if occurrence is None else int(occurrence),
        closed=bool(kept.get("closed")),
        digest=str(kept.get("digest") or ""),
        verdict=kept.get("verdict"),
        severity=kept.get("severity"),
        at_once=bool(kept.get("at_once")),
    )


def state_as_notified(issue: Issue, *, closed: bool, at_once: bool = False) -> dict[str, Any]:
    """What a channel keeps of an issue that it was just told of."""
    state = {"occurrence": issue.occurrence, "closed": closed, "digest": channel_digest(issue)}
    state |= {"verdict": _verdict(issue), "severity": str(issue.details.severity)}
    return state | ({"at_once": True} if at_once else {})


def channel_digest(issue: Issue) -> str:
    """Tells apart what may be open in a group at different times; its name and tags do not count."""
    lines = "\n".join(exposure_line(perm) for perm in issue.details.perms)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def channel_statement(issue: Issue) -> str:
    """Tells apart what a channel may be told of an issue at different times: what is open, how severe, who connects."""
    return f"{channel_digest(issue)}, {issue.details.severity}, {_verdict(issue)}"


def _verdict(issue: Issue) -> str:
    reachability = issue.details.reachability
    return str(reachability.verdict) if reachability else ""


def _reachability_changed(issue: Issue, state: ChannelState) -> bool:
    """Whether the verdict or the severity is another than when the channel was last used."""
    # Before reachability was judged, the severity followed from the status alone. That is no change by itself.
    was = state.severity or severity(None, None, issue.details.status)
    return was != issue.details.severity or (state.verdict or "") not in ("", _verdict(issue))


def _reminder(
    issue: Issue, kept: Mapping[str, Any], closes_at: datetime | None, remediation: Forecast, now: datetime
) -> int | None:
    """The smallest number of reminder days that is due.

    None: none is due, or the channel was sent that reminder or a later one, as `kept` says.
    """
    if closes_at is None or issue.timestamps.reported is None:
        return None
    # Who was told a moment ago needs no reminder of it.
    due = [
        days
        for days in remediation.reminder_days
        if timedelta(days=days) < remediation.retention and now >= closes_at - timedelta(days=days)
    ]
    sent = kept.get("reminded")
    if not due or (sent is not None and int(sent) <= min(due)):
        return None
    return min(due)

"""Remediates one group, or completes what an earlier run left in it: describe, plan, back up, change, verify, record.

From the top: what is to be done about a group as it is now (`assess`), which a dry run shows; the engine that brings a
group to a goal (`GroupWork`), of which a restore is the other one (`remediation.restore`); and the remediation.

Nothing here asks a person or prints: `GroupWork.advance` does what can be done now, and is called again while EC2 does
not show a change yet.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.aws.ec2 import PrefixListReader
from library.aws.failures import AWS_ERRORS, explain
from library.config.decided_exemptions import with_decided_exemptions
from library.documents.text import counted
from library.issues.issue import Issue, Status
from library.issues.schedule import CARRIED_OUT, Skipped, SkipReason
from library.issues.times import format_time, parse_time
from library.jobs.run import renewing_sleep
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule, RuleKey, rule_key
from remediation.backups import BackupError
from remediation.change import GROUP_ERRORS, ChangeFailedError, RuleChanges, undone_lines
from remediation.eligibility import account_policy, issue_policy, why_not_at_once, why_not_due, why_not_resumed
from remediation.group_state import InconsistentReadError, LiveGroup, ObservedGroup, describe_live, observe
from remediation.journal import (
    AddedRule,
    AddedState,
    ChangeKind,
    Journal,
    JournalEntry,
    JournalStep,
    RemediationDetails,
    RevokedState,
    read_details,
    unneeded,
)
from remediation.notify import (
    ChangeMessage,
    is_restore_notified,
    release_command,
    remediated_message,
    restore_command,
    restored_message,
    settled_message,
)
from remediation.plan import Plan, RuleQuota, exposing_rules, leaves_exposures, plan_remediation
from remediation.planning import kept_item, plan_fingerprint, read_lists_and_plan, refused_before, refused_item
from remediation.proof import GroupBefore, proved_hammers, read_group_before, rules_to_resume, without_unproved
from remediation.rules import ports_as_written, without_reserved

if TYPE_CHECKING:
    from library.config import Configuration
    from library.issues.change_notifications import ChangeNotification
    from remediation.context import RemediationContext
    from remediation.eligibility import Policy

PAUSES_S = (1, 2, 4, 8, *(15,) * 7)
"""The waits of one run for EC2 to show what it acknowledged: two minutes in all, whatever the number of groups. What it
does not show by then is left to the next run."""

_log = logging.getLogger(__name__)

_ROUNDS = 3  # of plan and change in one run, while somebody else keeps opening the group, or answers are lost


class ResultKind(StrEnum):
    """What became of a group."""

    REMEDIATED = "remediated"
    RESTORED = "restored"
    SETTLED = "an earlier change is completed"
    LEFT = "left as it is"
    INCOMPLETE = "not complete yet"
    FAILED = "failed, nothing was changed"
    CHANGED_MEANWHILE = "not what was agreed to any more"
    OVER_LIMIT = "not changed in this run"


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What became of one issue's group.

    Attributes:
        text: why, where it was not remediated; else what was done.
        backup: the key of the backup to go back to; empty: there is none.
        entry: what Hammer changed; None: nothing.
        skipped: why nothing was to be done.
        message: what people are told of what is complete; None: nothing, or it is not complete.
        undone: as of `GroupWork.undone`.
    """

    issue: Issue
    kind: ResultKind
    text: str
    backup: str = ""
    entry: JournalEntry | None = None
    skipped: Skipped | None = None
    message: ChangeMessage | None = None
    undone: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nobody needs to look at it."""
        if self.kind is ResultKind.LEFT:
            return self.skipped is None or not self.skipped.needs_somebody
        return self.kind in (ResultKind.REMEDIATED, ResultKind.RESTORED, ResultKind.SETTLED)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A group as it was just described, and what is to be done about it.

    Attributes:
        live: as EC2 shows it; None: it does not exist.
        observed: the same, corrected by what EC2 acknowledged.
        planned: what to close, or why nothing.
        details: what the table says of the group, the journal with its rules.
        withdraw: rules that Hammer added, that no closed rule needs, and that are proved to be Hammer's.
        held: why nothing of it may be done now; None: it may.
        unproved: why a person must decide, as the backups of the change cannot be read; empty: nobody must.
        is_left_open: whether the change was begun for something that is still open, and that waits for its date, or for
            the end of an exemption: then the change is not complete.
        is_judged: whether `planned` is a judgement of the group as it is; if not, its issue is not due.
    """

    live: LiveGroup | None
    observed: ObservedGroup
    planned: Plan | Skipped
    details: RemediationDetails
    withdraw: tuple[AddedRule, ...] = ()
    held: Skipped | None = None
    unproved: str = ""
    is_left_open: bool = False
    is_judged: bool = False

    @property
    def has_work(self) -> bool:
        """Whether something is to be changed."""
        return isinstance(self.planned, Plan) or bool(self.withdraw)

    @property
    def fingerprint(self) -> str:
        """The digest of what is to be done and of what it is done to (`remediation.planning`)."""
        return plan_fingerprint(self.observed.rules, self.planned, self.withdraw)

    @property
    def unfinished(self) -> JournalEntry | None:
        """The change that an earlier run, or an earlier round of this one, left to complete; None: there is none."""
        return self.observed.entry if self.details.is_unfinished else None


def assess(
    context: RemediationContext,
    config: Configuration,
    issue: Issue,
    *,
    decided: bool = False,
    agreed: Iterable[IngressRule] | None = None,
    is_tight: bool = False,
) -> Assessment:
    """Describe an issue's group, and plan.

    If a person `decided`, it does not matter whether the issue is due; once they `agreed` to replace these rules,
    nothing else is closed that is not due. `is_tight`: EC2 refused a plan for the quota, so that the smallest is made.

    Raises:
        InconsistentReadError: EC2's answers differ; to look again later may help.
        one of GROUP_ERRORS: it could not be read.
    """
    now = context.now()
    # What people exempted counts as it is at this moment, as the file does, which is read anew for each group.
    config = with_decided_exemptions(config, context.table, [issue.account_id])
    account = account_policy(config, issue.account_id)
    details = read_details(context.table, issue)
    live = describe_live(context.ec2(issue), issue.issue_id, details.entry)
    # `now` is from before the group was read, so that nothing counts as older than it is. A change that was not begun
    # waits for more than `why_not_resumed` asks: `why_not_due`.
    held = None if decided else why_not_resumed(issue, account, now)
    if live is None:
        gone = plan_remediation(None, {}, account, RuleQuota(0), now)
        return Assessment(None, ObservedGroup((), details.entry), gone, details, held=held)
    observed = observe(details.entry, live.group.ingress, live.change_keys, now)
    is_ours_to_complete = details.is_unfinished and not details.unfinished_restore
    policy = issue_policy(issue, replace(account, is_resumed=is_ours_to_complete), now, decided=decided, agreed=agreed)
    policy = replace(policy, keep=context.keep, kept_by=context.who)
    evidence = _Evidence(context, policy, issue, live, observed.entry if is_ours_to_complete else None)
    not_due = None if decided else why_not_due(issue, account, now)
    planned = not_due or _plan(context, config, policy, issue, live, observed, is_tight=is_tight)
    may_close_more = is_ours_to_complete and not_due is None and leaves_exposures(planned)
    if may_close_more and (resumed := evidence.resumed_rules(policy)):
        planned = _plan(context, config, policy, issue, live, observed, resumed, is_tight=is_tight)
    if isinstance(planned, Plan) and policy.terms.immediate and not decided:
        closed = evidence.known_to_backups(observed.entry.closed) if observed.entry and details.is_unfinished else ()
        planned = _why_not_at_once(context, account, issue, live, observed, closed) or planned
    if not is_ours_to_complete or observed.entry is None:
        return Assessment(live, observed, planned, details, held=held, is_judged=not_due is None)
    to_close = {rule.rule_id for rule in planned.revoke} if isinstance(planned, Plan) else set()
    # As a whole: nothing is changed.
    is_refused = isinstance(planned, Skipped) and planned.reason is SkipReason.CANNOT_KEEP
    withdraw = () if is_refused else unneeded(observed.entry, to_close)
    if isinstance(planned, Plan):  # what the plan relies on stands in for what it is about to close
        needed = {*map(rule_key, planned.relied_on), *planned.replaces}
        withdraw = tuple(added for added in withdraw if added.key not in needed)
    if withdraw or (isinstance(planned, Plan) and observed.entry.added):
        withdraw = evidence.withdrawable(withdraw, to_close)
        observed = replace(observed, entry=evidence.entry())
    waits = isinstance(planned, Skipped) and planned.reason in (SkipReason.NOT_DUE, SkipReason.EXEMPT)
    is_left_open = waits and evidence.is_open_still(observed.rules)
    # Only a describe says that nobody needs these: it counts when it shows all that EC2 acknowledged.
    withdraw = () if observed.pending else withdraw
    return Assessment(live, observed, planned, details, withdraw, held, evidence.unread, is_left_open, not_due is None)


@dataclass(slots=True)
class _Evidence:
    """What the backups of an unfinished change prove, read when it is asked for.

    Attributes:
        journal: the facts as the journal and this look have them; None: there is no change to complete.
        unread: why the backups could not be read; empty: they could, or nothing needed them.
    """

    context: RemediationContext
    policy: Policy
    issue: Issue
    live: LiveGroup
    journal: JournalEntry | None
    unread: str = ""
    _before: GroupBefore | None = None

    def resumed_rules(self, policy: Policy) -> frozenset[RuleKey]:
        """What the change was begun for: what was in scope by its backups, judged with the configuration as it is."""
        lists, before = PrefixListReader(self.context.ec2(self.issue)), self._read()
        return rules_to_resume(before, lists, policy, self.context.now().date()) if before else frozenset()

    def is_open_still(self, rules: Sequence[IngressRule]) -> bool:
        """Whether something that the change was to close exposes the group, even if it is exempt or not due by now."""
        policy = replace(self.policy, exemptions=(), due=None)
        group, lists = replace(self.live.group, ingress=tuple(rules)), PrefixListReader(self.context.ec2(self.issue))
        lists.read(policy.evaluator.prefix_lists_named(group))
        today = self.context.now().date()
        exposing = exposing_rules(policy.evaluator.evaluate(group, lists.entries, (), today))
        if not exposing or self.journal is None or not (before := self._read()):
            return bool(exposing)
        # The journal has what EC2 refused to close, too; what was planned with a later date is in neither.
        to_close = before.to_close | {rule_key(revoked.rule) for revoked in self.journal.revoke}
        return not exposing.isdisjoint(to_close & rules_to_resume(before, lists, policy, today))

    def _proved(self) -> frozenset[str]:
        """The ids of the rules that the change is proved to have added."""
        if self.journal is None or not (before := self._read()):
            return frozenset()
        added = [added for added in self.journal.add if added.state is AddedState.ADDED]
        # What was closed already is not among what people were told of any more: when it was due proves nothing.
        resumed_rules = self.resumed_rules(replace(self.policy, due=None))
        return proved_hammers(before, self.live.group.ingress, added, resumed_rules, self.policy.trusted)

    def withdrawable(self, unneeded: Iterable[AddedRule], to_close: Container[str]) -> tuple[AddedRule, ...]:
        """Those rules that are proved to be Hammer's, and to be needed for nothing."""
        before, proved, live = self._read(), self._proved(), self.live.group.ingress
        return tuple(
            added
            for added in unneeded
            if before and added.rule.rule_id in proved and not before.is_needed(added.rule, live, to_close)
        )

    def entry(self) -> JournalEntry | None:
        """The journal's entry, without what Hammer is not proved to have added; the same if nobody can tell."""
        if self.journal is None or not self._read():
            return self.journal
        return without_unproved(self.journal, self.live.group.ingress, self._proved())

    def known_to_backups(self, rules: Sequence[IngressRule]) -> Sequence[IngressRule]:
        """Those rules that the group had, by the backups."""
        had = {rule_key(rule) for group in before.groups for rule in group.ingress} if (before := self._read()) else ()
        return [rule for rule in rules if rule_key(rule) in had]

    def _read(self) -> GroupBefore | None:
        if self._before is None and not self.unread and self.journal is not None:
            issue = self.issue
            try:
                self._before = read_group_before(
                    self.context.backups, issue.account_id, issue.details.region, self.live.group, self.journal
                )
            except (BackupError, *AWS_ERRORS) as error:
                self.unread = (
                    f"the backup from before the change cannot be used ({explain(error)}), so what Hammer added is not "
                    "taken away again, nor is more closed than what is due and in scope by itself: a person must decide"
                )
        return self._before


def _plan(
    context: RemediationContext,
    config: Configuration,
    policy: Policy,
    issue: Issue,
    live: LiveGroup,
    observed: ObservedGroup,
    resumed_rules: frozenset[RuleKey] = frozenset(),
    *,
    is_tight: bool = False,
) -> Plan | Skipped:
    shown = {rule.rule_id for rule in live.group.ingress}
    pending_keys = {rule_key(rule) for rule in observed.rules if rule.rule_id not in shown}
    group = replace(live.group, ingress=observed.rules)
    default = config.secgrp_unrestricted_access.rules_per_security_group_quota
    quota = context.quota(group, issue.account_id, issue.details.region, default, policy.sources)
    quota = replace(quota, is_tight=is_tight)
    ticket = str(issue.jira_details.get("ticket") or "")
    client = context.ec2(issue)
    planned = read_lists_and_plan(
        client, quota, policy, group, context.now(), ticket, resumed_rules=resumed_rules, pending_keys=pending_keys
    )
    if isinstance(planned, Skipped) and planned.reason is SkipReason.FIXED and issue.timestamps.remediated:
        return Skipped(SkipReason.REMEDIATED, "remediated already: the next scan resolves its issue")
    return planned


def _why_not_at_once(
    context: RemediationContext,
    policy: Policy,
    issue: Issue,
    live: LiveGroup,
    observed: ObservedGroup,
    closed: Sequence[IngressRule],
) -> Skipped | None:
    """Why immediate mode leaves a group as it is now; with the rules that this change has closed, it is as it was."""
    lists = PrefixListReader(context.ec2(issue))
    group = replace(live.group, ingress=(*observed.rules, *closed))
    lists.read(policy.evaluator.prefix_lists_named(group))
    now = context.now()
    evaluation = policy.evaluator.evaluate(group, lists.entries, policy.exemptions, now.date())
    return why_not_at_once(issue, policy, evaluation.status, now)


def is_interrupted_restore(issue: Issue) -> bool:
    """Whether a restore of the group was begun and is not complete. Only who asked for it continues it."""
    return RemediationDetails.of(issue.remediation_details).unfinished_restore is not None


def interrupted_restore_text(issue: Issue) -> str:
    """Who must do what about it."""
    entry = RemediationDetails.of(issue.remediation_details).entry
    who, source, exact = (entry.by, entry.restored_from, entry.is_exact) if entry else ("", "", False)
    return (
        f"a restore by {who or 'somebody'} was interrupted, and no other run continues it. "
        f"Run it again: {restore_command(issue, source, exact=exact)}; or give the group back: {release_command(issue)}"
    )


class GroupWork(ABC):
    """One group in one run, on its way to a goal: remediated, or restored.

    The engine of both: describe and plan, back up, change, describe again, record. A goal says what is planned, whether
    it may be done, and what it means when nothing is left to do. The issue is as it was just read.
    """

    def __init__(self, context: RemediationContext, issue: Issue) -> None:
        self._context = context
        self._journal = Journal(context.table, issue, context.now)
        self._rounds = 0
        self._is_tight = False
        self.waiting_for = ""
        """What it waits for, after `advance` gave no result."""
        self._undone: dict[str, list[str]] = {}  # `GroupChange.undone` of all rounds
        self.result: GroupResult | None = None
        self._completed: GroupResult | None = None  # once the journal says that the change is complete

    @property
    def issue(self) -> Issue:
        """The issue as it was read last, with the `remediation_details` that were written since."""
        return self._journal.issue

    @property
    def has_changed(self) -> bool:
        """Whether this run has begun to change the group."""
        return self._rounds > 0

    @property
    def undone(self) -> tuple[str, ...]:
        """What could not be done and kept nothing else from being done, a line each: tags and descriptions."""
        return undone_lines(self._undone)

    def advance(self, config: Configuration) -> GroupResult | None:
        """Do what can be done now: look, change, and look again, until there is nothing left to do.

        A change that succeeded is looked at once more: the round that finds no work left says what became of the group.

        Returns:
            What became of the group; None: EC2 does not show everything yet, so call it again later.

        Raises:
            LockedError: another run took the lock over.
        """
        while True:
            try:
                self._journal.read_stamp()
                seen = self._assess(config)
            except InconsistentReadError as error:
                self.waiting_for = str(error)
                return None
            except GROUP_ERRORS as error:
                return self._failed(f"could not be read: {self._explain(error)}")
            if not seen.has_work:
                return self._final_result(seen)
            if result := self._why_not_changed(seen):
                return result
            try:
                self._change(seen)
            except ChangeFailedError as error:
                if error.is_quota and not self._is_tight:
                    self._is_tight = True  # what was added is taken back: try with as few rules as will do
                    continue
                if error.may_help and self._rounds < _ROUNDS:
                    self.waiting_for = f"to try again what failed: {self._explain(error)}"
                    return None
                text = self._explain(error)
                if error.is_lasting:
                    self._remember_denial(text)
                return self._failed(text)
            except GROUP_ERRORS as error:
                return self._failed(self._explain(error))

    def _remember_denial(self, reason: str) -> None:
        """EC2 refused, and will again until something changes. What a person asks for is tried all the same."""
        _log.info("%s: refused until something changes: %s", self.issue.location, reason)

    def give_up(self, reason: str = "") -> GroupResult:
        """What became of the group when nobody waits any longer; an empty `reason`: EC2 took too long.

        A signal may come right after it was recorded that the change is complete.
        """
        if self._completed is not None and not self._journal.details.is_unfinished:
            return replace(self._completed, issue=self.issue)
        return self._failed(reason or self.waiting_for)

    @abstractmethod
    def _assess(self, config: Configuration) -> Any:
        """Describe the group, and plan: a `Assessment`, or one that has as much."""

    @abstractmethod
    def _why_not_changed(self, seen: Any) -> GroupResult | None:
        """Why what is planned is not done after all; None: it is."""

    @abstractmethod
    def _change(self, seen: Any) -> None:
        """Back the group up and change it. Raises ChangeFailedError, LockedError, or one of GROUP_ERRORS."""

    @abstractmethod
    def _final_result(self, seen: Any) -> GroupResult | None:
        """What it means that there is nothing to be done; None: EC2 does not show everything yet."""

    def _carry_out(self, entry: JournalEntry, changes: RuleChanges, **details: Any) -> None:
        """Change the group, whose backup is written."""
        issue = self.issue
        self._context.lock.mark_unfinished(issue.account_id, issue.details.region, issue.issue_id)
        self._rounds += 1
        self._context.change_of(issue, self._journal, self._undone).carry_out(entry, changes, **details)

    def _note_waiting(self, observed: ObservedGroup) -> None:
        pending = ", ".join(dict.fromkeys(map(rule_text, observed.pending)))
        self.waiting_for = f"EC2 does not show the change of these rules yet: {pending}"

    def _notification(self, message: ChangeMessage | None) -> ChangeNotification | None:
        return self._context.notification_of(self.issue, message) if message else None

    def _finish(
        self, entry: JournalEntry, message: ChangeMessage | None = None, *, remediated: bool = False, **details: Any
    ) -> JournalEntry:
        """Write that the change is complete, and what people are to be told of it. Raises one of GROUP_ERRORS.

        `details` are as `Journal.write` takes them.
        """
        step, notification = JournalStep.DONE if entry.left_traces else JournalStep.UNDONE, self._notification(message)
        entry = self._journal.write(
            replace(entry, step=step, problem=""), remediated=remediated, notification=notification, **details
        )
        issue = self.issue
        self._context.mark_finished(issue.account_id, issue.details.region, issue.issue_id)
        return entry

    def _failed(self, text: str) -> GroupResult:
        """A result that somebody has to know of: the journal tells whether the group was changed."""
        details = self._journal.details
        if details.is_unfinished and details.entry:
            entry, undone = self._rules_of(details), self.undone
            return GroupResult(self.issue, ResultKind.INCOMPLETE, text, details.entry.backup, entry, undone=undone)
        return GroupResult(self.issue, ResultKind.FAILED, text, details.entry.backup if details.entry else "")

    def _rules_of(self, details: RemediationDetails) -> JournalEntry | None:
        """The journal with its rules, for people; without them where it cannot be read now."""
        try:
            return read_details(self._context.table, self.issue).entry or details.entry
        except AWS_ERRORS:
            return details.entry

    def _explain(self, error: Exception) -> str:
        return explain(error, self._context.sessions.role_arn(self.issue.account_id))


def wait_until_done(
    context: RemediationContext, work: GroupWork, config: Configuration, show_text: Callable[[str], None]
) -> GroupResult:
    """Advance one group until it is done, or EC2's time to show it is up. `show_text`: is given what it waits for."""
    sleep = renewing_sleep(context.sleep, context.lease.renew)
    work.result = work.advance(config)
    for pause in PAUSES_S:
        if work.result is not None:
            break
        show_text(f"  waiting: {work.waiting_for}")
        sleep(pause)
        work.result = work.advance(config)
    work.result = work.result or work.give_up()
    return work.result


class GroupRemediation(GroupWork):
    """The remediation of one group in one run.

    If the plan is not what a person `agreed` to any more, nothing is changed; None: whatever is planned. If a person
    `decided`, it does not matter whether the issue is due.

    Attributes:
        may_change: whether `remediation_limit_per_run` lets the run change one group more.
    """

    def __init__(
        self, context: RemediationContext, issue: Issue, *, agreed: Plan | Skipped | None = None, decided: bool = False
    ) -> None:
        super().__init__(context, issue)
        self.may_change = True
        self._agreed = agreed
        self._decided = decided
        self._fingerprint = ""  # of what this run tries first, by `remediation.planning`

    def _assess(self, config: Configuration) -> Assessment:
        agreed = None  # the first round compares all that would be done with what was agreed to
        if self._rounds and self._agreed is not None:
            agreed = self._agreed.revoke if isinstance(self._agreed, Plan) else ()
        return assess(self._context, config, self.issue, decided=self._decided, agreed=agreed, is_tight=self._is_tight)

    def _why_not_changed(self, seen: Assessment) -> GroupResult | None:
        if seen.held is not None:
            return self._failed(f"this run may not complete it: {seen.held.text}")
        if self._rounds == 0 and self._agreed is not None and seen.planned != self._agreed:
            return GroupResult(self.issue, ResultKind.CHANGED_MEANWHILE, "the group, or its plan, is another one now")
        if self._rounds == _ROUNDS:
            return self._failed("somebody opens the group again each time that it is closed")
        if self._rounds == 0:
            is_asked_for = self._decided or self._agreed is not None
            details, now = self.issue.remediation_details, self._context.now()
            if not is_asked_for and (reason := refused_before(details, seen.fingerprint, now)):
                return self._failed(reason)
            if not self.may_change:
                return GroupResult(self.issue, ResultKind.OVER_LIMIT, "remediation_limit_per_run")
        return None

    def _remember_denial(self, reason: str) -> None:
        try:
            self._journal.note(refused=refused_item(self._fingerprint, reason, self._context.now()))
        except GROUP_ERRORS as error:
            _log.warning("%s: it will be tried again in the next run: %s", self.issue.location, explain(error))

    def _change(self, seen: Assessment) -> None:
        context, issue = self._context, self.issue
        self._fingerprint = self._fingerprint or seen.fingerprint
        assert seen.live is not None  # noqa: S101 - a group that is gone has no plan
        plan = seen.planned if isinstance(seen.planned, Plan) else Plan((), ())
        known = None if seen.unfinished and seen.unfinished.is_restore else seen.unfinished
        gone = [added.rule for added in seen.withdraw]
        try:
            newest = context.back_up(
                issue,
                seen.live,
                ChangeKind.REMEDIATION,
                known.backup if known else "",
                plan.add,
                [*plan.revoke, *gone],
                plan,
            )
        except GROUP_ERRORS as error:
            entry = known or JournalEntry(ChangeKind.REMEDIATION, JournalStep.UNDONE, "")
            raise ChangeFailedError(f"could not be backed up: {explain(error)}", entry) from error
        entry = known or JournalEntry(ChangeKind.REMEDIATION, JournalStep.ADDING, newest)
        changes = RuleChanges(
            add=plan.add,
            revoke=plan.revoke,
            relied_on=plan.relied_on,
            replaces=plan.replaces,
            withdraw=seen.withdraw,
            tags=tags_of_remainders(plan, seen.live.tags),
            no_room_for=plan.no_room_for,
            # Without a plan rules are only withdrawn, by their ids, also in a group that is not understood.
            written=ports_as_written(seen.live.raw.get("IpPermissions", ())) if isinstance(seen.planned, Plan) else {},
        )
        notes = (f"{issue.location}: {note}" for note in plan.notes)
        context.notes += [note for note in notes if note not in context.notes]
        kept = kept_item(issue, plan, seen.withdraw, context.keep, context.who, context.now())
        forgotten = {"refused": None} if issue.remediation_details.get("refused") else {}
        entry = replace(entry, newest_backup=newest, run=context.run, by=context.who)
        self._carry_out(entry, changes, restored=None, **kept, **forgotten)

    def _final_result(self, seen: Assessment) -> GroupResult | None:
        entry = seen.unfinished
        assert isinstance(seen.planned, Skipped)  # noqa: S101 - a plan is work
        skipped = seen.planned
        if entry is None:
            return GroupResult(self.issue, ResultKind.LEFT, skipped.text, skipped=skipped)
        if entry.is_restore:
            if entry.step is JournalStep.VERIFYING and not seen.observed.pending:  # EC2 only had to show it
                return self._record(entry, remediated=False)
            return self._failed(interrupted_restore_text(self.issue))
        if skipped.needs_somebody:
            return self._failed(skipped.text)
        if seen.unproved:
            return self._failed(seen.unproved)
        is_pending = bool(seen.observed.pending) and seen.live is not None
        is_unknown = any(revoked.state is RevokedState.SENT for revoked in entry.revoke)
        if seen.held is not None and (is_pending or is_unknown or seen.is_left_open) and seen.live is not None:
            return self._failed(f"this run may not complete it: {seen.held.text}")
        if seen.is_left_open:
            return self._failed(f"what it was begun for is still open: {skipped.text}")
        if is_pending:
            self._note_waiting(seen.observed)
            return None
        # Less severe by now, what is left waits for the retention period. Of an issue that is over nothing is left.
        is_over = self.issue.status in (Status.RESOLVED, Status.CLOSED)
        is_left = skipped.reason is SkipReason.NOT_DUE or (skipped.reason is SkipReason.NOT_OPEN and not is_over)
        counts_as_remediated = seen.held is None and not is_left
        details: dict[str, Any] = {}
        # The plans of this run took what was decided on: only as this run has read the issue. What a person kept is
        # open still, and may be decided on during the change.
        decision = self.issue.decided.close_now
        if entry.closed and seen.held is None and (decision or skipped.reason is SkipReason.KEPT_BY_PERSON):
            details[CARRIED_OUT] = format_time(decision.at) if decision else ""
        left = skipped.text if seen.is_judged and leaves_exposures(skipped) else ""
        return self._record(entry, remediated=bool(entry.closed) and counts_as_remediated, left=left, **details)

    def _record(self, entry: JournalEntry, *, remediated: bool, left: str = "", **details: Any) -> GroupResult:
        kind, text, message = self._outcome(entry, left)
        undone = self.undone
        self._completed = GroupResult(self.issue, kind, text, entry.backup, entry, message=message, undone=undone)
        try:
            entry = self._finish(entry, message, remediated=remediated, **details)
        except GROUP_ERRORS as error:
            return self._failed(f"changed, but it could not be recorded: {explain(error)}")
        return replace(self._completed, issue=self.issue, entry=entry)

    def _outcome(self, entry: JournalEntry, left: str) -> tuple[ResultKind, str, ChangeMessage | None]:
        """What became of a group whose change is complete, and what people are told of it; None: nothing.

        `left`: why some of it is open still; empty: nothing is, or it is not known.
        """
        issue, bucket = self.issue, self._context.backups.bucket
        if entry.is_restore:
            # Whoever restored it waited in vain for EC2 to show it, and has told people; or was killed before.
            is_notified = is_restore_notified(issue, parse_time(entry.started))
            message = (
                None if is_notified else restored_message(issue, bucket, entry.restored_from, entry.backup, entry.by)
            )
            return ResultKind.SETTLED, f"restored by {entry.by}", message
        if entry.closed:
            text = f"{counted(len(entry.closed), 'rule')} replaced by {len(entry.added):,}"
            message = remediated_message(issue, bucket, entry.backup, entry.added, entry.closed, left, self.undone)
            return ResultKind.REMEDIATED, text, message
        if not entry.withdrawn:
            return ResultKind.SETTLED, "nothing of it was left", None
        text = f"{len(entry.withdrawn)} rules that Hammer had added were taken away again"
        return ResultKind.SETTLED, text, settled_message(text, f"s3://{bucket}/{entry.backup}")


def tags_of_remainders(plan: Plan, tags: Mapping[str, Mapping[str, str]]) -> dict[RuleKey, Mapping[str, str]]:
    """The tags of the rules that are left of a carved rule: those of that rule. `tags` are by rule id."""
    replaced = {rule.rule_id: rule for rule in plan.revoke}
    found: dict[RuleKey, Mapping[str, str]] = {}
    for key, rule_ids in plan.replaces.items():
        for rule_id in rule_ids:
            # What lets in private sources instead has another source.
            if rule_id in replaced and rule_key(replaced[rule_id]).source == key.source and tags.get(rule_id):
                found.setdefault(key, without_reserved(tags[rule_id]))
    return found

"""Remediates one group, or completes what an earlier run left in it: look, plan, back up, change, look again, record.

Nothing here waits, asks a person or prints: `GroupRemediation.advance` does what can be done now, and is called again
while EC2 does not show a change yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from library.aws.ec2 import PrefixListReader
from library.aws.failures import AWS_ERRORS, explain
from library.documents.text import counted
from library.issues.issue import Issue
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule
from remediation.backups import BackupError
from remediation.change import COULD_NOT, ChangeFailedError, RuleChanges
from remediation.context import assemble_plan
from remediation.eligibility import Refusal, Why, policy_for, policy_of, why_not_at_once, why_not_due, why_not_touched
from remediation.group_state import Journal, LiveGroup, UnsteadyError, describe_live
from remediation.journal import (
    AddedRule,
    AddedState,
    ChangeKind,
    JournalEntry,
    JournalStep,
    RemediationDetails,
    RevokedState,
    View,
    unneeded,
    view_of,
)
from remediation.notify import release_command, restore_command
from remediation.plan import Plan, RuleQuota, leaves_exposures, plan_remediation
from remediation.proof import GroupBefore, begun_for, read_group_before, withdrawable, without_unproved
from remediation.rules import RuleKey, rule_key

if TYPE_CHECKING:
    from library.config import Configuration
    from remediation.context import RemediationContext
    from remediation.eligibility import Policy

_ROUNDS = 3  # of plan and change in one run, while somebody else keeps opening the group, or answers are lost


class ResultKind(StrEnum):
    """What became of a group."""

    REMEDIATED = "remediated"
    SETTLED = "an earlier change is completed"
    LEFT = "left as it is"
    INCOMPLETE = "not complete yet"
    FAILED = "failed, nothing was changed"
    CHANGED_MEANWHILE = "not what was agreed to any more"


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What became of one issue's group.

    Attributes:
        text: why, where it was not remediated; else what was done.
        backup: the key of the backup to go back to; empty: there is none.
        entry: what Hammer changed; None: nothing.
        refusal: why nothing was to be done.
    """

    issue: Issue
    kind: ResultKind
    text: str
    backup: str = ""
    entry: JournalEntry | None = None
    refusal: Refusal | None = None

    @property
    def is_done(self) -> bool:
        """Whether nobody needs to look at it."""
        if self.kind is ResultKind.LEFT:
            return self.refusal is None or not self.refusal.needs_somebody
        return self.kind in (ResultKind.REMEDIATED, ResultKind.SETTLED)


@dataclass(frozen=True, slots=True)
class Look:
    """A group as it was just described, and what is to be done about it.

    Attributes:
        live: as EC2 shows it; None: it does not exist.
        view: the same, corrected by what is known better.
        planned: what to close, or why nothing.
        withdraw: rules that Hammer added and that no closed rule needs.
        held: why nothing of it may be done now; None: it may.
        proved: the ids of the rules that earlier runs are proved to have added.
        unproved: why a person must decide, as the backups of the change cannot be read; empty: nobody must.
    """

    live: LiveGroup | None
    view: View
    planned: Plan | Refusal
    withdraw: tuple[AddedRule, ...] = ()
    held: Refusal | None = None
    proved: frozenset[str] = frozenset()
    unproved: str = ""

    @property
    def has_work(self) -> bool:
        """Whether something is to be changed."""
        return isinstance(self.planned, Plan) or bool(self.withdraw)


def look(
    context: RemediationContext, config: Configuration, issue: Issue, *, decided: bool = False, is_tight: bool = False
) -> Look:
    """Describe an issue's group, and plan.

    Args:
        context: what the job works with.
        config: the configuration.
        issue: the issue.
        decided: a person decides, so it does not matter whether the issue is due.
        is_tight: whether EC2 refused a plan for the quota, so that the smallest is made.

    Raises:
        UnsteadyError: EC2's answers differ; to look again later may help.
        one of COULD_NOT: it could not be read.
    """
    now = context.now()
    policy = policy_of(config, issue.account_id)
    details = RemediationDetails.of(issue.remediation_details)
    live = describe_live(context.ec2(issue), issue.issue_id, details.entry)
    # Read after the group, so that nothing counts as old before its time.
    held = None if decided else why_not_touched(issue, policy, now)
    if live is None:
        return Look(None, View((), details.entry), plan_remediation(None, {}, policy, RuleQuota(0), now), held=held)
    view = view_of(details.entry, live.group.ingress, now, context.began, details.added)
    is_ours_to_complete = details.is_unfinished and not _is_restore(details.entry)
    policy = policy_for(issue, replace(policy, begun=is_ours_to_complete), now, decided=decided)
    evidence = _Evidence(context, policy, issue, live, view.entry if is_ours_to_complete else None)
    if is_ours_to_complete and view.lingering:
        # Said to be taken away already, and shown: what is not proved to be Hammer's is the group's own.
        view = view_of(evidence.entry(), live.group.ingress, now, context.began, details.added)
    not_due = None if decided else why_not_due(issue, policy_of(config, issue.account_id), now)
    planned = not_due or _plan(context, config, policy, issue, live, view, is_tight=is_tight)
    if is_ours_to_complete and leaves_exposures(planned) and (begun := evidence.begun()):
        planned = _plan(context, config, policy, issue, live, view, begun, is_tight=is_tight)
    if isinstance(planned, Plan) and policy.closing.immediate and not decided:
        closed = evidence.known_to_backups(view.entry.closed) if view.entry and details.is_unfinished else ()
        planned = _why_not_at_once(context, config, issue, live, view, closed) or planned
    if not is_ours_to_complete or view.entry is None:
        return Look(live, view, planned, held=held)
    to_close = {rule.rule_id for rule in planned.revoke} if isinstance(planned, Plan) else set()
    withdraw = (*unneeded(view.entry, to_close), *view.lingering)
    if withdraw or (isinstance(planned, Plan) and view.entry.added):
        proved = evidence.proved()
        view = replace(view, entry=evidence.entry())
        withdraw = tuple(one for one in withdraw if one.rule.rule_id in proved)
        return Look(live, view, planned, withdraw, held, proved, evidence.unread)
    return Look(live, view, planned, held=held, unproved=evidence.unread)


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
    _begun: frozenset[RuleKey] | None = None

    def begun(self) -> frozenset[RuleKey]:
        """What the change was begun for: what was in scope by its backups, judged with the configuration as it is."""
        if self._begun is None:
            self._begun = frozenset()
            if before := self._read():
                lists = PrefixListReader(self.context.ec2(self.issue))
                self._begun = begun_for(before, lists, self.policy, self.context.now().date())
        return self._begun

    def proved(self) -> frozenset[str]:
        """The ids of the rules that the change is proved to have added."""
        if self.journal is None or not (before := self._read()):
            return frozenset()
        added = [*(one for one in self.journal.add if one.state is AddedState.ADDED), *self.journal.withdrawn]
        return withdrawable(before, self.live.group.ingress, added, self.begun())

    def entry(self) -> JournalEntry | None:
        """The journal's entry, without what Hammer is not proved to have added; the same if nobody can tell."""
        if self.journal is None or not self._read():
            return self.journal
        return without_unproved(self.journal, self.live.group.ingress, self.proved())

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
    view: View,
    begun: frozenset[RuleKey] = frozenset(),
    *,
    is_tight: bool = False,
) -> Plan | Refusal:
    is_shown = {rule.rule_id for rule in live.group.ingress}
    not_shown = {rule_key(rule) for rule in view.rules if rule.rule_id not in is_shown}
    live = replace(live, group=replace(live.group, ingress=view.rules))
    default = config.secgrp_unrestricted_access.rules_per_security_group_quota
    quota = context.quota(live.group, issue.account_id, issue.details.region, default)
    quota = replace(quota, is_tight=is_tight)
    ticket = str(issue.jira_details.get("ticket") or "")
    client = context.ec2(issue)
    planned = assemble_plan(client, quota, policy, live.group, context.now(), ticket, begun=begun, not_shown=not_shown)
    if isinstance(planned, Refusal) and planned.why is Why.FIXED and issue.timestamps.remediated:
        return Refusal(Why.REMEDIATED, "remediated already: the next scan resolves its issue")
    return planned


def _why_not_at_once(
    context: RemediationContext,
    config: Configuration,
    issue: Issue,
    live: LiveGroup,
    view: View,
    closed: Sequence[IngressRule],
) -> Refusal | None:
    """Why immediate mode leaves a group as it is now; with the rules that this change has closed, it is as it was."""
    policy, lists = policy_of(config, issue.account_id), PrefixListReader(context.ec2(issue))
    group = replace(live.group, ingress=(*view.rules, *closed))
    lists.read(policy.evaluator.prefix_lists_named(group))
    now = context.now()
    evaluation = policy.evaluator.evaluate(group, lists.entries, policy.exemptions, now.date())
    return why_not_at_once(issue, policy, evaluation.status, now)


def _is_restore(entry: JournalEntry | None) -> bool:
    return entry is not None and entry.kind is ChangeKind.RESTORE


def is_interrupted_restore(issue: Issue) -> bool:
    """Whether a restore of the group was begun and is not complete. Only who asked for it continues it."""
    details = RemediationDetails.of(issue.remediation_details)
    return details.is_unfinished and _is_restore(details.entry)


def interrupted_restore_text(issue: Issue) -> str:
    """Who must do what about it."""
    entry = RemediationDetails.of(issue.remediation_details).entry
    who, source = (entry.by, entry.restored_from) if entry else ("", "")
    return (
        f"a restore by {who or 'somebody'} was interrupted, and no other run continues it. "
        f"Run it again: {restore_command(issue, source)}; or give the group back: {release_command(issue)}"
    )


class GroupRemediation:
    """The remediation of one group in one run.

    Args:
        context: what the job works with.
        issue: the group's issue, as it was just read.
        agreed: what a person agreed to. If it is not the plan any more, nothing is changed. None: whatever is planned.
        decided: a person decides, so it does not matter whether the issue is due.
    """

    def __init__(
        self, context: RemediationContext, issue: Issue, *, agreed: Plan | Refusal | None = None, decided: bool = False
    ) -> None:
        self._context = context
        self._journal = Journal(context.table, issue, context.now)
        self._agreed = agreed
        self._decided = decided
        self._rounds = 0
        self._is_tight = False
        self.waiting_for = ""
        """What it waits for, after `advance` gave no result."""
        self.result: GroupResult | None = None

    @property
    def issue(self) -> Issue:
        """The issue as it was read last, with what was written since."""
        return self._journal.issue

    @property
    def has_changed(self) -> bool:
        """Whether this run has begun to change the group."""
        return self._rounds > 0

    def advance(self, config: Configuration) -> GroupResult | None:
        """Do what can be done now.

        Returns:
            What became of the group; None: EC2 does not show everything yet, so call it again later.

        Raises:
            LockedError: another run took the lock over.
        """
        while True:
            try:
                seen = look(self._context, config, self.issue, decided=self._decided, is_tight=self._is_tight)
            except UnsteadyError as error:
                self.waiting_for = str(error)
                return None
            except COULD_NOT as error:
                return self._failed(f"could not be read: {self._explain(error)}")
            if not seen.has_work:
                return self._conclude(seen)
            if result := self._why_not_changed(seen):
                return result
            try:
                self._change(seen)
            except ChangeFailedError as error:
                if error.is_quota and not self._is_tight:
                    self._is_tight = True  # what was added is taken back: try with as few rules as will do
                    continue
                if error.may_help and self._rounds < _ROUNDS:
                    self.waiting_for = f"an answer of EC2's was lost: {self._explain(error)}"
                    return None
                return self._failed(self._explain(error))
            except COULD_NOT as error:
                return self._failed(self._explain(error))

    def give_up(self, reason: str = "") -> GroupResult:
        """What became of the group when nobody waits any longer.

        Args:
            reason: why not; empty: EC2 took too long.
        """
        return self._failed(reason or self.waiting_for)

    def _why_not_changed(self, seen: Look) -> GroupResult | None:
        if seen.held is not None:
            return self._failed(f"this run may not complete it: {seen.held.text}")
        if self._rounds == 0 and self._agreed is not None and seen.planned != self._agreed:
            return GroupResult(self.issue, ResultKind.CHANGED_MEANWHILE, "the group, or its plan, is another one now")
        if self._rounds == _ROUNDS:
            return self._failed("somebody opens the group again each time that it is closed")
        return None

    def _change(self, seen: Look) -> None:
        """Back the group up and change it. Raises ChangeFailedError, LockedError, or one of COULD_NOT."""
        context, issue = self._context, self.issue
        assert seen.live is not None  # noqa: S101 - a group that is gone has no plan
        plan = seen.planned if isinstance(seen.planned, Plan) else Plan((), ())
        known = seen.view.entry if self._journal.details.is_unfinished else None
        if _is_restore(known):
            known = None
        first = known.backup if known else ""
        gone = [added.rule for added in seen.withdraw]
        try:
            newest = context.back_up(
                issue, seen.live, ChangeKind.REMEDIATION, first, plan.add, [*plan.revoke, *gone], plan
            )
        except COULD_NOT as error:
            entry = known or JournalEntry(ChangeKind.REMEDIATION, JournalStep.UNDONE, "")
            raise ChangeFailedError(f"could not be backed up: {explain(error)}", entry) from error
        entry = known or JournalEntry(ChangeKind.REMEDIATION, JournalStep.ADDING, newest)
        entry = replace(entry, newest_backup=newest, run=context.run, by=context.who)
        changes = RuleChanges(
            add=plan.add,
            revoke=plan.revoke,
            relied_on=plan.relied_on,
            replaces=plan.replaces,
            lingering=seen.view.lingering,
            proved=seen.proved,
        )
        told = (f"{issue.place}: {note}" for note in plan.notes)
        context.notes += [note for note in told if note not in context.notes]
        context.lock.mark_unfinished(issue.account_id, issue.details.region, issue.issue_id)
        self._rounds += 1
        context.change_of(issue, self._journal).carry_out(entry, changes, restored=None)

    def _conclude(self, seen: Look) -> GroupResult | None:
        """What a look means that shows nothing to be done."""
        entry = seen.view.entry if self._journal.details.is_unfinished else None
        assert isinstance(seen.planned, Refusal)  # noqa: S101 - a plan is work
        refusal = seen.planned
        if entry is None:
            return GroupResult(self.issue, ResultKind.LEFT, refusal.text, refusal=refusal)
        if _is_restore(entry):
            return self._failed(interrupted_restore_text(self.issue))
        if refusal.needs_somebody:
            return self._failed(refusal.text)
        if seen.unproved:
            return self._failed(seen.unproved)
        is_unknown = any(one.state is RevokedState.SENT for one in entry.revoke)
        if seen.held is not None and (seen.view.not_shown or is_unknown) and seen.live is not None:
            return self._failed(f"this run may not complete it: {seen.held.text}")
        if seen.view.not_shown and seen.live is not None:
            shown = ", ".join(dict.fromkeys(map(rule_text, seen.view.not_shown)))
            self.waiting_for = f"EC2 does not show the change of these rules yet: {shown}"
            return None
        # Less severe by now, what is left waits for the retention period.
        is_judged = seen.held is None and refusal.why not in (Why.NOT_OPEN, Why.NOT_DUE)
        return self._record(entry, seen, remediated=bool(entry.closed) and is_judged)

    def _record(self, entry: JournalEntry, seen: Look, *, remediated: bool) -> GroupResult:
        """Write that the change is complete."""
        there = {rule.rule_id for rule in seen.view.rules}
        added = {rule.rule_id: rule for rule in (*self._journal.details.added, *entry.added) if rule.rule_id in there}
        step = JournalStep.DONE if entry.left_traces else JournalStep.UNDONE
        try:
            entry = self._journal.write(
                replace(entry, step=step, problem=""),
                remediated=remediated,
                added=[rule._asdict() for rule in added.values()],
            )
        except COULD_NOT as error:
            return self._failed(f"changed, but it could not be recorded: {explain(error)}")
        issue = self.issue
        self._context.mark_finished(issue.account_id, issue.details.region, issue.issue_id)
        if entry.closed:
            text = f"{counted(len(entry.closed), 'rule')} replaced by {len(entry.added):,}"
            return GroupResult(issue, ResultKind.REMEDIATED, text, entry.backup, entry)
        taken = len(entry.withdrawn)
        text = f"{taken} rules that Hammer had added were taken away again" if taken else "nothing of it was left"
        return GroupResult(issue, ResultKind.SETTLED, text, entry.backup, entry)

    def _failed(self, text: str) -> GroupResult:
        """A result that somebody has to know of: whether the group was changed tells the journal."""
        details = self._journal.details
        if details.is_unfinished and details.entry:
            return GroupResult(self.issue, ResultKind.INCOMPLETE, text, details.entry.backup, details.entry)
        return GroupResult(self.issue, ResultKind.FAILED, text, details.entry.backup if details.entry else "")

    def _explain(self, error: Exception) -> str:
        return explain(error, self._context.sessions.role_arn(self.issue.account_id))

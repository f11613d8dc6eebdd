"""Remediates one group: describe, plan, back up, change, judge again, record. Finishes what an earlier run left.

Everything that a job needs is in `Tools`; nothing here asks a person or prints.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.aws.ec2 import PrefixListReader
from library.aws.failures import AWS_ERRORS, explain
from library.issues.issue import Issue
from library.issues.times import format_time
from library.security_groups.group import SecurityGroup
from remediation.apply import COULD_NOT, ChangeFailedError, NotYetError, Workplace, carry_out, finish, undo
from remediation.journal import Entry, Journal, Kind, Step, entry_of, is_unfinished, rules_to_item
from remediation.plan import Plan, Policy, Refusal, RuleQuota, Why, plan_remediation
from remediation.restore_plan import RestorePlan
from remediation.rule_sets import RuleKey, rule_key
from remediation.security_group_changes import (
    LiveGroup,
    describe_live,
    prefix_list_weights,
    rule_quota,
    single_permissions,
)

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.aws.lock import Lock
    from library.aws.session import Sessions
    from library.config import Configuration
    from remediation.backups import Backups
    from remediation.notifier import Teller

_ROUNDS = 3  # of plan and change, while somebody else keeps opening the group


class Result(StrEnum):
    """What became of a group."""

    REMEDIATED = "remediated"
    RESTORED = "restored"
    CLEARED = "interrupted before, now undone"
    LEFT = "left as it is"
    UNDONE = "failed and undone"
    UNFINISHED = "failed, to be finished by the next run"
    FAILED = "failed, nothing was changed"
    CHANGED_MEANWHILE = "not what was agreed to any more"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one issue's group.

    Attributes:
        text: why, where it was not remediated; else what was done.
        plan: what was done, or was to be.
        backup: the key of the backup; empty: none was needed.
        refusal: why nothing was to be done.
    """

    issue: Issue
    result: Result
    text: str
    plan: Plan | None = None
    backup: str = ""
    refusal: Refusal | None = None

    @property
    def is_done(self) -> bool:
        """Whether nobody needs to look at it."""
        if self.refusal is not None:
            return not self.refusal.needs_somebody
        return self.result in (Result.REMEDIATED, Result.RESTORED, Result.CLEARED)


@dataclass(frozen=True, slots=True)
class Look:
    """A group as it was just described, and what is to be done about it."""

    live: LiveGroup | None
    planned: Plan | Refusal


@dataclass(slots=True)
class Tools:
    """What a job works with.

    Attributes:
        who: this process, for people.
        run: tells this run from every other.
    """

    sessions: Sessions
    table: IssueTable
    backups: Backups
    lock: Lock
    teller: Teller
    who: str
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    _quotas: dict[tuple[str, str], int] = field(default_factory=dict)

    def ec2(self, issue: Issue) -> Any:
        """The EC2 client of an issue's account and region."""
        return self.sessions.client("ec2", issue.account_id, issue.details.region)

    def quota(self, group: SecurityGroup, account_id: str, region: str, default: int) -> RuleQuota:
        """The rule quota of a group."""
        place = (account_id, region)
        if place not in self._quotas:
            self._quotas[place] = rule_quota(self.sessions.client("service-quotas", *place), default)
        lists = {rule.prefix_list_id for rule in group.ingress if rule.prefix_list_id}
        return RuleQuota(self._quotas[place], prefix_list_weights(self.sessions.client("ec2", *place), lists))

    def workplace(self, issue: Issue, journal: Journal) -> Workplace:
        """Where an issue's group is changed."""
        return Workplace(self.ec2(issue), issue.issue_id, journal, self.backups, self.lock.renew, self.sleep)


def policy_of(config: Configuration, account_id: str) -> Policy:
    """What a configuration says about remediation in an account."""
    section = config.secgrp_unrestricted_access
    return Policy(
        restricted=section.restricted_ports,
        trusted=section.trusted_cidrs,
        scope=frozenset(section.remediation_scope),
        carve=section.remediation_strategy == "carve_ports",
        retention=timedelta(days=section.remediation_retention_period),
        exemptions=config.exemptions(account_id),
    )


def look(tools: Tools, config: Configuration, issue: Issue) -> Look:
    """Describe an issue's group, and plan.

    Raises:
        one of COULD_NOT: it could not be read.
    """
    policy = policy_of(config, issue.account_id)
    live = describe_live(tools.ec2(issue), issue.issue_id)
    if live is None:
        return Look(None, plan_remediation(None, {}, policy, RuleQuota(0), tools.now()))
    lists = PrefixListReader(tools.ec2(issue))
    lists.read(policy.evaluator.prefix_lists_named(live.group))
    default = config.secgrp_unrestricted_access.rules_per_security_group_quota
    quota = tools.quota(live.group, issue.account_id, issue.details.region, default)
    ticket = str(issue.jira_details.get("ticket") or "")
    return Look(live, plan_remediation(live.group, lists.entries, policy, quota, tools.now(), ticket))


def remediate(tools: Tools, config: Configuration, issue: Issue, agreed: Plan | None = None) -> Outcome:
    """Remediate a due issue's group. What is planned is decided anew, on the group as it is now.

    Args:
        tools: what the job works with.
        config: the configuration.
        issue: the issue.
        agreed: what a person agreed to; if it is not the plan any more, nothing is changed. None: whatever is planned.

    Raises:
        LockedError: another run took the lock over.
    """
    journal = Journal(tools.table, issue, tools.now)
    plan: Plan | None = None
    backup = ""
    entry: Entry | None = None
    for _ in range(_ROUNDS):
        try:
            seen = look(tools, config, issue)
        except COULD_NOT as error:
            text = f"could not be read: {_explain(tools, issue, error)}"
            result = Result.UNFINISHED if entry else Result.FAILED
            return Outcome(issue, result, text, plan, backup)
        if isinstance(seen.planned, Refusal):
            if entry is None:
                text = seen.planned.text
                if seen.planned.why is Why.FIXED and issue.timestamps.remediated:
                    text = "remediated already: the next scan resolves its issue"
                return Outcome(issue, Result.LEFT, text, refusal=seen.planned)
            return _judged(tools, journal, entry, seen.planned, plan, backup)
        if entry is None and agreed is not None and seen.planned != agreed:
            return Outcome(issue, Result.CHANGED_MEANWHILE, "the group, or its plan, is another one now", seen.planned)
        plan = seen.planned
        assert seen.live is not None  # noqa: S101 - a group that is gone has no plan
        try:
            backup = back_up(tools, issue, seen.live, Kind.REMEDIATION, plan)
        except COULD_NOT as error:
            result = Result.UNFINISHED if entry else Result.FAILED
            return Outcome(issue, result, f"could not be backed up: {explain(error)}", plan)
        entry = Entry(Kind.REMEDIATION, Step.ADDING, backup, plan.add, plan.revoke, run=tools.run, by=tools.who)
        try:
            tools.lock.begin(issue.account_id, issue.details.region, issue.issue_id)
            entry = carry_out(tools.workplace(issue, journal), entry, backup=backup, restored=None)
        except AWS_ERRORS as error:
            return Outcome(issue, Result.FAILED, f"the lock could not be renewed: {explain(error)}", plan, backup)
        except ChangeFailedError as error:
            if error.undone:
                finished(tools, issue)
            return Outcome(issue, Result.UNDONE if error.undone else Result.UNFINISHED, str(error), plan, backup)
    text = "somebody opens the group again each time that it is closed"
    return Outcome(issue, Result.UNFINISHED, text, plan, backup)


def _judged(tools: Tools, journal: Journal, entry: Entry, refusal: Refusal, plan: Plan | None, backup: str) -> Outcome:
    """Record what the look after a change showed."""
    issue = journal.issue
    if refusal.needs_somebody:
        return Outcome(issue, Result.UNFINISHED, refusal.text, plan, backup)
    try:
        journal.write(replace(entry, step=Step.DONE), remediated=True)
        finished(tools, issue)
    except COULD_NOT as error:
        text = f"changed, but it could not be recorded: {explain(error)}"
        return Outcome(issue, Result.UNFINISHED, text, plan, backup)
    done = f"{len(entry.revoke)} rules replaced by {len(entry.add)}"
    return Outcome(journal.issue, Result.REMEDIATED, done, plan, backup)


def back_up(tools: Tools, issue: Issue, live: LiveGroup, kind: Kind, plan: Plan | RestorePlan) -> str:
    """Store a group before it is changed, with what is going to be changed. Returns the key.

    Raises:
        one of COULD_NOT: it could not be stored, or does not read back.
    """
    now = tools.now()
    notes: Mapping[str, Any] = {
        "kind": str(kind),
        "written": format_time(now),
        "by": tools.who,
        "run": tools.run,
        "ticket": issue.jira_details.get("ticket"),
        "rules": list(live.raw_rules),
        "add": rules_to_item(plan.add),
        "revoke": rules_to_item(plan.revoke),
    }
    return tools.backups.write(issue.account_id, issue.details.region, live.raw, notes, now)


def recover(tools: Tools, config: Configuration, issue: Issue) -> Outcome | None:
    """Finish or undo what an interrupted run left of a group's change; None: there is nothing left.

    A change that had only added is undone; one that had begun to revoke is finished.

    Raises:
        LockedError: another run took the lock over.
    """
    entry = entry_of(issue)
    if entry is None or not is_unfinished(issue):
        finished(tools, issue)
        return None
    journal = Journal(tools.table, issue, tools.now)
    place = tools.workplace(issue, journal)
    tools.lock.begin(issue.account_id, issue.details.region, issue.issue_id)
    try:
        if entry.step in (Step.ADDING, Step.UNDOING):
            undo(place, entry, entry.problem or f"the run of {entry.by} was interrupted")
            finished(tools, issue)
            text = f"what the interrupted run of {entry.by} had added was undone"
            return Outcome(journal.issue, Result.CLEARED, text, backup=entry.backup)
        if entry.step is Step.REVOKING:
            entry = finish(place, entry, _permissions(tools, entry, issue))
        return _verified(tools, config, journal, entry)
    except (*COULD_NOT, NotYetError) as error:
        text = f"an earlier run was interrupted, and this one could not finish it: {_explain(tools, issue, error)}"
        return Outcome(journal.issue, Result.UNFINISHED, text, backup=entry.backup)


def _permissions(tools: Tools, entry: Entry, issue: Issue) -> Mapping[RuleKey, Any]:
    """How to add the rules of an interrupted restore again exactly: as the backup that it goes back to has them."""
    if not entry.restored_from:
        return {}
    source = tools.backups.read(entry.restored_from, issue.issue_id)
    return {rule_key(rule): permission for rule, permission in single_permissions(source["IpPermissions"])}


def _verified(tools: Tools, config: Configuration, journal: Journal, entry: Entry) -> Outcome:
    """Judge a change that an interrupted run had made, and record it."""
    if entry.kind is Kind.RESTORE:
        journal.write(replace(entry, step=Step.DONE), restored=restored_flag(entry))
        finished(tools, journal.issue)
        return Outcome(journal.issue, Result.RESTORED, "the interrupted restore is finished", backup=entry.backup)
    seen = look(tools, config, journal.issue)
    whole = isinstance(seen.planned, Refusal) and not seen.planned.needs_somebody
    journal.write(replace(entry, step=Step.DONE), remediated=whole)
    finished(tools, journal.issue)
    text = "the interrupted run's change is finished" + ("" if whole else ", and the group has been opened again since")
    return Outcome(journal.issue, Result.REMEDIATED, text, backup=entry.backup)


def restored_flag(entry: Entry) -> dict[str, str]:
    """What says that somebody restored a group: automatic remediation leaves it alone while it is there."""
    return {"at": entry.started, "by": entry.by, "backup": entry.restored_from}


def finished(tools: Tools, issue: Issue) -> None:
    """Note in the lock that a group is whole."""
    try:
        tools.lock.finish(issue.account_id, issue.details.region, issue.issue_id)
    except AWS_ERRORS:
        return  # the next run looks once more, and finds the journal finished


def _explain(tools: Tools, issue: Issue, error: Exception) -> str:
    return explain(error, tools.sessions.role_arn(issue.account_id))

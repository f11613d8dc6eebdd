"""What both jobs work with: clients, table, backups, lock, people, clock. Everything is injected."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.aws.failures import AWS_ERRORS
from library.issues.times import format_time
from remediation.group_change import GroupChange
from remediation.journal import Journal
from remediation.journal_entry import ChangeKind, rules_to_item
from remediation.plan import RuleQuota
from remediation.rule_quota import prefix_list_weights, rule_quota

if TYPE_CHECKING:
    from collections.abc import Iterable

    from library.aws.issue_table import IssueTable
    from library.aws.lock import Lock
    from library.aws.session import Sessions
    from library.issues.issue import Issue
    from library.security_groups.group import IngressRule, SecurityGroup
    from remediation.backups import Backups
    from remediation.live_group import LiveGroup
    from remediation.notifier import ChangeNotifier
    from remediation.plan import Plan


@dataclass(slots=True)
class RemediationContext:
    """What a job works with.

    Attributes:
        who: who runs the job, for people.
        run: tells this run from every other.
        began: when this run began.
        notes: what was done otherwise than one may expect, one line each.
    """

    sessions: Sessions
    table: IssueTable
    backups: Backups
    lock: Lock
    notifier: ChangeNotifier
    who: str
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    began: datetime = field(init=False)
    notes: list[str] = field(default_factory=list)
    _quotas: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = self.now()

    def ec2(self, issue: Issue) -> Any:
        """The EC2 client of an issue's account and region."""
        return self.sessions.client("ec2", issue.account_id, issue.details.region)

    def quota(self, group: SecurityGroup, account_id: str, region: str, default: int) -> RuleQuota:
        """The rule quota of a group."""
        place = (account_id, region)
        if place not in self._quotas:
            self._quotas[place], note = rule_quota(self.sessions.client("service-quotas", *place), default, place)
            self.notes += [note] if note else []
        lists = {rule.prefix_list_id for rule in group.ingress if rule.prefix_list_id}
        return RuleQuota(self._quotas[place], prefix_list_weights(self.sessions.client("ec2", *place), lists))

    def change_of(self, issue: Issue, journal: Journal) -> GroupChange:
        """What changes an issue's group."""
        return GroupChange(self.ec2(issue), issue.issue_id, journal, self.lock.renew, self.now)

    def back_up(
        self,
        issue: Issue,
        live: LiveGroup,
        kind: ChangeKind,
        first: str,
        add: Iterable[IngressRule],
        revoke: Iterable[IngressRule],
        plan: Plan | None = None,
    ) -> str:
        """Store a group before it is changed, with what is going to be changed.

        Args:
            issue: the group's issue.
            live: the group as it is.
            kind: what it is going to be changed for.
            first: the key of the backup that this change began with; empty: this is it.
            add: what is going to be added.
            revoke: what is going to be revoked.
            plan: of a remediation: tells which rules stand in for which, also where they are there already.

        Returns:
            The key.

        Raises:
            one of group_change.COULD_NOT: it could not be stored, or does not read back.
        """
        now = self.now()
        notes: Mapping[str, Any] = {
            "kind": str(kind),
            "written": format_time(now),
            "by": self.who,
            "run": self.run,
            "first": first,
            "ticket": issue.jira_details.get("ticket"),
            "rules": list(live.raw_rules),
            "add": rules_to_item(add),
            "revoke": rules_to_item(revoke),
        }
        if plan is not None:
            replaces = [{**key._asdict(), "rules": list(ids)} for key, ids in plan.replaces.items()]
            notes = {**notes, "relied_on": rules_to_item(plan.relied_on), "replaces": replaces}
        return self.backups.write(issue.account_id, issue.details.region, live.raw, notes, now)

    def mark_finished(self, account_id: str, region: str, group_id: str) -> None:
        """Note in the lock that nothing is left to do in a group."""
        try:
            self.lock.mark_finished(account_id, region, group_id)
        except AWS_ERRORS:
            return  # the next run looks once more, and finds the journal finished

"""What both jobs work with: clients, table, backups, lock, people, clock, and how many rules a group may have.

`build_context` is the only place of this package where clients are built and the clock and the environment are read;
everything else is given what it needs.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.text import Text

from library.aws.ec2 import PrefixListReader
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock, login_name, this_process
from library.aws.session import Sessions
from library.config import Configuration
from library.issues.times import format_time
from library.jobs.command_line import WrongUsageError
from library.jobs.run import Lease, renewing_sleep, run_by
from library.network.addresses import Network
from remediation.backups import Backups
from remediation.change import GroupChange
from remediation.group_state import Journal
from remediation.journal import ChangeKind, rules_to_item
from remediation.notify import open_notifier
from remediation.plan import RuleQuota, plan_remediation

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.issues.issue import Issue
    from library.security_groups.group import IngressRule, SecurityGroup
    from remediation.eligibility import Policy, Refusal
    from remediation.group_state import LiveGroup
    from remediation.notify import ChangeNotifier
    from remediation.plan import Plan
    from remediation.rules import RuleKey

RULE_QUOTA = ("vpc", "L-0EA8095F")  # Service Quotas: "Inbound or outbound rules per security group"

_log = logging.getLogger(__name__)


def prefix_list_weights(client: EC2Client, prefix_list_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The family (4 or 6) of prefix lists and how many rules each counts as; those that do not say are left out."""
    ids = sorted(set(filter(None, prefix_list_ids)))
    if not ids:
        return {}
    pages = client.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-id", "Values": ids}]
    )
    return {
        listed["PrefixListId"]: (6 if listed.get("AddressFamily") == "IPv6" else 4, weight)
        for page in pages
        for listed in page["PrefixLists"]
        if (weight := listed.get("MaxEntries") or aws_weight(listed.get("PrefixListName", "")))
    }


_AWS_WEIGHTS = {
    "cloudfront.origin-facing": 55,
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "route53-healthchecks": 25,
    "s3": 1,
    "s3express": 6,
    "vpc-lattice": 10,
}
# com.amazonaws.<region or "global">[.ipv6].<service>
_AWS_LIST = re.compile(r"com\.amazonaws\.[a-z0-9-]+\.(?:ipv6\.)?(?P<service>[a-z0-9.-]+)")


def aws_weight(name: str) -> int:
    """How many rules one of AWS's own prefix lists counts as; 0: that is not known.

    The answer of DescribeManagedPrefixLists has no maximum for them. The figures are those of the Amazon VPC User
    Guide, "AWS-managed prefix lists", weight, as of November 2026.

    >>> [aws_weight(f"com.amazonaws.{of}") for of in ("global.cloudfront.origin-facing", "eu-west-1.ipv6.vpc-lattice")]
    [55, 10]
    """
    found = _AWS_LIST.fullmatch(name)
    return _AWS_WEIGHTS.get(found["service"], 0) if found else 0


def rule_quota(sessions: Sessions, default: int, place: tuple[str, str]) -> tuple[int, str]:
    """How many ingress rules a group may have in an account and region.

    Args:
        sessions: give the client for Service Quotas.
        default: the answer where AWS does not tell.
        place: the account id and the region.

    Returns:
        The quota, and a note for people that it is the default and why; empty: AWS told it.
    """
    service, quota = RULE_QUOTA
    try:
        client = sessions.client("service-quotas", *place)
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=quota)
    except AWS_ERRORS as error:
        # Not permitted, not reachable from this network, not known to an emulator: EC2 itself holds the quota anyway.
        account_id, region = place
        note = (
            f"account {account_id}, {region}: the quota of rules per security group could not be read "
            f"({explain(error)}); {default} is assumed: secgrp_unrestricted_access.rules_per_security_group_quota"
        )
        _log.warning("%s", note)
        return default, note
    return int(answer["Quota"]["Value"]), ""


def quota_of(client: EC2Client, group: SecurityGroup, limit: int, sources: Iterable[str] = ()) -> RuleQuota:
    """The rule quota of a group, with what its prefix lists count as.

    Args:
        client: for EC2, in the group's account and region.
        group: the group.
        limit: how many ingress rules of a family it may have.
        sources: what may replace its open sources: CIDRs and ids of prefix lists.
    """
    lists = {rule.prefix_list_id for rule in group.ingress} | {name for name in sources if name.startswith("pl-")}
    return RuleQuota(limit, prefix_list_weights(client, lists))


def assemble_plan(
    client: EC2Client,
    quota: RuleQuota,
    policy: Policy,
    group: SecurityGroup,
    now: datetime,
    ticket: str,
    *,
    begun: Container[RuleKey] = (),
    not_shown: Container[RuleKey] = (),
) -> Plan | Refusal:
    """What would be done to a group: remediation carries it out, `hammer explain` and dry runs show it.

    Args:
        client: for EC2, in the group's account and region: reads the prefix lists.
        quota: of `quota_of`.
        policy: of `policy_for`.
        group: the group, as it was just described.
        now: the time in UTC.
        ticket: of the issue; empty: it has none.
        begun: as of `plan_remediation`.
        not_shown: as of `plan_remediation`.

    Raises:
        ClientError, BotoCoreError: a prefix list could not be read.
    """
    lists = PrefixListReader(client)
    lists.read(policy.prefix_lists_named(group))
    return plan_remediation(group, lists.entries, policy, quota, now, ticket, begun=begun, not_shown=not_shown)


@dataclass(slots=True)
class RemediationContext:
    """What a job works with.

    Attributes:
        who: who runs the job, for people.
        run: tells this run from every other.
        lease: keeps the lock.
        keep: sources that the person who runs it keeps beside what replaces a rule.
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
    keep: tuple[Network, ...] = ()
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    lease: Lease = field(init=False)
    notes: list[str] = field(default_factory=list)
    _quotas: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lease = Lease(self.lock, self.now)

    def ec2(self, issue: Issue) -> Any:
        """The EC2 client of an issue's account and region."""
        return self.sessions.client("ec2", issue.account_id, issue.details.region)

    def quota(
        self, group: SecurityGroup, account_id: str, region: str, default: int, sources: Sequence[str] = ()
    ) -> RuleQuota:
        """The rule quota of a group, whose rules may be replaced by these sources."""
        place = (account_id, region)
        if place not in self._quotas:
            self._quotas[place], note = rule_quota(self.sessions, default, place)
            self.notes += [note] if note else []
        return quota_of(self.sessions.client("ec2", *place), group, self._quotas[place], sources)

    def change_of(self, issue: Issue, journal: Journal) -> GroupChange:
        """What changes an issue's group."""
        renew, record = self.lease.before_write, self.backups.record_closing
        return GroupChange(self.ec2(issue), issue.issue_id, journal, renew, self.now, record)

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
            one of group_change.GROUP_ERRORS: it could not be stored, or does not read back.
        """
        now = self.now()
        notes: dict[str, Any] = {
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
            notes |= {"relied_on": rules_to_item(plan.relied_on), "replaces": replaces, "records_closing": True}
        return self.backups.write(issue.account_id, issue.details.region, live.raw, notes, now)

    def mark_finished(self, account_id: str, region: str, group_id: str) -> None:
        """Note in the lock that nothing is left to do in a group."""
        try:
            self.lock.mark_finished(account_id, region, group_id)
        except AWS_ERRORS:
            return  # the next run looks once more, and finds the journal finished


def build_context(config: Configuration) -> RemediationContext:
    """Build what a job works with."""
    if not config.aws.s3_backup_bucket:
        raise WrongUsageError("aws.s3_backup_bucket is not set: nothing is changed without a backup")
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    table_name = config.secgrp_unrestricted_access.table_name
    dynamodb = sessions.client("dynamodb")
    lock = Lock(dynamodb, table_name, aws.main_account_id, this_process(), _now)
    return RemediationContext(
        sessions=sessions,
        table=IssueTable(dynamodb, table_name),
        backups=Backups(sessions.client("s3"), aws.s3_backup_bucket),
        lock=lock,
        notifier=open_notifier(config, sessions, os.environ, renewing_sleep(time.sleep, Lease(lock, _now).renew)),
        who=run_by(os.environ, login_name(), lambda: sessions.client("sts").get_caller_identity()["Arn"]),
        now=_now,
        sleep=time.sleep,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


class Prompt(Protocol):
    """Who reads along and, by hand, answers."""

    def show(self, text: str | Text) -> None:
        """Show this."""

    def confirm(self, question: str) -> str:
        """Ask this; `q` when there is no answer to come."""


class Screen:
    """Where a person reads and answers."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def show(self, text: str | Text) -> None:
        """Print a line, or lines."""
        self._console.print(text, markup=False)

    def confirm(self, question: str) -> str:
        """The answer, in small letters and without white space around it; `q` at the end of the input."""
        self._console.print(question, markup=False, end=" ")
        try:
            return input().strip().lower()
        except EOFError:
            return "q"

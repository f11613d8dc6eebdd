"""Issues as they are listed: from a scan or the table to `ListedIssue`, chosen, sorted, and the whole of a list.

Pure. Names, tags, descriptions and what CloudTrail said are untrusted input: each format escapes them in its own way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from hammer.listing.controls import Control, controls_broken, exposed_ports, ports_of
from library.config.models import DEFAULT_RESTRICTED_PORTS, Configuration, remediation_terms
from library.issues.decision_record import KeptSource
from library.issues.history import PastOccurrence
from library.issues.issue import SECURITY_GROUP, FindingDetails, Issue, IssueDetails, Status, Timestamps, kind_of
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Severity
from library.issues.reconcile import Detection
from library.issues.schedule import RemediationSchedule, Waiting, kept_open, remediation_schedule
from library.issues.times import format_time
from library.issues.use import Use
from library.network.addresses import RFC_1918
from library.network.ports import PortSet
from library.notifications.owners import discover, owners_of
from library.security_groups.clauses import Clause, clauses
from library.security_groups.exemptions import Exemption, deciding
from library.security_groups.exposure import Exposure
from library.source.location import diff_lines, dispute_of, source_lines


class ListingSource(StrEnum):
    """Where a list comes from."""

    SCAN = "scan"  # AWS, just now
    TABLE = "issue table"


@dataclass(frozen=True, slots=True)
class ListedIssue:
    """One issue.

    Attributes:
        account_name: the account's name, or its id again.
        group_id: the group's id; of an Inspector finding, the issue's id.
        status: in a scan `open` or `whitelisted`.
        owner: whom a decision named, else whom the group's tags name, else whom the configuration names; empty: nobody.
        ports: the restricted ports that it exposes, as `tcp/22`; `all` for traffic without ports.
        restricted: the restricted ports, by which it was judged.
        controls: what it breaks.
        timestamps: of the table; empty in a scan.
        ticket: the key of its JIRA ticket, or empty.
        ticket_url: where that is, or empty.
        due: when remediation may close it, in UTC; None: it does not, or nobody knows.
        waiting: the exposures that are new, and due later than the issue.
        restored: who restored it and when, on one line; empty: nobody did.
        exempt_until: the day on which its exemption ends; None: it has none, or one without end.
        exempt_reason: why it is exempt and who wrote that, or empty.
        use: what flow logs showed; None: they were not read.
        history: the times before that the group was exposed, the oldest first.
        file: the plan or template that would make it; empty: it is there.
        line: where in the file it is defined, from 1; 0: nobody knows.
        source_lines: where it is defined, and whether it comes back, a sentence each; none: nobody knows.
        source_diff: the first lines of the change that belongs there.
        dispute: that one source opened it again after Hammer had closed it; empty: none did.
        kept: the exposures that stay open because a person kept them, each with that choice.
        sources: what remediation opens instead: CIDRs and ids of prefix lists.
    """

    account_id: str
    account_name: str
    group_id: str
    details: IssueDetails
    status: Status
    owner: str = ""
    ports: tuple[str, ...] = ()
    restricted: PortSet = DEFAULT_RESTRICTED_PORTS
    controls: tuple[Control, ...] = ()
    timestamps: Timestamps = field(default_factory=Timestamps)
    opened_by: OpenedBy | None = None
    ticket: str = ""
    due: datetime | None = None
    waiting: tuple[Waiting, ...] = ()
    restored: str = ""
    exempt_until: date | None = None
    exempt_reason: str = ""
    history: tuple[PastOccurrence, ...] = ()
    use: Use | None = None
    file: str = ""
    line: int = 0
    source_lines: tuple[str, ...] = ()
    source_diff: tuple[str, ...] = ()
    dispute: str = ""
    ticket_url: str = ""
    kept: tuple[tuple[Exposure, KeptSource], ...] = ()
    sources: tuple[str, ...] = RFC_1918

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.details.severity

    @property
    def verdict(self) -> str:
        """Whether somebody can connect now; empty: that was not judged."""
        return str(self.details.reachability.verdict) if self.details.reachability else ""

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """What its rules allow, each port with those whom they let in to it. Not kept: few formats say it."""
        # Inspector does not say to whom: what stands in a finding's `perms` is an assumption.
        return () if isinstance(self.details, FindingDetails) else clauses(self.details.perms, self.restricted)

    @property
    def is_group(self) -> bool:
        """Whether it is about a security group rather than an Inspector finding."""
        # In a plan or template a group has an address instead of an id.
        return bool(self.file) or kind_of(self.group_id) is SECURITY_GROUP

    @property
    def whitelisted(self) -> bool:
        """Whether it is exempt."""
        return self.status is Status.WHITELISTED

    def is_due(self, by: datetime) -> bool:
        """Whether remediation might close it by then; False where nobody knows when."""
        return self.due is not None and self.due <= by

    def age(self, now: datetime) -> int | None:
        """Whole days since it was identified; None: nobody knows."""
        since = self.timestamps.identified
        return max((now - since).days, 0) if since else None

    def scan_item(self) -> dict[str, Any]:
        """The map that `scan --format json` prints."""
        return {
            "account_id": self.account_id,
            "group_id": self.group_id,
            "whitelisted": self.whitelisted,
            **self.details.to_item(),
        }

    def item(self) -> dict[str, Any]:
        """All that is known of it: what a scan prints, and what goes beyond."""
        return {
            **self.scan_item(),
            "account_name": self.account_name,
            "issue_status": str(self.status),
            "severity": str(self.severity),
            "owner": self.owner,
            "exposed_ports": list(self.ports),
            "controls": [control.name for control in self.controls],
            "timestamps": self.timestamps.to_item(),
            "opened_by": self.opened_by.to_item() if self.opened_by else None,
            "ticket": self.ticket,
            "due": format_time(self.due),
            **({"not_due_yet": [_waiting_item(each) for each in self.waiting]} if self.waiting else {}),
            "restored": self.restored,
            "exempt_until": self.exempt_until.isoformat() if self.exempt_until else None,
            "exempt_reason": self.exempt_reason,
            "use": self.use.to_json() if self.use else None,
        }


def _waiting_item(waiting: Waiting) -> dict[str, Any]:
    """An exposure that has a retention period of its own, and from when it may be closed; null: nobody was told yet."""
    perm = waiting.exposure
    return {
        "protocol": perm.protocol,
        "from_port": perm.from_port,
        "to_port": perm.to_port,
        "cidr": perm.cidr,
        "due": format_time(waiting.due),
    }


@dataclass(frozen=True, slots=True)
class Scanned:
    """One account and region that was looked at.

    Attributes:
        groups: how many groups were read.
        whitelisted: how many of them are exempt.
        when: when it was last seen whole, in UTC; None: never, as far as is known.
    """

    account_id: str
    account_name: str
    region: str
    groups: int
    whitelisted: int
    when: datetime | None = None

    def item(self) -> dict[str, Any]:
        """The map that `scan --format json` prints."""
        return {
            "account_id": self.account_id,
            "region": self.region,
            "groups": self.groups,
            "whitelisted": self.whitelisted,
        }


@dataclass(frozen=True, slots=True)
class Failed:
    """One account and region, or one item of the table, that could not be read.

    Attributes:
        account_id: empty: the reason is about a plan or template.
        reason: untrusted input.
        account_name: the account's name; empty: nobody knows.
        is_item: whether it is an item of the table; the account and region may have been read all the same.
        is_partial: whether the rest of the account and region was read.
    """

    account_id: str
    region: str
    reason: str
    account_name: str = ""
    is_item: bool = False
    is_partial: bool = False

    def item(self) -> dict[str, str]:
        """The map that `scan --format json` prints."""
        return {"account_id": self.account_id, "region": self.region, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ChangeSince:
    """What changed since an earlier day of the history.

    Attributes:
        since: that day.
        open_then: how many issues were open then.
        new: how many were found since then that are open now or were resolved since.
        resolved: how many were resolved since then.
        open_now: how many are open now, listed or not.
    """

    since: date
    open_then: int
    new: int
    resolved: int
    open_now: int

    @property
    def otherwise(self) -> int:
        """How many more are open now than the new and the resolved ones explain; negative: so many fewer.

        An exemption that began or ended, an account that came or left, and what was found later on that day.
        """
        return self.open_now - (self.open_then + self.new - self.resolved)


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole list.

    Attributes:
        generated: when it was made, in UTC.
        whitelisted: how many exempt issues there are, listed or not.
        filtered: whether open issues may be missing because nobody asked for them.
        unjudged: where it is not known of some issues who can connect, and why. Every group was read all the same.
        change: what changed since an earlier day; None: there is no history, as in a scan.
        trend: how many issues were open on each day of the history, the oldest first.
        never_scanned: of a list of the table: what is to be scanned and has no record of a scan. Without a region it
            is a whole account.
    """

    source: ListingSource
    generated: datetime
    issues: tuple[ListedIssue, ...]
    scanned: tuple[Scanned, ...] = ()
    failed: tuple[Failed, ...] = ()
    whitelisted: int = 0
    filtered: bool = False
    unjudged: tuple[Failed, ...] = ()
    change: ChangeSince | None = None
    trend: tuple[tuple[date, int], ...] = ()
    never_scanned: tuple[Failed, ...] = ()

    @property
    def unread(self) -> tuple[Failed, ...]:
        """What is not known: what could not be read, and what nobody tried to read yet."""
        return (*self.failed, *self.never_scanned)

    @property
    def is_whole(self) -> bool:
        """Whether everything was read: only then is nothing open where nothing is known to be."""
        return bool(self.scanned) and not self.unread

    @property
    def open_issues(self) -> tuple[ListedIssue, ...]:
        """Those that are open, without the exempt ones."""
        return tuple(issue for issue in self.issues if issue.status is Status.OPEN)


@dataclass(frozen=True, slots=True)
class ListingContext:
    """What the configuration tells of any group; without one, what is usual.

    Attributes:
        restricted: the restricted ports.
        account_name: an account's name, or its id again.
        owner: the owner of an account's group, given whom a decision named; empty: nobody.
        exemptions: an account's.
        schedule: whether and when remediation changes an issue's group.
        today: the day in UTC, for exemptions that expire.
        tickets: where JIRA's tickets are, up to their keys; empty: nobody knows.
        sources: what remediation opens instead: CIDRs and ids of prefix lists.
    """

    restricted: PortSet
    account_name: Callable[[str], str]
    owner: Callable[[str, IssueDetails, str], str]
    exemptions: Callable[[str], Sequence[Exemption]]
    schedule: Callable[[Issue], RemediationSchedule]
    today: date
    tickets: str = ""
    sources: tuple[str, ...] = RFC_1918


def default_context(today: date) -> ListingContext:
    """What is known without a configuration."""
    return ListingContext(
        restricted=DEFAULT_RESTRICTED_PORTS,
        account_name=lambda account_id: account_id,
        owner=lambda _, details, decided: decided or discover(details.tags, (), "owner", "bu", "product").owner,
        exemptions=lambda _: (),
        schedule=lambda _: RemediationSchedule(None, None),
        today=today,
    )


def context_of(config: Configuration, today: date) -> ListingContext:
    """What a configuration tells, on a day in UTC."""
    section = config.secgrp_unrestricted_access

    def owner(account_id: str, details: IssueDetails, decided: str) -> str:
        return owners_of(config, account_id, details.tags, decided=decided).shown

    now = datetime.combine(today, time(), UTC)

    def schedule(issue: Issue) -> RemediationSchedule:
        return remediation_schedule(issue, remediation_terms(config, issue.account_id), now)

    server = config.jira.server.rstrip("/")
    # Atlassian's gateway has no pages for people.
    tickets = f"{server}/browse/" if server and "/ex/jira/" not in f"{server}/" else ""
    return ListingContext(
        section.restricted_ports,
        config.account_name,
        owner,
        config.exemptions,
        schedule,
        today,
        tickets,
        section.remediation_sources,
    )


def listed_detection(detection: Detection, known: ListingContext) -> ListedIssue:
    """What a scan found in one group. When it is due, only the table tells."""
    status = Status.WHITELISTED if detection.whitelisted else Status.OPEN
    issue = Issue(detection.account_id, detection.group_id, status, detection.details, Timestamps())
    return listed_issue(issue, replace(known, schedule=lambda _: RemediationSchedule(None, None)))


def listed_issue(issue: Issue, known: ListingContext) -> ListedIssue:
    """One issue, of the table or as a scan found it. A plan's group has an address in place of an id."""
    details, account_id = issue.details, issue.account_id
    exemption = _exemption(issue, known) if issue.status is Status.WHITELISTED else None
    flag = issue.remediation_details.get("restored")
    schedule, dispute = known.schedule(issue), dispute_of(issue)
    ticket = str(issue.jira_details.get("ticket") or "")
    return ListedIssue(
        account_id=account_id,
        account_name=known.account_name(account_id),
        group_id=issue.issue_id,
        details=details,
        status=issue.status,
        owner=known.owner(account_id, details, issue.decided.owner),
        ports=exposed_ports(details.perms, known.restricted),
        restricted=known.restricted,
        controls=controls_broken(details),
        timestamps=issue.timestamps,
        opened_by=issue.opened_by,
        ticket=ticket,
        ticket_url=f"{known.tickets}{quote(ticket)}" if known.tickets and ticket else "",
        due=schedule.due,
        waiting=schedule.waiting if schedule.due else (),
        restored=f"by {flag.get('by')} at {flag.get('at')}" if isinstance(flag, Mapping) else "",
        history=issue.history,
        use=issue.use,
        source_lines=source_lines(issue),
        source_diff=diff_lines(issue),
        dispute=dispute.text if dispute else "",
        kept=kept_open(issue),
        sources=known.sources,
        exempt_until=exemption.expires if exemption else None,
        exempt_reason=exemption.reason_and_author if exemption else "",
    )


def _exemption(issue: Issue, known: ListingContext) -> Exemption | None:
    """The exemption whose end exposes a group again."""
    details = issue.details
    return deciding(known.exemptions(issue.account_id), issue.issue_id, details.vpc_id, details.name, known.today)


SEVERITIES = tuple(Severity)
"""The worst first."""


def severity_counts(issues: Iterable[ListedIssue]) -> str:
    """How many issues there are of each severity, the worst first: `1 critical, 2 low`; empty: there is none."""
    counts = Counter(issue.severity for issue in issues)
    return ", ".join(f"{counts[severity]:,} {severity}" for severity in SEVERITIES if counts[severity])


_NEVER = datetime.max.replace(tzinfo=UTC)


class Sort(StrEnum):
    """By what a list is sorted."""

    SEVERITY = "severity"
    AGE = "age"
    DUE = "due"
    ACCOUNT = "account"
    OWNER = "owner"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which issues are wanted; what is empty leaves out none.

    Attributes:
        ports: issues that expose one of these.
        owners: of these owners, in any case.
    """

    severities: frozenset[Severity] = frozenset()
    ports: PortSet = field(default_factory=PortSet)
    owners: frozenset[str] = frozenset()
    statuses: frozenset[Status] = frozenset()

    @property
    def leaves_out_open(self) -> bool:
        """Whether there may be open issues that are not wanted."""
        return bool(
            self.severities or self.ports or self.owners or (self.statuses and Status.OPEN not in self.statuses)
        )

    def takes(self, issue: ListedIssue) -> bool:
        """Whether an issue is wanted."""
        return (
            (not self.severities or issue.severity in self.severities)
            and (not self.ports or exposes(issue, self.ports))
            and (not self.owners or issue.owner.casefold() in {owner.casefold() for owner in self.owners})
            and (not self.statuses or issue.status in self.statuses)
        )


def exposes(issue: ListedIssue, ports: PortSet) -> bool:
    """Whether a rule of an issue lets one of these ports in."""
    return any(ports_of(perm) & ports for perm in issue.details.perms)


def chosen(issues: Iterable[ListedIssue], wanted: Wanted, sort: Sort) -> tuple[ListedIssue, ...]:
    """The wanted issues, sorted; those that are alike by account, region and group."""
    return tuple(
        sorted((issue for issue in issues if wanted.takes(issue)), key=lambda i: (_KEYS[sort](i), *_location(i)))
    )


def at_least(issue: ListedIssue, severity: Severity) -> bool:
    """Whether an issue matters at least so much."""
    return SEVERITIES.index(issue.severity) <= SEVERITIES.index(severity)


def _location(issue: ListedIssue) -> tuple[str, str, str]:
    return issue.account_id, issue.details.region, issue.group_id


_KEYS: dict[Sort, Callable[[ListedIssue], tuple[object, ...]]] = {
    # Of those that matter alike, the first to be due: what is overdue comes before the rest.
    Sort.SEVERITY: lambda issue: (
        issue.status is not Status.OPEN,
        SEVERITIES.index(issue.severity),
        issue.due or _NEVER,
    ),
    Sort.AGE: lambda issue: (issue.timestamps.identified or _NEVER,),
    Sort.DUE: lambda issue: (issue.due or _NEVER,),
    Sort.ACCOUNT: lambda _: (),
    Sort.OWNER: lambda issue: (not issue.owner, issue.owner.casefold()),
    Sort.NAME: lambda issue: (issue.details.name.casefold(),),
}

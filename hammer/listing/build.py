"""From what a scan or the issue table gives to issues as they are listed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from hammer.listing.controls import controls_broken, exposed_ports
from hammer.listing.issue import ListedIssue
from library.config.closing import closing_terms
from library.config.models import DEFAULT_RESTRICTED_PORTS, Configuration
from library.issues.details import IssueDetails
from library.issues.issue import Issue, Status
from library.issues.kinds import kind_of
from library.issues.reconcile import Detection
from library.network.ports import PortSet
from library.notifications.owners import Discovered, discover
from library.security_groups.exemptions import Exemption, deciding


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the configuration tells of any group; without one, what is usual.

    Attributes:
        restricted: the restricted ports.
        account_name: an account's name, or its id again.
        owner: whom the tags or the configuration name, of an account's group; empty: nobody.
        exemptions: an account's.
        due: when remediation may close an issue; None: it does not.
        today: the day in UTC, for exemptions that expire.
    """

    restricted: PortSet
    account_name: Callable[[str], str]
    owner: Callable[[str, IssueDetails], str]
    exemptions: Callable[[str], Sequence[Exemption]]
    due: Callable[[Issue], datetime | None]
    today: date


def usual_knowledge(today: date) -> Knowledge:
    """What is known without a configuration."""
    return Knowledge(
        restricted=DEFAULT_RESTRICTED_PORTS,
        account_name=lambda account_id: account_id,
        owner=lambda _, details: discover(details.tags, (), "owner", "bu", "product").owner,
        exemptions=lambda _: (),
        due=lambda _: None,
        today=today,
    )


def knowledge_of(config: Configuration, today: date) -> Knowledge:
    """What a configuration tells."""
    section = config.secgrp_unrestricted_access
    keys = section.owner_tags

    def owner(account_id: str, details: IssueDetails) -> str:
        found: Discovered = discover(details.tags, (), keys.owner, keys.bu, keys.product)
        owners = config.ticket_owners.resolve(account_id, found.bu, found.product)
        return found.owner or next(iter(owners.slack_owner), "") or owners.jira_owner

    def due(issue: Issue) -> datetime | None:
        closes = (
            section.remediation
            and issue.status is Status.OPEN
            and kind_of(issue.issue_id).is_remediated
            and not issue.remediation_details.get("restored")
            and issue.account_id in config.remediation_accounts()
            and any(perm.status in section.remediation_scope for perm in issue.details.perms)
        )
        return closing_terms(config, issue.account_id).due(issue) if closes else None

    return Knowledge(section.restricted_ports, config.account_name, owner, config.exemptions, due, today)


def listed_detection(detection: Detection, known: Knowledge) -> ListedIssue:
    """What a scan found in one group."""
    details, account_id = detection.details, detection.account_id
    exemption = _exemption(account_id, detection.group_id, details, known) if detection.whitelisted else None
    return ListedIssue(
        account_id=account_id,
        account_name=known.account_name(account_id),
        group_id=detection.group_id,
        details=details,
        status=Status.WHITELISTED if detection.whitelisted else Status.OPEN,
        owner=known.owner(account_id, details),
        ports=exposed_ports(details.perms, known.restricted),
        controls=controls_broken(details),
        exempt_until=exemption.expires if exemption else None,
        exempt_reason=exemption.why if exemption else "",
    )


def listed_issue(issue: Issue, known: Knowledge) -> ListedIssue:
    """One issue of the table."""
    details, account_id = issue.details, issue.account_id
    exempt = issue.status is Status.WHITELISTED
    exemption = _exemption(account_id, issue.issue_id, details, known) if exempt else None
    flag = issue.remediation_details.get("restored")
    return ListedIssue(
        account_id=account_id,
        account_name=known.account_name(account_id),
        group_id=issue.issue_id,
        details=details,
        status=issue.status,
        owner=known.owner(account_id, details),
        ports=exposed_ports(details.perms, known.restricted),
        controls=controls_broken(details),
        timestamps=issue.timestamps,
        opened_by=issue.opened_by,
        ticket=str(issue.jira_details.get("ticket") or ""),
        due=known.due(issue),
        restored=f"by {flag.get('by')} at {flag.get('at')}" if flag else "",
        history=issue.history,
        use=issue.use,
        exempt_until=exemption.expires if exemption else None,
        exempt_reason=exemption.why if exemption else "",
    )


def _exemption(account_id: str, group_id: str, details: IssueDetails, known: Knowledge) -> Exemption | None:
    """The exemption whose end exposes a group again."""
    return deciding(known.exemptions(account_id), group_id, details.vpc_id, details.name, known.today)

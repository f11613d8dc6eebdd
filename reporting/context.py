"""What the texts about an issue are made from, which module writes them, and who gets them.

Each kind of issue has a module of its own, all with the functions of `IssueTexts`: `texts_for` gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from library.documents.document import Document
from library.issues.issue import INSPECTOR_FINDING, SECURITY_GROUP, Issue, IssueKind, Status
from library.issues.schedule import Waiting
from library.network.ports import PortSet
from library.notifications.broadcast import destinations_of, issue_key
from library.notifications.owners import IssueOwners, owners_of_issue
from library.security_groups.users import GroupUsers
from reporting import finding_text, group_text
from reporting.plan import Forecast, Step, Update
from reporting.ticket_facts import AlertText, Location, TicketFacts

if TYPE_CHECKING:
    from library.config import Configuration
    from library.config.models import Owners


class IssueTexts(Protocol):
    """What can be said of an issue. `group_text` documents the arguments."""

    def summary(self, issue: Issue, location: Location, restricted: PortSet) -> str:
        """A ticket's title."""

    def subject(self, issue: Issue, location: Location) -> str:
        """What it is about and where that is, on one line."""

    def ticket(self, issue: Issue, facts: TicketFacts) -> Document:
        """The body of a new ticket."""

    def changed(
        self,
        issue: Issue,
        days: int | None,
        notified_lines: Sequence[str] | None,
        *,
        again: bool,
        scope: frozenset[str],
    ) -> Document:
        """The comment on a change."""

    def ended(self, issue: Issue, *, exempt: bool) -> Document:
        """The comment with which a ticket is closed."""

    def alert(
        self,
        issue: Issue,
        facts: TicketFacts,
        *,
        is_reminder: bool,
        has_ticket: bool,
        waiting: Sequence[Waiting] = (),
    ) -> AlertText:
        """What Slack is told."""


_TEXTS: Mapping[IssueKind, IssueTexts] = {SECURITY_GROUP: group_text, INSPECTOR_FINDING: finding_text}


def texts_for(issue: Issue) -> IssueTexts:
    """The module that writes the texts about issues of this kind: `group_text`, or `finding_text`."""
    return _TEXTS[issue.kind]


def location_of(config: Configuration, issue: Issue) -> Location:
    """Where an issue is, in words."""
    return Location(config.account_name(issue.account_id), issue.account_id, issue.details.region)


_SLACK_USER = re.compile(r"[UW][A-Z0-9]{8,}")


@dataclass(frozen=True, slots=True)
class TicketContext:
    """What the ticket and the alert of a step are made from, beside the step.

    Attributes:
        owners: what `ticket_owners` says of the issue.
        named: the owner that a decision or tags name; untrusted input, or empty.
        facts: what its text is made from.
    """

    owners: Owners
    named: str
    facts: TicketFacts


class TicketContexts:
    """Looks up what steps need, in the configuration and in what was read of AWS. `used_by` is by `issue_key`."""

    def __init__(self, config: Configuration, remediation: Forecast, used_by: Mapping[str, GroupUsers]) -> None:
        self._config = config
        self._remediation = remediation
        self._used_by = used_by

    def of(self, step: Step) -> TicketContext:
        """What a step's ticket is made from."""
        issue = step.issue
        owners = self._owners(issue)
        return TicketContext(
            owners=owners.configured,
            named=owners.named,
            facts=TicketFacts(
                location=location_of(self._config, issue),
                restricted=self._config.secgrp_unrestricted_access.restricted_ports,
                used_by=self._used_by.get(issue_key(issue), GroupUsers(unknown="it was not asked")),
                closes_at=step.closes_at,
                at_once=step.at_once,
                closes_last=step.closes_last,
                sources=self._config.secgrp_unrestricted_access.remediation_sources,
                strategy=self._remediation.strategy,
                scope=self._remediation.scope,
                retention_days=self._remediation.retention.days,
                procedure_url=self._config.whitelisting_procedure_url,
            ),
        )

    def destinations(self, step: Step) -> tuple[str, ...]:
        """Where a step is sent in Slack."""
        issue = step.issue
        if step.alert_update is None or not step.alert_update.begins or issue.decided.owner:
            destinations = destinations_of(self._config, issue)
            return tuple(dict.fromkeys((*destinations, *_author_in_slack(step))))
        return self._owners(issue).destinations(self._config)

    def headline(self, step: Step) -> str:
        """A step on one line."""
        update = step.ticket_update or step.alert_update or step.event_update or ("reminder" if step.reminds else "")
        what = update or (
            "watcher and link, which the last run could not set"
            if step.follow_up
            else "to be recorded as closed"
            if step.close
            else "to be recorded as reported"
        )
        location, text = location_of(self._config, step.issue), texts_for(step.issue)
        if step.issue.status is not Status.OPEN:  # what is over, or exempt, is not said to be open
            return f"{what}: {text.subject(step.issue, location)}"
        restricted = self._config.secgrp_unrestricted_access.restricted_ports
        return f"{what}: {text.summary(step.issue, location, restricted)}"

    def _owners(self, issue: Issue) -> IssueOwners:
        return owners_of_issue(self._config, issue, self._used_by.get(issue_key(issue), GroupUsers()).tags)


def _author_in_slack(step: Step) -> tuple[str, ...]:
    """Who decided in Slack on the exemption that ends soon: the author is reminded beside the owner."""
    exemption = step.exemption
    if step.alert_update is not Update.EXEMPTION_ENDS or exemption is None or not exemption.decided:
        return ()
    return (exemption.author,) if _SLACK_USER.fullmatch(exemption.author) else ()

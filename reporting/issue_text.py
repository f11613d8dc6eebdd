"""The texts of each kind of issue: one module a kind, all with the functions of `IssueText`.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from library.documents.document import Document
from library.issues.issue import INSPECTOR_FINDING, SECURITY_GROUP, Issue, IssueKind
from library.issues.schedule import Waiting
from library.network.ports import PortSet
from reporting import finding_text, group_text
from reporting.ticket_facts import AlertAdvice, AlertText, Location, TicketFacts


class IssueText(Protocol):
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
        told: Sequence[str] | None,
        *,
        again: bool,
        scope: frozenset[str] | None = None,
    ) -> Document:
        """The comment on a change."""

    def ended(self, issue: Issue, *, exempt: bool) -> Document:
        """The comment with which a ticket is closed."""

    def alert(
        self,
        issue: Issue,
        restricted: PortSet,
        closes_at: datetime | None,
        *,
        is_reminder: bool,
        at_once: bool = False,
        closes_last: datetime | None = None,
        advice: AlertAdvice | None = None,
        scope: frozenset[str] | None = None,
        waiting: Sequence[Waiting] = (),
    ) -> AlertText:
        """What Slack is told."""


_TEXTS: Mapping[IssueKind, IssueText] = {SECURITY_GROUP: group_text, INSPECTOR_FINDING: finding_text}


def text_of(issue: Issue) -> IssueText:
    """The texts for an issue of its kind."""
    return _TEXTS[issue.kind]

"""Carries the ticket plan out in JIRA.

What is going to be written is recorded in the issue's item first, as its intent. A run that finds an intent left over
does not know how far the last one came, so it looks before it writes: for the ticket by its label, for a comment by its
text, for a transition by the ticket's status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.documents.document import Document
from library.documents.text import printable
from library.issues.issue import Issue
from library.issues.times import format_time, parse_time
from library.notifications.jira_client import JiraClient, NewTicket, Ticket
from library.notifications.jira_connection import JiraError, JiraOutcomeUnknownError
from library.notifications.jira_users import JiraUser
from library.notifications.jira_workflow import JiraCannotReopenError
from reporting.closing_text import closing_changed
from reporting.exemption_text import with_exemption
from reporting.exposure_text import told_line
from reporting.filing import Filing
from reporting.issue_text import text_of
from reporting.plan import News, Step, digest, lasting, remembered, told_of
from reporting.ticket_facts import with_owner_notes
from reporting.ticket_people import attend, attendance, choose_assignee
from reporting.ticket_writer import TicketWriter

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable

LABEL = "hammer"
EXEMPT_LABEL = "whitelisted"
# What earlier runs left in `jira_details` that does not last: what they were about to do, and what only the console
# told.
_OF_EARLIER_RUNS = ("intent", "still", "console")
# JIRA Cloud indexes what it is told shortly afterwards. Only a run that follows a broken one this soon has to wait.
_INDEXED_AFTER = timedelta(seconds=15)


@dataclass(slots=True)
class Tickets:
    """JIRA, as the reporting job uses it.

    Attributes:
        jira: JIRA.
        table: the issues.
        limit: the longest text it takes.
        now: the clock, in UTC.
        sleep: waits so many seconds.
        notes: what was left out of tickets, one line each.
        problems: what could not be done beside the ticket itself, one line each.
        plain: whether the ticket at hand gets short plain texts: JIRA failed at the full ones.
    """

    jira: JiraClient
    table: IssueTable
    limit: int
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    plain: bool = False

    def tell(self, step: Step, filing: Filing) -> dict[str, Any]:
        """Bring an issue's ticket up to date.

        Returns:
            The issue's new `jira_details`, still to be recorded.

        Raises:
            JiraError: it could not be done; the next run goes on from there.
            ConflictError: the issue has a new occurrence.
        """
        news, issue = step.ticket, step.issue
        if news is None:
            raise ValueError("there is nothing to tell")
        self.jira.check()
        kept = {name: value for name, value in issue.jira_details.items() if name not in _OF_EARLIER_RUNS}
        intent = {"news": str(news), "occurrence": issue.occurrence, "digest": digest(issue)}
        left_over: Mapping[str, Any] = issue.jira_details.get("intent") or {}
        resumed = bool(left_over) and all(left_over.get(name) == value for name, value in intent.items())
        # The time of the first intent stays: that is when something may have been written.
        since = left_over.get("since") or format_time(self.now())
        if not resumed:
            self.table.update(issue, {"jira_details": {"ticket": None, **kept, "intent": {**intent, "since": since}}})
        self.plain = bool(left_over.get("plain"))
        try:
            return self._brought_up_to_date(step, filing, kept, left_over, resumed=resumed)
        except JiraOutcomeUnknownError as error:
            if error.status == 500:
                # What this issue says may be what JIRA fails at: the next run says less.
                self.table.update(
                    issue,
                    {"jira_details": {"ticket": None, **kept, "intent": {**intent, "since": since, "plain": True}}},
                )
            raise

    def _brought_up_to_date(
        self, step: Step, filing: Filing, kept: dict[str, Any], left_over: Mapping[str, Any], *, resumed: bool
    ) -> dict[str, Any]:
        news, issue = step.ticket, step.issue
        known = str(kept.get("ticket") or "")
        ticket = self.jira.get(known) if known else self._lost(issue, left_over)
        if news is News.EXEMPTION_ENDS:
            if ticket is not None:
                self._writer().comment(issue, ticket.key, would_say(step, filing), resumed=resumed)
            return told_of(step, news, kept)
        if news is not None and news.ends:
            return told_of(step, news, kept) | self._end(step, filing, ticket, resumed=resumed)
        told = {
            **remembered(issue, closed=False, at_once=step.at_once),
            "told": [told_line(perm) for perm in issue.details.perms],
        }
        key, still = "", dict(issue.jira_details.get("still") or {})
        if ticket is not None:
            key, filed = self._go_on(step, ticket, filing, resumed=resumed)
            if filed:
                still = attendance(filing)
            still = (
                self._attend(key, still, choose_assignee(self.jira, filing, self._note)[0] if filed else None)
                if key
                else still
            )
        if not key:
            key, assignee = self._file(step, filing)
            still = self._attend(key, attendance(filing), assignee)
        return lasting(kept) | told | {"ticket": key} | ({"still": still} if still else {})

    def attend(self, issue: Issue) -> dict[str, Any]:
        """Do what the last run could not do beside the ticket itself.

        Returns:
            The issue's new `jira_details`, still to be recorded.
        """
        kept = {name: value for name, value in issue.jira_details.items() if name != "still"}
        still = self._attend(str(kept.get("ticket")), issue.jira_details.get("still") or {}, None)
        return kept | ({"still": still} if still else {})

    def _lost(self, issue: Issue, left_over: Mapping[str, Any]) -> Ticket | None:
        """A ticket of the issue that its item does not know of."""
        found = self.jira.find(label_of(issue))
        begun = parse_time(left_over.get("since"))
        if not found and begun:
            wait = (begun + _INDEXED_AFTER - self.now()).total_seconds()
            if wait > 0:
                self.sleep(min(wait, _INDEXED_AFTER.total_seconds()))
                found = self.jira.find(label_of(issue))
        return next((ticket for ticket in found if not ticket.done), found[0] if found else None)

    def _go_on(self, step: Step, ticket: Ticket, filing: Filing, *, resumed: bool) -> tuple[str, bool]:
        """Tell a ticket that there is.

        Returns:
            Its key; empty: it cannot be used any more. And whether the last run filed it, and got no further.
        """
        issue, news = step.issue, step.ticket
        if ticket.done:
            try:
                self.jira.workflow.reopen(ticket.key)
            except JiraCannotReopenError as error:
                self.notes.append(f"{issue.issue_id} gets a new ticket: {error}")
                return "", False
        if EXEMPT_LABEL in ticket.labels:
            self.jira.edit_labels(ticket.key, remove=[EXEMPT_LABEL])
        if news is News.NEW and resumed and not ticket.done:
            # The last run filed it, and ended before it recorded that.
            return ticket.key, True
        self._writer().comment(issue, ticket.key, _comment_on(step, filing), resumed=resumed)
        return ticket.key, False

    def _file(self, step: Step, filing: Filing) -> tuple[str, JiraUser | None]:
        """File a new ticket. Returns its key and who was meant to get it."""
        issue = step.issue
        project = filing.owners.jira_project
        if not project:
            raise JiraError(f"ticket_owners names no jira_project for account {issue.account_id}")
        assignee, said = choose_assignee(self.jira, filing, self._note)
        facts = with_owner_notes(filing.facts, said)
        ticket = NewTicket(
            project,
            text_of(issue).summary(issue, facts.place, facts.restricted),
            body="",
            labels=(LABEL, label_of(issue)),
            assignee=assignee,
            severity=str(issue.details.severity),
            due=facts.closes_at.date() if facts.closes_at else None,
        )
        text = _with_exemption(text_of(issue).ticket(issue, facts), step)
        created = self._writer().create(issue, ticket, text)
        self.notes += [f"{created.key} has no {name}: {reason}" for name, reason in created.left_out.items()]
        return created.key, assignee

    def _attend(self, key: str, wanted: Mapping[str, str], assignee: JiraUser | None) -> dict[str, str]:
        return attend(self.jira, key, wanted, assignee, self._note, self.problems.append)

    def _writer(self) -> TicketWriter:
        return TicketWriter(self.jira, self.limit, self._note, plain=self.plain)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _end(self, step: Step, filing: Filing, ticket: Ticket | None, *, resumed: bool) -> dict[str, Any]:
        """Close a ticket. One that is gone or closed already needs no more."""
        issue = step.issue
        if ticket is None:
            return remembered(issue, closed=True)
        if step.ticket is News.EXEMPT and EXEMPT_LABEL not in ticket.labels:
            self.jira.edit_labels(ticket.key, add=[EXEMPT_LABEL])
        if not ticket.done:
            self._writer().comment(issue, ticket.key, would_say(step, filing), resumed=resumed)
            self.jira.workflow.close(ticket.key)
        return {**remembered(issue, closed=True), "ticket": ticket.key}


def label_of(issue: Issue) -> str:
    """The label by which an issue's tickets are found, in all its occurrences."""
    return f"{LABEL}-{issue.account_id}-{issue.issue_id}"


def would_do(step: Step, filing: Filing) -> str:
    """What telling a step comes to in JIRA, on one line, for a dry run."""
    key, owners = printable(str(step.issue.jira_details.get("ticket") or "")), filing.owners
    if step.ticket and step.ticket.ends:
        return f"a comment on {key or 'its ticket'}, which is closed"
    if step.ticket is News.EXEMPTION_ENDS:
        return f"a comment on {key}"
    if key:
        return f"a comment on {key}" + (
            ", which is reopened if it is closed" if step.ticket not in (News.CHANGED, News.CLOSING) else ""
        )
    if not owners.jira_project:
        return "no ticket: ticket_owners names no jira_project"
    discovered = "" if filing.discovered.startswith("#") else printable(filing.discovered)
    assignees = " or else ".join(name for name in (discovered, owners.jira_owner) if name)
    return f"a new ticket in {owners.jira_project}, assigned to {assignees or 'nobody'}"


def would_say(step: Step, filing: Filing) -> Document:
    """What telling a step writes: the body of a new ticket, or a comment."""
    issue, news = step.issue, step.ticket
    if news is News.EXEMPTION_ENDS:
        return _with_exemption((), step)
    if news and news.ends:
        return _with_exemption(text_of(issue).ended(issue, exempt=news is News.EXEMPT), step)
    if news is News.NEW:
        return _with_exemption(text_of(issue).ticket(issue, filing.facts), step)
    return _comment_on(step, filing)


def _comment_on(step: Step, filing: Filing) -> Document:
    issue, again = step.issue, step.ticket not in (News.CHANGED, News.CLOSING)
    closing = closing_changed(issue, filing.facts) if step.closing_is_news and not again else ()
    if step.ticket is News.CLOSING:
        return closing
    told = issue.jira_details.get("told")
    lines = None if told is None else [str(line) for line in told]
    days = (0 if step.at_once else filing.facts.retention_days) if again and step.closes_at else None
    text = text_of(issue).changed(issue, days, lines, again=again)
    return _with_exemption((*text, *closing), step)


def _with_exemption(text: Document, step: Step) -> Document:
    was_exempt = bool(step.issue.jira_details.get("exempt"))
    return with_exemption(
        text, step.ticket, step.issue, step.exemption, was_exempt=was_exempt, in_part=step.exempt_in_part
    )

"""What tickets and alerts say of an Inspector finding that is kept as an issue.

Pure. Names, tags and titles are untrusted input; they go into documents as literal text only.
"""

from __future__ import annotations

from collections.abc import Sequence

from library.documents.document import Bullets, Document, Section, paragraph
from library.documents.slack_message import slack_literal
from library.documents.text import and_more, cut_utf16, printable
from library.issues.issue import FindingDetails, Issue
from library.issues.schedule import Waiting
from library.network.ports import PortSet, ports_text
from reporting.ticket_facts import SUMMARY_LIMIT, AlertText, Location, TicketFacts

_PORTS_NAMED = 4


def summary(issue: Issue, location: Location, restricted: PortSet) -> str:
    """The ticket's title, on one line."""
    del restricted
    text = (
        f"Amazon Inspector: {_ports(issue)} open on {printable(_server(issue))}, "
        f"{printable(location.account)}, {location.region}"
    )
    return cut_utf16(text, SUMMARY_LIMIT)


def subject(issue: Issue, location: Location) -> str:
    """The server and where it is, on one line."""
    return f"{printable(_server(issue))}, {printable(location.account)}, {location.region}"


def ticket(issue: Issue, facts: TicketFacts) -> Document:
    """The body of a new ticket."""
    details = _details(issue)
    path = " > ".join(details.path) or "Inspector does not say"
    first = (
        f"Amazon Inspector reports ports of {_server(issue)} in {facts.location}, VPC {details.vpc_id or 'unknown'}, "
        f"as reachable from outside, and nobody expects them to be. Severity: {details.inspector_severity}."
    )
    sections = [
        Section("", (paragraph(first), *(paragraph(note) for note in (*details.notes, *facts.owner_notes)))),
        Section("What is open", (Bullets(tuple(_lines(issue))),)),
        Section("Over which path", (paragraph(path),)),
    ]
    if details.held_back:
        sections.append(Section("What is expected, and was taken out", (Bullets(details.held_back),)))
    advice = (
        "Find out who must reach these ports, and from where; often it is nobody.",
        "Narrow the security group's sources, or move the server behind a load balancer or a VPN.",
        "If the ports are meant to be open, ask for them to be added to inspector.allowed_ports.",
        "This ticket closes by itself when Inspector closes the finding, or the ports are expected.",
    )
    sections.append(Section("What to do", (Bullets(advice),)))
    sections.append(Section("The finding", (paragraph(f"{details.title} ({details.arn})"),), spare=True))
    return tuple(sections)


def changed(
    issue: Issue,
    days: int | None,
    notified_lines: Sequence[str] | None,
    *,
    again: bool,
    scope: frozenset[str],
) -> Document:
    """A comment on a ticket whose finding changed, or came back (`again`)."""
    del days, notified_lines, scope
    what = "is back. Open now:" if again else "has changed. Open now:"
    return (Section("", (paragraph(f"The finding on {_server(issue)} {what}"), Bullets(tuple(_lines(issue))))),)


def ended(issue: Issue, *, exempt: bool) -> Document:
    """The comment with which a ticket is closed. A finding is never exempt: its ports are expected, or not."""
    del exempt
    text = (
        f"Nothing unexpected is open on {_server(issue)} any more by this finding: Inspector closed or suppressed it, "
        "or its ports are expected now. If it comes back, this ticket is reopened."
    )
    return (Section("", (paragraph(text),)),)


def alert(
    issue: Issue,
    facts: TicketFacts,
    *,
    is_reminder: bool,
    has_ticket: bool,
    waiting: Sequence[Waiting] = (),
) -> AlertText:
    """What a message in Slack says after the server's name, and the lines of its thread, both in `mrkdwn`."""
    del facts, is_reminder, has_ticket, waiting
    details = _details(issue)
    lines = [f"Path: {' > '.join(details.path)}", *(f"Held back {held}" for held in details.held_back)]
    text = f"Amazon Inspector, {details.inspector_severity}: {_ports(issue)} open, and nobody expects it"
    return AlertText(slack_literal(text), tuple(map(slack_literal, lines)))


def _server(issue: Issue) -> str:
    details = _details(issue)
    return details.server_id if details.name == details.server_id else f'"{details.name}" ({details.server_id})'


def _details(issue: Issue) -> FindingDetails:
    if not isinstance(issue.details, FindingDetails):
        raise TypeError(f"{issue.issue_id} is not about a finding")
    return issue.details


def _lines(issue: Issue) -> list[str]:
    return [f"{perm.protocol} {ports_text(perm.from_port or 0, perm.to_port or 0)}" for perm in issue.details.perms]


def _ports(issue: Issue) -> str:
    return and_more(_lines(issue), _PORTS_NAMED)

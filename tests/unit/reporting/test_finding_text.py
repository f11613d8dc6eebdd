"""Every text about an Inspector finding, as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from library.documents.document import Bullets, Section, paragraph
from library.issues.issue import FindingDetails, Issue, IssueDetails, Status, Timestamps
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers
from reporting.finding_text import alert, changed, ended, summary, ticket
from reporting.ticket_facts import AlertText, Location, TicketFacts

FOUND = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)
LOCATION = Location("shop", "210987654321", "eu-west-1")
FACTS = TicketFacts(LOCATION, PortSet(), GroupUsers(), None, "replace_rule", frozenset(), 21, "")
PORTS = (
    Exposure("TCP", 22, 22, "", "open_partly"),
    Exposure("UDP", 161, 162, "", "open_partly"),
    Exposure("TCP", None, None, "", "open_partly"),
)
DETAILS = FindingDetails(
    "web",
    "eu-west-1",
    "vpc-1",
    "open_partly",
    {},
    PORTS,
    arn="arn:aws:inspector2:eu-west-1:210987654321:finding/1",
    server_id="i-1",
    inspector_severity="HIGH",
    title="Port 22 is reachable",
    path=("igw-1", "acl-1", "i-1"),
    held_back=("TCP 443: allowed ports of web", "TCP 32768-60999: ephemeral ports of web"),
    notes=("The tags could not be read.",),
)


def finding(**details: Any) -> Issue:
    return Issue("210987654321", "finding-1", Status.OPEN, replace(DETAILS, **details), Timestamps(FOUND, FOUND))


def many_ports(count: int) -> tuple[Exposure, ...]:
    return tuple(Exposure("TCP", port, port, "", "open_partly") for port in range(1, count + 1))


@pytest.mark.parametrize(
    ("details", "text"),
    [
        pytest.param(
            {},
            'Amazon Inspector: TCP 22, UDP 161-162, TCP 0 open on "web" (i-1), shop (210987654321), eu-west-1',
            id="a server with a name",
        ),
        pytest.param(
            {"name": "i-1", "perms": many_ports(4)},
            "Amazon Inspector: TCP 1, TCP 2, TCP 3, TCP 4 open on i-1, shop (210987654321), eu-west-1",
            id="a server without one, and four ports",
        ),
        pytest.param(
            {"name": "a\nb", "perms": many_ports(6)},
            "Amazon Inspector: TCP 1, TCP 2, TCP 3, TCP 4 and 2 more open on "
            '"a\\nb" (i-1), shop (210987654321), eu-west-1',
            id="an untrusted name, and six ports",
        ),
    ],
)
def test_the_title(details: dict[str, Any], text: str) -> None:
    assert summary(finding(**details), LOCATION, PortSet()) == text


def test_a_title_is_as_long_as_jira_takes_and_spells_out_a_untrusted_account() -> None:
    assert len(summary(finding(name="x" * 300), LOCATION, PortSet())) == 255
    untrusted = replace(LOCATION, account_name="a\x1bb")
    assert summary(finding(), untrusted, PortSet()).endswith(", a\\x1bb (210987654321), eu-west-1")


TO_DO = Section(
    "What to do",
    (
        Bullets(
            (
                "Find out who must reach these ports, and from where; often it is nobody.",
                "Narrow the security group's sources, or move the server behind a load balancer or a VPN.",
                "If the ports are meant to be open, ask for them to be added to inspector.allowed_ports.",
                "This ticket closes by itself when Inspector closes the finding, or the ports are expected.",
            )
        ),
    ),
)
THE_FINDING = Section(
    "The finding",
    (paragraph("Port 22 is reachable (arn:aws:inspector2:eu-west-1:210987654321:finding/1)"),),
    spare=True,
)


def test_a_ticket() -> None:
    assert ticket(finding(), replace(FACTS, owner_notes=("Nobody is named ana.",))) == (
        Section(
            "",
            (
                paragraph(
                    'Amazon Inspector reports ports of "web" (i-1) in account shop (210987654321), region eu-west-1, '
                    "VPC vpc-1, as reachable from outside, and nobody expects them to be. Severity: HIGH."
                ),
                paragraph("The tags could not be read."),
                paragraph("Nobody is named ana."),
            ),
        ),
        Section("What is open", (Bullets(("TCP 22", "UDP 161-162", "TCP 0")),)),
        Section("Over which path", (paragraph("igw-1 > acl-1 > i-1"),)),
        Section(
            "What is expected, and was taken out",
            (Bullets(("TCP 443: allowed ports of web", "TCP 32768-60999: ephemeral ports of web")),),
        ),
        TO_DO,
        THE_FINDING,
    )


def test_a_ticket_about_a_finding_that_tells_little() -> None:
    bare = finding(name="i-1", vpc_id="", path=(), held_back=(), notes=())
    assert ticket(bare, FACTS) == (
        Section(
            "",
            (
                paragraph(
                    "Amazon Inspector reports ports of i-1 in account shop (210987654321), region eu-west-1, "
                    "VPC unknown, as reachable from outside, and nobody expects them to be. Severity: HIGH."
                ),
            ),
        ),
        Section("What is open", (Bullets(("TCP 22", "UDP 161-162", "TCP 0")),)),
        Section("Over which path", (paragraph("Inspector does not say"),)),
        TO_DO,
        THE_FINDING,
    )


@pytest.mark.parametrize(("again", "what"), [(True, "is back"), (False, "has changed")])
def test_the_comment_on_a_change(again: bool, what: str) -> None:
    assert changed(finding(), 3, ["TCP 22"], again=again, scope=FACTS.scope) == (
        Section(
            "",
            (
                paragraph(f'The finding on "web" (i-1) {what}. Open now:'),
                Bullets(("TCP 22", "UDP 161-162", "TCP 0")),
            ),
        ),
    )


def test_the_comment_that_closes_a_ticket() -> None:
    assert ended(finding(), exempt=False) == (
        Section(
            "",
            (
                paragraph(
                    'Nothing unexpected is open on "web" (i-1) any more by this finding: Inspector closed or '
                    "suppressed it, or its ports are expected now. If it comes back, this ticket is reopened."
                ),
            ),
        ),
    )


def test_what_slack_is_told() -> None:
    assert alert(finding(path=("igw-1", "<a>")), FACTS, is_reminder=False, has_ticket=True) == AlertText(
        "Amazon Inspector, HIGH: TCP 22, UDP 161-162, TCP 0 open, and nobody expects it",
        (
            "Path: igw-1 &gt; &lt;a&gt;",
            "Held back TCP 443: allowed ports of web",
            "Held back TCP 32768-60999: ephemeral ports of web",
        ),
    )


def test_another_kind_of_issue_is_refused() -> None:
    group = replace(finding(), details=IssueDetails("web", "eu-west-1", "vpc-1", "open_partly", {}, PORTS))
    with pytest.raises(TypeError, match=r"^finding-1 is not about a finding$"):
        ended(group, exempt=False)

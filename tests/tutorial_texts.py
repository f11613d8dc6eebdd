"""A ticket and a message in Slack for the tutorial, as Hammer writes them of one issue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from textwrap import fill

from library.config import Configuration
from library.documents.document import plain_text
from library.documents.slack_message import compose
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Path, Reachability, Sources, Verdict
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.usage import Usage, User
from reporting import group_text
from reporting import slack as slack_text
from reporting.plan import News, Step
from reporting.ticket_facts import Place, TicketFacts

_NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
_RETENTION = 21
_CLOSES_AT = _NOW + timedelta(days=_RETENTION)
_WIDTH = 120
_PORTS = PortSet.parse([22])
_PLACE = Place("shop", "210987654321", "eu-west-1")
_USER = User("instance", "i-0a1b2c3d4e5f60718 (bastion)", ("203.0.113.10",))
_ISSUE = Issue(
    "210987654321",
    "sg-0123456789abcdef0",
    Status.OPEN,
    IssueDetails(
        "bastion",
        "eu-west-1",
        "vpc-0123456789abcdef0",
        "open_completely",
        {"owner": "ana"},
        (Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"),),
        Reachability.of(
            Verdict.INTERNET,
            Sources.ALL,
            "open_completely",
            [
                Path(
                    "eni-0123456789abcdef0",
                    "instance i-0a1b2c3d4e5f60718",
                    "203.0.113.10",
                    Verdict.INTERNET,
                    ("igw-0123456789abcdef0", "acl-0123456789abcdef0", "eni-0123456789abcdef0"),
                    "",
                    "Anyone on the Internet can connect to tcp 22 at 203.0.113.10 of instance i-0a1b2c3d4e5f60718.",
                )
            ],
            [],
        ),
    ),
    Timestamps(_NOW, _NOW),
    opened_by=OpenedBy(
        "arn:aws:sts::210987654321:assumed-role/deploy/ana@example.com",
        "198.51.100.7",
        "APN/1.0 HashiCorp/1.0 Terraform/1.9.0",
        "AuthorizeSecurityGroupIngress",
        _NOW,
        "11111111-2222-3333-4444-555555555555",
    ),
)


def ticket() -> str:
    """Title and body of the ticket, to where the ways to fix it begin."""
    facts = TicketFacts(
        _PLACE, _PORTS, Usage((_USER,)), _CLOSES_AT, "replace_rule", frozenset({"open_completely"}), _RETENTION, ""
    )
    body, *_ = plain_text(group_text.ticket(_ISSUE, facts)).partition("With the AWS command line\n")
    return wrapped(f"{group_text.summary(_ISSUE, _PLACE, _PORTS)}\n\n{body}")


def slack(config: Configuration) -> str:
    """The message for a channel, and its thread, without the marks of bold text."""
    step = Step(_ISSUE, None, News.NEW, None, _CLOSES_AT, report=True, close=False)
    alert = slack_text._alert(config, None, step)
    blocks = [block for message in compose(slack_text.TITLE, [alert]) for block in message.blocks]
    return wrapped("\n\n".join(block["text"]["text"].replace("*", "") for block in blocks))


def wrapped(text: str) -> str:
    """A text, with its long lines broken as a window breaks them."""
    return "\n".join(
        fill(line, _WIDTH, subsequent_indent=" " * (len(line) - len(line.lstrip())), break_on_hyphens=False)
        for line in text.strip().splitlines()
    )

"""What a ticket and a message say to the one who is to act: how bad, where, who opened it, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from library.documents.document import Link, Paragraph, Section, plain_text
from library.issues.history import PastOccurrence
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Path, Reachability, Sources, Verdict
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers, User
from reporting import group_text
from reporting.group_text import opened_by_text
from reporting.ticket_facts import Location, TicketFacts

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
OPENED = OpenedBy(
    "arn:aws:sts::1:assumed-role/deploy/ana@example.com",
    "203.0.113.7",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.0",
    "AuthorizeSecurityGroupIngress",
    NOW,
    "e-1",
)
OPEN = Path(
    "eni-1",
    "instance i-1",
    "54.1.1.1",
    Verdict.INTERNET,
    ("igw-1", "acl-1", "eni-1"),
    "",
    "Anyone on the Internet can connect now to tcp 22 at 54.1.1.1.",
)
ACL = "54.1.1.1 is closed: acl-1 rule 100 denies tcp 22 from 1.0.0.0."


def closed(code: str, text: str) -> Path:
    return replace(OPEN, verdict=Verdict.BLOCKED, blocked_by=code, text=text)


def issue(verdict: Verdict, *paths: Path, unread: tuple[str, ...] = (), opened_by: OpenedBy | None = None) -> Issue:
    sources = Sources.ALL if verdict is Verdict.INTERNET else None
    reachability = Reachability.of(verdict, sources, "open_completely", paths, ["Not judged: firewalls."], unread)
    details = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, (SSH,), reachability)
    return Issue("1", "sg-1", Status.OPEN, details, Timestamps(NOW, NOW), opened_by=opened_by)


FACTS = TicketFacts(
    Location("shop", "210987654321", "eu-west-1"),
    PortSet.parse([22]),
    GroupUsers((User("instance", "i-1 (web-prod)", ("54.1.1.1",)),)),
    NOW,
    "replace_rule",
    frozenset({"open_completely"}),
    21,
    "",
)


ALLOWS = (
    'What is wrong: Security group sg-1 "web" in account shop (210987654321), region eu-west-1, allows SSH (tcp/22) '
    "from the whole Internet."
)
SEES = "As far as Hammer can see, nobody on the Internet can connect now: "


@pytest.mark.parametrize(
    ("given", "line"),
    [
        pytest.param(
            issue(Verdict.INTERNET, OPEN),
            "Anyone on the Internet can connect now to tcp 22 at 54.1.1.1. Severity: critical.",
            id="reachable",
        ),
        pytest.param(
            issue(Verdict.INTERNET),
            "Anyone on the Internet can connect now. Severity: critical.",
            id="reachable, and no path is kept",
        ),
        pytest.param(
            issue(Verdict.BLOCKED, closed("SUBNET_ACL_RESTRICTION", ACL)),
            f"{SEES}blocked by acl-1 rule 100. {ACL} Severity: medium.",
            id="a network ACL",
        ),
        pytest.param(
            issue(Verdict.BLOCKED, closed("NO_ROUTE_TO_DESTINATION", "x is closed: route table rtb-1 of subnet-1 has")),
            f"{SEES}blocked by route table rtb-1, which has no route to the Internet. "
            "x is closed: route table rtb-1 of subnet-1 has Severity: medium.",
            id="a route table",
        ),
        pytest.param(
            issue(Verdict.BLOCKED, closed("VPC_BLOCK_PUBLIC_ACCESS_ENABLED", "")),
            f"{SEES}blocked by VPC Block Public Access. Severity: medium.",
            id="Block Public Access",
        ),
        pytest.param(
            issue(Verdict.BLOCKED, closed("A_NEW_CODE", "")),
            f"{SEES}blocked by the network. Severity: medium.",
            id="something new",
        ),
        pytest.param(
            issue(Verdict.INTERNAL),
            f"{SEES}what uses it has no public IPv4 address. Severity: medium.",
            id="internal",
        ),
        pytest.param(
            issue(Verdict.UNUSED),
            "Nothing uses the group now, so nobody can connect through it. Severity: low.",
            id="unused",
        ),
        pytest.param(
            issue(Verdict.UNKNOWN, unread=("DescribeRouteTables was denied.",)),
            "It is not known who on the Internet can connect now. DescribeRouteTables was denied. Severity: high.",
            id="unknown",
        ),
    ],
)
def test_the_first_paragraph_says_what_is_open_to_whom_and_who_can_connect(given: Issue, line: str) -> None:
    assert group_text.verdict_line(given) == line
    assert plain_text(group_text.ticket(given, FACTS)).startswith(f"{ALLOWS}\n\nWho can connect now: {line} ")


def test_without_a_verdict_nothing_is_said_of_it() -> None:
    given = issue(Verdict.UNUSED)
    given = replace(given, details=replace(given.details, reachability=None))
    assert group_text.verdict_line(given) == group_text.verdict_words(given.details) == ""
    assert plain_text(group_text.ticket(given, FACTS)).startswith(
        f"{ALLOWS}\n\nWho can connect now: Nobody checked this yet. Severity: high. If the ports"
    )


def test_each_path_names_the_instance_as_people_do() -> None:
    [section] = [part for part in group_text.ticket(issue(Verdict.INTERNET, OPEN), FACTS) if "over what" in part.title]
    assert plain_text((Section("", section.blocks),)) == (
        "  * instance i-1 (web-prod): Anyone on the Internet can connect now to tcp 22 at 54.1.1.1. "
        "Through igw-1 > acl-1 > eni-1.\n\nNot judged: firewalls.\n"
    )


def test_a_group_that_nothing_uses_gets_a_short_ticket() -> None:
    document = group_text.ticket(issue(Verdict.UNUSED), FACTS)
    assert [section.title for section in document] == [
        "",
        "What to do, in detail",
        "What is open, and to whom",
        "Since when, and until when",
        "With the AWS command line",
        "With Terraform",
    ]
    assert "aws ec2 delete-security-group --region eu-west-1 --group-id sg-1\n" in plain_text(document)


def test_nobody_is_told_to_delete_a_default_group() -> None:
    given = issue(Verdict.UNUSED)
    given = replace(given, details=replace(given.details, name="default"))
    text = plain_text(group_text.ticket(given, replace(FACTS, used_by=GroupUsers())))
    assert "delete-security-group" not in text
    assert "cannot be deleted" in text
    assert "aws ec2 revoke-security-group-ingress" in text


def test_a_group_that_others_name_cannot_be_deleted_at_once() -> None:
    text = plain_text(group_text.ticket(issue(Verdict.UNUSED), FACTS))
    assert "--filters Name=ip-permission.group-id,Values=sg-1" in text


def test_a_group_of_a_stack_is_to_be_changed_there() -> None:
    given = issue(Verdict.INTERNET, OPEN)
    given = replace(given, details=replace(given.details, tags={"aws:cloudformation:stack-name": "web"}))
    text = plain_text(group_text.ticket(given, FACTS))
    top, _, rest = text.partition("What to do, in detail")
    assert 'Fix it in CloudFormation stack "web": change its template, or an update opens the group again.' in top
    assert "Fix it in the AWS console" not in text
    assert "Look at it in the AWS console: https://" in top
    assert 'they help until CloudFormation stack "web" opens the group again.' in rest
    assert "Terraform" not in rest


def test_a_message_begins_with_what_matters() -> None:
    said = group_text.alert(issue(Verdict.INTERNET, OPEN, opened_by=OPENED), FACTS, is_reminder=False, has_ticket=True)
    assert said.text == (
        "SSH (tcp/22) open to the whole Internet; anyone on the Internet can connect now; Hammer will replace this "
        "rule on 2026-11-22 14:02 UTC or soon after"
    )
    assert said.details == (
        "    Anyone on the Internet can connect now to tcp 22 at 54.1.1.1. Severity: critical.",
        "    Opened by role deploy, session ana@example.com, from 203.0.113.7 with Terraform, 2026-11-22 14:02 UTC.",
        "    tcp 22 from 0.0.0.0/0, open completely (all of IPv4)",
    )


def test_a_group_that_is_opened_again_and_again_is_said_to_be() -> None:
    past = PastOccurrence(NOW - timedelta(days=3), NOW - timedelta(days=2), "ana")
    given = replace(issue(Verdict.INTERNET, OPEN, opened_by=OPENED), history=(past, past, past))
    text = "The group was opened again 3 times in 7 days; it is managed by Terraform, which may open it again."
    comment = plain_text(group_text.changed(given, None, None, again=True, scope=FACTS.scope))
    assert f"2026-11-22 14:02 UTC.\n\n{text}\n" in comment
    assert f"2026-11-22 14:02 UTC.\n\n{text}\n" in plain_text(group_text.ticket(given, FACTS))
    assert f"    {text}" in group_text.alert(given, FACTS, is_reminder=False, has_ticket=True).details
    one_time = replace(given, history=(past,))
    assert "opened again" not in plain_text(group_text.changed(one_time, None, None, again=True, scope=FACTS.scope))


def test_a_change_of_reachability_alone_is_said_as_such() -> None:
    notified = ["tcp 22 from 0.0.0.0/0, open completely"]
    assert plain_text(
        group_text.changed(issue(Verdict.INTERNET, OPEN), None, notified, again=False, scope=FACTS.scope)
    ) == (
        "Who can connect through security group sg-1 has changed. Anyone on the Internet can connect now to tcp 22 at "
        "54.1.1.1. Severity: critical.\n"
    )


@pytest.mark.parametrize(
    ("principal", "source_ip", "agent", "text"),
    [
        (
            OPENED.principal,
            "203.0.113.7",
            OPENED.user_agent,
            "role deploy, session ana@example.com, from 203.0.113.7 with Terraform",
        ),
        (
            "arn:aws:iam::1:user/ops/bo",
            "203.0.113.7",
            "aws-cli/2.1",
            "user ops/bo, from 203.0.113.7 with the AWS command line",
        ),
        ("arn:aws-cn:iam::1:root", "", "", "the root user of account 1"),
        (
            "cloudformation.amazonaws.com",
            "cloudformation.amazonaws.com",
            "cloudformation.amazonaws.com",
            "cloudformation.amazonaws.com, from cloudformation.amazonaws.com with CloudFormation",
        ),
        ("", "", "", "somebody whom CloudTrail does not name"),
        ("x\ny" * 99, "", "", "x y" * 33 + "…"),
    ],
)
def test_who_opened_it(principal: str, source_ip: str, agent: str, text: str) -> None:
    opened = replace(OPENED, principal=principal, source_ip=source_ip, user_agent=agent)
    assert opened_by_text(opened) == f"{text}, 2026-11-22 14:02 UTC"


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1#SecurityGroup:groupId=sg-1"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/ec2/home?region=cn-north-1#SecurityGroup:groupId=sg-1"),
        (
            "us-gov-west-1",
            "https://console.amazonaws-us-gov.com/ec2/home?region=us-gov-west-1#SecurityGroup:groupId=sg-1",
        ),
        ("us-iso-east-1", ""),
    ],
)
def test_the_page_in_the_console(region: str, url: str) -> None:
    assert Location("shop", "1", region).console_url("sg-1") == url
    given = issue(Verdict.INTERNET, OPEN)
    head = group_text.ticket(given, replace(FACTS, location=Location("shop", "1", region)))[0].blocks
    links = [
        part.url for block in head if isinstance(block, Paragraph) for part in block.parts if isinstance(part, Link)
    ]
    assert links == ([url] if url else [])

"""Whole tickets about a group, and the comments on them, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path as File
from typing import Any

import pytest

from library.documents.document import Bullets, Section, paragraph, plain_text
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Blocker, Path, Reachability, Sources, Verdict
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers, User
from reporting.exposure_text import exposure_table
from reporting.group_text import alert, changed, ended, path_blocks, ticket, verdict_words
from reporting.ticket_facts import AlertText, Location, TicketFacts

TICKETS = File(__file__).parents[2] / "data" / "tickets"
FOUND = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
ESP = Exposure("50", None, None, "8.8.8.0/24", "open_partly")
SNMP = Exposure("udp", 100, 200, "2a00::/16", "open_partly")
SNMP_V4 = SNMP._replace(cidr="8.8.4.0/24")
CONNECTS = "Anyone on the Internet can connect now to tcp/22 of instance i-1 at 54.1.1.1."
PATHS = [
    Path("eni-01", "instance i-1", "54.1.1.1", Verdict.INTERNET, ("igw-1", "eni-01"), text=CONNECTS),
    *(
        Path(
            f"eni-{n:02}",
            "",
            f"54.1.1.{n}",
            Verdict.INTERNET,
            text=CONNECTS.replace("instance i-1 at 54.1.1.1", f"eni-{n:02} at 54.1.1.{n}"),
        )
        for n in range(2, 13)
    ),
]
REACHABLE = Reachability.of(
    Verdict.INTERNET,
    Sources.ALL,
    "open_completely",
    PATHS,
    ("Firewalls on the machines are not judged.",),
    ("Load balancers could not be read: access was denied.",),
)
ANA = OpenedBy(
    "arn:aws:iam::210987654321:user/ana", "8.8.8.8", "aws-cli/2", "AuthorizeSecurityGroupIngress", FOUND, "e-1"
)
FACTS = TicketFacts(
    Location("shop", "210987654321", "eu-west-1"),
    PortSet.parse([22, "udp/161"]),
    GroupUsers((User("database", "eni-9"), User("instance", "i-1 (web)", ("54.1.1.1",))), more=3),
    FOUND + timedelta(days=21),
    "replace_rule",
    frozenset({"open_completely"}),
    21,
    "https://wiki.example.com/exempt",
    (
        'The owner tag names "ana", but JIRA has no single user of that name who can be assigned in SEC.',
        "So this ticket has no assignee.",
    ),
)
BARE = replace(
    FACTS,
    location=Location("210987654321", "210987654321", "eu-west-1"),
    restricted=PortSet(),
    closes_at=None,
    procedure_url="",
    owner_notes=(),
)


def issue(*perms: Exposure, **changes: Any) -> Issue:
    details = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, perms or (SSH,))
    of_details = {name: changes.pop(name) for name in ("status", "tags", "reachability") if name in changes}
    made = Issue("210987654321", "sg-1", Status.OPEN, replace(details, **of_details), Timestamps(FOUND, FOUND))
    return replace(made, **changes)


def judged(verdict: Verdict, *found: Path) -> Issue:
    return issue(reachability=Reachability.of(verdict, None, "open_completely", found))


TICKETS_OF = {
    "reachable": (
        issue(
            ESP,
            SSH,
            SNMP,
            SNMP_V4,
            reachability=REACHABLE,
            tags={"aws:cloudformation:stack-name": "web-stack"},
            opened_by=ANA,
        ),
        FACTS,
    ),
    "not judged": (issue(SNMP_V4, status="open_partly", timestamps=Timestamps()), BARE),
    "unused": (replace(judged(Verdict.UNUSED), timestamps=Timestamps(FOUND)), FACTS),
}


@pytest.mark.parametrize("name", TICKETS_OF)
def test_a_whole_ticket(name: str) -> None:
    document = ticket(*TICKETS_OF[name])
    assert plain_text(document) == (TICKETS / f"{name.replace(' ', '_')}.txt").read_text("utf-8")
    spare = [section.title for section in document if section.spare is not False]
    of_terraform = [] if name == "reachable" else ["With Terraform"]  # the stack is known to manage that group
    assert spare == ["With the AWS command line", *of_terraform]
    assert [section.spare for section in document if section.spare] == [True] * len(spare)


@pytest.mark.parametrize(
    ("given", "days", "text"),
    [
        pytest.param(
            issue(),
            None,
            ["Security group sg-1 is exposed again, since 2026-11-22 03:05 UTC. Open now:"],
            id="found again",
        ),
        pytest.param(
            issue(timestamps=Timestamps(), occurrence=3),
            1,
            [
                "Security group sg-1 is exposed again. Open now:",
                "Unless it is fixed or exempt by then, Hammer will replace this rule in 1 day.",
            ],
            id="nobody knows since when, and it is closed tomorrow",
        ),
        pytest.param(
            issue(occurrence=4),
            21,
            [
                "Security group sg-1 is exposed again, since 2026-11-22 03:05 UTC, for the 4th time. Open now:",
                "Unless it is fixed or exempt by then, Hammer will replace this rule in 21 days.",
            ],
            id="for the fourth time",
        ),
        pytest.param(
            issue(opened_by=ANA, reachability=REACHABLE),
            0,
            [
                "Security group sg-1 is exposed again, since 2026-11-22 03:05 UTC. Open now:",
                f"{CONNECTS} Severity: critical.",
                "Opened by user ana, from 8.8.8.8 with the AWS command line, 2026-11-22 03:05 UTC.",
                "Unless it is fixed or exempt by then, Hammer will replace this rule in its next run.",
            ],
            id="who opened it, and whether it is reachable",
        ),
    ],
)
def test_the_comment_on_a_group_that_is_exposed_again(given: Issue, days: int | None, text: list[str]) -> None:
    blocks = [paragraph(line) for line in text]
    at = len(blocks) - (days is not None)
    assert changed(given, days, None, again=True, scope=FACTS.scope) == (
        Section("", (*blocks[:at], exposure_table([SSH]), *blocks[at:])),
    )


NOTIFIED = "tcp 22 from 0.0.0.0/0, open completely"
CHANGED = paragraph("What is open in security group sg-1 has changed.")


@pytest.mark.parametrize(
    ("given", "notified", "blocks"),
    [
        pytest.param(
            issue(),
            None,
            (CHANGED, paragraph("Open now, all together:"), exposure_table([SSH])),
            id="nobody knows what was told",
        ),
        pytest.param(
            issue(), [], (CHANGED, paragraph("Newly open:"), exposure_table([SSH])), id="all that is open is new"
        ),
        pytest.param(
            issue(),
            [NOTIFIED, "udp 161 from ::/0, open completely"],
            (
                CHANGED,
                paragraph("No longer open:"),
                Bullets(("udp 161 from ::/0, open completely",)),
                paragraph("Open now, all together:"),
                exposure_table([SSH]),
            ),
            id="less is open",
        ),
        pytest.param(
            issue(reachability=REACHABLE),
            [NOTIFIED],
            (paragraph(f"Who can connect through security group sg-1 has changed. {CONNECTS} Severity: critical."),),
            id="it is reachable now",
        ),
        pytest.param(
            issue(),
            [NOTIFIED],
            (paragraph("Who can connect through security group sg-1 has changed. Severity: high."),),
            id="it is not judged any more",
        ),
    ],
)
def test_the_comment_on_a_group_that_changed(given: Issue, notified: list[str] | None, blocks: tuple[Any, ...]) -> None:
    assert changed(given, None, notified, again=False, scope=FACTS.scope) == (Section("", blocks),)


@pytest.mark.parametrize(
    ("times", "exempt", "text"),
    [
        pytest.param(
            Timestamps(FOUND),
            True,
            "Security group sg-1 is exempt now: an exemption covers all that is open in it. "
            "It comes back if the exemption ends.",
            id="exempt",
        ),
        pytest.param(
            Timestamps(FOUND),
            False,
            "Security group sg-1 exposes nothing any more. If it is exposed again, this ticket is reopened.",
            id="closed",
        ),
        pytest.param(
            Timestamps(FOUND, resolved=FOUND + timedelta(days=1)),
            False,
            "Security group sg-1 exposes nothing any more, as was seen on 2026-11-23 03:05 UTC. "
            "If it is exposed again, this ticket is reopened.",
            id="resolved",
        ),
        pytest.param(
            Timestamps(FOUND, resolved=FOUND + timedelta(days=1), remediated=FOUND),
            False,
            "Security group sg-1 exposes nothing any more, as was seen on 2026-11-23 03:05 UTC. "
            "Hammer had replaced rules of it on 2026-11-22 03:05 UTC. If it is exposed again, this ticket is reopened.",
            id="remediated",
        ),
    ],
)
def test_the_comment_that_closes_a_ticket(times: Timestamps, exempt: bool, text: str) -> None:
    assert ended(issue(timestamps=times), exempt=exempt) == (Section("", (paragraph(text),)),)


def rules(count: int) -> tuple[Exposure, ...]:
    return tuple(Exposure("tcp", port, port, "8.8.8.8/32", "open_partly") for port in range(1, 2 * count, 2))


def rule_lines(count: int) -> tuple[str, ...]:
    return tuple(f"    tcp {port} from 8.8.8.8/32, open partly (1 address)" for port in range(1, 2 * count, 2))


@pytest.mark.parametrize(
    ("given", "restricted", "said"),
    [
        pytest.param(
            issue(),
            ["22"],
            AlertText(
                "SSH (tcp/22) open to the whole Internet",
                ("    tcp 22 from 0.0.0.0/0, open completely (all of IPv4)",),
            ),
            id="open completely",
        ),
        pytest.param(
            issue(*rules(15), status="open_partly"),
            [1, 3, 5, 7],
            AlertText("tcp/1, tcp/3, tcp/5, tcp/7 open to 8.8.8.8", rule_lines(15)),
            id="open partly, four ports, fifteen rules",
        ),
        pytest.param(
            issue(*rules(16), status="open_partly"),
            [1, 3, 5, 7, 9],
            AlertText(
                "tcp/1, tcp/3, tcp/5, tcp/7 and 1 more open to 8.8.8.8",
                (*rule_lines(15), "    and 1 more rules and sources"),
            ),
            id="five ports, sixteen rules",
        ),
        pytest.param(
            issue(*rules(1)),
            ["22"],
            AlertText("tcp/1 open to 8.8.8.8", rule_lines(1)),
            id="ports that are not restricted any more",
        ),
        pytest.param(
            issue(opened_by=replace(ANA, source_ip="<a>"), reachability=REACHABLE),
            ["22"],
            AlertText(
                "SSH (tcp/22) open to the whole Internet; anyone on the Internet can connect now",
                (
                    f"    {CONNECTS} Severity: critical.",
                    "    Opened by user ana, from &lt;a&gt; with the AWS command line, 2026-11-22 03:05 UTC.",
                    "    tcp 22 from 0.0.0.0/0, open completely (all of IPv4)",
                ),
            ),
            id="who opened it, and whether it is reachable",
        ),
    ],
)
def test_what_slack_is_told(given: Issue, restricted: list[str | int], said: AlertText) -> None:
    facts = replace(FACTS, restricted=PortSet.parse(restricted), closes_at=None)
    assert alert(given, facts, is_reminder=False, has_ticket=True) == said


def test_a_reminder_in_slack_is_one_line() -> None:
    facts = replace(FACTS, closes_at=FOUND)
    assert alert(issue(), facts, is_reminder=True, has_ticket=True) == AlertText(
        "SSH (tcp/22) open to the whole Internet; Hammer will replace this rule on 2026-11-22 03:05 UTC or soon after"
    )


def blocked(by: str, text: str = "") -> Path:
    return Path("eni-1", "instance i-1", "54.1.1.1", Verdict.BLOCKED, (), by, text)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (judged(Verdict.BLOCKED), "the network"),
        (judged(Verdict.BLOCKED, blocked("")), "the network"),
        (judged(Verdict.BLOCKED, blocked("SOMETHING_NEW")), "the network"),
        (judged(Verdict.BLOCKED, blocked(Blocker.NETWORK_ACL, "acl-1 rule 100 denies tcp 22.")), "acl-1 rule 100"),
        (judged(Verdict.BLOCKED, blocked(Blocker.NETWORK_ACL, "acl-1 rule * denies tcp 22.")), "acl-1 rule *"),
        (judged(Verdict.BLOCKED, blocked(Blocker.NETWORK_ACL)), "a network ACL"),
        (
            judged(Verdict.BLOCKED, blocked(Blocker.ROUTE, "Its route table rtb-1 has no route.")),
            "route table rtb-1, which has no route to the Internet",
        ),
        (judged(Verdict.BLOCKED, blocked(Blocker.ROUTE)), "its route table"),
        (judged(Verdict.BLOCKED, blocked(Blocker.BLOCK_PUBLIC_ACCESS)), "VPC Block Public Access"),
        (judged(Verdict.BLOCKED, blocked(Blocker.SECURITY_GROUP)), "the security group of its load balancer"),
        (
            judged(Verdict.BLOCKED, blocked(Blocker.LISTENER)),
            "its load balancer, which does not listen at these ports",
        ),
    ],
)
def test_what_is_in_the_way(given: Issue, text: str) -> None:
    assert verdict_words(given.details) == f"nobody on the Internet can connect now: blocked by {text}"


@pytest.mark.parametrize(
    ("resource", "users", "named"),
    [
        ("instance i-1", (User("instance", "i-10 (db)"), User("instance", "i-1 (web)")), "instance i-1 (web)"),
        ("instance i-1", (User("instance", "i-2 (db)"),), "instance i-1"),
        ("load balancer front", (User("load balancer", "front"),), "load balancer front"),
        ("", (), "eni-1"),
    ],
)
def test_a_path_names_a_resource_as_people_know_it(resource: str, users: tuple[User, ...], named: str) -> None:
    given = judged(Verdict.BLOCKED, Path("eni-1", resource, "", Verdict.BLOCKED, text="Sentence."))
    assert path_blocks(given, GroupUsers(users)) == (Bullets((f"{named}: Sentence.",)),)


if __name__ == "__main__":  # writes the whole tickets anew: read what changed before you accept it
    for name, (given, facts) in TICKETS_OF.items():
        (TICKETS / f"{name.replace(' ', '_')}.txt").write_text(plain_text(ticket(given, facts)), "utf-8")

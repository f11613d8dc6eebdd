from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.documents.document import Section, plain_text
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers, User
from reporting.exposure_text import share
from reporting.group_text import changed, summary, ticket
from reporting.ticket_facts import Location, TicketFacts

FOUND = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)
PORTS = PortSet.parse([22, "3000-4000", "udp/161"])
LOCATION = Location("shop", "210987654321", "eu-west-1")
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
LIST = Exposure("tcp", 22, 22, "8.8.8.0/24", "open_partly", "pl-1")
ALL = Exposure("-1", None, None, "0.0.0.0/0", "open_completely")
EVERYTHING = Exposure("-1", None, None, "::/0", "open_completely")
FACTS = TicketFacts(
    LOCATION, PORTS, GroupUsers(), FOUND + timedelta(days=21), "replace_rule", frozenset({"open_completely"}), 21, ""
)


def issue(*perms: Exposure, **details: Any) -> Issue:
    made = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, perms or (SSH,))
    return Issue("210987654321", "sg-1", Status.OPEN, replace(made, **details), Timestamps(FOUND, FOUND))


def section(title: str, *perms: Exposure, **facts: Any) -> str:
    """One section of a ticket as text."""
    found = [part for part in ticket(issue(*perms), replace(FACTS, **facts)) if part.title == title]
    return plain_text((Section("", found[0].blocks),)).strip()


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("0.0.0.0/0", "all of IPv4"),
        ("::/0", "all of IPv6"),
        ("2000::/3", "all of IPv6"),
        ("0.0.0.0/1", "57 % of IPv4"),
        ("8.0.0.0/8", "16,777,216 addresses"),
        ("8.0.0.0/6", "1 % of IPv4"),
        ("8.8.8.8/32", "1 address"),
        ("10.0.0.0/7", "16,777,216 addresses"),
        ("2a00:1450::/32", "less than 1 % of IPv6"),
        ("2a00:1450::1/128", "1 address"),
    ],
)
def test_the_share_of_the_internet(cidr: str, said: str) -> None:
    assert share(cidr) == said


@pytest.mark.parametrize(
    ("used_by", "text"),
    [
        (GroupUsers(unknown="denied"), "It could not be read what uses the group: denied."),
        (
            GroupUsers(),
            "Nothing: no network interface has the group at the moment. If nothing needs it any more, delete it.",
        ),
        (
            GroupUsers((User("instance", "i-1 (web)", ("54.1.1.1", "54.1.1.2")), User("database", "eni-1"))),
            "* instance i-1 (web), public at 54.1.1.1, 54.1.1.2\n  * database eni-1",
        ),
    ],
)
def test_what_uses_the_group(used_by: GroupUsers, text: str) -> None:
    assert section("What uses the group", used_by=used_by) == text


SAVED = (
    "The group is saved before. Your security team can restore it on Hammer's host:\n\n"
    "  hammer restore --account 210987654321 --region eu-west-1 --group sg-1"
)
RANGES = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"


@pytest.mark.parametrize(
    ("perms", "facts", "text"),
    [
        pytest.param((SSH,), {"closes_at": None}, "Hammer will not change the group by itself.", id="never"),
        pytest.param(
            (SSH,),
            {},
            "Hammer will replace the rules above, each of them whole, on 2026-12-13 03:05 UTC or soon after: what they "
            f"open will then be open from the private networks {RANGES} only. {SAVED}",
            id="whole rules",
        ),
        pytest.param(
            (SSH, LIST),
            {"strategy": "carve_ports"},
            "Hammer will replace those of the rules above that are open completely, of each only the restricted ports, "
            "on 2026-12-13 03:05 UTC or soon after: what they open will then be open from the private networks "
            f"{RANGES} only. {SAVED}",
            id="ports of some rules",
        ),
        pytest.param(
            (ALL,),
            {"strategy": "carve_ports"},
            "Hammer will replace the rules above, each of them whole, on 2026-12-13 03:05 UTC or soon after: what they "
            f"open will then be open from the private networks {RANGES} only. {SAVED}",
            id="a rule without ports",
        ),
        pytest.param(
            (SSH, ALL),
            {"strategy": "carve_ports"},
            "Hammer will replace the rules above, of each only the restricted ports, those without ports whole, on "
            "2026-12-13 03:05 UTC or soon after: what they open will then be open from the private networks "
            f"{RANGES} only. {SAVED}",
            id="ports, and a rule without ports",
        ),
        pytest.param(
            (SSH, LIST),
            {"scope": frozenset({"open_completely", "open_partly"})},
            "Hammer will replace the rules above, each of them whole, on 2026-12-13 03:05 UTC or soon after: what they "
            f"open will then be open from the private networks {RANGES} only. {SAVED}",
            id="all of them",
        ),
    ],
)
def test_until_when(perms: tuple[Exposure, ...], facts: dict[str, Any], text: str) -> None:
    said = section("Since when, and until when", *perms, **facts)
    assert said == f"Hammer first saw it on 2026-11-22 03:05 UTC. {text}"


def test_the_commands_name_each_rule_by_its_source() -> None:
    entry = LIST._replace(cidr="8.8.4.0/24")
    text = section("With the AWS command line", EVERYTHING, LIST, entry)
    assert (
        text
        == """If the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 need these ports, open \
them to those first:

  aws ec2 authorize-security-group-ingress --region eu-west-1 --group-id sg-1 \\
    --ip-permissions '[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "172.16.0.0/12"}, \
{"CidrIp": "192.168.0.0/16"}]}]'
  aws ec2 authorize-security-group-ingress --region eu-west-1 --group-id sg-1 \\
    --ip-permissions '[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}, \
{"CidrIp": "172.16.0.0/12"}, {"CidrIp": "192.168.0.0/16"}]}]'

Then take the rules away:

  aws ec2 revoke-security-group-ingress --region eu-west-1 --group-id sg-1 \\
    --ip-permissions '[{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]'
  aws ec2 revoke-security-group-ingress --region eu-west-1 --group-id sg-1 \\
    --ip-permissions '[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": \
[{"PrefixListId": "pl-1"}]}]'"""
    )


def test_the_title_is_one_line_that_jira_takes() -> None:
    text = summary(issue(name="x\n" * 300), LOCATION, PORTS)
    assert len(text) <= 255
    assert "\n" not in text
    assert text.startswith('High: SSH (tcp/22) open to the whole Internet: "x\\nx\\n')
    assert text.endswith('…", shop (210987654321), eu-west-1, sg-1')


def test_a_title_names_four_ports_and_counts_the_rest() -> None:
    ports = PortSet.parse(["1", "3", "5", "7", "9"])
    single = (Exposure("tcp", port, port, "8.8.8.8/32", "open_partly") for port in (1, 3, 5, 7, 9))
    assert summary(issue(*single, status="open_partly"), LOCATION, ports) == (
        'Medium: tcp/1, tcp/3, tcp/5, tcp/7 and 1 more open to 8.8.8.8: "web", shop (210987654321), eu-west-1, sg-1'
    )


def test_what_changed_is_told_apart_from_what_did_not() -> None:
    notified = ["tcp 22 from 0.0.0.0/0, open completely", "tcp 3389 from 0.0.0.0/0, open completely"]
    text = plain_text(changed(issue(SSH, LIST), None, notified, again=False, scope=FACTS.scope))
    assert (
        text
        == """What is open in security group sg-1 has changed.

Newly open:

  Protocol  Ports  Source              Share of the Internet  Status
  tcp       22     8.8.8.0/24 in pl-1  256 addresses          open partly

No longer open:

  * tcp 3389 from 0.0.0.0/0, open completely

Open now, all together:

  Protocol  Ports  Source              Share of the Internet  Status
  tcp       22     0.0.0.0/0           all of IPv4            open completely
  tcp       22     8.8.8.0/24 in pl-1  256 addresses          open partly
"""
    )


def test_without_a_page_for_exemptions_the_security_team_is_named() -> None:
    assert section("What to do, in detail").endswith(
        "If it must stay as it is, ask your security team to exempt sg-1 in account 210987654321."
    )

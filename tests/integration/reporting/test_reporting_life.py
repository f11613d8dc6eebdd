"""One issue through its whole life, every ticket and message as whole text, for both kinds of JIRA."""

from __future__ import annotations

import pytest

from library.issues.issue import Status
from tests.standins.jira import Ticket
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

TITLE = (
    "High: SSH (tcp/22) open to the whole Internet, Remote Desktop (tcp/3389) to 8.8.8.0/24 (256 addresses): "
    '"[~admin]|web <!channel>", master (123456789012), eu-west-1, sg-1'
)
TICKET = r"""*What is wrong:* Security group sg-1 "\[\~admin\]\|web <\!channel>" in account master (123456789012), region eu-west-1, allows SSH (tcp/22) from the whole Internet, Remote Desktop (tcp/3389) from 8.8.8.0/24 (256 addresses).

*Who can connect now:* Nobody checked this yet. Severity: high. If the ports can be reached from the Internet, a weak password or one known flaw behind such a port is enough to take over the machine and what it can reach.

*What to do:* Narrow the sources of these rules to those who need them, or take the rules away. Fix it in the AWS console: [https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1#SecurityGroup:groupId=sg-1]

*By when:* 2026-12-13 03:00 UTC. Unless it is fixed or exempt by then, Hammer will replace only the rules that are open completely, SSH (tcp/22) from the whole Internet, soon after. What is replaced will then be open from the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 only: whoever connects through it from elsewhere is cut off. The other rules stay open: Remote Desktop (tcp/3389) from 8.8.8.0/24 (256 addresses).

This ticket was written by Hammer, which checks the security groups of your organization's AWS accounts. The ticket closes by itself when the group exposes nothing any more, or is exempt.

h3. What to do, in detail

* Find out who must reach these ports, and from where; often it is nobody.
* Narrow each source to those addresses, or to another security group; for logins use AWS Systems Manager Session Manager or a VPN, for databases a private subnet.

If it must stay as it is, ask for an exemption of sg-1 in account 123456789012: [https://wiki.example.com/exemptions]

h3. What is open, and to whom

||Protocol||Ports||Source||Share of the Internet||Status||
|tcp|22|0.0.0.0/0|all of IPv4|open completely|
|tcp|3389|8.8.8.0/24|256 addresses|open partly|

h3. What uses the group

Nothing: no network interface has the group at the moment. If nothing needs it any more, delete it.

h3. Since when, and until when

Hammer first saw it on 2026-11-22 03:00 UTC. Hammer will replace those of the rules above that are open completely, each of them whole, on 2026-12-13 03:00 UTC or soon after: what they open will then be open from the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 only. The group is saved before. Your security team can restore it on Hammer's host:

{noformat}
hammer restore --account 123456789012 --region eu-west-1 --group sg-1
{noformat}

h3. With the AWS command line

If the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 need these ports, open them to those first:

{noformat}
aws ec2 authorize-security-group-ingress --region eu-west-1 --group-id sg-1 \
  --ip-permissions '[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "172.16.0.0/12"}, {"CidrIp": "192.168.0.0/16"}]}]'
aws ec2 authorize-security-group-ingress --region eu-west-1 --group-id sg-1 \
  --ip-permissions '[{"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "172.16.0.0/12"}, {"CidrIp": "192.168.0.0/16"}]}]'
{noformat}

Then take the rules away:

{noformat}
aws ec2 revoke-security-group-ingress --region eu-west-1 --group-id sg-1 \
  --ip-permissions '[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]'
aws ec2 revoke-security-group-ingress --region eu-west-1 --group-id sg-1 \
  --ip-permissions '[{"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "IpRanges": [{"CidrIp": "8.8.8.0/24"}]}]'
{noformat}

h3. With Terraform

If Terraform manages the group, change it there, or the next apply opens it again. Use one of these two ways, the one that the group is written in already: with both, each apply undoes the other.

If its rules are ingress blocks of aws_security_group, take the sources above out of these blocks. If the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 need the ports, write these blocks instead:

{noformat}
ingress {
  from_port   = 22
  to_port     = 22
  protocol    = "tcp"
  cidr_blocks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
}

ingress {
  from_port   = 3389
  to_port     = 3389
  protocol    = "tcp"
  cidr_blocks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
}
{noformat}

If each rule is a resource aws_vpc_security_group_ingress_rule, remove those of the sources above. If the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 need the ports, these open them to those:

{noformat}
resource "aws_vpc_security_group_ingress_rule" "tcp_22" {
  for_each          = toset(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
  security_group_id = "sg-1"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "tcp_3389" {
  for_each          = toset(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
  security_group_id = "sg-1"
  ip_protocol       = "tcp"
  from_port         = 3389
  to_port           = 3389
  cidr_ipv4         = each.value
}
{noformat}
"""  # noqa: E501 - a ticket's lines are as long as its paragraphs
CHANGED = """What is open in security group sg-1 has changed.

No longer open:

* tcp 3389 from 8.8.8.0/24, open partly

Open now, all together:

||Protocol||Ports||Source||Share of the Internet||Status||
|tcp|22|0.0.0.0/0|all of IPv4|open completely|
"""
REMEDIATED = (
    "Security group sg-1 exposes nothing any more, as was seen on 2026-12-14 03:00 UTC. Hammer had replaced rules "
    "of it on 2026-12-13 03:00 UTC. If it is exposed again, this ticket is reopened.\n"
)
AGAIN = """Security group sg-1 is exposed again, since 2026-12-15 03:00 UTC. Open now:

||Protocol||Ports||Source||Share of the Internet||Status||
|tcp|3389|8.8.8.0/24|256 addresses|open partly|
"""
FIXED = (
    "Security group sg-1 exposes nothing any more, as was seen on 2026-12-16 03:00 UTC. If it is exposed again, this "
    "ticket is reopened.\n"
)
GROUP = 'sg-1 "[\u200b~\u200badmin]|web &lt;!channel&gt;"'


@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data-center"])
def test_one_issue_through_its_whole_life(cloud: bool) -> None:
    with reporting_world(cloud=cloud) as world:
        jira, slack = world.jira, world.slack
        slack.channels.add("#sec")
        world.ticket_owners |= {"jira_owner": "Security Team", "slack_owner": "#sec", "jira_parent_ticket": "SEC-1"}
        jira.tickets["SEC-1"] = parent_ticket()
        name, tags = "[~admin]|web <!channel>", {"owner": "ana@example.com" if cloud else "ana"}
        link = f"<{jira.url}/browse/SEC-2|SEC-2>"

        world.found("sg-1", SSH, RDP, name=name, tags=tags)
        summary = world.report()
        assert (summary.notified, summary.notes, summary.problems) == ({"new": 1}, [], [])
        ticket = jira.tickets["SEC-2"]
        ana, security = (user.user_id for user in jira.users)
        assert ticket.fields == {
            "project": {"key": "SEC"},
            "issuetype": {"name": "Task"},
            "summary": TITLE,
            "description": TICKET,
            "labels": ["hammer", "hammer-123456789012-sg-1"],
            "assignee": {"accountId" if cloud else "name": ana},
        }
        assert (ticket.watchers, ticket.links, ticket.said) == ([security], ["SEC-1"], [])
        assert [message.channel for message in slack.messages] == ["ana", "#sec"]
        new = (
            "*Security groups: 1 new*\n*New*\n"
            f"• {GROUP}, master (123456789012), eu-west-1, {link}: "
            "SSH (tcp/22) open to the whole Internet, Remote Desktop (tcp/3389) to 8.8.8.0/24 (256 addresses); Hammer "
            "will replace only the rules that are open completely on 2026-12-13 03:00 UTC or soon after; the others "
            "stay open"
        )
        thread = (
            f"{GROUP}\n"
            "    tcp 22 from 0.0.0.0/0, open completely (all of IPv4)\n"
            "    tcp 3389 from 8.8.8.0/24, open partly (256 addresses)"
        )
        assert_messages(world, new, thread)
        assert world.issue().timestamps.reported == world.clock

        world.passes(hours=1)
        world.found("sg-1", SSH, name=name, tags=tags)
        assert world.report().notified == {"changed": 1}
        assert ticket.said == [CHANGED]
        assert_messages(
            world,
            "*Security groups: 1 changed*\n*Changed*\n"
            f"• {GROUP}, master (123456789012), eu-west-1, {link}: SSH (tcp/22) open to the whole Internet; Hammer "
            "will replace this rule on 2026-12-13 03:00 UTC or soon after",
            f"{GROUP}\n    tcp 22 from 0.0.0.0/0, open completely (all of IPv4)",
        )

        for days, left in ((13, None), (1, 7), (5, None), (1, 1), (0.5, None)):
            world.passes(days=days, hours=-1 if days == 13 else 0)
            assert world.report().notified == ({"reminded": 1} if left else {})
            if left:
                assert_messages(
                    world,
                    "*Security groups: 1 changed automatically soon*\n"
                    "*Changed automatically soon*\n"
                    f"• {GROUP}, master (123456789012), eu-west-1, {link}: SSH (tcp/22) open to the whole Internet; "
                    "Hammer will replace this rule on 2026-12-13 03:00 UTC or soon after",
                )
        assert slack.messages == []

        world.passes(hours=12)
        world.table.update(world.issue(), {"timestamps.remediated": "2026-12-13T03:00:00+00:00"})
        world.passes(days=1)
        world.fixed()
        assert world.report().notified == {"gone": 1}
        assert (ticket.status, ticket.said[1:]) == ("Done", [REMEDIATED])
        assert_messages(
            world,
            "*Security groups: 1 no longer exposed*\n*No longer exposed*\n"
            f"• {GROUP}, master (123456789012), eu-west-1, {link}",
        )
        issue = world.issue()
        assert (issue.status, issue.timestamps.closed) == (Status.CLOSED, world.clock)
        assert world.report().notified == {}

        world.passes(days=1)
        world.found("sg-1", RDP, name=name, tags=tags)
        assert world.report().notified == {"found again": 1}
        assert (ticket.status, ticket.said[2:]) == ("To Do", [AGAIN])
        assert_messages(
            world,
            "*Security groups: 1 exposed again*\n*Exposed again*\n"
            f"• {GROUP}, master (123456789012), eu-west-1, {link}: Remote Desktop (tcp/3389) "
            "open to 8.8.8.0/24 (256 addresses)",
            f"{GROUP}\n    tcp 3389 from 8.8.8.0/24, open partly (256 addresses)",
        )
        assert world.issue().timestamps.reported == world.clock
        assert world.issue().jira_details["ticket"] == "SEC-2"

        world.passes(days=1)
        world.fixed()
        world.report()
        assert (ticket.status, ticket.said[3:]) == ("Done", [FIXED])
        assert sorted(jira.tickets) == ["SEC-1", "SEC-2"]


def test_an_exempt_issue_is_closed_with_a_label_and_comes_back_when_the_exemption_ends() -> None:
    with reporting_world() as world:
        world.found(exempt=True)
        assert world.report().notified == {}
        assert world.jira.tickets == {}
        assert world.issue().timestamps.reported is None

        world.found()
        world.report()
        world.found(exempt=True)
        assert world.report().notified == {"exempt": 1}
        ticket = world.jira.tickets["SEC-1"]
        assert (ticket.status, ticket.labels) == ("Done", ["hammer", "hammer-123456789012-sg-1", "whitelisted"])
        assert ticket.said == [
            "Security group sg-1 is exempt now: an exemption covers all that is open in it. It comes back if the "
            "exemption ends.\n"
        ]
        assert world.issue().status is Status.WHITELISTED
        assert world.report().notified == {}

        world.found()
        assert world.report().notified == {"found again": 1}
        assert (ticket.status, ticket.labels) == ("To Do", ["hammer", "hammer-123456789012-sg-1"])
        taken_back = "The exemption of security group sg-1 was taken back, or does not cover what is open now."
        assert ticket.said[-1].endswith(f"{taken_back}\n")
        assert taken_back in str(world.slack.messages[-1])

        world.found(exempt=True)
        world.report()
        world.fixed()
        comments = len(ticket.said)
        assert world.report().notified == {}
        assert (world.issue().status, ticket.status, len(ticket.said)) == (Status.CLOSED, "Done", comments)


def test_what_is_resolved_before_anybody_was_told_is_closed_in_silence() -> None:
    with reporting_world() as world:
        world.found()
        world.fixed()
        assert world.report().notified == {}
        assert world.issue().status is Status.CLOSED
        assert world.jira.writes() == world.slack.writes() == []


def test_what_is_found_again_while_its_ticket_is_open_gets_a_comment() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        world.fixed()
        world.found()
        assert world.report().notified == {"found again": 1}
        [ticket] = world.jira.tickets.values()
        assert (ticket.status, len(ticket.said)) == ("To Do", 1)
        assert "Unless it is fixed or exempt by then, Hammer will replace this rule in 21 days." in ticket.said[0]


@pytest.mark.parametrize("lost", ["deleted", "cannot be reopened"])
def test_a_ticket_that_is_of_no_use_any_more_is_followed_by_a_new_one(lost: str) -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        world.fixed()
        world.report()
        if lost == "deleted":
            world.jira.tickets["SEC-0"] = world.jira.tickets.pop("SEC-1")
            world.jira.tickets["SEC-0"].fields["labels"] = []
        world.jira.dead_end = True
        world.found()
        world.report()
        assert world.issue().jira_details["ticket"] == "SEC-2"
        assert world.report().notified == {}


def test_a_ticket_that_somebody_else_changes_at_this_moment_is_reopened_by_the_next_run() -> None:
    """JIRA says 409 then: the ticket is not of no use, and gets no second one beside it."""
    with reporting_world() as world:
        world.found()
        world.report()
        world.fixed()
        world.report()
        world.found()
        conflict = Answer({"errorMessages": ["a conflicting update"], "errors": {}}, 409)
        world.jira.faults.append(Fault("POST issue/SEC-1/transitions", conflict))
        assert len(world.report().problems) == 1
        world.passes(hours=1)
        assert world.report().problems == []
        assert list(world.jira.tickets) == ["SEC-1"]
        assert world.jira.tickets["SEC-1"].status == "To Do"


def test_a_ticket_that_a_person_closed_is_reopened_when_its_group_changes() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        [ticket] = world.jira.tickets.values()
        ticket.status = "Done"
        assert world.report().notified == {}
        world.found("sg-1", SSH, RDP)
        assert world.report().notified == {"changed": 1}
        assert ticket.status == "To Do"


def test_an_issue_of_other_tooling_that_has_only_what_is_promised() -> None:
    with reporting_world() as world:
        issue = world.found()
        raw = issue.to_item()
        promised = ("account_id", "issue_id", "status", "issue_details", "timestamps")
        world.replace_row({name: raw[name] for name in promised})
        assert world.report().notified == {"new": 1}
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert world.issue().timestamps.reported == world.clock
        assert world.report().notified == {}


def test_a_ticket_of_other_tooling_is_taken_over() -> None:
    with reporting_world() as world:
        world.sections["slack"] = {"enabled": False}
        world.found()
        world.report()
        reported = world.issue()
        world.table.update(reported, {"jira_details": {"ticket": "SEC-1"}})
        assert world.report().notified == {}
        world.passes(hours=1)
        world.found("sg-1", SSH, RDP)
        assert world.report().notified == {"changed": 1}
        assert "Open now, all together" in world.jira.tickets["SEC-1"].comments[0]
        assert world.report().notified == {}


def parent_ticket() -> Ticket:
    return Ticket("SEC-1", {"labels": []})


def assert_messages(world: World, head: str, *thread: str) -> None:
    """Each destination got this and nothing else since the last time."""
    assert {message.shown for message in world.slack.messages} == {head}
    for message in world.slack.messages:
        assert [reply.shown for reply in message.replies] == list(thread)
        assert f"*{message.text}*" == head.splitlines()[0]
    world.slack.messages.clear()

"""A ticket and a message in Slack for the tutorial, as Hammer writes them of one issue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import fill
from typing import Any

from identification.reachability.verdict import Judge
from library.config import Configuration
from library.documents.document import Document, plain_text
from library.documents.slack_message import compose
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Reachability
from library.network.addresses import RFC_1918, AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator, Exposure
from library.security_groups.group import IngressRule, SecurityGroup
from library.security_groups.users import GroupUsers, User
from library.source.find import TerraformFiles, locate
from library.source.hcl import TerraformFile, parse_hcl
from library.source.location import stored_source
from reporting import group_text
from reporting import slack as slack_text
from reporting.context import TicketContexts
from reporting.exposure_text import source_sections
from reporting.plan import Step, Update, remediation_forecast
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.networks import Answers, acl, interface, route_table, subnet, vpc

_NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
_RETENTION = 21
_CLOSES_AT = _NOW + timedelta(days=_RETENTION)
_WIDTH = 120
_PORTS = PortSet.parse([22])
_GROUP_LOCATION = Location("shop", "210987654321", "eu-west-1")
_USER = User("instance", "i-0a1b2c3d4e5f60718 (bastion)", ("203.0.113.10",))
_GROUP_ID = "sg-0123456789abcdef0"
_INTERFACE = interface(
    "eni-0123456789abcdef0",
    subnet="subnet-0123456789abcdef0",
    vpc="vpc-0123456789abcdef0",
    groups=[_GROUP_ID],
    public=_USER.public_addresses[0],
    instance="i-0a1b2c3d4e5f60718",
)


def _reachability(perm: Exposure) -> Reachability:
    """The verdict as a scan comes to it, on a public instance in a subnet that is open to the Internet."""
    vpc_id, subnet_id = _INTERFACE["VpcId"], _INTERFACE["SubnetId"]
    answers = Answers(
        interfaces=[_INTERFACE],
        subnets=[subnet(subnet_id, vpc_id)],
        vpcs=[vpc(vpc_id)],
        route_tables=[
            route_table("rtb-0123456789abcdef0", ("172.31.0.0/16 local", "0.0.0.0/0 igw-0123456789abcdef0"), vpc_id)
        ],
        acls=[acl("acl-0123456789abcdef0", subnets=[subnet_id])],
    )
    rule = IngressRule(perm.protocol, perm.from_port, perm.to_port, cidr=perm.cidr)
    group = SecurityGroup(_GROUP_ID, "bastion", vpc_id, "", {}, (rule,))
    found = Evaluator(_PORTS, AddressSet()).evaluate(group, {})
    return Judge(answers.network()).judge(_GROUP_ID, found.open_traffic, found.status)


_SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
_ISSUE = Issue(
    "210987654321",
    _GROUP_ID,
    Status.OPEN,
    IssueDetails(
        "bastion",
        "eu-west-1",
        "vpc-0123456789abcdef0",
        "open_completely",
        {"owner": "ana"},
        (_SSH,),
        _reachability(_SSH),
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


def ticket_document() -> tuple[str, Document]:
    """Title and body of the ticket."""
    facts = TicketFacts(
        _GROUP_LOCATION,
        _PORTS,
        GroupUsers((_USER,)),
        _CLOSES_AT,
        "replace_rule",
        frozenset({"open_completely"}),
        _RETENTION,
        "",
    )
    return group_text.summary(_ISSUE, _GROUP_LOCATION, _PORTS), group_text.ticket(_ISSUE, facts)


def ticket() -> str:
    """Title and body of the ticket, to where the ways to fix it begin."""
    title, document = ticket_document()
    body, *_ = plain_text(document).partition("With the AWS command line\n")
    return wrapped(f"{title}\n\n{body}")


def slack_messages(config: Configuration) -> list[list[str]]:
    """The message for a channel, and its thread, as Slack is given them: the texts of each."""
    step = Step(_ISSUE, None, Update.NEW, None, _CLOSES_AT, report=True, close=False)
    named = config.with_accounts({_GROUP_LOCATION.account_id: _GROUP_LOCATION.account_name})
    facts = TicketContexts(named, remediation_forecast(named), {}).of(step).facts
    alert = slack_text._alert(named, None, step, facts)
    return [[block["text"]["text"] for block in message.blocks] for message in compose(slack_text.TITLE, [alert])]


_MAIN_TF = """\
resource "aws_security_group" "bastion" {
  name   = "bastion"
  vpc_id = var.vpc_id

  # SSH for the team
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
"""


class _NoStacks:
    """CloudFormation, which knows nothing of the group."""

    account_id, region = "210987654321", "eu-west-1"

    def tagged(self, tags: object) -> None:
        """None."""

    def resource_of(self, physical_id: str) -> None:
        """None."""


def source() -> str:
    """The end of the same ticket where a Terraform file defines the group."""
    group = SecurityGroup(_GROUP_ID, "bastion", "vpc-0123456789abcdef0", "Managed by Terraform", {}, ())
    files = TerraformFiles([TerraformFile("network/bastion.tf", "/network", _MAIN_TF, parse_hcl(_MAIN_TF))])
    stacks: Any = _NoStacks()
    report = locate(group, [_SSH], RFC_1918, stacks, dict, files)
    issue = replace(_ISSUE, source=stored_source(report, _ISSUE, _NOW))
    return wrapped(plain_text(source_sections(issue)))


def slack(config: Configuration) -> str:
    """The message for a channel, and its thread, without the marks of bold text."""
    return wrapped("\n\n".join(text for texts in slack_messages(config) for text in texts).replace("*", ""))


def wrapped(text: str) -> str:
    """A text, with its long lines broken as a window breaks them."""
    return "\n".join(
        fill(line, _WIDTH, subsequent_indent=" " * (len(line) - len(line.lstrip())), break_on_hyphens=False)
        for line in text.strip().splitlines()
    )

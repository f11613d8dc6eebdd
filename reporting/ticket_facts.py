"""What the texts about an issue are made from, beside the issue. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from library.aws.partition import console_host
from library.network.addresses import RFC_1918
from library.network.ports import PortSet
from library.security_groups.users import GroupUsers

SUMMARY_LIMIT = 255  # JIRA's, for the field `summary`


@dataclass(frozen=True, slots=True)
class Location:
    """Where an issue is, in words.

    Attributes:
        account_name: the account's name, or its id again.
    """

    account_name: str
    account_id: str
    region: str

    def __str__(self) -> str:
        return f"account {self.account}, region {self.region}"

    @property
    def account(self) -> str:
        """The account's name and id."""
        return self.account_id if self.account_name == self.account_id else f"{self.account_name} ({self.account_id})"

    def console_url(self, group_id: str) -> str:
        """The page of a security group in the AWS console; empty: the partition's console is not known."""
        host = console_host(self.region)
        page = f"ec2/home?region={quote(self.region)}#SecurityGroup:groupId={quote(group_id)}"
        return f"https://{host}/{page}" if host else ""


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What the texts about an issue are made from, beside the issue.

    Attributes:
        location: where the issue is.
        restricted: the restricted ports of the configuration.
        used_by: what uses the group; of other kinds of issues unknown.
        closes_at: when remediation changes it, in UTC; None: it does not.
        strategy: how remediation would change it, as in `remediation_strategy`.
        scope: the statuses of the rules that it would replace.
        retention_days: from the report to the remediation.
        procedure_url: the page that tells how to ask for an exemption; empty: none.
        owner_notes: what is to be said of owners that could not be used.
        at_once: whether `closes_at` is remediation's next run, by immediate mode.
        sources: what remediation opens instead: CIDRs and ids of prefix lists.
        closes_last: when remediation closes it although flow logs show somebody at work; None: it does not wait.
    """

    location: Location
    restricted: PortSet
    used_by: GroupUsers
    closes_at: datetime | None
    strategy: str
    scope: frozenset[str]
    retention_days: int
    procedure_url: str
    owner_notes: tuple[str, ...] = ()
    at_once: bool = False
    closes_last: datetime | None = None
    sources: tuple[str, ...] = RFC_1918


@dataclass(frozen=True, slots=True)
class AlertText:
    """What Slack is told of an issue, in `mrkdwn`.

    Attributes:
        text: what follows the issue's name.
        details: lines for the thread.
    """

    text: str
    details: tuple[str, ...] = ()

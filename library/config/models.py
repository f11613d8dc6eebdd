"""The configuration as values: what the file `config` may say, and its defaults.

Pure. Attributes are named as the keys of the file are, so that one search finds both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from library.config.fields import (
    ACCOUNT_ID,
    ACCOUNT_IDS,
    ACCOUNT_KEY,
    ACCOUNT_OR_EVERY,
    BOOLEAN,
    BUCKET_NAME,
    CIDRS,
    CRON,
    DATE,
    DAYS,
    DAYS_FROM_ONE,
    DAYS_LIST,
    ENCRYPTED_URL,
    EXTERNAL_ID,
    JIRA_FIELD,
    LOG_HOLDER,
    PORT,
    PORTS,
    POSITIVE,
    REGION,
    REGIONS,
    ROLE_ARN,
    ROLE_NAME,
    SCOPES,
    SECRET_NAME,
    SERVER,
    SEVERITIES,
    TABLE_NAME,
    TEXT,
    TEXTS,
    URL,
    one_of,
)
from library.config.readers import ListOf, MappingOf, ShortOr, WordOr
from library.config.section import ConfigSection, setting
from library.config.ticket_owners import TicketOwners
from library.config.whitelist import Whitelist
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption

ORGANIZATION = "organization"
"""In place of `aws.accounts`: every active account of the AWS organization."""

_SAMPLE_PORTS = [21, 22, 23, 3389, 1433, 1521, 3306, 5432, 27017]
DEFAULT_RESTRICTED_PORTS = PortSet.parse(_SAMPLE_PORTS)

Scope = Literal["open_completely", "open_partly"]


class Aws(ConfigSection):
    """Where Hammer lives, and which accounts it looks at."""

    main_account_id: str = setting(ACCOUNT_ID, "The account that Hammer runs in.")
    region: str = setting(REGION, "The region of Hammer's own table, topics and bucket.")
    accounts: Mapping[str, str] | Literal["organization"] = setting(
        WordOr(ORGANIZATION, MappingOf(ACCOUNT_KEY, TEXT), "a section of account ids and names"),
        'Account ids and names; "organization": every active account of the AWS organization.',
    )
    ignore_accounts: tuple[str, ...] = setting(ACCOUNT_IDS, "Accounts of the organization to leave out.", default=())
    organizational_units: tuple[str, ...] = setting(
        TEXTS, "Only accounts in these units (ou-…); none: all.", default=()
    )
    regions: tuple[str, ...] | None = setting(
        REGIONS, "Regions to look at; absent: every one enabled in the main account.", default=None
    )
    role_name_identification: str = setting(
        ROLE_NAME, "Role that identification assumes in each account.", default="hammer-cloudsec-crossact-id"
    )
    role_name_reporting: str = setting(
        ROLE_NAME, "Role that reporting and remediation assume.", default="hammer-cloudsec-crossact-ec2"
    )
    external_id: str = setting(EXTERNAL_ID, "External id that the roles ask for; empty: none.", default="", secret=True)
    s3_backup_bucket: str = setting(BUCKET_NAME, "Bucket for groups as they were before a change.", default="")


class Cronjobs(ConfigSection):
    """When the host runs its jobs, as cron expressions in UTC; None: never by itself."""

    reporting: str | None = setting(CRON, "When reporting runs.", default=None)
    remediation: str | None = setting(CRON, "When automatic remediation runs.", default=None)
    usage: str | None = setting(CRON, "When flow logs are read; once an hour.", default=None)
    publishing: str | None = setting(
        CRON, "When the HTML report and the day's history are published; once a day.", default=None
    )


class JiraPriorities(ConfigSection):
    """The priority of a new ticket by the issue's severity, as JIRA calls it."""

    critical: str = setting(TEXT, "Priority of a critical issue; empty: jira.priority.", default="")
    high: str = setting(TEXT, "Priority of a high issue; empty: jira.priority.", default="")
    medium: str = setting(TEXT, "Priority of a medium issue; empty: jira.priority.", default="")
    low: str = setting(TEXT, "Priority of a low issue; empty: jira.priority.", default="")

    def of(self, severity: str) -> str:
        """The priority for a severity; empty: none is configured."""
        named = {"critical": self.critical, "high": self.high, "medium": self.medium, "low": self.low}
        return named.get(severity, "")


class Jira(ConfigSection):
    """Tickets in JIRA, Cloud or Data Center."""

    enabled: bool = setting(BOOLEAN, "Whether to write tickets.", default=False)
    server: str = setting(ENCRYPTED_URL, "URL of the JIRA server.", default="")
    secret: str = setting(SECRET_NAME, "Name of the secret in AWS Secrets Manager.", default="hammer/jira")
    issue_type: str = setting(TEXT, "Type of a new ticket.", default="Task")
    text_field_character_limit: int = setting(POSITIVE, "Longest text JIRA takes, in characters.", default=32_767)
    ca_bundle: str = setting(TEXT, "File of certificates to trust; empty: the system's.", default="")
    close_transition: str = setting(TEXT, "Transition that closes; empty: the one to a done status.", default="")
    priority: str = setting(TEXT, "Priority of a new ticket; empty: the project's default.", default="")
    priorities: JiraPriorities = setting(
        JiraPriorities, "Priority of a new ticket by severity, before jira.priority.", factory=JiraPriorities
    )
    due_date: bool = setting(
        BOOLEAN, "Whether a new ticket is due on the day that Hammer closes the group.", default=False
    )
    components: tuple[str, ...] = setting(TEXTS, "Names of the components of a new ticket.", default=())
    security_level: str = setting(TEXT, "Name of the security level of a new ticket; empty: the default.", default="")
    fields: Mapping[str, Any] = setting(
        MappingOf(JIRA_FIELD, None),
        "Further fields of a new ticket by their ids, with values as JIRA's REST API takes them.",
        default={},
    )


class Slack(ConfigSection):
    """Alerts in Slack."""

    enabled: bool = setting(BOOLEAN, "Whether to send messages.", default=False)
    base_url: str = setting(
        ENCRYPTED_URL, "URL of Slack's API, or of a proxy for it.", default="https://slack.com/api/"
    )
    secret: str = setting(SECRET_NAME, "Name of the secret in AWS Secrets Manager.", default="hammer/slack")
    notify_default_owner: bool = setting(BOOLEAN, "Tell slack_owner beside a discovered owner.", default=True)
    default_channel: str = setting(TEXT, "Where messages go that nobody else can get.", default="#hammer")
    reminder_days: tuple[int, ...] = setting(
        DAYS_LIST, "Days before an automatic remediation on which to remind.", default=(7, 1)
    )


class Publishing(ConfigSection):
    """The HTML report that `hammer publish` puts into the bucket, and who gets a link to it."""

    prefix: str = setting(TEXT, "Prefix of the reports' keys in aws.s3_backup_bucket.", default="reports/")
    slack_channel: str = setting(TEXT, "Slack #channel that gets a link; empty: none.", default="")
    email_from: str = setting(TEXT, "Sender's address, verified in Amazon SES; empty: no e-mail.", default="")
    email_to: tuple[str, ...] = setting(TEXTS, "E-mail addresses that get a link.", default=())


class OwnerTags(ConfigSection):
    """The keys of the tags that tell who owns a resource."""

    owner: str = setting(TEXT, "Key of the tag that names a person or channel.", default="owner")
    bu: str = setting(TEXT, "Key of the tag that names the business unit.", default="bu")
    product: str = setting(TEXT, "Key of the tag that names the product.", default="product")

    @property
    def keys(self) -> frozenset[str]:
        """All of them in one case: upper and lower case count as the same."""
        return frozenset(key.casefold() for key in (self.owner, self.bu, self.product))


class SecurityGroupsCheck(ConfigSection):
    """What counts as an exposed security group, and what is done about one."""

    enabled: bool = setting(BOOLEAN, "Whether to look for exposed security groups.", default=True)
    table_name: str = setting(TABLE_NAME, "DynamoDB table of the issues.", key="ddb.table_name")
    accounts: tuple[str, ...] | None = setting(ACCOUNT_IDS, "Accounts to look at; absent: aws.accounts.", default=None)
    remediation_accounts: tuple[str, ...] | None = setting(
        ACCOUNT_IDS, "Accounts to remediate; absent: aws.accounts.", default=None
    )
    restricted_ports: PortSet = setting(
        PORTS, "Ports that must not be public.", default=DEFAULT_RESTRICTED_PORTS, shown_default=_SAMPLE_PORTS
    )
    trusted_cidrs: AddressSet = setting(CIDRS, "Addresses that count as not public.", default=AddressSet())
    reporting: bool = setting(BOOLEAN, "Whether to report issues.", default=False)
    remediation: bool = setting(BOOLEAN, "Whether to remediate issues automatically.", default=False)
    remediation_retention_period: int = setting(
        DAYS, "Days from report to automatic remediation; 0: at once.", default=21
    )
    remediation_immediate: Mapping[str, tuple[str, ...]] = setting(
        MappingOf(ACCOUNT_OR_EVERY, SEVERITIES),
        'Severities to remediate at the next run after a notice, by account id or "*"; absent: none.',
        default={},
    )
    remediation_scope: tuple[Scope, ...] = setting(SCOPES, "Which issues to remediate.", default=("open_completely",))
    remediation_strategy: Literal["replace_rule", "carve_ports"] = setting(
        one_of("replace_rule", "carve_ports"),
        "Replace whole rules, or only their restricted ports.",
        default="replace_rule",
    )
    remediation_stop_after_reopenings: int = setting(
        DAYS, "Times that a group may be opened again in 7 days before remediation leaves it; 0: any number.", default=0
    )
    remediation_limit_per_run: int = setting(POSITIVE, "Groups that one run may change at most.", default=50)
    rules_per_security_group_quota: int = setting(
        POSITIVE, "Ingress rules a group may have, where AWS does not tell.", default=60
    )
    owner_tags: OwnerTags = setting(OwnerTags, "Keys of the tags that name owners.", factory=OwnerTags)
    lookup_events: bool = setting(
        BOOLEAN, "Whether to ask CloudTrail's event history who opened a group where no event told.", default=False
    )


class UsageCheck(ConfigSection):
    """Reading VPC flow logs for open issues: who would be cut off."""

    enabled: bool = setting(BOOLEAN, "Whether to read VPC flow logs of the interfaces of open issues.", default=False)
    days: int = setting(DAYS_FROM_ONE, "How many days back to look.", default=14)
    limit_mb: int = setting(POSITIVE, "Megabytes (1,000,000) of stored logs that a run reads at most.", default=2000)
    after_care_days: int = setting(
        DAYS, "Days after a change for which refused sources that used to work are told.", default=7
    )
    retention_days: int = setting(DAYS, "Days for which a resolved issue keeps its use.", default=90)
    reader_roles: Mapping[str, str] = setting(
        MappingOf(LOG_HOLDER, ROLE_ARN),
        "ARNs of roles that read logs, by bucket name or by the account of a log group.",
        default={},
    )


class AllowedPorts(ConfigSection):
    """Ports that are expected to be open on some instances."""

    ports: PortSet = setting(PORTS, "The ports, as in restricted_ports.")
    expires: date | None = setting(DATE, "First day in UTC on which it no longer counts.", default=None)
    reason: str = setting(TEXT, "Why, for people.", default="")

    def counts_on(self, today: date) -> bool:
        """Whether it counts on this day, in UTC."""
        return self.expires is None or today < self.expires


def _of_port(ports: Any) -> AllowedPorts:
    return AllowedPorts(ports=ports)


_ALLOWED_PORTS = ShortOr(
    AllowedPorts, PORT, _of_port, 'a port such as 22, "8000-8100" or "udp/161", or a section with "ports"'
)
SERVERS = MappingOf(SERVER, ListOf(_ALLOWED_PORTS))
"""Ports by server."""


class Inspector(ConfigSection):
    """What is expected of Amazon Inspector's findings, and what becomes of the rest."""

    enabled: bool = setting(BOOLEAN, "Whether to filter findings.", default=True)
    allowed_ports: Mapping[str, tuple[AllowedPorts, ...]] = setting(
        SERVERS, "Expected ports by the instance's Name tag, a glob for it, or tag:<key>=<glob>.", default={}
    )
    allowed_ports_tag: str = setting(TEXT, "Tag of the instance that lists expected ports; empty: none.", default="")
    ephemeral_ports: Mapping[str, tuple[AllowedPorts, ...]] = setting(
        SERVERS, "Expected ports of container hosts, by the same keys.", default={}
    )
    other_findings: Literal["ignore", "pass"] = setting(
        one_of("ignore", "pass"), "What becomes of findings that are not about network reachability.", default="ignore"
    )
    slack: bool = setting(BOOLEAN, "Whether to tell the owners in Slack too.", default=False)
    table: bool = setting(BOOLEAN, "Whether to keep a finding as an issue in the table too.", default=False)


def _inspector_off() -> Inspector:
    return Inspector(enabled=False)


class ConfigFile(ConfigSection):
    """The file `config`."""

    aws: Aws = setting(Aws, "Where Hammer lives, and which accounts it looks at.")
    cronjobs: Cronjobs = setting(Cronjobs, "When the host runs its jobs.", factory=Cronjobs)
    jira: Jira = setting(Jira, "Tickets in JIRA; absent: off.", factory=Jira)
    slack: Slack = setting(Slack, "Alerts in Slack; absent: off.", factory=Slack)
    publishing: Publishing = setting(Publishing, "The HTML report in the bucket.", factory=Publishing)
    whitelisting_procedure_url: str = setting(URL, "Page that tells how to ask for an exemption.", default="")
    secgrp_unrestricted_access: SecurityGroupsCheck = setting(SecurityGroupsCheck, "Exposed security groups.")
    usage: UsageCheck = setting(UsageCheck, "Reading VPC flow logs; absent: off.", factory=UsageCheck)
    inspector: Inspector = setting(Inspector, "Amazon Inspector's findings; absent: off.", factory=_inspector_off)


class Configuration(ConfigFile):
    """A whole configuration: the three files as one value.

    `library.config.parse_configuration` makes one.
    """

    whitelist: Whitelist = setting(Whitelist, "", factory=Whitelist)
    ticket_owners: TicketOwners = setting(TicketOwners, "", factory=TicketOwners)

    @property
    def needs_organization(self) -> bool:
        """Whether the accounts are those of the AWS organization, still to be given to `with_accounts`."""
        return self.aws.accounts == ORGANIZATION

    def with_accounts(self, accounts: Mapping[str, str]) -> Configuration:
        """The same configuration with these accounts, ids to names, as `aws.accounts`."""
        return self.replaced(aws=self.aws.replaced(accounts=dict(accounts)))

    def account_name(self, account_id: str) -> str:
        """An account's name; its id where there is none."""
        return ("" if isinstance(self.aws.accounts, str) else self.aws.accounts.get(account_id, "")) or account_id

    def scanned_accounts(self) -> dict[str, str]:
        """The accounts to look at for exposed security groups, ids to names.

        Raises:
            ValueError: they are those of the organization, which are not known yet.
        """
        chosen = self.secgrp_unrestricted_access.accounts
        return {account: self.account_name(account) for account in self._chosen(chosen)}

    def remediation_accounts(self) -> tuple[str, ...]:
        """The ids of the accounts in which remediation may change groups.

        Raises:
            ValueError: they are those of the organization, which are not known yet.
        """
        return self._chosen(self.secgrp_unrestricted_access.remediation_accounts)

    def exemptions(self, account_id: str) -> tuple[Exemption, ...]:
        """The exemptions of one account, expired ones among them."""
        return self.whitelist.secgrp_unrestricted_access.get(account_id, ())

    def _chosen(self, accounts: tuple[str, ...] | None) -> tuple[str, ...]:
        if accounts is not None:
            return accounts
        if self.aws.accounts == ORGANIZATION:
            raise ValueError("the accounts of the organization are not known yet: give them to with_accounts")
        return tuple(self.aws.accounts)

"""The configuration as values: what the three files may say, and their defaults.

Pure. Attributes are named as the keys of the files are, so that one search finds both. pydantic reads them, strictly:
nothing is converted silently. From the top: `whitelist`, `ticket_owners`, `config`, and what follows from more than one
of their keys.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from library.config.errors import Location, show
from library.config.types import (
    ACCOUNT_ID,
    PORT_SCHEMA,
    AccountId,
    AccountKey,
    AccountOrEvery,
    Boolean,
    BucketName,
    Cidrs,
    Cron,
    DayEntry,
    Days,
    EncryptedUrl,
    Expiry,
    ExternalId,
    ListOf,
    LogHolder,
    Ports,
    Positive,
    ReadAs,
    Region,
    Replacement,
    RoleArn,
    RoleName,
    Scope,
    SecretName,
    Section,
    SeverityName,
    TableName,
    Url,
    matching,
    read_port,
    read_section_or_text,
    split_list,
)
from library.issues.decision_rules import Limits, Rights
from library.issues.reachability import Severity
from library.issues.schedule import RemediationTerms
from library.network.addresses import PUBLIC, RFC_1918, AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption, Exemptions

_GROUP = r"sg-[0-9A-Za-z-]+|vpc-[0-9A-Za-z-]+:.+"


def read_group(value: object) -> str:
    """A group's id, or its VPC's id and its name."""
    if isinstance(value, str) and re.fullmatch(_GROUP, value):
        return value
    raise ValueError(f'{show(value)} is not a security group: write "sg-7c228307" or "vpc-654321:default"')


Group = Annotated[str, BeforeValidator(read_group), WithJsonSchema({"type": "string", "pattern": f"^({_GROUP})$"})]


class ExemptionEntry(Section):
    """One exemption as a section. Only `group` is required."""

    group: Group = Field(description="sg-…, or vpc-…:name.")
    ports: Ports = Field(PortSet(), description="Exempt these ports only; none: all.")
    cidrs: Cidrs = Field(AddressSet(), description="Exempt these sources only; none: all.")
    expires: Expiry = Field(None, description="First day in UTC on which it no longer counts.")
    reason: str = Field("", description="Why, for people.")
    author: str = Field("", description="Who wrote the reason, for people.")


def _from_text(value: object) -> Any:
    """A text is an entry with nothing but its group."""
    what = 'a security group such as "sg-7c228307", or a section with "group"'
    return read_section_or_text(value, lambda text: ExemptionEntry.model_construct(group=read_group(text)), what)


def _exemptions(entries: Iterable[ExemptionEntry]) -> Exemptions:
    return Exemptions(
        Exemption(entry.group, entry.ports or None, entry.cidrs or None, entry.expires, entry.reason, entry.author)
        for entry in entries
    )


Entry = Annotated[ExemptionEntry, BeforeValidator(_from_text, json_schema_input_type=Group | ExemptionEntry)]
ExemptionList = Annotated[tuple[Exemption, ...], ListOf(Entry, _exemptions)]


class Whitelist(Section):
    """The file `whitelist`."""

    secgrp_unrestricted_access: Mapping[AccountKey, ExemptionList] = Field(
        {}, description="Exempt security groups by account id."
    )


@dataclass(frozen=True, slots=True)
class Owners:
    """Where an issue is reported to. An empty value: nobody has said.

    Attributes:
        jira_project: the key of the project that gets the ticket.
        jira_owner: who is assigned.
        jira_parent_ticket: the ticket that a new one is linked to.
        slack_owner: `#channels` and users.
    """

    jira_project: str = ""
    jira_owner: str = ""
    jira_parent_ticket: str = ""
    slack_owner: tuple[str, ...] = ()


def _without_blanks(entries: Sequence[str]) -> tuple[str, ...]:
    return tuple(stripped for entry in entries if (stripped := entry.strip()))


class OwnerFields(Section):
    """What may be said at each level. An empty text or list says nothing: the next level counts."""

    jira_project: str = Field("", description="Key of the JIRA project that gets the tickets.")
    jira_owner: str = Field("", description="JIRA user to whom tickets are assigned.")
    jira_parent_ticket: str = Field("", description="JIRA ticket that new ones are linked to.")
    slack_owner: Annotated[tuple[str, ...], ListOf(str, _without_blanks)] = Field(
        (), description="Slack #channels and users that are told."
    )


class BusinessUnit(OwnerFields):
    """The owners of a business unit, and of its products."""

    product: Mapping[str, OwnerFields] = Field({}, description="Owners by product: the value of its tag.")


class TicketOwners(OwnerFields):
    """The file `ticket_owners`."""

    account: Mapping[AccountKey, OwnerFields] = Field({}, description="Owners by account id.")
    bu: Mapping[str, BusinessUnit] = Field({}, description="Owners by business unit: the value of its tag.")

    def resolve(self, account_id: str, bu: str = "", product: str = "") -> Owners:
        """The owners of one issue: field by field the most specific value that is not empty.

        A product counts within its business unit.
        """
        unit = self.bu.get(bu)
        levels = [unit.product.get(product) if unit else None, unit, self.account.get(account_id), self]
        said = [level for level in levels if level is not None]
        return Owners(
            jira_project=_first(level.jira_project for level in said),
            jira_owner=_first(level.jira_owner for level in said),
            jira_parent_ticket=_first(level.jira_parent_ticket for level in said),
            slack_owner=next((level.slack_owner for level in said if level.slack_owner), ()),
        )


def _first(values: Iterable[str]) -> str:
    return next((stripped for value in values if (stripped := value.strip())), "")


ORGANIZATION = "organization"
"""In place of `aws.accounts`: every active account of the AWS organization."""

_SAMPLE_PORTS = [21, 22, 23, 3389, 1433, 1521, 3306, 5432, 27017]
DEFAULT_RESTRICTED_PORTS = PortSet.parse(_SAMPLE_PORTS)

Regions = Annotated[tuple[str, ...], ListOf(Region)]
AccountIds = Annotated[tuple[str, ...], ListOf(AccountId)]
Texts = Annotated[tuple[str, ...], ListOf(str)]


def _accounts(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
    if value == ORGANIZATION:
        return value
    if isinstance(value, dict):
        return handler(value)
    raise ValueError(f'must be a section of account ids and names, or "{ORGANIZATION}", not {show(value)}')


AccountNames = Annotated[
    Mapping[AccountKey, str],
    WrapValidator(_accounts, json_schema_input_type=Literal["organization"] | Mapping[AccountKey, str]),
]


def _regions(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
    """A list for every account, or a section of such lists."""
    return handler(value) if isinstance(value, dict) else _REGIONS.validate_python(value)


_REGIONS: TypeAdapter[tuple[str, ...]] = TypeAdapter(Regions, config=ConfigDict(defer_build=True))
RegionsByAccount = Annotated[
    Mapping[AccountOrEvery, Regions],
    WrapValidator(_regions, json_schema_input_type=Regions | Mapping[AccountOrEvery, Regions]),
]


class Aws(Section):
    """Where Hammer lives, and which accounts it looks at."""

    main_account_id: AccountId = Field(description="The account that Hammer runs in.")
    region: Region = Field(description="The region of Hammer's own table, topics and bucket.")
    accounts: Annotated[Mapping[str, str] | Literal["organization"], ReadAs(AccountNames)] = Field(
        description='Account ids and names; "organization": every active account of the AWS organization.'
    )
    ignore_accounts: AccountIds = Field((), description="Accounts of the organization to leave out.")
    include_accounts: AccountIds = Field(
        (),
        description="Accounts of the organization that would be left out: its management account, which StackSets do "
        "not reach.",
    )
    organizational_units: Texts = Field((), description="Only accounts in these units (ou-…); none: all.")
    configured_regions: Annotated[tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, ReadAs(RegionsByAccount)] = (
        Field(
            None,
            alias="regions",
            description='Regions to look at, or such a list by account id or "*"; absent: every one enabled in the '
            "main account.",
        )
    )
    role_name_identification: RoleName = Field(
        "hammer-cloudsec-crossact-id", description="Role that identification assumes in each account."
    )
    role_name_reporting: RoleName = Field(
        "hammer-cloudsec-crossact-ec2", description="Role that reporting and remediation assume."
    )
    external_id: ExternalId = Field("", repr=False, description="External id that the roles ask for; empty: none.")
    s3_backup_bucket: BucketName = Field("", description="Bucket for groups as they were before a change.")

    @property
    def named(self) -> Mapping[str, str]:
        """`accounts`, ids to names; none where they are those of the organization and have not been read."""
        return {} if isinstance(self.accounts, str) else self.accounts

    def regions_of(self, account_id: str) -> tuple[str, ...] | None:
        """The regions to look at in an account; None: every one that is enabled in the main account.

        An entry for an account with an empty list says none at all.
        """
        regions = self.configured_regions
        if isinstance(regions, Mapping):
            regions = regions.get(account_id, regions.get("*"))
        elif not regions:
            return None
        return None if regions is None else tuple(dict.fromkeys(regions))

    @property
    def regions(self) -> tuple[str, ...] | None:
        """The regions to look at in any account; None: every one that is enabled in the main account."""
        if not isinstance(self.configured_regions, Mapping):
            return self.regions_of("")
        lists = [self.regions_of(account_id) for account_id in ("*", *self.configured_regions)]
        if None in lists:
            return None
        return tuple(dict.fromkeys(region for regions in lists for region in regions or ()))


class Cronjobs(Section):
    """When the host runs its jobs, as cron expressions in UTC; None: never by itself."""

    reporting: Cron = Field(None, description="When the host reports: five cron fields, in UTC; absent: never.")
    remediation: Cron = Field(None, description="When the host remediates: five cron fields, in UTC; absent: never.")
    usage: Cron = Field(
        None, description="When the host reads flow logs, best once an hour: five cron fields, in UTC; absent: never."
    )
    publishing: Cron = Field(
        None,
        description="When the host publishes the HTML report and the day's history, best once a day: five cron fields, "
        "in UTC; absent: never.",
    )


class JiraPriorities(Section):
    """The priority of a new ticket by the issue's severity, as JIRA calls it."""

    critical: str = Field("", description="Priority of a critical issue; empty: jira.priority.")
    high: str = Field("", description="Priority of a high issue; empty: jira.priority.")
    medium: str = Field("", description="Priority of a medium issue; empty: jira.priority.")
    low: str = Field("", description="Priority of a low issue; empty: jira.priority.")

    def of(self, severity: str) -> str:
        """The priority for a severity; empty: none is configured."""
        named = {"critical": self.critical, "high": self.high, "medium": self.medium, "low": self.low}
        return named.get(severity, "")


# What Hammer itself writes into a new ticket.
JiraField = Annotated[
    str,
    matching(
        "(?!(?:assignee|components|description|duedate|issuetype|labels|priority|project|security|summary)$).+",
        "is a field that Hammer writes: set it by its own key, if it has one",
    ),
]


class Jira(Section):
    """Tickets in JIRA, Cloud or Data Center."""

    enabled: Boolean = Field(False, description="Whether to write tickets.")
    server: EncryptedUrl = Field("", description="URL of the JIRA server.")
    api_url: EncryptedUrl = Field(
        "",
        description="URL of JIRA's REST API where it is another than jira.server: for a scoped token "
        "https://api.atlassian.com/ex/jira/<cloud id>; empty: jira.server.",
    )
    secret: SecretName = Field("hammer/jira", description="Name of the secret in AWS Secrets Manager.")
    issue_type: str = Field("Task", description="Type of a new ticket.")
    text_field_character_limit: Positive = Field(32_767, description="Longest text JIRA takes, in characters.")
    ca_bundle: str = Field("", description="File of certificates to trust; empty: the system's.")
    close_transition: str = Field("", description="Transition that closes; empty: the one to a done status.")
    close_fields: Mapping[JiraField, Any] = Field(
        {}, description="Fields of the transition that closes, by their ids, with values as JIRA's REST API takes them."
    )
    priority: str = Field("", description="Priority of a new ticket; empty: the project's default.")
    priorities: JiraPriorities = Field(
        default_factory=JiraPriorities.model_construct,
        description="Priority of a new ticket by severity, before jira.priority.",
    )
    due_date: Boolean = Field(False, description="Whether a new ticket is due on the day that Hammer closes the group.")
    components: Texts = Field((), description="Names of the components of a new ticket.")
    security_level: str = Field("", description="Name of the security level of a new ticket; empty: the default.")
    fields: Mapping[JiraField, Any] = Field(
        {}, description="Further fields of a new ticket by their ids, with values as JIRA's REST API takes them."
    )
    decisions: Boolean = Field(False, description="Whether labels of tickets are decisions (needs decisions.enabled).")
    decision_accounts: Texts = Field(
        (), description='Who may decide by a label: account ids or user names, "assignee"; none: nobody.'
    )


class Decisions(Section):
    """What people may decide about issues in Slack and JIRA. `hammer decide` always works for who may run it."""

    enabled: Boolean = Field(False, description="Whether people decide in Slack and JIRA.")
    allow: Texts = Field(
        ("owner",),
        description='Who may decide in Slack: user ids, user group ids, "owner" (of the issue, by confirmed e-mail).',
    )
    allow_extend: Texts = Field(
        (), description="Who may exempt an issue a second time: as allow, or whom JIRA or the host's jobs name."
    )
    allow_restore: Texts = Field((), description="Who may restore a group: as allow, or whom the host's jobs name.")
    exempt_days: Days = Field(7, description="How many days an exemption that people decide may last.")


class Slack(Section):
    """Alerts in Slack."""

    enabled: Boolean = Field(False, description="Whether to send messages.")
    base_url: EncryptedUrl = Field("https://slack.com/api/", description="URL of Slack's API, or of a proxy for it.")
    secret: SecretName = Field("hammer/slack", description="Name of the secret in AWS Secrets Manager.")
    notify_default_owner: Boolean = Field(True, description="Tell slack_owner beside a discovered owner.")
    default_channel: str = Field("#hammer", description="Where messages go that nobody else can get.")
    reminder_days: Annotated[tuple[int, ...], ListOf(DayEntry)] = Field(
        (7, 1), description="Days before an automatic remediation on which to remind."
    )


WebhookEventName = Literal["new", "changed", "reminder", "remediated", "refused", "resolved", "decided"]
WEBHOOK_EVENTS: tuple[WebhookEventName, ...] = get_args(WebhookEventName)


def _events(entries: Sequence[WebhookEventName]) -> tuple[WebhookEventName, ...]:
    if not entries:
        raise ValueError("names no event: leave it out for all of them")
    return tuple(dict.fromkeys(entries))


class Webhook(Section):
    """Events for other software, signed, over HTTPS."""

    enabled: Boolean = Field(True, description="Whether to send events, where webhook.url is set.")
    url: EncryptedUrl = Field("", repr=False, description="Address that gets the events by POST; empty: off.")
    secret: SecretName = Field("hammer/webhook", description="Name of the secret in AWS Secrets Manager that signs.")
    events: Annotated[tuple[WebhookEventName, ...], ListOf(WebhookEventName, _events)] = Field(
        WEBHOOK_EVENTS, description="The events that are sent."
    )
    ca_bundle: str = Field("", description="File of certificates to trust; empty: the system's.")

    @property
    def is_on(self) -> bool:
        """Whether events are sent."""
        return self.enabled and bool(self.url)

    @property
    def reports(self) -> bool:
        """Whether it gets what is new in an issue, so that it counts as a channel that reports."""
        return self.is_on and {"new", "changed"} <= set(self.events)

    @property
    def site(self) -> str:
        """The address as messages show it: without its path, which is a secret with some services."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


class Publishing(Section):
    """The HTML report that `hammer publish` puts into the bucket, and who gets a link to it."""

    prefix: str = Field("reports/", description="Prefix of the reports' keys in aws.s3_backup_bucket.")
    slack_channel: str = Field("", description="Slack #channel that gets a link; empty: none.")
    email_from: str = Field("", description="Sender's address, verified in Amazon SES; empty: no e-mail.")
    email_to: Texts = Field((), description="E-mail addresses that get a link.")


class OwnerTags(Section):
    """The keys of the tags that tell who owns a resource."""

    owner: str = Field("owner", description="Key of the tag that names a person or channel.")
    bu: str = Field("bu", description="Key of the tag that names the business unit.")
    product: str = Field("product", description="Key of the tag that names the product.")

    @property
    def keys(self) -> frozenset[str]:
        """All of them in one case: upper and lower case count as the same."""
        return frozenset(key.casefold() for key in (self.owner, self.bu, self.product))


def _replacements(entries: Sequence[str]) -> tuple[str, ...]:
    if not entries:
        raise ValueError("names no source: whoever has private access would lose it")
    return tuple(dict.fromkeys(entries))


class SecurityGroupsCheck(Section):
    """What counts as an exposed security group, and what is done about one."""

    enabled: Boolean = Field(True, description="Whether to look for exposed security groups.")
    table_name: TableName = Field(alias="ddb.table_name", description="DynamoDB table of the issues.")
    accounts: Annotated[tuple[str, ...] | None, ReadAs(AccountIds)] = Field(
        None, description="Accounts to look at; absent: aws.accounts."
    )
    remediation_accounts: Annotated[tuple[str, ...] | None, ReadAs(AccountIds)] = Field(
        None, description="Accounts to remediate; absent: aws.accounts."
    )
    restricted_ports: Ports = Field(
        DEFAULT_RESTRICTED_PORTS,
        description="Ports that must not be public.",
        json_schema_extra={"default": [*_SAMPLE_PORTS]},
    )
    trusted_cidrs: Cidrs = Field(AddressSet(), description="Addresses that count as not public.")
    reporting: Boolean = Field(False, description="Whether to report issues.")
    remediation: Boolean = Field(False, description="Whether to remediate issues automatically.")
    remediation_retention_period: Days = Field(21, description="Days from report to automatic remediation; 0: at once.")
    remediation_immediate: Mapping[AccountOrEvery, Annotated[tuple[SeverityName, ...], ListOf(SeverityName)]] = Field(
        {}, description='Severities to remediate at the next run after a notice, by account id or "*"; absent: none.'
    )
    remediation_sources: Annotated[tuple[str, ...], ListOf(Replacement, _replacements)] = Field(
        RFC_1918, description="CIDRs and ids of managed prefix lists that replace an open source."
    )
    remediation_wait_in_use_days: Days = Field(
        0, description="Days by which remediation waits longer where flow logs show somebody at work; 0: it does not."
    )
    remediation_scope: Annotated[tuple[Scope, ...], ListOf(Scope)] = Field(
        ("open_completely",), description="Which issues to remediate."
    )
    remediation_strategy: Literal["replace_rule", "carve_ports"] = Field(
        "replace_rule", description="Replace whole rules, or only their restricted ports."
    )
    remediation_stop_after_reopenings: Days = Field(
        0, description="Times that a group may be opened again in 7 days before remediation leaves it; 0: any number."
    )
    remediation_service_groups: Boolean = Field(
        False, description="Remediate groups, too, that a Kubernetes controller made and would open again."
    )
    remediation_limit_per_run: Positive = Field(50, description="Groups that one run may change at most.")
    rules_per_security_group_quota: Positive = Field(
        60, description="Ingress rules a group may have, where AWS does not tell."
    )
    owner_tags: OwnerTags = Field(
        default_factory=OwnerTags.model_construct, description="Keys of the tags that name owners."
    )
    lookup_events: Boolean = Field(
        False, description="Whether to ask CloudTrail's event history who opened a group where no event told."
    )


class UsageCheck(Section):
    """Reading VPC flow logs for open issues: who would be cut off."""

    enabled: Boolean = Field(False, description="Whether to read VPC flow logs of the interfaces of open issues.")
    days: Annotated[int, Field(ge=1, le=90)] = Field(14, description="How many days back to look.")
    limit_mb: Positive = Field(2000, description="Megabytes (1,000,000) of stored logs that a run reads at most.")
    after_care_days: Days = Field(
        7, description="Days after a change for which refused sources that used to work are told."
    )
    retention_days: Days = Field(90, description="Days for which a resolved issue keeps its use.")
    reader_roles: Mapping[LogHolder, RoleArn] = Field(
        {}, description="ARNs of roles that read logs, by bucket name or by the account of a log group."
    )


class Source(Section):
    """Where the code of security groups is, for `hammer source` and for tickets."""

    terraform_paths: Texts = Field(
        (), description="Folders with Terraform files, where the command runs; none: Terraform is not looked at."
    )


class AllowedPorts(Section):
    """Ports that are expected to be open on some instances."""

    ports: Ports = Field(description="The ports, as in restricted_ports.")
    expires: Expiry = Field(None, description="First day in UTC on which it no longer counts.")
    reason: str = Field("", description="Why, for people.")

    def counts_on(self, today: date) -> bool:
        """Whether it counts on this day, in UTC."""
        return self.expires is None or today < self.expires


def _allowed_ports(value: object) -> Any:
    """A port is an entry with nothing but that port."""
    what = 'a port such as 22, "8000-8100" or "udp/161", or a section with "ports"'
    return read_section_or_text(value, lambda port: AllowedPorts.model_construct(ports=read_port(port)), what)


AllowedPortsEntry = Annotated[
    AllowedPorts,
    BeforeValidator(_allowed_ports, json_schema_input_type=Annotated[Any, WithJsonSchema(PORT_SCHEMA)] | AllowedPorts),
]
# A Name tag's value, or a glob for one; or another tag's.
Server = Annotated[str, matching(r"(?!tag:)(?s:.*)|tag:[^=]+=(?s:.*)", "names no tag: write tag:<key>=<glob>")]
Servers = Mapping[Server, Annotated[tuple[AllowedPorts, ...], ListOf(AllowedPortsEntry)]]


class Inspector(Section):
    """What is expected of Amazon Inspector's findings, and what becomes of the rest."""

    enabled: Boolean = Field(True, description="Whether to filter findings.")
    allowed_ports: Servers = Field(
        {}, description="Expected ports by the instance's Name tag, a glob for it, or tag:<key>=<glob>."
    )
    allowed_ports_tag: str = Field("", description="Tag of the instance that lists expected ports; empty: none.")
    ephemeral_ports: Servers = Field({}, description="Expected ports of container hosts, by the same keys.")
    other_findings: Literal["ignore", "pass"] = Field(
        "ignore", description="What becomes of findings that are not about network reachability."
    )
    slack: Boolean = Field(False, description="Whether to tell the owners in Slack too.")
    table: Boolean = Field(False, description="Whether to keep a finding as an issue in the table too.")


def _inspector_off() -> Inspector:
    return Inspector.model_construct(enabled=False)


class ConfigFile(Section):
    """The file `config`."""

    # A section that is absent is constructed, not validated: a validator would be built for each of them, 5 ms of a
    # cold start for all.

    aws: Aws = Field(description="Where Hammer lives, and which accounts it looks at.")
    cronjobs: Cronjobs = Field(default_factory=Cronjobs.model_construct, description="When the host runs its jobs.")
    jira: Jira = Field(default_factory=Jira.model_construct, description="Tickets in JIRA; absent: off.")
    slack: Slack = Field(default_factory=Slack.model_construct, description="Alerts in Slack; absent: off.")
    webhook: Webhook = Field(
        default_factory=Webhook.model_construct, description="Events for other software; absent: off."
    )
    publishing: Publishing = Field(
        default_factory=Publishing.model_construct, description="The HTML report in the bucket."
    )
    whitelisting_procedure_url: Url = Field("", description="Page that tells how to ask for an exemption.")
    secgrp_unrestricted_access: SecurityGroupsCheck = Field(description="Exposed security groups.")
    usage: UsageCheck = Field(
        default_factory=UsageCheck.model_construct, description="Reading VPC flow logs; absent: off."
    )
    source: Source = Field(default_factory=Source.model_construct, description="Where the code of security groups is.")
    decisions: Decisions = Field(
        default_factory=Decisions.model_construct, description="What people decide; absent: off."
    )
    inspector: Inspector = Field(
        default_factory=_inspector_off, description="Amazon Inspector's findings; absent: off."
    )


class Configuration(ConfigFile):
    """A whole configuration: the three files as one value.

    `library.config.parse_configuration` makes one.
    """

    whitelist: Whitelist = Field(default_factory=Whitelist.model_construct)
    ticket_owners: TicketOwners = Field(default_factory=TicketOwners.model_construct)

    @property
    def reaches_people(self) -> bool:
        """Whether a channel beside the console is told of new issues."""
        return self.jira.enabled or self.slack.enabled or self.webhook.reports

    @property
    def needs_organization(self) -> bool:
        """Whether the accounts are those of the AWS organization, still to be given to `with_accounts`."""
        return self.aws.accounts == ORGANIZATION

    @property
    def named_accounts(self) -> frozenset[str]:
        """The accounts that the configuration names by their ids, to scan or to change something there."""
        check = self.secgrp_unrestricted_access
        chosen = (*(check.accounts or ()), *(check.remediation_accounts or ()))
        return frozenset((self.aws.main_account_id, *self.aws.include_accounts, *chosen))

    def with_accounts(self, accounts: Mapping[str, str]) -> Configuration:
        """The same configuration with these accounts, ids to names, as `aws.accounts`."""
        return self.model_copy(update={"aws": self.aws.model_copy(update={"accounts": dict(accounts)})})

    def account_name(self, account_id: str) -> str:
        """An account's name; its id where there is none."""
        return self.aws.named.get(account_id) or account_id

    def scanned_accounts(self) -> dict[str, str]:
        """The accounts to look at for exposed security groups, ids to names.

        Raises:
            ValueError: they are those of the organization, which are not known yet.
        """
        chosen = self.secgrp_unrestricted_access.accounts
        return {account: self.account_name(account) for account in self._chosen(chosen)}

    def watches(self, account_id: str, region: str) -> bool:
        """Whether an account and region are scanned for exposed security groups.

        Where the configuration names no regions for the account, all that are enabled are scanned.

        Raises:
            ValueError: the accounts are those of the organization, which are not known yet.
        """
        regions = self.aws.regions_of(account_id)
        # Asked for each issue: not of a dictionary of all accounts that is made for the question.
        is_scanned = account_id in self._chosen(self.secgrp_unrestricted_access.accounts)
        return is_scanned and (regions is None or region in regions)

    def remediation_accounts(self) -> tuple[str, ...]:
        """The ids of the accounts in which remediation may change groups.

        Raises:
            ValueError: they are those of the organization, which are not known yet.
        """
        return tuple(dict.fromkeys(self._chosen(self.secgrp_unrestricted_access.remediation_accounts)))

    def exemptions(self, account_id: str) -> tuple[Exemption, ...]:
        """The exemptions of one account in the file `whitelist`, expired ones among them."""
        return self.whitelist.secgrp_unrestricted_access.get(account_id, ())

    def _chosen(self, accounts: tuple[str, ...] | None) -> Collection[str]:
        if accounts is not None:
            return accounts
        if isinstance(self.aws.accounts, str):  # the word "organization"
            raise ValueError(  # noqa: TRY004
                "the accounts of the organization are not known yet: give them to with_accounts"
            )
        return self.aws.accounts


EVERY_ACCOUNT = "*"
_SECTION, _KEY = "secgrp_unrestricted_access", "remediation_immediate"


def remediation_terms(config: Configuration, account_id: str) -> RemediationTerms:
    """When remediation acts by itself in an account: `library.issues.schedule` answers by it.

    An account's own entry of `remediation_immediate` counts in place of that of `*`, also if it is empty.
    """
    from library.source.service import made_by  # noqa: PLC0415 - 3 ms of a cold start, and not for every scan

    section = config.secgrp_unrestricted_access
    named = section.remediation_immediate
    severities = named.get(account_id, named.get(EVERY_ACCOUNT, ()))
    return RemediationTerms(
        timedelta(days=section.remediation_retention_period),
        frozenset(map(Severity, severities)),
        reaches_people=config.reaches_people,
        is_on=section.remediation and account_id in config.remediation_accounts(),
        scope=frozenset(section.remediation_scope),
        exemptions=config.exemptions(account_id),
        stop_after=section.remediation_stop_after_reopenings,
        wait_in_use=timedelta(days=section.remediation_wait_in_use_days),
        service_groups=section.remediation_service_groups,
        made_by=made_by,
    )


OWNER = "owner"
"""In the lists of `decisions`: the owner of the issue."""

ASSIGNEE = "assignee"
"""In `jira.decision_accounts`: whom the ticket is assigned to."""


def limits_of(config: Configuration, account_id: str) -> Limits:
    """The limits of decisions about issues of an account."""
    section = config.secgrp_unrestricted_access
    return Limits(
        remediation_is_on=section.remediation,
        account_is_remediated=account_id in config.remediation_accounts(),
        exempt_days=config.decisions.exempt_days,
        restricted=section.restricted_ports,
        scope=frozenset(section.remediation_scope),
    )


def rights_by_name(config: Configuration, names: Sequence[str], *, decides: bool) -> Rights:
    """What somebody may do whom the lists name by one of these names or ids. Nobody is called `owner`.

    `decides` says whether the person may decide, apart from extending and restoring.
    """
    own, section = {name for name in names if name and name != OWNER}, config.decisions
    return Rights(
        decides=decides,
        extends=bool(own.intersection(section.allow_extend)),
        restores=bool(own.intersection(section.allow_restore)),
    )


def public_replacements(file: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """The CIDRs of `remediation_sources` that would open a group to public addresses, each with what is wrong.

    The file is as it was read. What else is wrong with it is for the models to say.
    """
    section = file.get(_SECTION)
    if not isinstance(section, Mapping):
        return
    try:
        trusted = AddressSet.union(_readable(split_list(section.get("trusted_cidrs") or [])))
        sources = split_list(section.get("remediation_sources") or [])
    except ValueError:
        return
    for position, source in enumerate(sources):
        try:
            public = AddressSet.parse(str(source)) & (PUBLIC - trusted)
        except ValueError:
            continue
        if public:
            location: Location = (_SECTION, "remediation_sources", position)
            yield location, f"{show(source)} has addresses that are public and not in trusted_cidrs"


def _readable(cidrs: Iterable[object]) -> Iterator[AddressSet]:
    """Those of the entries that are CIDRs: what is wrong with the others says nothing about these."""
    for cidr in cidrs:
        try:
            yield AddressSet.parse(str(cidr))
        except ValueError:
            continue


def unknown_accounts(file: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """The accounts of `remediation_immediate` that the file `config` names nowhere else, each with what is wrong.

    What else is wrong with the file is for the models to say.
    """
    aws, section = file.get("aws"), file.get(_SECTION)
    if not isinstance(aws, Mapping) or not isinstance(section, Mapping):
        return
    immediate, accounts = section.get(_KEY), aws.get("accounts")
    if not isinstance(immediate, Mapping) or not isinstance(accounts, Mapping):
        return
    listed = [str(section.get(name) or "") for name in ("accounts", "remediation_accounts")]
    named = {str(account) for account in (*accounts, aws.get("main_account_id"))}
    named.update(*(ACCOUNT_ID.findall(text) for text in listed))
    for account in map(str, immediate):
        # A key that is no account id at all is the models' to name.
        if ACCOUNT_ID.fullmatch(account) and account not in named:
            yield (_SECTION, _KEY, account), "is not one of aws.accounts"

"""`hammer check-config`: validate a configuration, print every mistake, or else what it would make Hammer do."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import Any

import typer

from library.aws.failures import AWS_ERRORS, explain
from library.aws.partition import partition_of
from library.aws.session import SdkSettingsError
from library.config import Configuration, ConfigurationError, configuration_uri, load_configuration
from library.config.decided_exemptions import with_readable_exemptions
from library.config.models import EVERY_ACCOUNT, Aws, OwnerFields, TicketOwners
from library.documents.text import and_more, printable
from library.jobs.calendar_events import TimerError, on_calendar
from library.jobs.command_line import ConfigOption, Exit, aws_regions, open_table
from library.network.addresses import INTERNET, AddressSet
from library.network.intervals import IntervalSet
from library.network.ports import PortSet, ports_text
from library.security_groups.exemptions import Review, review

_LABEL_WIDTH = 18


def check_config(config_uri: str) -> int:
    """Validate a configuration and print what there is to say: mistakes on standard error, one a line.

    Returns:
        The exit code: 0 when it is valid, 2 when it is not.
    """
    try:
        config = load_configuration(config_uri)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return Exit.WRONG
    today, note = datetime.now(UTC).date(), ""
    of_organization = list(organization_warnings(config))
    if config.decisions.enabled:
        config, note = _with_decided(config)
    print(f"{config_uri} is valid.\n\n{summary(config, today)}")
    for warning in (*of_organization, *warnings(config, today)):
        print(f"\nwarning: {warning}")
    if note:
        print(f"\nnote: {printable(note)}")
    return Exit.DONE


def _with_decided(config: Configuration) -> tuple[Configuration, str]:
    """The configuration with the exemptions that people decided, and why these are not known; empty: they are."""
    try:
        access = open_table(config)
        return with_readable_exemptions(access.config, access.table)
    except (*AWS_ERRORS, SdkSettingsError) as error:
        return config, f"what people decided to exempt is not known: {explain(error)}"


def summary(config: Configuration, today: date) -> str:
    """What Hammer would do with a valid configuration on a day in UTC, as a table of a few lines."""
    return "\n".join(f"{label:{_LABEL_WIDTH}}{printable(text)}" for label, text in _rows(config, today))


# JIRA's keys begin with a letter; a JIRA of one's own may allow digits and underscores in a project's key.
_PROJECT_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TICKET_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*-[0-9]+")
_UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}")  # Organizations API Reference, ListChildren
# Where deployment/terraform lets the host write reports, as modules/master/main.tf has it.
_REPORTS = re.compile(
    r"(?!(?:closing|config|host|security_groups)/)"
    r"(?:[A-Za-z0-9_=-][A-Za-z0-9_.=-]*/)+(?:[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)?"
)
_SHORTEST_TICKET = 300  # characters of a ticket's first paragraph, about
_CHANNEL = re.compile(r"#|[CG][A-Z0-9]{8,}\Z")  # by its name, or by its id


def warnings(config: Configuration, today: date) -> Iterator[str]:
    """What is allowed, but hardly meant."""
    check = config.secgrp_unrestricted_access
    if not check.restricted_ports:
        yield "secgrp_unrestricted_access.restricted_ports is empty: only rules without ports count as exposed"
    yield from _empty_warnings(config)
    if any(check.trusted_cidrs.family(version).covers(INTERNET.family(version)) for version in (4, 6)):
        yield "secgrp_unrestricted_access.trusted_cidrs trusts the whole Internet"
    if config.jira.enabled and not config.jira.server:
        yield "jira is enabled, but jira.server is empty"
    elif config.jira.enabled and (accounts := _without_project(config)):
        yield f"jira is enabled, but ticket_owners names no jira_project for {accounts}: no ticket can be filed there"
    yield from _ticket_warnings(config.ticket_owners)
    if config.slack.enabled and not _CHANNEL.match(config.slack.default_channel):
        channel = printable(config.slack.default_channel)
        yield f'slack.default_channel "{channel}" is taken for a person: a channel is written "#{channel}"'
    if config.jira.enabled and config.jira.text_field_character_limit < _SHORTEST_TICKET:
        yield f"jira.text_field_character_limit is {config.jira.text_field_character_limit}: that cuts every ticket"
    yield from _publishing_warnings(config)
    known = aws_regions()
    for region in _regions_named(config):
        if region not in known:
            yield f"{region} is no region that this version of the AWS SDK knows"
    yield from _partition_warnings(_regions_named(config))
    if check.remediation and not config.aws.s3_backup_bucket:
        yield "remediation is on, but aws.s3_backup_bucket is empty: without a backup no group is changed"
    if any(check.remediation_immediate.values()) and not (check.reporting and check.remediation):
        yield "remediation_immediate does nothing while reporting or remediation is off: a notice comes first"
    yield from _cron_warnings(config)
    yield from _webhook_warnings(config)
    yield from _decision_warnings(config)
    yield from _account_warnings(config)
    for account, exemptions in config.whitelist.secgrp_unrestricted_access.items():
        if not config.needs_organization and account not in config.scanned_accounts():
            yield f"whitelist: account {account} is not looked at"
            continue
        yield from exemption_warnings(account, review(exemptions, today))


def _empty_warnings(config: Configuration) -> Iterator[str]:
    """Lists that are there and name nothing, as a variable that is not set makes them: nothing is done then."""
    section = "secgrp_unrestricted_access"
    check = config.secgrp_unrestricted_access
    if check.accounts is not None and not check.accounts:
        yield f"{section}.accounts is empty: no account is looked at; leave it out for all of aws.accounts"
    for key in ("remediation_accounts", "remediation_scope"):
        listed = getattr(check, key)
        if check.remediation and listed is not None and not listed:
            yield f"remediation is on, but {section}.{key} is empty: no group is changed"


def _partition_warnings(regions: Iterable[str]) -> Iterator[str]:
    """Regions that no single Hammer can look at: each partition has accounts and credentials of its own."""
    partitions: dict[str, list[str]] = {}
    for region in regions:
        partitions.setdefault(partition_of(region), []).append(region)
    if len(partitions) > 1:
        named = ", ".join(f"{name} ({', '.join(listed)})" for name, listed in sorted(partitions.items()))
        yield f"no credentials are good in several partitions of AWS: {named}"


def organization_warnings(config: Configuration) -> Iterator[str]:
    """What chooses accounts of the organization and cannot: in a configuration whose accounts are not read yet."""
    if config.needs_organization:
        for unit in config.aws.organizational_units:
            if not _UNIT.fullmatch(unit):
                named = f'aws.organizational_units: "{printable(unit)}"'
                yield f"{named} is no id of a unit: write ou-…, or r-… for the root"
        return
    for key in ("ignore_accounts", "include_accounts", "organizational_units"):
        if getattr(config.aws, key):
            yield f'aws.{key} does nothing: aws.accounts lists the accounts, and is not "organization"'


def _ticket_warnings(owners: TicketOwners) -> Iterator[str]:
    """Projects and parent tickets that no JIRA can have, which each ticket would fail at."""
    levels: list[tuple[str, OwnerFields]] = [("", owners)]
    levels += [(f"account.{name}.", level) for name, level in owners.account.items()]
    for name, unit in owners.bu.items():
        levels.append((f"bu.{name}.", unit))
        levels += [(f"bu.{name}.product.{product}.", level) for product, level in unit.product.items()]
    for path, level in levels:
        project, parent = level.jira_project.strip(), level.jira_parent_ticket.strip()
        if project and not _PROJECT_KEY.fullmatch(project):
            yield (
                f'ticket_owners: {printable(path)}jira_project "{printable(project)}" is no project\'s key: '
                "write SEC, say"
            )
        if parent and not _TICKET_KEY.fullmatch(parent):
            yield (
                f'ticket_owners: {printable(path)}jira_parent_ticket "{printable(parent)}" is no ticket\'s key: '
                "write SEC-1, say"
            )


def _cron_warnings(config: Configuration) -> Iterator[str]:
    """Times that the host cannot keep: it sets no timer at all then."""
    for job, cron in config.cronjobs:
        try:
            on_calendar(cron or "* * * * *")
        except TimerError as error:
            yield f"cronjobs.{job}: the host sets no timers: {error}"


def _publishing_warnings(config: Configuration) -> Iterator[str]:
    """Reports that do not get where they are to go."""
    publishing = config.publishing
    if bool(publishing.email_from) != bool(publishing.email_to):
        yield "publishing.email_from and publishing.email_to belong together: with one alone no e-mail is sent"
    addresses = [("email_from", publishing.email_from)] if publishing.email_from else []
    addresses += [("email_to", address) for address in publishing.email_to]
    for key, address in addresses:
        if "@" not in address:
            yield f'publishing.{key}: "{printable(address)}" is no e-mail address'
    if not _REPORTS.fullmatch(publishing.prefix):
        prefix = printable(publishing.prefix)
        yield f'publishing.prefix "{prefix}": deployment/terraform lets the host write to reports/ alone then'


def _webhook_warnings(config: Configuration) -> Iterator[str]:
    """Events that nobody counts on."""
    if config.webhook.is_on and not config.webhook.reports:
        yield "webhook.events lacks new or changed: the webhook does not count as a channel that reports issues"


def _decision_warnings(config: Configuration) -> Iterator[str]:
    """Decisions that nobody can make."""
    jira, decisions = config.jira, config.decisions
    if jira.decisions and not decisions.enabled:
        yield "jira.decisions does nothing while decisions.enabled is false"
    if jira.decisions and not jira.decision_accounts:
        yield "jira.decisions is true, but jira.decision_accounts names nobody: every label is refused"
    if decisions.enabled and not (config.slack.enabled or (jira.enabled and jira.decisions)):
        yield "decisions.enabled is true, but neither slack nor jira.decisions is on: only hammer decide decides"
    if decisions.enabled and not decisions.exempt_days:
        yield "decisions.exempt_days is 0: nobody can exempt anything"


def _regions_named(config: Configuration) -> list[str]:
    """Every region that the configuration names, once. `aws.regions` may be one list, or a list for each account."""
    regions: Any = config.aws.regions or ()
    lists = regions.values() if isinstance(regions, Mapping) else [regions]
    return list(dict.fromkeys((config.aws.region, *(region for each in lists for region in each))))


def _account_warnings(config: Configuration) -> Iterator[str]:
    """Accounts that are named where they have no effect."""
    if config.needs_organization:
        return
    check = config.secgrp_unrestricted_access
    for key in ("accounts", "remediation_accounts"):
        for account in getattr(check, key) or ():
            if account not in config.aws.accounts:
                yield f"secgrp_unrestricted_access.{key} names account {account}, which aws.accounts does not"
            elif account not in config.scanned_accounts():
                yield f"secgrp_unrestricted_access.{key} names account {account}, which is not looked at"


def _without_project(config: Configuration) -> str:
    """The accounts whose tickets belong nowhere, in words; empty: each may have a project."""
    owners = config.ticket_owners
    products = [product for unit in owners.bu.values() for product in unit.product.values()]
    if any(level.jira_project.strip() for level in (*owners.bu.values(), *products)):
        return ""  # which groups have these tags, only a scan tells
    accounts = [""] if config.needs_organization else config.scanned_accounts()
    without = [account for account in accounts if not owners.resolve(account).jira_project]
    texts = [f"account {account}" if account else "the organization as a whole" for account in without]
    return and_more(texts, _ACCOUNTS_SHOWN)


def exemption_warnings(account: str, reviewed: Review) -> Iterator[str]:
    """What somebody should look at among the exemptions of an account, one line each."""
    for exemption in (*reviewed.expired, *reviewed.expiring):
        ends = "expired" if exemption in reviewed.expired else "ends"
        reason = f": {printable(exemption.reason_and_author)}" if exemption.reason_and_author and ends == "ends" else ""
        group = printable(exemption.group)
        source = "decision" if exemption.decided else "whitelist"
        yield f"{source}: the exemption of {group} in {account} {ends} on {exemption.expires}{reason}"
    for exemptions, what in (
        (reviewed.endless, "never expire"),
        (reviewed.unmatched, "name no group that the table knows"),
    ):
        if exemptions:
            groups = ", ".join(printable(exemption.group) for exemption in exemptions)
            yield f"whitelist: in {account} these exemptions {what}: {groups}"


def _regions(aws: Aws) -> str:
    everywhere = "every one that is enabled"
    if not isinstance(aws.configured_regions, Mapping):
        return ", ".join(aws.regions or ()) or everywhere
    named = [account_id for account_id in aws.configured_regions if account_id != "*"]
    lists = {**{account_id: aws.regions_of(account_id) for account_id in named}, "other accounts": aws.regions_of("*")}
    return "; ".join(
        f"{whose}: {everywhere if regions is None else ', '.join(regions) or 'none'}"
        for whose, regions in lists.items()
    )


def _rows(config: Configuration, today: date) -> Iterator[tuple[str, str]]:
    check, aws = config.secgrp_unrestricted_access, config.aws
    everywhere = "those of the AWS organization"
    management = (
        f"{', '.join(aws.include_accounts)} among them"
        if aws.include_accounts
        else "less its management account, unless aws.include_accounts names it"
    )
    all_accounts = config.needs_organization and check.accounts is None
    yield "Security groups", _switch(check.enabled)
    yield "Accounts", f"{everywhere}, {management}" if all_accounts else _accounts(config, config.scanned_accounts())
    yield "Regions", _regions(aws)
    yield "Restricted ports", port_set_text(check.restricted_ports) or "none"
    yield "Trusted", ", ".join(cidrs_of(check.trusted_cidrs)) or "none"
    yield "Exemptions", _exemptions(config, today)
    yield "Issues", f"table {check.table_name} in {aws.main_account_id}, {aws.region}"
    webhook = f", webhook {config.webhook.site} ({', '.join(config.webhook.events)})" if config.webhook.is_on else ""
    yield (
        "Reporting",
        _switch(
            check.reporting, f"JIRA {_switch(config.jira.enabled)}, Slack {_switch(config.slack.enabled)}{webhook}"
        ),
    )
    all_accounts = config.needs_organization and check.remediation_accounts is None
    scope = " and ".join(check.remediation_scope) or "nothing"
    yield (
        "Remediation",
        _switch(
            check.remediation,
            f"{check.remediation_retention_period} days after the report, {scope}, "
            f"{check.remediation_strategy}, at most {check.remediation_limit_per_run} groups a run, "
            f"{_immediate(check.remediation_immediate)}in accounts "
            + (everywhere if all_accounts else _accounts(config, config.remediation_accounts())),
        ),
    )
    servers = len(config.inspector.allowed_ports.keys() | config.inspector.ephemeral_ports.keys())
    yield "Decisions", _decisions(config)
    yield "Inspector", _switch(config.inspector.enabled, f"expected ports of {servers} kinds of servers")


def _switch(on: bool, details: str = "") -> str:
    if not on:
        return "off"
    return f"on: {details}" if details else "on"


def _decisions(config: Configuration) -> str:
    """Who may decide what, and where."""
    decisions = config.decisions
    channels = (
        ("Slack", config.slack.enabled, decisions.allow),
        ("JIRA", config.jira.enabled and config.jira.decisions, config.jira.decision_accounts),
    )
    where = [f"in {name} by {', '.join(who) or 'nobody'}" for name, on, who in channels if on]
    return _switch(
        decisions.enabled,
        f"{'; '.join(where) or 'in no channel'}; exemptions of {decisions.exempt_days} days at most, "
        f"extended by {', '.join(decisions.allow_extend) or 'nobody'}; restores by "
        f"{', '.join(decisions.allow_restore) or 'nobody'}",
    )


def _immediate(named: Mapping[str, Sequence[str]]) -> str:
    """What is remediated at once, for the middle of a line."""
    accounts = [
        f"{' and '.join(severities)} in {'every other account' if account == EVERY_ACCOUNT else account}"
        for account, severities in sorted(named.items(), reverse=True)
        if severities
    ]
    return f"at once after a notice if {', '.join(accounts)}, " if accounts else ""


_ACCOUNTS_SHOWN = 100


def _accounts(config: Configuration, accounts: Iterable[str]) -> str:
    names = {account: config.account_name(account) for account in accounts}
    texts = [f"{id_} ({name})" if name != id_ else id_ for id_, name in names.items()]
    return and_more(texts, _ACCOUNTS_SHOWN) or "none"


def _exemptions(config: Configuration, today: date) -> str:
    every = [entry for listed in config.whitelist.secgrp_unrestricted_access.values() for entry in listed]
    listed = [exemption for exemption in every if not exemption.decided]
    expired = sum(not exemption.counts_on(today) for exemption in listed)
    decided = len({exemption.decided for exemption in every if exemption.decided and exemption.counts_on(today)})
    text = f"{len(listed)}, {expired} of them expired" if expired else str(len(listed))
    return f"{text}; {decided} that people decided" if decided else text


def port_set_text(ports: PortSet) -> str:
    """Ports as the configuration writes them: a bare number means TCP and UDP.

    >>> port_set_text(PortSet.parse([22, "udp/161-162"]))
    '22, udp/161-162'
    """
    both = ports.tcp & ports.udp
    named: tuple[tuple[str, IntervalSet], ...] = (
        ("", both),
        ("tcp/", ports.tcp - both),
        ("udp/", ports.udp - both),
    )
    return ", ".join(f"{prefix}{ports_text(*span)}" for prefix, spans in named for span in spans.spans)


def cidrs_of(addresses: AddressSet) -> Iterator[str]:
    """Addresses as CIDRs, IPv4 before IPv6."""
    for first, last in addresses.v4.spans:
        yield from map(str, summarize_address_range(IPv4Address(first), IPv4Address(last)))
    for first, last in addresses.v6.spans:
        yield from map(str, summarize_address_range(IPv6Address(first), IPv6Address(last)))


def command(config: ConfigOption = None) -> None:
    """Validate a configuration and print every error in it."""
    raise typer.Exit(check_config(configuration_uri(config, os.environ)))

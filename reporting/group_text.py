"""What a ticket says: its title, its body, and the comments of its life.

Pure. Names, tags and descriptions are hostile text; they go into documents as literal text only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from library.documents.document import Block, Bullets, Code, Document, Link, Paragraph, Section, Table, paragraph
from library.documents.text import printable, shortened
from library.issues.issue import Issue
from library.network.addresses import INTERNET, PUBLIC, RFC_1918, AddressSet, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import HIGHEST_PORT, PortSet, port_range, protocol_name
from library.security_groups.exposure import Exposure
from library.security_groups.usage import Usage
from reporting import finding_text

_SERVICES = {
    20: "FTP",
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    25: "SMTP",
    53: "DNS",
    110: "POP3",
    111: "RPC",
    135: "Windows RPC",
    137: "NetBIOS",
    138: "NetBIOS",
    139: "NetBIOS",
    143: "IMAP",
    161: "SNMP",
    389: "LDAP",
    445: "SMB",
    1433: "SQL Server",
    1434: "SQL Server",
    1521: "Oracle",
    2049: "NFS",
    2375: "Docker",
    2376: "Docker",
    3306: "MySQL",
    3389: "Remote Desktop",
    5432: "PostgreSQL",
    5601: "Kibana",
    5900: "VNC",
    5985: "WinRM",
    5986: "WinRM",
    6379: "Redis",
    9200: "Elasticsearch",
    9300: "Elasticsearch",
    11211: "Memcached",
    27017: "MongoDB",
}
_SUMMARY_LIMIT = 255  # JIRA's, for the field `summary`
_PORTS_IN_SUMMARY = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group is, in words.

    Attributes:
        account_name: the account's name, or its id again.
    """

    account_name: str
    account_id: str
    region: str

    def __str__(self) -> str:
        if self.account_name == self.account_id:
            return f"account {self.account_id}, region {self.region}"
        return f"account {self.account_name} ({self.account_id}), region {self.region}"


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What the text of a new ticket is made from, beside the issue.

    Attributes:
        place: where the group is.
        restricted: the restricted ports of the configuration.
        usage: what uses the group.
        closes_at: when remediation closes it, in UTC; None: it does not.
        closes_by: how remediation would close it, as in `remediation_strategy`.
        scope: the statuses of the rules that it would close.
        retention_days: from the report to the remediation.
        procedure_url: the page that tells how to ask for an exemption; empty: none.
        owner_notes: what is to be said of owners that could not be used.
    """

    place: Place
    restricted: PortSet
    usage: Usage
    closes_at: datetime | None
    closes_by: str
    scope: frozenset[str]
    retention_days: int
    procedure_url: str
    owner_notes: tuple[str, ...] = ()


def summary(issue: Issue, place: Place, restricted: PortSet) -> str:
    """The ticket's title, on one line."""
    if issue.is_finding:
        return finding_text.summary(issue, place.account_name, _SUMMARY_LIMIT)
    who = "the whole Internet" if issue.details.status == "open_completely" else "some public addresses"
    ports = restricted_ports(issue.details.perms, restricted)
    more = f" and {len(ports) - _PORTS_IN_SUMMARY} more" if len(ports) > _PORTS_IN_SUMMARY else ""
    text = (
        f"{issue.issue_id} lets {who} reach {', '.join(ports[:_PORTS_IN_SUMMARY])}{more}: security group "
        f'"{printable(issue.details.name)}", {printable(place.account_name)}, {place.region}'
    )
    return shortened(text, _SUMMARY_LIMIT)


def ticket(issue: Issue, facts: TicketFacts) -> Document:
    """The body of a new ticket."""
    details = issue.details
    if issue.is_finding:
        return finding_text.ticket(issue, str(facts.place), facts.owner_notes)
    return (
        Section("", (_risk(issue, facts), *(paragraph(note) for note in facts.owner_notes))),
        Section("What is open, and to whom", (exposure_table(details.perms),)),
        Section("What uses the group", _usage(facts.usage)),
        Section("Since when, and until when", _times(issue, facts)),
        Section("What to do", (Bullets(_advice()), _exemption(issue, facts))),
        Section("With the AWS command line", _command_line(issue), spare=True),
        Section("With Terraform", _terraform(issue), spare=True),
    )


def with_owner_notes(facts: TicketFacts, notes: Iterable[str]) -> TicketFacts:
    """The facts, and what is to be said of owners that could not be used."""
    return replace(facts, owner_notes=tuple(notes))


def changed(issue: Issue, days: int | None, told: Sequence[str] | None, *, again: bool) -> Document:
    """A comment on a ticket whose group changed, or is exposed again.

    Args:
        issue: the issue.
        days: how many days from now remediation will close it; None: it does not, or that is no news.
        told: what the ticket was last told, each as `told_line` writes it; None: nobody knows.
        again: whether the group was found again rather than changed.
    """
    if issue.is_finding:
        return finding_text.changed(issue, again=again)
    perms = issue.details.perms
    now = {told_line(perm): perm for perm in perms}
    known = set(told or ())
    opened = [perm for line, perm in now.items() if line not in known]
    closed = [line for line in told or () if line not in now]
    if again:
        since = f", since {day_and_time(issue.timestamps.identified)}" if issue.timestamps.identified else ""
        blocks: list[Block] = [paragraph(f"Security group {issue.issue_id} is exposed again{since}. Open now:")]
        blocks.append(exposure_table(perms))
        if days is not None:
            # Not a date: a run that goes on from one that broke must write the same text to recognize it.
            blocks.append(paragraph(f"Unless it is fixed or exempt before, Hammer will close it in {_days(days)}."))
        return (Section("", tuple(blocks)),)
    blocks = [paragraph(f"What is open in security group {issue.issue_id} has changed.")]
    if told is not None and opened:
        blocks += [paragraph("Newly open:"), exposure_table(opened)]
    if closed:
        blocks += [paragraph("No longer open:"), Bullets(tuple(closed))]
    if told is None or len(opened) < len(perms):
        blocks += [paragraph("Open now, all together:"), exposure_table(perms)]
    return (Section("", tuple(blocks)),)


def _days(days: int) -> str:
    return "its next run" if days == 0 else "1 day" if days == 1 else f"{days} days"


def ended(issue: Issue, *, exempt: bool) -> Document:
    """The comment with which a ticket is closed."""
    if issue.is_finding:
        return finding_text.ended(issue)
    if exempt:
        text = f"Security group {issue.issue_id} is exempt now: the whitelist covers all that is open in it."
        return (Section("", (paragraph(f"{text} It comes back if the exemption ends."),)),)
    times = issue.timestamps
    text = f"Security group {issue.issue_id} exposes nothing any more"
    text += f", as was seen on {day_and_time(times.resolved)}." if times.resolved else "."
    if times.remediated:
        text += f" Hammer had replaced its rules on {day_and_time(times.remediated)}."
    return (Section("", (paragraph(f"{text} If it is exposed again, this ticket is reopened."),)),)


def told_line(perm: Exposure) -> str:
    """One exposure on one line: how a ticket's item remembers what it was told.

    >>> told_line(Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"))
    'tcp 22 from 0.0.0.0/0, open completely'
    """
    through = f" through {perm.prefix_list_id}" if perm.prefix_list_id else ""
    return f"{_traffic(perm)} from {perm.cidr}{through}, {_reach(perm)}"


def exposure_table(perms: Iterable[Exposure]) -> Table:
    """A row for each rule and source."""
    return Table(
        ("Protocol", "Ports", "Source", "Share of the Internet", "Status"),
        tuple(
            (
                _protocol(perm),
                _ports(perm),
                f"{perm.cidr} in {perm.prefix_list_id}" if perm.prefix_list_id else perm.cidr,
                share(perm.cidr),
                _reach(perm),
            )
            for perm in perms
        ),
    )


def restricted_ports(perms: Iterable[Exposure], restricted: PortSet) -> list[str]:
    """The restricted ports that rules expose, with the service that is usually there.

    >>> restricted_ports([Exposure("tcp", 0, 1024, "0.0.0.0/0", "open_completely")], PortSet.parse([22, "udp/53"]))
    ['tcp 22 (SSH)']
    """
    reached: dict[str, IntervalSet] = {}
    names: set[str] = set()
    for perm in perms:
        protocol = protocol_name(perm.protocol)
        if protocol in ("tcp", "udp"):
            first, last = perm.from_port or 0, HIGHEST_PORT if perm.to_port is None else perm.to_port
            ports = restricted.protocol(protocol) & IntervalSet(((first, last),))
            reached[protocol] = reached.get(protocol, IntervalSet()) | ports
        else:
            names.add("every protocol and port" if protocol == "-1" else f"protocol {protocol}")
    listed = []
    for protocol in sorted(reached):
        for first, last in reached[protocol].spans:
            service = f" ({_SERVICES[first]})" if first == last and first in _SERVICES else ""
            listed.append(f"{protocol} {port_range(first, last)}{service}")
    return sorted(names) + listed


def share(cidr: str) -> str:
    """How much of the Internet's addresses a source is.

    >>> share("0.0.0.0/0"), share("128.0.0.0/1"), share("8.8.8.0/24"), share("2a00::1/128")
    ('all of IPv4', '43 % of IPv4', '256 addresses', '1 address')
    """
    network = parse_network(cidr)
    own = AddressSet.of([network])
    public, internet = PUBLIC.family(network.version), INTERNET.family(network.version)
    if own.family(network.version).covers(internet):
        return f"all of IPv{network.version}"
    count = _size(own.family(network.version) & public)
    percent = 100 * _size(own.family(network.version) & internet) / _size(internet)
    if percent >= 1:
        return f"{percent:.0f} % of IPv{network.version}"
    if count > 2**32:
        return f"less than 1 % of IPv{network.version}"
    return f"{count:,} address{'' if count == 1 else 'es'}"


def _size(numbers: IntervalSet) -> int:
    return sum(last - first + 1 for first, last in numbers.spans)


def _protocol(perm: Exposure) -> str:
    name = protocol_name(perm.protocol)
    return "all" if name == "-1" else name


def _ports(perm: Exposure) -> str:
    if perm.from_port is None or perm.to_port is None:
        return "all"
    return "all" if (perm.from_port, perm.to_port) == (0, HIGHEST_PORT) else port_range(perm.from_port, perm.to_port)


def _traffic(perm: Exposure) -> str:
    return "all traffic" if _protocol(perm) == "all" else f"{_protocol(perm)} {_ports(perm)}"


def _reach(perm: Exposure) -> str:
    return perm.status.replace("_", " ")


def _risk(issue: Issue, facts: TicketFacts) -> Paragraph:
    who = "Anybody on the Internet" if issue.details.status == "open_completely" else "Some public addresses"
    ports = ", ".join(restricted_ports(issue.details.perms, facts.restricted)) or "restricted ports"
    return paragraph(
        f'{who} can reach {ports} on whatever uses security group {issue.issue_id}, named "{issue.details.name}", in '
        f"{facts.place}, VPC {issue.details.vpc_id}. Such ports are scanned all the time, from everywhere: a weak "
        "password or one known flaw behind them is enough to take over the machine and what it can reach."
    )


def _usage(usage: Usage) -> tuple[Block, ...]:
    if usage.unknown:
        return (paragraph(f"It could not be read what uses the group: {usage.unknown}."),)
    if not usage.users:
        return (
            paragraph(
                "Nothing: no network interface has the group at the moment. If nothing needs it any more, delete it."
            ),
        )
    return (
        Bullets(
            tuple(
                f"{user.kind} {user.name}"
                + (f", public at {', '.join(user.public_addresses)}" if user.public_addresses else "")
                for user in usage.users
            )
        ),
    )


def _times(issue: Issue, facts: TicketFacts) -> tuple[Block, ...]:
    found = issue.timestamps.identified
    since = f"Hammer first saw it on {day_and_time(found)}." if found else "Nobody knows since when."
    if facts.closes_at is None:
        return (paragraph(f"{since} Hammer will not change the group by itself."),)
    touched = {perm.status for perm in issue.details.perms} & facts.scope
    which = "the rules above" if len(touched) > 1 or len({p.status for p in issue.details.perms}) == 1 else ""
    which = which or f"those of the rules above that are {' '.join(touched).replace('_', ' ')}"
    how = "of each only the restricted ports" if facts.closes_by == "carve_ports" else "each of them whole"
    return (
        paragraph(
            f"{since} Hammer will replace {which}, {how}, on {day_and_time(facts.closes_at)} or soon after: "
            f"what they open will then be open from the private ranges {', '.join(RFC_1918)} only. "
            "The group is saved before and can be restored."
        ),
    )


def _advice() -> tuple[str, ...]:
    return (
        "Find out who must reach these ports, and from where; often it is nobody.",
        "Narrow each source to those addresses, or to another security group; for logins use AWS Systems Manager "
        "Session Manager or a VPN, for databases a private subnet.",
        "This ticket is closed by itself when the group is safe.",
    )


def _exemption(issue: Issue, facts: TicketFacts) -> Paragraph:
    group = f"{issue.issue_id} in account {issue.account_id}"
    if not facts.procedure_url:
        return paragraph(f"If it must stay as it is, ask your security team to exempt {group}.")
    return paragraph(f"If it must stay as it is, ask for an exemption of {group}: ", Link(facts.procedure_url))


def _command_line(issue: Issue) -> tuple[Block, ...]:
    target = f"--region {issue.details.region} --group-id {issue.issue_id}"
    rules = _rules(issue.details.perms)
    # A line for each rule: one of them that is gone already does not keep the others open.
    revoke = "\n".join(
        f"aws ec2 revoke-security-group-ingress {target} \\\n  --ip-permissions '{_permission(perm, [_source(perm)])}'"
        for perm in rules
    )
    private = [("IpRanges", {"CidrIp": cidr}) for cidr in RFC_1918]
    allow = "\n".join(
        f"aws ec2 authorize-security-group-ingress {target} \\\n  --ip-permissions '{_permission(perm, private)}'"
        for perm in _kinds(rules)
    )
    return (
        paragraph("If private networks need these ports, open them to those first:"),
        Code(allow),
        paragraph("Then take the rules away:"),
        Code(revoke),
    )


def _rules(perms: Iterable[Exposure]) -> list[Exposure]:
    """The exposures that are rules of the group: of a prefix list's entries only one."""
    seen: dict[tuple[Any, ...], Exposure] = {}
    for perm in perms:
        source = perm.prefix_list_id or perm.cidr
        seen.setdefault((perm.protocol, perm.from_port, perm.to_port, source), perm)
    return list(seen.values())


def _kinds(rules: Iterable[Exposure]) -> list[Exposure]:
    """One of each protocol and port range."""
    return list({(rule.protocol, rule.from_port, rule.to_port): rule for rule in rules}.values())


def _source(perm: Exposure) -> tuple[str, dict[str, str]]:
    if perm.prefix_list_id:
        return "PrefixListIds", {"PrefixListId": perm.prefix_list_id}
    return ("Ipv6Ranges", {"CidrIpv6": perm.cidr}) if ":" in perm.cidr else ("IpRanges", {"CidrIp": perm.cidr})


def _permission(perm: Exposure, sources: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    permission: dict[str, Any] = {"IpProtocol": perm.protocol}
    if perm.from_port is not None:
        permission |= {"FromPort": perm.from_port, "ToPort": perm.to_port}
    for kind, source in sources:
        permission.setdefault(kind, []).append(source)
    return json.dumps([permission])


def _terraform(issue: Issue) -> tuple[Block, ...]:
    resources = []
    for perm in _kinds(_rules(issue.details.perms)):
        label = f"{_protocol(perm)}_{_ports(perm)}".replace("-", "_")
        ports = (
            f"  from_port         = {perm.from_port}\n  to_port           = {perm.to_port}\n"
            if perm.from_port is not None
            else ""
        )
        resources.append(
            f'resource "aws_vpc_security_group_ingress_rule" "{label}" {{\n'
            f"  for_each          = toset({json.dumps(list(RFC_1918))})\n"
            f'  security_group_id = "{issue.issue_id}"\n'
            f'  ip_protocol       = "{perm.protocol}"\n'
            f"{ports}"
            "  cidr_ipv4         = each.value\n"
            "}"
        )
    return (
        paragraph(
            "Where the group is managed by Terraform, change it there, or the next apply opens it again: remove the "
            "sources above from the group's rules. If private networks need the ports, this opens them to those:"
        ),
        Code("\n\n".join(resources)),
    )


def day_and_time(time: datetime) -> str:
    """A time in UTC as people write it.

    >>> from datetime import UTC
    >>> day_and_time(datetime(2026, 11, 22, 3, 5, tzinfo=UTC))
    '2026-11-22 03:05 UTC'
    """
    return f"{time:%Y-%m-%d %H:%M} UTC"

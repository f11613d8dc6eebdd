"""What is open in a group, where that is defined, and how an owner closes it: there, or with the AWS command line.

Pure. Commands hold nothing that came from an account but ids, CIDRs and port numbers, quoted for a shell. What comes
from templates, files and tags goes into documents as literal text only.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from library.documents.document import Block, Bullets, Code, Section, Table, paragraph
from library.documents.text import and_more, counted, cut_utf16, flattened, printable
from library.issues.issue import Issue
from library.issues.names import aws_options
from library.network.addresses import INTERNET, PUBLIC, RFC_1918, AddressSet, parse_network
from library.network.ports import HIGHEST_PORT, WITHOUT_PORTS_NAMES, ports_text, protocol_name
from library.security_groups.exposure import Exposure
from library.security_groups.group import is_prefix_list
from library.source.location import DIFF_LINES, Kind, dispute_of, known_locations, source_lines
from library.source.service import maker_of, managed_by

_SOURCES_NAMED = 6


def revoke_commands(issue: Issue) -> list[str]:
    """A command of the AWS command line for each rule that exposes something, each on one line."""
    # A command for each rule: one of them that is gone already does not keep the others open.
    return [
        f"aws ec2 revoke-security-group-ingress {aws_options(issue)} --ip-permissions "
        f"{shlex.quote(json.dumps([exposed_permission(perm)]))}"
        for perm in _rules(issue.details.perms)
    ]


def _allow_commands(issue: Issue, sources: Sequence[str]) -> list[str]:
    """A command for each protocol and port range that opens it to what may be opened instead, each on one line."""
    instead = list(map(_named_source, sources))
    return [
        f"aws ec2 authorize-security-group-ingress {aws_options(issue)} --ip-permissions "
        f"{shlex.quote(json.dumps([_permission(perm, instead)]))}"
        for perm in _kinds(_rules(issue.details.perms))
    ]


def cli_commands(issue: Issue, sources: Sequence[str]) -> tuple[Block, ...]:
    """Commands of the AWS command line that open ports to `sources` first, and then revoke the exposing rules."""
    allow, revoke = (
        "\n".join(command.replace(" --ip-permissions", " \\\n  --ip-permissions") for command in commands)
        for commands in (_allow_commands(issue, sources), revoke_commands(issue))
    )
    return (
        paragraph(f"{open_first(sources)}:"),
        Code(allow),
        paragraph("Then take the rules away:"),
        Code(revoke),
    )


def delete_command(issue: Issue, fix_at: FixLocation | None) -> tuple[Block, ...]:
    """How to get rid of a group that nothing uses: in the place that defines it, else in EC2."""
    if fix_at is not None:
        return (paragraph(f"If nothing needs the group any more, remove it from {fix_at.where}."),)
    return (
        paragraph("If nothing needs the group any more, delete it:"),
        Code(f"aws ec2 delete-security-group {aws_options(issue)}"),
        # EC2 API Reference, DeleteSecurityGroup: DependencyViolation.
        paragraph(
            "EC2 refuses that while a rule of another group names this one. The groups to change first are what these "
            "print:"
        ),
        Code(
            "\n".join(
                f"aws ec2 describe-security-groups --region {shlex.quote(issue.details.region)} --filters "
                f"{shlex.quote(f'Name={name},Values={issue.issue_id}')} --query 'SecurityGroups[].GroupId'"
                for name in ("ip-permission.group-id", "egress.ip-permission.group-id")
            )
        ),
    )


def terraform_blocks(issue: Issue, sources: Sequence[str]) -> tuple[Block, ...]:
    """What to change where Terraform manages the group: in its inline blocks, or in rules that are resources."""
    kinds = _kinds(_rules(issue.details.perms))
    return (
        paragraph(
            "If Terraform manages the group, change it there, or the next apply opens it again. Use one of these "
            "two ways, the one that the group is written in already: with both, each apply undoes the other."
        ),
        paragraph(
            "If its rules are ingress blocks of aws_security_group, take the sources above out of these blocks. If "
            f"{named_sources(sources)} need the ports, write these blocks instead:"
        ),
        Code("\n\n".join(_ingress_block(perm, sources) for perm in kinds)),
        paragraph(
            "If each rule is a resource aws_vpc_security_group_ingress_rule, remove those of the sources above. If "
            f"{named_sources(sources)} need the ports, these open them to those:"
        ),
        Code("\n\n".join(text for perm in kinds for text in _ingress_rules(issue, perm, sources))),
    )


def named_sources(sources: Sequence[str]) -> str:
    """What is opened instead, by name; RFC 1918's ranges with what people call them.

    >>> named_sources(["10.9.0.0/16", "pl-0a"])
    '10.9.0.0/16, pl-0a'
    """
    kind = "the private networks " if tuple(sources) == RFC_1918 else ""
    return f"{kind}{and_more(sources, _SOURCES_NAMED)}"


def open_first(sources: Sequence[str]) -> str:
    """What comes before a group's rules are taken away, without the end of its sentence."""
    return f"If {named_sources(sources)} need these ports, open them to those first"


def _by_kind(sources: Iterable[str]) -> dict[str, list[str]]:
    """Sources by kind: `ipv4`, `ipv6`, `list`; kinds without any are left out."""
    found: dict[str, list[str]] = {}
    for source in sources:
        found.setdefault("list" if is_prefix_list(source) else "ipv6" if ":" in source else "ipv4", []).append(source)
    return found


_OF_A_BLOCK = {"ipv4": "cidr_blocks", "ipv6": "ipv6_cidr_blocks", "list": "prefix_list_ids"}
_OF_A_RULE = {"ipv4": "cidr_ipv4", "ipv6": "cidr_ipv6", "list": "prefix_list_id"}


def _ingress_block(perm: Exposure, sources: Sequence[str]) -> str:
    # A block must have ports; 0 stands for all where the protocol has none.
    first, last = (0, 0) if perm.from_port is None else (perm.from_port, perm.to_port)
    attributes = {"from_port": str(first), "to_port": str(last), "protocol": json.dumps(perm.protocol)}
    attributes |= {_OF_A_BLOCK[kind]: json.dumps(listed) for kind, listed in _by_kind(sources).items()}
    width = max(map(len, attributes))
    lines = (f"  {name.ljust(width)} = {value}\n" for name, value in attributes.items())
    return f"ingress {{\n{''.join(lines)}}}"


def _ingress_rules(issue: Issue, perm: Exposure, sources: Sequence[str]) -> Iterable[str]:
    """A resource for each kind of source."""
    by_kind = _by_kind(sources)
    for kind, listed in by_kind.items():
        yield _ingress_rule(issue, perm, kind if len(by_kind) > 1 else "", _OF_A_RULE[kind], listed)


def _ingress_rule(issue: Issue, perm: Exposure, kind: str, attribute: str, sources: Sequence[str]) -> str:
    protocol = protocol_cell(perm)
    # Terraform's names do not begin with a digit.
    name = f"protocol_{protocol}" if protocol.isdigit() else protocol
    label = f"{name}_{ports_cell(perm)}{f'_{kind}' if kind else ''}".replace("-", "_")
    ports = (
        f"  from_port         = {perm.from_port}\n  to_port           = {perm.to_port}\n"
        if perm.from_port is not None
        else ""
    )
    return (
        f'resource "aws_vpc_security_group_ingress_rule" "{label}" {{\n'
        f"  for_each          = toset({json.dumps(list(sources))})\n"
        f'  security_group_id = "{issue.issue_id}"\n'
        f'  ip_protocol       = "{perm.protocol}"\n'
        f"{ports}"
        f"  {attribute.ljust(17)} = each.value\n"
        "}"
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


def _named_source(source: str) -> tuple[str, dict[str, str]]:
    """A source as EC2 takes it: a CIDR or the id of a prefix list."""
    if is_prefix_list(source):
        return "PrefixListIds", {"PrefixListId": source}
    return ("Ipv6Ranges", {"CidrIpv6": source}) if ":" in source else ("IpRanges", {"CidrIp": source})


def exposed_permission(perm: Exposure) -> dict[str, Any]:
    """The rule of an exposure as EC2 writes it; of a prefix list's entry that of the list."""
    return _permission(perm, [_named_source(perm.prefix_list_id or perm.cidr)])


def _permission(perm: Exposure, sources: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": perm.protocol}
    if perm.from_port is not None and perm.to_port is not None:
        permission |= {"FromPort": perm.from_port, "ToPort": perm.to_port}
    for kind, source in sources:
        permission.setdefault(kind, []).append(source)
    return permission


@lru_cache(maxsize=1024)
def exposure_line(perm: Exposure) -> str:
    """One exposure on one line: how a ticket's item remembers what it was told. `shown_line` is for people.

    >>> exposure_line(Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"))
    'tcp 22 from 0.0.0.0/0, open completely'
    """
    through = f" through {perm.prefix_list_id}" if perm.prefix_list_id else ""
    return f"{_traffic(perm)} from {perm.cidr}{through}, {_openness(perm)}"


_NUMBERED = re.compile(r"(\d+) all(?= from )")


def shown_line(line: str) -> str:
    """A line of `exposure_line` as people read it: a protocol's number is called one.

    >>> shown_line("47 all from 0.0.0.0/0, open completely")
    'protocol 47 (GRE) from 0.0.0.0/0, open completely'
    """
    return _NUMBERED.sub(lambda found: numbered(found[1]), line, count=1) if line[:1].isdigit() else line


def exposure_table(perms: Iterable[Exposure]) -> Table:
    """A row for each rule and source."""
    return Table(
        ("Protocol", "Ports", "Source", "Share of the Internet", "Status"),
        tuple(
            (
                numbered(protocol_cell(perm)),
                ports_cell(perm),
                f"{perm.cidr} in {perm.prefix_list_id}" if perm.prefix_list_id else perm.cidr,
                share(perm.cidr),
                _openness(perm),
            )
            for perm in perms
        ),
    )


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
    count = (own.family(network.version) & public).size
    percent = 100 * (own.family(network.version) & internet).size / internet.size
    if percent >= 1:
        return f"{percent:.0f} % of IPv{network.version}"
    if count > 2**32:
        return f"less than 1 % of IPv{network.version}"
    return counted(count, "address", "addresses")


def protocol_cell(perm: Exposure) -> str:
    """A rule's protocol: its name or number, or `all`."""
    name = protocol_name(perm.protocol)
    return "all" if name == "-1" else name


def numbered(protocol: str) -> str:
    """A protocol for people: a number is called one, with its name where it has one.

    >>> numbered("tcp"), numbered("47"), numbered("253")
    ('tcp', 'protocol 47 (GRE)', 'protocol 253')
    """
    if not protocol.isdecimal():
        return protocol
    known = WITHOUT_PORTS_NAMES.get(int(protocol))
    return f"protocol {protocol} ({known})" if known else f"protocol {protocol}"


def ports_cell(perm: Exposure) -> str:
    """A rule's ports: one, a range, or `all`."""
    if perm.from_port is None or perm.to_port is None:
        return "all"
    return "all" if (perm.from_port, perm.to_port) == (0, HIGHEST_PORT) else ports_text(perm.from_port, perm.to_port)


def _traffic(perm: Exposure) -> str:
    return "all traffic" if protocol_cell(perm) == "all" else f"{protocol_cell(perm)} {ports_cell(perm)}"


def _openness(perm: Exposure) -> str:
    return perm.status.replace("_", " ")


_LINES_IN_ALERT, _ALERT_LINE = 6, 400


_WHERE_LIMIT, _ADVICE_LIMIT, _LOCATIONS_NAMED = 160, 320, 3
_OPENS_AGAIN = {
    Kind.CLOUDFORMATION: "change its template, or an update opens the group again",
    Kind.TERRAFORM: "the next apply opens again what is closed in EC2 alone",
    Kind.SERVICE: "it may open again what is closed in EC2 alone",
    Kind.OTHER: "its next deployment may open again what is closed in EC2 alone",
}
_TOOLS = {"Terraform": Kind.TERRAFORM, "Pulumi": Kind.OTHER, "Crossplane": Kind.OTHER}
"""Tools that the user agent of a call names, and whose code opens again what it says."""


@dataclass(frozen=True, slots=True)
class FixLocation:
    """Where a group's rules are changed so that they stay changed. Untrusted text.

    Attributes:
        where: the place, as the object of a sentence: `CloudFormation stack "web"`.
        fix: what to do there, in a sentence.
        is_terraform: whether it is Terraform's.
        is_partial: whether some of the rules have no known place.
    """

    where: str
    fix: str
    is_terraform: bool = False
    is_partial: bool = False

    @property
    def until(self) -> str:
        """What is to be known before a command that changes EC2 alone, without the end of its sentence."""
        return f"Commands change EC2 alone: they help until {self.where} opens the group again"


def fix_location(issue: Issue) -> FixLocation | None:
    """Where to fix an issue's group: where its rules are defined, else what its tags or name tell; None: not known."""
    maker = maker_of(issue.details.tags, issue.details.name, "")
    if maker is not None:
        where, advice = flattened(maker.location.where, _WHERE_LIMIT), flattened(maker.advice, _ADVICE_LIMIT)
        return FixLocation(where, f"Fix it in {where}, which made the group and may open it again: {advice}.")
    locations, is_partial = known_locations(issue)
    if locations:
        where = and_more([_named(kind, where) for kind, where in locations], _LOCATIONS_NAMED, "more places")
        again = "; ".join(dict.fromkeys(_OPENS_AGAIN[kind] for kind, _ in locations))
        is_terraform = any(kind is Kind.TERRAFORM for kind, _ in locations)
        return FixLocation(where, f"Fix it in {where}: {again}.", is_terraform, is_partial)
    stack = issue.details.tags.get("aws:cloudformation:stack-name", "")
    if stack:
        where = f'CloudFormation stack "{flattened(stack, _WHERE_LIMIT)}"'
        return FixLocation(where, f"Fix it in {where}: {_OPENS_AGAIN[Kind.CLOUDFORMATION]}.")
    # No tag names the tool's code; the call that opened the group does name the tool.
    tool = managed_by({}, issue.opened_by.user_agent if issue.opened_by is not None else "")
    if tool not in _TOOLS:
        return None
    again = _OPENS_AGAIN[_TOOLS[tool]]
    return FixLocation(tool, f"Fix it in the {tool} code that opened it: {again}.", is_terraform=tool == "Terraform")


def _named(kind: Kind, where: str) -> str:
    where = flattened(where, _WHERE_LIMIT)
    match kind:
        case Kind.CLOUDFORMATION:
            stack, _, resource = where.rpartition("/")
            return f'CloudFormation stack "{stack}", resource {resource}' if stack else f'CloudFormation, "{where}"'
        case Kind.TERRAFORM:
            return f"Terraform, {where}"
    return f"the code of {where}"


def source_sections(issue: Issue) -> tuple[Section, ...]:
    """The section of a new ticket; none where nobody knows."""
    lines = source_lines(issue)
    if not lines:
        return ()
    return (Section("Where it is defined", (Bullets(lines), *_change(issue))),)


def source_dispute(issue: Issue) -> tuple[Block, ...]:
    """What a comment on a group that is open again says of a dispute; nothing where there is none."""
    disputed = dispute_of(issue)
    if disputed is None:
        return ()
    return (paragraph(disputed.text), *_change(issue))


def source_alert_lines(issue: Issue) -> tuple[str, ...]:
    """What the thread of an alert says, as raw text: a dispute, where it is defined, whether it comes back."""
    disputed, lines = dispute_of(issue), source_lines(issue)
    if len(lines) > _LINES_IN_ALERT:
        more = f"{len(lines) - _LINES_IN_ALERT} more rules have a place."
        lines = (*lines[: _LINES_IN_ALERT - 1], more, lines[-1])
    said = (*([disputed.text] if disputed is not None else []), *lines)
    return tuple(cut_utf16(line, _ALERT_LINE) for line in said)


def _change(issue: Issue) -> tuple[Block, ...]:
    """The first lines of the diff, and the commands."""
    source = issue.source
    blocks: list[Block] = [paragraph(str(text)) for text in source.get("before_diff") or ()]
    diff = str(source.get("diff") or "")
    if diff:
        lines = diff.split("\n")[:DIFF_LINES]
        blocks.append(paragraph("The change that belongs there:"))
        blocks.append(Code("\n".join(diff_line(line) for line in lines).rstrip("\n")))
        more = int(source.get("diff_lines") or 0) - DIFF_LINES
        if more > 0:
            command = f"hammer source --group {shlex.quote(issue.issue_id)} --format diff"
            blocks.append(paragraph(f"It has {more} more lines; your security team can print them: {command}"))
    commands = [printable(str(command)) for command in source.get("commands") or () if _is_one_command(str(command))]
    if commands:
        blocks += [paragraph("The change of parameters that belongs there:"), Code("\n".join(commands))]
    return tuple(blocks)


def _is_one_command(text: str) -> bool:
    """Whether a stored text is one command of the AWS command line, with every word quoted: people paste it."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        return False
    return words[:1] == ["aws"] and shlex.join(words) == text


def diff_line(line: str) -> str:
    """A line of a diff with its tabs, and nothing that a reader's screen would obey."""
    return "\t".join(printable(part) for part in line.removesuffix("\r").split("\t"))

"""How an owner closes a group: with the AWS command line, or with Terraform.

Pure. Commands hold nothing that came from an account but ids, CIDRs and port numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from library.documents.document import Block, Code, paragraph
from library.issues.issue import Issue
from library.network.addresses import RFC_1918
from library.security_groups.exposure import Exposure
from reporting.exposure_text import ports_cell, protocol_cell


def command_line(issue: Issue) -> tuple[Block, ...]:
    """Commands of the AWS command line that revoke the rules of a group's exposures."""
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


def delete(issue: Issue) -> tuple[Block, ...]:
    """How to get rid of a group that nothing uses."""
    return (
        paragraph("Nothing uses the group. If nothing needs it any more, delete it; else narrow its sources:"),
        Code(f"aws ec2 delete-security-group --region {issue.details.region} --group-id {issue.issue_id}"),
    )


def terraform(issue: Issue) -> tuple[Block, ...]:
    """What to change where Terraform manages the group: in its inline blocks, or in rules that are resources."""
    kinds = _kinds(_rules(issue.details.perms))
    return (
        paragraph(
            "Where Terraform manages the group, change it there, or the next apply opens it again. Use one of these "
            "two ways, the one that the group is written in already: with both, each apply undoes the other."
        ),
        paragraph(
            "If its rules are `ingress` blocks of aws_security_group, take the sources above out of these blocks. If "
            "private networks need the ports, write these blocks instead:"
        ),
        Code("\n\n".join(map(_ingress_block, kinds))),
        paragraph(
            "If each rule is a resource aws_vpc_security_group_ingress_rule, remove those of the sources above. If "
            "private networks need the ports, these open them to those:"
        ),
        Code("\n\n".join(_ingress_rule(issue, perm) for perm in kinds)),
    )


def _ingress_block(perm: Exposure) -> str:
    # A block must have ports; 0 stands for all where the protocol has none.
    first, last = (0, 0) if perm.from_port is None else (perm.from_port, perm.to_port)
    return (
        "ingress {\n"
        f"  from_port   = {first}\n"
        f"  to_port     = {last}\n"
        f'  protocol    = "{perm.protocol}"\n'
        f"  cidr_blocks = {json.dumps(list(RFC_1918))}\n"
        "}"
    )


def _ingress_rule(issue: Issue, perm: Exposure) -> str:
    protocol = protocol_cell(perm)
    # Terraform's names do not begin with a digit.
    name = f"protocol_{protocol}" if protocol.isdigit() else protocol
    label = f"{name}_{ports_cell(perm)}".replace("-", "_")
    ports = (
        f"  from_port         = {perm.from_port}\n  to_port           = {perm.to_port}\n"
        if perm.from_port is not None
        else ""
    )
    return (
        f'resource "aws_vpc_security_group_ingress_rule" "{label}" {{\n'
        f"  for_each          = toset({json.dumps(list(RFC_1918))})\n"
        f'  security_group_id = "{issue.issue_id}"\n'
        f'  ip_protocol       = "{perm.protocol}"\n'
        f"{ports}"
        "  cidr_ipv4         = each.value\n"
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

"""DescribeSecurityGroups' answers as EC2 writes them, from groups as dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_NAMES = {
    "GroupId": "groupId",
    "GroupName": "groupName",
    "Description": "groupDescription",
    "VpcId": "vpcId",
    "OwnerId": "ownerId",
}


def answer(*groups: str, token: str = "", root: str = f'DescribeSecurityGroupsResponse xmlns="{NAMESPACE}"') -> bytes:
    """An answer with these groups, each an `<item>`."""
    more = f"<nextToken>{token}</nextToken>" if token else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}><requestId>r-1</requestId>'
        f"<securityGroupInfo>{''.join(groups)}</securityGroupInfo>{more}</{root.partition(' ')[0]}>"
    ).encode()


def group(described: Mapping[str, Any]) -> str:
    """A group as an `<item>`."""
    texts = "".join(_leaf(_NAMES[key], value) for key, value in described.items() if key in _NAMES)
    tags = "".join(
        f"<item>{_leaf('key', tag['Key'])}{_leaf('value', tag.get('Value', ''))}</item>"
        for tag in described.get("Tags", ())
    )
    rules = "".join(map(permission, described.get("IpPermissions", ())))
    return (
        f"<item>{texts}<ipPermissions>{rules}</ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol>"
        f"<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>"
        f"<tagSet>{tags}</tagSet></item>"
    )


def permission(described: Mapping[str, Any]) -> str:
    """A permission as an `<item>`."""
    parts = [
        _leaf(name, described[key])
        for key, name in (("IpProtocol", "ipProtocol"), ("FromPort", "fromPort"), ("ToPort", "toPort"))
        if key in described
    ]
    for key, name in (
        ("UserIdGroupPairs", "groups"),
        ("IpRanges", "ipRanges"),
        ("Ipv6Ranges", "ipv6Ranges"),
        ("PrefixListIds", "prefixListIds"),
    ):
        parts.append(f"<{name}>{_items(described.get(key, ()))}</{name}>")
    return f"<item>{''.join(parts)}</item>"


def _items(sources: Iterable[Mapping[str, str]]) -> str:
    return "".join(
        "<item>" + "".join(_leaf(key[0].lower() + key[1:], text) for key, text in source.items()) + "</item>"
        for source in sources
    )


def _leaf(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"

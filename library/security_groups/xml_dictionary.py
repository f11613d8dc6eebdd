"""A security group's XML as the dictionary that botocore would make of it.

Pure. For groups that do not look as EC2 writes them (`library.security_groups.xml_answer`). What botocore would drop is
kept as `<name>`, so that `parse_permission` finds a part that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from xml.etree.ElementTree import Element

_Shape = Mapping[str, tuple[str, Any]]

_RANGE = {"description": ("Description", None), "cidrIp": ("CidrIp", None)}
_RANGE_V6 = {"description": ("Description", None), "cidrIpv6": ("CidrIpv6", None)}
_LISTED = {"description": ("Description", None), "prefixListId": ("PrefixListId", None)}
_PAIR = {
    "description": ("Description", None),
    "userId": ("UserId", None),
    "groupName": ("GroupName", None),
    "groupId": ("GroupId", None),
    "vpcId": ("VpcId", None),
    "vpcPeeringConnectionId": ("VpcPeeringConnectionId", None),
    "peeringStatus": ("PeeringStatus", None),
}
_PERMISSION = {
    "ipProtocol": ("IpProtocol", None),
    "fromPort": ("FromPort", None),
    "toPort": ("ToPort", None),
    "groups": ("UserIdGroupPairs", _PAIR),
    "ipRanges": ("IpRanges", _RANGE),
    "ipv6Ranges": ("Ipv6Ranges", _RANGE_V6),
    "prefixListIds": ("PrefixListIds", _LISTED),
}
_GROUP = {
    "groupId": ("GroupId", None),
    "tagSet": ("Tags", {"key": ("Key", None), "value": ("Value", None)}),
    "vpcId": ("VpcId", None),
    "ownerId": ("OwnerId", None),
    "groupName": ("GroupName", None),
    "groupDescription": ("Description", None),
    "ipPermissions": ("IpPermissions", _PERMISSION),
}


def described(group: Element, names: Mapping[str, str]) -> dict[str, Any]:
    """An element of `securityGroupInfo` as a dictionary, for `parse_security_group`.

    Args:
        group: the element.
        names: the names of its elements without their namespaces.
    """
    return _structure(group, names, _GROUP)


def _structure(element: Element, names: Mapping[str, str], shape: _Shape) -> dict[str, Any]:
    """A structure as a dictionary, in the order of botocore's model.

    What is there twice, or has elements within a text, becomes a list where a text is due, and a text where a
    dictionary is due: nothing that anybody takes for understood.
    """
    parts: dict[str, list[Element]] = {}
    for part in element:
        parts.setdefault(names[part.tag], []).append(part)
    found: dict[str, Any] = {}
    for name, (key, item_shape) in shape.items():
        if name not in parts:
            continue
        if item_shape is None:
            found[key] = _leaf(parts[name], names)
            continue
        items = [item for part in parts[name] for item in part]
        found[key] = [_structure(item, names, item_shape) for item in items]
        found[key] += [f"<{names[item.tag]}>" for item in items if names[item.tag] != "item"]
        found[key] += [f"<{name}> twice" for _ in parts[name][1:]]
    return found | {f"<{name}>": "" for name in parts if name not in shape}


def _leaf(parts: list[Element], names: Mapping[str, str]) -> Any:
    (leaf, *more) = parts
    text = leaf.text or ""
    if more or len(leaf):
        return [part.text or "" for part in parts] + [f"<{names[part.tag]}>" for part in leaf]
    if names[leaf.tag] in ("fromPort", "toPort"):
        with suppress(ValueError):
            return int(text)
    return text

"""DescribeSecurityGroups' answer, read from its XML straight to values.

Pure. botocore makes dictionaries of an answer, most of which a scan never looks at, and drops what its model does not
know. This reader makes `SecurityGroup`s at a fraction of that cost. It drops nothing of a rule: an element that it
does not know makes the rule not understood (`SecurityGroup.unreadable`).

`library.security_groups.group` alone decides what is understood. A group that looks as EC2 writes it is read here
directly; of one that differs in any way `parse_security_group` reads the dictionary that botocore would make of it, and
what botocore would drop with it (`library.security_groups.xml_dictionary`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, XMLParser, tostring

from library.security_groups.group import (
    GroupPage,
    IngressRule,
    SecurityGroup,
    ShapeError,
    parse_security_group,
    port_range,
)
from library.security_groups.xml_dictionary import described

_ROOT = "DescribeSecurityGroupsResponse"
_GROUPS = "securityGroupInfo"


class Answer(NamedTuple):
    """One page.

    Attributes:
        page: its groups.
        rest: the answer without them, as XML: what is left for botocore to read, the next page's token among it.
    """

    page: GroupPage
    rest: bytes


def read_answer(body: bytes) -> Answer | None:
    """Read one answer, or None if it is not the XML of DescribeSecurityGroups: a proxy's page, or one cut short."""
    # As botocore reads answers, whatever encoding they declare. Expat itself refuses entities that multiply (2.4.1 on).
    parser = XMLParser(encoding="utf-8")  # noqa: S314
    try:
        parser.feed(body)
        root = parser.close()
    except ParseError:
        return None
    names = _Names()
    plain = _PlainReader(names)
    holders = [part for part in root if names[part.tag] == _GROUPS]
    if names[root.tag] != _ROOT or len(holders) != 1:
        return None
    groups: list[SecurityGroup] = []
    nameless: list[str] = []
    for element in holders[0]:
        try:
            groups.append(plain.group(element) or parse_security_group(described(element, names)))
        except ShapeError as error:
            nameless.append(str(error))
        element.clear()  # the values take its place: together they would be the peak of a scan's memory
    root.remove(holders[0])
    return Answer(GroupPage(tuple(groups), tuple(nameless)), tostring(root))


class _Names(dict[str, str]):
    """The names of elements without their namespaces, which botocore ignores too."""

    def __missing__(self, tag: str) -> str:
        self[tag] = name = tag.rpartition("}")[2]
        return name


class _NotPlainError(Exception):
    """The group does not look as EC2 writes groups."""


class _Source(NamedTuple):
    """A kind of source: the list, the element in its items that is the source, and what else may be beside that."""

    listed: str
    element: str
    known: frozenset[str]


# In the order of `parse_permission`, which is that of the rules.
_CIDR = _Source("ipRanges", "cidrIp", frozenset({"description"}))
_CIDR_V6 = _Source("ipv6Ranges", "cidrIpv6", frozenset({"description"}))
_PREFIX_LIST = _Source("prefixListIds", "prefixListId", frozenset({"description"}))
_GROUP_PAIR = _Source(
    "groups",
    "groupId",
    frozenset({"description", "userId", "groupName", "vpcId", "vpcPeeringConnectionId", "peeringStatus"}),
)
_SOURCES = (_CIDR, _CIDR_V6, _PREFIX_LIST, _GROUP_PAIR)
_TRAFFIC = ({"ipProtocol"}, {"ipProtocol", "fromPort", "toPort"})


class _PlainReader:
    """Reads groups as EC2 writes them, from one answer.

    The same few elements in the same order make up nearly every rule. What such a layout means is found out once.
    """

    def __init__(self, names: _Names) -> None:
        self._names = names
        self._permissions: dict[tuple[str, ...], tuple[list[int], list[tuple[int, _Source]]] | None] = {}
        self._items: dict[tuple[str, ...], tuple[int, int | None] | None] = {}

    def group(self, element: Element) -> SecurityGroup | None:
        """Read a group, or None if it differs in any way."""
        try:
            return self._group(element)
        except _NotPlainError:
            return None

    def _group(self, element: Element) -> SecurityGroup:
        parts = self._parts(element)
        group_id = _text(parts.get("groupId"))
        if not group_id:
            raise _NotPlainError
        tags: dict[str, str] = {}
        for item in parts.get("tagSet", ()):
            tag = self._parts(item)
            if "key" not in tag:
                raise _NotPlainError
            tags[_text(tag["key"])] = _text(tag.get("value"))
        rules: list[IngressRule] = []
        for permission in parts.get("ipPermissions", ()):
            self._add_rules(permission, rules)
        return SecurityGroup(
            group_id=group_id,
            name=_text(parts.get("groupName")),
            vpc_id=_text(parts.get("vpcId")),
            description=_text(parts.get("groupDescription")),
            tags=tags,
            ingress=tuple(rules),
            owner_id=_text(parts.get("ownerId")),
        )

    def _parts(self, element: Element) -> dict[str, Element]:
        parts = {self._names[part.tag]: part for part in element}
        if len(parts) != len(element):  # one of them is there twice
            raise _NotPlainError
        return parts

    def _add_rules(self, permission: Element, rules: list[IngressRule]) -> None:
        tags = (permission.tag, *[part.tag for part in permission])
        try:
            layout = self._permissions[tags]
        except KeyError:
            layout = self._permissions[tags] = self._permission_layout(tags)
        if layout is None:
            raise _NotPlainError
        leaves = [permission[index] for index in layout[0]]
        ports = None if any(map(len, leaves)) else _plain_ports(*[leaf.text for leaf in leaves])
        if ports is None:
            raise _NotPlainError
        protocol, from_port, to_port = ports
        before = len(rules)
        for index, source in layout[1]:
            for item in permission[index]:
                place, description = self._item(item, source)
                is_cidr = source is _CIDR or source is _CIDR_V6
                cidr, prefix_list_id = place if is_cidr else "", place if source is _PREFIX_LIST else ""
                group_id = place if source is _GROUP_PAIR else ""
                rules.append(IngressRule(protocol, from_port, to_port, cidr, prefix_list_id, group_id, description))
        if len(rules) == before:
            raise _NotPlainError

    def _item(self, item: Element, source: _Source) -> tuple[str, str]:
        """The source that an item of a list names, and its description."""
        key = (source.listed, item.tag, *[leaf.tag for leaf in item])
        try:
            layout = self._items[key]
        except KeyError:
            layout = self._items[key] = self._item_layout(source, key[1:])
        if layout is None or any(map(len, item)):
            raise _NotPlainError
        place, description = item[layout[0]].text, "" if layout[1] is None else item[layout[1]].text
        if not place:
            raise _NotPlainError
        return place, description or ""

    def _permission_layout(self, tags: tuple[str, ...]) -> tuple[list[int], list[tuple[int, _Source]]] | None:
        """Where in a permission are protocol and ports, and where its sources, if it is a plain one."""
        item, *parts = [self._names[tag] for tag in tags]
        sources = [(parts.index(source.listed), source) for source in _SOURCES if source.listed in parts]
        traffic = [name for name in ("ipProtocol", "fromPort", "toPort") if name in parts]
        if item != "item" or set(traffic) not in _TRAFFIC or len(parts) != len(traffic) + len(sources):
            return None
        return [parts.index(name) for name in traffic], sources

    def _item_layout(self, source: _Source, tags: tuple[str, ...]) -> tuple[int, int | None] | None:
        """Where in an item of a list are the source and, if there is one, its description, if it is a plain one."""
        item, *leaves = [self._names[tag] for tag in tags]
        others = set(leaves) - {source.element}
        if (
            item != "item"
            or source.element not in leaves
            or not others <= source.known
            or len(others) != len(leaves) - 1
        ):
            return None
        return leaves.index(source.element), leaves.index("description") if "description" in leaves else None


@lru_cache(maxsize=4096)
def _plain_ports(protocol: str | None, *ports: str | None) -> tuple[str, int | None, int | None] | None:
    """A protocol and its ports, or None where they are not understood. A region's rules repeat a few of them."""
    if not protocol:
        return None
    try:
        first, last = map(_number, ports) if ports else (None, None)
        return protocol, *port_range(protocol, first, last)
    except ValueError:
        return None


def _number(text: str | None) -> int:
    return int(text or "")


def _text(leaf: Element | None) -> str:
    if leaf is None:
        return ""
    if len(leaf):
        raise _NotPlainError
    return leaf.text or ""

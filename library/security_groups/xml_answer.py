"""DescribeSecurityGroups' answer, read from its XML straight to values.

Pure. botocore makes dictionaries of an answer, most of which a scan never looks at, and drops what its model does not
know. This reader makes `SecurityGroup`s at a fraction of that cost. It drops nothing of a rule: an element that it
does not know makes the rule not understood (`SecurityGroup.unreadable`).

`library.security_groups.group` alone decides what is understood. What looks as EC2 writes it is read from its text
(`library.security_groups.plain_answer`). Of a group that differs in any way `parse_security_group` reads the dictionary
that botocore would make of it, and what botocore would drop with it (`library.security_groups.xml_dictionary`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, XMLParser, tostring

from library.security_groups.group import GroupPage, SecurityGroup, ShapeError, parse_security_group
from library.security_groups.plain_answer import NotPlainError, read_plain_answer
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
    try:
        plain = read_plain_answer(body)
    except NotPlainError:
        return _read_tree(body)
    return Answer(_page(plain.groups), plain.rest.encode())


def _read_tree(body: bytes) -> Answer | None:
    try:
        root = _tree(body)
    except ParseError:
        return None
    names = _Names()
    holders = [part for part in root if names[part.tag] == _GROUPS]
    if names[root.tag] != _ROOT or len(holders) != 1:
        return None
    root.remove(holders[0])
    return Answer(_page(holders[0]), tostring(root))


def _tree(xml: bytes | str) -> Element:
    # As botocore reads answers, whatever encoding they declare. Expat itself refuses entities that multiply (2.4.1 on).
    parser = XMLParser(encoding="utf-8")  # noqa: S314
    parser.feed(xml)
    return parser.close()


def _page(read: Iterable[SecurityGroup | str | Element]) -> GroupPage:
    """A page of groups, some of which are XML still."""
    names = _Names()
    groups: list[SecurityGroup] = []
    nameless: list[str] = []
    for one in read:
        if isinstance(one, SecurityGroup):
            groups.append(one)
            continue
        element = _tree(one) if isinstance(one, str) else one
        try:
            groups.append(parse_security_group(described(element, names)))
        except ShapeError as error:
            nameless.append(str(error))
        element.clear()  # the values take its place: together they would be the peak of a scan's memory
    return GroupPage(tuple(groups), tuple(nameless))


class _Names(dict[str, str]):
    """The names of elements without their namespaces, which botocore ignores too."""

    def __missing__(self, tag: str) -> str:
        self[tag] = name = tag.rpartition("}")[2]
        return name

"""DescribeSecurityGroups' answer as EC2 writes it, read from its text straight to values.

Pure. botocore makes dictionaries of an answer, most of which a scan never looks at: a page of 1,000 groups is a hundred
thousand objects, and reading it here costs a fifth (`make bench`). Expat checks that the answer is well-formed, and
regular expressions take the values out of the text.

That is exact, because it is applied to little of what XML may be. In a well-formed text without comments, CDATA,
processing instructions and document types every `<` begins a tag, and a tag `<name>` has no attributes. Each
expression stands for whole elements and is matched where the one before ended, so that nothing in between is passed
over. An answer that is written in any other way is not read here: botocore reads it, which drops what its model does
not know. So `unknown_rule_parts` names what a rule has that neither of them knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from sys import intern
from typing import NamedTuple
from xml.parsers.expat import ExpatError, ParserCreate

from library.errors import HammerError
from library.security_groups.group import GroupPage, IngressRule, SecurityGroup, checked_ports


class Answer(NamedTuple):
    """One page, and the rest of its answer, as XML: what botocore is to read, the next page's token among it."""

    page: GroupPage
    rest: bytes


class _NotPlainError(HammerError):
    """The text is not as EC2 writes it."""


def read_answer(body: bytes) -> Answer | None:
    """Read one answer; None: it is not as EC2 writes it, is no such answer, or is not even XML."""
    try:
        return _read(body)
    except _NotPlainError:
        return None


def unknown_rule_parts(body: bytes) -> tuple[str, ...]:
    """The names of elements within the ingress rules of an answer that no rule is known to have, sorted."""
    names = {name for rules in _RULES_OF_A_GROUP.findall(body) for name in _NAME.findall(rules)}
    return tuple(sorted(name.decode("ascii", "replace") for name in names - _KNOWN_IN_RULES))


_RULES_OF_A_GROUP = re.compile(rb"<(?:\w+:)?ipPermissions>(.*?)</(?:\w+:)?ipPermissions>", re.DOTALL)
_NAME = re.compile(rb"<(?:\w+:)?(\w+)")
_KNOWN_IN_RULES = frozenset(
    b"item ipProtocol fromPort toPort groups ipRanges ipv6Ranges prefixListIds description cidrIp cidrIpv6 "
    b"prefixListId userId groupName groupId vpcId vpcPeeringConnectionId peeringStatus".split()
)


def _read(body: bytes) -> Answer:
    try:
        # In namespaces, so that a prefix without one is refused here, too.
        ParserCreate("utf-8", "}").Parse(body, True)
        text = body.decode()
    except (ExpatError, UnicodeDecodeError) as error:
        raise _NotPlainError(str(error)) from error
    head = _HEAD.match(text)
    if head is None or "<!" in text or text.rfind("<?") > 0 or "\r" in text:
        raise _NotPlainError("not as EC2 writes it")
    groups, pos = [], head.end()
    while begun := _ITEM_BEGINS.match(text, pos):
        group, pos = _read_group(text, begun.end())
        groups.append(group)
    if not _TAIL.match(text, pos):
        raise _NotPlainError("not as EC2 writes it")
    rest = text[: head.end(1)] + text[pos + len(_GROUPS_END) :]
    return Answer(GroupPage(tuple(groups), ()), rest.encode())


_S = r"[ \t\n]*+"  # what may be between elements
_LEAF = rf"(?:<\w++>[^<]*+</\w++>|<\w++/>){_S}"
_NAMED_LEAF = re.compile(rf"<(\w++)(?:>([^<]*+)</\w++>|/>){_S}")
_SPACE = re.compile(_S)
_TEXTS = frozenset({"groupId", "groupName", "vpcId", "groupDescription", "ownerId"})
_ITEM_BEGINS = re.compile(rf"<item>{_S}")
_ITEM_ENDS = re.compile(rf"</item>{_S}")
_GROUPS_END = "</securityGroupInfo>"
_HEAD = re.compile(
    r"((?:<\?xml [^<>?]*+\?>)?"
    rf"{_S}<DescribeSecurityGroupsResponse(?: xmlns=\"[^<\"]*+\")?>{_S}(?:{_LEAF})*+)<securityGroupInfo>{_S}"
)
_TAIL = re.compile(rf"{_GROUPS_END}{_S}(?:{_LEAF})*+</DescribeSecurityGroupsResponse>{_S}\Z")
_ELEMENT_BEGINS = re.compile(rf"<(\w++)>{_S}")
# The last alternative of these matches what the others do not, so that nothing is passed over.
_TAGS = re.compile(
    rf"<item>{_S}<key>([^<]*+)</key>{_S}(?:<value>([^<]*+)</value>|<value/>)?+{_S}</item>{_S}|([\s\S]++)"
)
_DESCRIPTION = rf"(?:<description>([^<]*+)</description>|<description/>){_S}"
# EC2 writes the description after the source, emulators before it.
_RANGES, _RANGES_V6, _PREFIX_LISTS = (
    re.compile(
        rf"<item>{_S}({_DESCRIPTION})?+<{source}>([^<]++)</{source}>{_S}(?(1)|(?:{_DESCRIPTION})?+)</item>{_S}|([\s\S]++)"
    )
    for source in ("cidrIp", "cidrIpv6", "prefixListId")
)
_PAIRS = re.compile(rf"<item>{_S}((?:{_LEAF})++)</item>{_S}|([\s\S]++)")
_KNOWN_OF_A_PAIR = {"description", "userId", "groupName", "groupId", "vpcId", "vpcPeeringConnectionId", "peeringStatus"}


def _listed(name: str) -> str:
    """A list, whose items are one match together."""
    return rf"(?:(?:<{name}/>|<{name}>{_S}((?:<item>{_S}(?:{_LEAF})++</item>{_S})*+)</{name}>){_S})?+"


_PERMISSIONS = re.compile(
    rf"<item>{_S}<ipProtocol>([^<]++)</ipProtocol>{_S}"
    rf"(?:<fromPort>([^<]++)</fromPort>{_S}<toPort>([^<]++)</toPort>{_S})?+"
    rf"{_listed('groups')}{_listed('ipRanges')}{_listed('ipv6Ranges')}{_listed('prefixListIds')}</item>{_S}|([\s\S]++)"
)


def _read_group(text: str, pos: int) -> tuple[SecurityGroup, int]:
    """Read the group whose first part is at `pos`. Returns it, and where it ends."""
    texts: dict[str, str] = {}
    lists: dict[str, str] = {}
    parts = 0
    while not (ended := _ITEM_ENDS.match(text, pos)):
        parts += 1
        if leaf := _NAMED_LEAF.match(text, pos):
            texts[leaf[1]] = leaf[2] or ""
            pos = leaf.end()
        else:
            name, inside, pos = _nested(text, pos)
            lists[name] = inside
    if len(texts) + len(lists) != parts:  # one of them is there twice
        raise _NotPlainError("not as EC2 writes it")
    return _group(texts, lists), ended.end()


def _nested(text: str, pos: int) -> tuple[str, str, int]:
    """An element that holds others: its name, what is in it, and where the next one begins."""
    begun = _ELEMENT_BEGINS.match(text, pos)
    if not begun:
        raise _NotPlainError("not as EC2 writes it")
    name = begun[1]
    end = text.find(f"</{name}>", begun.end())
    # The first end is this one's, unless an element of the same name begins in between.
    if end < 0 or text.find(f"<{name}", begun.end(), end) >= 0:
        raise _NotPlainError("not as EC2 writes it")
    after = _SPACE.match(text, end + len(name) + 3)
    return name, text[begun.end() : end], after.end() if after else end


def _group(texts: dict[str, str], lists: dict[str, str]) -> SecurityGroup:
    if not texts.get("groupId") or not _TEXTS.isdisjoint(lists) or not texts.keys().isdisjoint(lists):
        raise _NotPlainError("not as EC2 writes it")
    tags: dict[str, str] = {}
    for key, value, unusual in _TAGS.findall(lists.get("tagSet", "")):
        if unusual:
            raise _NotPlainError("not as EC2 writes it")
        tags[intern(_unescaped(key))] = _unescaped(value)  # intern: the groups of a region share a few
    return SecurityGroup(
        group_id=_unescaped(texts["groupId"]),
        name=_unescaped(texts.get("groupName", "")),
        vpc_id=intern(_unescaped(texts.get("vpcId", ""))),
        description=_unescaped(texts.get("groupDescription", "")),
        tags=tags,
        ingress=tuple(_rules(lists["ipPermissions"])) if "ipPermissions" in lists else (),
        owner_id=_unescaped(texts.get("ownerId", "")),
    )


def _rules(permissions: str) -> list[IngressRule]:
    """The rules of a group, one for each source."""
    rules: list[IngressRule] = []
    for protocol, first, last, pairs, ranges, ranges_v6, prefix_lists, unusual in _PERMISSIONS.findall(permissions):
        traffic = None if unusual else _traffic(protocol, first, last)
        if traffic is None or not (ranges or pairs or ranges_v6 or prefix_lists):
            raise _NotPlainError("not as EC2 writes it")
        # In the order of `library.security_groups.group.parse_permission`.
        for items, listed in (
            (_RANGES, ranges),
            (_RANGES_V6, ranges_v6),
            (_PREFIX_LISTS, prefix_lists),
        ):
            for _, before, source, after, unusual in items.findall(listed) if listed else ():
                if unusual or "&" in source:
                    raise _NotPlainError("not as EC2 writes it")
                cidr, prefix_list_id = ("", source) if items is _PREFIX_LISTS else (source, "")
                rules.append(IngressRule(*traffic, cidr, prefix_list_id, "", _unescaped(before or after)))
        rules += [IngressRule(*traffic, "", "", group_id, text) for group_id, text in _pairs(pairs)]
    return rules


def _pairs(listed: str) -> Iterator[tuple[str, str]]:
    """The groups that are sources, each with its description."""
    for item, unusual in _PAIRS.findall(listed) if listed else ():
        leaves = _NAMED_LEAF.findall(item)
        parts = dict(leaves)
        if (
            unusual
            or len(parts) != len(leaves)
            or not parts.keys() <= _KNOWN_OF_A_PAIR
            or not parts.get("groupId")
            or "&" in parts["groupId"]
        ):
            raise _NotPlainError("not as EC2 writes it")
        yield parts["groupId"], _unescaped(parts.get("description", ""))


@lru_cache(maxsize=4096)
def _traffic(protocol: str, *ports: str) -> tuple[str, int | None, int | None] | None:
    """A protocol and its ports, or None where they are not understood. A region's rules repeat a few of them."""
    if "&" in protocol:
        return None
    try:
        first, last = map(int, ports) if any(ports) else (None, None)
        return protocol, *checked_ports(protocol, first, last)
    except ValueError:
        return None


_ESCAPES = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(\w+));")
_NAMED_ESCAPES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def _unescaped(text: str) -> str:
    """A text with its escapes resolved. There are no others in an answer without a document type."""
    return _ESCAPES.sub(_character, text) if "&" in text else text


def _character(escape: re.Match[str]) -> str:
    in_hex, decimal, name = escape.groups()
    return _NAMED_ESCAPES[name] if name else chr(int(in_hex, 16) if in_hex else int(decimal))

"""A call of an API as CloudTrail records it and EventBridge brings it: which it was, who made it, and what it opened.

Pure. CloudTrail writes one call in several shapes: a list as `{"items": [...]}`, one member in place of a list, names
of parameters that begin with capitals, numbers as text. The readers here take all of them. The shapes, and where they
were seen, are in `tests/data/cloudtrail-events.json`. Every text in a record is untrusted input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from identification.errors import MalformedEventError
from library.documents.text import shortened
from library.issues.opening_calls import OpenedBy, OpenedRule, OpeningCall
from library.issues.times import stored_time
from library.security_groups.group import ShapeError, checked_ports

TEXT_LIMIT = 512
"""Characters of each text that travels with a hint. CloudTrail itself cuts user agents at 1 KB."""

_EC2 = "ec2.amazonaws.com"
_PREFIX_LIST_ID = re.compile(r"pl-[0-9A-Za-z]{1,60}")
_RULES_LIMIT = 1000  # of one call: a group has 60 rules, and 1,000 at most (Amazon VPC User Guide, "Quotas")

GROUP_CALLS = frozenset(
    {
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress",
        "ModifySecurityGroupRules",
        "CreateSecurityGroup",
        "DeleteSecurityGroup",
    }
)
PREFIX_LIST_CALLS = frozenset({"ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"})
INTERFACE_CALLS = frozenset(
    {
        "AssignIpv6Addresses",
        "AttachNetworkInterface",
        "CreateNetworkInterface",
        "ModifyInstanceAttribute",
        "ModifyNetworkInterfaceAttribute",
        "RunInstances",
        "StartInstances",
    }
)
"""Calls that only touch network interfaces. Accounts with containers make thousands of them a day."""
REACHABILITY_CALLS = INTERFACE_CALLS | {
    "AssociateAddress",
    "AssociateRouteTable",
    "AssociateSecurityGroupVpc",
    "AttachInternetGateway",
    "CreateNetworkAclEntry",
    "CreateRoute",
    "CreateVpcBlockPublicAccessExclusion",
    "DeleteNetworkAclEntry",
    "DeleteRoute",
    "DeleteVpcBlockPublicAccessExclusion",
    "DisassociateAddress",
    "ModifyVpcBlockPublicAccessExclusion",
    "ModifyVpcBlockPublicAccessOptions",
    "ReplaceNetworkAclAssociation",
    "ReplaceNetworkAclEntry",
    "ReplaceRoute",
    "ReplaceRouteTableAssociation",
}
"""Calls that change who can reach groups."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of an API, as CloudTrail recorded it.

    Attributes:
        account_id: the event's own account, also where another bus or a service brought it.
        region: the event's own region.
        name: the operation.
        detail: CloudTrail's record. Every text in it is untrusted input.
    """

    account_id: str
    region: str
    name: str
    detail: Mapping[str, Any]

    @property
    def is_relevant(self) -> bool:
        """Whether it changed groups, or who can reach them. A call that failed changed nothing."""
        if value_of(self.detail, "eventSource") not in (_EC2, None) or value_of(self.detail, "errorCode"):
            return False
        return self.name in GROUP_CALLS | PREFIX_LIST_CALLS | REACHABILITY_CALLS


def parse_call(event: object) -> ApiCall:
    """Read an event of EventBridge.

    Raises:
        MalformedEventError: it is no record of CloudTrail with an account, a region and an operation.
    """
    detail = event.get("detail") if isinstance(event, Mapping) else None
    if not isinstance(event, Mapping) or not isinstance(detail, Mapping):
        raise MalformedEventError(f"not an event of CloudTrail: {event!r:.500}")
    account_id, region, name = event.get("account"), event.get("region"), detail.get("eventName")
    if not isinstance(account_id, str) or not re.fullmatch(r"[0-9]{12}", account_id):
        raise MalformedEventError(f"an event without an account: {event!r:.500}")
    if not isinstance(region, str) or not re.fullmatch(r"[a-z]{2,}(-[a-z0-9]+)+", region):
        raise MalformedEventError(f"an event without a region: {event!r:.500}")
    if not isinstance(name, str) or not name:
        raise MalformedEventError(f"an event without the name of a call: {event!r:.500}")
    return ApiCall(account_id, region, name, detail)


@dataclass(frozen=True, slots=True)
class OwnRoles:
    """Hammer's own roles, which are never named as those who opened a group.

    Attributes:
        in_every_account: the names of the roles that Hammer assumes.
        main_account_id: where its host runs.
        in_main: the name of the host's role.
    """

    in_every_account: frozenset[str]
    main_account_id: str
    in_main: str

    def include(self, account_id: str, role_name: str) -> bool:
        """Whether this is one of them."""
        if role_name in self.in_every_account:
            return True
        return bool(role_name) and (account_id, role_name) == (self.main_account_id, self.in_main)


def opening_of(call: ApiCall, own: OwnRoles) -> OpeningCall | None:
    """What a call added, and who made it; None: it added nothing, its time is none, or Hammer itself made it."""
    request = request_of(call)
    rules = tuple(dict.fromkeys(_added(call, request)))[:_RULES_LIMIT]
    identity = map_of(value_of(call.detail, "userIdentity"))
    if not rules or own.include(*_issuer(identity)):
        return None
    time = time_of(call)
    if time is None:
        return None
    by = OpenedBy(
        principal=shown(text_of(identity, "arn") or text_of(identity, "invokedBy")),
        source_ip=shown(text_of(call.detail, "sourceIPAddress")),
        user_agent=shown(text_of(call.detail, "userAgent")),
        event_name=call.name,
        event_time=time,
        event_id=shown(text_of(call.detail, "eventID")),
    )
    return OpeningCall(by, rules)


def _issuer(identity: Mapping[str, Any]) -> tuple[str, str]:
    """Account and name of the role whose session made a call; empty: it was no role's session."""
    issuer = map_of(value_of(map_of(value_of(identity, "sessionContext")), "sessionIssuer"))
    if text_of(issuer, "type") in ("Role", ""):
        arn = re.fullmatch(r"arn:[\w-]+:iam::([0-9]{12}):role/(?:.*/)?([^/]+)", text_of(issuer, "arn"))
        if arn:
            return arn[1], arn[2]
        if text_of(issuer, "userName"):
            return text_of(issuer, "accountId"), text_of(issuer, "userName")
    session = re.fullmatch(r"arn:[\w-]+:sts::([0-9]{12}):assumed-role/([^/]+)/.*", text_of(identity, "arn"))
    return (session[1], session[2]) if session else ("", "")


def time_of(call: ApiCall) -> datetime | None:
    """When a call was made, in UTC; None: its record does not tell."""
    return stored_time(text_of(call.detail, "eventTime"))


def _added(call: ApiCall, request: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The rules or entries that a call added."""
    if call.name == "AuthorizeSecurityGroupIngress":
        yield from _authorized(call, request)
    elif call.name == "ModifySecurityGroupRules":
        for update in members_of(value_of(request, "securityGroupRule") or value_of(request, "securityGroupRules")):
            yield from _rule(map_of(value_of(update, "securityGroupRule")))
    elif call.name == "ModifyManagedPrefixList":
        yield from _entries(request)


def _entries(request: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The entries that a change of a prefix list adds."""
    prefix_list_id = text_of(request, "prefixListId")
    for name in ("addEntry", "addEntries"):
        for entry in members_of(value_of(request, name)):
            if prefix_list_id and (cidr := text_of(entry, "cidr")):
                yield OpenedRule("", None, None, cidr[:TEXT_LIMIT], prefix_list_id)


def _authorized(call: ApiCall, request: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The rules that an authorization names."""
    response = map_of(value_of(call.detail, "responseElements"))
    for rule in members_of(value_of(response, "securityGroupRuleSet")):
        if value_of(rule, "isEgress") is not True:
            yield from _rule(rule)
    permissions = members_of(value_of(request, "ipPermissions"))
    # The short form of the command line has one rule in the parameters themselves.
    yield from _rule(request)
    for permission in permissions:
        yield from _rule(permission)
        sources = (
            ("ipRanges", "cidrIp"),
            ("ipv6Ranges", "cidrIpv6"),
            ("prefixListIds", "prefixListId"),
        )
        for listed, key in sources:
            for source in members_of(value_of(permission, listed)):
                yield from _rule({**permission, key: value_of(source, key)})


def _rule(raw: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The rule of a map with a protocol, ports and one source; nothing if it has none, or is not understood."""
    protocol = text_of(raw, "ipProtocol")
    if not protocol or len(protocol) > TEXT_LIMIT:
        return
    try:
        first, last = checked_ports(protocol, _port(raw, "fromPort"), _port(raw, "toPort"))
    except ShapeError:
        return
    for key in ("cidrIp", "cidrIpv4", "cidrIpv6"):
        if cidr := text_of(raw, key):
            yield OpenedRule(protocol, first, last, cidr[:TEXT_LIMIT])
    prefix_list_id = text_of(raw, "prefixListId")
    if _PREFIX_LIST_ID.fullmatch(prefix_list_id):
        yield OpenedRule(protocol, first, last, "", prefix_list_id)


def _port(raw: Mapping[str, Any], name: str) -> Any:
    """A port, which may be told as text; None if the map has none. `checked_ports` refuses anything else."""
    value = value_of(raw, name)
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,5}", value) else value


def request_of(call: ApiCall) -> Mapping[str, Any]:
    """The parameters of a call. Newer operations have them nested in `<operation>Request`."""
    parameters = map_of(value_of(call.detail, "requestParameters"))
    nested = value_of(parameters, f"{call.name}Request")
    return nested if isinstance(nested, Mapping) else parameters


def value_of(raw: Mapping[str, Any], name: str) -> Any:
    """A member by its name, whose case differs between operations; None: there is none."""
    if name in raw:
        return raw[name]
    lowered = name.lower()
    return next((value for key, value in raw.items() if key.lower() == lowered), None)


def text_of(raw: Mapping[str, Any], name: str) -> str:
    """A member that is text, or a whole number such as a protocol's; empty: there is none."""
    value = value_of(raw, name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def map_of(value: object) -> Mapping[str, Any]:
    """A value that is a map; an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def members_of(value: object) -> list[Mapping[str, Any]]:
    """The maps of a list, which may be in a member `items` or `item`, or a single map in place of a list."""
    if isinstance(value, Mapping):
        listed = value_of(value, "items")
        listed = value_of(value, "item") if listed is None else listed
        if listed is None:
            return [value]
        return members_of(listed)
    return [member for member in value if isinstance(member, Mapping)] if isinstance(value, list) else []


def shown(text: str) -> str:
    """Untrusted text that any store takes: cut, and without halves of characters."""
    return shortened(text, TEXT_LIMIT).encode("utf-8", "backslashreplace").decode("utf-8")

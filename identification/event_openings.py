"""Who made a call, and which rules or prefix-list entries it added or took away.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from identification.cloudtrail import TEXT_LIMIT, ApiCall, map_of, members_of, request_of, shown, text_of, value_of
from identification.expected_changes import ExpectedChange
from library.issues.opened_by import OpenedBy
from library.issues.opening_calls import OpenedRule, OpeningCall
from library.issues.times import parse_time
from library.security_groups.group import ShapeError, port_range

_PREFIX_LIST_ID = re.compile(r"pl-[0-9A-Za-z]{1,60}")
_RULES_LIMIT = 100  # of one call: a group has 60 rules


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
    time = _time(call.detail)
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


def expected_of(call: ApiCall) -> tuple[ExpectedChange, ...]:
    """What EC2 must show because of a call; empty: the call does not tell, or its time is none."""
    request, time = request_of(call), _time(call.detail)
    if time is None:
        return ()
    if call.name == "DeleteSecurityGroup":
        return (ExpectedChange(time, is_there=False, rule=None),)
    if call.name == "ModifySecurityGroupRules":
        changes = [ExpectedChange(time, True, rule, rule_id) for rule_id, rule in _modified(request)]
    elif call.name == "RestoreManagedPrefixListVersion":
        changes = [ExpectedChange(time, True, every, version=version) for every, version in _restored(request)]
    else:
        changes = [ExpectedChange(time, True, rule) for rule in _added(call, request)]
        removed = [ExpectedChange(time, False, rule) for rule in _removed(call, request)]
        changes += removed or [ExpectedChange(time, False, None, rule_id) for rule_id in _revoked_ids(call, request)]
    return tuple(dict.fromkeys(changes))[:_RULES_LIMIT]


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


def _time(detail: Mapping[str, Any]) -> datetime | None:
    try:
        time = parse_time(text_of(detail, "eventTime"))
        return time.astimezone(UTC) if time else None
    except (OverflowError, ValueError):
        return None


def _added(call: ApiCall, request: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The rules or entries that a call added."""
    if call.name == "AuthorizeSecurityGroupIngress":
        yield from _told(call, request)
    elif call.name == "ModifySecurityGroupRules":
        yield from (rule for _, rule in _modified(request))
    elif call.name == "ModifyManagedPrefixList":
        yield from _entries(request, "addEntry", "addEntries")


def _modified(request: Mapping[str, Any]) -> Iterator[tuple[str, OpenedRule]]:
    """The rules that ModifySecurityGroupRules sets, each with the id of the rule whose place it takes."""
    for update in members_of(value_of(request, "securityGroupRule") or value_of(request, "securityGroupRules")):
        for rule in _rule(map_of(value_of(update, "securityGroupRule"))):
            yield text_of(update, "securityGroupRuleId")[:TEXT_LIMIT], rule


def _restored(request: Mapping[str, Any]) -> Iterator[tuple[OpenedRule, int]]:
    """Every entry of a prefix list of which an older version is restored, and the version that the list then has."""
    prefix_list_id, version = text_of(request, "prefixListId"), text_of(request, "currentVersion")
    if prefix_list_id and re.fullmatch("[0-9]{1,9}", version):
        yield OpenedRule("", None, None, "", prefix_list_id), int(version) + 1


def _revoked_ids(call: ApiCall, request: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the rules that a revocation names by nothing else."""
    if call.name == "RevokeSecurityGroupIngress":
        for rule in members_of(value_of(request, "securityGroupRuleIds")):
            if rule_id := text_of(rule, "securityGroupRuleId"):
                yield rule_id[:TEXT_LIMIT]


def _removed(call: ApiCall, request: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The rules or entries that a call took away, as far as it names more than their ids."""
    if call.name == "RevokeSecurityGroupIngress":
        yield from _told(call, request)
    elif call.name == "ModifyManagedPrefixList":
        yield from _entries(request, "removeEntry", "removeEntries")


def _entries(request: Mapping[str, Any], *names: str) -> Iterator[OpenedRule]:
    prefix_list_id = text_of(request, "prefixListId")
    for name in names:
        for entry in members_of(value_of(request, name)):
            if prefix_list_id and (cidr := text_of(entry, "cidr")):
                yield OpenedRule("", None, None, cidr[:TEXT_LIMIT], prefix_list_id)


def _told(call: ApiCall, request: Mapping[str, Any]) -> Iterator[OpenedRule]:
    """The rules that an authorization or a revocation names."""
    response = map_of(value_of(call.detail, "responseElements"))
    for listed in ("securityGroupRuleSet", "revokedSecurityGroupRuleSet"):
        for rule in members_of(value_of(response, listed)):
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
        first, last = port_range(protocol, _port(raw, "fromPort"), _port(raw, "toPort"))
    except ShapeError:
        return
    for key in ("cidrIp", "cidrIpv4", "cidrIpv6"):
        if cidr := text_of(raw, key):
            yield OpenedRule(protocol, first, last, cidr[:TEXT_LIMIT])
    prefix_list_id = text_of(raw, "prefixListId")
    if _PREFIX_LIST_ID.fullmatch(prefix_list_id):
        yield OpenedRule(protocol, first, last, "", prefix_list_id)


def _port(raw: Mapping[str, Any], name: str) -> Any:
    """A port, which may be told as text; None if the map has none. `port_range` refuses anything else."""
    value = value_of(raw, name)
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,5}", value) else value

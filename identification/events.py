"""Hints: where to look because of a call that CloudTrail recorded.

Pure. A hint is never a fact: the event may come late, twice, out of order or not at all. What is true is what EC2 says
when it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from identification.cloudtrail import (
    PREFIX_LIST_CALLS,
    REACHABILITY_CALLS,
    ApiCall,
    map_of,
    members_of,
    request_of,
    text_of,
    value_of,
)
from identification.event_openings import OwnRoles, expected_of, opening_of
from identification.expected_changes import ExpectedChange
from library.issues.opening_calls import OpeningCall

_GROUP_ID = re.compile(r"sg-[0-9A-Za-z]{1,60}")
_PREFIX_LIST_ID = re.compile(r"pl-[0-9A-Za-z]{1,60}")


class HintScope(StrEnum):
    """What a call is about, as far as it tells."""

    GROUPS = "groups"  # those that it names, by id or by name
    PREFIX_LIST = "prefix list"  # the groups whose rules name the list
    EXPOSED_GROUPS = "exposed groups"  # the reachability of every exposed group may have changed
    REGION = "region"  # it changed groups, and does not tell which


@dataclass(frozen=True, slots=True)
class Hint:
    """Where to look because of one call.

    Attributes:
        account_id: where the call was made: the event's own account, whoever the caller is.
        region: likewise.
        scope: what the call is about.
        group_ids: of the scope `groups`.
        group_name: of the scope `groups`: the group's name in the default VPC; empty: its id is told.
        prefix_list_id: of the scope `prefix list`.
        opening: what the call added, and who made it; None: nothing, or nobody who may be named.
        expected: what EC2 must show of these groups because of the call, once it is up to date.
    """

    account_id: str
    region: str
    scope: HintScope
    group_ids: tuple[str, ...] = ()
    group_name: str = ""
    prefix_list_id: str = ""
    opening: OpeningCall | None = None
    expected: tuple[ExpectedChange, ...] = ()


def hint_of(call: ApiCall, own: OwnRoles) -> Hint:
    """Where to look because of a relevant call.

    Args:
        call: the call.
        own: Hammer's roles. What they do is a hint all the same.
    """
    hint = Hint(call.account_id, call.region, HintScope.REGION)
    if call.name in REACHABILITY_CALLS:
        return Hint(call.account_id, call.region, HintScope.EXPOSED_GROUPS)
    request = request_of(call)
    opening, expected = opening_of(call, own), expected_of(call)
    if call.name in PREFIX_LIST_CALLS:
        prefix_list_id = text_of(request, "prefixListId")
        if not _PREFIX_LIST_ID.fullmatch(prefix_list_id):
            return hint
        return Hint(
            call.account_id,
            call.region,
            HintScope.PREFIX_LIST,
            prefix_list_id=prefix_list_id,
            opening=opening,
            expected=expected,
        )
    if group_ids := _group_ids(call, request):
        return Hint(call.account_id, call.region, HintScope.GROUPS, group_ids, opening=opening, expected=expected)
    if call.name == "CreateSecurityGroup":
        return hint  # its name may be one in any VPC
    if name := text_of(request, "groupName"):
        return Hint(call.account_id, call.region, HintScope.GROUPS, group_name=name, opening=opening, expected=expected)
    return hint


def _group_ids(call: ApiCall, request: Mapping[str, Any]) -> tuple[str, ...]:
    response = map_of(value_of(call.detail, "responseElements"))
    told = [text_of(request, "groupId"), text_of(response, "groupId")]
    for listed in ("securityGroupRuleSet", "revokedSecurityGroupRuleSet"):
        told += [text_of(rule, "groupId") for rule in members_of(value_of(response, listed))]
    return tuple(dict.fromkeys(group_id for group_id in told if _GROUP_ID.fullmatch(group_id)))

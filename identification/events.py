"""From calls that CloudTrail recorded to scan targets: where to look because of them, and the messages that ask for it.

A call is a hint, never a fact: its event may come late, twice, out of order or not at all. What is true is what EC2
says when it is asked, and EC2 may show a change only five minutes after its call. So each call leads to two scans:

1. `hint_of` tells from the call what it is about: groups, a prefix list, who can reach the exposed groups, or no more
   than that something changed in the region.
2. `TargetFinder` leads the hints of one account and region to groups: those of the default VPC by their names, the
   users of a prefix list (those that EC2 shows, and those that calls told of lately), the exposed groups of the table.
3. `first_messages` ask for a scan at once. What it sees exposed is an issue; it takes nothing away that EC2 may only
   show late.
4. `second_messages` name the same groups again, each once. They are delivered five minutes later, and that scan may
   resolve.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from identification.cloudtrail import (
    INTERFACE_CALLS,
    PREFIX_LIST_CALLS,
    REACHABILITY_CALLS,
    ApiCall,
    OwnRoles,
    map_of,
    members_of,
    opening_of,
    request_of,
    text_of,
    time_of,
    value_of,
)
from identification.event_hints import CLOCK_MARGIN, EventHintRecords
from identification.messages import events_item
from library.aws.ec2 import read_security_groups, security_groups_named
from library.aws.failures import AWS_ERRORS, explain
from library.issues.opening_calls import OpeningCall, exposing_by, latest_per_rule, may_expose, opened_item
from library.issues.times import format_time
from library.security_groups.group import EVENTUAL_CONSISTENCY

if TYPE_CHECKING:
    from identification.runtime import Runtime
    from library.security_groups.exposure import Evaluator

_log = logging.getLogger(__name__)

MESSAGE_BYTES = 240_000
"""SNS takes 256 KiB with everything that it adds (SNS API Reference, Publish)."""

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
        scope: what the call is about.
        time: when it was made, in UTC; None: its record does not tell.
        group_ids: of the scope `groups`.
        group_name: of the scope `groups`: the group's name in the default VPC; empty: its id is told.
        prefix_list_id: of the scope `prefix list`.
        opening: what the call added, and who made it; None: nothing, or nobody who may be named.
        only_interfaces: of the scope `exposed groups`: it only touched network interfaces.
    """

    scope: HintScope
    time: datetime | None
    group_ids: tuple[str, ...] = ()
    group_name: str = ""
    prefix_list_id: str = ""
    opening: OpeningCall | None = None
    only_interfaces: bool = False


def hint_of(call: ApiCall, own: OwnRoles) -> Hint:
    """Where to look because of a relevant call; one of Hammer's own roles is a hint all the same. Pure."""
    time = time_of(call)
    if call.name in REACHABILITY_CALLS:
        return Hint(HintScope.EXPOSED_GROUPS, time, only_interfaces=call.name in INTERFACE_CALLS)
    request, opening = request_of(call), opening_of(call, own)
    if call.name in PREFIX_LIST_CALLS:
        prefix_list_id = text_of(request, "prefixListId")
        if _PREFIX_LIST_ID.fullmatch(prefix_list_id):
            return Hint(HintScope.PREFIX_LIST, time, prefix_list_id=prefix_list_id, opening=opening)
    elif group_ids := _group_ids(call, request):
        return Hint(HintScope.GROUPS, time, group_ids, opening=opening)
    # The name that CreateSecurityGroup has may be one in any VPC.
    elif call.name != "CreateSecurityGroup" and (name := text_of(request, "groupName")):
        return Hint(HintScope.GROUPS, time, group_name=name, opening=opening)
    return Hint(HintScope.REGION, time)


def _group_ids(call: ApiCall, request: Mapping[str, Any]) -> tuple[str, ...]:
    response = map_of(value_of(call.detail, "responseElements"))
    ids = [text_of(request, "groupId"), text_of(response, "groupId")]
    for listed in ("securityGroupRuleSet", "revokedSecurityGroupRuleSet"):
        ids += [text_of(rule, "groupId") for rule in members_of(value_of(response, listed))]
    return tuple(dict.fromkeys(group_id for group_id in ids if _GROUP_ID.fullmatch(group_id)))


@dataclass(slots=True)
class ChangedGroup:
    """A group that calls changed.

    Attributes:
        openings: the calls that opened something in it.
        newest: when the newest of the calls was made, in UTC.
    """

    newest: datetime
    openings: dict[OpeningCall, None] = field(default_factory=dict)


@dataclass(slots=True)
class Targets:
    """What to look at in one account and region.

    Attributes:
        changed: the groups that calls changed, by id.
        reached: ids of exposed groups: calls changed who can reach them.
        reached_newest: when the newest of those calls was made, in UTC; None: there was none.
        only_interfaces: whether all of those calls only touched network interfaces.
        region: whether to look at the whole region: something changed, and it cannot be told where.
    """

    changed: dict[str, ChangedGroup] = field(default_factory=dict)
    reached: dict[str, None] = field(default_factory=dict)
    reached_newest: datetime | None = None
    only_interfaces: bool = True
    region: bool = False

    def add(self, group_ids: Iterable[str], time: datetime, opening: OpeningCall | None) -> None:
        """Look at these groups, which a call changed."""
        for group_id in group_ids:
            group = self.changed.setdefault(group_id, ChangedGroup(time))
            group.newest = max(group.newest, time)
            group.openings |= {opening: None} if opening else {}

    @property
    def group_ids(self) -> list[str]:
        """All groups, each once."""
        return list(self.changed | self.reached)


class TargetFinder:
    """Leads the hints of one account and region to groups.

    The evaluator tells which of the rules that were added can be an exposure at all.
    """

    def __init__(self, runtime: Runtime, account_id: str, region: str, evaluator: Evaluator) -> None:
        self._runtime = runtime
        self._account_id, self._region = account_id, region
        self._evaluator = evaluator
        self._records = EventHintRecords(runtime.table.items)

    def find(self, hints: Sequence[Hint]) -> Targets:
        """What these hints ask to look at.

        Raises:
            ClientError, BotoCoreError: the exposed groups could not be read from the table.
        """
        targets = Targets()
        self._keep_users(hints)
        for hint in hints:
            targets.add(hint.group_ids, self._time(hint), self._exposing(hint.opening))
            targets.region |= hint.scope is HintScope.REGION
        if reached := [hint for hint in hints if hint.scope is HintScope.EXPOSED_GROUPS]:
            exposed = self._runtime.table.exposed(
                self._account_id, self._region, unreadable=lambda error: targets.reached.update({error.issue_id: None})
            )
            targets.reached |= dict.fromkeys(exposed)
            # Not from the future, which has no time that is five minutes later.
            targets.reached_newest = min(max(map(self._time, reached)), self._runtime.now() + CLOCK_MARGIN)
            targets.only_interfaces = all(hint.only_interfaces for hint in reached)
        try:
            self._find_names([hint for hint in hints if hint.group_name], targets)
            self._find_users([hint for hint in hints if hint.scope is HintScope.PREFIX_LIST], targets)
        except AWS_ERRORS as error:
            _log.warning(
                "the groups of a hint could not be found, so the whole region is looked at: %s",
                explain(error, self._runtime.sessions.role_arn(self._account_id)),
                extra={"account_id": self._account_id, "region": self._region},
            )
            targets.region = True
        return targets

    def _find_names(self, hints: Sequence[Hint], targets: Targets) -> None:
        """Groups that calls name by their name: EC2 means those of the default VPC."""
        names = sorted({hint.group_name for hint in hints})
        found = security_groups_named(self._client(), names) if names else {}
        for hint in hints:
            if hint.group_name in found:
                targets.add([found[hint.group_name]], self._time(hint), self._exposing(hint.opening))
            else:
                targets.region = True

    def _keep_users(self, hints: Sequence[Hint]) -> None:
        """Keep which groups calls opened to a prefix list: the list may change before EC2 shows that they name it.

        What cannot be kept ends nothing: the calls' own scans see the groups all the same, and a scan of the region
        sees what the list changes later.
        """
        users: dict[str, set[str]] = {}
        for hint in hints:
            for rule in hint.opening.rules if hint.opening and hint.group_ids else ():
                if rule.prefix_list_id:
                    users.setdefault(rule.prefix_list_id, set()).update(hint.group_ids)
        for prefix_list_id, group_ids in users.items():
            try:
                self._records.add_users(self._account_id, prefix_list_id, group_ids, self._runtime.now())
            except AWS_ERRORS as error:
                _log.warning(
                    "that groups began to name a prefix list could not be kept: %s",
                    explain(error),
                    extra={"account_id": self._account_id, "region": self._region, "prefix_list_id": prefix_list_id},
                )

    def _find_users(self, hints: Sequence[Hint], targets: Targets) -> None:
        """Groups whose rules name a prefix list, or of which a call told so that EC2 may not show yet.

        All groups are read and searched here, which costs no more calls than a scan of the region.
        """
        by_list: dict[str, list[Hint]] = {}
        for hint in hints:
            by_list.setdefault(hint.prefix_list_id, []).append(hint)
        new_users = self._records.new_users(self._account_id, by_list, self._runtime.now())
        for prefix_list_id, group_ids in new_users.items():
            for hint in by_list[prefix_list_id]:
                targets.add(sorted(group_ids), self._time(hint), self._exposing(hint.opening))
        for page in read_security_groups(self._client()) if hints else ():
            for group in page.groups:
                for prefix_list_id in {rule.prefix_list_id for rule in group.ingress} & by_list.keys():
                    for hint in by_list[prefix_list_id]:
                        targets.add([group.group_id], self._time(hint), self._exposing(hint.opening))
            # A group that was not understood may name the list, too.
            targets.region |= bool(page.without_id) or any(group.unreadable for group in page.groups)

    def _client(self) -> Any:
        return self._runtime.sessions.client("ec2", self._account_id, self._region)

    def _time(self, hint: Hint) -> datetime:
        return hint.time or self._runtime.now()

    def _exposing(self, opening: OpeningCall | None) -> OpeningCall | None:
        """An opening with those of its rules alone that may be an exposure; None: there are none."""
        rules = tuple(rule for rule in opening.rules if may_expose(rule, self._evaluator)) if opening else ()
        return OpeningCall(opening.by, rules) if opening and rules else None


def first_messages(target: Mapping[str, str], targets: Targets, evaluator: Evaluator) -> list[dict[str, Any]]:
    """The messages that ask to look at these targets now, each small enough for the topic. Pure.

    Where there is no room for all calls of a group, those that expose it by the evaluator have it.
    """
    exposes = exposing_by(evaluator)
    found = [dict(target)] if targets.region else []
    found += _of_changed(
        target,
        {name: (group.newest, latest_per_rule(group.openings, exposes)) for name, group in targets.changed.items()},
    )
    others = [group_id for group_id in targets.reached if group_id not in targets.changed]
    if others and targets.reached_newest:
        more: dict[str, Any] = {"takes_away_from": format_time(targets.reached_newest + EVENTUAL_CONSISTENCY)}
        more |= {"only_interfaces": True} if targets.only_interfaces else {}
        found += _of_groups({**target, **more}, others)
    return found


def second_messages(target: Mapping[str, str], targets: Targets) -> list[dict[str, Any]]:
    """The messages that ask to look at the same targets again, when EC2 shows every change. Pure."""
    return ([dict(target)] if targets.region else []) + list(_of_groups(target, targets.group_ids))


def _of_groups(message: Mapping[str, Any], group_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A message that names groups, as several where they are too many for one."""
    whole = {**message, "group_ids": list(group_ids)}
    if len(json.dumps(whole)) <= MESSAGE_BYTES:
        yield from [whole] if group_ids else []
        return
    half = len(group_ids) // 2
    for some in (group_ids[:half], group_ids[half:]):
        yield from _of_groups(message, some)


def _of_changed(
    target: Mapping[str, str], groups: Mapping[str, tuple[datetime, Sequence[OpeningCall]]]
) -> list[dict[str, Any]]:
    """A message that names groups with what their calls told, as several where that is too much for one."""
    if not groups:
        return []
    opened = opened_item((group_id, opening) for group_id, (_, openings) in groups.items() for opening in openings)
    events = events_item({group_id: newest for group_id, (newest, _) in groups.items()})
    message = {**target, "group_ids": list(groups), "events": events, **({"opened": opened} if opened else {})}
    if len(json.dumps(message)) <= MESSAGE_BYTES:
        return [message]
    if len(groups) > 1:
        names = list(groups)
        half = len(names) // 2
        return [
            found
            for some in (names[:half], names[half:])
            for found in _of_changed(target, {name: groups[name] for name in some})
        ]
    # A single group with more than a message holds: the first calls are those that are asked for.
    [(group_id, (newest, openings))] = groups.items()
    return _of_changed(target, {group_id: (newest, openings[: len(openings) // 2])})

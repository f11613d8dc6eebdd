"""Calls that opened something: which rules or prefix-list entries an event added, and who is to be named for an issue.

Pure. Opening calls come from CloudTrail's events in any order, late, and more than once. All that came about a group
are kept for a while, so that the answer does not depend on the order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from library.issues.times import format_time, parse_time
from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.exposure import Evaluator, Exposure
from library.security_groups.group import IngressRule, SecurityGroup

KEPT_BYTES = 100_000
"""Room for the calls of one group: an item of the table holds 400 KB, and a scan adds its calls before others go."""

_TEXTS = ("principal", "source_ip", "user_agent", "event_name", "event_id")


@dataclass(frozen=True, slots=True)
class OpenedBy:
    """The API call that opened a group, as CloudTrail recorded it.

    Attributes:
        principal: the caller's ARN, or the AWS service that called on somebody's behalf (`userIdentity.arn`, else
            `invokedBy`); empty: CloudTrail told neither.
        source_ip: the caller's address, or the name of an AWS service.
        user_agent: the program, such as Terraform, the console or an SDK.
        event_name: the API operation, such as `AuthorizeSecurityGroupIngress`.
        event_time: when CloudTrail says that the call was made, in UTC.
        event_id: CloudTrail's id of the event.
    """

    principal: str
    source_ip: str
    user_agent: str
    event_name: str
    event_time: datetime
    event_id: str

    def to_item(self) -> dict[str, str]:
        """The `opened_by` map of the table."""
        return {
            "principal": self.principal,
            "source_ip": self.source_ip,
            "user_agent": self.user_agent,
            "event_name": self.event_name,
            "event_time": format_time(self.event_time) or "",
            "event_id": self.event_id,
        }

    @classmethod
    def from_item(cls, item: object) -> OpenedBy | None:
        """Read the map of the table; None if there is none, or if it is not readable.

        The map is information for people. An issue whose other parts are sound must be reported and remediated even if
        something else wrote nonsense here.
        """
        if not isinstance(item, Mapping):
            return None
        texts: dict[str, Any] = {name: item.get(name, "") for name in _TEXTS}
        time = item.get("event_time")
        if not isinstance(time, str) or not all(isinstance(text, str) for text in texts.values()):
            return None
        try:
            event_time = parse_time(time)
        except ValueError:
            return None
        return None if event_time is None else cls(event_time=event_time, **texts)


class OpenedRule(NamedTuple):
    """A rule, or an entry of a prefix list, that a call added.

    Attributes:
        protocol: as EC2 names it; empty: an entry of a prefix list, whatever rules use the list.
        cidr: the source; empty: every entry of the prefix list.
        prefix_list_id: the prefix list that is the source, or has the entry; empty: `cidr` alone is the source.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    prefix_list_id: str = ""

    def is_in(self, exposure: Exposure) -> bool:
        """Whether an exposure is of this rule or entry. CIDRs are compared with their host bits cleared."""
        if self.prefix_list_id != exposure.prefix_list_id:
            return False
        if self.cidr and _network(self.cidr) != _network(exposure.cidr):
            return False
        if not self.protocol:
            return True
        ports = (self.from_port, self.to_port)
        return protocol_name(self.protocol) == protocol_name(exposure.protocol) and ports == exposure[1:3]


@dataclass(frozen=True, slots=True)
class OpeningCall:
    """One call and the rules that it added."""

    by: OpenedBy
    rules: tuple[OpenedRule, ...]

    def to_text(self) -> str:
        """As a member of a set of the table: the same event always gives the same text."""
        return json.dumps([self.by.to_item(), self.rules], sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> OpeningCall | None:
        """Read what `to_text` wrote; None if the text is none."""
        try:
            by, rules = json.loads(text)
        except (TypeError, ValueError):
            return None
        return cls.from_parts(by, rules)

    @classmethod
    def from_parts(cls, by: object, rules: object) -> OpeningCall | None:
        """An opening from JSON values; None if they are none."""
        read = OpenedBy.from_item(by)
        if read is None or not isinstance(rules, list):
            return None
        try:
            return cls(read, tuple(rule_from_parts(*rule) for rule in rules))
        except TypeError:
            return None


def opened_by(openings: Iterable[OpeningCall], perms: Sequence[Exposure]) -> OpenedBy | None:
    """Of the calls that came, the latest whose rule or prefix-list entry is exposed; None: none is."""
    matching = [opening.by for opening in openings if any(rule.is_in(perm) for rule in opening.rules for perm in perms)]
    return max(matching, key=_order, default=None)


def may_expose(rule: OpenedRule, evaluator: Evaluator) -> bool:
    """Whether a rule that a call added may be an exposure, whatever entries its prefix list has."""
    alone = IngressRule(rule.protocol or "-1", rule.from_port, rule.to_port, cidr=rule.cidr or "0.0.0.0/0")
    return bool(evaluator.evaluate(SecurityGroup("", "", "", "", {}, (alone,)), {}).exposures)


def exposing_by(evaluator: Evaluator) -> Callable[[OpeningCall], bool]:
    """What tells whether a call added a rule that may be an exposure by the evaluator's ports and trusted sources."""
    return lambda opening: any(may_expose(rule, evaluator) for rule in opening.rules)


def latest_per_rule(openings: Iterable[OpeningCall], exposes: Callable[[OpeningCall], bool]) -> list[OpeningCall]:
    """The openings that are kept of one group, as many as fit into `KEPT_BYTES`.

    Those that `exposes` is true of come first, and of both kinds the latest: calls that matter to nobody today must
    not take the room of the one that opened the group. An opening whose every rule a later one added as well is never
    named again, so it is not kept.
    """
    found: list[OpeningCall] = []
    added: dict[OpenedRule, tuple[Any, str]] = {}  # when a rule was added last by one that is kept
    available = KEPT_BYTES
    for opening in sorted(openings, key=lambda opening: (exposes(opening), _order(opening.by)), reverse=True):
        size, order = len(opening.to_text()), _order(opening.by)
        if size <= available and any(rule not in added or added[rule] < order for rule in opening.rules):
            found.append(opening)
            added.update({rule: max(order, added.get(rule, order)) for rule in opening.rules})
            available -= size
    return found


def superseded(openings: Sequence[OpeningCall], exposes: Callable[[OpeningCall], bool]) -> list[OpeningCall]:
    """The openings that are not kept."""
    kept = set(latest_per_rule(openings, exposes))
    return [opening for opening in openings if opening not in kept]


def opened_item(openings: Iterable[tuple[str, OpeningCall]]) -> list[dict[str, Any]]:
    """Calls that opened groups as JSON values for a message: what many have in common, their caller, is there once."""
    callers: dict[tuple[str, str, str, str], dict[tuple[str, str, tuple[OpenedRule, ...]], list[str]]] = {}
    for group_id, opening in openings:
        item = opening.by.to_item()
        caller = (item["principal"], item["source_ip"], item["user_agent"], item["event_name"])
        call = (item["event_time"], item["event_id"], opening.rules)
        callers.setdefault(caller, {}).setdefault(call, []).append(group_id)
    return [
        {
            "principal": principal,
            "source_ip": source_ip,
            "user_agent": user_agent,
            "event_name": event_name,
            "calls": [
                [time, event_id, [list(rule) for rule in rules], group_ids]
                for (time, event_id, rules), group_ids in calls.items()
            ],
        }
        for (principal, source_ip, user_agent, event_name), calls in callers.items()
    ]


def opened_from_item(item: object) -> tuple[tuple[str, OpeningCall], ...]:
    """Read what `opened_item` wrote. What is malformed is left out: it only informs people."""
    found: list[tuple[str, OpeningCall]] = []
    for caller in item if isinstance(item, list) else ():
        if not isinstance(caller, Mapping) or not isinstance(caller.get("calls"), list):
            continue
        for call in caller["calls"]:
            try:
                time, event_id, rules, group_ids = call
            except (TypeError, ValueError):
                continue
            opening = OpeningCall.from_parts({**caller, "event_time": time, "event_id": event_id}, rules)
            if opening and isinstance(group_ids, list):
                found += [(group_id, opening) for group_id in group_ids if isinstance(group_id, str)]
    return tuple(found)


def rule_from_parts(
    protocol: object, from_port: object, to_port: object, cidr: object, prefix_list_id: object
) -> OpenedRule:
    """A rule from JSON values.

    Raises:
        TypeError: they are none.
    """
    texts = (protocol, cidr, prefix_list_id)
    ports = (from_port, to_port)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(p, int | None) for p in ports):
        raise TypeError("not a rule")
    return OpenedRule(protocol, from_port, to_port, cidr, prefix_list_id)  # type: ignore[arg-type]


def _order(by: OpenedBy) -> tuple[Any, str]:
    return by.event_time, by.event_id


@lru_cache(maxsize=1024)
def _network(cidr: str) -> object:
    try:
        return parse_network(cidr)
    except ValueError:
        return cidr

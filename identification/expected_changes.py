"""What EC2 must show once it is up to date: the rules that calls added or took away.

Pure. EC2's API is eventually consistent: a describe may show a change only after a while. A look that follows an event
compares what it read with what the event says, and comes again while EC2 does not show it yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from library.issues.opening_calls import OpenedRule, rule_from_parts
from library.issues.times import format_time, parse_time
from library.network.addresses import Network, parse_network
from library.network.ports import protocol_name
from library.security_groups.group import SecurityGroup

SETTLES_AFTER = timedelta(minutes=5)
"""After this time a call counts as shown, whatever EC2 answers: a later call may have undone it.

Amazon EC2 Developer Guide, "Eventual consistency in the Amazon EC2 API": repeat a describe after a change, with waits
that grow up to five minutes.
"""


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """What one call says about one rule of a group, or about the group itself.

    Attributes:
        time: when the call was made, in UTC.
        is_there: whether the rule is there since; False: it was taken away.
        rule: the rule or prefix-list entry; None: the group as a whole, which was deleted.
    """

    time: datetime
    is_there: bool
    rule: OpenedRule | None

    def is_young(self, now: datetime) -> bool:
        """Whether EC2 may not show the call yet."""
        return abs(now - self.time) < SETTLES_AFTER


@dataclass(frozen=True, slots=True)
class Lagging:
    """A group of which EC2 does not show yet what calls changed.

    Attributes:
        settles: when it counts as shown at the latest, in UTC.
        is_missing_rule: a rule that was added is not shown.
        shows_old: a rule that was taken away, or a group that was deleted, is still shown.
    """

    settles: datetime
    is_missing_rule: bool
    shows_old: bool


def latest_changes(changes: Iterable[tuple[str, ExpectedChange]]) -> dict[str, tuple[ExpectedChange, ...]]:
    """By group id, of each rule the latest call.

    CloudTrail's times are whole seconds: of calls of one second that say the opposite nothing is expected. A deleted
    group has no rules.
    """
    found: dict[str, dict[object, list[ExpectedChange]]] = {}
    for group_id, change in changes:
        same = found.setdefault(group_id, {}).setdefault(_identity(change.rule), [])
        if not same or change.time > same[0].time:
            same[:] = [change]
        elif change.time == same[0].time:
            same.append(change)
    return {group_id: tuple(_clear(by_rule)) for group_id, by_rule in found.items()}


def _clear(by_rule: Mapping[object, Sequence[ExpectedChange]]) -> Iterator[ExpectedChange]:
    deleted = by_rule.get(None, ())
    for same in by_rule.values():
        is_older = deleted and same[0].rule is not None and same[0].time <= deleted[0].time
        if not is_older and len({change.is_there for change in same}) == 1:
            yield same[0]


def lagging(
    expected: Mapping[str, Sequence[ExpectedChange]],
    shown: Mapping[str, SecurityGroup],
    entries: Mapping[str, Collection[Network]],
    now: datetime,
) -> dict[str, Lagging]:
    """The groups of which EC2 does not show yet what is expected.

    Args:
        expected: by group id.
        shown: the groups that EC2 showed, by id.
        entries: of the prefix lists that were read.
        now: the time in UTC.
    """
    found: dict[str, Lagging] = {}
    for group_id, changes in expected.items():
        group = shown.get(group_id)
        if group is not None and group.unreadable:
            continue  # its rules cannot be compared, and nothing is resolved
        rules = _rules_of(group)
        wrong = [change for change in changes if change.is_young(now) and not _is_shown(change, group, rules, entries)]
        if wrong:
            found[group_id] = Lagging(
                max(change.time for change in wrong) + SETTLES_AFTER,
                any(change.is_there for change in wrong),
                not all(change.is_there for change in wrong),
            )
    return found


def _rules_of(group: SecurityGroup | None) -> set[object]:
    if group is None:
        return set()
    return {
        _identity(OpenedRule(rule.protocol, rule.from_port, rule.to_port, rule.cidr, rule.prefix_list_id))
        for rule in group.ingress
    }


def _is_shown(
    change: ExpectedChange,
    group: SecurityGroup | None,
    rules: Collection[object],
    entries: Mapping[str, Collection[Network]],
) -> bool:
    rule = change.rule
    if rule is None:
        return (group is not None) == change.is_there
    if rule.protocol:
        return (_identity(rule) in rules) == change.is_there
    if rule.prefix_list_id not in entries:
        return True  # the list is not there, or no rule of the group names it any more
    return (_source(rule.cidr) in entries[rule.prefix_list_id]) == change.is_there


def _identity(rule: OpenedRule | None) -> object:
    """What makes two rules the same; None: the group itself."""
    if rule is None:
        return None
    protocol = protocol_name(rule.protocol) if rule.protocol else ""
    return protocol, rule.from_port, rule.to_port, _source(rule.cidr), rule.prefix_list_id


def _source(cidr: str) -> object:
    try:
        return parse_network(cidr)
    except ValueError:
        return cidr


def changes_item(changes: Mapping[str, Iterable[ExpectedChange]]) -> list[list[Any]]:
    """Expected changes as JSON values for a message: what several groups have in common is there once."""
    group_ids: dict[ExpectedChange, list[str]] = {}
    for group_id, expected in changes.items():
        for change in expected:
            group_ids.setdefault(change, []).append(group_id)
    return [
        [format_time(change.time), change.is_there, list(change.rule) if change.rule else None, of]
        for change, of in group_ids.items()
    ]


def changes_from_item(item: object) -> tuple[tuple[str, ExpectedChange], ...]:
    """The other way round. What is malformed is left out: the look then does not wait for it."""
    found: list[tuple[str, ExpectedChange]] = []
    for told in item if isinstance(item, list) else ():
        try:
            text, is_there, rule, group_ids = told
            time = parse_time(text)
            change = ExpectedChange(time, is_there is True, rule_from_parts(*rule) if rule else None)  # type: ignore[arg-type]
        except (AttributeError, TypeError, ValueError):
            continue
        if time is not None and time.tzinfo is not None and isinstance(group_ids, list):
            found += [(group_id, change) for group_id in group_ids if isinstance(group_id, str)]
    return tuple(found)

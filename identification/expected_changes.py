"""What EC2 must show once it is up to date: the rules that calls added or took away.

Pure. EC2's API is eventually consistent: a describe may show a change only after a while. A look that follows an event
compares what it read with what the event says, and comes again while EC2 does not show it yet.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from library.issues.opening_calls import OpenedRule, rule_from_parts
from library.issues.times import format_time, parse_time
from library.network.addresses import Network, parse_network
from library.network.ports import protocol_name
from library.security_groups.group import IngressRule, SecurityGroup

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
        rule: the rule or prefix-list entry; None: the call tells no more than `rule_id`, or without one is about the
            group as a whole, which was deleted.
        rule_id: the rule has this id: it was taken away by its id alone, or it took the place of what had this id.
        version: the prefix list of the rule has this version since, whatever its entries are; 0: it is about one entry.
    """

    time: datetime
    is_there: bool
    rule: OpenedRule | None
    rule_id: str = ""
    version: int = 0

    def is_young(self, now: datetime) -> bool:
        """Whether EC2 may not show the call yet."""
        return abs(now - self.time) < SETTLES_AFTER

    @property
    def replaces(self) -> bool:
        """Whether something else is gone since that the call does not tell."""
        return not self.is_there or bool(self.rule_id or self.version)

    def to_text(self) -> str:
        """As a member of a set of the table. The texts of earlier calls come first in their order."""
        rule = list(self.rule) if self.rule else None
        return json.dumps([format_time(self.time), self.is_there, rule, self.rule_id, self.version])

    @classmethod
    def from_text(cls, text: str) -> ExpectedChange | None:
        """The other way round; None if the text is none."""
        try:
            time, is_there, rule, rule_id, version = json.loads(text)
            return cls.from_parts(time, is_there, rule, rule_id, version)
        except (TypeError, ValueError):
            return None

    @classmethod
    def from_parts(
        cls, text: object, is_there: object, rule: object, rule_id: object = "", version: object = 0
    ) -> ExpectedChange:
        """An expected change from JSON values.

        Raises:
            TypeError, ValueError: they are none.
        """
        time = parse_time(text) if isinstance(text, str) else None
        if time is None or time.tzinfo is None or not isinstance(rule_id, str) or type(version) is not int:
            raise TypeError("not an expected change")
        if rule is not None and not isinstance(rule, list):
            raise TypeError("not a rule")
        return cls(time, is_there is True, rule_from_parts(*rule) if rule else None, rule_id, version)


@dataclass(frozen=True, slots=True)
class Shown:
    """What EC2 showed.

    Attributes:
        groups: by id.
        entries: of the prefix lists that were read.
        versions: of the prefix lists that were read; 0 while a list is being changed.
        rules: of the groups whose rules were read with their ids, the rules by these ids; None: an egress rule. Of a
            group whose rules could not be read this time, None. A group is not there if they may not be read.
    """

    groups: Mapping[str, SecurityGroup]
    entries: Mapping[str, Collection[Network]] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, Mapping[str, IngressRule | None] | None] = field(default_factory=dict)


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
        same = found.setdefault(group_id, {}).setdefault(_subject(change), [])
        if not same or change.time > same[0].time:
            same[:] = [change]
        elif change.time == same[0].time:
            same.append(change)
    return {group_id: tuple(_clear(by_rule)) for group_id, by_rule in found.items()}


def awaited(
    own: Collection[ExpectedChange], kept: Iterable[ExpectedChange], now: datetime
) -> tuple[ExpectedChange, ...]:
    """What EC2 must show of one group: what a look's own event told, and what earlier events told.

    A look that followed an earlier event may have seen EC2 as it was even before that: a rule that was taken away was
    not there because EC2 did not show yet that it had been added, or one that was added was there because EC2 did not
    show yet that it had been taken away before. So what is gone since an earlier call stays expected, and so does what
    was added after it was gone. What was only added is not: the look of its own event has seen it.

    Args:
        own: what the look's own events told.
        kept: what all events told.
        now: the time in UTC.
    """
    young = {change for change in (*own, *kept) if change.is_young(now)}
    latest = latest_changes(("", change) for change in young).get("", ())

    def was_gone(added: ExpectedChange) -> bool:
        """Whether the rule may have been taken away before; a call that tells an id alone may mean any rule."""
        return any(
            change.replaces and change.time <= added.time and (change.rule_id or _subject(change) == _subject(added))
            for change in young
        )

    return tuple(change for change in latest if change in own or change.replaces or was_gone(change))


def _clear(by_rule: Mapping[object, Sequence[ExpectedChange]]) -> Iterator[ExpectedChange]:
    deleted = by_rule.get(None, ())
    for subject, same in by_rule.items():
        is_older = deleted and subject is not None and same[0].time <= deleted[0].time
        if not is_older and len({change.is_there for change in same}) == 1:
            yield same[0]


def needs_rules(changes: Iterable[ExpectedChange], now: datetime) -> bool:
    """Whether a group's rules must be read with their ids to see whether EC2 shows these changes."""
    return any(change.rule_id and change.is_young(now) for change in changes)


def lagging(expected: Mapping[str, Sequence[ExpectedChange]], shown: Shown, now: datetime) -> dict[str, Lagging]:
    """The groups of which EC2 does not show yet what is expected.

    Args:
        expected: by group id.
        shown: what EC2 showed.
        now: the time in UTC.
    """
    found: dict[str, Lagging] = {}
    for group_id, changes in expected.items():
        group = shown.groups.get(group_id)
        if group is not None and group.unreadable:
            continue  # its rules cannot be compared, and nothing is resolved
        rules = {_identity_of(rule) for rule in group.ingress} if group else set[object]()
        wrong = [change for change in changes if change.is_young(now) and not _is_shown(change, group, rules, shown)]
        if wrong:
            found[group_id] = Lagging(
                max(change.time for change in wrong) + SETTLES_AFTER,
                any(change.is_there for change in wrong),
                any(change.replaces for change in wrong),
            )
    return found


def _is_shown(change: ExpectedChange, group: SecurityGroup | None, rules: Collection[object], shown: Shown) -> bool:
    rule = change.rule
    if change.rule_id:
        if group is None or group.group_id not in shown.rules:
            return True
        by_id = shown.rules[group.group_id]
        return by_id is not None and _is_shown_by_id(change, rules, by_id)
    if rule is None:
        return (group is not None) == change.is_there
    if rule.protocol:
        return (_identity(rule) in rules) == change.is_there
    if rule.prefix_list_id not in shown.entries:
        return True  # the list is not there, or no rule of the group names it any more
    if change.version:
        return shown.versions.get(rule.prefix_list_id, change.version) >= change.version
    return (_source(rule.cidr) in shown.entries[rule.prefix_list_id]) == change.is_there


def _is_shown_by_id(change: ExpectedChange, rules: Collection[object], by_id: Mapping[str, IngressRule | None]) -> bool:
    """Whether EC2 shows a change of a rule that is known by its id.

    Args:
        change: the change.
        rules: the group's rules, as the group shows them.
        by_id: the same rules as they are listed by their ids.
    """
    listed = by_id.get(change.rule_id)
    if change.rule is not None and listed is not None:
        return _identity(change.rule) == _identity_of(listed) and _identity(change.rule) in rules
    # What became another rule and is not listed any more was taken away since. The two answers are not equally old: a
    # group with a rule that is not listed is from before.
    listed_rules = {_identity_of(rule) for rule in by_id.values() if rule is not None}
    return listed is None and listed_rules.issuperset(rules)


def _subject(change: ExpectedChange) -> object:
    """What a change is about: a rule, a rule's id, or the group itself (None)."""
    return change.rule_id or _identity(change.rule)


def _identity(rule: OpenedRule | None) -> object:
    """What makes two rules the same; None: the group itself."""
    if rule is None:
        return None
    protocol = protocol_name(rule.protocol) if rule.protocol else ""
    return protocol, rule.from_port, rule.to_port, _source(rule.cidr), rule.prefix_list_id


def _identity_of(rule: IngressRule) -> object:
    source = rule.cidr or rule.group_id
    return _identity(OpenedRule(rule.protocol, rule.from_port, rule.to_port, source, rule.prefix_list_id))


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
        [
            format_time(change.time),
            change.is_there,
            list(change.rule) if change.rule else None,
            of,
            *([change.rule_id, change.version] if change.rule_id or change.version else []),
        ]
        for change, of in group_ids.items()
    ]


def changes_from_item(item: object) -> tuple[tuple[str, ExpectedChange], ...]:
    """The other way round. What is malformed is left out: the look then does not wait for it."""
    found: list[tuple[str, ExpectedChange]] = []
    for told in item if isinstance(item, list) else ():
        try:
            time, is_there, rule, group_ids, *more = told
            change = ExpectedChange.from_parts(time, is_there, rule, *more)
        except (TypeError, ValueError):
            continue
        if isinstance(group_ids, list):
            found += [(group_id, change) for group_id in group_ids if isinstance(group_id, str)]
    return tuple(found)

"""From hints to scan targets: which groups of an account and region to look at, and the messages that ask for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from identification.events import Hint, HintScope
from identification.expected_changes import ExpectedChange, changes_item, latest_changes
from library.aws.ec2 import read_security_groups, security_groups_named
from library.aws.failures import AWS_ERRORS, explain
from library.issues.opening_calls import OpeningCall, needed, opened_item
from library.security_groups.group import IngressRule, SecurityGroup

if TYPE_CHECKING:
    from identification.runtime import Runtime
    from library.issues.opening_calls import OpenedRule
    from library.security_groups.exposure import Evaluator

_log = logging.getLogger(__name__)

MESSAGE_BYTES = 240_000
"""SNS takes 256 KiB with everything that it adds (SNS API Reference, Publish)."""


@dataclass(slots=True)
class Targets:
    """What to look at in one account and region.

    Attributes:
        groups: the groups, each with what was opened in it.
        expected: what EC2 must show of them once it is up to date, by group id.
        region: whether to look at the whole region: something changed, and it cannot be told where.
    """

    groups: dict[str, dict[OpeningCall, None]] = field(default_factory=dict)
    expected: dict[str, list[ExpectedChange]] = field(default_factory=dict)
    region: bool = False

    def add(
        self,
        group_ids: Iterable[str],
        opening: OpeningCall | None = None,
        expected: Iterable[ExpectedChange] = (),
    ) -> None:
        """Look at these groups."""
        changes = list(expected)
        for group_id in group_ids:
            self.groups.setdefault(group_id, {}).update({opening: None} if opening else {})
            self.expected.setdefault(group_id, []).extend(changes)


class TargetFinder:
    """Leads the hints of one account and region to groups.

    Args:
        runtime: what to work with.
        account_id: the account.
        region: the region.
        evaluator: tells which of the rules that were added can be an exposure at all.
    """

    def __init__(self, runtime: Runtime, account_id: str, region: str, evaluator: Evaluator) -> None:
        self._runtime = runtime
        self._account_id, self._region = account_id, region
        self._evaluator = evaluator

    def find(self, hints: Sequence[Hint]) -> Targets:
        """What these hints ask to look at.

        Raises:
            ClientError, BotoCoreError: the table could not be read.
        """
        targets = Targets()
        for hint in hints:
            targets.add(hint.group_ids, self._exposing(hint.opening), self._awaited(hint))
            targets.region |= hint.scope is HintScope.REGION
        if any(hint.scope is HintScope.EXPOSED_GROUPS for hint in hints):
            exposed = self._runtime.table.exposed(
                self._account_id, self._region, unreadable=lambda error: targets.add([error.issue_id])
            )
            targets.add(exposed)
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
                targets.add([found[hint.group_name]], self._exposing(hint.opening), self._awaited(hint))
            else:
                targets.region = True

    def _find_users(self, hints: Sequence[Hint], targets: Targets) -> None:
        """Groups whose rules name a prefix list.

        All groups are read and searched here, which costs no more calls than a look at the region.
        """
        by_list: dict[str, list[Hint]] = {}
        for hint in hints:
            by_list.setdefault(hint.prefix_list_id, []).append(hint)
        for page in read_security_groups(self._client()) if hints else ():
            for group in page.groups:
                for prefix_list_id in {rule.prefix_list_id for rule in group.ingress} & by_list.keys():
                    for hint in by_list[prefix_list_id]:
                        targets.add([group.group_id], self._exposing(hint.opening), self._awaited(hint))
            # A group that was not understood may name the list, too.
            targets.region |= bool(page.nameless) or any(group.unreadable for group in page.groups)

    def _client(self) -> Any:
        return self._runtime.sessions.client("ec2", self._account_id, self._region)

    def _awaited(self, hint: Hint) -> list[ExpectedChange]:
        """What EC2 may not show yet, as far as issues depend on it."""
        now = self._runtime.now()
        return [
            change
            for change in hint.expected
            if change.is_young(now) and (change.rule is None or change.rule_id or self._may_expose(change.rule))
        ]

    def _exposing(self, opening: OpeningCall | None) -> OpeningCall | None:
        """An opening with those of its rules alone that may be an exposure; None: there are none."""
        rules = tuple(rule for rule in opening.rules if self._may_expose(rule)) if opening else ()
        return OpeningCall(opening.by, rules) if opening and rules else None

    def _may_expose(self, rule: OpenedRule) -> bool:
        if not rule.cidr:
            return True  # whatever entries the prefix list has
        alone = IngressRule(rule.protocol or "-1", rule.from_port, rule.to_port, cidr=rule.cidr)
        group = SecurityGroup("", "", "", "", {}, (alone,))
        return bool(self._evaluator.evaluate(group, {}).exposures)


def messages(target: Mapping[str, str], targets: Targets) -> list[dict[str, Any]]:
    """The messages that ask to look at these targets, each small enough for the topic.

    Args:
        target: the account and region, as initiation publishes them.
        targets: what to look at there.
    """
    changes = latest_changes((name, change) for name, told in targets.expected.items() for change in told)
    of_groups = {name: _Told(needed(openings), changes.get(name, ())) for name, openings in targets.groups.items()}
    found = _of_groups(target, of_groups)
    return [dict(target), *found] if targets.region else found


class _Told(NamedTuple):
    """What events told about one group: the calls that opened it, the latest first, and what EC2 must show."""

    openings: Sequence[OpeningCall]
    expected: Sequence[ExpectedChange]

    def latest_half(self) -> _Told:
        """The later half of each."""
        expected = sorted(self.expected, key=lambda change: change.time, reverse=True)
        return _Told(self.openings[: len(self.openings) // 2], expected[: len(expected) // 2])


def _of_groups(target: Mapping[str, str], groups: Mapping[str, _Told]) -> list[dict[str, Any]]:
    if not groups:
        return []
    opened = opened_item((group_id, opening) for group_id, told in groups.items() for opening in told.openings)
    expected = changes_item({group_id: told.expected for group_id, told in groups.items()})
    message: dict[str, Any] = {**target, "group_ids": list(groups)}
    message |= {"opened": opened} if opened else {}
    message |= {"expected": expected} if expected else {}
    if len(json.dumps(message)) <= MESSAGE_BYTES:
        return [message]
    if len(groups) > 1:
        names = list(groups)
        half = len(names) // 2
        return [
            found
            for some in (names[:half], names[half:])
            for found in _of_groups(target, {name: groups[name] for name in some})
        ]
    # A single group with more than a message holds: the latest calls are those that are asked for.
    [(group_id, told)] = groups.items()
    return _of_groups(target, {group_id: told.latest_half()})

"""What a look at a group means, given what EC2 acknowledged before.

Pure. EC2 is eventually consistent: each of its answers may be old by seconds to minutes (EC2 API Reference, "Eventual
consistency"). So an acknowledgement counts more than an answer that was read:

- a rule whose revoke was acknowledged is gone, whatever is read, and its id is never used again;
- a rule that is shown with its id and another source was edited by somebody: it is not the rule that was to be revoked;
- a rule whose adding was acknowledged is there until an answer that is old enough to know does not show it;
- a rule that is not shown although Hammer never sent a revoke of it was revoked by somebody else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from library.issues.times import parse_time
from library.security_groups.group import IngressRule
from remediation.journal_entry import AddedRule, AddedState, ChangeKind, JournalEntry, RevokedRule, RevokedState
from remediation.rule_sets import RuleKey, rule_key

SHOWN_AFTER = timedelta(seconds=90)
"""How long after a call EC2 may not show it yet. Beyond this, what is not shown is not there.

In the run that made the call there is no such limit: what EC2 acknowledged and does not show leaves the change
incomplete, and the next run, which looks later, concludes.
"""


@dataclass(frozen=True, slots=True)
class View:
    """A group as it is, as far as anybody can know.

    Attributes:
        rules: the ingress rules, with the ids that are known.
        entry: the journal's entry with what this look added to it; None: there is none.
        not_shown: acknowledged changes that EC2 does not show yet, and calls whose outcome is not known yet.
        lingering: rules that Hammer took away again, and that EC2 shows all the same, long after.
    """

    rules: tuple[IngressRule, ...]
    entry: JournalEntry | None = None
    not_shown: tuple[IngressRule, ...] = ()
    lingering: tuple[AddedRule, ...] = ()


def view_of(
    entry: JournalEntry | None,
    shown: Sequence[IngressRule],
    now: datetime,
    run_began: datetime | None = None,
    earlier: Iterable[IngressRule] = (),
) -> View:
    """What EC2 shows, corrected by what is known better.

    Args:
        entry: the facts; None: there are none.
        shown: the rules that EC2 shows, with their ids.
        now: the time in UTC, no later than these were read.
        run_began: when this run began: what was acknowledged since is not doubted; None: before everything.
        earlier: the rules that finished changes added: what they closed needs them, so they are not this change's.
    """
    if entry is None:
        return View(tuple(shown))
    withdrawn = {one.rule.rule_id: one for one in entry.withdrawn}
    still = [withdrawn[rule.rule_id] for rule in shown if rule.rule_id in withdrawn]
    shown = [rule for rule in shown if rule.rule_id not in withdrawn]
    trusted = _Trust(entry, now, run_began)
    entry, missing, unseen = _look_for_added(entry, shown, trusted, {rule.rule_id for rule in earlier})
    entry, gone, lasting = _look_for_revoked(entry, shown, trusted)
    rules = [rule for rule in shown if rule not in gone]
    return View(
        rules=(*rules, *missing),
        entry=entry,
        not_shown=(*unseen, *lasting, *(one.rule for one in still if trusted.acknowledged(one))),
        lingering=tuple(one for one in still if not trusted.acknowledged(one)),
    )


@dataclass(frozen=True, slots=True)
class _Trust:
    """Which facts count more than what is read now."""

    entry: JournalEntry
    now: datetime
    run_began: datetime | None

    def sent(self, one: AddedRule | RevokedRule) -> bool:
        """Whether a call is so recent that EC2 may not show it yet."""
        at = parse_time(one.at or self.entry.changed)
        return at is None or self.now - at < SHOWN_AFTER

    def acknowledged(self, one: AddedRule | RevokedRule) -> bool:
        """Whether an acknowledgement is so recent that EC2 may not show the change yet."""
        at = parse_time(one.at or self.entry.changed)
        return self.sent(one) or (at is not None and self.run_began is not None and at >= self.run_began)


def _look_for_added(
    entry: JournalEntry, shown: Sequence[IngressRule], trusted: _Trust, earlier: Container[str]
) -> tuple[JournalEntry, list[IngressRule], list[IngressRule]]:
    """The entry with what is shown of the rules to add; those that are there and not shown; those not shown."""
    by_key = {rule_key(rule): rule for rule in shown}
    added: dict[RuleKey, AddedRule] = {}
    missing: list[IngressRule] = []
    unseen: list[IngressRule] = []
    for one in entry.add:
        found = by_key.get(one.key)
        ours = one.rule.rule_id if one.state is AddedState.ADDED else ""
        if found is not None and (not ours or found.rule_id == ours):
            added[one.key] = _identified(one, found, earlier)
        elif one.state is AddedState.MISSING:
            continue
        elif trusted.acknowledged(one) if one.state.is_there else trusted.sent(one):
            # If another rule of the same key is shown: one from before, which EC2 still shows.
            unseen.append(one.rule)
            if one.state.is_there and found is None:
                missing.append(one.rule)
        else:
            added[one.key] = replace(one, state=AddedState.NOT_OURS if found else AddedState.MISSING)
    return entry.with_added(added), missing, unseen


def _identified(added: AddedRule, shown: IngressRule, earlier: Container[str]) -> AddedRule:
    """A rule to add, with what the rule of the same key that is shown tells about it. `earlier`: ids."""
    known = added.rule.rule_id
    found = added.rule._replace(rule_id=shown.rule_id)
    if added.state is AddedState.ADDED:
        return replace(added, rule=found)
    if added.state is AddedState.NOT_OURS:
        return added
    if shown.rule_id in earlier or (added.before and shown.rule_id == added.before):
        return replace(added, state=AddedState.NOT_OURS)
    ours = shown.rule_id == known if known else shown.description == added.rule.description
    return replace(added, rule=found, state=AddedState.ADDED if ours else AddedState.NOT_OURS)


def _look_for_revoked(
    entry: JournalEntry, shown: Sequence[IngressRule], trusted: _Trust
) -> tuple[JournalEntry, list[IngressRule], list[IngressRule]]:
    """The entry with what is shown of the rules to revoke; what is shown and gone; what of it was to be revoked.

    A rule that somebody edited keeps its id, and is another rule: nobody revoked that one.
    """
    by_id = {rule.rule_id: rule for rule in shown}
    gone: list[IngressRule] = []
    lasting: list[IngressRule] = []
    for one in entry.revoke:
        rule, found = one.rule, by_id.get(one.rule.rule_id)
        is_shown = found is not None and rule_key(found) == rule_key(rule)
        if one.state is RevokedState.REVOKED and (found is None or trusted.acknowledged(one)):
            # With another source: as it was before somebody edited it, so that is an old answer, too.
            if found is not None:
                gone.append(found)
                lasting.append(rule)
        elif one.state is RevokedState.REVOKED and is_shown:
            # Acknowledged and shown long after. To send it again does no harm: it can only be such a rule.
            entry = entry.with_revoked([rule], RevokedState.SENT, one.at)
        elif one.state is RevokedState.SENT and not is_shown:
            # Sent without an answer and gone: take it for Hammer's doing, so that what replaces it stays.
            entry = entry.with_revoked([rule], RevokedState.REVOKED, one.at)
        elif one.state is RevokedState.SENT and trusted.sent(one):
            lasting.append(rule)
        elif one.state is RevokedState.GONE and found is not None and is_shown and trusted.acknowledged(one):
            # Somebody revoked or edited it. Which of the two, and what it has become, a newer answer will show.
            gone.append(found)
            lasting.append(rule)
        elif one.state in (RevokedState.PLANNED, RevokedState.NOT_SHOWN) or (
            one.state is RevokedState.GONE and is_shown
        ):
            entry = entry.with_revoked([rule], RevokedState.PLANNED if is_shown else RevokedState.NOT_SHOWN, one.at)
    return entry, gone, lasting


def unneeded(entry: JournalEntry | None, to_close: Container[str]) -> tuple[AddedRule, ...]:
    """The rules that Hammer added and that stand in for no rule that it closed, or is about to close.

    A rule whose revoke was sent without an answer counts as closed: if it is, private access depends on the new rules.

    Args:
        entry: the facts, as a view gives them.
        to_close: the ids of the rules that are going to be revoked.
    """
    if entry is None or entry.kind is ChangeKind.RESTORE:
        return ()  # what a restore adds are the group's own rules
    not_closed = {
        one.rule.rule_id for one in entry.revoke if one.state not in (RevokedState.SENT, RevokedState.REVOKED)
    }
    return tuple(
        added
        for added in entry.add
        if added.state is AddedState.ADDED
        and added.rule.rule_id
        and all(rule_id in not_closed and rule_id not in to_close for rule_id in added.replaces)
    )


def differing_keys(
    described: Sequence[IngressRule], listed: Sequence[IngressRule], entry: JournalEntry | None
) -> Mapping[RuleKey, str]:
    """The rules that only one of EC2's two answers about a group has, but for those that Hammer changed itself.

    Args:
        described: the rules in DescribeSecurityGroups' answer.
        listed: the rules in DescribeSecurityGroupRules' answer.
        entry: the facts.

    Returns:
        The name of the call whose answer has it, by rule.
    """
    first, second = {rule_key(rule) for rule in described}, {rule_key(rule) for rule in listed}
    explained: set[RuleKey] = set()
    if entry is not None:
        changed = (one.rule for facts in (entry.withdrawn, entry.revoke, entry.add) for one in facts)
        explained = set(map(rule_key, changed))
    return {
        key: "DescribeSecurityGroups" if key in first else "DescribeSecurityGroupRules"
        for key in (first ^ second) - explained
    }

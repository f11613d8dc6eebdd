"""The journal of one group's change: what Hammer sent to EC2, and what EC2 acknowledged.

Pure. An entry holds facts and no intentions: what is to be done next is planned anew on each look at the group, from
these facts and from what EC2 shows. So nothing that was acknowledged is ever taken back because a read does not show it
yet, and nobody else's change is ever repeated or undone. From the top: the entry as a value; what a look at a group
means, given the entry (`view_of`); and what the journals of issues say.

EC2 is eventually consistent: each of its answers may be old by seconds to minutes (EC2 API Reference, "Eventual
consistency"). So an acknowledgement counts more than an answer that was read:

- a rule whose revoke was acknowledged is gone, whatever is read, and its id is never used again;
- a rule that is shown with its id and another source was edited by somebody: it is not the rule that was to be revoked;
- a rule whose adding was acknowledged is there until an answer that is old enough to know does not show it;
- a rule that is not shown although Hammer never sent a revoke of it was revoked by somebody else.

`remediation_details` of an issue is a map with

- `journal`: the newest change of the group;
- `backup`: the key of the backup that a restore goes back to unless another one is named: the
  first one of the newest remediation of which EC2 has acknowledged something;
- `added`: the rules that Hammer added in finished changes and that are there still, with their ids;
- `restored`: a map with `at`, `by` and `backup` while a restored group waits for somebody to decide, else null;
- `told`: what the issue's ticket was told last of what every run may find again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.issues.issue import Issue
from library.issues.times import parse_time
from library.security_groups.group import IngressRule
from remediation.rules import RuleKey, rule_key

if TYPE_CHECKING:
    pass


class ChangeKind(StrEnum):
    """What a change is for."""

    REMEDIATION = "remediation"
    RESTORE = "restore"


class JournalStep(StrEnum):
    """How far a change is. Each is written before what it names is done."""

    ADDING = "adding"
    REVOKING = "revoking"
    VERIFYING = "verifying"
    DONE = "done"
    UNDONE = "undone"  # nothing of the change is in the group
    UNDOING = "undoing"  # written by Hammer 0.1, which took changes back

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do in the group."""
        return self in (JournalStep.DONE, JournalStep.UNDONE)


class AddedState(StrEnum):
    """What is known about a rule that Hammer sent to be added."""

    SENT = "sent"  # no answer is known: it may be there or not
    THERE = "there"  # it is there; whether the lost call added it, its description will tell
    ADDED = "added"  # acknowledged: it is Hammer's
    NOT_OURS = "not ours"  # there was such a rule already, or nobody can tell whose it is: it stays
    MISSING = "missing"  # not shown long after: it was never added, or somebody else took it away

    @property
    def is_there(self) -> bool:
        """Whether EC2 said that the rule is in the group."""
        return self in (AddedState.THERE, AddedState.ADDED, AddedState.NOT_OURS)


class RevokedState(StrEnum):
    """What is known about a rule that Hammer is to revoke."""

    PLANNED = "planned"  # never sent, or refused
    SENT = "sent"  # no answer is known
    REVOKED = "revoked"  # acknowledged; or sent without an answer, and gone
    NOT_SHOWN = "not shown"  # never sent, and an answer does not show it: somebody else revoked it
    GONE = "gone"  # the same, and EC2 said so in answer to the revoke


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A rule that Hammer added, or tried to.

    Attributes:
        rule: the rule as sent, with its id once that is known.
        replaces: the ids of the revoked rules that it was added for.
        at: when it was sent or acknowledged, ISO 8601 in UTC; empty: when the journal was written.
        before: the id of the same rule that was there before this change, somebody's or an earlier change's; empty:
            none was shown.
    """

    rule: IngressRule
    state: AddedState
    replaces: tuple[str, ...] = ()
    at: str = ""
    before: str = ""

    @property
    def key(self) -> RuleKey:
        """What makes it the same rule to EC2."""
        return rule_key(self.rule)


@dataclass(frozen=True, slots=True)
class RevokedRule:
    """A rule that Hammer revoked, or is to revoke. It has its id.

    Attributes:
        at: when it was sent or acknowledged, ISO 8601 in UTC; empty: when the journal was written.
    """

    rule: IngressRule
    state: RevokedState
    at: str = ""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change of a group over all its rounds and runs, from the first backup until it is finished.

    Attributes:
        backup: the key of the first backup: the group before any of this.
        newest_backup: the key of the last one.
        withdrawn: rules that Hammer added and took away again, with their ids.
        describe: rules that get another description (a restore only).
        restored_from: the key of the backup that a restore goes back to.
        started: when the first step was written, ISO 8601 in UTC.
        changed: when this was written, ISO 8601 in UTC.
        problem: why it is not finished.
    """

    kind: ChangeKind
    step: JournalStep
    backup: str
    add: tuple[AddedRule, ...] = ()
    revoke: tuple[RevokedRule, ...] = ()
    withdrawn: tuple[AddedRule, ...] = ()
    describe: tuple[IngressRule, ...] = ()
    newest_backup: str = ""
    restored_from: str = ""
    run: str = ""
    by: str = ""
    started: str = ""
    changed: str = ""
    problem: str = ""

    @property
    def added(self) -> tuple[IngressRule, ...]:
        """The rules that Hammer added and that are Hammer's."""
        return tuple(added.rule for added in self.add if added.state is AddedState.ADDED)

    @property
    def closed(self) -> tuple[IngressRule, ...]:
        """The rules that Hammer revoked."""
        return tuple(revoked.rule for revoked in self.revoke if revoked.state is RevokedState.REVOKED)

    @property
    def is_acknowledged(self) -> bool:
        """Whether EC2 has carried out something of it that is not taken back."""
        return bool(self.added or self.closed)

    @property
    def left_traces(self) -> bool:
        """Whether anything of it is, or may be, in the group."""
        return any(added.state in (AddedState.SENT, AddedState.THERE, AddedState.ADDED) for added in self.add) or any(
            revoked.state in (RevokedState.SENT, RevokedState.REVOKED) for revoked in self.revoke
        )

    def with_added(self, changed: Mapping[RuleKey, AddedRule]) -> JournalEntry:
        """The entry with these in place of those of the same keys; new ones at the end."""
        old = {added.key: added for added in self.add}
        return replace(self, add=tuple((old | dict(changed)).values()))

    def without_added(self, taken_away: Iterable[AddedRule], at: str) -> JournalEntry:
        """The entry after these were taken away again, or found gone."""
        away = {added.key: replace(added, at=at) for added in taken_away}
        ids = {added.rule.rule_id for added in away.values()}
        return replace(
            self,
            add=tuple(added for added in self.add if added.key not in away or added.rule.rule_id not in ids),
            withdrawn=(*(added for added in self.withdrawn if added.rule.rule_id not in ids), *away.values()),
        )

    def with_revoked(self, rules: Iterable[IngressRule], state: RevokedState, at: str) -> JournalEntry:
        """The entry with these rules, told apart by their ids, in this state since then."""
        old = {revoked.rule.rule_id: revoked for revoked in self.revoke}
        new = {rule.rule_id: RevokedRule(rule, state, at) for rule in rules}
        return replace(self, revoke=tuple((old | new).values()))

    def state_of(self, rule_id: str) -> RevokedState | None:
        """The state of a rule to revoke; None: it is not among them."""
        return next((revoked.state for revoked in self.revoke if revoked.rule.rule_id == rule_id), None)

    def to_item(self) -> dict[str, Any]:
        """The map `journal` of `remediation_details`."""
        return {
            "kind": str(self.kind),
            "step": str(self.step),
            "backup": self.backup,
            "newest_backup": self.newest_backup,
            "add": list(map(_added_item, self.add)),
            "revoke": [
                {**revoked.rule._asdict(), "state": str(revoked.state), "at": revoked.at} for revoked in self.revoke
            ],
            "withdrawn": list(map(_added_item, self.withdrawn)),
            "describe": rules_to_item(self.describe),
            **{name: getattr(self, name) for name in _TEXTS},
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> JournalEntry:
        """The other way round, also of what Hammer 0.1 wrote.

        Raises:
            KeyError, TypeError, ValueError: it is no journal.
        """
        step = JournalStep(item["step"])
        revoke = tuple(_revoked(raw, step) for raw in item["revoke"])
        changed = str(item.get("changed") or "")
        parse_time(changed)
        every_id = tuple(revoked.rule.rule_id for revoked in revoke)
        return cls(
            kind=ChangeKind(item["kind"]),
            step=step,
            backup=str(item["backup"]),
            newest_backup=str(item.get("newest_backup", "")),
            # Hammer 0.1 wrote `undone` when nothing of the change was left.
            add=() if step is JournalStep.UNDONE else tuple(_added(raw, step, every_id) for raw in item["add"]),
            revoke=revoke,
            withdrawn=tuple(_added(raw, step, ()) for raw in item.get("withdrawn", ())),
            describe=rules_from_item(item.get("describe", ())),
            changed=changed,
            **{name: str(item.get(name, "")) for name in _TEXTS if name != "changed"},
        )


_TEXTS = ("restored_from", "run", "by", "started", "changed", "problem")
# Hammer 0.1 wrote no states, and looked at the group after each step: what its last step says about them.
_REVOKED_BEFORE = {
    JournalStep.ADDING: RevokedState.PLANNED,
    JournalStep.REVOKING: RevokedState.SENT,
    JournalStep.VERIFYING: RevokedState.REVOKED,
    JournalStep.UNDOING: RevokedState.SENT,
    JournalStep.DONE: RevokedState.REVOKED,
    JournalStep.UNDONE: RevokedState.PLANNED,
}


def _added_item(added: AddedRule) -> dict[str, Any]:
    return {
        **added.rule._asdict(),
        "state": str(added.state),
        "replaces": list(added.replaces),
        "at": added.at,
        "before": added.before,
    }


def _added(raw: Mapping[str, Any], step: JournalStep, every_id: tuple[str, ...]) -> AddedRule:
    if "state" in raw:
        replaces = tuple(map(str, raw["replaces"]))
        before = str(raw.get("before") or "")
        return AddedRule(rule_from_item(raw), AddedState(raw["state"]), replaces, _time(raw), before)
    state = AddedState.ADDED if step is JournalStep.DONE else AddedState.SENT
    return AddedRule(rule_from_item(raw), state, every_id)


def _revoked(raw: Mapping[str, Any], step: JournalStep) -> RevokedRule:
    state = RevokedState(raw["state"]) if "state" in raw else _REVOKED_BEFORE[step]
    return RevokedRule(rule_from_item(raw), state, _time(raw))


def _time(raw: Mapping[str, Any]) -> str:
    """The time in an item. Raises ValueError on what is none."""
    at = str(raw.get("at") or "")
    parse_time(at)
    return at


def rules_to_item(rules: Iterable[IngressRule]) -> list[dict[str, Any]]:
    """Rules as maps that DynamoDB and JSON can hold."""
    return [rule._asdict() for rule in rules]


def rules_from_item(items: Iterable[Mapping[str, Any]]) -> tuple[IngressRule, ...]:
    """The other way round. Raises as `rule_from_item` does."""
    return tuple(map(rule_from_item, items))


def rule_from_item(item: Mapping[str, Any]) -> IngressRule:
    """One rule: DynamoDB makes every number a Decimal. Raises KeyError, TypeError or ValueError on what is none."""
    first, last = (None if item[name] is None else int(item[name]) for name in ("from_port", "to_port"))
    texts = {name: str(item.get(name) or "") for name in _RULE_TEXTS}
    return IngressRule(str(item["protocol"]), first, last, **texts)


_RULE_TEXTS = ("cidr", "prefix_list_id", "group_id", "description", "rule_id")


@dataclass(frozen=True, slots=True)
class RemediationDetails:
    """What `remediation_details` of an issue holds, read.

    Attributes:
        entry: the newest change; None: there was none.
        restored: what says that somebody restored the group; None: nobody did, or it was given back.
        added: the rules that Hammer added in earlier, finished changes.
        problem: why it cannot be read; empty: it can.
    """

    entry: JournalEntry | None = None
    restored: Mapping[str, Any] | None = None
    added: tuple[IngressRule, ...] = ()
    problem: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether a change was begun and is not known to be complete."""
        return self.entry is not None and not self.entry.step.is_finished

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> RemediationDetails:
        """Read the map. Never raises: what cannot be read is told in `problem`."""
        try:
            journal, restored = raw.get("journal"), raw.get("restored")
            if restored is not None and not isinstance(restored, Mapping):
                return cls(problem="remediation_details.restored is not a map")
            return cls(
                entry=JournalEntry.from_item(journal) if journal else None,
                restored=restored or None,
                added=rules_from_item(raw.get("added") or ()),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            return cls(problem=f"remediation_details cannot be read: {reason}")


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


def entry_of(issue: Issue) -> JournalEntry | None:
    """The newest change of an issue's group; None: there was none, or it cannot be read."""
    return RemediationDetails.of(issue.remediation_details).entry


def is_unfinished(issue: Issue) -> bool:
    """Whether a change of the group was begun and is not known to be complete."""
    return RemediationDetails.of(issue.remediation_details).is_unfinished


def unfinished_remediation(issue: Issue) -> JournalEntry | None:
    """The remediation of an issue's group that was begun and is not known to be complete; None: there is none."""
    details = RemediationDetails.of(issue.remediation_details)
    is_it = details.is_unfinished and details.entry and details.entry.kind is ChangeKind.REMEDIATION
    return details.entry if is_it else None

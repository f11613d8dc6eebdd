"""The journal's entry about one group, as a value: what Hammer sent to EC2, and what EC2 acknowledged.

Pure. An entry holds facts and no intentions: what is to be done next is planned anew on each look at the group, from
these facts and from what EC2 shows (`remediation.settlement`). So nothing that was acknowledged is ever taken back
because a read does not show it yet, and nobody else's change is ever repeated or undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from library.issues.times import parse_time
from library.security_groups.group import IngressRule
from remediation.rule_sets import RuleKey, rule_key


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

"""The journal of one group's change: what Hammer sent to EC2, and what EC2 acknowledged.

All of it is pure but `read_details` and `Journal`, which read and write through the issue table that they are given:
first the journal's own item, then what the issue's item says of it.

An entry holds facts and no intentions: what is to be done next is planned anew each time that the group is described,
from these facts and from what EC2 shows (`remediation.group_state.observe`). So nobody else's change is ever repeated
or undone.

EC2 is eventually consistent, so an answer to a describe may be old. Three rules follow:

- EC2's answers to a change are never old. A rule that it added is there, one that it revoked or did not find is gone.
  What is not known to be done is sent again, at once: EC2 refuses a duplicate, and does not find what is gone.
- While a change is younger than `EVENTUAL_CONSISTENCY`, an acknowledgement counts more than a describe. Afterwards the
  describe counts: what is not shown was taken away by somebody.
- What only a describe says is not needed is taken away when EC2 shows all that it acknowledged, and not before.

Whose rule it is, EC2 tells: rules that Hammer adds have the tag `hammer:change` with the key of the change's first
backup. Where tags are denied, the description tells. What may be taken away again is for the backups to prove
(`remediation.proof`).

The journal is an item of its own, `journal#<group id>`, in no index, because it grows with the group's rules: an
issue's item is kept in two indexes, and DynamoDB counts all three copies for its limit of 400 KB.
`remediation_details` of the issue is a map with

- `journal`: the newest change of the group without its rules;
- `backup`: the key of the backup that a restore goes back to unless another one is named: the first one of the newest
  remediation of which EC2 has acknowledged something;
- `restored`: a map with `at`, `by` and `backup` while a restored group waits for somebody to decide, else null;
- `kept`: the rules that a person kept with `--keep`, with who and when (`library.issues.decision_record`);
- `carried_out`: when the decision to close now was made that the last change knew of (`library.issues.schedule`);
- `named`: the key of the unfinished change that a run named after its account or region left the configuration;
- `refused`: what EC2 refused for good (`remediation.planning`), else null;
- `told`: nothing writes or reads it any more; 0.1.0 kept there what the issue's ticket was told last.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.errors import ConflictError
from library.issues.change_notifications import record_paths
from library.issues.issue import Issue
from library.issues.times import format_time, parse_time
from library.security_groups.group import IngressRule, RuleKey, rule_key

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.issues.change_notifications import ChangeNotification

_ATTEMPTS = 3  # to write beside others who write the issue

CHANGE_TAG = "hammer:change"
"""The tag of each rule that Hammer adds; its value is the key of the first backup of the change."""


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

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do in the group."""
        return self in (JournalStep.DONE, JournalStep.UNDONE)


class AddedState(StrEnum):
    """What is known about a rule that Hammer sent to be added."""

    SENT = "sent"  # no answer is known: it may be there or not
    THERE = "there"  # EC2 refused it as a duplicate: whose it is, its tag or description tells once it is shown
    ADDED = "added"  # EC2 acknowledged it, or it is shown with Hammer's tag or description: it is Hammer's


class RevokedState(StrEnum):
    """What is known about a rule that Hammer is to revoke."""

    PLANNED = "planned"  # never sent, or refused
    SENT = "sent"  # no answer is known
    REVOKED = "revoked"  # acknowledged; or sent without an answer, and gone
    GONE = "gone"  # EC2 did not find it, and Hammer had not revoked it: somebody else closed or edited it


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A rule that Hammer added, or tried to.

    Attributes:
        rule: the rule as sent, with its id once that is known.
        replaces: the ids of the revoked rules that it was added for.
        at: when it was sent or acknowledged, ISO 8601 in UTC; empty: when the journal was written.
    """

    rule: IngressRule
    state: AddedState
    replaces: tuple[str, ...] = ()
    at: str = ""

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
        backup: the key of the first backup: the group before any of this. It names the change in tags.
        newest_backup: the key of the last one.
        withdrawn: rules that Hammer added and took away again, with their ids.
        restored_from: the key of the backup that a restore goes back to.
        started: when the first step was written, ISO 8601 in UTC.
        changed: when this was written, ISO 8601 in UTC.
        problem: why it is not finished.
        is_exact: whether a restore revokes also what others made since its backup.
    """

    kind: ChangeKind
    step: JournalStep
    backup: str
    add: tuple[AddedRule, ...] = ()
    revoke: tuple[RevokedRule, ...] = ()
    withdrawn: tuple[AddedRule, ...] = ()
    newest_backup: str = ""
    restored_from: str = ""
    run: str = ""
    by: str = ""
    started: str = ""
    changed: str = ""
    problem: str = ""
    is_exact: bool = False

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
    def sent_to_revoke(self) -> tuple[str, ...]:
        """The ids of the rules that Hammer closed, or may have closed."""
        closing = (RevokedState.SENT, RevokedState.REVOKED)
        return tuple(revoked.rule.rule_id for revoked in self.revoke if revoked.state in closing)

    @property
    def left_traces(self) -> bool:
        """Whether anything of it is, or may be, in the group."""
        # Of a complete change the rules may not be known: its own item is the next change's by now.
        return self.step is JournalStep.DONE or bool(self.add or self.sent_to_revoke)

    def with_added(self, changed: Mapping[RuleKey, AddedRule]) -> JournalEntry:
        """The entry with these in place of those of the same keys; new ones at the end."""
        old = {added.key: added for added in self.add}
        return replace(self, add=tuple((old | dict(changed)).values()))

    def without_added(self, taken_away: Iterable[AddedRule], at: str) -> JournalEntry:
        """The entry after these were taken away again."""
        away = {added.rule.rule_id: replace(added, at=at) for added in taken_away}
        return replace(
            self,
            add=tuple(added for added in self.add if added.rule.rule_id not in away),
            withdrawn=(*(added for added in self.withdrawn if added.rule.rule_id not in away), *away.values()),
        )

    def with_revoked(self, rules: Iterable[IngressRule], state: RevokedState, at: str) -> JournalEntry:
        """The entry with these rules, told apart by their ids, in this state since then."""
        old = {revoked.rule.rule_id: revoked for revoked in self.revoke}
        new = {rule.rule_id: RevokedRule(rule, state, at) for rule in rules}
        return replace(self, revoke=tuple((old | new).values()))

    @property
    def is_restore(self) -> bool:
        """Whether the change is a restore. Else it is a remediation."""
        return self.kind is ChangeKind.RESTORE

    def state_of(self, rule_id: str) -> RevokedState | None:
        """The state of a rule to revoke; None: it is not among them."""
        return next((revoked.state for revoked in self.revoke if revoked.rule.rule_id == rule_id), None)

    def summary_item(self) -> dict[str, Any]:
        """The map `journal` of `remediation_details` of the issue: how far the change is, without its rules."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        # Without these lists, an older version could not read the issue.
        lists: dict[str, list[Any]] = {"add": [], "revoke": [], "describe": []}
        exact = {_EXACT: True} if self.is_exact else {}
        return {"kind": str(self.kind), "step": str(self.step), **texts, **exact, _OWN_ITEM: True, **lists}

    def to_item(self) -> dict[str, Any]:
        """The map `journal` of the journal's own item. What is empty is left out: its size is limited."""
        rules: dict[str, Sequence[AddedRule | RevokedRule]]
        rules = {"add": self.add, "revoke": self.revoke, "withdrawn": self.withdrawn}
        return self.summary_item() | {name: list(map(_change_item, listed)) for name, listed in rules.items()}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> JournalEntry:
        """The entry that a map `journal` tells, with its rules or without them.

        Raises:
            KeyError, TypeError, ValueError: it is no journal.
        """
        step = JournalStep("revoking" if item["step"] == "undoing" else item["step"])
        texts = {name: str(item.get(name) or "") for name in _TEXTS}
        for name in ("started", "changed"):
            parse_time(texts[name])
        revoke = tuple(map(_revoked, item.get("revoke", ())))
        every_id = tuple(revoked.rule.rule_id for revoked in revoke)
        return cls(
            kind=ChangeKind(item["kind"]),
            step=step,
            add=tuple(_added(raw, every_id) for raw in item.get("add", ()) if raw.get("state") not in _NOT_HAMMERS),
            revoke=revoke,
            withdrawn=tuple(_added(raw, ()) for raw in item.get("withdrawn", ())),
            is_exact=item.get(_EXACT) is True,
            **{**texts, "backup": str(item["backup"])},
        )


_OWN_ITEM = "own_item"  # says that the rules are in the journal's own item: an older version kept them in the issue
_EXACT = "exact"
_TEXTS = ("backup", "newest_backup", "restored_from", "run", "by", "started", "changed", "problem")
# Earlier versions kept in the journal what is not Hammer's. The first one wrote no states: then nothing is known to be
# done, and what may be closed keeps what stands in for it (docs/upgrade.md).
_NOT_HAMMERS = ("not ours", "missing")


def _change_item(change: AddedRule | RevokedRule) -> dict[str, Any]:
    item = _short_item(change.rule) | {"state": str(change.state), "at": change.at}
    if isinstance(change, AddedRule) and change.replaces:
        item["replaces"] = list(change.replaces)
    return item


def _short_item(rule: IngressRule) -> dict[str, Any]:
    return {name: value for name, value in rule._asdict().items() if value not in ("", None) or name in _PORTS}


def _added(raw: Mapping[str, Any], every_id: tuple[str, ...]) -> AddedRule:
    if "state" not in raw:
        return AddedRule(rule_from_item(raw), AddedState.SENT, every_id)
    return AddedRule(
        rule_from_item(raw), AddedState(raw["state"]), tuple(map(str, raw.get("replaces", ()))), _time(raw)
    )


def _revoked(raw: Mapping[str, Any]) -> RevokedRule:
    state = raw.get("state") or RevokedState.SENT
    return RevokedRule(rule_from_item(raw), RevokedState("planned" if state == "not shown" else state), _time(raw))


def _time(raw: Mapping[str, Any]) -> str:
    """The time in an item. Raises ValueError on what is none."""
    at = str(raw.get("at") or "")
    parse_time(at)
    return at


def rules_to_item(rules: Iterable[IngressRule]) -> list[dict[str, Any]]:
    """Rules as maps that DynamoDB and JSON can hold."""
    return [rule._asdict() for rule in rules]


def rules_from_item(items: Iterable[Mapping[str, Any]]) -> tuple[IngressRule, ...]:
    """The rules that such maps tell. Raises as `rule_from_item` does."""
    return tuple(map(rule_from_item, items))


def rule_from_item(item: Mapping[str, Any]) -> IngressRule:
    """One rule: DynamoDB makes every number a Decimal. Raises KeyError, TypeError or ValueError on what is none."""
    first, last = (None if item[name] is None else int(item[name]) for name in _PORTS)
    texts = {name: str(item.get(name) or "") for name in _RULE_TEXTS}
    return IngressRule(str(item["protocol"]), first, last, **texts)


_PORTS = ("from_port", "to_port")
_RULE_TEXTS = ("cidr", "prefix_list_id", "group_id", "description", "rule_id")


@dataclass(frozen=True, slots=True)
class RemediationDetails:
    """What `remediation_details` of an issue holds, read.

    Attributes:
        entry: the newest change; None: there was none. Its rules are in the journal's own item.
        restored: what says that somebody restored the group; None: nobody did, or it was given back.
        problem: why it cannot be read; empty: it can.
    """

    entry: JournalEntry | None = None
    restored: Mapping[str, Any] | None = None
    problem: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether a change was begun and is not known to be complete."""
        return self.entry is not None and not self.entry.step.is_finished

    @property
    def unfinished_restore(self) -> JournalEntry | None:
        """The restore that was begun and is not known to be complete; None: there is none."""
        return self.entry if self.entry is not None and self.is_unfinished and self.entry.is_restore else None

    @classmethod
    def of(cls, raw: Mapping[str, Any], own_item: Mapping[str, Any] | None = None) -> RemediationDetails:
        """Read the map. Never raises: what cannot be read is told in `problem`.

        `own_item` is the same attribute of the journal's own item; None: it was not read, or there is none.
        """
        try:
            restored = raw.get("restored")
            if restored is not None and not isinstance(restored, Mapping):
                return cls(problem="remediation_details.restored is not a map")
            journal = raw.get("journal")
            entry = JournalEntry.from_item(journal) if journal else None
            if entry and journal and own_item and journal.get(_OWN_ITEM):
                own = JournalEntry.from_item(own_item["journal"])
                # The own item is written first. Where the second write failed, the issue's step is not reached yet.
                entry = replace(own, step=entry.step) if (own.kind, own.backup) == (entry.kind, entry.backup) else entry
            return cls(entry, restored or None)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            return cls(problem=f"remediation_details cannot be read: {reason}")


def unneeded(entry: JournalEntry | None, to_close: Container[str]) -> tuple[AddedRule, ...]:
    """The rules that Hammer added and that, by the journal, stand in for no rule that it closed or is about to close.

    A rule whose revoke was sent without an answer counts as closed: if it is, private access depends on the new rules.
    `entry` is as `observe` gives it; `to_close` has the ids of the rules that are going to be revoked.
    """
    if entry is None or entry.is_restore:
        return ()  # what a restore adds are the group's own rules
    closed = set(entry.sent_to_revoke)
    return tuple(
        added
        for added in entry.add
        if added.state is AddedState.ADDED
        and added.rule.rule_id
        and not any(rule_id in closed or rule_id in to_close for rule_id in added.replaces)
    )


def is_unfinished(issue: Issue) -> bool:
    """Whether a change of the group was begun and is not known to be complete."""
    return RemediationDetails.of(issue.remediation_details).is_unfinished


def unfinished_remediation(issue: Issue) -> JournalEntry | None:
    """The remediation of an issue's group that is not known to be complete, without its rules; None: there is none."""
    details = RemediationDetails.of(issue.remediation_details)
    is_unfinished_remediation = details.is_unfinished and details.entry and details.entry.kind is ChangeKind.REMEDIATION
    return details.entry if is_unfinished_remediation else None


def read_details(table: IssueTable, issue: Issue) -> RemediationDetails:
    """What `remediation_details` of an issue says, the journal with its rules.

    Raises:
        ClientError, BotoCoreError: the journal's item could not be read.
    """
    details = RemediationDetails.of(issue.remediation_details)
    if details.entry is None:
        return details
    own_item = table.journal(issue.account_id, issue.issue_id)
    return RemediationDetails.of(issue.remediation_details, own_item)


Stamp = tuple[object, object]
"""By what it is known whether a part of a `remediation_details` is still the one that was read; see `_STAMPED`."""

# The journal: when it was written, and by which run. The flag of a restore: of when it is, and whose.
_STAMPED = {"journal": ("changed", "run"), "restored": ("at", "by")}
_ABSENT = object()


def _stamp(details: Mapping[str, Any], part: str = "journal") -> Stamp:
    """The stamp of a part. What does not say, or is not there, is `_ABSENT`."""
    found = details.get(part)
    found = found if isinstance(found, Mapping) else {}
    first, second = (found.get(name, _ABSENT) for name in _STAMPED[part])
    return first, second


def _is_one_of(stamps: Iterable[Stamp], part: str = "journal") -> tuple[str, dict[str, Any]]:
    """The condition that a part of an item has one of these stamps, and the values of its placeholders."""
    alternatives: list[str] = []
    values: dict[str, Any] = {}
    for number, stamp in enumerate(stamps):
        parts: list[str] = []
        for name, value in zip(_STAMPED[part], stamp, strict=True):
            path, placeholder = f"#remediation_details.#{part}.#{name}", f":{name}_{number}"
            parts.append(f"attribute_not_exists({path})" if value is _ABSENT else f"{path} = {placeholder}")
            values |= {} if value is _ABSENT else {placeholder: value}
        alternatives.append(f"({' AND '.join(parts)})")
    # DynamoDB refuses parentheses around what has some of its own.
    return f"({' OR '.join(alternatives)})" if len(alternatives) > 1 else alternatives[0], values


class Journal:
    """Writes the journal of one issue's group, and its `remediation_details`. The issue is as it was read.

    Each write holds only where the journal is as this run read or wrote it last. A run may stall in the very call that
    writes: it loses its lock, and another run completes the change meanwhile. Without the condition, the older journal
    would then be written over the newer one. A write whose answer was lost may have been made or not, so its stamp
    counts as well until a later one is acknowledged. The same goes for the flag of a restore, which is written without
    a journal where the group is already as its backup says: no run takes another one's away.
    """

    def __init__(self, table: IssueTable, issue: Issue, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now
        self._occurrence = issue.occurrence
        self._in_own_item: list[Stamp] = []
        self._in_issue = {part: [_stamp(issue.remediation_details, part)] for part in _STAMPED}
        self.issue = issue
        """The issue as it was read last, with the `remediation_details` that were written since."""

    @property
    def details(self) -> RemediationDetails:
        """What the issue's item says, without the journal's rules."""
        return RemediationDetails.of(self.issue.remediation_details)

    def read_stamp(self) -> None:
        """Read the stamp of the journal's item, on which the first write depends. `write` does so if it was not called.

        Raises:
            ClientError, BotoCoreError: it could not be read.
        """
        if not self._in_own_item:
            self._in_own_item = [_stamp(self._table.journal(self.issue.account_id, self.issue.issue_id))]

    def write(
        self,
        entry: JournalEntry,
        *,
        remediated: bool = False,
        notification: ChangeNotification | None = None,
        **details: Any,
    ) -> JournalEntry:
        """Write an entry.

        Args:
            entry: the change and its step.
            remediated: the group was found remediated: say so in `timestamps`, unless the issue is a new
                occurrence by now.
            notification: what people are to be told of it. Recorded in the same write: a process that dies right after
                it leaves nothing untold.
            details: further keys of `remediation_details`.

        Returns:
            The entry as written, with the time.

        Raises:
            ConflictError: another run wrote the journal, the issue is gone, or new occurrences of it keep coming.
            UnreadableIssueError: it has become unreadable meanwhile.
            ClientError, BotoCoreError: it could not be written.
        """
        now = format_time(self._now()) or ""
        entry = replace(entry, changed=now, started=entry.started or now)
        if entry.kind is ChangeKind.REMEDIATION and entry.is_acknowledged:
            details = {"backup": entry.backup, **details}
        self._write_own_item(entry)
        self._write(
            {**details, "journal": entry.summary_item()},
            remediated=now if remediated else "",
            notification=notification,
        )
        return entry

    def _write_own_item(self, entry: JournalEntry) -> None:
        self.read_stamp()
        item = {"journal": entry.to_item()}
        self._in_own_item.append(_stamp(item))
        condition, values = _is_one_of(self._in_own_item)
        try:
            self._table.write_journal(
                self.issue.account_id, self.issue.issue_id, item, only_if=condition, values=values
            )
        except ConflictError as error:
            raise self._overtaken() from error
        del self._in_own_item[:-1]

    def _overtaken(self, part: str = "journal") -> ConflictError:
        if part == "restored":
            return ConflictError(f"{self.issue.location} was restored, or given back, meanwhile")
        return ConflictError(f"another run went on with the change of {self.issue.location}")

    def note(self, *, notification: ChangeNotification | None = None, **details: Any) -> None:
        """Write keys of `remediation_details` beside the journal. `notification` and what it raises: as of `write`."""
        self._write(details, notification=notification)

    def _write(
        self, details: Mapping[str, Any], remediated: str = "", notification: ChangeNotification | None = None
    ) -> None:
        # Where there is nothing yet, the whole map is set.
        parts = [part for part in _STAMPED if part in details or not self.issue.remediation_details]
        conditions: list[str] = []
        values: dict[str, Any] = {}
        for part in parts:
            known = self._in_issue[part]
            known += [_stamp(details, part)] if part in details else []
            condition, its_values = _is_one_of(known, part)
            conditions.append(condition)
            values |= its_values
        for attempt in range(_ATTEMPTS):
            before = self.issue.remediation_details
            sets: dict[str, Any] = {"remediation_details": dict(details)}
            if before:  # only these keys: another run may have written others since the issue was read
                sets = {f"remediation_details.{name}": value for name, value in details.items()}
            if remediated and self.issue.occurrence == self._occurrence:
                sets["timestamps.remediated"] = remediated
            removes: list[str] = []
            if notification is not None and notification.occurrence == self.issue.occurrence:
                added, removes = record_paths(self.issue.change_notifications, notification)
                sets |= added
            try:
                self._table.update(self.issue, sets, removes, only_if=" AND ".join(conditions), values=values)
            except ConflictError as error:
                fresh = self._table.get(self.issue.account_id, self.issue.issue_id)
                if fresh is None:
                    raise ConflictError(f"the issue of {self.issue.location} is gone from the issue table") from error
                for part in parts:
                    if _stamp(fresh.remediation_details, part) not in self._in_issue[part]:
                        raise self._overtaken(part) from error
                if attempt == _ATTEMPTS - 1:
                    raise ConflictError(
                        f"the issue of {self.issue.location} keeps changing in the issue table"
                    ) from error
                self.issue = fresh
            else:
                self.issue = replace(self.issue, remediation_details={**before, **details})
                for part in parts:
                    self._in_issue[part] = [_stamp(self.issue.remediation_details, part)]
                return

"""The journal's entry as a value and in the table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from library.security_groups.group import IngressRule
from remediation.journal import (
    AddedRule,
    AddedState,
    ChangeKind,
    JournalEntry,
    JournalStep,
    RemediationDetails,
    RevokedRule,
    RevokedState,
    rule_from_item,
    rules_to_item,
)

T1, T2 = "2026-11-22T03:00:00+00:00", "2026-11-22T03:01:00+00:00"
SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh", rule_id="sgr-1")
ALL = IngressRule("-1", None, None, prefix_list_id="pl-1", rule_id="sgr-2")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", rule_id="sgr-3")
OTHER = IngressRule("tcp", 22, 22, group_id="sg-2")
ENTRY = JournalEntry(
    ChangeKind.RESTORE,
    JournalStep.REVOKING,
    "first",
    add=(AddedRule(TEN, AddedState.ADDED, ("sgr-1", "sgr-2"), T1), AddedRule(OTHER, AddedState.SENT)),
    revoke=(RevokedRule(SSH, RevokedState.REVOKED, T2), RevokedRule(ALL, RevokedState.PLANNED)),
    withdrawn=(AddedRule(TEN._replace(rule_id="sgr-9"), AddedState.ADDED, ("sgr-1",), T2),),
    newest_backup="last",
    restored_from="old",
    run="run-1",
    by="ana",
    started=T1,
    changed=T2,
    problem="denied",
)


def raw(rule: IngressRule, **more: Any) -> dict[str, Any]:
    names = ("protocol", "from_port", "to_port", "cidr", "prefix_list_id", "group_id", "description", "rule_id")
    return {name: getattr(rule, name) for name in names} | more


SUMMARY = {
    "kind": "restore",
    "step": "revoking",
    "backup": "first",
    "newest_backup": "last",
    "restored_from": "old",
    "run": "run-1",
    "by": "ana",
    "started": T1,
    "changed": T2,
    "problem": "denied",
    "own_item": True,
    "add": [],
    "revoke": [],
    "describe": [],
}


def short(rule: IngressRule, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in raw(rule).items() if value != ""} | more


def test_the_item() -> None:
    assert ENTRY.summary_item() == SUMMARY
    assert ENTRY.to_item() == SUMMARY | {
        "add": [
            short(TEN, state="added", replaces=["sgr-1", "sgr-2"], at=T1),
            short(OTHER, state="sent", at=""),
        ],
        "revoke": [short(SSH, state="revoked", at=T2), short(ALL, state="planned", at="")],
        "withdrawn": [short(TEN._replace(rule_id="sgr-9"), state="added", replaces=["sgr-1"], at=T2)],
    }


def test_version_0_1_0_can_read_the_issue() -> None:
    """It reads these members without asking whether they are there, in `hammer status` and for each open issue."""
    texts = {"kind", "step", "backup", "restored_from", "run", "by", "started", "changed", "problem"}
    lists = {"add", "revoke", "describe"}
    summary = ENTRY.summary_item()
    assert all(isinstance(summary[name], str) for name in texts)
    assert all(summary[name] == [] for name in lists)


def test_the_rules_are_in_the_journal_s_own_item() -> None:
    issue, own = {"journal": ENTRY.summary_item()}, {"journal": ENTRY.to_item()}
    assert RemediationDetails.of(issue).entry == replace(ENTRY, add=(), revoke=(), withdrawn=())
    assert RemediationDetails.of(issue, own).entry == ENTRY
    # An older version kept them in the issue.
    older = {name: value for name, value in ENTRY.to_item().items() if name != "own_item"}
    other = {"journal": replace(ENTRY, add=()).to_item()}
    assert RemediationDetails.of({"journal": older}, other).entry == ENTRY


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param(replace(ENTRY, step=JournalStep.DONE), ENTRY, id="the issue's item was not written after it"),
        pytest.param(
            replace(ENTRY, backup="later"),
            replace(ENTRY, add=(), revoke=(), withdrawn=()),
            id="a new change, of which nothing was sent",
        ),
    ],
)
def test_the_own_item_is_written_first(own: JournalEntry, expected: JournalEntry) -> None:
    assert RemediationDetails.of({"journal": ENTRY.summary_item()}, {"journal": own.to_item()}).entry == expected


def test_an_entry_reads_back() -> None:
    assert JournalEntry.from_item(ENTRY.to_item()) == ENTRY


def test_states_of_earlier_versions() -> None:
    item = ENTRY.to_item()
    item["add"] = [raw(TEN, state=state, replaces=[], at=T1, before="") for state in ("not ours", "missing")]
    item["revoke"] = [raw(SSH, state="not shown", at="")]
    read = JournalEntry.from_item(item)
    assert (read.add, read.revoke) == ((), (RevokedRule(SSH, RevokedState.PLANNED),))


def test_numbers_of_the_table_and_what_is_left_out() -> None:
    item = {name: value for name, value in raw(SSH).items() if name in ("protocol", "from_port", "to_port", "cidr")}
    assert rule_from_item(item | {"from_port": Decimal(22)}) == SSH._replace(description="", rule_id="")
    assert rules_to_item([SSH]) == [raw(SSH)]


@pytest.mark.parametrize("step", ["adding", "revoking", "verifying", "undoing", "done", "undone"])
def test_what_the_first_version_wrote(step: str) -> None:
    """It wrote no states: what may be closed keeps what stands in for it."""
    item = {"kind": "remediation", "step": step, "backup": "first", "add": [raw(TEN)], "revoke": [raw(SSH), raw(ALL)]}
    assert JournalEntry.from_item(item) == JournalEntry(
        ChangeKind.REMEDIATION,
        JournalStep("revoking" if step == "undoing" else step),
        "first",
        add=(AddedRule(TEN, AddedState.SENT, ("sgr-1", "sgr-2")),),
        revoke=(RevokedRule(SSH, RevokedState.SENT), RevokedRule(ALL, RevokedState.SENT)),
    )


def test_what_was_withdrawn_replaced_nothing_that_is_known() -> None:
    item = {**ENTRY.to_item(), "withdrawn": [raw(TEN)], "changed": None}
    read = JournalEntry.from_item(item)
    assert read.withdrawn == (AddedRule(TEN, AddedState.SENT),)
    assert read.changed == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"step": "resting"}, "'resting' is not a valid JournalStep"),
        ({"kind": "other"}, "'other' is not a valid ChangeKind"),
        ({"changed": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"started": -1}, "Invalid isoformat string: '-1'"),
        ({"add": [raw(TEN, state="added", replaces=[], at="then")]}, "Invalid isoformat string: 'then'"),
        ({"revoke": [raw(SSH, state="gone?", at="")]}, "'gone?' is not a valid RevokedState"),
        ({"revoke": [raw(SSH, state="sent", at="then")]}, "Invalid isoformat string: 'then'"),
        ({"revoke": None}, "'NoneType' object is not iterable"),
    ],
)
def test_what_is_no_journal_says_why(change: dict[str, Any], problem: str) -> None:
    details = RemediationDetails.of({"journal": ENTRY.to_item() | change})
    assert details == RemediationDetails(problem=f"remediation_details cannot be read: {problem}")


def test_remediation_details() -> None:
    flag = {"by": "ana", "at": T1}
    whole = RemediationDetails.of({"journal": ENTRY.to_item(), "restored": flag})
    assert whole == RemediationDetails(ENTRY, flag)
    assert RemediationDetails.of({}) == RemediationDetails()
    assert RemediationDetails.of({"journal": {}, "restored": {}}) == RemediationDetails()
    assert RemediationDetails.of({"restored": "yes"}).problem == "remediation_details.restored is not a map"
    item = ENTRY.to_item()
    del item["backup"]
    assert RemediationDetails.of({"journal": item}).problem == (
        "remediation_details cannot be read: 'backup' is missing"
    )


@pytest.mark.parametrize("step", JournalStep)
def test_what_is_finished(step: JournalStep) -> None:
    finished = step in (JournalStep.DONE, JournalStep.UNDONE)
    assert step.is_finished is finished
    assert RemediationDetails(replace(ENTRY, step=step)).is_unfinished is not finished
    assert RemediationDetails().is_unfinished is False


def test_what_hammer_added_and_revoked() -> None:
    assert (ENTRY.added, ENTRY.closed) == ((TEN,), (SSH,))
    assert ENTRY.state_of("sgr-2") is RevokedState.PLANNED
    assert ENTRY.state_of("sgr-1") is RevokedState.REVOKED
    assert ENTRY.state_of("sgr-3") is None


@pytest.mark.parametrize(
    ("added", "revoked", "traces"),
    [
        (None, None, False),
        (AddedState.SENT, None, True),
        (AddedState.THERE, None, True),
        (AddedState.ADDED, None, True),
        (None, RevokedState.PLANNED, False),
        (None, RevokedState.SENT, True),
        (None, RevokedState.REVOKED, True),
        (None, RevokedState.GONE, False),
    ],
)
def test_what_may_be_in_the_group(added: AddedState | None, revoked: RevokedState | None, traces: bool) -> None:
    add = () if added is None else (AddedRule(TEN, added),)
    revoke = () if revoked is None else (RevokedRule(ALL, RevokedState.PLANNED), RevokedRule(SSH, revoked))
    assert replace(ENTRY, add=add, revoke=revoke).left_traces is traces


def test_added_rules_are_replaced_by_their_key_and_new_ones_come_last() -> None:
    ten, other = ENTRY.add
    new = AddedRule(TEN._replace(cidr="172.16.0.0/12", rule_id="sgr-5"), AddedState.SENT)
    there = replace(other, state=AddedState.THERE)
    assert ENTRY.with_added({new.key: new, there.key: there}).add == (ten, there, new)


def test_what_was_taken_away_again_is_withdrawn_once() -> None:
    ten, other = ENTRY.add
    gone = ENTRY.without_added([ten], T2)
    assert gone.add == (other,)
    assert gone.withdrawn == (*ENTRY.withdrawn, replace(ten, at=T2))
    again = gone.without_added([replace(ten, at=T1)], T1)
    assert again.withdrawn == (*ENTRY.withdrawn, replace(ten, at=T1))
    # A rule of the same key that was added anew has another id: it stays.
    anew = replace(ENTRY, add=(replace(ten, rule=TEN._replace(rule_id="sgr-7")), other))
    assert anew.without_added([ten], T2).add == anew.add


def test_revoked_rules_are_told_apart_by_their_ids() -> None:
    entry = ENTRY.with_revoked([ALL, TEN], RevokedState.SENT, T1)
    assert entry.revoke == (
        ENTRY.revoke[0],
        RevokedRule(ALL, RevokedState.SENT, T1),
        RevokedRule(TEN, RevokedState.SENT, T1),
    )


def test_a_complete_change_left_traces_also_where_its_rules_are_not_known() -> None:
    bare = replace(ENTRY, add=(), revoke=(), withdrawn=())
    assert replace(bare, step=JournalStep.DONE).left_traces
    assert not replace(bare, step=JournalStep.UNDONE).left_traces

"""Which backup a restore goes back to if nobody names one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.security_groups.group import IngressRule, RuleKey
from remediation.backups import Backup, BackupError, is_of_hammer
from remediation.journal import (
    AddedRule,
    AddedState,
    ChangeKind,
    JournalEntry,
    JournalStep,
    RemediationDetails,
    RevokedRule,
    RevokedState,
)
from remediation.restore_plan import BackupNotes, Observation, changes_of, choose

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", rule_id="sgr-1")
RDP = IngressRule("tcp", 3389, 3389, cidr="0.0.0.0/0", rule_id="sgr-2")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description="Hammer: replaces")
TEN_RDP = TEN._replace(from_port=3389, to_port=3389)
ON_SSH = BackupNotes("remediation", "run 1", add=(TEN,), revoke=(SSH,), replaces={})
ON_RDP = BackupNotes("remediation", "run 2", add=(TEN_RDP,), revoke=(RDP,), replaces={})
RESTORE = BackupNotes("restore", "run 3", add=(SSH,), revoke=(TEN,))


def shown(day: float, *rules: IngressRule) -> Observation:
    return Observation(NOON + day * DAY, rules)


def entry(key: str, *, state: AddedState | None = AddedState.ADDED, revoked: bool = False) -> JournalEntry:
    add = (AddedRule(TEN, state),) if state else ()
    revoke = (RevokedRule(SSH, RevokedState.REVOKED),) if revoked else ()
    return JournalEntry(ChangeKind.REMEDIATION, JournalStep.VERIFYING, key, add, revoke)


@dataclass(frozen=True)
class Case:
    """`backups`: one a day, the oldest first, with the keys a, b, c."""

    backups: Sequence[BackupNotes]
    expected: str
    key: str = ""
    journal: JournalEntry | None = None
    seen: Sequence[Observation] = field(default=())


CASES: dict[str, Case] = {
    "none": Case([], ""),
    "one": Case([ON_SSH], "a"),
    "the newest of two": Case([ON_SSH, ON_RDP], "b"),
    "the first of the newest": Case([ON_SSH, ON_RDP, replace(ON_RDP, first="b")], "b"),
    "a first one that is gone is named all the same": Case([replace(ON_RDP, first="x")], "x"),
    "the first of a run of Hammer 0.1": Case(
        [replace(ON_SSH, replaces=None), replace(ON_RDP, run="run 1", replaces=None)], "a"
    ),
    "other tooling's": Case([ON_SSH, BackupNotes()], "b"),
    "the table's before other tooling's": Case([ON_SSH, BackupNotes()], "a", key="a"),
    "not before a restore": Case([ON_SSH, RESTORE], "a"),
    "restores alone are no change": Case([RESTORE], ""),
    "the table's key": Case([ON_SSH, ON_RDP], "a", key="a"),
    "the table names a restore's": Case([ON_SSH, RESTORE], "a", key="b"),
    "the table names no backup of the group": Case([ON_SSH, ON_RDP], "b", key="x"),
    "the table's key is older than what the bucket proves": Case(
        [ON_SSH, ON_RDP], "b", key="a", seen=[shown(3, TEN, TEN_RDP)]
    ),
    "rules like those to be added that were there before prove nothing": Case(
        [ON_SSH, replace(ON_RDP, observed=(TEN_RDP,))], "a", key="a", seen=[shown(3, TEN_RDP)]
    ),
    "a journal whose answer was lost": Case([ON_SSH, ON_RDP], "b", key="a", journal=entry("b", state=AddedState.SENT)),
    "a journal of what EC2 carried out": Case(
        [ON_SSH, ON_RDP], "b", key="a", journal=entry("b", state=None, revoked=True)
    ),
    "a journal of an attempt that EC2 refused": Case([ON_SSH, ON_RDP], "a", journal=entry("b", state=None)),
    "the same, and the key of an older Hammer": Case([ON_SSH, ON_RDP], "a", key="b", journal=entry("b", state=None)),
    "nothing of it was done: all is there long after": Case([ON_SSH, ON_RDP], "a", seen=[shown(2, RDP)]),
    "the same, and the key of an older Hammer alone": Case([ON_SSH, ON_RDP], "a", key="b", seen=[shown(2, RDP)]),
    "too early to tell": Case([ON_SSH, ON_RDP], "b", seen=[shown(1.005, RDP)]),
    "a rule that was made again is another one": Case(
        [ON_SSH, ON_RDP], "b", seen=[shown(2, RDP._replace(rule_id="sgr-9"))]
    ),
    "a rule that was edited is another one": Case(
        [ON_SSH, ON_RDP], "b", seen=[shown(2, RDP._replace(cidr="8.8.8.0/24"))]
    ),
    "added, and not revoked yet": Case([ON_SSH, ON_RDP], "b", seen=[shown(2, RDP, TEN_RDP)]),
    "added and described anew, and not revoked yet": Case(
        [ON_SSH, ON_RDP], "b", seen=[shown(2, RDP, TEN_RDP._replace(description="mine"))]
    ),
    "nothing was to be revoked": Case([ON_SSH, replace(ON_RDP, revoke=())], "b", seen=[shown(2)]),
    "rules without ids prove nothing": Case(
        [ON_SSH, replace(ON_RDP, revoke=(RDP._replace(rule_id=""),))], "b", seen=[shown(2, RDP)]
    ),
    "only attempts in vain": Case([ON_SSH, ON_RDP], "", seen=[shown(2, SSH, RDP)]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_choose(case: Case) -> None:
    backups = [(Backup(NOON + day * DAY, "abc"[day]), notes) for day, notes in enumerate(case.backups)]
    details = RemediationDetails(entry=case.journal)
    assert choose(changes_of(backups[::-1]), details, case.key, case.seen) == case.expected


def test_the_notes_of_a_backup() -> None:
    rule = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/8"}
    notes = {
        "kind": "remediation",
        "run": "1",
        "first": None,
        "add": [rule],
        "relied_on": [rule],
        "revoke": [SSH._asdict()],
        "replaces": [
            {"protocol": "tcp", "from_port": 22, "to_port": 22, "source": "10.0.0.0/8", "rules": ["sgr-1", "sgr-8"]}
        ],
        "rules": [
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0", "IsEgress": False,
             "SecurityGroupRuleId": "sgr-1"},
            {"IpProtocol": "-1", "IsEgress": True},
        ],
    }  # fmt: skip
    found = BackupNotes.of({"hammer": notes})
    assert found.observed == (SSH,)
    key = RuleKey("tcp", 22, 22, "10.0.0.0/8")
    assert found.replaces == {key: ("sgr-1", "sgr-8")}
    change = found.change([SSH])
    assert (change.replaces, change.is_restore, len(change.add)) == ({key: (SSH,)}, False, 2)
    assert BackupNotes.of({}).change([]).replaces is None


ODD: list[Any] = ["x", {"rules": [{}]}, {"replaces": {"a": 1}}, {"replaces": [{"protocol": "tcp"}]}, {"revoke": 1}]


@pytest.mark.parametrize("notes", ODD, ids=str)
def test_notes_that_are_none(notes: Any) -> None:
    with pytest.raises(BackupError, match="what Hammer noted in it cannot be read"):
        BackupNotes.of({"hammer": notes})


def test_which_keys_hammer_writes() -> None:
    assert is_of_hammer("security_groups/1/eu-west-1/sg-1_20261122T030000.000000Z.json")
    assert not is_of_hammer("security_groups/1/eu-west-1/sg-1_2026-11-22.json")

"""What people are told about a change of a group, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from library.issues.issue import Issue
from library.security_groups.group import IngressRule
from remediation.journal import AddedRule, AddedState, ChangeKind, JournalEntry, JournalStep, RevokedRule, RevokedState
from remediation.notify import (
    ChangeMessage,
    described_rule,
    failed_message,
    incomplete_message,
    not_restored_message,
    released_message,
    remediated_message,
    restore_interrupted_message,
    restored_message,
    settled_message,
)
from tests.builders.issues import an_issue

ISSUE: Issue = an_issue()
SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="from\x1b anywhere", rule_id="sgr-1")
PRIVATE = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", rule_id="sgr-2")
OTHER = IngressRule("tcp", 22, 22, cidr="172.16.0.0/12")
ENTRY = JournalEntry(
    ChangeKind.REMEDIATION,
    JournalStep.REVOKING,
    "first key",
    add=(AddedRule(PRIVATE, AddedState.ADDED), AddedRule(OTHER, AddedState.SENT)),
    revoke=(RevokedRule(SSH, RevokedState.REVOKED), RevokedRule(OTHER, RevokedState.SENT)),
    restored_from="old",
    by="ana",
)
LOCATION = "--account 210987654321 --region eu-west-1 --group sg-1"
REVOKED, ADDED = "tcp/22 from 0.0.0.0/0 (from\\x1b anywhere)", "tcp/22 from 10.0.0.0/8"


def test_remediated() -> None:
    assert remediated_message(ISSUE, "bucket", "a key", [PRIVATE], [SSH]) == ChangeMessage(
        "Remediated",
        "Hammer closed the group: its rules that exposed restricted ports were replaced.",
        (
            f"Revoked: {REVOKED}",
            f"Added: {ADDED}",
            "Backup: s3://bucket/a key",
            f"Your security team can bring it back on Hammer's host: hammer restore {LOCATION} --backup 'a key'",
        ),
    )


def test_without_a_backup_there_is_no_way_back() -> None:
    assert remediated_message(ISSUE, "bucket", "", [], []).details == ()


@pytest.mark.parametrize(("count", "more"), [(20, ()), (21, ("Revoked: 1 more, see the backup",)), (0, ())])
def test_of_many_rules_the_first_are_named(count: int, more: tuple[str, ...]) -> None:
    rules = [PRIVATE._replace(from_port=port, to_port=port) for port in range(1, count + 1)]
    named = tuple(f"Revoked: tcp/{port} from 10.0.0.0/8" for port in range(1, min(count, 20) + 1))
    assert remediated_message(ISSUE, "bucket", "", [], rules).details == (*named, *more)


def test_not_complete_yet() -> None:
    assert incomplete_message(ISSUE, "bucket", ENTRY, "EC2 throttles") == ChangeMessage(
        "Not complete yet",
        "Hammer has begun to change the group, and that is not complete yet: EC2 throttles. "
        "The next remediation run that may change the group completes it.",
        (
            "Clients with private addresses (RFC 1918) that had access still have it.",
            f"Revoked so far: {REVOKED}",
            f"Added so far: {ADDED}",
            "Backup: s3://bucket/first key",
            f"Your security team can bring it back on Hammer's host: hammer restore {LOCATION} --backup 'first key'",
        ),
    )


@pytest.mark.parametrize(
    ("sources", "who"),
    [
        (("10.9.0.0/16", "pl-1"), "Clients from 10.9.0.0/16, pl-1 that had access still have it."),
        (("10.0.0.0/8",), "Clients from 10.0.0.0/8 that had access still have it."),
        (
            ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
            "Clients with private addresses (RFC 1918) that had access still have it.",
        ),
    ],
    ids=["others", "fewer", "as by default"],
)
def test_who_keeps_access_is_by_what_replaces_the_rules(sources: tuple[str, ...], who: str) -> None:
    rules = [
        SSH._replace(
            cidr="" if source == "pl-1" else source,
            prefix_list_id="pl-1" if source == "pl-1" else "",
            description="Hammer: replaces 0.0.0.0/0 on 2026-11-22",
        )
        for source in sources
    ]
    entry = replace(ENTRY, add=tuple(AddedRule(rule, AddedState.ADDED) for rule in rules))
    assert incomplete_message(ISSUE, "bucket", entry, "EC2 throttles").details[0] == who


def test_settled_and_failed() -> None:
    assert settled_message("2 rules were taken away again", "s3://bucket/key") == ChangeMessage(
        "Completed",
        "Hammer completed a change of the group that an earlier run had begun: 2 rules were taken away again. "
        "The rules that it was about to replace had been closed by somebody else, or need not be closed any more.",
        ("Backup: s3://bucket/key",),
    )
    assert failed_message("denied") == ChangeMessage(
        "Not remediated", "Hammer could not close the group and changed nothing: denied."
    )


@pytest.mark.parametrize(
    ("backup", "before"), [("new", ("Backup from before the restore: s3://bucket/new",)), ("", ())]
)
def test_restored(backup: str, before: tuple[str, ...]) -> None:
    assert restored_message(ISSUE, "bucket", "old", backup, "ana") == ChangeMessage(
        "Restored",
        "ana restored the group to a backup. Automatic remediation leaves it alone until somebody decides.",
        (
            "Restored from: s3://bucket/old",
            *before,
            f"Your security team can let it be remediated again, on Hammer's host: hammer restore --release {LOCATION}",
        ),
    )


def test_not_restored() -> None:
    assert not_restored_message(ISSUE, "bucket", "old", "denied") == ChangeMessage(
        "Not restored",
        "The group could not be restored completely: denied. No other run continues the restore.",
        (
            "Backup: s3://bucket/old",
            f"Your security team can restore it on Hammer's host: hammer restore {LOCATION} --backup old",
        ),
    )


@pytest.mark.parametrize(("by", "who"), [("ana", "ana"), ("", "somebody")])
def test_a_restore_that_was_interrupted(by: str, who: str) -> None:
    assert restore_interrupted_message(ISSUE, "bucket", replace(ENTRY, by=by)) == ChangeMessage(
        "Restore not complete",
        f"A restore of the group by {who} was interrupted. No other run continues it, and automatic "
        "remediation leaves the group alone until somebody decides.",
        (
            f"Revoked so far: {REVOKED}",
            f"Added so far: {ADDED}",
            "Backup: s3://bucket/old",
            f"Your security team can complete it on Hammer's host: hammer restore {LOCATION} --backup old",
            f"Or let the group be remediated again: hammer restore --release {LOCATION}",
        ),
    )


def test_released() -> None:
    assert released_message("ana", "") == ChangeMessage(
        "Released", "ana decided that automatic remediation may change the group again."
    )


def test_a_rule_is_one_line() -> None:
    assert described_rule(SSH) == REVOKED
    assert described_rule(PRIVATE) == ADDED

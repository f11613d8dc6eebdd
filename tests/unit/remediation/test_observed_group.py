"""What EC2 shows of a group, corrected by what EC2 acknowledged before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from library.security_groups.group import EVENTUAL_CONSISTENCY, IngressRule, ShapeError, rule_key
from remediation.group_state import ObservedGroup, describe_live, differing_keys, observe
from remediation.journal import (
    AddedRule,
    AddedState,
    ChangeKind,
    JournalEntry,
    JournalStep,
    RevokedRule,
    RevokedState,
    unneeded,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
JUST = (NOW - EVENTUAL_CONSISTENCY + timedelta(seconds=1)).isoformat()  # so recent that EC2 may not show it yet
LONG = (NOW - EVENTUAL_CONSISTENCY).isoformat()
SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", rule_id="sgr-1")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description="by Hammer, SEC-1")
TEN_THERE = TEN._replace(rule_id="sgr-3")
EDITED = SSH._replace(cidr="10.7.0.0/16")
OTHER = IngressRule("tcp", 443, 443, cidr="10.0.0.0/8", rule_id="sgr-9")
EMPTY = JournalEntry(ChangeKind.REMEDIATION, JournalStep.REVOKING, "key", changed=JUST)


def added(state: str, at: str = JUST, rule: IngressRule = TEN) -> JournalEntry:
    return replace(EMPTY, add=(AddedRule(rule, AddedState(state), ("sgr-1",), at),))


def revoked(state: str, at: str = JUST) -> JournalEntry:
    return replace(EMPTY, revoke=(RevokedRule(SSH, RevokedState(state), at),))


def test_without_an_entry_it_is_what_ec2_shows() -> None:
    assert observe(None, [SSH, OTHER], {}, NOW) == ObservedGroup((SSH, OTHER))


@pytest.mark.parametrize("at", [JUST, LONG])
@pytest.mark.parametrize("state", ["sent", "there", "added"])
@pytest.mark.parametrize(
    ("description", "change", "is_hammers"),
    [
        pytest.param(TEN.description, "key", True, id="tagged"),
        pytest.param("described anew", "key", True, id="tagged, and described anew"),
        pytest.param(TEN.description, "", True, id="no tag, and Hammer's description"),
        pytest.param("mine", "", False, id="no tag, and another description"),
        pytest.param(TEN.description, "another key", False, id="the tag of another change"),
    ],
)
def test_whose_a_rule_is_that_is_shown(state: str, at: str, description: str, change: str, *, is_hammers: bool) -> None:
    shown = TEN_THERE._replace(description=description)
    seen = observe(added(state, at), [OTHER, shown], {"sgr-3": change} if change else {}, NOW)
    expected = added("added", at, TEN_THERE) if is_hammers else EMPTY
    assert seen == ObservedGroup((OTHER, shown), expected)


@pytest.mark.parametrize(
    ("state", "rule", "shown", "is_there"),
    [
        pytest.param("added", TEN_THERE, None, True, id="added, and not shown yet"),
        pytest.param("there", TEN, None, True, id="there, and not shown yet"),
        pytest.param("sent", TEN, None, False, id="sent, and nobody knows"),
        pytest.param("added", TEN_THERE, TEN_THERE._replace(rule_id="sgr-0"), False, id="one from before is shown"),
    ],
)
def test_an_added_rule_that_is_not_shown(
    state: str, rule: IngressRule, shown: IngressRule | None, is_there: bool
) -> None:
    seen = () if shown is None else (shown,)
    entry = added(state, JUST, rule)
    assert observe(entry, seen, {}, NOW) == ObservedGroup((*seen, *([rule] if is_there else [])), entry, (rule,))
    # After five minutes it counts as shown: nobody added it, or somebody took it away.
    assert observe(added(state, LONG, rule), seen, {}, NOW) == ObservedGroup(seen, EMPTY)


@pytest.mark.parametrize(
    ("state", "at", "shown", "state_then", "is_there", "is_pending"),
    [
        pytest.param("revoked", JUST, False, "revoked", False, False, id="revoked, and gone"),
        pytest.param("revoked", LONG, False, "revoked", False, False, id="revoked long ago, and gone"),
        pytest.param("revoked", JUST, True, "revoked", False, True, id="revoked just now, and still shown"),
        pytest.param("revoked", LONG, True, "revoked", True, False, id="revoked long ago, and shown: again"),
        pytest.param("sent", JUST, False, "revoked", False, False, id="sent, and gone"),
        pytest.param("sent", JUST, True, "sent", True, True, id="sent just now, and shown"),
        pytest.param("sent", LONG, True, "sent", True, False, id="sent long ago, and shown"),
        pytest.param("gone", JUST, True, "gone", False, True, id="gone by EC2's word just now, and still shown"),
        pytest.param("gone", LONG, True, "gone", True, False, id="gone by EC2's word long ago, and there again"),
        pytest.param("gone", LONG, False, "gone", False, False, id="gone"),
        pytest.param("planned", JUST, True, "planned", True, False, id="planned, and shown"),
        pytest.param("planned", JUST, False, "planned", False, False, id="planned, and somebody else revoked it"),
    ],
)
def test_a_rule_to_revoke(state: str, at: str, shown: bool, state_then: str, is_there: bool, is_pending: bool) -> None:
    seen = [OTHER, SSH] if shown else [OTHER]
    assert observe(revoked(state, at), seen, {}, NOW) == ObservedGroup(
        (OTHER, SSH) if is_there else (OTHER,), revoked(state_then, at), (SSH,) if is_pending else ()
    )


@pytest.mark.parametrize(
    ("state", "at", "state_then", "rules", "pending"),
    [
        pytest.param("planned", JUST, "planned", (EDITED,), (), id="never sent: it is another rule now"),
        pytest.param("gone", JUST, "gone", (EDITED,), (), id="EC2 did not find it"),
        pytest.param("sent", JUST, "revoked", (EDITED,), (), id="sent without an answer: what replaces it stays"),
        pytest.param("revoked", JUST, "revoked", (), (SSH,), id="acknowledged: an answer from before the edit"),
        pytest.param("revoked", LONG, "revoked", (EDITED,), (), id="acknowledged long ago"),
    ],
)
def test_a_rule_that_somebody_edited_is_not_the_one_that_was_to_be_revoked(
    state: str, at: str, state_then: str, rules: tuple[IngressRule, ...], pending: tuple[IngressRule, ...]
) -> None:
    assert observe(revoked(state, at), [EDITED], {}, NOW) == ObservedGroup(rules, revoked(state_then, at), pending)


def test_what_was_withdrawn_is_gone_for_five_minutes_and_then_to_be_taken_away_again() -> None:
    just = AddedRule(TEN_THERE, AddedState.ADDED, (), JUST)
    entry = replace(EMPTY, withdrawn=(just,))
    assert observe(entry, [OTHER, TEN_THERE], {}, NOW) == ObservedGroup((OTHER,), entry, (TEN_THERE,))
    assert observe(entry, [OTHER], {}, NOW) == ObservedGroup((OTHER,), entry)
    long = replace(just, at=LONG)
    again = observe(replace(EMPTY, withdrawn=(long,)), [OTHER, TEN_THERE], {}, NOW)
    assert (again.rules, again.pending) == ((OTHER, TEN_THERE), ())
    assert unneeded(again.entry, ()) == (long,)


@pytest.mark.parametrize(("changed", "pending"), [(JUST, (TEN_THERE,)), (LONG, ()), ("", (TEN_THERE,))])
def test_a_fact_without_a_time_is_as_old_as_the_entry(changed: str, pending: tuple[IngressRule, ...]) -> None:
    entry = replace(added("added", "", TEN_THERE), changed=changed)
    assert observe(entry, [], {}, NOW).pending == pending


@pytest.mark.parametrize(
    ("state", "to_close", "is_needed"),
    [
        pytest.param("planned", (), False, id="nobody closes the rule any more"),
        pytest.param("gone", (), False, id="somebody else closed it, says EC2"),
        pytest.param("planned", ("sgr-1",), True, id="it is going to be closed"),
        pytest.param("sent", (), True, id="it may be closed"),
        pytest.param("revoked", (), True, id="it is closed"),
    ],
)
def test_what_hammer_added_is_needed_for_what_it_closed(state: str, to_close: tuple[str, ...], is_needed: bool) -> None:
    entry = replace(added("added", rule=TEN_THERE), revoke=(RevokedRule(SSH, RevokedState(state)),))
    assert unneeded(entry, to_close) == (() if is_needed else entry.add)
    assert unneeded(replace(entry, kind=ChangeKind.RESTORE), to_close) == ()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(None, id="no entry"),
        pytest.param(added("added"), id="its id is not known"),
        pytest.param(added("there", rule=TEN_THERE), id="it may be somebody else's"),
    ],
)
def test_what_is_not_taken_away(entry: JournalEntry | None) -> None:
    assert unneeded(entry, ()) == ()


def test_one_rule_that_was_closed_is_enough_to_keep_what_stands_in_for_it() -> None:
    for_both = AddedRule(TEN_THERE, AddedState.ADDED, ("sgr-1", "sgr-9"))
    states = (RevokedRule(SSH, RevokedState.PLANNED), RevokedRule(OTHER, RevokedState.REVOKED))
    assert unneeded(replace(EMPTY, add=(for_both,), revoke=states), ()) == ()


def test_where_ec2_s_two_answers_differ_but_for_what_hammer_changed() -> None:
    web = IngressRule("tcp", 80, 80, cidr="8.8.8.8/32")
    assert differing_keys([SSH, OTHER], [OTHER, web], None) == {
        rule_key(SSH): "DescribeSecurityGroups",
        rule_key(web): "DescribeSecurityGroupRules",
    }
    for facts in (
        revoked("sent"),
        replace(EMPTY, add=(AddedRule(SSH, AddedState.SENT),)),
        replace(EMPTY, withdrawn=(AddedRule(SSH, AddedState.ADDED),)),
    ):
        assert differing_keys([SSH, OTHER], [OTHER, web], facts) == {rule_key(web): "DescribeSecurityGroupRules"}


PERMISSION = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
GROUP = {"GroupId": "sg-1", "GroupName": "web", "IpPermissions": [PERMISSION]}
LISTED = {"SecurityGroupRuleId": "sgr-1", "IpProtocol": "icmp", "CidrIpv4": "0.0.0.0/0"}


def answering(groups: Mapping[str, Any], rules: Mapping[str, Any]) -> Any:
    """A client whose two describes answer so."""
    pages = {"describe_security_groups": groups, "describe_security_group_rules": rules}
    return SimpleNamespace(
        get_paginator=lambda operation: SimpleNamespace(paginate=lambda **_: [pages[operation]]),
    )


def test_answers_may_leave_out_what_means_nothing() -> None:
    live = describe_live(answering({"SecurityGroups": [GROUP]}, {"SecurityGroupRules": [LISTED]}), "sg-1")
    assert live is not None
    assert live.group.ingress == (IngressRule("icmp", None, None, cidr="0.0.0.0/0", rule_id="sgr-1"),)


@pytest.mark.parametrize(
    ("groups", "rules", "error"),
    [
        pytest.param({"SecurityGroups": [GROUP]}, {}, ResponseParserError, id="no list of rules"),
        pytest.param({}, {"SecurityGroupRules": [LISTED]}, ResponseParserError, id="no list of groups"),
        pytest.param(
            {"SecurityGroups": [{"GroupName": "web"}]}, {"SecurityGroupRules": []}, ShapeError, id="a group without id"
        ),
    ],
)
def test_what_is_no_answer_says_nothing(
    groups: Mapping[str, Any], rules: Mapping[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        describe_live(answering(groups, rules), "sg-1")

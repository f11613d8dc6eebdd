"""What a look at a group means, given what EC2 acknowledged before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from library.security_groups.group import IngressRule
from remediation.journal import (
    SHOWN_AFTER,
    AddedRule,
    AddedState,
    ChangeKind,
    JournalEntry,
    JournalStep,
    RevokedRule,
    RevokedState,
    View,
    differing_keys,
    unneeded,
    view_of,
)
from remediation.rules import rule_key

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
JUST = (NOW - SHOWN_AFTER + timedelta(seconds=1)).isoformat()  # so recent that EC2 may not show it yet
LONG = (NOW - SHOWN_AFTER).isoformat()
SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", rule_id="sgr-1")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description="by Hammer, SEC-1")
TEN_THERE = TEN._replace(rule_id="sgr-3")
EDITED = SSH._replace(cidr="10.7.0.0/16")
OTHER = IngressRule("tcp", 443, 443, cidr="10.0.0.0/8", rule_id="sgr-9")
EMPTY = JournalEntry(ChangeKind.REMEDIATION, JournalStep.REVOKING, "key", changed=JUST)


def added(state: AddedState, at: str = JUST, rule: IngressRule = TEN) -> JournalEntry:
    return replace(EMPTY, add=(AddedRule(rule, state, ("sgr-1",), at),))


def revoked(state: RevokedState, at: str = JUST) -> JournalEntry:
    return replace(EMPTY, revoke=(RevokedRule(SSH, state, at),))


def test_without_an_entry_it_is_what_ec2_shows() -> None:
    assert view_of(None, [SSH, OTHER], NOW) == View((SSH, OTHER))


@pytest.mark.parametrize(
    ("state", "at", "rule", "shown", "state_then", "rule_then"),
    [
        pytest.param("sent", JUST, TEN, TEN_THERE, "added", TEN_THERE, id="sent, and shown with its description"),
        pytest.param(
            "sent",
            JUST,
            TEN,
            TEN_THERE._replace(description="mine"),
            "not ours",
            TEN_THERE,
            id="sent, and shown with another description",
        ),
        pytest.param("there", JUST, TEN, TEN_THERE, "added", TEN_THERE, id="there, and ours by its description"),
        pytest.param(
            "there",
            LONG,
            TEN_THERE,
            TEN_THERE._replace(rule_id="sgr-4"),
            "not ours",
            TEN_THERE._replace(rule_id="sgr-4"),
            id="there, and another id than EC2 told",
        ),
        pytest.param("added", JUST, TEN_THERE, TEN_THERE, "added", TEN_THERE, id="added, and shown"),
        pytest.param("added", JUST, TEN, TEN_THERE, "added", TEN_THERE, id="added, and its id is known now"),
        pytest.param("not ours", JUST, TEN, TEN_THERE, "not ours", TEN, id="not ours, and shown"),
        pytest.param("missing", LONG, TEN, TEN_THERE, "added", TEN_THERE, id="missing, and shown after all"),
        pytest.param("added", LONG, TEN_THERE, None, "missing", TEN_THERE, id="added long ago, and not shown"),
        pytest.param(
            "added",
            LONG,
            TEN_THERE,
            TEN_THERE._replace(rule_id="sgr-4"),
            "not ours",
            TEN_THERE,
            id="added long ago, and somebody else's is there instead",
        ),
        pytest.param("sent", LONG, TEN, None, "missing", TEN, id="sent long ago, and not shown"),
        pytest.param("missing", LONG, TEN, None, "missing", TEN, id="missing, and not shown"),
    ],
)
def test_what_is_known_of_an_added_rule_after_a_look(
    state: str, at: str, rule: IngressRule, shown: IngressRule | None, state_then: str, rule_then: IngressRule
) -> None:
    entry = added(AddedState(state), at, rule)
    seen = [OTHER] if shown is None else [OTHER, shown]
    after = added(AddedState(state_then), at, rule_then)
    assert view_of(entry, seen, NOW) == View(tuple(seen), after)


@pytest.mark.parametrize(
    ("state", "rule", "shown", "is_there"),
    [
        pytest.param("added", TEN_THERE, None, True, id="added, and not shown yet"),
        pytest.param("there", TEN, None, True, id="there, and not shown yet"),
        pytest.param("sent", TEN, None, False, id="sent, and nobody knows"),
        pytest.param("added", TEN_THERE, TEN_THERE._replace(rule_id="sgr-0"), False, id="one from before is shown"),
    ],
)
def test_what_was_acknowledged_just_now_counts_more_than_what_is_read(
    state: str, rule: IngressRule, shown: IngressRule | None, is_there: bool
) -> None:
    entry = added(AddedState(state), JUST, rule)
    seen = () if shown is None else (shown,)
    assert view_of(entry, seen, NOW) == View((*seen, *([rule] if is_there else [])), entry, not_shown=(rule,))


@pytest.mark.parametrize(
    ("state", "at", "shown", "state_then", "is_there", "lasts"),
    [
        pytest.param("revoked", JUST, False, "revoked", False, False, id="revoked, and gone"),
        pytest.param("revoked", LONG, False, "revoked", False, False, id="revoked long ago, and gone"),
        pytest.param("revoked", JUST, True, "revoked", False, True, id="revoked just now, and still shown"),
        pytest.param("revoked", LONG, True, "sent", True, False, id="revoked long ago, and shown: again"),
        pytest.param("sent", JUST, False, "revoked", False, False, id="sent, and gone"),
        pytest.param("sent", JUST, True, "sent", True, True, id="sent just now, and shown"),
        pytest.param("sent", LONG, True, "sent", True, False, id="sent long ago, and shown"),
        pytest.param("gone", JUST, True, "gone", False, True, id="gone by EC2's word just now, and still shown"),
        pytest.param("gone", LONG, True, "planned", True, False, id="gone by EC2's word long ago, and there again"),
        pytest.param("gone", LONG, False, "gone", False, False, id="gone"),
        pytest.param("planned", LONG, True, "planned", True, False, id="planned, and shown"),
        pytest.param("planned", JUST, False, "not shown", False, False, id="planned, and somebody else revoked it"),
        pytest.param("not shown", LONG, True, "planned", True, False, id="it was not shown, and is now"),
        pytest.param("not shown", LONG, False, "not shown", False, False, id="it is still not shown"),
    ],
)
def test_what_is_known_of_a_rule_to_revoke_after_a_look(
    state: str, at: str, shown: bool, state_then: str, is_there: bool, lasts: bool
) -> None:
    seen = [OTHER, SSH] if shown else [OTHER]
    assert view_of(revoked(RevokedState(state), at), seen, NOW) == View(
        (OTHER, SSH) if is_there else (OTHER,),
        revoked(RevokedState(state_then), at),
        not_shown=(SSH,) if lasts else (),
    )


@pytest.mark.parametrize(
    ("state", "at", "state_then", "rules", "not_shown"),
    [
        pytest.param("planned", JUST, "not shown", (EDITED,), (), id="never sent: it is another rule now"),
        pytest.param("gone", JUST, "gone", (EDITED,), (), id="EC2 did not find it"),
        pytest.param("sent", JUST, "revoked", (EDITED,), (), id="sent without an answer: what replaces it stays"),
        pytest.param("revoked", JUST, "revoked", (), (SSH,), id="acknowledged: an answer from before the edit"),
        pytest.param("revoked", LONG, "revoked", (EDITED,), (), id="acknowledged long ago"),
    ],
)
def test_a_rule_that_somebody_edited_is_not_the_one_that_was_to_be_revoked(
    state: str, at: str, state_then: str, rules: tuple[IngressRule, ...], not_shown: tuple[IngressRule, ...]
) -> None:
    view = view_of(revoked(RevokedState(state), at), [EDITED], NOW)
    assert view == View(rules, revoked(RevokedState(state_then), at), not_shown)


@pytest.mark.parametrize(
    ("at", "run_began", "lingers"),
    [
        pytest.param(JUST, None, False, id="withdrawn just now"),
        pytest.param(LONG, None, True, id="withdrawn long ago"),
        pytest.param(LONG, NOW - SHOWN_AFTER, False, id="withdrawn by this run"),
        pytest.param(LONG, NOW, True, id="withdrawn before this run"),
    ],
)
def test_what_was_withdrawn_is_gone_even_if_it_is_shown(at: str, run_began: datetime | None, lingers: bool) -> None:
    gone = AddedRule(TEN_THERE, AddedState.ADDED, (), at)
    entry = replace(EMPTY, withdrawn=(gone,))
    assert view_of(entry, [OTHER, TEN_THERE], NOW, run_began) == View(
        (OTHER,), entry, not_shown=() if lingers else (TEN_THERE,), lingering=(gone,) if lingers else ()
    )
    assert view_of(entry, [OTHER], NOW) == View((OTHER,), entry)


@pytest.mark.parametrize(("before", "state"), [("sgr-3", AddedState.NOT_OURS), ("sgr-4", AddedState.ADDED)])
def test_a_rule_that_was_there_before_is_not_hammer_s(before: str, state: AddedState) -> None:
    sent = AddedRule(TEN, AddedState.SENT, ("sgr-1",), JUST, before)
    seen = replace(sent, rule=TEN if state is AddedState.NOT_OURS else TEN_THERE, state=state)
    assert view_of(replace(EMPTY, add=(sent,)), [TEN_THERE], NOW) == View((TEN_THERE,), replace(EMPTY, add=(seen,)))


def test_a_rule_of_a_finished_change_is_not_this_change_s() -> None:
    # An answer from before that change told of no such rule, so `before` does not name it.
    sent = AddedRule(TEN, AddedState.SENT, ("sgr-1",), JUST)
    entry = replace(EMPTY, add=(sent,))
    view = view_of(entry, [TEN_THERE], NOW, earlier=[TEN_THERE])
    assert view == View((TEN_THERE,), replace(EMPTY, add=(replace(sent, state=AddedState.NOT_OURS),)))
    assert unneeded(view.entry, ()) == ()


def test_what_this_run_was_told_is_not_doubted_however_long_ago() -> None:
    began = NOW - SHOWN_AFTER
    entry = replace(added(AddedState.ADDED, LONG, TEN_THERE), revoke=(RevokedRule(SSH, RevokedState.REVOKED, LONG),))
    assert view_of(entry, [SSH], NOW, began) == View((TEN_THERE,), entry, not_shown=(TEN_THERE, SSH))
    # A call without an answer is: what it did must show by now.
    unanswered = added(AddedState.SENT, LONG)
    assert view_of(unanswered, [], NOW, began) == View((), added(AddedState.MISSING, LONG))


@pytest.mark.parametrize(("changed", "not_shown"), [(JUST, (TEN_THERE,)), (LONG, ()), ("", (TEN_THERE,))])
def test_a_fact_without_a_time_is_as_old_as_the_entry(changed: str, not_shown: tuple[IngressRule, ...]) -> None:
    entry = replace(added(AddedState.ADDED, "", TEN_THERE), changed=changed)
    assert view_of(entry, [], NOW).not_shown == not_shown


@pytest.mark.parametrize(
    ("state", "to_close", "needed"),
    [
        pytest.param(RevokedState.PLANNED, (), False, id="nobody closes the rule any more"),
        pytest.param(RevokedState.NOT_SHOWN, (), False, id="somebody else closed it"),
        pytest.param(RevokedState.GONE, (), False, id="somebody else closed it, says EC2"),
        pytest.param(RevokedState.PLANNED, ("sgr-1",), True, id="it is going to be closed"),
        pytest.param(RevokedState.SENT, (), True, id="it may be closed"),
        pytest.param(RevokedState.REVOKED, (), True, id="it is closed"),
    ],
)
def test_what_hammer_added_is_needed_for_what_it_closed(
    state: RevokedState, to_close: tuple[str, ...], needed: bool
) -> None:
    entry = replace(added(AddedState.ADDED, rule=TEN_THERE), revoke=(RevokedRule(SSH, state),))
    assert unneeded(entry, to_close) == (() if needed else entry.add)
    assert unneeded(replace(entry, kind=ChangeKind.RESTORE), to_close) == ()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(None, id="no entry"),
        pytest.param(added(AddedState.ADDED), id="its id is not known"),
        pytest.param(added(AddedState.NOT_OURS, rule=TEN_THERE), id="it is somebody else's"),
        pytest.param(added(AddedState.ADDED, rule=TEN_THERE), id="it stands in for a rule of which nothing is known"),
    ],
)
def test_what_is_not_taken_away(entry: JournalEntry | None) -> None:
    planned = None if entry is None else replace(entry, revoke=(RevokedRule(OTHER, RevokedState.PLANNED),))
    assert unneeded(planned, ()) == ()


def test_one_rule_that_was_closed_is_enough_to_keep_what_stands_in_for_it() -> None:
    for_both = AddedRule(TEN_THERE, AddedState.ADDED, ("sgr-1", "sgr-9"))
    entry = replace(
        EMPTY,
        add=(for_both,),
        revoke=(RevokedRule(SSH, RevokedState.PLANNED), RevokedRule(OTHER, RevokedState.REVOKED)),
    )
    assert unneeded(entry, ()) == ()


def test_where_ec2_s_two_answers_differ_but_for_what_hammer_changed() -> None:
    web = IngressRule("tcp", 80, 80, cidr="8.8.8.8/32")
    assert differing_keys([SSH, OTHER], [OTHER, web], None) == {
        rule_key(SSH): "DescribeSecurityGroups",
        rule_key(web): "DescribeSecurityGroupRules",
    }
    for facts in (
        revoked(RevokedState.SENT),
        replace(EMPTY, add=(AddedRule(SSH, AddedState.SENT),)),
        replace(EMPTY, withdrawn=(AddedRule(SSH, AddedState.ADDED),)),
    ):
        assert differing_keys([SSH, OTHER], [OTHER, web], facts) == {rule_key(web): "DescribeSecurityGroupRules"}


def test_what_comes_after_a_rule_that_is_missing_is_looked_for_too() -> None:
    missing = AddedRule(OTHER, AddedState.MISSING, (), LONG)
    sent = AddedRule(TEN, AddedState.SENT, (), JUST)
    entry = replace(EMPTY, add=(missing, sent))
    found = replace(entry, add=(missing, replace(sent, rule=TEN_THERE, state=AddedState.ADDED)))
    assert view_of(entry, [TEN_THERE], NOW) == View((TEN_THERE,), found)


def test_a_fact_without_a_time_in_the_run_that_wrote_it() -> None:
    entry = replace(added(AddedState.ADDED, "", TEN_THERE), changed=LONG)
    assert view_of(entry, [], NOW, NOW - SHOWN_AFTER).not_shown == (TEN_THERE,)
    assert view_of(entry, [], NOW, NOW).not_shown == ()

"""Whether a decision may be carried out on the issue as it is, and what it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from library.issues.decision_record import Decision, DecisionKind, DecisionState, Exempted, Via
from library.issues.decision_rules import (
    Limits,
    Request,
    Rights,
    Ruling,
    button_value,
    change_id,
    decide,
    ended,
    exempt_until,
    exposure_digest,
    possible,
    read_button,
    restored,
    seen_now,
    wrong_fields,
)
from library.issues.issue import Issue, Status
from library.issues.times import format_time
from library.network.ports import PortSet
from library.security_groups.exposure import exposure_key
from tests.builders.issues import DETAILS, NOW, RDP, SSH, an_issue

ALL = Rights(decides=True, extends=True, restores=True)
MAY = Rights(decides=True)
LIMITS = Limits(remediation_is_on=True, account_is_remediated=True, exempt_days=7, restricted=PortSet.parse([22, 3389]))
TODAY = NOW.date()
KIND = DecisionKind
CHANGE = {"journal": {"kind": "remediation", "step": "done", "backup": "key", "started": "2026-11-20T00:00:00+00:00"}}


def asked(issue: Issue, kind: DecisionKind, *, by: str = "U1", rights: Rights = MAY, **other: Any) -> Request:
    fields: dict[str, Any] = {}
    if kind is KIND.EXEMPT:
        fields = {"until": TODAY + timedelta(days=7), "reason": "migration until Friday"}
    if kind is KIND.NOT_MINE:
        fields = {"owner": "jane@example.com"}
    given: dict[str, Any] = {"at": NOW, "seen": seen_now(issue), "key": f"{by} {kind}", **fields, **other}
    return Request(kind=kind, by=by, via=Via.SLACK, rights=rights, **given)


def done(issue: Issue, request: Request, **limits: Any) -> Issue:
    """The issue after a decision that must be carried out."""
    ruling = decide(issue, request, replace(LIMITS, **limits), NOW)
    assert ruling.decision is not None
    assert ruling.decision.is_done
    return replace(issue, decided=replace(ruling.state, version=1))


def rejection(issue: Issue, request: Request, **limits: Any) -> str:
    ruling = decide(issue, request, replace(LIMITS, **limits), NOW)
    assert ruling.decision is not None
    if not ruling.decision.is_done:
        assert ruling.exemption is None
        assert ruling.decision.result == f"refused: {ruling.decision.rejection}"
        assert ruling.state.decisions[-1] == ruling.decision
        assert ruling.state.close_now == issue.decided.close_now
        assert ruling.state.owner == issue.decided.owner
    return ruling.decision.rejection


def exempted(issue: Issue, *, by: str = "U1", days_ago: int = 0, occurrence: int = 3) -> Issue:
    at = NOW - timedelta(days=days_ago)
    until = (at + timedelta(days=7)).date()
    decision = Decision(KIND.EXEMPT, by, Via.SLACK, at, occurrence, reason="migration until Friday", until=until)
    state = issue.decided.with_decision(decision, "")
    entry = Exempted(state.number, occurrence, exposure_digest(issue), until, by, at)
    return replace(issue, decided=replace(state.with_exempted(entry, at.date()), version=1))


class TestCloseNow:
    def test_makes_due_what_it_was_decided_on(self) -> None:
        after = done(an_issue(), asked(an_issue(), KIND.CLOSE_NOW)).decided.close_now
        assert after is not None
        assert after.exposures == {exposure_key(SSH)}
        assert after.counts_for(3, [SSH])
        assert not after.counts_for(3, [SSH, RDP])
        assert not after.counts_for(4, [SSH])

    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({"remediation_is_on": False}, "remediation is off (secgrp_unrestricted_access.remediation)"),
            ({"account_is_remediated": False}, "account 210987654321 is not one of remediation_accounts"),
        ],
    )
    def test_where_nothing_is_remediated_the_reason_is_told(self, limits: dict[str, Any], expected: str) -> None:
        issue = an_issue()
        assert rejection(issue, asked(issue, KIND.CLOSE_NOW), **limits) == expected
        assert KIND.CLOSE_NOW not in possible(issue, replace(LIMITS, **limits), TODAY)

    def test_the_second_person_is_told_who_was_first(self) -> None:
        issue = done(an_issue(), asked(an_issue(), KIND.CLOSE_NOW))
        expected = "U1 decided that already, at 2026-11-22 03:00 UTC"
        assert rejection(issue, asked(issue, KIND.CLOSE_NOW, by="U2")) == expected
        assert KIND.CLOSE_NOW not in possible(issue, LIMITS, TODAY)

    @pytest.mark.parametrize("has_more_open", [False, True], ids=["all is closed", "something else was left open"])
    def test_what_is_opened_again_after_it_was_carried_out_is_decided_anew(self, *, has_more_open: bool) -> None:
        """No scan looked in between, so that it is the same occurrence with the same exposures."""
        issue, at = done(an_issue(), asked(an_issue(), KIND.CLOSE_NOW)), NOW + timedelta(hours=1)
        if has_more_open:
            issue = replace(issue, remediation_details={"carried_out": format_time(NOW)})
        else:
            issue = replace(issue, timestamps=replace(issue.timestamps, remediated=at))
        assert KIND.CLOSE_NOW in possible(issue, LIMITS, TODAY)
        again = done(issue, asked(issue, KIND.CLOSE_NOW, by="U2", at=at)).decided
        assert [(decision.by, decision.result) for decision in again.decisions] == [("U1", "done"), ("U2", "done")]

    def test_of_an_exempt_or_restored_issue_is_refused(self) -> None:
        exempt = exempted(an_issue())
        assert "exempt until 2026-11-29 by a decision of U1" in rejection(exempt, asked(exempt, KIND.CLOSE_NOW))
        listed = an_issue(Status.WHITELISTED)
        assert rejection(listed, asked(listed, KIND.CLOSE_NOW)) == "the issue is exempt"
        restored_ = an_issue(remediation_details={"restored": {"by": "jane", "at": "then"}})
        assert "hammer restore --release" in rejection(restored_, asked(restored_, KIND.CLOSE_NOW))


class TestWhatThePersonSaw:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (an_issue(Status.RESOLVED), "the issue is over: resolved since 2026-10-24 03:00 UTC"),
            (an_issue(Status.CLOSED), "the issue is over: closed since 2026-10-25 03:00 UTC"),
            (an_issue(occurrence=4), "that occurrence of the issue is over; the group is exposed anew since "),
            (
                an_issue(details=replace(DETAILS, perms=(SSH, RDP))),
                "the group exposes something else by now: tcp/22 from 0.0.0.0/0, tcp/3389 from 8.8.8.8/32",
            ),
            (an_issue(details=replace(DETAILS, perms=())), "the group exposes something else by now: "),
        ],
        ids=["resolved", "closed", "found again", "more is open", "less is open"],
    )
    @pytest.mark.parametrize("kind", [KIND.CLOSE_NOW, KIND.EXEMPT, KIND.NOT_MINE])
    def test_what_is_another_by_now_is_refused_and_told(self, kind: DecisionKind, now: Issue, expected: str) -> None:
        assert rejection(now, replace(asked(an_issue(), kind), seen=seen_now(an_issue()))).startswith(expected)

    @pytest.mark.parametrize(
        "now",
        [
            an_issue(details=replace(DETAILS, tags={"Name": "other", "owner": "bob"}, name="other")),
            an_issue(jira_details={"ticket": "SEC-1", "told": ["x"]}, revision=99),
            replace(an_issue(), timestamps=replace(an_issue().timestamps, reported=NOW)),
            done(an_issue(), asked(an_issue(), KIND.NOT_MINE, by="U9")),
        ],
        ids=["tags", "a comment", "another due date", "another owner"],
    )
    @pytest.mark.parametrize("kind", [KIND.CLOSE_NOW, KIND.EXEMPT, KIND.NOT_MINE])
    def test_anything_else_does_not_refuse(self, kind: DecisionKind, now: Issue) -> None:
        assert rejection(now, replace(asked(an_issue(), kind), seen=seen_now(an_issue()))) == ""


class TestExempt:
    def test_exempts_exactly_what_is_exposed_until_the_day(self) -> None:
        issue = an_issue(details=replace(DETAILS, perms=(SSH, RDP)))
        ruling = decide(issue, asked(issue, KIND.EXEMPT), LIMITS, NOW)
        assert ruling.exemption is not None
        assert ruling.exemption.exposures == {exposure_key(SSH), exposure_key(RDP)}
        assert ruling.exemption.until == TODAY + timedelta(days=7)
        assert ruling.decision is not None
        assert ruling.decision.to_item()["until"] == "2026-11-29"

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"until": TODAY}, ["until"]),
            ({"until": TODAY + timedelta(days=8)}, ["until"]),
            ({"until": None}, ["until"]),
            ({"reason": "123456789 "}, ["reason"]),
            ({"reason": "x" * 501}, ["reason"]),
            ({"until": TODAY + timedelta(days=1)}, []),
            ({"until": TODAY + timedelta(days=7), "reason": "1234567890"}, []),
            ({"reason": "x" * 500}, []),
        ],
    )
    def test_its_fields_have_bounds(self, fields: dict[str, Any], wrong: list[str]) -> None:
        given = {"until": TODAY + timedelta(days=2), "reason": "migration until Friday", "owner": "", **fields}
        assert list(wrong_fields(KIND.EXEMPT, LIMITS, TODAY, **given)) == wrong
        issue = an_issue()
        request = asked(issue, KIND.EXEMPT, until=given["until"], reason=given["reason"])
        assert bool(refusal_or_done(issue, request)) == bool(wrong)

    def test_one_that_would_be_over_already_is_refused(self) -> None:
        issue = an_issue()
        request = asked(issue, KIND.EXEMPT, at=NOW - timedelta(days=3), until=TODAY)
        assert rejection(issue, request) == "the exemption would have ended on 2026-11-22"

    @pytest.mark.parametrize(
        ("issue", "by", "rights", "allowed"),
        [
            (exempted(an_issue()), "U2", MAY, False),
            (exempted(an_issue()), "U2", ALL, True),
            (exempted(an_issue()), "U2", Rights(extends=True), True),
            (exempted(an_issue()), "U1", ALL, False),
            (exempted(an_issue(), days_ago=30, occurrence=2), "U2", MAY, False),
            (exempted(an_issue(), days_ago=30, occurrence=2), "U1", ALL, False),
            (exempted(an_issue(), days_ago=31, occurrence=2), "U1", MAY, True),
            (exempted(an_issue(), days_ago=60), "U2", MAY, False),
            (exempted(exempted(an_issue()), by="U2"), "U1", ALL, False),
        ],
        ids=[
            "not of allow_extend",
            "of allow_extend",
            "of allow_extend alone",
            "the author",
            "the next occurrence, within 30 days",
            "the author, in the next occurrence",
            "the next occurrence, later",
            "the same occurrence, much later",
            "the author of the first of two",
        ],
    )
    def test_a_second_one_needs_a_second_person(self, issue: Issue, by: str, rights: Rights, allowed: bool) -> None:
        said = refusal_or_done(issue, asked(issue, KIND.EXEMPT, by=by, rights=rights))
        assert bool(said) != allowed
        assert allowed or ("decisions.allow_extend" in said and "U1" in said)

    def test_who_may_only_extend_makes_no_first_one(self) -> None:
        issue = an_issue()
        request = asked(issue, KIND.EXEMPT, rights=Rights(extends=True))
        assert rejection(issue, request) == "only people whom decisions.allow names may decide this"

    def test_without_room_for_all_exposures_is_refused(self) -> None:
        issue = an_issue(details=replace(DETAILS, perms_total=2))
        assert "the table has room for" in rejection(issue, asked(issue, KIND.EXEMPT))
        assert KIND.EXEMPT not in possible(issue, LIMITS, TODAY)

    def test_an_exempt_issue_offers_to_extend_and_not_to_close(self) -> None:
        assert possible(exempted(an_issue()), LIMITS, TODAY) == (KIND.EXEMPT, KIND.NOT_MINE)
        assert possible(an_issue(Status.WHITELISTED), LIMITS, TODAY) == (KIND.EXEMPT, KIND.NOT_MINE)
        assert possible(exempted(an_issue(), days_ago=7), LIMITS, TODAY)[0] is KIND.CLOSE_NOW

    def test_of_two_the_one_that_ends_last_counts_and_each_ends_for_itself(self) -> None:
        """A second exemption may be the shorter one; and somebody may end either of them."""
        issue = exempted(an_issue(), days_ago=2)
        shorter = asked(issue, KIND.EXEMPT, by="U2", rights=ALL, until=TODAY + timedelta(days=1))
        ruling = decide(issue, shorter, LIMITS, NOW)
        assert ruling.decision is not None
        assert ruling.decision.is_done
        assert ruling.exemption is not None
        both = replace(issue, decided=ruling.state)
        assert exempt_until(both, TODAY) == issue.decided.exempted[0]
        without_second = replace(both, decided=ended(both, ruling.exemption, "bob", NOW))
        assert exempt_until(without_second, TODAY) == issue.decided.exempted[0]
        first = replace(ruling.exemption, number=issue.decided.number)
        without_first = replace(both, decided=ended(both, first, "bob", NOW))
        left = exempt_until(without_first, TODAY)
        assert left is not None
        assert left.until == ruling.exemption.until

    def test_of_two_that_are_exempt_together_the_first_that_ends_counts(self) -> None:
        issue = replace(exempted(an_issue(), days_ago=2), status=Status.WHITELISTED)
        wider = replace(issue, details=replace(DETAILS, perms=(SSH, RDP)))
        other = Exempted(9, 3, "of the other rule", TODAY + timedelta(days=6), "U2", NOW)
        wider = replace(wider, decided=wider.decided.with_exempted(other, TODAY))
        found = exempt_until(wider, TODAY)
        assert found is not None
        assert found.until == TODAY + timedelta(days=5)

    def test_what_a_scan_finds_open_after_the_decision_is_open(self) -> None:
        """A port became restricted: the rule is the same, and what was exempted of it is less."""
        issue = exempted(an_issue())
        assert exempt_until(replace(issue, last_seen=NOW - timedelta(minutes=1)), TODAY) is not None
        judged = replace(issue, last_seen=NOW + timedelta(minutes=1))
        assert exempt_until(judged, TODAY) is None
        assert exempt_until(replace(judged, status=Status.WHITELISTED), TODAY) is not None

    def test_in_a_new_occurrence_what_is_exempt_offers_to_extend(self) -> None:
        issue = replace(exempted(an_issue(), occurrence=2), status=Status.WHITELISTED)
        assert exempt_until(issue, TODAY) == issue.decided.exempted[0]

    def test_what_is_open_beside_an_exemption_may_be_closed(self) -> None:
        issue = replace(exempted(an_issue()), details=replace(DETAILS, perms=(SSH, RDP)))
        assert exempt_until(issue, TODAY) is None
        assert rejection(issue, asked(issue, KIND.CLOSE_NOW)) == ""


class TestNotMine:
    def test_names_the_owner_and_leaves_the_date(self) -> None:
        after = done(an_issue(), asked(an_issue(), KIND.NOT_MINE))
        assert after.decided.owner == "jane@example.com"
        assert after.timestamps == an_issue().timestamps
        assert after.decided.outbox[0].slack

    def test_is_possible_twice_in_an_occurrence(self) -> None:
        issue = an_issue()
        for by in ("U1", "U2"):
            issue = done(issue, asked(issue, KIND.NOT_MINE, by=by))
        assert rejection(issue, asked(issue, KIND.NOT_MINE, by="U3")).startswith(
            "it was handed on 2 times already, by U1"
        )
        assert KIND.NOT_MINE not in possible(issue, LIMITS, TODAY)
        anew = replace(issue, occurrence=4)
        assert rejection(anew, asked(anew, KIND.NOT_MINE, by="U3")) == ""

    def test_needs_an_owner(self) -> None:
        assert wrong_fields(KIND.NOT_MINE, LIMITS, TODAY, until=None, reason="", owner=" ") != {}


class TestRestore:
    def test_is_for_those_whom_allow_restore_names(self) -> None:
        issue = an_issue(Status.RESOLVED, remediation_details=CHANGE)
        assert "decisions.allow_restore" in rejection(issue, asked(issue, KIND.RESTORE, rights=MAY))
        ruling = decide(issue, asked(issue, KIND.RESTORE, rights=Rights(restores=True)), LIMITS, NOW)
        assert ruling.restore is not None
        assert ruling.state.decisions == ()
        over = restored(replace(issue, decided=ruling.state), "")
        assert [decision.result for decision in over.decisions] == ["done"]
        assert over.restore is None
        failed = restored(replace(issue, decided=ruling.state), "EC2 is away")
        assert failed.decisions[-1].result == "refused: EC2 is away"

    def test_may_be_about_an_issue_that_is_over(self) -> None:
        for status in Status:
            issue = an_issue(status, remediation_details=CHANGE)
            assert KIND.RESTORE in possible(issue, LIMITS, TODAY)
            assert refusal_or_done(issue, asked(issue, KIND.RESTORE, rights=ALL)) == ""

    @pytest.mark.parametrize(
        ("details", "expected"),
        [
            ({**CHANGE, "restored": {"by": "jane", "at": "then"}}, "the group was restored by jane at then"),
            ({}, "there is no complete change of Hammer's to take back"),
            (
                {"journal": {**CHANGE["journal"], "started": "2026-11-21T00:00:00+00:00"}},
                "Hammer has changed the group again since",
            ),
            (
                {"journal": {**CHANGE["journal"], "step": "revoking"}},
                "there is no complete change of Hammer's to take back",
            ),
        ],
        ids=["restored", "no change", "a newer change", "one that is going on"],
    )
    def test_of_what_is_not_as_it_was_is_refused(self, details: dict[str, Any], expected: str) -> None:
        seen = seen_now(an_issue(remediation_details=CHANGE))
        issue = an_issue(Status.RESOLVED, remediation_details=details)
        assert rejection(issue, asked(issue, KIND.RESTORE, rights=ALL, seen=seen)) == expected

    def test_one_that_is_decided_is_not_decided_twice(self) -> None:
        issue = an_issue(remediation_details=CHANGE)
        ruling = decide(issue, asked(issue, KIND.RESTORE, rights=ALL), LIMITS, NOW)
        pending = replace(issue, decided=replace(ruling.state, version=1))
        assert "U1" in rejection(pending, asked(issue, KIND.RESTORE, by="U2", rights=ALL))
        assert decide(pending, asked(issue, KIND.RESTORE, rights=ALL), LIMITS, NOW).decision is None


@pytest.mark.parametrize("kind", [KIND.CLOSE_NOW, KIND.EXEMPT, KIND.NOT_MINE, KIND.RESTORE])
def test_who_may_not_is_refused_whatever_is_decided(kind: DecisionKind) -> None:
    issue = an_issue(remediation_details=CHANGE)
    assert (
        rejection(issue, asked(issue, kind, rights=Rights(rejection="guests decide nothing")))
        == "guests decide nothing"
    )
    assert rejection(issue, asked(issue, kind, rights=Rights())).startswith("only people whom decisions.allow")


def test_what_comes_twice_is_decided_once() -> None:
    issue = an_issue()
    request = asked(issue, KIND.NOT_MINE)
    after = done(issue, request)
    assert decide(after, request, LIMITS, NOW) == Ruling(None, after.decided)
    refused = decide(issue, replace(request, rights=Rights(rejection="no")), LIMITS, NOW).state
    assert decide(replace(issue, decided=refused), request, LIMITS, NOW).decision is None


def test_nothing_is_decided_where_the_record_cannot_be_read() -> None:
    issue = an_issue(decided=DecisionState(problem="its decisions cannot be read: x"))
    assert possible(issue, LIMITS, TODAY) == ()
    ruling = decide(issue, asked(issue, KIND.CLOSE_NOW), LIMITS, NOW)
    assert ruling.decision is not None
    assert ruling.decision.rejection == "its decisions cannot be read: x"
    assert ruling.state == issue.decided


def test_an_exemption_that_ends_is_a_decision() -> None:
    issue = exempted(an_issue())
    ruling = decide(an_issue(), asked(an_issue(), KIND.EXEMPT), LIMITS, NOW)
    assert ruling.exemption is not None
    state = ended(issue, ruling.exemption, "bob", NOW, "not needed any more")
    assert state.decisions[-1].kind is KIND.END
    assert exempt_until(replace(issue, decided=state), TODAY) is None


def test_a_button_carries_what_is_seen_and_nothing_else() -> None:
    issue = an_issue(remediation_details=CHANGE)
    value = button_value(issue)
    read = read_button(value)
    assert read is not None
    assert (read.account_id, read.region, read.group_id) == ("210987654321", "eu-west-1", "sg-1")
    assert read.seen == seen_now(issue)
    assert read.seen.change == change_id(issue) != ""
    assert len(value) < 150


@pytest.mark.parametrize(
    "value",
    [
        *(None, 7, "", "v1|", "v2|" + button_value(an_issue())[3:], f"{button_value(an_issue())}\n", "clicked"),
        button_value(an_issue()).replace("2", "\N{FULLWIDTH DIGIT TWO}", 1),
    ],
)
def test_anything_else_is_no_button_of_hammers(value: object) -> None:
    assert read_button(value) is None


def test_texts_of_people_are_cut() -> None:
    issue = an_issue()
    ruling = decide(issue, asked(issue, KIND.CLOSE_NOW, reason="x" * 600, by="y" * 600), LIMITS, NOW)
    assert ruling.decision is not None
    assert (len(ruling.decision.reason), len(ruling.decision.by)) == (500, 500)


def refusal_or_done(issue: Issue, request: Request) -> str:
    decision = decide(issue, request, LIMITS, NOW).decision
    return decision.rejection if decision else ""


def test_the_day_is_the_one_in_utc() -> None:
    assert date(2026, 11, 22) == TODAY

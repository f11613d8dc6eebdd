"""What the table keeps of decisions, and what an exemption that people decided exempts: pair by pair."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from library.issues.decision_record import (
    KEPT,
    CloseNow,
    DecidedExemption,
    Decision,
    DecisionKind,
    DecisionState,
    Exempted,
    RestoreRequest,
    Via,
)
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator, Exposure, exposure_key
from library.security_groups.group import parse_security_group
from tests.builders.rules import described_group, exposure_text

AT = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
RESTRICTED = PortSet.parse([22, 3389])
EVALUATOR = Evaluator(RESTRICTED, AddressSet())
TODAY = AT.date()


def a_decision(kind: DecisionKind = DecisionKind.CLOSE_NOW, **other: Any) -> Decision:
    return replace(Decision(kind, "U1", Via.SLACK, AT, 3), **other)


def an_exemption(*rules: str, restricted: PortSet = RESTRICTED) -> DecidedExemption:
    group = parse_security_group(described_group(rules))
    exposures = Evaluator(restricted, AddressSet()).evaluate(group, {}).exposures
    return DecidedExemption(
        account_id="210987654321",
        group_id="sg-7c228307",
        number=4,
        occurrence=3,
        exposures=frozenset(map(exposure_key, exposures)),
        restricted=restricted,
        until=TODAY + timedelta(days=7),
        reason="migration until Friday",
        by="U1",
        via=Via.SLACK,
        at=AT,
        region="eu-west-1",
    )


def left(exemption: DecidedExemption, *rules: str, evaluator: Evaluator = EVALUATOR, today: date = TODAY) -> list[str]:
    """What of a group with these rules is exposed; nothing: it is exempt."""
    found = evaluator.evaluate(parse_security_group(described_group(rules)), {}, exemption.exemptions(), today)
    return [] if found.whitelisted else [exposure_text(exposure) for exposure in found.exposures]


def test_a_state_survives_the_table() -> None:
    decision = a_decision(DecisionKind.EXEMPT, reason="migration", until=date(2026, 12, 6))
    state = DecisionState(version=1).with_decision(decision, "key", label="hammer-exempt-7d")
    state = replace(
        state,
        close_now=CloseNow("U1", AT, 3, frozenset({("tcp", 22, 22, "0.0.0.0/0", ""), ("-1", None, None, "::/0", "")})),
        restore=RestoreRequest(a_decision(DecisionKind.RESTORE), "0123456789abcdef", "key2", begun=True),
        owner="jane@example.com",
        exempted=(Exempted(1, 3, "0123456789abcdef", date(2026, 12, 6), "U1", AT),),
    )
    assert DecisionState.from_item(state.to_item()) == state


def test_the_list_is_the_contracts() -> None:
    state = DecisionState().with_decision(a_decision(DecisionKind.NOT_MINE, owner="#team", by="jane"), "")
    refused = a_decision().refused("remediation is off")
    assert state.with_decision(refused, "").to_item()["decisions"] == [
        {
            "kind": "not-mine",
            "by": "jane",
            "via": "slack",
            "at": "2026-11-29T10:00:00+00:00",
            "occurrence": 3,
            "owner": "#team",
            "result": "done",
        },
        {
            "kind": "close-now",
            "by": "U1",
            "via": "slack",
            "at": "2026-11-29T10:00:00+00:00",
            "occurrence": 3,
            "result": "refused: remediation is off",
        },
    ]


def test_decisions_are_kept_before_refusals_and_new_ones_before_old_ones() -> None:
    state = DecisionState()
    for number in range(KEPT):
        decision = a_decision(by=f"U{number}")
        state = state.with_decision(decision if number % 2 else decision.refused("no"), "")
    state = state.with_decision(a_decision(by="new"), "")
    kept = [decision.by for decision in state.decisions]
    assert len(kept) == KEPT == 50
    assert "U0" not in kept
    assert {f"U{number}" for number in range(1, KEPT, 2)} | {"new"} <= set(kept)
    for number in range(2 * KEPT):
        state = state.with_decision(a_decision(by=f"V{number}"), "")
    assert [decision.by for decision in state.decisions] == [f"V{number}" for number in range(KEPT, 2 * KEPT)]


def test_what_is_untold_of_a_decision_is_kept_before_what_is_untold_of_refusals() -> None:
    """Whoever may decide nothing, and presses often, keeps nobody from being told what was decided."""
    state = DecisionState().with_decision(a_decision(by="jane"), "")
    for number in range(200):
        state = state.with_decision(a_decision(by=f"U{number}").refused("no"), "")
    assert state.outbox[0].decision.by == "jane"
    assert len(state.outbox) == 50


def test_refusals_with_long_texts_leave_room_for_what_else_is_known_of_an_issue() -> None:
    """The item of an issue, with its copies in two indexes, has 400 KB. Anybody who may comment fills refusals."""
    state = DecisionState().with_decision(a_decision(by="jane"), "")
    for number in range(60):
        refused = a_decision(DecisionKind.EXEMPT, by=f"U{number}", reason="💀" * 500).refused("no")
        state = state.with_decision(refused, f"jira:SEC-1:hammer-exempt-{number}d:100")
        assert state.decisions[-1] == state.outbox[-1].decision == refused
    assert state.decisions[0].by == state.outbox[0].decision.by == "jane"
    assert len(json.dumps(state.to_item(), ensure_ascii=False).encode()) < 50_000
    for _ in range(20):
        state = state.with_decision(a_decision(DecisionKind.NOT_MINE, reason="💀" * 500, owner="💀" * 500), "")
    assert len([decision for decision in state.decisions if decision.is_done]) == 21


@pytest.mark.parametrize(
    "item",
    [
        {"decisions": [{"kind": "keep"}]},
        {"decisions": "x"},
        {"decisions": [], "decision_state": {"close_now": {"by": "U1"}}},
        {"decisions": [], "decision_state": []},
    ],
    ids=["no such kind", "no list", "half a map", "no map"],
)
def test_what_cannot_be_read_is_a_problem_and_no_error(item: dict[str, Any]) -> None:
    state = DecisionState.from_item(item)
    assert state.problem or not item["decisions"]


def test_an_exemption_survives_the_table() -> None:
    exemption = an_exemption("tcp/22 from 0.0.0.0/0", "50 from 8.8.8.0/24")
    assert DecidedExemption.from_item(exemption.to_item()) == exemption
    assert not exemption.item_id.startswith("sg-")


def test_what_was_seen_is_exempt_until_its_day() -> None:
    rules = ("tcp/22 from 0.0.0.0/0", "tcp/3389 from 8.8.8.0/24")
    exemption = an_exemption(*rules)
    assert left(exemption, *rules) == []
    assert left(exemption, *rules, today=exemption.until - timedelta(days=1)) == []
    assert len(left(exemption, *rules, today=exemption.until)) == 2


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (
            ["tcp/22 from 8.8.8.0/24", "tcp/3389 from 9.9.9.0/24"],
            ["tcp/22 from 9.9.9.0/24"],
            ["tcp/22 from 9.9.9.0/24: open_partly"],
        ),
        (["tcp/22 from 8.8.8.0/24"], ["tcp/22 from 8.8.0.0/16"], ["tcp/22 from 8.8.0.0/16: open_partly"]),
        (["tcp/22 from 8.8.8.0/24"], ["udp/22 from 8.8.8.0/24"], ["udp/22 from 8.8.8.0/24: open_partly"]),
        (["tcp/22 from 0.0.0.0/0"], ["tcp/22 from ::/0"], ["tcp/22 from ::/0: open_completely"]),
        (["50 from 8.8.8.0/24"], ["tcp/22 from 8.8.8.0/24"], ["tcp/22 from 8.8.8.0/24: open_partly"]),
        (["50 from 8.8.8.0/24"], ["51 from 8.8.8.0/24"], ["51 from 8.8.8.0/24: open_partly"]),
        (["tcp/22 from 8.8.8.0/24"], ["-1 from 8.8.8.0/24"], ["-1 from 8.8.8.0/24: open_partly"]),
        (["tcp/20..25 from 8.8.8.0/24"], ["tcp/22 from 8.8.8.8/32"], []),
        (["-1 from 8.8.8.0/24"], ["50 from 8.8.8.0/24", "tcp/22 from 8.8.8.0/24"], []),
    ],
    ids=[
        "another port of the other source",
        "a larger source",
        "another protocol",
        "the other family",
        "a port, where a protocol was",
        "another protocol without ports",
        "all traffic, where a port was",
        "within",
        "parts of all traffic",
    ],
)
def test_nothing_else_is_exempt(seen: list[str], now: list[str], expected: list[str]) -> None:
    assert left(an_exemption(*seen), *now) == expected


def test_a_port_that_became_restricted_later_is_not_exempt() -> None:
    exemption = an_exemption("tcp/20..9000 from 8.8.8.0/24")
    more = Evaluator(PortSet.parse([22, 3389, 8080]), AddressSet())
    assert left(exemption, "tcp/20..9000 from 8.8.8.0/24") == []
    assert len(left(exemption, "tcp/20..9000 from 8.8.8.0/24", evaluator=more)) == 1


def test_one_that_was_ended_does_not_count() -> None:
    exemption = an_exemption("tcp/22 from 0.0.0.0/0")
    assert exemption.counts_on(TODAY)
    assert not replace(exemption, ended="jane").counts_on(TODAY)


def test_it_covers_what_was_seen_and_nothing_more() -> None:
    ssh = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
    rdp = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
    exemption = an_exemption("tcp/22 from 0.0.0.0/0")
    assert exemption.covers([ssh])
    assert not exemption.covers([ssh, rdp])


def test_its_day_is_the_first_on_which_it_does_not_count() -> None:
    exemption = an_exemption("tcp/22 from 0.0.0.0/0")
    assert exemption.counts_on(exemption.until - timedelta(days=1))
    assert not exemption.counts_on(exemption.until)

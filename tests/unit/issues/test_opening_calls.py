"""Which call is named for an exposure, and how calls travel in messages and in the table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.issues.opening_calls import (
    KEPT_BYTES,
    OpenedBy,
    OpenedRule,
    OpeningCall,
    exposing_by,
    latest_per_rule,
    opened_by,
    opened_from_item,
    opened_item,
    rule_from_parts,
    superseded,
)
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator, Exposure

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ANA = OpenedBy("ana", "203.0.113.7", "aws-cli/2", "AuthorizeSecurityGroupIngress", NOW, "e-1")
SSH = OpenedRule("tcp", 22, 22, "0.0.0.0/0")
PERM = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
ENTRY = Exposure("tcp", 22, 22, "8.8.8.0/24", "open_partly", "pl-1")


def call(number: int, *rules: OpenedRule, **by: Any) -> OpeningCall:
    """The calls are a second apart, the higher the number, the later."""
    made = replace(ANA, event_time=NOW + timedelta(seconds=number), event_id=f"e-{number}")
    return OpeningCall(replace(made, **by), rules or (SSH,))


@pytest.mark.parametrize(
    ("rule", "perm", "is_in"),
    [
        pytest.param(SSH, PERM, True, id="the same"),
        pytest.param(SSH._replace(protocol="6"), PERM, True, id="the protocol's number"),
        pytest.param(SSH._replace(cidr="8.8.8.8/0"), PERM, True, id="host bits"),
        pytest.param(SSH._replace(protocol="udp"), PERM, False, id="another protocol"),
        pytest.param(SSH._replace(from_port=21), PERM, False, id="another first port"),
        pytest.param(SSH._replace(to_port=23), PERM, False, id="another last port"),
        pytest.param(SSH._replace(cidr="0.0.0.0/1"), PERM, False, id="another source"),
        pytest.param(SSH._replace(cidr="anywhere"), PERM, False, id="a source that is none"),
        pytest.param(SSH._replace(cidr="anywhere"), PERM._replace(cidr="anywhere"), True, id="the same text"),
        pytest.param(SSH._replace(cidr="8.8.8.0/24"), ENTRY, False, id="a source that is an entry as well"),
        pytest.param(OpenedRule("tcp", 22, 22, "", "pl-1"), ENTRY, True, id="a rule with a prefix list"),
        pytest.param(OpenedRule("tcp", 23, 23, "", "pl-1"), ENTRY, False, id="its ports are others"),
        pytest.param(OpenedRule("tcp", 22, 22, "", "pl-2"), ENTRY, False, id="another list"),
        pytest.param(OpenedRule("", None, None, "8.8.8.0/24", "pl-1"), ENTRY, True, id="an entry"),
        pytest.param(OpenedRule("", None, None, "8.8.4.0/24", "pl-1"), ENTRY, False, id="another entry"),
    ],
)
def test_whether_an_exposure_is_of_a_rule(rule: OpenedRule, perm: Exposure, is_in: bool) -> None:
    assert rule.is_in(perm) is is_in


def test_the_latest_call_whose_rule_is_exposed_is_named() -> None:
    other = OpenedRule("tcp", 3389, 3389, "0.0.0.0/0")
    openings = [call(2), call(1), call(3, other), call(2, other, SSH, event_id="e-2b")]
    assert opened_by(openings, [PERM]) == openings[3].by
    assert opened_by(openings[::-1], [PERM]) == openings[3].by
    assert opened_by([call(3, other)], [PERM]) is None
    assert opened_by([], [PERM]) is None


def of_any_rule(_: OpeningCall) -> bool:
    """Whatever rule a call added may be an exposure."""
    return True


def test_of_calls_that_added_the_same_the_latest_is_kept() -> None:
    other = OpenedRule("tcp", 3389, 3389, "0.0.0.0/0")
    openings = [call(number) for number in (3, 1, 4, 0, 2)] + [call(2, SSH, other, event_id="e-2b"), call(2, other)]
    assert [each.by.event_id for each in latest_per_rule(openings, of_any_rule)] == ["e-4", "e-2b"]
    assert sorted(each.by.event_id for each in superseded(openings, of_any_rule)) == ["e-0", "e-1", "e-2", "e-2", "e-3"]
    assert superseded(latest_per_rule(openings, of_any_rule), of_any_rule) == []


def test_of_many_calls_the_latest_are_kept_as_far_as_there_is_room() -> None:
    size = len(call(10_000, SSH._replace(cidr="8.8.000.0/24")).to_text())
    openings = [call(10_000 + number, SSH._replace(cidr=f"8.8.{number:03}.0/24")) for number in range(600)]
    kept = latest_per_rule(openings, of_any_rule)
    assert len(kept) == KEPT_BYTES // size
    assert [each.by.event_id for each in kept] == [f"e-{10_599 - number}" for number in range(len(kept))]
    assert superseded(openings, of_any_rule) == openings[: 600 - len(kept)]


RESTRICTED = Evaluator(PortSet.parse([22]), AddressSet())
HTTPS = OpenedRule("tcp", 443, 443, "0.0.0.0/0")


def test_calls_that_expose_nothing_take_no_room_of_one_that_does() -> None:
    openings = [call(1)]
    openings += [
        call(10_000 + number, HTTPS._replace(cidr=f"8.{number >> 8}.{number & 255}.0/24")) for number in range(900)
    ]
    kept = latest_per_rule(openings, exposing_by(RESTRICTED))
    assert [each.by.event_id for each in kept[:3]] == ["e-1", "e-10899", "e-10898"]
    assert sum(len(each.to_text()) for each in kept) <= KEPT_BYTES
    assert set(superseded(openings, exposing_by(RESTRICTED))) == set(openings) - set(kept)
    assert latest_per_rule(kept, exposing_by(RESTRICTED)) == kept


def test_a_later_call_stays_beside_an_earlier_one_that_exposes_more() -> None:
    openings = [call(1, SSH, HTTPS), call(2, HTTPS), call(0, HTTPS), call(3, OpenedRule("tcp", 443, 443, "", "pl-1"))]
    kept = latest_per_rule(openings, exposing_by(RESTRICTED))
    assert [each.by.event_id for each in kept] == ["e-1", "e-3", "e-2"]


def test_the_text_of_a_call_is_always_the_same() -> None:
    opening = call(1, SSH, OpenedRule("", None, None, "", "pl-1"))
    text = opening.to_text()
    assert text == (
        '[{"event_id":"e-1","event_name":"AuthorizeSecurityGroupIngress","event_time":"2026-11-22T03:00:01+00:00",'
        '"principal":"ana","source_ip":"203.0.113.7","user_agent":"aws-cli/2"},'
        '[["tcp",22,22,"0.0.0.0/0",""],["",null,null,"","pl-1"]]]'
    )
    assert OpeningCall.from_text(text) == opening


BY = ANA.to_item()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "null",
        "[1]",
        json.dumps([BY]),
        json.dumps([BY, [], []]),
        json.dumps([None, []]),
        json.dumps([BY, {}]),
        json.dumps([BY, [["tcp", 22, 22, "0.0.0.0/0"]]]),
        json.dumps([BY, [["tcp", "22", 22, "0.0.0.0/0", ""]]]),
        json.dumps([BY, [["tcp", 22, [], "0.0.0.0/0", ""]]]),
        json.dumps([BY, [[None, 22, 22, "0.0.0.0/0", ""]]]),
        json.dumps([BY, [["tcp", 22, 22, 7, ""]]]),
        json.dumps([BY, [["tcp", 22, 22, "0.0.0.0/0", None]]]),
        json.dumps([BY, [7]]),
    ],
)
def test_a_text_that_is_no_call_is_none(text: str) -> None:
    assert OpeningCall.from_text(text) is None


def test_what_is_no_rule_says_so() -> None:
    with pytest.raises(TypeError, match=r"^not a rule$"):
        rule_from_parts("tcp", "22", 22, "0.0.0.0/0", "")


def test_in_a_message_each_caller_and_call_is_named_once() -> None:
    bob = call(2, principal="bob")
    openings = [("sg-1", call(1)), ("sg-2", call(1)), ("sg-1", call(3)), ("sg-1", bob)]
    item = opened_item(openings)
    assert item == [
        {
            "principal": "ana",
            "source_ip": "203.0.113.7",
            "user_agent": "aws-cli/2",
            "event_name": "AuthorizeSecurityGroupIngress",
            "calls": [
                ["2026-11-22T03:00:01+00:00", "e-1", [["tcp", 22, 22, "0.0.0.0/0", ""]], ["sg-1", "sg-2"]],
                ["2026-11-22T03:00:03+00:00", "e-3", [["tcp", 22, 22, "0.0.0.0/0", ""]], ["sg-1"]],
            ],
        },
        {
            "principal": "bob",
            "source_ip": "203.0.113.7",
            "user_agent": "aws-cli/2",
            "event_name": "AuthorizeSecurityGroupIngress",
            "calls": [["2026-11-22T03:00:02+00:00", "e-2", [["tcp", 22, 22, "0.0.0.0/0", ""]], ["sg-1"]]],
        },
    ]
    assert opened_from_item(json.loads(json.dumps(item))) == tuple(openings)


def test_what_is_malformed_in_a_message_is_left_out_and_the_rest_is_kept() -> None:
    [good] = opened_item([("sg-1", call(1))])
    time, event_id, rules, group_ids = good["calls"][0]
    calls = [
        7,
        [time, event_id, rules],
        [None, event_id, rules, group_ids],
        [time, event_id, "rules", group_ids],
        [time, event_id, rules, "sg-1"],
        [time, event_id, rules, [7, "sg-2"]],
        [time, event_id, rules, ["sg-1"]],
    ]
    item = ["x", {"calls": "x"}, {**good, "calls": calls}, good]
    assert opened_from_item(item) == (("sg-2", call(1)), ("sg-1", call(1)), ("sg-1", call(1)))
    odd: tuple[object, ...] = (None, 7, "x", {"calls": []})
    assert [opened_from_item(each) for each in odd] == [()] * len(odd)

"""What EC2 must show because of calls, and whether it does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identification.cloudtrail import parse_call
from identification.event_openings import expected_of
from identification.events_told import EventsTold
from identification.expected_changes import (
    ExpectedChange,
    Lagging,
    Shown,
    awaited,
    changes_from_item,
    changes_item,
    lagging,
    latest_changes,
    needs_rules,
)
from identification.redelivery import seconds_until_next
from identification.scan_targets import ScanTarget
from library.issues.opened_by import OpenedBy
from library.issues.opening_calls import OpenedRule, OpeningCall
from library.issues.told import Told
from library.network.addresses import parse_network
from library.security_groups.group import IngressRule, SecurityGroup
from tests.builders.api_calls import api_call, authorized

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SSH = OpenedRule("tcp", 22, 22, "0.0.0.0/0")
ENTRY = OpenedRule("", None, None, "8.8.8.0/24", "pl-1")
BY_LIST = OpenedRule("tcp", 22, 22, "", "pl-1")
LISTED = IngressRule("tcp", 22, 22, prefix_list_id="pl-1")
SHOWN = IngressRule("6", 22, 22, cidr="0.0.0.0/0")


def change(rule: OpenedRule | None, *, there: bool, seconds: int = 60) -> ExpectedChange:
    """A call so many seconds ago."""
    return ExpectedChange(NOW - timedelta(seconds=seconds), there, rule)


def group(*rules: IngressRule, unreadable: tuple[str, ...] = ()) -> SecurityGroup:
    return SecurityGroup("sg-1", "web", "vpc-1", "", {}, rules, unreadable)


MISSING, OLD = "a rule is missing", "the old is shown"


@pytest.mark.parametrize(
    ("calls", "shown", "state"),
    [
        pytest.param([change(SSH, there=True)], group(SHOWN), "", id="an added rule is shown"),
        pytest.param([change(SSH, there=True)], group(), MISSING, id="an added rule is not shown"),
        pytest.param([change(SSH, there=True)], None, MISSING, id="the whole group is not shown"),
        pytest.param([change(SSH, there=True, seconds=301)], group(), "", id="the call is older than five minutes"),
        pytest.param([change(SSH, there=False)], group(SHOWN), OLD, id="a rule that was taken away is shown"),
        pytest.param([change(SSH, there=False)], group(), "", id="a rule that was taken away is gone"),
        pytest.param([change(SSH, there=False)], None, "", id="its group is gone, too"),
        pytest.param([change(None, there=False)], group(SHOWN), OLD, id="a deleted group is shown"),
        pytest.param([change(None, there=False)], None, "", id="a deleted group is gone"),
        pytest.param(
            [change(SSH, there=False, seconds=30), change(SSH, there=True)], group(), "", id="added, then taken away"
        ),
        pytest.param(
            [change(SSH, there=True, seconds=30), change(SSH, there=False)],
            group(),
            MISSING,
            id="removed, then added",
        ),
        pytest.param([change(SSH, there=True), change(SSH, there=False)], group(), "", id="both in one second"),
        pytest.param(
            [change(None, there=False, seconds=30), change(SSH, there=True)], None, "", id="added, then deleted"
        ),
        pytest.param(
            [change(SSH._replace(cidr="1.2.3.4/0"), there=True)], group(SHOWN), "", id="host bits mean the network"
        ),
        pytest.param([change(SSH, there=True)], group(unreadable=("?",)), "", id="a group that is not understood"),
        pytest.param(
            [change(SSH, there=True)],
            group(SHOWN._replace(protocol="udp")),
            MISSING,
            id="only another protocol shown",
        ),
        pytest.param([change(BY_LIST, there=True)], group(LISTED), "", id="an added prefix list is shown"),
        pytest.param([change(BY_LIST, there=False)], group(LISTED), OLD, id="a prefix list taken away is shown"),
        pytest.param(
            [change(BY_LIST._replace(prefix_list_id="pl-2"), there=True)],
            group(LISTED),
            MISSING,
            id="only another prefix list is shown",
        ),
        pytest.param([change(SSH, there=True, seconds=300)], group(), "", id="the call is five minutes old"),
        pytest.param([change(SSH, there=True, seconds=-299)], group(), MISSING, id="a clock that is ahead"),
        pytest.param([change(None, there=False), change(SSH, there=True)], None, "", id="deleted in the same second"),
        pytest.param([change(ENTRY, there=True)], group(LISTED), MISSING, id="an added entry is not shown"),
        pytest.param([change(ENTRY, there=False)], group(LISTED), "", id="an entry that was taken away is gone"),
        pytest.param(
            [change(ENTRY._replace(prefix_list_id="pl-2"), there=True)], group(), "", id="a list that was not read"
        ),
    ],
)
def test_whether_ec2_shows_what_calls_changed(
    calls: list[ExpectedChange], shown: SecurityGroup | None, state: str
) -> None:
    expected = latest_changes(("sg-1", call) for call in calls)
    entries = {"pl-1": (parse_network("9.9.9.0/24"),)}
    found = lagging(expected, Shown({"sg-1": shown} if shown else {}, entries), NOW)
    assert {name: MISSING if seen.is_missing_rule else OLD for name, seen in found.items()} == (
        {"sg-1": state} if state else {}
    )


RULE_ID = "sgr-1"
PRIVATE = SHOWN._replace(cidr="10.0.0.0/8")
GONE = ExpectedChange(NOW - timedelta(seconds=60), False, None, RULE_ID)
MODIFIED = ExpectedChange(NOW - timedelta(seconds=60), True, SSH._replace(cidr="10.0.0.0/8"), RULE_ID)
RESTORED = ExpectedChange(NOW, True, OpenedRule("", None, None, "", "pl-1"), version=3)
OPENED, CLOSED = change(SSH, there=True), change(SSH, there=False)
EARLIER, LATER = change(SSH, there=True, seconds=90), change(SSH, there=True, seconds=30)
LONG_AGO = change(SSH, there=False, seconds=301)


@pytest.mark.parametrize(
    ("own", "kept", "expected"),
    [
        pytest.param([OPENED], [], [OPENED], id="what the look's own event told"),
        pytest.param([], [OPENED], [], id="its own look has seen what was added"),
        pytest.param([], [CLOSED], [CLOSED], id="what was taken away stays expected"),
        pytest.param([EARLIER], [CLOSED, EARLIER], [CLOSED], id="an event that comes late"),
        pytest.param([CLOSED], [LATER, CLOSED], [LATER], id="a later event told that it was added again"),
        pytest.param([GONE], [LATER, GONE], [GONE, LATER], id="any rule may have been revoked by its id"),
        pytest.param(
            [], [CLOSED, replace(LATER, rule=SSH._replace(from_port=23))], [CLOSED], id="another rule was added"
        ),
        pytest.param([OPENED], [CLOSED, OPENED], [], id="both in one second"),
        pytest.param([], [LONG_AGO], [], id="five minutes ago"),
        pytest.param([], [GONE, MODIFIED], [], id="both of one id in one second"),
        pytest.param([OPENED], [GONE], [OPENED, GONE], id="of a rule and of a rule's id"),
        pytest.param([], [OPENED, GONE], [OPENED, GONE], id="any rule may have been revoked in the same second"),
    ],
)
def test_what_a_look_waits_for(
    own: list[ExpectedChange], kept: list[ExpectedChange], expected: list[ExpectedChange]
) -> None:
    assert sorted(awaited(own, kept, NOW), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([OPENED, CLOSED], False, id="changes of rules"),
        pytest.param([OPENED, GONE], True, id="one of a rule's id"),
        pytest.param([replace(GONE, time=LONG_AGO.time)], False, id="a rule's id, five minutes ago"),
        pytest.param([OPENED, replace(GONE, time=LONG_AGO.time)], False, id="only the other is young"),
    ],
)
def test_whether_rules_are_read_with_their_ids(changes: list[ExpectedChange], needed: bool) -> None:
    assert needs_rules(changes, NOW) == needed


def test_a_group_that_is_not_understood_does_not_hide_another() -> None:
    shown = Shown({"sg-1": group(unreadable=("?",)), "sg-2": replace(group(), group_id="sg-2")})
    assert lagging({"sg-1": (OPENED,), "sg-2": (OPENED,)}, shown, NOW) == {
        "sg-2": Lagging(NOW + timedelta(seconds=240), is_missing_rule=True, shows_old=False)
    }


def test_what_events_told_is_learnt_and_the_old_of_it_forgotten() -> None:
    by = OpenedBy("ana", "", "", "AuthorizeSecurityGroupIngress", NOW, "e-1")
    call = OpeningCall(by, (SSH,))
    told = EventsTold(ScanTarget("1", "eu-west-1", ("sg-1",), (("sg-1", call),), (("sg-1", EARLIER),)), NOW)
    assert told.own() == {"sg-1": Told([call], frozenset([EARLIER.to_text()]))}
    texts = frozenset([EARLIER.to_text(), CLOSED.to_text(), LONG_AGO.to_text(), "nonsense", "[]"])
    assert {name: sorted(old) for name, old in told.learn({"sg-1": Told([call], texts), "sg-2": Told()}).items()} == {
        "sg-1": sorted([LONG_AGO.to_text(), "nonsense", "[]"]),
        "sg-2": [],
    }
    assert (told.expected, told.openings) == ({"sg-1": (CLOSED,)}, {"sg-1": [call]})
    assert EventsTold(ScanTarget("1", "eu-west-1", (), (), (("sg-1", LONG_AGO),)), NOW).own() == {}


@pytest.mark.parametrize("told", [OPENED, CLOSED, change(None, there=False), GONE, MODIFIED, RESTORED])
def test_an_expected_change_is_kept_as_text(told: ExpectedChange) -> None:
    assert ExpectedChange.from_text(told.to_text()) == told


def test_a_group_settles_five_minutes_after_the_last_call_that_is_not_shown() -> None:
    rdp = SSH._replace(from_port=3389, to_port=3389)
    expected = {"sg-1": (change(SSH, there=True), change(rdp, there=False, seconds=20))}
    shown = group(SHOWN._replace(from_port=3389, to_port=3389))
    assert lagging(expected, Shown({"sg-1": shown}), NOW) == {
        "sg-1": Lagging(NOW + timedelta(seconds=280), is_missing_rule=True, shows_old=True)
    }


@pytest.mark.parametrize(
    ("call", "shown", "by_id", "is_shown"),
    [
        pytest.param(GONE, (SHOWN,), {RULE_ID: SHOWN}, False, id="a revoked rule is still listed"),
        pytest.param(GONE, (SHOWN,), {}, False, id="only the group still has it"),
        pytest.param(GONE, (), {RULE_ID: SHOWN}, False, id="only the list still has it"),
        pytest.param(GONE, (PRIVATE,), {"sgr-2": PRIVATE}, True, id="it is gone, another stays"),
        pytest.param(GONE, (), {"sgr-2": PRIVATE}, True, id="it is gone, and another is not shown yet"),
        pytest.param(GONE, (SHOWN,), {"sgr-2": SHOWN}, True, id="it was added again"),
        pytest.param(GONE, (SHOWN,), None, False, id="rules could not be read with their ids"),
        pytest.param(MODIFIED, (SHOWN,), {RULE_ID: SHOWN}, False, id="a modified rule is listed as it was"),
        pytest.param(MODIFIED, (SHOWN,), {RULE_ID: PRIVATE}, False, id="only the group has it as it was"),
        pytest.param(MODIFIED, (PRIVATE,), {RULE_ID: SHOWN}, False, id="only the list has it as it was"),
        pytest.param(MODIFIED, (PRIVATE,), {RULE_ID: PRIVATE}, True, id="it is as it was made"),
        pytest.param(MODIFIED, (), {RULE_ID: None}, True, id="a modified egress rule"),
        pytest.param(MODIFIED, (), {}, True, id="modified, then revoked"),
        pytest.param(MODIFIED, (SHOWN,), {}, False, id="modified, then revoked, and the group still has it as it was"),
    ],
)
def test_changes_of_a_rule_that_only_its_id_names(
    call: ExpectedChange, shown: tuple[IngressRule, ...], by_id: dict[str, IngressRule | None] | None, is_shown: bool
) -> None:
    rules = {"sg-1": by_id}
    found = lagging({"sg-1": (call,)}, Shown({"sg-1": group(*shown)}, rules=rules), NOW)
    assert found == ({} if is_shown else {"sg-1": Lagging(NOW + timedelta(seconds=240), call is MODIFIED, True)})
    assert lagging({"sg-1": (call,)}, Shown({}, rules=rules), NOW) == {}, "the group is gone"
    assert lagging({"sg-1": (call,)}, Shown({"sg-1": group(*shown)}), NOW) == {}, "its rules may not be read"


@pytest.mark.parametrize(
    ("version", "is_shown"),
    [pytest.param(2, False, id="before"), pytest.param(0, False, id="under way"), pytest.param(3, True, id="since")],
)
def test_a_prefix_list_of_which_an_older_version_is_restored(version: int, is_shown: bool) -> None:
    call = ExpectedChange(NOW, True, OpenedRule("", None, None, "", "pl-1"), version=3)
    shown = Shown({"sg-1": group(LISTED)}, {"pl-1": ()}, {"pl-1": version})
    assert lagging({"sg-1": (call,)}, shown, NOW) == (
        {} if is_shown else {"sg-1": Lagging(NOW + timedelta(seconds=300), True, True)}
    )


def test_a_prefix_list_whose_version_was_not_read_is_not_waited_for() -> None:
    shown = Shown({"sg-1": group(LISTED)}, {"pl-1": ()}, {"pl-2": 1})
    assert lagging({"sg-1": (RESTORED,)}, shown, NOW) == {}


REVOKED = {"items": [{"groupId": "sg-1", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0"}]}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(authorized("sg-1"), [(True, SSH)], id="authorized"),
        pytest.param(
            api_call("RevokeSecurityGroupIngress", {"groupId": "sg-1"}, {"revokedSecurityGroupRuleSet": REVOKED}),
            [(False, SSH)],
            id="revoked, told in the response",
        ),
        pytest.param(
            api_call("RevokeSecurityGroupIngress", {"groupId": "sg-1", "ipPermissions": {"items": [
                {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}
            ]}}),
            [(False, SSH)],
            id="revoked, told in the request",
        ),
        pytest.param(
            api_call("RevokeSecurityGroupIngress", {"groupId": "sg-1", "securityGroupRuleIds": {"items": [{}]}}),
            [],
            id="revoked by an id that is not told",
        ),
        pytest.param(api_call("DeleteSecurityGroup", {"groupId": "sg-1"}), [(False, None)], id="deleted"),
        pytest.param(api_call("CreateSecurityGroup", {"groupName": "web"}), [], id="created"),
        pytest.param(
            api_call("ModifyManagedPrefixList", {
                "prefixListId": "pl-1", "addEntry": {"cidr": "8.8.8.0/24"}, "removeEntry": {"cidr": "9.9.9.0/24"},
            }),
            [(True, ENTRY), (False, ENTRY._replace(cidr="9.9.9.0/24"))],
            id="entries of a prefix list",
        ),
        pytest.param(authorized("sg-1", time="yesterday"), [], id="no time"),
    ],
)  # fmt: skip
def test_what_a_call_says_must_be_shown(event: dict[str, Any], expected: list[tuple[bool, OpenedRule | None]]) -> None:
    assert [(told.is_there, told.rule) for told in expected_of(parse_call(event))] == expected


def test_changes_that_name_a_rule_by_its_id_or_a_version_of_a_prefix_list() -> None:
    ids = {"groupId": "sg-1", "securityGroupRuleIds": {"items": [{"securityGroupRuleId": "sgr-1"}]}}
    told = api_call("RevokeSecurityGroupIngress", ids, {"revokedSecurityGroupRuleSet": REVOKED})
    modify = {"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1", "SecurityGroupRule": {
        "SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"CidrIpv4": "10.0.0.0/8", "FromPort": 22, "ToPort": 22,
                                                              "IpProtocol": "tcp"}}}}  # fmt: skip
    restore = {"RestoreManagedPrefixListVersionRequest": {"PrefixListId": "pl-1", "CurrentVersion": 3}}

    def expected(event: dict[str, Any]) -> list[tuple[bool, OpenedRule | None, str, int]]:
        return [(each.is_there, each.rule, each.rule_id, each.version) for each in expected_of(parse_call(event))]

    assert expected(api_call("RevokeSecurityGroupIngress", ids)) == [(False, None, "sgr-1", 0)]
    assert expected(told) == [(False, SSH, "", 0)]
    assert expected(api_call("ModifySecurityGroupRules", modify)) == [
        (True, SSH._replace(cidr="10.0.0.0/8"), "sgr-1", 0)
    ]
    every = OpenedRule("", None, None, "", "pl-1")
    assert expected(api_call("RestoreManagedPrefixListVersion", restore)) == [(True, every, "", 4)]
    del restore["RestoreManagedPrefixListVersionRequest"]["CurrentVersion"]
    assert expected(api_call("RestoreManagedPrefixListVersion", restore)) == []


def test_expected_changes_travel_in_a_message() -> None:
    changes = {
        "sg-1": (change(SSH, there=True), change(None, there=False), GONE, MODIFIED),
        "sg-2": (change(SSH, there=True), ExpectedChange(NOW, True, ENTRY, version=3)),
    }
    item = changes_item(changes)
    assert len(item) == 5
    assert latest_changes(changes_from_item(item)).keys() == changes.keys()
    assert json.loads(json.dumps(item)) == item
    assert set(changes_from_item(item)) == {(name, told) for name, of in changes.items() for told in of}


def test_a_message_names_an_id_and_a_version_only_where_there_is_one() -> None:
    assert changes_item({"sg-1": (OPENED, GONE), "sg-2": (OPENED, RESTORED)}) == [
        ["2026-11-22T02:59:00+00:00", True, ["tcp", 22, 22, "0.0.0.0/0", ""], ["sg-1", "sg-2"]],
        ["2026-11-22T02:59:00+00:00", False, None, ["sg-1"], "sgr-1", 0],
        ["2026-11-22T03:00:00+00:00", True, ["", None, None, "", "pl-1"], ["sg-2"], "", 3],
    ]


def test_what_is_sound_is_read_beside_what_is_malformed() -> None:
    item = changes_item({"sg-1": (OPENED,), "sg-2": (OPENED,)})
    assert changes_from_item([1, *item, [1, 2]]) == (("sg-1", OPENED), ("sg-2", OPENED))


@pytest.mark.parametrize(
    ("time", "rule", "message"),
    [
        pytest.param(None, None, "not an expected change", id="no time"),
        pytest.param(7, None, "not an expected change", id="a time that is a number"),
        pytest.param("2026-11-22T03:00:00Z", "tcp", "not a rule", id="a rule that is text"),
        pytest.param("2026-11-22T03:00:00Z", {"protocol": "tcp"}, "not a rule", id="a rule that is a map"),
    ],
)
def test_what_is_no_expected_change_says_why(time: object, rule: object, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        ExpectedChange.from_parts(time, True, rule)


@pytest.mark.parametrize("item", [None, 1, [1], [["x", True, None, ["sg-1"]]], [[None, True, None, []]], [[1, 2]],
                                  [["2026-11-22T03:00:00Z", True, [1], ["sg-1"]]],
                                  [["2026-11-22T03:00:00Z", False, None, ["sg-1"], 7, 0]],
                                  [["2026-11-22T03:00:00Z", False, None, ["sg-1"], "sgr-1", "x"]]])  # fmt: skip
def test_what_is_malformed_is_left_out(item: object) -> None:
    assert changes_from_item(item) == ()


@pytest.mark.parametrize(
    ("count", "settles", "seconds"),
    [("1", 250, 30), ("1", 10, 11), ("2", 250, 251), ("3", -5, 1), (None, 250, 30)],
)
def test_when_a_message_comes_again(count: str | None, settles: int, seconds: int) -> None:
    record = {"attributes": {"ApproximateReceiveCount": count}} if count else {}
    assert seconds_until_next(record, NOW + timedelta(seconds=settles), NOW) == seconds

"""Who opened the groups of which no event told: CloudTrail's event history, asked after a scan."""

from __future__ import annotations

from typing import Any

import pytest

from identification import describe_security_groups, openers
from identification.receive_security_group_events import lambda_handler as receive
from identification.runtime import Runtime
from tests.builders.api_calls import api_call, authorized, in_sqs
from tests.integration.identification.conftest import Received
from tests.worlds.emulated_aws import Call, Rejection
from tests.worlds.event_history import KeptHistory
from tests.worlds.identification_world import IRELAND, MAIN, SLAVE, VIRGINIA, World, target

SSH = "tcp/22 from 0.0.0.0/0"


@pytest.fixture
def history(world: World, monkeypatch: pytest.MonkeyPatch) -> KeptHistory:
    """The event history, which the configuration allows to ask."""
    kept = KeptHistory()
    kept.serve(world.aws)
    monkeypatch.setattr(Runtime, "sleep", lambda _, seconds: kept.sleep(seconds))
    world.configure(lookup_events=True)
    return kept


def opener(world: World, group_id: str) -> str | None:
    opened_by = world.items()[group_id].get("opened_by")
    return opened_by["event_id"] if opened_by else None


def test_a_new_issue_that_no_event_told_of_names_the_latest_call_that_opened_it(
    world: World, history: KeptHistory
) -> None:
    group_id = world.group(SSH, "tcp/3389 from 8.8.8.0/24")
    history.add(authorized(group_id, time="2026-11-20T01:00:00Z", eventID="first"), group_id)
    history.add(authorized(group_id, "tcp/3389 from 8.8.8.8/24", time="2026-11-21T01:00:00Z", eventID="last"), group_id)
    history.add(authorized(group_id, "tcp/3389 from 9.9.9.0/24", eventID="gone by now"), group_id)
    history.add(authorized(group_id, eventID="failed", errorCode="Client.Invalid"), group_id)
    history.add(authorized("sg-0b", eventID="another group's"), group_id)
    history.add(api_call("DescribeSecurityGroups", {"groupId": group_id}), group_id)
    assert world.describe() == {"changes": 1}
    item = world.items()[group_id]
    assert item["opened_by"] == {
        "principal": "arn:aws:sts::210987654321:assumed-role/deploy/ana",
        "source_ip": "203.0.113.7",
        "user_agent": "Terraform",
        "event_name": "AuthorizeSecurityGroupIngress",
        "event_time": "2026-11-21T01:00:00+00:00",
        "event_id": "last",
    }
    assert item["timestamps"]["updated"] == item["timestamps"]["identified"], "no news but who it was"
    assert world.coverage().reason == ""
    world.later()
    world.aws.calls.clear()
    assert world.describe() == {"changes": 0}
    assert "LookupEvents" not in world.aws.operations()
    # What the history told counts as what events told: when the later rule is gone, the earlier call opened the rest.
    world.revoke(group_id, "tcp/3389 from 8.8.8.0/24")
    history.events.clear()
    world.describe(target(group_ids=[group_id]))
    assert opener(world, group_id) == "first"
    assert history.asked == [group_id]


def test_it_is_off_unless_it_is_configured(world: World, history: KeptHistory) -> None:
    world.configure(lookup_events=False)
    world.group(SSH)
    world.describe()
    assert history.asked == []


def test_nothing_found_is_remembered_once_the_history_has_had_time_and_a_new_occurrence_is_asked_about_again(
    world: World, history: KeptHistory
) -> None:
    group_id = world.group(SSH)
    world.describe()
    assert history.asked == [group_id]
    world.later()
    assert world.describe() == {"changes": 0}
    assert history.asked == [group_id] * 2, "its event may have come into the history only after the first question"
    for _ in range(2):
        world.later()
        world.describe()
    assert history.asked == [group_id] * 2
    world.revoke(group_id, SSH)
    world.describe()
    world.allow(group_id, SSH)
    history.add(authorized(group_id, eventID="again"), group_id)
    world.describe()
    assert opener(world, group_id) == "again"
    assert history.asked == [group_id] * 3


def test_an_event_spares_the_question(world: World, history: KeptHistory, published: Received) -> None:
    group_id = world.group(SSH)
    receive(in_sqs(authorized(group_id, eventID="told")), None)
    world.describe(*published())
    world.describe()
    assert (opener(world, group_id), history.asked) == ("told", [])


def test_exempt_groups_prefix_lists_and_other_accounts_and_regions(world: World, history: KeptHistory) -> None:
    list_id = world.ec2().create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "8.8.8.0/24"}]
    )["PrefixList"]["PrefixListId"]
    exempt = world.group(f"tcp/22 from {list_id}")
    elsewhere = world.group(SSH, account_id=MAIN, region=VIRGINIA)
    world.whitelist(exempt)
    request = {"ModifyManagedPrefixListRequest": {"PrefixListId": list_id, "AddEntry": {"Cidr": "8.8.8.8/24"}}}
    history.add(api_call("ModifyManagedPrefixList", request, eventID="entry"), list_id)
    history.add(authorized(elsewhere, region=IRELAND, eventID="of another region"), elsewhere)
    history.add(authorized(elsewhere, region=VIRGINIA, account_id=MAIN, eventID="elsewhere"), elsewhere)
    world.describe(target(), target(MAIN, VIRGINIA))
    assert (opener(world, exempt), opener(world, elsewhere)) == ("entry", "elsewhere")
    assert world.items()[exempt]["status"] == "whitelisted"


def own_session(role: str) -> dict[str, Any]:
    return {"userIdentity": {"arn": f"arn:aws:sts::{SLAVE}:assumed-role/{role}/hammer"}}


def test_hammers_own_sessions_are_not_named(
    world: World, history: KeptHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAMMER_HOST_ROLE", "the-host")
    group_id = world.group(SSH)
    history.add(authorized(group_id, eventID="somebody", time="2026-09-01T00:00:00Z"), group_id)
    history.add(authorized(group_id, eventID="own", **own_session("hammer-cloudsec-crossact-ec2")), group_id)
    host: dict[str, Any] = {"userIdentity": {"arn": f"arn:aws:sts::{MAIN}:assumed-role/the-host/i-1"}}
    history.add(authorized(group_id, eventID="the host", **host), group_id)
    world.describe()
    assert opener(world, group_id) == "somebody"


def test_untrusted_and_broken_records(world: World, history: KeptHistory) -> None:
    group_id = world.group(SSH)
    history.add(authorized(group_id, eventID="b" * 9000, by="\ud800\x1b", userAgent="💥" * 9000), group_id)
    for broken in ("", "{", "[]", "null", "[" * 100_000, '{"eventName": 7}', '{"eventName": "RunInstances"}'):
        history.events.append((IRELAND, {group_id}, broken))
    world.describe()
    found = world.items()[group_id]["opened_by"]
    assert (found["principal"], len(found["user_agent"]), len(found["event_id"])) == ("\\ud800\x1b", 512, 512)


def test_pages_are_read_until_one_tells_and_never_faster_than_cloudtrail_allows(
    world: World, history: KeptHistory
) -> None:
    group_id, busy = world.group(SSH, name="known"), world.group(SSH, name="busy")
    history.add(authorized(busy, eventID="too far back"), busy)
    for number in range(150):
        history.add(api_call("DescribeSecurityGroupRules", {}, eventID=f"{number}"), busy)
    history.add(authorized(group_id, eventID="on the second page"), group_id)
    for number in range(60):
        history.add(api_call("DescribeSecurityGroupRules", {}, eventID=f"{number}"), group_id)
    world.describe()
    assert (opener(world, group_id), opener(world, busy)) == ("on the second page", None)
    assert sorted(history.asked) == sorted([group_id] * 2 + [busy] * 3)
    # The stand-in refuses a third call within a second: none was refused, so the SDK never had to repeat one.
    assert world.aws.operations("cloudtrail").count("LookupEvents") == 5


def test_a_scan_asks_about_so_many_groups_the_worst_first_and_the_next_goes_on(
    world: World, history: KeptHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openers, "CALLS_A_SCAN", 2)
    some = [world.group("tcp/22 from 8.8.8.0/24", name=f"partly{number}") for number in range(3)]
    worst = world.group(SSH, name="completely")
    for group_id in some:
        history.add(authorized(group_id, "tcp/22 from 8.8.8.0/24"), group_id)
    history.add(authorized(worst), worst)
    world.describe()
    assert len(history.asked) == 2
    assert history.asked[0] == worst
    world.describe()
    world.describe()
    assert sorted(history.asked) == sorted([*some, worst])
    assert None not in [opener(world, group_id) for group_id in (*some, worst)]


def test_where_cloudtrail_throttles_a_scan_asks_for_a_minute_and_the_next_goes_on(
    world: World, history: KeptHistory
) -> None:
    """The SDK waits up to half a minute before a throttled call succeeds: 60 of these would outlast the function."""

    def throttled(call: Call) -> None:
        if call.operation == "LookupEvents":
            world.later(seconds=25)

    groups = [world.group(SSH, name=f"group{number}") for number in range(5)]
    for group_id in groups:
        history.add(authorized(group_id), group_id)
    world.aws.hooks.append(throttled)
    world.describe()
    assert (len(history.asked), world.coverage().reason) == (3, "")
    world.describe()
    assert sorted(history.asked) == sorted(groups)
    assert None not in [opener(world, group_id) for group_id in groups]


@pytest.mark.parametrize(
    ("rejection", "reason"),
    [
        pytest.param(
            Rejection("AccessDeniedException", message="not authorized to perform: cloudtrail:LookupEvents"),
            "who opened groups is not known: denied: the role or user may not call LookupEvents: ",
            id="denied",
        ),
        pytest.param(
            Rejection("ThrottlingException"),
            "who opened groups is not known: throttled: AWS still refused LookupEvents after the retries "
            "(ThrottlingException)",
            id="throttled",
        ),
    ],
)
def test_an_issue_is_stored_all_the_same_where_the_history_cannot_be_read(
    world: World, history: KeptHistory, rejection: Rejection, reason: str
) -> None:
    world.aws.refuse("LookupEvents", rejection)
    groups = [world.group(SSH, name=name) for name in ("one", "two")]
    assert world.describe() == {"changes": 2}
    assert {name: (item["status"], "opened_by" in item) for name, item in world.items().items()} == dict.fromkeys(
        groups, ("open", False)
    )
    seen = world.coverage()
    assert (str(seen.outcome), seen.reason[: len(reason)]) == ("complete", reason)
    assert seen.reason.count("not known") == 1
    world.aws.hooks.clear()
    history.add(authorized(groups[0], eventID="later"), groups[0])
    world.describe()
    assert (opener(world, groups[0]), world.coverage().reason) == ("later", "")


def test_a_scan_that_fails_at_the_history_does_not_count_as_complete(
    world: World, history: KeptHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ValueError("no time")

    monkeypatch.setattr(describe_security_groups, "look_up_openers", fail)
    world.group(SSH)
    with pytest.raises(ValueError, match="no time"):
        world.describe()
    assert str(world.coverage().outcome) == "failed"


def test_an_issue_that_changes_while_the_history_is_asked_is_left_to_the_next_scan(
    world: World, history: KeptHistory
) -> None:
    group_id = world.group(SSH)
    history.add(authorized(group_id, eventID="told"), group_id)

    def change(call: Any) -> None:
        if call.operation == "LookupEvents" and len(history.asked) == 0:
            world.set(group_id, revision=9)

    world.aws.hooks.append(change)
    world.describe()
    assert opener(world, group_id) is None
    world.describe()
    assert opener(world, group_id) == "told"

"""The identification Lambda when something goes wrong: what could not be read is never taken for nothing there."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from identification import describe_security_groups, runtime
from identification.errors import UnknownAccountError
from library.aws.conditional_writes import serialized
from library.errors import ConflictError
from library.issues.issue import Issue, Status
from library.issues.scan_coverage import Outcome
from tests.builders.api_calls import in_sqs
from tests.integration.identification.test_describe_security_groups import paged
from tests.worlds.emulated_aws import Call, Rejection
from tests.worlds.identification_world import (
    EXTERNAL_ID,
    IRELAND,
    MAIN,
    OTHER,
    SLAVE,
    VIRGINIA,
    World,
    one_time,
    target,
)

TOO_LARGE = "Item size to update has exceeded the maximum allowed size"
DENIED = Rejection("UnauthorizedOperation", 403, "You are not authorized to perform this operation.")
THROTTLED = Rejection("RequestLimitExceeded", 503, "Request limit exceeded.")


@pytest.fixture
def known(world: World) -> dict[str, Any]:
    """Two issues, found an hour ago: one group stays open, one is fixed by now. What the table has of them."""
    world.group("tcp/22 from 0.0.0.0/0", name="open")
    fixed = world.group("tcp/22 from 0.0.0.0/0", name="fixed")
    world.describe()
    world.revoke(fixed, "tcp/22 from 0.0.0.0/0")
    world.later()
    world.aws.forget()
    runtime._kept_sessions.cache_clear()  # a new process: roles are assumed anew
    return world.items()


def second_page(rejection: Rejection) -> Callable[[Call], Rejection | None]:
    return lambda call: (
        rejection if call.operation == "DescribeSecurityGroups" and "NextToken" in call.parameters else None
    )


def of(operation: str, rejection: Rejection) -> Callable[[Call], Rejection | None]:
    return lambda call: rejection if call.operation == operation else None


ROLE_REASON = (
    "role arn:aws:iam::210987654321:role/hammer-cloudsec-crossact-id cannot be assumed: it is missing, or does not "
    "trust the main account, or aws.external_id is not the one it expects (AWS does not tell which)"
)
FAULTS = {
    "role cannot be assumed": (
        of("AssumeRole", Rejection("AccessDenied", 403, "User is not authorized to perform: sts:AssumeRole")),
        ROLE_REASON,
    ),
    "denied": (of("DescribeSecurityGroups", DENIED), "denied: the role or user may not call DescribeSecurityGroups"),
    "denied on the second page": (second_page(DENIED), "denied: the role or user may not call DescribeSecurityGroups"),
    "throttled for longer than the retries": (
        of("DescribeSecurityGroups", THROTTLED),
        "throttled: AWS still refused DescribeSecurityGroups after the retries (RequestLimitExceeded)",
    ),
    "throttled on the second page": (
        second_page(THROTTLED),
        "throttled: AWS still refused DescribeSecurityGroups after the retries (RequestLimitExceeded)",
    ),
    "server error": (
        of("DescribeSecurityGroups", Rejection("InternalError", 500)),
        "An error occurred (InternalError) when calling the DescribeSecurityGroups operation",
    ),
    "wrong credentials, and the region is on": (
        of("DescribeSecurityGroups", Rejection("AuthFailure", 401, "not able to validate the provided credentials")),
        "An error occurred (AuthFailure) when calling the DescribeSecurityGroups operation",
    ),
}


@pytest.mark.parametrize(("fault", "reason"), [pytest.param(*fault, id=name) for name, fault in FAULTS.items()])
def test_a_region_that_could_not_be_read_resolves_nothing_and_says_why(
    world: World, known: dict[str, Any], fault: Callable[[Call], Rejection | None], reason: str
) -> None:
    success = world.coverage().started
    world.aws.rewrites.append(paged(2))
    world.aws.hooks.append(fault)
    with pytest.raises(ClientError):
        world.describe()
    assert world.items() == known
    assert world.written_issues() == []
    scan = world.coverage()
    assert (scan.outcome, scan.started, scan.last_complete) == (Outcome.FAILED, world.clock, success)
    assert scan.reason.startswith(reason)
    assert "\n" not in scan.reason

    world.aws.forget()
    world.later()
    assert world.describe() == {"changes": 1}
    assert (world.coverage().outcome, world.coverage().reason) == (Outcome.COMPLETE, "")
    assert world.coverage().last_complete == world.clock


def test_a_group_that_moves_between_two_pages_is_not_resolved(world: World) -> None:
    """Another group is deleted before the second page is asked for: the third group is now the second one."""
    ids = [world.group("tcp/22 from 0.0.0.0/0", name=f"g{number}") for number in range(5)]
    world.describe()
    listed = [group["GroupId"] for group in world.ec2().describe_security_groups()["SecurityGroups"]]
    first = next(group_id for group_id in listed[:2] if group_id in ids)
    gone = listed[-1]

    def delete_first(call: Call) -> None:
        if call.operation == "DescribeSecurityGroups" and "NextToken" in call.parameters:
            world.aws.hooks.clear()
            world.ec2().delete_security_group(GroupId=first)

    world.ec2().delete_security_group(GroupId=gone)
    world.aws.rewrites.append(paged(2))
    world.aws.hooks.append(delete_first)
    world.later()
    assert world.describe() == {"changes": 1}
    assert {name: item["status"] for name, item in world.items().items()} == {
        **dict.fromkeys(ids, "open"),
        gone: "resolved",
    }
    world.later()
    assert world.describe() == {"changes": 1}
    assert world.items()[first]["status"] == "resolved"


def test_throttling_that_ends_is_waited_for(world: World, known: dict[str, Any], sdk_sleeps: list[float]) -> None:
    world.aws.refuse("DescribeSecurityGroups", THROTTLED, times=3)
    assert world.describe() == {"changes": 1}
    assert len(sdk_sleeps) == 3
    assert len(known) == 2


def test_no_connection(world: World, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:9")
    with pytest.raises(Exception, match="Could not connect"):
        world.describe()
    assert world.items() == known
    assert world.coverage().reason.startswith("AWS could not be reached: Could not connect to the endpoint URL")


def test_a_first_scan_that_fails_has_no_success_to_tell(world: World) -> None:
    world.aws.refuse("AssumeRole", Rejection("AccessDenied", 403))
    with pytest.raises(ClientError):
        world.describe()
    assert (world.coverage().outcome, world.coverage().last_complete) == (Outcome.FAILED, None)


def test_one_target_that_fails_does_not_stop_the_others(world: World) -> None:
    there = world.group("tcp/22 from 0.0.0.0/0", region=VIRGINIA)
    world.aws.refuse("DescribeSecurityGroups", DENIED, region=IRELAND)
    with pytest.raises(ClientError):
        world.describe(target(), target(region=VIRGINIA))
    assert list(world.items()) == [there]


def test_the_external_id_goes_nowhere_but_to_sts(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "identification")
    world.aws.refuse("AssumeRole", Rejection("AccessDenied", 403))
    with pytest.raises(ClientError) as raised:
        world.describe()
    assumed = [call.parameters for call in world.aws.calls if call.operation == "AssumeRole"]
    assert [call["ExternalId"] for call in assumed] == [EXTERNAL_ID]
    said = [caplog.text, *capfd.readouterr(), repr(raised.value), str(world.items(other=True))]
    assert not any(EXTERNAL_ID in text for text in said)


class Hurried:
    """The context of an invocation that has five minutes of the world's time."""

    aws_request_id = "hurried"

    def __init__(self, world: World) -> None:
        self._world, self._ends = world, world.clock + timedelta(minutes=5)

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - self._world.clock) / timedelta(milliseconds=1))


def test_what_would_not_fit_any_more_is_not_begun_and_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that is ended in the middle reports no record as done: those that were come again, too."""
    monkeypatch.setattr(describe_security_groups, "_CONCURRENT_SCANS", 1)

    def slow(call: Call) -> None:
        if call.operation == "DescribeSecurityGroups":
            world.later(seconds=160)

    world.aws.hooks.append(slow)
    records = in_sqs(target(), target(region=VIRGINIA))
    assert describe_security_groups.lambda_handler(records, Hurried(world)) == {
        "batchItemFailures": [{"itemIdentifier": "m-1"}]
    }
    assert (world.coverage().outcome, world.coverage(region=VIRGINIA)) == (Outcome.COMPLETE, None)
    again = {"Records": records["Records"][1:]}
    assert describe_security_groups.lambda_handler(again, Hurried(world)) == {"batchItemFailures": []}


def test_a_context_that_tells_no_time_ends_nothing(world: World) -> None:
    context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: None)
    assert describe_security_groups.lambda_handler(in_sqs(target()), context) == {"batchItemFailures": []}


# Regions that are off


def off(call: Call, text: str) -> str:
    """DescribeRegions' answer with Ireland not enabled."""
    if call.operation != "DescribeRegions":
        return text
    return re.sub(r"<optInStatus>[^<]*</optInStatus>", "<optInStatus>not-opted-in</optInStatus>", text)


@pytest.mark.parametrize("names", [None, ["sg-0a"]], ids=["a region", "groups"])
@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"])
def test_a_region_that_a_policy_of_the_organization_closes_is_no_failure(
    world: World, known: dict[str, Any], code: str, names: list[str] | None
) -> None:
    success = world.coverage().started
    policy = "arn:aws:organizations::123456789012:policy/o-1/service_control_policy/p-guard"
    said = f"You are not authorized to perform this, with an explicit deny in a service control policy: {policy}"
    world.aws.refuse("DescribeSecurityGroups", Rejection(code, 403, said))
    world.later()
    for _ in range(2):
        record = in_sqs(target(group_ids=names))
        assert describe_security_groups.lambda_handler(record, None) == {"batchItemFailures": []}
        assert world.items() == known
    scan = world.coverage()
    if names is None:
        assert (scan.outcome, scan.last_complete) == (Outcome.DENIED_BY_POLICY, success)
        assert scan.reason.startswith("a service control policy of the organization denies it: ")
        assert policy in scan.reason
    # What the role itself may not do is a failure.
    world.aws.hooks.clear()
    world.aws.refuse("DescribeSecurityGroups", Rejection(code, 403, "no identity-based policy allows it"))
    with pytest.raises(ClientError):
        world.describe()


@pytest.mark.parametrize("operation", ["DescribeManagedPrefixLists", "AssumeRole"])
def test_a_policy_that_denies_something_else_does_not_hide_the_region(
    world: World, known: dict[str, Any], operation: str
) -> None:
    """The region's groups may be open all the same: somebody must hear that nobody looks at them."""
    prefix_list = a_prefix_list(world, "10.0.0.0/8")
    world.group(f"tcp/22 from {prefix_list}", name="listed")
    said = "not authorized to perform it with an explicit deny in a service control policy"
    world.aws.refuse(operation, Rejection("AccessDenied", 403, said))
    record = in_sqs(target())
    assert describe_security_groups.lambda_handler(record, None)["batchItemFailures"]
    assert world.coverage().outcome is Outcome.FAILED
    assert world.items() == known


def test_a_prefix_list_that_is_denied_hides_no_other_group(world: World, known: dict[str, Any]) -> None:
    """Whoever shares a list decides who may read its entries: nobody must blind Hammer to a region that way."""
    denied, readable = a_prefix_list(world, "8.8.8.0/24"), a_prefix_list(world, "8.8.4.0/24")
    listed = world.group(f"tcp/22 from {denied}", name="listed")
    world.group(f"tcp/3389 from {denied}", name="listed too")
    new = [world.group("tcp/22 from 0.0.0.0/0", name="new"), world.group(f"tcp/22 from {readable}", name="readable")]

    def deny(call: Call) -> Rejection | None:
        if call.operation != "GetManagedPrefixListEntries" or call.parameters["PrefixListId"] != denied:
            return None
        return Rejection("UnauthorizedOperation", 403, "not authorized")

    world.aws.hooks.append(deny)
    record = in_sqs(target())
    assert describe_security_groups.lambda_handler(record, None)["batchItemFailures"]  # somebody must hear of it
    found = world.items()
    assert {group_id: found.pop(group_id)["status"] for group_id in new} == dict.fromkeys(new, "open")
    assert found == known  # what is not a complete read resolves nothing
    scan = world.coverage()
    assert scan.outcome is Outcome.PARTIAL
    assert f"{listed}: prefix list {denied} could not be read" in scan.reason
    assert "may not call GetManagedPrefixListEntries" in scan.reason
    asked = [call.parameters.get("PrefixListId") for call in world.aws.calls]
    assert asked.count(denied) == 1


def test_a_denied_prefix_list_of_a_group_that_is_asked_for_again_is_named(world: World) -> None:
    """The group is on neither page: one before it is deleted in between, and it is asked for by its id."""
    denied = a_prefix_list(world, "8.8.8.0/24")
    ids = [world.group("tcp/22 from 0.0.0.0/0", name=f"g{number}") for number in range(5)]
    world.describe()
    listed = [group["GroupId"] for group in world.ec2().describe_security_groups()["SecurityGroups"]]
    first, moved = next(group_id for group_id in listed[:2] if group_id in ids), listed[2]
    world.revoke(moved, "tcp/22 from 0.0.0.0/0")
    world.allow(moved, f"tcp/22 from {denied}")

    def delete_first(call: Call) -> None:
        if call.operation == "DescribeSecurityGroups" and call.parameters.get("NextToken") == "2":
            world.aws.hooks.remove(delete_first)
            world.ec2().delete_security_group(GroupId=first)

    world.aws.rewrites.append(paged(2))
    world.aws.hooks.append(delete_first)
    world.aws.refuse("GetManagedPrefixListEntries", DENIED)
    world.later()
    record = in_sqs(target())
    assert describe_security_groups.lambda_handler(record, None)["batchItemFailures"]
    assert world.items()[moved]["status"] == "open"
    scan = world.coverage()
    assert scan.outcome is Outcome.PARTIAL
    assert "may not call GetManagedPrefixListEntries" in scan.reason


@pytest.mark.parametrize("code", ["AuthFailure", "OptInRequired", "UnrecognizedClientException"])
def test_a_region_that_is_off_is_recorded_as_such(world: World, known: dict[str, Any], code: str) -> None:
    success = world.coverage().started
    world.aws.refuse("DescribeSecurityGroups", Rejection(code, 401))
    world.aws.rewrites.append(off)
    assert world.describe() == {"changes": 0}
    scan = world.coverage()
    assert (scan.outcome, scan.last_complete) == (Outcome.REGION_OFF, success)
    assert scan.reason == "region eu-west-1 is not enabled in account 210987654321"
    assert world.items() == known
    asked = [call.region for call in world.aws.calls if call.operation == "DescribeRegions"]
    assert asked == [IRELAND]


# What is not understood


def a_prefix_list(world: World, cidr: str) -> str:
    """A customer's prefix list of one entry. Returns its id."""
    made = world.ec2().create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": cidr}]
    )
    return str(made["PrefixList"]["PrefixListId"])


def lose_prefix_lists(world: World) -> None:
    """From now on EC2 lists none."""
    world.aws.rewrites.append(
        without("DescribeManagedPrefixLists", r"(?s)<prefixListSet>.*</prefixListSet>", "<prefixListSet/>")
    )


def without(call_operation: str, pattern: str, replacement: str = "", count: int = 1) -> Any:
    def rewrite(call: Call, text: str) -> str:
        return re.sub(pattern, replacement, text, count=count) if call.operation == call_operation else text

    return rewrite


def test_a_rule_of_an_unknown_shape_is_reported_stops_no_other_and_is_never_resolved(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    odd = world.group("tcp/22 from 8.8.8.8/32", name="odd")
    fixed = world.group("tcp/22 from 0.0.0.0/0", name="fixed")
    world.describe()
    world.revoke(fixed, "tcp/22 from 0.0.0.0/0")
    new = world.group("tcp/3389 from 0.0.0.0/0", name="new")
    before, success = world.items()[odd], world.clock
    world.later()
    world.aws.rewrites.append(without("DescribeSecurityGroups", "<cidrIp>8.8.8.8/32</cidrIp>"))

    assert world.describe() == {"changes": 2}

    assert world.items()[odd] == before
    assert {group_id: world.items()[group_id]["status"] for group_id in (fixed, new)} == {
        fixed: "resolved",
        new: "open",
    }
    scan = world.coverage()
    assert (scan.outcome, scan.last_complete) == (Outcome.PARTIAL, success)
    assert scan.reason == f"not understood: {odd}: a tcp rule with an unknown source: {{}}"
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert odd in record.__dict__["reason"]


def test_a_prefix_list_that_is_gone_is_reported_and_resolves_nothing(world: World) -> None:
    prefix_list = a_prefix_list(world, "8.8.8.0/24")
    group_id = world.group(f"tcp/22 from {prefix_list}")
    world.describe()
    before = world.items()
    lose_prefix_lists(world)
    world.later()
    assert world.describe() == {"changes": 0}
    assert world.items() == before
    assert world.coverage().reason == f"not understood: {group_id}: prefix list {prefix_list} could not be read"


@pytest.mark.parametrize("exempt", [False, True])
def test_what_a_missing_prefix_list_opened_stays_whatever_else_the_group_opens(world: World, *, exempt: bool) -> None:
    prefix_list = a_prefix_list(world, "0.0.0.0/0")
    group_id = world.group(f"tcp/22 from {prefix_list}", "tcp/3389 from 8.8.8.8/32")
    if exempt:
        world.whitelist({"group": group_id, "cidrs": ["8.8.8.8/32"]})
    world.describe()
    before = world.items()
    lose_prefix_lists(world)
    world.later()
    assert world.describe() == {"changes": 0}
    assert world.items() == before
    assert world.coverage().outcome is Outcome.PARTIAL
    world.aws.rewrites.clear()
    world.revoke(group_id, f"tcp/22 from {prefix_list}")
    world.later()
    assert world.describe() == {"changes": 1}
    issue = world.items()[group_id]
    assert (issue["status"], [perm["cidr"] for perm in issue["issue_details"]["perms"]]) == (
        "whitelisted" if exempt else "open",
        ["8.8.8.8/32"],
    )


def test_what_is_opened_is_stored_where_there_is_no_room_for_what_was_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list may be missing for ever: no scan that may take something away would come."""
    monkeypatch.setattr("identification.scan.PERMS_BYTES", 400)
    prefix_list = a_prefix_list(world, "8.8.4.4/32")
    group_id = world.group(f"tcp/22 from {prefix_list}", *(f"tcp/22 from 8.8.8.{number}/32" for number in range(6)))
    world.describe()
    before = world.items()
    assert before[group_id]["issue_details"]["perms_total"] == 7
    lose_prefix_lists(world)
    world.later()
    assert world.describe() == {"changes": 0}
    assert world.items() == before
    world.allow(group_id, "tcp/3389 from 0.0.0.0/0")
    world.later()
    assert world.describe() == {"changes": 1}
    details = world.items()[group_id]["issue_details"]
    assert details["status"] == "open_completely"
    assert "0.0.0.0/0" in [perm["cidr"] for perm in details["perms"]]
    world.later()
    assert world.describe() == {"changes": 0}


@pytest.mark.parametrize(
    ("more", "status"),
    [({}, "whitelisted"), ({"cidrs": ["8.8.8.8/32"]}, "open")],
    ids=["as a whole", "what was read alone"],
)
def test_a_group_that_is_exempt_as_a_whole_is_so_whatever_was_not_read(
    world: World, more: dict[str, Any], status: str
) -> None:
    prefix_list = a_prefix_list(world, "0.0.0.0/0")
    group_id = world.group(f"tcp/22 from {prefix_list}", "tcp/3389 from 8.8.8.8/32")
    world.describe()
    exposed = world.items()[group_id]["issue_details"]["perms"]
    lose_prefix_lists(world)
    world.whitelist({"group": group_id, **more})
    for _ in range(2):
        world.later()
        world.describe()
        issue = world.items()[group_id]
        assert (issue["status"], issue["issue_details"]["perms"]) == (status, exposed)


def test_a_prefix_list_that_may_not_be_read_fails_the_region(world: World, known: dict[str, Any]) -> None:
    prefix_list = a_prefix_list(world, "8.8.8.0/24")
    world.group(f"tcp/22 from {prefix_list}")
    world.aws.refuse("GetManagedPrefixListEntries", DENIED)
    with pytest.raises(ClientError):
        world.describe()
    assert world.items() == known
    assert "may not call GetManagedPrefixListEntries" in world.coverage().reason


def test_a_group_without_an_id_could_be_any_so_nothing_is_resolved(world: World, known: dict[str, Any]) -> None:
    new = world.group("tcp/3389 from 0.0.0.0/0", name="new")
    world.aws.rewrites.append(without("DescribeSecurityGroups", r"<groupId>[^<]*</groupId>", count=1))
    assert world.describe() == {"changes": 1}
    items = world.items()
    assert items.pop(new)["status"] == "open"
    assert items == known
    assert world.coverage().outcome is Outcome.PARTIAL
    assert "a security group without an id" in world.coverage().reason


# Somebody else writes at the same time


def test_a_lost_race_is_decided_again_on_fresh_data(world: World) -> None:
    """Two scans find the same group; the slower one's first write fails, and it adds nothing."""
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.aws.hooks.append(one_time("UpdateItem", group_id, world.describe))
    assert world.describe() == {"changes": 0}
    item = world.items()[group_id]
    assert (item["status"], item["revision"], item["occurrence"]) == ("open", 1, 1)


def test_what_another_scan_resolved_meanwhile_is_looked_at_again(world: World, known: dict[str, Any]) -> None:
    group_id = next(name for name, item in known.items() if item["issue_details"]["name"] == "open")
    world.allow(group_id, "tcp/22 from 8.8.8.8/32")

    def fixed_and_seen() -> None:
        world.revoke(group_id, "tcp/22 from 0.0.0.0/0", "tcp/22 from 8.8.8.8/32")
        world.later(minutes=1)
        world.describe()

    world.aws.hooks.append(one_time("UpdateItem", group_id, fixed_and_seen))
    world.describe()
    assert world.items()[group_id]["status"] == "resolved", "the older look does not open it again"


def test_what_was_found_and_resolved_since_a_look_began_is_looked_at_again(world: World) -> None:
    """Another scan finds the group and, after somebody fixed it, a third resolves its issue: all that in between."""
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    done: list[bool] = []

    def overtake(call: Call) -> None:
        if call.operation == "BatchGetItem" and not done:
            done.append(True)
            world.describe()
            world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
            world.later(minutes=1)
            world.describe()

    world.aws.hooks.append(overtake)
    assert world.describe() == {"changes": 0}
    item = world.items()[group_id]
    assert (item["status"], item["occurrence"]) == ("resolved", 1)


def test_what_the_other_jobs_write_stays(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    world.allow(group_id, "tcp/22 from 8.8.8.8/32")
    reported = (world.clock + timedelta(minutes=1)).isoformat()

    def report() -> None:
        issue = world.issue_table().get(SLAVE, group_id)
        assert issue
        sets = {"timestamps.reported": reported, "jira_details": {"ticket": "SEC-1"}}
        world.issue_table().update(issue, sets)

    world.aws.hooks.append(one_time("UpdateItem", group_id, report))
    world.later()
    assert world.describe() == {"changes": 1}
    item = world.items()[group_id]
    assert item["jira_details"] == {"ticket": "SEC-1"}
    assert item["timestamps"]["reported"] == reported
    assert len(item["issue_details"]["perms"]) == 2


def test_an_issue_that_keeps_changing_fails_loudly_and_the_others_are_written(world: World) -> None:
    busy = world.group("tcp/22 from 0.0.0.0/0", name="busy")
    calm = world.group("tcp/22 from 0.0.0.0/0", name="calm")
    world.describe()
    for group_id in (busy, calm):
        world.allow(group_id, "tcp/22 from 8.8.8.8/32")

    def meddle(call: Call) -> None:
        if call.operation == "UpdateItem" and call.parameters["Key"]["issue_id"] == {"S": busy}:
            # Not through the table's door: its own write would be a call of the same kind.
            item = world.items()[busy]
            world.dynamodb.delete_item(
                TableName=call.parameters["TableName"],
                Key={"account_id": {"S": SLAVE}, "issue_id": {"S": busy}},
            )
            issue = Issue.from_item({**item, "revision": int(item["revision"]) + 1})
            world.dynamodb.put_item(
                TableName=call.parameters["TableName"],
                Item=serialized(issue.to_item()),
            )

    world.aws.hooks.append(meddle)
    with pytest.raises(ConflictError, match=busy):
        world.describe()
    assert len(world.items()[calm]["issue_details"]["perms"]) == 2
    assert world.coverage().outcome is Outcome.FAILED


def test_a_write_that_fails_is_raised_when_the_others_were_tried(world: World) -> None:
    ids = [world.group("tcp/22 from 0.0.0.0/0", name=f"g{number}") for number in range(30)]  # more than threads

    def refuse(call: Call) -> Rejection | None:
        is_first = call.operation == "UpdateItem" and call.parameters["Key"]["issue_id"] == {"S": ids[0]}
        return Rejection("AccessDeniedException", 400, "not you") if is_first else None

    world.aws.hooks.append(refuse)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        world.describe()
    assert world.items().keys() == set(ids[1:])
    assert "may not call UpdateItem" in world.coverage().reason


def full_and_fixed(world: World) -> tuple[str, str]:
    """A group whose issue DynamoDB refuses, since its item is full, and one that was fixed."""
    full, fixed = (world.group("tcp/22 from 0.0.0.0/0", name=name) for name in ("full", "fixed"))
    world.describe()
    world.allow(full, "tcp/22 from 8.8.8.8/32")
    world.revoke(fixed, "tcp/22 from 0.0.0.0/0")

    def refuse(call: Call) -> Rejection | None:
        is_full = call.operation == "UpdateItem" and call.parameters["Key"]["issue_id"] == {"S": full}
        return Rejection("ValidationException", 400, TOO_LARGE) if is_full else None

    world.aws.hooks.append(refuse)
    return full, fixed


def test_an_issue_that_cannot_be_written_keeps_no_other_one_open(world: World) -> None:
    full, fixed = full_and_fixed(world)
    with pytest.raises(ClientError, match="maximum allowed size"):
        world.describe()
    assert world.items()[fixed]["status"] == "resolved"
    assert f"{full} in {SLAVE}" in world.coverage().reason, "somebody must mend that item"


def test_of_an_addition_and_a_resolution_that_fail_the_first_is_raised_and_the_other_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    full, _ = full_and_fixed(world)
    world.aws.refuse("TransactWriteItems", DENIED)
    with pytest.raises(ClientError, match="maximum allowed size"):
        world.describe()
    assert full in world.coverage().reason
    [other] = [each.message for each in caplog.records if each.message.startswith("what is fixed could not be written")]
    assert "may not call TransactWriteItems" in other


def test_a_table_that_cannot_be_written_does_not_hide_why_the_scan_failed(world: World) -> None:
    world.describe()
    world.aws.refuse("DescribeSecurityGroups", DENIED)
    rejection = Rejection("AccessDeniedException", 400)
    world.aws.hooks.append(
        lambda call: rejection if "outcome" in str(call.parameters.get("UpdateExpression")) else None
    )
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        world.describe()


# Coverage


def test_coverage_says_when_how_long_and_how_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.group("tcp/443 from 0.0.0.0/0")
    began = world.clock

    def tick(_: object) -> datetime:
        return world.later(milliseconds=250)

    monkeypatch.setattr("identification.runtime.Runtime.now", tick)
    world.describe(target(MAIN), target())
    here, there = world.coverage(MAIN), world.coverage()
    assert (there.account_id, there.region, there.outcome) == (SLAVE, IRELAND, Outcome.COMPLETE)
    assert there.groups == here.groups + 1
    assert here.started == began + timedelta(milliseconds=250)
    assert there.seconds >= 0.25
    assert there.started == there.last_complete


def test_an_older_scan_never_replaces_a_newer_ones_coverage(world: World) -> None:
    """A slow scan that fails in the end, after a quick one began and ended."""
    world.describe()
    success = world.later()

    def overtaken(call: Call) -> Rejection | None:
        if call.operation == "DescribeSecurityGroups" and world.clock == success:
            world.later()
            world.describe()
            return DENIED
        return None

    world.aws.hooks.append(overtaken)
    with pytest.raises(ClientError):
        world.describe()
    assert (world.coverage().outcome, world.coverage().started) == (Outcome.COMPLETE, world.clock)


def test_a_scan_of_groups_is_no_scan_of_the_region(world: World) -> None:
    group_id = world.group("tcp/443 from 0.0.0.0/0")
    world.describe()
    before = world.coverage()
    world.later()
    world.describe(target(group_ids=[group_id]))
    assert world.coverage() == before


def test_coverage_is_not_an_issue(world: World) -> None:
    world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    assert set(world.items(other=True)) == {"adopted#issues", "scan-coverage#eu-west-1"}
    table = world.issue_table()
    assert len(table.exposed(SLAVE, IRELAND)) == len(list(table.with_status(SLAVE, *Status))) == 1


# Answers that are not all there is


def test_an_empty_answer_where_groups_were_resolves_nothing(world: World, known: dict[str, Any]) -> None:
    """Every VPC has a default group: a region that had groups has some still."""
    success, read = world.coverage().started, world.coverage().groups
    world.aws.rewrites.append(
        without("DescribeSecurityGroups", r"(?s)<securityGroupInfo>.*</securityGroupInfo>", "<securityGroupInfo/>")
    )
    for _ in range(2):  # the first must not make the second believe that the region was empty before
        world.later()
        assert world.describe() == {"changes": 0}
        assert world.items() == known
        scan = world.coverage()
        assert (scan.outcome, scan.last_complete, scan.groups) == (Outcome.PARTIAL, success, 0)
        assert scan.reason == f"EC2 listed no security group at all; the last whole scan read {read}"
    world.aws.forget()
    assert world.describe() == {"changes": 1}
    assert world.coverage().outcome is Outcome.COMPLETE


def test_empty_pages_where_groups_were_resolve_nothing(world: World, known: dict[str, Any]) -> None:
    """No group is on a page, and then none is asked for by its id: whatever answers says nothing of any."""

    def two_empty_pages(call: Call, text: str) -> str:
        if call.operation != "DescribeSecurityGroups":
            return text
        is_first = "Filter.1.Name" not in call.parameters and "NextToken" not in call.parameters
        more = "<nextToken>2</nextToken>" if is_first else ""
        return re.sub(r"(?s)<securityGroupInfo>.*</securityGroupInfo>", f"<securityGroupInfo/>{more}", text)

    world.aws.rewrites.append(two_empty_pages)
    assert world.describe() == {"changes": 0}
    assert world.items() == known
    assert world.coverage().outcome is Outcome.PARTIAL
    described = [call for call in world.aws.calls if call.operation == "DescribeSecurityGroups"]
    assert [call.parameters.get("NextToken") for call in described] == [None, "2"]


def test_an_empty_answer_after_a_scan_that_understood_only_a_part_resolves_nothing(world: World) -> None:
    """Where a rule is never understood, or a row of the table, no scan is complete, and each reads all groups."""
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.group("tcp/22 from 8.8.8.8/32", name="odd")
    world.aws.rewrites.append(without("DescribeSecurityGroups", "<cidrIp>8.8.8.8/32</cidrIp>"))
    world.describe()
    known, read = world.items(), world.coverage().groups
    assert (set(known), world.coverage().outcome, world.coverage().last_complete) == ({group_id}, Outcome.PARTIAL, None)
    world.aws.rewrites.append(
        without("DescribeSecurityGroups", r"(?s)<securityGroupInfo>.*</securityGroupInfo>", "<securityGroupInfo/>")
    )
    for _ in range(2):
        world.later()
        assert world.describe() == {"changes": 0}
        assert world.items() == known
        assert world.coverage().reason == f"EC2 listed no security group at all; the last whole scan read {read}"


def test_a_region_that_never_had_groups_is_complete(world: World) -> None:
    world.aws.rewrites.append(
        without("DescribeSecurityGroups", r"(?s)<securityGroupInfo>.*</securityGroupInfo>", "<securityGroupInfo/>")
    )
    world.describe()
    assert (world.coverage().outcome, world.coverage().groups) == (Outcome.COMPLETE, 0)


# Items that are not as they should be


def test_an_unreadable_issue_is_named_and_keeps_no_other_from_being_stored(
    world: World, known: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    odd = next(name for name, item in known.items() if item["issue_details"]["name"] == "open")
    fixed = next(name for name, item in known.items() if item["issue_details"]["name"] == "fixed")
    world.set(odd, timestamps="yesterday")
    new = world.group("tcp/3389 from 0.0.0.0/0", name="new")
    assert world.describe() == {"changes": 2}
    items = world.items()
    assert items[odd]["timestamps"] == "yesterday"
    assert (items[fixed]["status"], items[new]["status"]) == ("resolved", "open")
    scan = world.coverage()
    assert scan.outcome is Outcome.PARTIAL
    assert scan.reason.startswith(f"{odd} in {SLAVE}: its item in the issue table is not as it should be: ")
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert odd in record.__dict__["reason"]


def test_an_unreadable_issue_that_is_no_longer_open_is_named_and_stays(world: World, known: dict[str, Any]) -> None:
    odd = next(name for name, item in known.items() if item["issue_details"]["name"] == "open")
    world.set(odd, status="resolved", issue_details={"region": IRELAND})
    world.dynamodb.update_item(
        TableName="hammer-security-groups-unrestricted",
        Key={"account_id": {"S": SLAVE}, "issue_id": {"S": odd}},
        UpdateExpression="REMOVE open_region",
    )
    assert world.describe() == {"changes": 1}
    assert world.items()[odd]["status"] == "resolved"
    assert world.coverage().reason.startswith(f"{odd} in {SLAVE}: ")


# Accounts, owners and answers that are about something else


def test_a_message_for_an_account_that_is_not_configured_is_an_error_and_no_role_is_assumed(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.aws.forget()
    with pytest.raises(UnknownAccountError, match="the configuration does not name account 333333333333"):
        world.describe(target(OTHER), target())
    assert [call.parameters["RoleArn"] for call in world.aws.calls if call.operation == "AssumeRole"] == [
        f"arn:aws:iam::{SLAVE}:role/hammer-cloudsec-crossact-id"
    ]
    assert list(world.items()) == [group_id]
    assert world.coverage(OTHER) is None


def test_a_group_that_another_account_shares_is_that_accounts_issue(world: World) -> None:
    """Through AWS RAM a participant sees the owner's groups among its own."""
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    world.aws.rewrites.append(
        without("DescribeSecurityGroups", f"<ownerId>{SLAVE}</ownerId>", f"<ownerId>{OTHER}</ownerId>", count=0)
    )
    other = world.group("tcp/22 from 0.0.0.0/0", name="other")
    assert world.describe(target(group_ids=[other])) == {"changes": 0}
    assert world.describe() == {"changes": 1}
    assert {name: item["status"] for name, item in world.items().items()} == {group_id: "resolved"}


def test_groups_that_were_not_asked_for_are_not_judged(world: World) -> None:
    """An emulator may ignore the filter and answer with every group."""
    asked, other = (world.group("tcp/22 from 0.0.0.0/0", name=name) for name in ("asked", "other"))
    kept: list[str] = []

    def answer_with_all(call: Call, text: str) -> str:
        if call.operation != "DescribeSecurityGroups":
            return text
        kept.append(text)
        return kept[0]

    world.aws.rewrites.append(answer_with_all)
    everything = world.ec2().describe_security_groups()
    assert {asked, other} <= {group["GroupId"] for group in everything["SecurityGroups"]}
    world.describe(target(group_ids=[asked]))
    assert list(world.items()) == [asked]


@pytest.mark.parametrize("named", [False, True], ids=["a region", "some groups"])
def test_a_page_of_a_proxy_is_one_clear_error_and_resolves_nothing(
    world: World, known: dict[str, Any], named: bool
) -> None:
    page = "<html><body>Please log in</body></html>"
    world.aws.rewrites.append(lambda call, text: page if call.operation == "DescribeSecurityGroups" else text)
    with pytest.raises(ResponseParserError):
        world.describe(target(group_ids=[*known] if named else None))
    assert world.items() == known

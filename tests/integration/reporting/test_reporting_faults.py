"""JIRA and Slack fail in every way they do: nothing is lost, nothing is told twice, and the run says what happened."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from typing import Any

import pytest

from library.aws.secrets import JiraSecret
from library.issues.issue import Status
from library.issues.reachability import Reachability, Sources, Verdict
from library.notifications import jira_connection
from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraConnection, JiraError
from tests.standins.jira import User
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import MEMBER, RDP, SSH, World, reporting_world

TOO_MANY = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "7"})


def one_ticket(world: World) -> None:
    """One ticket and one message in all, recorded."""
    assert [len(ticket.comments) for ticket in world.jira.tickets.values()] == [0]
    assert len(world.slack.messages) == 1
    issue = world.issue()
    assert issue.jira_details["ticket"] == "SEC-1"
    assert issue.timestamps.reported is not None


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        pytest.param(Fault("POST /issue", Answer("<html>oops</html>", 500)), "JIRA answered 500", id="create: 500"),
        pytest.param(
            Fault("POST /issue", Answer("", 500), done=True), "JIRA answered 500", id="create: 500 though it was done"
        ),
        pytest.param(Fault("POST /issue", Answer("", 503)), "JIRA answered 503", id="create: 503"),
        pytest.param(
            Fault("POST /issue", Answer({"errorMessages": ["no permission"]}, 403)),
            "JIRA answered 403: no permission",
            id="create: 403",
        ),
        pytest.param(Fault("POST /issue"), "the connection broke or took too long", id="create: connection dropped"),
        pytest.param(
            Fault("POST /issue", done=True), "the connection broke", id="create: connection dropped though it was done"
        ),
        pytest.param(Fault("POST /issue", hangs=True), "took too long", id="create: no answer"),
        pytest.param(
            Fault("POST /issue", hangs=True, done=True), "took too long", id="create: no answer though it was done"
        ),
        pytest.param(Fault("POST /issue", Answer("<html>proxy</html>", 200)), "not understood", id="create: no JSON"),
        pytest.param(Fault("POST /issue", TOO_MANY, times=9), "JIRA answered 429", id="create: 429 for too long"),
        pytest.param(
            Fault("GET /serverInfo", Answer("", 401)), "refused the login (401): check the secret", id="login: 401"
        ),
        pytest.param(
            Fault("GET /search", Answer("", 502), times=9), "JIRA answered 502", id="search: 502 for too long"
        ),
    ],
)
@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data-center"])
def test_jira_fails_and_the_next_run_goes_on(
    cloud: bool, fault: Fault, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jira_connection, "_TIMEOUT_S", (5.0, 3.0))
    with reporting_world(cloud=cloud) as world:
        world.found()
        world.jira.faults.append(replace(fault))
        [said] = world.report().problems
        assert problem in said
        assert "sg-1" in said
        assert world.issue().timestamps.reported is None
        assert len(world.slack.messages) == 1
        world.jira.faults.clear()
        world.passes(hours=1)
        assert world.report().problems == []
        one_ticket(world)
        assert world.report().notified == {}


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        pytest.param(Fault("POST /issue", TOO_MANY), [7.0], id="create: told to wait"),
        pytest.param(
            Fault("POST /issue", Answer("", 503, {"Retry-After": "3"}), times=2),
            [3.0, 3.0],
            id="create: busy, told to wait",
        ),
        pytest.param(
            Fault("POST /issue", Answer("", 503, {"Retry-After": "0"}), times=2), [1.0, 2.0], id="create: no wait"
        ),
        pytest.param(
            Fault("POST /issue", Answer("", 429, {"Retry-After": "Sun, 22 Nov 2026 01:00:00 GMT"})),
            [1.0],
            id="create: by a clock that is behind",
        ),
        pytest.param(Fault("GET /search", Answer("", 500), times=2), [1.0, 2.0], id="search: 500"),
        pytest.param(Fault("GET /search"), [1.0], id="search: connection dropped"),
    ],
)
def test_what_may_be_sent_again_is(fault: Fault, waits: list[float]) -> None:
    with reporting_world() as world:
        world.found()
        world.jira.faults.append(replace(fault))
        assert world.report().problems == []
        assert world.slept == waits
        one_ticket(world)


def test_a_comment_that_may_have_arrived_is_not_written_twice() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(Fault("POST /comment", done=True))
        assert len(world.report().problems) == 1
        world.report()
        assert len(world.jira.tickets["SEC-1"].comments) == 1
        assert world.report().notified == {}


def test_a_jira_that_is_down_is_not_asked_for_each_issue() -> None:
    with reporting_world() as world:
        for number in range(40):
            world.found(f"sg-{number}")
        world.jira.faults.append(Fault("GET ", Answer("", 503), times=1000))
        problems = world.report().problems
        assert len(problems) == 5
        assert problems[-1] == "JIRA is not asked again in this run: 36 more issues are left to the next run"
        assert len(world.jira.requests) < 20
        assert len(world.slack.messages) == 1


def test_one_issue_that_jira_refuses_does_not_stop_the_others() -> None:
    with reporting_world() as world:
        world.ticket_owners["account"] = {MEMBER: {"jira_project": "NONE"}}
        world.found("sg-1", account_id=MEMBER)
        world.found("sg-2")
        summary = world.report()
        assert summary.problems == [
            "sg-1 in 210987654321, eu-west-1: new: JIRA answered 400: valid project is required"
        ]
        assert world.issue("sg-2").jira_details["ticket"] == "SEC-1"
        assert world.issue("sg-1", MEMBER).timestamps.reported is None


def test_a_malformed_item_is_named_and_the_others_are_told() -> None:
    with reporting_world() as world:
        world.found("sg-1")
        item = world.issue().to_item()
        del item["issue_details"]
        world.table.items.put_new(item | {"issue_id": "sg-0"})
        summary = world.report()
        assert summary.problems == [
            "sg-0 in 123456789012: its item in the issue table is not as it should be: 'issue_details' is missing"
        ]
        assert summary.notified == {"new": 1}
        assert world.issue().timestamps.reported == world.clock
        assert world.report("sg-1").problems == []


@pytest.mark.parametrize("body", [{"message": "welcome"}, ["welcome"]], ids=["map", "texts"])
def test_an_odd_answer_about_users_keeps_no_ticket_and_no_message_from_being_sent(body: Any) -> None:
    with reporting_world() as world:
        world.ticket_owners["jira_owner"] = "Support-General"
        world.found()
        world.jira.faults.append(Fault("GET /user/assignable/search", Answer(body), times=9))
        assert world.report().notes == [
            "Support-General is not looked up: JIRA's answer was not understood "
            f"({'TypeError' if isinstance(body, dict) else 'AttributeError'}): is jira.server right?"
        ]
        assert len(world.jira.tickets) == len(world.slack.messages) == 1


@pytest.mark.parametrize("body", [{"message": "welcome"}, {"issues": ["welcome"]}, ["welcome"]], ids=str)
def test_an_odd_answer_to_a_search_is_not_taken_for_no_ticket(body: Any) -> None:
    with reporting_world() as world:
        world.found()
        world.jira.faults += [Fault("POST /issue", done=True), Fault("GET /search", Answer(body), times=2)]
        # The first search is of the first run, which files nothing then; the second is of a run that goes on.
        for _ in range(2):
            [problem] = world.report().problems
            assert "JIRA's answer was not understood" in problem
        assert world.jira.tickets == {}
        assert len(world.report().problems) == 1  # the answer to the new ticket is lost
        world.passes(hours=1)
        assert world.report().problems == []
        assert list(world.jira.tickets) == ["SEC-1"]


def test_an_odd_list_of_transitions_stops_no_other_ticket() -> None:
    with reporting_world() as world:
        for group in ("sg-1", "sg-2"):
            world.found(group)
        world.report()
        for group in ("sg-1", "sg-2"):
            world.fixed(group)
        world.jira.faults.append(Fault("GET /transitions", Answer({"transitions": ["welcome"]})))
        [problem] = world.report().problems
        assert "JIRA's answer was not understood" in problem
        assert sorted(ticket.status for ticket in world.jira.tickets.values()) == ["Done", "To Do"]


def test_without_a_project_the_account_is_named() -> None:
    with reporting_world() as world:
        world.ticket_owners = {}
        world.found()
        assert world.report().problems == [
            "sg-1 in 123456789012, eu-west-1: new: ticket_owners names no jira_project for account 123456789012"
        ]


def test_fields_that_the_screen_lacks_are_left_out_and_named() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"priority": "High"}
        world.ticket_owners["jira_owner"] = "Security Team"
        world.jira.absent = {"priority", "assignee"}
        world.found()
        summary = world.report()
        assert summary.problems == []
        assert sorted(summary.notes) == [
            f"SEC-1 has no {name}: Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            for name in ("assignee", "priority")
        ]
        assert "assignee" not in world.jira.tickets["SEC-1"].fields


@pytest.mark.parametrize(
    ("tag", "jira_owner", "assignee", "said"),
    [
        pytest.param("ana@example.com", "Security Team", "Ana Lima", "", id="a discovered owner replaces jira_owner"),
        pytest.param("ANA LIMA", "", "Ana Lima", "", id="by name, in any case"),
        pytest.param("", "Security Team", "Security Team", "", id="nobody is discovered"),
        pytest.param("#team", "Security Team", "Security Team", "", id="a channel is for Slack"),
        pytest.param(
            "{ghost}",
            "Security Team",
            "Security Team",
            'The owner tag names "\\{ghost\\}", but JIRA has no single user of that name who can be assigned in SEC.',
            id="one that is not valid falls back",
        ),
        pytest.param(
            "ghost",
            "nobody",
            "",
            'The owner tag names "ghost", but JIRA has no single user of that name who can be assigned in SEC.\n\n'
            'ticket_owners names "nobody", but JIRA has no single user of that name who can be assigned in SEC.\n\n'
            "So this ticket has no assignee.",
            id="nobody is valid",
        ),
        pytest.param(
            "Bot", "Security Team", "Security Team", 'The owner tag names "Bot"', id="who may not be assigned"
        ),
        pytest.param("Twin", "", "", 'The owner tag names "Twin"', id="two of a name"),
    ],
)
@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data-center"])
def test_who_is_assigned(cloud: bool, tag: str, jira_owner: str, assignee: str, said: str) -> None:
    with reporting_world(cloud=cloud) as world:
        world.jira.users += [User("b" * 24, "Bot", assignable=False), User("t1", "Twin"), User("t2", "Twin")]
        world.sections["slack"] = {"enabled": False}
        world.ticket_owners["jira_owner"] = jira_owner
        world.found(tags={"owner": tag} if tag else {})
        assert world.report().problems == []
        fields = world.jira.tickets["SEC-1"].fields
        ids = {user.name: user.user_id for user in world.jira.users}
        expected = {"accountId" if cloud else "name": ids[assignee]} if assignee else None
        assert fields.get("assignee") == expected
        assert said in fields["description"]
        assert ("can be assigned" in fields["description"]) == bool(said)


def test_the_most_specific_owners_count() -> None:
    with reporting_world() as world:
        world.jira.projects = {"SEC", "CART"}
        world.slack.channels |= {"#shop", "#cart"}
        world.ticket_owners |= {
            "bu": {"shop": {"slack_owner": "#shop", "product": {"cart": {"jira_project": "CART"}}}},
        }
        world.found(tags={"bu": "shop", "product": "cart"})
        world.report()
        assert sorted(world.jira.tickets) == ["CART-1"]
        assert [message.channel for message in world.slack.messages] == ["#shop"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        pytest.param(Answer({"ok": False, "error": "fatal_error"}), "Slack answered fatal_error", id="error"),
        pytest.param(Answer("<html>oops</html>", 500), "Slack answered 500", id="500"),
        pytest.param(Answer({"ok": False, "error": "invalid_auth"}), "refused the login (invalid_auth)", id="login"),
        pytest.param(None, "the connection broke or took too long", id="connection dropped"),
        pytest.param(
            Answer({"ok": False, "error": "ratelimited"}, 429), "Slack answered ratelimited", id="429 too long"
        ),
    ],
)
def test_slack_fails_and_the_next_run_goes_on(fault: Answer | None, problem: str) -> None:
    with reporting_world() as world:
        world.found()
        world.slack.faults.append(Fault("POST /chat.postMessage", fault, times=9))
        [said] = world.report().problems
        assert problem in said
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert world.issue().timestamps.reported is None
        world.slack.faults.clear()
        assert world.report().problems == []
        one_ticket(world)


def test_slack_is_waited_for_as_long_as_it_says() -> None:
    with reporting_world() as world:
        world.found()
        world.slack.faults.append(Fault("POST /chat.postMessage", TOO_MANY, times=2))
        assert world.report().problems == []
        assert world.slept == [7.0, 7.0]
        one_ticket(world)


def test_a_resolved_issue_is_not_closed_before_slack_heard_of_it() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        world.fixed()
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer("", 500)))
        assert len(world.report().problems) == 1
        assert world.issue().status is Status.RESOLVED
        assert world.jira.tickets["SEC-1"].status == "Done"
        world.report()
        assert world.issue().status is Status.CLOSED
        assert len(world.jira.tickets["SEC-1"].comments) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("POST /chat.postMessage", done=True), id="the answer is lost"),
        pytest.param(Fault("POST /chat.postMessage", Answer("", 500), done=True), id="500"),
        pytest.param(Fault("POST /chat.postMessage", Answer("<html>hi</html>"), done=True), id="a page"),
    ],
)
def test_whoever_may_have_been_told_is_also_told_when_it_is_over(fault: Fault) -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.found()
        world.slack.faults.append(replace(fault))
        assert len(world.report().problems) == 1
        assert len(world.slack.messages) == 1
        world.fixed()
        assert world.report().notified == {"gone": 1}
        assert "No longer exposed" in world.slack.messages[-1].shown
        assert world.issue().status is Status.CLOSED


def test_who_was_told_before_another_failed_is_also_told_when_it_is_over() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.slack.channels |= {"#one", "#two"}
        world.slack.refuses = {"#two": 500}
        world.ticket_owners = {"slack_owner": ["#one", "#two"]}
        for occurrence in (1, 2):
            world.found()
            assert len(world.report().problems) == 1
            assert len(world.slack.to("#one")) == 2 * occurrence - 1
            assert world.issue().timestamps.reported is None
            world.fixed()
            world.slack.refuses = {}
            assert world.report().notified == {"gone": 1}
            assert "No longer exposed" in world.slack.to("#one")[-1].shown
            assert world.issue().status is Status.CLOSED
            world.slack.refuses = {"#two": 500}


def test_what_surely_did_not_arrive_is_closed_in_silence() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.found()
        world.slack.faults.append(Fault("POST /chat.postMessage", TOO_MANY, times=9))
        assert len(world.report().problems) == 1
        world.slack.faults.clear()
        world.fixed()
        assert world.report().notified == {}
        assert world.slack.messages == []


@pytest.mark.parametrize("user_id", ["U2", "U0123456789"])
def test_the_user_of_an_address_gets_the_message_whatever_the_id_looks_like(user_id: str) -> None:
    with reporting_world() as world:
        world.slack.people = {user_id: ("ana", "ana@example.com")}
        world.ticket_owners = {"jira_project": "SEC", "slack_owner": "ana@example.com"}
        world.found()
        assert world.report().notes == []
        assert [message.channel for message in world.slack.messages] == ["ana"]


def test_a_destination_that_does_not_exist_is_named_once_and_the_default_is_told() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.ticket_owners = {"slack_owner": ["#gone", "ghost"]}
        world.found("sg-1", tags={"owner": "left@example.com"})
        world.found("sg-2", tags={"owner": "left@example.com"})
        summary = world.report()
        assert summary.problems == []
        assert summary.notes == [
            "left@example.com: Slack knows no user with the address 'left@example.com'; #hammer is told instead",
            "ghost: Slack knows no user called 'ghost', or several; #hammer is told instead",
            "#gone: Slack says channel_not_found; #hammer is told instead",
        ]
        [message] = world.slack.messages
        assert message.channel == "#hammer"
        assert message.shown.count("• ") == 2
        assert world.issue().timestamps.reported == world.clock
        assert world.report().notified == {}


def test_without_even_a_default_channel_nothing_counts_as_told() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.slack.channels.clear()
        world.found()
        assert world.report().problems == [
            "#hammer, which slack.default_channel names, was not told: Slack says channel_not_found"
        ]
        assert world.issue().timestamps.reported is None


def test_a_discovered_owner_alone_is_told_when_configured_so() -> None:
    with reporting_world() as world:
        world.sections |= {"jira": {"enabled": False}, "slack": {"notify_default_owner": False}}
        world.ticket_owners = {"slack_owner": "bo"}
        world.found("sg-1", tags={"owner": "ana"})
        world.found("sg-2")
        world.report()
        assert {message.channel: message.shown.count("• ") for message in world.slack.messages} == {"ana": 1, "bo": 1}


def test_a_long_text_is_cut_to_what_jira_takes() -> None:
    with reporting_world() as world:
        world.jira.text_limit = 2000
        world.sections["jira"] = {"text_field_character_limit": 2000}
        perms = [SSH._replace(cidr=f"8.8.{n}.0/24", status="open_partly") for n in range(200)]
        world.found("sg-1", *perms)
        assert world.report().problems == []
        text = world.jira.tickets["SEC-1"].fields["description"]
        assert "Left out because the text would be too long: With the AWS command line; With Terraform; 1" in text
        assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("|tcp"))


def test_no_secret_is_in_what_is_said() -> None:
    secrets = {
        "not JSON": "s3cret",
        "no object": '["s3cret"]',
        "lacks a part": json.dumps({"username": "s3cret-name", "api_tokn": "s3cret"}),
        "wrong": json.dumps({"username": "u", "api_token": "s3cret"}),
    }
    for secret in secrets.values():
        with reporting_world() as world:
            world.secrets = {"HAMMER_JIRA_SECRET": secret, "HAMMER_SLACK_SECRET": secret}
            world.found()
            problems = world.report().problems
            assert len(problems) >= 2
            assert "s3cret" not in str(problems)


def test_no_traceback_of_an_error_of_jira_carries_the_login() -> None:
    with reporting_world(cloud=False) as world:
        world.jira.faults.append(Fault("GET /serverInfo", Answer("no", 403, {"Set-Cookie": "JSESSIONID=s3cret"})))
        config, secret = world.configuration(), JiraSecret(token="jira-t0ken")
        jira = JiraClient(JiraConnection(config.jira, lambda: secret, world.sleep))
        with pytest.raises(JiraError) as raised:
            jira.find("x")
        text = "".join(traceback.format_exception(raised.value)) + repr(secret)
        assert "s3cret" not in text
        assert "t0ken" not in text


CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
BLOCKED = Reachability.of(Verdict.BLOCKED, None, "open_completely")


def judged(world: World, reachability: Reachability) -> None:
    """A scan judged who can connect; nothing else is another."""
    issue = world.issue()
    world.table.update(issue, {"issue_details": replace(issue.details, reachability=reachability).to_item()})


@pytest.mark.parametrize("known", [False, True])
def test_who_was_told_another_severity_is_told_again_though_the_rest_were_not(known: bool) -> None:
    """One destination was told; the other was not, and the severity is another by the next run."""
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.ticket_owners = {"slack_owner": ["#a", "#b"]}
        world.slack.channels |= {"#a", "#b"}
        world.found()
        judged(world, BLOCKED)
        if known:
            world.report()
        judged(world, CRITICAL)
        world.slack.refuses = {'"channel": "#b"': 500}
        assert world.report().problems
        world.slack.refuses = {}
        judged(world, BLOCKED)
        assert world.report().problems == []
        severities = [message.shown.partition("• *")[2].partition("*")[0] for message in world.slack.to("#a")]
        assert severities == [*(["medium"] if known else []), "critical", "medium"]
        assert "*medium*" in world.slack.to("#b")[-1].shown
        assert world.report().notified == {}

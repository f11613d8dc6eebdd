"""The webhook as a channel: what it gets, once, and that what is wrong with it is wrong for nobody else."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import EndpointConnectionError

from library.aws.decision_messages import ButtonMessage, DecisionMessages
from library.aws.decision_store import Decisions
from library.aws.issue_table import IssueTable
from library.config.models import limits_of
from library.errors import ConflictError
from library.issues.change_notifications import Channel
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Request, Rights, seen_now
from library.issues.issue import Issue, Status
from library.issues.reachability import Reachability, Sources, Verdict
from library.notifications import webhook
from library.notifications.webhook import WebhookClient
from library.notifications.webhook_events import WebhookEvent
from library.security_groups.exposure import Exposure
from remediation.notify import ChangeMessage, notify, open_notifier
from reporting.decision_notifications import DecisionNotifications
from reporting.read import ReportSummary
from tests.standins.server import Answer, Fault
from tests.standins.tls import authority
from tests.worlds.reporting_world import MAIN, RDP, SSH, World, kept_sessions, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")

CLOSED = ChangeMessage("Remediated", "Hammer closed the group.", ("Backup: s3://b/k",))
PATH = "/hooks/t0k3n"
CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
UNKNOWN = Reachability.of(Verdict.UNKNOWN, None, "open_completely")
BLOCKED = Reachability.of(Verdict.BLOCKED, None, "open_completely")


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with reporting_world() as world, world.webhook.running():
        world.sections["webhook"] = {"url": f"{world.webhook.url}{PATH}"}
        yield world


def alone(world: World, **more: object) -> None:
    """The webhook is the only channel."""
    world.sections |= {"jira": {"enabled": False}, "slack": {"enabled": False}}
    world.sections["webhook"] |= more


def report(world: World) -> ReportSummary:
    summary = world.report()
    shown = [summary.text, *summary.problems, *summary.notes]
    assert not any("t0k3n" in line or world.webhook.secret["secret"] in line for line in shown)
    return summary


def test_an_issue_from_being_found_to_being_over_and_found_again(world: World) -> None:
    alone(world)
    world.found()
    assert report(world).text == "1 new; 0 unchanged"
    assert world.issue().timestamps.reported == world.clock
    world.passes(days=1)
    world.found("sg-1", SSH, RDP)
    assert report(world).text == "1 changed; 0 unchanged"
    world.passes(days=13)
    assert report(world).text == "1 reminded; 0 unchanged"
    world.passes(days=6)
    assert report(world).text == "1 reminded; 0 unchanged"
    world.fixed()
    assert report(world).text == "1 gone; 0 unchanged"
    assert world.issue().status is Status.CLOSED
    world.passes(days=1)
    world.found()
    report(world)
    assert world.webhook.types == ["new", "changed", "reminder", "reminder", "resolved", "new"]
    new, changed, week, day, over, again = world.webhook.events
    assert new["due"] == "2026-12-13T03:00:00+00:00"
    assert (new["reason"], again["reason"], over["reason"]) == ("new", "found again", "gone")
    assert "SSH (tcp/22)" in new["text"]
    assert "allows" not in over["text"]
    assert [perm["to_port"] for perm in changed["issue"]["perms"]] == [22, 3389]
    assert (week["days_left"], day["days_left"]) == (7, 1)
    assert (again["issue"]["occurrence"], again["issue"]["status"]) == (2, "open")
    assert len({event["id"] for event in world.webhook.events}) == 6


def test_what_the_webhook_was_told_it_is_not_told_again(world: World) -> None:
    alone(world)
    world.found()
    for _ in range(3):
        report(world)
    assert world.webhook.types == ["new"]


def test_what_changes_back_is_told_each_time(world: World) -> None:
    alone(world)
    for perms in ((SSH,), (SSH, RDP), (SSH,), (SSH, RDP)):
        world.found("sg-1", *perms)
        report(world)
    assert world.webhook.types == ["new", "changed", "changed", "changed"]
    assert len({event["id"] for event in world.webhook.events}) == 4


def test_it_counts_for_reported(world: World) -> None:
    world.webhook.faults.append(Fault("POST /", Answer(status=503), times=100))
    world.found()
    assert len(report(world).problems) == 1
    assert (len(world.jira.tickets), len(world.slack.messages)) == (1, 1)
    assert world.issue().timestamps.reported is None
    world.webhook.faults.clear()
    world.passes(hours=1)
    assert report(world).problems == []
    assert world.issue().timestamps.reported == world.clock
    assert (len(world.jira.tickets), len(world.slack.messages), world.webhook.types) == (1, 1, ["new"])
    assert world.webhook.events[0]["issue"]["ticket"] == "SEC-1"


def test_slack_being_away_leaves_the_report_to_the_next_run(world: World) -> None:
    world.slack.faults.append(Fault("POST /chat.postMessage", Answer({"ok": False, "error": "fatal_error"}), times=100))
    world.found()
    report(world)
    assert world.webhook.types == ["new"]
    assert world.issue().timestamps.reported is None
    world.slack.faults.clear()
    report(world)
    assert world.issue().timestamps.reported == world.clock
    assert world.webhook.types == ["new"]


def test_an_issue_is_closed_once_the_webhook_knows_that_it_is_over(world: World) -> None:
    world.found()
    report(world)
    world.fixed()
    world.webhook.faults.append(Fault("POST /", Answer(status=500), times=100))
    report(world)
    assert world.issue().status is Status.RESOLVED
    world.webhook.faults.clear()
    report(world)
    assert world.issue().status is Status.CLOSED
    assert world.webhook.types == ["new", "resolved"]


SITE = "the webhook at http://127.0.0.1:PORT"


@pytest.mark.parametrize(
    ("fault", "requests", "problem"),
    [
        pytest.param(Fault("POST /", Answer(status=500), times=1), 2, "", id="500 once"),
        pytest.param(Fault("POST /", Answer(status=429, headers={"Retry-After": "7"}), times=1), 2, "", id="429 once"),
        pytest.param(Fault("POST /", times=1), 2, "", id="connection dropped once"),
        pytest.param(Fault("POST /", done=True, times=1), 2, "", id="connection dropped, though it was taken"),
        pytest.param(
            Fault("POST /", Answer(status=500), times=100),
            5,
            f"sg-1 in 123456789012, eu-west-1: the event new was not sent: {SITE} answered 500",
            id="500 all the time",
        ),
        pytest.param(
            Fault("POST /", Answer(status=400), times=100),
            1,
            f"sg-1 in 123456789012, eu-west-1: the event new was not sent: {SITE} answered 400",
            id="400",
        ),
        pytest.param(
            Fault("POST /", Answer(status=410), times=100),
            1,
            f"{SITE} answered 410, it is gone: check webhook.url and the secret of webhook.secret: "
            "1 event is left to the next run",
            id="410",
        ),
        pytest.param(
            Fault("POST /", Answer(status=302, headers={"Location": "/elsewhere"}), times=100),
            1,
            f"{SITE} answered 302, a redirect, which is not followed: set webhook.url to its target: "
            "1 event is left to the next run",
            id="redirect",
        ),
        pytest.param(
            Fault("POST /", hangs=True, times=100),
            1,
            f"sg-1 in 123456789012, eu-west-1: the event new was not sent: {SITE} did not answer in time",
            id="no answer",
        ),
        pytest.param(
            Fault("POST /", Answer(status=429, headers={"Retry-After": "3600"}), times=100),
            1,
            f"{SITE} answered 429: it may be asked again after 2026-11-22T04:00:00+00:00, and is not asked before in "
            "this run: 1 event is left to the next run",
            id="429 for an hour",
        ),
    ],
)
def test_what_goes_wrong(world: World, fault: Fault, requests: int, problem: str) -> None:
    alone(world)
    world.webhook.faults.append(fault)
    world.found()
    with patch.object(webhook, "_TIMEOUT_S", (3.0, 3.0)):
        summary = report(world)
    port = world.webhook.url.rpartition(":")[2]
    assert [line.replace(port, "PORT") for line in summary.problems] == ([problem] if problem else [])
    assert len(world.webhook.requests) == requests
    assert len({request.headers["webhook-id"] for request in world.webhook.requests}) == 1
    world.webhook.faults.clear()
    assert report(world).problems == []
    assert world.webhook.types == ["new"]
    assert not any("elsewhere" in request.path for request in world.webhook.requests)


def test_each_attempt_is_signed_with_its_own_time(world: World) -> None:
    alone(world)
    world.webhook.faults.append(Fault("POST /", Answer(status=500), times=2))
    world.found()
    report(world)
    times = [int(request.headers["webhook-timestamp"]) for request in world.webhook.requests]
    assert [time - times[0] for time in times] == [0, 1, 3]


def test_a_webhook_that_is_down_is_not_asked_for_each_issue(world: World) -> None:
    alone(world)
    world.webhook.faults.append(Fault("POST /", Answer(status=404), times=100))
    for number in range(20):
        world.found(f"sg-{number}")
    with patch.object(IssueTable, "update", autospec=True, side_effect=IssueTable.update) as writes:
        summary = report(world)
    assert writes.call_count == 2  # what is about to be sent, and that it did not arrive
    assert len(world.webhook.requests) == 1
    assert len(summary.problems) == 1
    assert summary.problems[0].endswith(": 20 events are left to the next run")


def test_what_one_event_is_refused_for_stops_no_other(world: World) -> None:
    alone(world)
    world.webhook.faults.append(Fault("POST /", Answer(status=413)))
    world.found("sg-1")
    world.found("sg-2")
    assert len(report(world).problems) == 1
    assert [event["issue"]["group_id"] for event in world.webhook.events] == ["sg-2"]
    report(world)
    assert [event["issue"]["group_id"] for event in world.webhook.events] == ["sg-2", "sg-1"]


def test_tickets_and_messages_are_sent_before_the_webhook_is_asked(world: World) -> None:
    world.found()
    seen: list[tuple[int, int]] = []
    world.webhook.before = lambda _: seen.append((len(world.jira.tickets), len(world.slack.messages)))
    report(world)
    assert seen == [(1, 1)]


def killed_after_the_event(world: World) -> None:
    """The process dies once the receiver has the event."""

    class KilledError(BaseException):
        pass

    send = WebhookClient.send

    def send_and_die(client: WebhookClient, event: WebhookEvent) -> None:
        send(client, event)
        raise KilledError

    with patch.object(WebhookClient, "send", send_and_die), pytest.raises(KilledError):
        world.report()


@pytest.mark.parametrize("error", [ConflictError("changed"), EndpointConnectionError(endpoint_url="https://x")])
def test_an_event_that_could_not_be_recorded_before_is_sent_by_the_next_run(world: World, error: Exception) -> None:
    alone(world)
    world.found()
    with patch.object(IssueTable, "update", side_effect=error):
        summary = report(world)
    assert world.webhook.requests == []
    assert len(summary.problems) == (not isinstance(error, ConflictError))
    assert len(summary.notes) == isinstance(error, ConflictError)
    report(world)
    assert world.webhook.types == ["new"]


def test_a_run_that_dies_after_the_event_sends_the_same_again(world: World) -> None:
    alone(world)
    world.found()
    killed_after_the_event(world)
    report(world)
    assert world.webhook.types == ["new"]
    assert world.webhook.repeated == [world.webhook.events[0]["id"]]


def test_a_certificate_that_nobody_trusts(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle, context = authority(tmp_path_factory.mktemp("tls"), "ours")
    with reporting_world() as world:
        world.webhook.tls = context
        with world.webhook.running():
            world.sections["webhook"] = {"url": world.webhook.url}
            alone(world)
            world.found()
            (problem,) = report(world).problems
            assert "its certificate is not trusted, set webhook.ca_bundle" in problem
            assert world.webhook.events == []
            world.sections["webhook"]["ca_bundle"] = str(bundle)
            assert report(world).problems == []
            assert world.webhook.types == ["new"]


def test_only_the_events_that_are_wanted_are_sent(world: World) -> None:
    world.sections["webhook"]["events"] = ["resolved"]
    world.found()
    report(world)
    assert world.issue().timestamps.reported == world.clock
    world.found("sg-1", SSH, RDP)
    report(world)
    assert world.webhook.requests == []
    world.fixed()
    report(world)
    assert world.webhook.types == ["resolved"]
    assert world.issue().status is Status.CLOSED


def test_a_webhook_that_gets_no_new_issues_is_nobody(world: World) -> None:
    alone(world, events="resolved, decided")
    world.found()
    said: list[str] = []
    world.report(said=said)
    assert len(said) == 1
    assert world.issue().timestamps.reported == world.clock
    world.passes(days=30)
    world.sections["webhook"] = {"url": world.sections["webhook"]["url"]}
    for _ in range(2):
        report(world)
    assert world.webhook.types == ["new"]
    assert world.issue().timestamps.reported == world.clock


def test_a_webhook_that_is_enabled_later_reports_anew(world: World) -> None:
    hook = world.sections.pop("webhook")
    world.found()
    report(world)
    world.passes(days=20)
    world.sections["webhook"] = hook
    report(world)
    assert world.webhook.types == ["new"]
    assert world.issue().timestamps.reported == world.clock


def test_an_exempt_group(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    world.exemptions = ["sg-1"]
    world.found(exempt=True)
    report(world)
    assert [(event["type"], event["reason"]) for event in world.webhook.events] == [
        ("new", "new"),
        ("resolved", "exempt"),
    ]
    assert world.webhook.events[-1]["issue"]["status"] == "whitelisted"


def test_a_dry_run_asks_nobody(world: World) -> None:
    alone(world)
    world.found()
    said: list[str] = []
    summary = world.report(dry_run=True, said=said)
    assert summary.text == "1 new; 0 unchanged"
    assert "    webhook: new" in said[0].splitlines()
    assert world.webhook.requests == []


def change(world: World, message: ChangeMessage = CLOSED) -> list[str]:
    """One remediation run tells this."""
    secrets = {
        "HAMMER_JIRA_SECRET": json.dumps(world.jira.secret),
        "HAMMER_SLACK_SECRET": json.dumps(world.slack.secret),
        "HAMMER_WEBHOOK_SECRET": json.dumps(world.webhook.secret),
    }
    door = open_notifier(world.configuration(), kept_sessions(), secrets, world.sleep)
    problem = notify(door, world.table, world.issue(), message, repeated=False, now=lambda: world.clock)
    return [*([problem] if problem else []), *door.send()]


@pytest.mark.parametrize("is_away", [False, True])
def test_what_remediation_did_is_told_once(world: World, is_away: bool) -> None:
    world.found()
    report(world)
    if is_away:
        world.webhook.faults.append(Fault("POST /", Answer(status=503), times=100))
    problems = change(world)
    assert len(problems) == is_away
    assert len(world.slack.messages) == 2
    world.webhook.faults.clear()
    report(world)
    report(world)
    assert world.webhook.types == ["new", "remediated"]
    assert world.webhook.events[1]["change"]["details"] == ["Backup: s3://b/k"]
    (notification,) = world.issue().change_notifications
    assert notification.notified == set(Channel)


def test_what_remediation_could_not_do(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    change(world, ChangeMessage("Not remediated", "Hammer could not close the group: quota."))
    assert world.webhook.types == ["new", "refused"]


def test_a_change_that_is_not_wanted_owes_nobody(world: World) -> None:
    alone(world, events=["new", "changed"])
    world.found()
    report(world)
    assert change(world) == []
    report(world)
    assert world.webhook.types == ["new"]
    assert Channel.WEBHOOK in world.issue().change_notifications[0].notified


def test_the_item_of_a_change_without_a_webhook_is_as_it_was(world: World) -> None:
    del world.sections["webhook"]
    world.found()
    report(world)
    change(world)
    assert "in_webhook" not in world.issue().change_notifications[0].to_item()


def test_the_secret_is_in_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    alone(world)
    world.webhook.faults.append(Fault("POST /", times=100))
    world.found("sg-1", Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"))
    report(world)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("urllib3", "botocore"))]
    assert not any("t0k3n" in line or world.webhook.secret["secret"] in line for line in ours)


def test_a_secret_that_is_missing_is_named(world: World) -> None:
    alone(world)
    world.secrets["HAMMER_WEBHOOK_SECRET"] = ""
    world.found()
    (problem,) = report(world).problems
    assert problem.startswith("the secret 'hammer/webhook' in AWS Secrets Manager does not exist")
    assert world.issue().timestamps.reported is None


def decide(
    world: World, kind: DecisionKind = DecisionKind.CLOSE_NOW, *, seen: Issue | None = None, **fields: Any
) -> None:
    """Somebody decides in Slack: the service that listens there tells what it can, and dies."""
    issue, rights = seen or world.issue(), Rights(decides=True, extends=True, restores=True)
    request = Request(kind, "U0JANE00001", Via.SLACK, world.clock, seen_now(issue), rights, key=str(kind), **fields)
    limits = limits_of(world.configuration(), MAIN)
    assert Decisions(world.table, lambda: world.clock).carry_out(MAIN, "sg-1", request, limits)
    DecisionNotifications(world.configuration(), world.table, None, None, lambda: world.clock).notify(world.issue())


def test_a_decision_is_told_once(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    decide(world)
    world.webhook.faults.append(Fault("POST /", Answer(status=503), times=100))
    assert any("the event decided was not sent" in problem for problem in report(world).problems)
    assert len(world.issue().decided.outbox) == 1
    world.webhook.faults.clear()
    for _ in range(2):
        assert report(world).problems == []
    assert world.webhook.types == ["new", "reminder", "decided"]
    notified = world.webhook.events[2]
    assert (notified["reason"], notified["decision"]["by"], notified["decision"]["result"]) == (
        "close-now",
        "U0JANE00001",
        "done",
    )
    assert world.issue().decided.outbox == ()


def test_a_refused_decision_is_told(world: World) -> None:
    alone(world)
    world.sections["secgrp_unrestricted_access"] = {"remediation": False}
    world.found()
    report(world)
    decide(world)
    report(world)
    assert world.webhook.events[1]["decision"]["result"].startswith("refused: ")


def test_a_refused_decision_about_a_closed_issue_is_told(world: World) -> None:
    """Somebody presses a button of a message that was not rewritten yet."""
    world.sections |= {"jira": {"enabled": False}, "decisions": {"enabled": True}}
    world.found()
    report(world)
    seen = world.issue()
    DecisionMessages(world.table.items, lambda: world.clock).add(MAIN, "sg-1", ButtonMessage("#hammer", "1.0"))
    world.fixed()
    report(world)
    assert world.issue().status is Status.CLOSED
    decide(world, seen=seen)
    for _ in range(2):
        world.passes(hours=1)
        report(world)
    assert world.webhook.types == ["new", "resolved", "decided"]
    assert world.webhook.events[2]["decision"]["result"].startswith("refused: the issue is over")
    assert world.issue().decided.outbox == ()


def test_an_issue_is_closed_once_the_webhook_knows_what_was_decided(world: World) -> None:
    alone(world, events=["new", "changed", "decided"])
    world.found()
    report(world)
    decide(world)
    world.fixed()
    world.webhook.faults.append(Fault("POST /", Answer(status=400), times=9))
    assert report(world).problems
    assert world.issue().status is Status.RESOLVED
    world.webhook.faults.clear()
    for _ in range(2):
        report(world)
    assert world.webhook.types == ["new", "decided"]
    assert world.issue().status is Status.CLOSED


def test_a_decision_owes_a_webhook_that_is_off_nothing(world: World) -> None:
    del world.sections["webhook"]
    world.sections |= {"jira": {"enabled": False}, "slack": {"enabled": False}}
    world.found()
    report(world)
    decide(world)
    assert world.issue().decided.outbox == ()


@pytest.mark.parametrize("answer", [None, Answer("<html>", 504)], ids=["none", "a page"])
def test_what_may_have_arrived_is_taken_back(world: World, answer: Answer | None) -> None:
    """A receiver that takes each event, and answers too late."""
    alone(world)
    world.found()
    report(world)
    world.passes(days=1)
    world.found("sg-1", SSH, RDP)
    world.webhook.faults.append(Fault("POST /", answer, done=True, times=99))
    assert report(world).problems
    world.webhook.faults.clear()
    world.passes(hours=1)
    world.found("sg-1", SSH)
    report(world)
    assert world.webhook.types == ["new", "changed", "changed"]
    assert [len(event["issue"]["perms"]) for event in world.webhook.events] == [1, 2, 1]
    assert report(world).notified == {}


def test_what_may_have_been_new_is_said_to_be_over(world: World) -> None:
    alone(world)
    world.found()
    world.webhook.faults.append(Fault("POST /", done=True, times=99))
    assert report(world).problems
    assert world.issue().timestamps.reported is None
    world.webhook.faults.clear()
    world.fixed()
    report(world)
    assert world.webhook.types == ["new", "resolved"]
    assert world.issue().status is Status.CLOSED


def test_what_may_have_arrived_at_the_first_try_is_said_to_be_over(world: World) -> None:
    """A proxy says after it, four times, that it takes no more."""
    alone(world)
    world.found()
    world.webhook.faults += [
        Fault("POST /", Answer("<html>", 502), done=True),
        Fault("POST /", Answer(status=429), times=9),
    ]
    assert report(world).problems
    world.webhook.faults.clear()
    world.fixed()
    report(world)
    assert world.webhook.types == ["new", "resolved"]


def test_what_surely_did_not_arrive_is_not_said_to_be_over(world: World) -> None:
    alone(world)
    world.found()
    world.sections["webhook"]["url"] = "http://127.0.0.1:1/hooks"
    assert report(world).problems
    world.sections["webhook"]["url"] = f"{world.webhook.url}{PATH}"
    world.fixed()
    report(world)
    assert world.webhook.types == []


def test_an_item_whose_unconfirmed_event_is_none_is_named(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    world.table.update(world.issue(), {"webhook_details": {**world.issue().webhook_details, "unsure": "new"}})
    [problem] = report(world).problems
    assert "webhook_details" in problem


def judged(world: World, reachability: Reachability | None) -> None:
    """A scan judged who can connect; nothing else is another."""
    issue = world.issue()
    world.table.update(issue, {"issue_details": replace(issue.details, reachability=reachability).to_item()})


def answers_are_lost(world: World) -> None:
    """Each event arrives, and its answer does not."""
    world.webhook.faults.append(Fault("POST /", done=True, times=99))
    assert report(world).problems
    world.webhook.faults.clear()


def test_another_severity_is_another_event(world: World) -> None:
    alone(world)
    world.found()
    judged(world, UNKNOWN)
    report(world)
    judged(world, CRITICAL)
    answers_are_lost(world)
    judged(world, BLOCKED)
    report(world)
    assert [event["issue"]["severity"] for event in world.webhook.events] == ["high", "critical", "medium"]


def test_what_was_new_and_is_so_again_is_told_after_what_may_have_arrived_between(world: World) -> None:
    alone(world)
    for perms in ([SSH], [SSH, RDP]):
        world.found("sg-1", *perms)
        answers_are_lost(world)
        world.passes(hours=1)
    world.found("sg-1", SSH)
    report(world)
    assert [len(event["issue"]["perms"]) for event in world.webhook.events] == [1, 2, 1]
    assert report(world).notified == {}


def test_what_changes_to_and_fro_while_answers_are_lost(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    for perms in ([SSH, RDP], [SSH]):
        world.passes(hours=1)
        world.found("sg-1", *perms)
        answers_are_lost(world)
        answers_are_lost(world)
    world.passes(hours=1)
    world.found("sg-1", SSH, RDP)
    report(world)
    assert [len(event["issue"]["perms"]) for event in world.webhook.events] == [1, 2, 1, 2]
    assert report(world).notified == {}


def test_what_a_killed_run_said_is_new_is_said_to_be_over(world: World) -> None:
    alone(world)
    world.found()
    killed_after_the_event(world)
    world.fixed()
    report(world)
    assert world.webhook.types == ["new", "resolved"]
    assert world.issue().status is Status.CLOSED


def test_what_a_killed_run_said_changed_is_taken_back(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    world.passes(hours=1)
    world.found("sg-1", SSH, RDP)
    killed_after_the_event(world)
    world.passes(hours=1)
    world.found("sg-1", SSH)
    report(world)
    assert [len(event["issue"]["perms"]) for event in world.webhook.events] == [1, 2, 1]
    assert report(world).notified == {}


def found_again(world: World) -> None:
    world.fixed()
    world.passes(hours=1)
    world.found()


def test_a_change_whose_answer_was_lost_keeps_its_id_in_the_next_occurrence(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    world.webhook.faults.append(Fault("POST /", done=True, times=9))
    assert change(world)
    world.webhook.faults.clear()
    found_again(world)
    report(world)
    assert world.webhook.types.count("remediated") == 1


def test_a_decision_whose_answer_was_lost_keeps_its_id_in_the_next_occurrence(world: World) -> None:
    alone(world)
    world.found()
    report(world)
    decide(world)
    answers_are_lost(world)
    found_again(world)
    world.passes(hours=1)
    report(world)
    assert world.webhook.types.count("decided") == 1


@pytest.mark.parametrize(
    "last", [Answer(status=401), Answer(status=429, headers={"Retry-After": "3600"})], ids=["login", "rate"]
)
def test_what_may_have_arrived_before_the_webhook_ends_is_said_to_be_over(world: World, last: Answer) -> None:
    """A proxy lost the first answer, and the second try ended the webhook for this run."""
    alone(world)
    world.found()
    world.webhook.faults += [Fault("POST /", Answer("<html>", 502), done=True), Fault("POST /", last)]
    assert report(world).problems
    world.fixed()
    report(world)
    assert world.webhook.types == ["new", "resolved"]

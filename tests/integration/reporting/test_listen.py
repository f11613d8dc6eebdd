"""`hammer listen` with slack_sdk's real client, over a real WebSocket: what is pressed, by whom, and what is seen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from library.aws.decision_store import Decisions, exemption_records
from library.aws.issue_table import IssueTable
from library.aws.secrets import SecretError, SecretReader, SlackSecret
from library.config.loader import with_organization
from library.config.models import limits_of
from library.issues.issue import Issue, Status
from library.jobs.command_line import WrongUsageError
from library.jobs.process import json_formatter
from reporting import listen_for_decisions
from reporting.decision_inbox import Inbox, Press
from reporting.listen_for_decisions import Service
from reporting.slack_socket import Hello, SlackSession, SocketStoppedError
from tests.builders.decisions import pressed_restore
from tests.standins.lost_answers import lose_answer
from tests.standins.server import Answer, Fault
from tests.standins.slack import APP_TOKEN, TEAM, Message
from tests.worlds.listening_world import BOB, CHANNEL, EVE, JANE, ListeningWorld, listening_world
from tests.worlds.reporting_world import MAIN, MEMBER, RDP, SSH, kept_sessions

pytestmark = pytest.mark.usefixtures("table_in_memory")

SAMPLES = Path(__file__).parents[2] / "data" / "slack"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[ListeningWorld]:
    with listening_world(tmp_path) as made:
        yield made


def results(here: ListeningWorld, group_id: str = "sg-1") -> list[tuple[str, str, str]]:
    return [(str(this.kind), this.by, this.result) for this in here.world.issue(group_id).decided.decisions]


def test_a_press_is_acknowledged_decided_and_shown(here: ListeningWorld) -> None:
    message = here.posted()
    assert list(message.buttons) == ["hammer_close_now", "hammer_exempt", "hammer_not_mine"]
    with here.listening():
        here.send(here.press(message, "hammer_close_now"))
    assert results(here) == [("close-now", JANE, "done")]
    assert list(message.buttons) == ["hammer_exempt", "hammer_not_mine"]
    assert (
        f"<@{JANE}> decided that remediation closes it at its next run (in Slack, 2026-11-22 03:00 UTC)."
        in message.shown
    )
    assert here.world.slack.ephemeral == []


def test_it_is_acknowledged_before_anything_is_changed(here: ListeningWorld) -> None:
    message = here.posted()
    at_the_time: list[int] = []
    here.world.slack.socket.on_acknowledged = lambda _: at_the_time.append(here.world.issue().decided.version)
    with here.listening():
        here.send(here.press(message, "hammer_close_now"))
    assert at_the_time == [0]
    assert here.world.issue().decided.version > 0


def test_an_exemption_is_asked_for_in_a_view(here: ListeningWorld) -> None:
    message = here.posted()
    with here.listening():
        here.send(here.press(message, "hammer_exempt"))
        ((trigger, view),) = here.world.slack.views
        assert trigger.startswith("trigger-")
        assert [block.get("block_id") for block in view["blocks"]] == [None, "until", "reason"]
        assert results(here) == []
        carried = here.send(
            here.submitted(fields={"until": "2026-11-25", "reason": "migration until <!channel> &amp; Friday"})
        )
    assert carried is None
    (record,) = exemption_records(here.world.table.items, MAIN)
    assert (record.until.isoformat(), record.by) == ("2026-11-25", JANE)
    assert record.reason == "migration until <!channel> &amp; Friday"
    assert "Exempt until 2026-11-25." in message.shown
    assert "&lt;!channel&gt; &amp;amp; Friday" in message.shown
    assert list(message.buttons) == ["hammer_exempt", "hammer_not_mine"]
    extend = message.blocks[-1]["elements"][0]["text"]["text"]
    assert extend == "Extend the exemption …"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"until": "2026-11-22", "reason": "migration until Friday"}, ["until"]),
        ({"until": "2026-11-30", "reason": "migration until Friday"}, ["until"]),
        ({"until": "2026-11-25", "reason": "short"}, ["reason"]),
        ({"until": "soon", "reason": "x" * 501}, ["reason", "until"]),
        ({}, ["reason", "until"]),
    ],
    ids=["today", "too late", "no reason", "nothing is right", "nothing at all"],
)
def test_wrong_fields_are_answered_in_the_view(here: ListeningWorld, fields: dict[str, str], wrong: list[str]) -> None:
    message = here.posted()
    with here.listening():
        here.send(here.press(message, "hammer_exempt"))
        carried = here.send(here.submitted(fields=fields))
    assert carried["response_action"] == "errors"
    assert sorted(carried["errors"]) == wrong
    assert results(here) == []
    assert list(exemption_records(here.world.table.items, MAIN)) == []


def test_who_owns_it_is_told_and_the_ticket_is_assigned(here: ListeningWorld) -> None:
    here.world.report()
    message = here.posted()
    with here.listening():
        here.send(here.press(message, "hammer_not_mine"))
        here.send(here.submitted(fields={"owner": "ana@example.com"}))
    assert results(here) == [("not-mine", JANE, "done")]
    ticket = here.world.jira.tickets["SEC-1"]
    assert ticket.fields["assignee"] == {"accountId": "5b10a2844c20165700ede21g"}
    assert "handed it on to ana@example.com" in ticket.comments[-1]
    assert [notified.buttons.keys() for notified in here.world.slack.to("ana")] == [message.buttons.keys()]
    assert here.world.issue().decided.outbox == ()


def closed(here: ListeningWorld) -> Message:
    """The message of an issue that Hammer closed, and that BOB may have restored."""
    here.world.sections["decisions"] = {"allow": [JANE], "allow_restore": [BOB]}
    change = {"kind": "remediation", "step": "done", "backup": "key", "started": "2026-11-20T00:00:00+00:00"}
    here.world.table.update(here.world.issue(), {"remediation_details": {"journal": change}})
    here.world.fixed()
    return here.posted()


def test_restore_is_carried_out_for_those_who_may(here: ListeningWorld) -> None:
    message = closed(here)
    assert list(message.buttons) == ["hammer_restore"]
    with here.listening():
        here.send(here.press(message, "hammer_restore"))
        assert here.restored == []
        here.send(here.press(message, "hammer_restore", BOB))
    assert [issue.decided.restore.decision.by for issue in here.restored if issue.decided.restore] == [BOB]
    assert [by for _, by, result in results(here)] == [JANE]


def test_a_message_says_that_a_group_is_restored_only_after_it_was(here: ListeningWorld) -> None:
    message = closed(here)
    at_the_time: list[str] = []

    def restore(issue: Issue) -> None:
        at_the_time.append(message.shown)
        Decisions(here.world.table, lambda: here.world.clock).finish_restore(issue, "")

    here.restores = restore
    with here.listening():
        here.send(here.press(message, "hammer_restore", BOB))
    assert "decided to restore" not in at_the_time[0]
    assert f"<@{BOB}> decided to restore the group" in message.shown
    assert "It is being carried out" not in message.shown
    assert results(here) == [("restore", BOB, "done")]


def test_a_restore_that_another_run_held_up_is_tried_again(here: ListeningWorld) -> None:
    message = closed(here)
    with here.listening() as service:
        here.send(here.press(message, "hammer_restore", BOB))
        assert "It is being carried out" in message.shown
        here.restores = lambda issue: Decisions(here.world.table, lambda: here.world.clock).finish_restore(issue, "")
        here.world.passes(minutes=2)
        service._tick()
        here.settle()
    assert results(here) == [("restore", BOB, "done")]
    assert "It is being carried out" not in message.shown


def test_who_decided_on_a_restore_that_was_not_carried_out_is_told_alone(here: ListeningWorld) -> None:
    message = closed(here)
    here.restores = lambda issue: Decisions(here.world.table, lambda: here.world.clock).finish_restore(
        issue, "<!here> the backup cannot be read"
    )
    with here.listening():
        here.send(here.press(message, "hammer_restore", BOB))
    assert results(here) == [("restore", BOB, "refused: <!here> the backup cannot be read")]
    assert "It is being carried out" not in message.shown
    assert [(each.channel, each.text) for each in here.world.slack.messages[1:]] == [
        (
            "bob",
            f"sg-1 in {MAIN}, eu-west-1: the group was not restored: &lt;!here&gt; the backup cannot be read.",
        )
    ]


def test_a_restore_that_another_host_left_is_carried_out_by_one_that_listened_already(here: ListeningWorld) -> None:
    message = closed(here)
    with here.listening() as service:
        issue = here.world.issue()
        request = pressed_restore(issue, BOB, here.world.clock)
        limits = limits_of(here.configuration(), MAIN)
        # The other host's process dies after this.
        Decisions(here.world.table, lambda: here.world.clock).carry_out(MAIN, "sg-1", request, limits)
        here.restores = lambda issue: Decisions(here.world.table, lambda: here.world.clock).finish_restore(issue, "")
        here.world.passes(minutes=11)
        service._tick()
        here.settle()
    assert results(here) == [("restore", BOB, "done")]
    assert f"<@{BOB}> decided to restore the group" in message.shown


def test_a_look_for_restores_that_takes_long_is_not_begun_again_beside_itself(
    here: ListeningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Presses are handled by the same few threads."""
    begun, goes_on = [], threading.Event()

    def wait(_: Service) -> None:
        begun.append(here.world.clock)
        goes_on.wait(20)

    monkeypatch.setattr(Service, "_take_over_restores", wait)
    with here.listening() as service:
        for _ in range(3):
            here.world.passes(minutes=11)
            service._tick()
        goes_on.set()
        here.settle()
        assert len(begun) == 1
        here.world.passes(minutes=2)
        service._tick()
        here.settle()
    assert len(begun) == 2


def test_nobody_waits_for_somebody_elses_restore(here: ListeningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    here.world.found("sg-2")
    message, other = closed(here), here.posted("sg-2")
    begun, may_end, handled = threading.Event(), threading.Event(), threading.Event()
    handle = Inbox.handle

    def noted(inbox: Inbox, press: Press) -> None:
        handle(inbox, press)
        if press.value.group_id == "sg-2":
            handled.set()

    monkeypatch.setattr(Inbox, "handle", noted)

    def restore(_: Issue) -> None:
        begun.set()
        may_end.wait(60)

    here.restores = restore
    with here.listening() as service:
        here.world.slack.socket.envelope(here.press(message, "hammer_restore", BOB))
        assert begun.wait(20)
        for _ in range(6):  # each minute it is looked whether a restore is left
            here.world.passes(minutes=2)
            service._tick()
        here.world.slack.socket.envelope(here.press(other, "hammer_close_now"))
        was_handled = handled.wait(20)
        may_end.set()
    assert was_handled
    assert results(here, "sg-2") == [("close-now", JANE, "done")]


@pytest.mark.parametrize(
    ("user", "rejection"),
    [
        (None, "Slack could not be asked who you are"),
        ({"deleted": True}, "your Slack account is deactivated"),
        ({"is_bot": True}, "bots decide nothing"),
        ({"is_restricted": True}, "guests decide nothing"),
        ({"is_restricted": True, "is_ultra_restricted": True}, "guests decide nothing"),
        ({"is_stranger": True}, "people of other workspaces decide nothing"),
        ({"team_id": "T0OTHER"}, "people of other workspaces decide nothing"),
        ({"id": "U0SOMEBODY"}, "Slack does not say who you are"),
        ({}, "only people whom decisions.allow names may decide this"),
    ],
    ids=["unknown", "deleted", "bot", "guest", "single-channel guest", "stranger", "other team", "other id", "member"],
)
def test_who_may_not_is_refused_and_told_alone(
    here: ListeningWorld, user: dict[str, Any] | None, rejection: str
) -> None:
    message, shown = here.posted(), here.posted().shown
    here.world.slack.users = {EVE: user} if user is not None else {}
    if user is None:
        del here.world.slack.people[EVE]
    here.world.sections["decisions"] = {"allow": [EVE] if user else [JANE]}
    with here.listening():
        for action in message.buttons:
            here.send(here.press(message, action, EVE))
    assert len(here.world.slack.ephemeral) == len(results(here)) == 3
    for channel, who, text in here.world.slack.ephemeral:
        assert (channel, who) == (CHANNEL, EVE)
        assert rejection in text.replace("\u200b", "")
    assert here.world.slack.views == []
    assert all(by == EVE and rejection in result for _, by, result in results(here))
    assert message.shown == shown


def test_everybody_is_refused_while_slack_cannot_be_asked(here: ListeningWorld) -> None:
    message = here.posted()
    here.world.slack.faults.append(Fault("POST users.info", Answer({"ok": False, "error": "internal_error"}), times=99))
    with here.listening():
        here.send(here.press(message, "hammer_close_now"))
    assert "Slack could not be asked who you are" in results(here)[0][2]
    assert here.world.issue().decided.close_now is None


@pytest.mark.parametrize(
    ("team", "user_team", "allowed"),
    [("T0G9PQBBK", "T0G9PQBBK", True), ("T0G9PQBBK", "T0OTHER", False)],
    ids=["own", "by Slack Connect"],
)
@pytest.mark.parametrize("has_auth_test", [True, False])
def test_only_the_own_workspace_decides(
    here: ListeningWorld, team: str, user_team: str, allowed: bool, has_auth_test: bool
) -> None:
    here.world.slack.has_auth_test = has_auth_test
    message = here.posted()
    payload = here.press(message, "hammer_close_now", user={"id": JANE, "team_id": user_team}, team={"id": team})
    with here.listening():
        here.send(payload)
    assert (results(here)[0][2] == "done") == allowed


@pytest.mark.parametrize("by", [JANE, EVE], ids=["a member", "somebody of another workspace"])
@pytest.mark.parametrize(
    "answer",
    [Answer(status=503), Answer({"ok": False, "error": "team_access_not_granted"}), Answer(status=400)],
    ids=["away", "refused", "not understood"],
)
def test_everybody_is_refused_while_slack_cannot_be_asked_which_workspace_is_the_own(
    here: ListeningWorld, answer: Answer, by: str
) -> None:
    """Of somebody who is here by Slack Connect the payload may name their workspace alone, twice."""
    message = here.posted()
    here.world.slack.users = {EVE: {"team_id": "T0OTHER", "is_stranger": False}}
    here.world.sections["decisions"] = {"allow": [JANE, EVE]}
    here.world.slack.faults.append(Fault("POST auth.test", answer, times=99))
    team = "T0OTHER" if by == EVE else TEAM
    with here.listening():
        here.send(here.press(message, "hammer_close_now", user={"id": by, "team_id": team}, team={"id": team}))
    assert "Slack could not be asked who you are" in results(here)[0][2]
    assert here.world.issue().decided.close_now is None


def test_accounts_that_joined_the_organization_since_are_known(
    here: ListeningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service runs for weeks: what is remediated is what the organization has by then."""
    accounts = {MAIN: "master"}
    monkeypatch.setattr("library.config.loader.active_accounts", lambda *_, **__: dict(accounts))
    here.world.aws_sections["accounts"] = "organization"
    read = here.configuration
    monkeypatch.setattr(here, "configuration", lambda: with_organization(read(), kept_sessions()))
    with here.listening() as service:
        assert MEMBER not in service._fresh_config().remediation_accounts()
        accounts[MEMBER] = "shop"
        here.world.passes(minutes=61)
        service._tick()
        here.settle()
        assert MEMBER in service._fresh_config().remediation_accounts()
        monkeypatch.setattr("library.config.loader.active_accounts", _no_answer)
        here.world.passes(minutes=61)
        service._tick()
        here.settle()
        assert MEMBER in service._fresh_config().remediation_accounts()


def test_a_token_that_was_replaced_is_read_again(here: ListeningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection has the other token, and stays: nobody would see that nobody can decide any more."""
    message = here.posted()
    monkeypatch.setattr(here, "_secret", lambda: SlackSecret("xoxb-revoked", APP_TOKEN))
    with here.listening() as service:
        here.send(here.press(message, "hammer_close_now"))
        assert "Slack could not be asked who you are" in results(here)[0][2]
        here.world.passes(minutes=1)
        service._tick()
        here.settle()
        here.send(here.press(message, "hammer_close_now"))
        assert results(here)[1] == ("close-now", JANE, "done")
        monkeypatch.setattr(SecretReader, "slack", _no_secret)
        here.world.passes(minutes=1)
        service._tick()
        here.settle()
        monkeypatch.setattr(SecretReader, "slack", lambda *_: SlackSecret("xoxb-new"))
        here.world.passes(minutes=1)
        service._tick()
        here.settle()
        here.world.passes(minutes=1)
        with pytest.raises(WrongUsageError, match="no app_token"):
            service._tick()


def test_the_heartbeat_does_not_wait_for_the_secret(here: ListeningWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS may let it wait for a minute and more. Whom the watchdog ends then cannot read its configuration either."""
    answered = threading.Event()

    def waits(*_: Any) -> SlackSecret:
        assert answered.wait(10)
        return SlackSecret("xoxb-new", APP_TOKEN)

    with here.listening() as service:
        monkeypatch.setattr(SecretReader, "slack", waits)
        here.world.passes(minutes=1)
        service._tick()
        assert service.secret.api_token != "xoxb-new"
        answered.set()
        here.settle()
        assert service.secret.api_token == "xoxb-new"


def _no_secret(*_: Any) -> Any:
    raise SecretError("the secret 'hammer/slack' in AWS Secrets Manager could not be read")


def _no_answer(*_: Any, **__: Any) -> Any:
    raise EndpointConnectionError(endpoint_url="https://organizations.us-east-1.amazonaws.com")


def test_a_user_group_may_decide(here: ListeningWorld) -> None:
    here.world.sections["decisions"] = {"allow": ["S0SECURITY"]}
    here.world.slack.groups = {"S0SECURITY": [JANE]}
    message = here.posted()
    with here.listening():
        here.send(here.press(message, "hammer_close_now", EVE))
        here.send(here.press(message, "hammer_close_now", JANE))
    assert [result == "done" for _, _, result in results(here)] == [False, True]


def test_who_pressed_is_told_when_slack_takes_the_answer_again(
    here: ListeningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack asks for a second at least: whoever waits less is turned away each time."""
    waits: list[float] = []
    monkeypatch.setattr(listen_for_decisions, "time", SimpleNamespace(sleep=waits.append))
    message = here.posted()
    slow = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "7"})
    here.world.slack.faults.append(Fault("POST chat.postEphemeral", slow))
    with here.listening():
        here.send(here.press(message, "hammer_close_now", EVE))
    assert [who for _, who, _ in here.world.slack.ephemeral] == [EVE]
    assert waits == [7.0]


def test_a_refusal_is_told_and_logged_though_the_answer_to_its_write_was_lost(
    here: ListeningWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK sends such a write again, and DynamoDB says that the condition does not hold any more."""
    message, write = here.posted(), IssueTable.write_decision

    def unanswered(table: IssueTable, *arguments: Any) -> None:
        lose_answer(monkeypatch, table.items._client, "UpdateItem")
        write(table, *arguments)

    monkeypatch.setattr(IssueTable, "write_decision", unanswered)
    with here.listening(), caplog.at_level("INFO", "library.aws.decision_store"):
        here.send(here.press(message, "hammer_close_now", EVE))
    assert len(results(here)) == 1
    assert [who for _, who, _ in here.world.slack.ephemeral] == [EVE]
    assert [record.getMessage() for record in caplog.records if record.name == "library.aws.decision_store"] == [
        "decision"
    ]


def test_a_refusal_is_told_though_another_process_had_the_press_before_its_write_was_sent_again(
    here: ListeningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, write = here.posted(), IssueTable.write_decision

    def unanswered(table: IssueTable, *arguments: Any) -> None:
        monkeypatch.setattr(IssueTable, "write_decision", write)
        write(table, *arguments)
        assert here.notifications().notify(here.world.issue()) == []
        write(table, *arguments)

    monkeypatch.setattr(IssueTable, "write_decision", unanswered)
    with here.listening():
        here.send(here.press(message, "hammer_close_now", EVE))
    assert [who for _, who, _ in here.world.slack.ephemeral] == [EVE]
    assert len(results(here)) == 1


def test_who_pressed_is_told_where_slack_was_asked_too_often_for_user_groups(here: ListeningWorld) -> None:
    """Slack has a rate for each method: three lists that it does not give say nothing of a message."""
    here.world.sections["decisions"] = {"allow": ["S0FIRST", "S0SECOND", "S0THIRD"]}
    message = here.posted()
    slow = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "0"})
    here.world.slack.faults.append(Fault("POST usergroups.users.list", slow, times=99))
    with here.listening():
        here.send(here.press(message, "hammer_close_now", EVE))
    ((_, who, text),) = here.world.slack.ephemeral
    assert (who, "Slack could not be asked who you are" in text) == (EVE, True)


@pytest.mark.parametrize(
    "lists",
    [
        {"allow": ["S0DELETED", "S0SECURITY"]},
        {"allow": [JANE], "allow_extend": ["S0DELETED"], "allow_restore": ["S0DELETED"]},
    ],
    ids=["beside the person's own", "in a list that is not asked"],
)
def test_a_user_group_that_is_gone_takes_nobody_elses_right(here: ListeningWorld, lists: dict[str, list[str]]) -> None:
    here.world.sections["decisions"] = lists
    here.world.slack.groups = {"S0SECURITY": [JANE]}
    message = here.posted()
    with here.listening():
        here.send(here.press(message, "hammer_close_now", JANE))
    assert results(here) == [("close-now", JANE, "done")]


def test_who_exempts_needs_only_the_list_that_this_exemption_needs(here: ListeningWorld) -> None:
    """The first one that of `allow`, another one that of `allow_extend`."""
    for by, lists in (
        (JANE, {"allow": [JANE], "allow_extend": ["S0DELETED"]}),
        (BOB, {"allow": ["S0DELETED"], "allow_extend": [BOB]}),
    ):
        here.world.sections["decisions"] = lists
        message = here.posted()
        with here.listening():
            here.send(here.press(message, "hammer_exempt", by))
            here.send(here.submitted(by, fields={"until": "2026-11-25", "reason": "migration until Friday"}))
    assert results(here) == [("exempt", JANE, "done"), ("exempt", BOB, "done")]


@pytest.mark.parametrize("kind", ["hammer_close_now", "hammer_exempt"])
def test_nobody_counts_as_a_member_of_a_user_group_that_cannot_be_read(here: ListeningWorld, kind: str) -> None:
    here.world.sections["decisions"] = {"allow": ["S0DELETED", "S0SECURITY"], "allow_extend": [JANE]}
    here.world.slack.groups = {"S0SECURITY": [BOB]}
    message = here.posted()
    with here.listening():
        here.send(here.press(message, kind, JANE))
    ((_, _, rejection),) = results(here)
    assert rejection.startswith("refused: Slack could not be asked who you are (Slack answered no_such_subteam)")


@pytest.mark.parametrize(
    ("tags", "user", "allowed"),
    [
        ({"owner": "jane@example.com"}, {}, True),
        ({"owner": "Jane@Example.com"}, {}, True),
        ({"owner": "jane@example.com"}, {"is_email_confirmed": False}, False),
        ({"owner": "jane@example.com"}, {"profile": {}}, False),
        ({"owner": "jane"}, {}, False),
        ({"owner": "bob@example.com"}, {}, False),
        ({}, {}, False),
    ],
    ids=["by address", "in other letters", "unconfirmed", "no address", "by name", "somebody else", "nobody"],
)
def test_the_owner_decides_by_a_confirmed_address(
    here: ListeningWorld, tags: dict[str, str], user: dict[str, Any], allowed: bool
) -> None:
    here.world.sections["decisions"] = {"allow": ["owner"]}
    here.world.slack.users = {JANE: user}
    here.world.found("sg-2", tags=tags)
    message = here.posted("sg-2")
    with here.listening():
        here.send(here.press(message, "hammer_close_now"))
    assert (results(here, "sg-2")[0][2] == "done") == allowed


def test_the_same_envelope_twice_is_one_decision(here: ListeningWorld) -> None:
    message = here.posted()
    payload = here.press(message, "hammer_close_now")
    with here.listening():
        here.send(payload, times=2, envelope_id="e")
    with here.listening():  # and once more to another process
        here.send(payload, envelope_id="f")
    assert results(here) == [("close-now", JANE, "done")]
    assert here.world.slack.ephemeral == []


def test_two_processes_carry_out_one_decision_each(here: ListeningWorld) -> None:
    message = here.posted()
    with here.listening(), here.listening():
        first, second = here.world.slack.socket.live()
        payload = here.press(message, "hammer_close_now")
        for connection in (first, second):
            connection.send({"envelope_id": str(id(connection)), "type": "interactive", "payload": payload})
        socket = here.world.slack.socket
        assert socket.wait(lambda: len(socket.acknowledged) == 2)
        here.settle()
        here.send(here.press(message, "hammer_exempt", BOB))
    assert results(here) == [("close-now", JANE, "done")]


def test_the_second_person_is_told_who_was_first(here: ListeningWorld) -> None:
    message = here.posted()
    stale = replace(message, blocks=list(message.blocks))
    with here.listening():
        here.send(here.press(message, "hammer_close_now", JANE))
        here.send(here.press(stale, "hammer_close_now", BOB))
    assert [text for _, who, text in here.world.slack.ephemeral if who == BOB] == [
        f"Not done: {JANE} decided that already, at 2026-11-22 03:00 UTC."
    ]


def test_what_is_open_again_after_it_was_closed_may_be_closed_again(here: ListeningWorld) -> None:
    """Nobody is told that remediation closes at its next run what a decision that was carried out does not cover."""
    message = here.posted()
    stale = replace(message, blocks=list(message.blocks))
    with here.listening():
        here.send(here.press(message, "hammer_close_now", JANE))
        assert "Open: remediation closes it at its next run." in message.shown
        here.world.clock += timedelta(hours=1)
        issue = here.world.issue("sg-1")
        here.world.table.update(issue, {"timestamps.remediated": here.world.clock.isoformat()})
        here.world.clock += timedelta(minutes=1)
        assert here.notifications().notify(here.world.issue("sg-1")) == []
        assert "Open." in message.shown
        assert "hammer_close_now" in message.buttons
        here.send(here.press(stale, "hammer_close_now", BOB))
    assert results(here)[-1] == ("close-now", BOB, "done")
    assert here.world.slack.ephemeral == []


def test_what_changed_since_is_refused_shown_and_rewritten(here: ListeningWorld) -> None:
    message = here.posted()
    old = replace(message, blocks=list(message.blocks))
    here.world.found("sg-1", SSH, RDP)
    with here.listening():
        here.send(here.press(old, "hammer_exempt"))
    assert here.world.slack.views == []
    assert (
        "exposes something else by now: tcp/22 from 0.0.0.0/0, tcp/3389 from 8.8.8.0/24"
        in (here.world.slack.ephemeral[0][2])
    )
    assert "tcp/3389 from 8.8.8.0/24" in message.shown
    here.world.fixed()
    with here.listening():
        here.send(here.press(old, "hammer_close_now"))
    assert "the issue is over" in here.world.slack.ephemeral[-1][2]
    assert message.buttons == {}


def test_every_message_of_the_issue_is_rewritten(here: ListeningWorld) -> None:
    messages = [here.posted() for _ in range(3)]
    with here.listening():
        here.send(here.press(messages[1], "hammer_close_now"))
    assert len({message.shown for message in messages}) == 1
    assert all("hammer_close_now" not in message.buttons for message in messages)


def test_a_message_that_nobody_recorded_is_rewritten_when_it_is_pressed(here: ListeningWorld) -> None:
    message = here.posted()
    here.world.table.items.update(MAIN, "decision-messages#sg-1", {"messages": []})
    with here.listening():
        here.send(here.press(message, "hammer_close_now"))
    assert "hammer_close_now" not in message.buttons


def test_what_a_process_left_that_died_is_done_by_the_next(here: ListeningWorld) -> None:
    here.world.report()
    message = here.posted()
    with here.listening():
        here.world.slack.faults.append(Fault("POST chat.update", times=99))
        here.world.jira.faults.append(Fault("POST comment", Answer({}, 503), times=99))
        here.send(here.press(message, "hammer_close_now"))
    assert "hammer_close_now" in message.buttons
    here.world.slack.faults.clear()
    here.world.jira.faults.clear()
    here.world.passes(minutes=11)
    with here.listening():
        here.settle()
    assert "hammer_close_now" not in message.buttons
    comments = here.world.jira.tickets["SEC-1"].comments
    assert [comment for comment in comments if "at its next run" in comment] != []
    assert here.world.issue().decided.outbox == ()


@pytest.mark.parametrize("name", [path.stem for path in sorted(SAMPLES.glob("*_*.json")) if "actions" in path.stem])
def test_what_is_not_hammers_is_acknowledged_and_ignored(here: ListeningWorld, name: str) -> None:
    payload = json.loads((SAMPLES / f"{name}.json").read_text())
    requests = len(here.world.slack.requests)
    with here.listening():
        here.send(payload)
        here.send({"type": "view_submission", "user": {"id": JANE}, "view": {"callback_id": "other"}})
        here.send({"type": "block_actions", "user": None, "actions": [{}]})
    assert [request.path for request in here.world.slack.requests[requests:]] == ["/api/apps.connections.open"]


def test_a_press_after_decisions_were_switched_off_does_nothing(here: ListeningWorld) -> None:
    message = here.posted()
    with here.listening():
        here.world.sections["decisions"] = {"enabled": False}
        here.configuration()
        here.send(here.press(message, "hammer_close_now"))
    assert results(here) == []
    assert [text for *_, text in here.world.slack.ephemeral] == ["Decisions are off (decisions.enabled)."]


def test_another_apps_button_is_ignored(here: ListeningWorld) -> None:
    message = here.posted()
    with here.listening():
        here.send(here.press(message, "hammer_close_now", api_app_id="A999"))
    assert results(here) == []
    assert here.world.slack.ephemeral == []


def test_another_apps_button_is_ignored_from_the_first_moment(
    here: ListeningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came right after Slack's greeting, which says which app this is."""
    payload = here.press(here.posted(), "hammer_close_now", api_app_id="A999")
    await_hello = SlackSession._await_hello

    def delayed(session: SlackSession) -> Hello:
        hello = await_hello(session)
        here.world.slack.socket.envelope(payload)
        return hello

    monkeypatch.setattr(SlackSession, "_await_hello", delayed)
    with here.listening():
        here.settle()
    assert results(here) == []


def test_the_text_of_a_message_decides_nothing(here: ListeningWorld) -> None:
    here.world.found("sg-2")
    message, other = here.posted("sg-1"), here.posted("sg-2")
    payload = here.press(message, "hammer_close_now")
    payload["message"] = {"text": "sg-2", "blocks": other.blocks, "ts": other.ts}
    with here.listening():
        here.send(payload)
    assert results(here, "sg-2") == []
    assert results(here, "sg-1") == [("close-now", JANE, "done")]


def test_garbage_does_not_end_it(here: ListeningWorld) -> None:
    message = here.posted()
    with here.listening():
        connection = here.world.slack.socket.live()[-1]
        for text in (
            "nonsense",
            "[1]",
            '{"type": "unknown"}',
            '{"envelope_id": "x", "type": "interactive", "payload": {}}',
        ):
            connection.send(text)
        here.send(here.press(message, "hammer_close_now"))
    assert results(here) == [("close-now", JANE, "done")]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", ""])
def test_a_connection_that_ends_is_renewed(here: ListeningWorld, reason: str) -> None:
    message, socket = here.posted(), here.world.slack.socket
    with here.listening():
        if reason:
            socket.live()[-1].send({"type": "disconnect", "reason": reason})
        else:
            socket.live()[-1].close()
        assert socket.wait(lambda: len(socket.connections) == 2)
        here.send(here.press(message, "hammer_close_now"))
    assert results(here) == [("close-now", JANE, "done")]


def test_what_no_waiting_mends_stops_it(here: ListeningWorld) -> None:
    socket = here.world.slack.socket
    sample = json.loads((SAMPLES / "socket-disconnect-link_disabled.json").read_text())
    with pytest.raises(SocketStoppedError, match="link_disabled"), here.listening():  # noqa: PT012
        socket.live()[-1].send(sample)
        assert socket.wait(lambda: not socket.live())
    assert len(socket.connections) == 1


def test_it_records_when_it_was_connected(here: ListeningWorld, caplog: pytest.LogCaptureFixture) -> None:
    """In the table, and in the log for the metric of an alarm."""
    assert "never was" in here.records.read().disconnected_reason(here.world.clock)
    with caplog.at_level("INFO"), here.listening():
        here.send({"type": "other"})
        here.send({"type": "other"})
        assert here.records.read().connected == here.world.clock
    logged = [json.loads(json_formatter().format(record)) for record in caplog.records]
    assert [line["connected_to_slack"] for line in logged if "connected_to_slack" in line][:1] == [True]
    state = here.records.read()
    assert state.disconnected_reason(here.world.clock + timedelta(minutes=14)) == ""
    assert "since 2026-11-22 03:00 UTC" in state.disconnected_reason(here.world.clock + timedelta(minutes=15))


def test_more_than_one_connection_is_warned_of(here: ListeningWorld, caplog: pytest.LogCaptureFixture) -> None:
    here.world.slack.socket.hello = {"type": "hello", "num_connections": 2}
    with caplog.at_level("WARNING"), here.listening() as service:
        here.send({"type": "other"})
        service._connected(service._hello or Hello())  # the next heartbeat
    assert caplog.text.count("the app has 2 connections to Slack") == 1
    assert (here.world.table.items.get(MAIN, "listener#slack") or {})["connections"] == 2


def test_a_decision_about_an_issue_that_is_gone_is_answered(here: ListeningWorld) -> None:
    message = here.posted()
    message.blocks = json.loads(json.dumps(message.blocks).replace("|sg-1|", "|sg-9|"))
    with here.listening():
        here.send(here.press(message, "hammer_close_now"))
    assert here.world.slack.ephemeral[0][2] == "There is no such issue any more."
    assert here.world.issue().status is Status.OPEN

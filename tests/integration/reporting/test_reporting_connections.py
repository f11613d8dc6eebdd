"""JIRA and Slack as they are found elsewhere: other versions, fewer rights, TLS of one's own, slow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from library.issues.issue import Status
from library.notifications import jira_connection, slack_connection
from reporting.slack_socket import SlackSession, SocketError
from tests.standins.jira import Ticket, User
from tests.standins.server import Answer, Fault
from tests.standins.slack import APP_TOKEN, SlackStandIn
from tests.standins.tls import authority
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")

DATA_CENTER = pytest.param(False, id="data-center")
CLOUD = pytest.param(True, id="cloud")


def no_slack(world: World) -> None:
    world.sections["slack"] = {"enabled": False}


def live(world: World) -> None:
    """One issue from being found to being closed, and found again: whatever JIRA lacks, it has one ticket."""
    no_slack(world)
    world.found(tags={"owner": "Ana Lima"})
    assert world.report().problems == []
    [ticket] = world.jira.tickets.values()
    assert len(ticket.fields["assignee"]) == 1
    assert world.issue().jira_details["ticket"] == "SEC-1"
    world.fixed()
    assert world.report().problems == []
    assert ticket.status == "Done"
    assert world.issue().status is Status.CLOSED
    world.found()
    assert world.report().problems == []
    assert ticket.status == "To Do"
    assert len(world.jira.tickets) == 1


@pytest.mark.parametrize(
    ("cloud", "missing"),
    [
        pytest.param(True, {"2/search/jql"}, id="cloud that searches by version 3 only"),
        pytest.param(True, {"2/serverInfo"}, id="cloud without serverInfo"),
        pytest.param(False, {"2/serverInfo"}, id="data-center without serverInfo"),
        pytest.param(True, {"2/user/assignable/search"}, id="cloud without a search for assignees"),
        pytest.param(False, {"2/user/assignable/search"}, id="data-center without a search for assignees"),
    ],
)
def test_a_jira_that_lacks_something(cloud: bool, missing: set[str]) -> None:
    with reporting_world(cloud=cloud) as world:
        world.jira.missing = missing
        live(world)


@pytest.mark.parametrize("cloud", [CLOUD, DATA_CENTER])
def test_a_jira_that_does_not_say_its_kind(cloud: bool) -> None:
    with reporting_world(cloud=cloud) as world:
        world.jira.tells_kind = False
        live(world)


@pytest.mark.parametrize("cloud", [CLOUD, DATA_CENTER])
def test_statuses_without_a_category_are_known_by_name(cloud: bool) -> None:
    with reporting_world(cloud=cloud) as world:
        world.jira.categories = False
        live(world)


def test_only_a_few_calls_for_a_ticket() -> None:
    with reporting_world() as world:
        no_slack(world)
        world.ticket_owners |= {"jira_owner": "Security Team", "jira_parent_ticket": "SEC-1"}
        world.jira.tickets["SEC-1"] = Ticket("SEC-1", {"labels": []})
        world.found("sg-1")
        world.found("sg-2")
        world.report()
        asked = [f"{request.method} {request.path.removeprefix('/rest/api/2/')}" for request in world.jira.requests]
        a_ticket = ["GET search/jql", "POST issue", "POST issueLink"]
        first = ["GET serverInfo", "GET search/jql", "GET user/assignable/search", *a_ticket[1:]]
        assert asked == first + a_ticket


def test_where_users_cannot_be_looked_up_the_ticket_is_filed_and_says_so() -> None:
    with reporting_world() as world:
        no_slack(world)
        world.jira.shows_users = False
        world.ticket_owners["jira_owner"] = "Security Team"
        for group in ("sg-1", "sg-2"):
            world.found(group, tags={"owner": "Ana Lima"})
        summary = world.report()
        assert summary.problems == []
        assert summary.notes == [
            "no owners in SEC: users cannot be looked up: "
            "JIRA answered 403: You do not have permission to browse users."
        ]
        for ticket in world.jira.tickets.values():
            assert "assignee" not in ticket.fields
            assert (
                'The owner tag names "Ana Lima", whom JIRA does not let Hammer look up.'
                in (ticket.fields["description"])
            )
        assert len([request for request in world.jira.requests if "/user/" in request.path]) == 2


@pytest.mark.parametrize(
    ("owner", "assignee"),
    [
        pytest.param("5b10a2844c20165700ede21g", "Ana Lima", id="an account id"),
        pytest.param("5b10a2844c20165700ede21x", "", id="one that nobody has"),
        pytest.param("ana@example.com", "", id="an address that two have"),
    ],
)
def test_who_is_meant_in_the_cloud(owner: str, assignee: str) -> None:
    with reporting_world() as world:
        no_slack(world)
        world.jira.users.append(User("5b1", "Ana Lima the Second", "ana@example.com"))
        world.found(tags={"owner": owner})
        world.report()
        ids = {user.user_id: user.name for user in world.jira.users}
        assert ids.get(world.jira.tickets["SEC-1"].fields.get("assignee", {}).get("accountId"), "") == assignee


def test_a_user_name_counts_before_the_name_of_another_who_is_called_so() -> None:
    with reporting_world(cloud=False) as world:
        no_slack(world)
        world.jira.users.append(User("x17", "ana"))
        world.found(tags={"owner": "ana"})
        world.report()
        assert world.jira.tickets["SEC-1"].fields["assignee"] == {"name": "ana"}


def test_a_watcher_and_a_link_that_failed_are_tried_again_and_named() -> None:
    with reporting_world() as world:
        world.ticket_owners |= {"jira_owner": "Security Team", "jira_parent_ticket": "SEC-1"}
        world.jira.tickets["SEC-1"] = Ticket("SEC-1", {"labels": []})
        world.found(tags={"owner": "Ana Lima"})
        world.jira.faults += [Fault("POST /watchers", Answer("", 500)), Fault("POST /issueLink", Answer("", 502))]
        assert world.report().problems == [
            "SEC-2 is not watched by Security Team: JIRA answered 500: nothing",
            "SEC-2 is not linked to SEC-1: JIRA answered 502: nothing",
        ]
        ticket = world.jira.tickets["SEC-2"]
        assert world.issue().timestamps.reported == world.clock
        assert world.report().problems == []
        assert (ticket.watchers, ticket.links) == ([world.jira.users[1].user_id], ["SEC-1"])
        writes = len(world.jira.writes())
        assert world.report().problems == []
        assert len(world.jira.writes()) == writes
        assert ticket.comments == []


def test_a_watcher_and_a_link_that_took_jira_too_long_are_tried_again() -> None:
    """JIRA, or a proxy before it, answers 408 then."""
    with reporting_world() as world:
        world.ticket_owners |= {"jira_owner": "Security Team", "jira_parent_ticket": "SEC-1"}
        world.jira.tickets["SEC-1"] = Ticket("SEC-1", {"labels": []})
        world.found(tags={"owner": "Ana Lima"})
        world.jira.faults += [Fault("POST /watchers", Answer("", 408)), Fault("POST /issueLink", Answer("", 408))]
        assert len(world.report().problems) == 2
        assert world.report().problems == []
        ticket = world.jira.tickets["SEC-2"]
        assert (ticket.watchers, ticket.links) == ([world.jira.users[1].user_id], ["SEC-1"])


def test_a_link_that_jira_refuses_is_named_once() -> None:
    with reporting_world() as world:
        world.ticket_owners["jira_parent_ticket"] = "GONE-1"
        world.found()
        assert world.report().problems == ["SEC-1 is not linked to GONE-1: JIRA answered 404: No issue could be found."]
        assert world.report().problems == []


@pytest.mark.parametrize(
    ("close_transition", "status", "problem"),
    [
        pytest.param("", "Done", "", id="none: the status that is done, Done before others"),
        pytest.param("Decline", "Declined", "", id="by its name"),
        pytest.param("declined", "Declined", "", id="by the status it leads to, in any case"),
        pytest.param("START", "In Progress", "", id="overrides what is done"),
        pytest.param(
            "Vanish",
            "To Do",
            "sg-1 in 123456789012, eu-west-1: gone: SEC-1 has no transition called Vanish; "
            "it has: Decline, Start, Finish. Set jira.close_transition",
            id="one that there is not",
        ),
    ],
)
def test_the_transition_that_closes(close_transition: str, status: str, problem: str) -> None:
    with reporting_world() as world:
        no_slack(world)
        world.sections["jira"] = {"close_transition": close_transition}
        world.jira.transitions["To Do"].insert(0, ("41", "Decline", "Declined"))
        world.found()
        world.report()
        world.fixed()
        assert world.report().problems == ([problem] if problem else [])
        assert world.jira.tickets["SEC-1"].status == status
        assert world.issue().status is (Status.RESOLVED if problem else Status.CLOSED)


def tls_world_reports(world: World, jira: dict[str, Any]) -> list[str]:
    world.sections["jira"] = jira
    world.found()
    return world.report().problems


def test_a_certificate_of_ones_own_authority_is_trusted_where_it_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, tls = authority(tmp_path, "own")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with reporting_world(tls=tls) as world:
        assert world.jira.url.startswith("https://")
        assert tls_world_reports(world, {"ca_bundle": str(bundle)}) == []
        assert len(world.jira.tickets) == len(world.slack.messages) == 1


@pytest.mark.parametrize(
    ("bundle", "problem"),
    [
        pytest.param(
            "", "JIRA at {jira} could not be reached: its certificate is not trusted, set jira.ca_bundle", id="none"
        ),
        pytest.param(
            "other.pem",
            "JIRA at {jira} could not be reached: its certificate is not trusted, not even by jira.ca_bundle",
            id="another authority's",
        ),
        pytest.param("gone.pem", "jira.ca_bundle names '{folder}/gone.pem', which does not exist", id="no file"),
        pytest.param(
            f"{'x' * 300}.pem",
            f"jira.ca_bundle names '{{folder}}/{'x' * 300}.pem', which cannot be read: File name too long",
            id="a file that cannot be read",
        ),
        pytest.param(
            "text.pem",
            "JIRA at {jira} could not be reached: its certificate is not trusted, not even by jira.ca_bundle",
            id="no certificates",
        ),
    ],
)
def test_no_other_certificate_is_trusted_and_no_token_is_sent_or_said(
    bundle: str, problem: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, tls = authority(tmp_path, "own")
    authority(tmp_path, "other")
    (tmp_path / "text.pem").write_text("no certificate")
    with reporting_world(tls=tls) as world:
        problems = tls_world_reports(world, {"ca_bundle": str(tmp_path / bundle) if bundle else ""})
        assert problems == [
            "sg-1 in 123456789012, eu-west-1: new: " + problem.format(jira=world.jira.url, folder=tmp_path),
            "#hammer, which slack.default_channel names, was not told: "
            f"Slack at {world.slack.url}/api/: its certificate is not trusted: set SSL_CERT_FILE",
        ]
        assert world.jira.requests == world.slack.requests == []
        assert world.slept == []
        assert world.issue().timestamps.reported is None
        assert "t0ken" not in str(problems) + caplog.text


@pytest.mark.parametrize("done", [False, True], ids=["not sent", "sent, answered too late"])
def test_a_slack_that_is_too_slow(done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_connection, "_TIMEOUT_S", 3.0)
    with reporting_world() as world:
        world.found()
        world.slack.faults.append(Fault("POST /chat.postMessage", hangs=True, done=done))
        [problem] = world.report().problems
        assert problem.endswith("could not be reached: the connection broke or took too long")
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert world.issue().timestamps.reported is None
        assert world.report().problems == []
        # Nobody can ask Slack what it got: rather twice than never.
        assert len(world.slack.messages) == (2 if done else 1)
        assert world.issue().timestamps.reported == world.clock


def test_a_search_for_people_that_is_too_slow_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_connection, "_TIMEOUT_S", 3.0)
    with reporting_world() as world:
        world.found(tags={"owner": "ana"})
        world.slack.faults.append(Fault("POST /users.list", hangs=True))
        assert world.report().problems == []
        assert {message.channel for message in world.slack.messages} == {"ana"}


def test_a_jira_that_is_too_slow_to_read_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jira_connection, "_TIMEOUT_S", (5.0, 3.0))
    with reporting_world() as world:
        world.found()
        world.jira.faults.append(Fault("GET /search", hangs=True))
        assert world.report().problems == []
        assert len(world.jira.tickets) == 1


@pytest.mark.parametrize(
    ("method", "answer", "said"),
    [
        pytest.param("users.lookupByEmail", {"ok": False, "error": "missing_scope"}, "missing_scope", id="no scope"),
        pytest.param("users.list", {"ok": False, "error": "unknown_method"}, "unknown_method", id="no such method"),
        pytest.param("users.list", None, "404", id="a proxy that does not let it through"),
    ],
)
def test_where_people_cannot_be_looked_up_the_default_channel_is_told(method: str, answer: Any, said: str) -> None:
    with reporting_world() as world:
        owner = "ana@example.com" if "Email" in method else "ana"
        world.found(tags={"owner": owner})
        world.found("sg-2")
        world.slack.faults.append(
            Fault(f"POST /{method}", Answer(answer) if answer else Answer("<html>not found</html>", 404), times=9)
        )
        summary = world.report()
        assert summary.problems == []
        assert summary.notes == [f"{owner}: Slack does not let users be looked up ({said}); #hammer is told instead"]
        assert {message.channel: message.shown.count("• ") for message in world.slack.messages} == {"#hammer": 2}


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with a slash"])
def test_the_base_url_of_slack(slash: str) -> None:
    with reporting_world() as world:
        world.sections["slack"] = {"base_url": f"{world.slack.url}/proxy/api{slash}"}
        world.found("sg-1", SSH, RDP)
        assert world.report().problems == []
        assert {request.path for request in world.slack.requests} == {"/proxy/api/chat.postMessage"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_slack_s_token_follows_no_redirect_to_another_address(status: int) -> None:
    """Urllib sends a redirected POST on as a GET with all its headers, and an answer of anybody counted as Slack's."""
    elsewhere = SlackStandIn()
    with elsewhere.running(), reporting_world() as world:
        world.found()
        moved = Answer("", status, {"Location": f"{elsewhere.url}/api/chat.postMessage"})
        world.slack.faults.append(Fault("POST /chat.postMessage", moved))
        (problem,) = world.report().problems
        assert f"Slack answered {status}, a redirect, which is not followed: set slack.base_url" in problem
        assert elsewhere.requests == []
        assert world.report().problems == []
        assert len(world.slack.messages) == 1


@pytest.mark.parametrize("status", [302, 308])
def test_the_app_token_follows_no_redirect_either(status: int) -> None:
    elsewhere, here = SlackStandIn(), SlackStandIn()
    with elsewhere.running(), here.running():
        moved = Answer("", status, {"Location": f"{elsewhere.url}/api/apps.connections.open"})
        here.faults.append(Fault("POST /apps.connections.open", moved))
        with pytest.raises(SocketError, match=f"Slack answered {status}, a redirect, .* set slack.base_url"):
            SlackSession(f"{here.url}/api/", APP_TOKEN, lambda *_: None, lambda *_: None, lambda _: None)
        assert elsewhere.requests == []


@pytest.mark.parametrize("content", ["[]", '"ok"', "{}"], ids=["a list", "a text", "an empty object"])
def test_an_answer_of_slack_that_is_none(content: str) -> None:
    with reporting_world() as world:
        world.found()
        body: Any = {"[]": [1], '"ok"': "ok", "{}": {}}[content]
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer(body)))
        assert len(world.report().problems) == 1
        assert world.report().problems == []


def test_three_destinations_that_slack_fails_at_do_not_keep_the_others_from_hearing() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        owners = [f"#owner-{number}" for number in range(5)]
        world.slack.channels |= set(owners)
        for number, owner in enumerate(owners):
            world.found(f"sg-{number}", tags={"owner": owner})
        world.slack.faults.append(Fault("POST /chat.postMessage", Answer("", 500), times=3))
        assert len(world.report().problems) == 3
        assert {message.channel for message in world.slack.messages} == set(owners[3:])
        assert world.report().problems == []
        assert {message.channel for message in world.slack.messages} == set(owners)

"""Tickets that cannot be written, or of which nobody knows whether they were: nothing is said twice or lost."""

from __future__ import annotations

import pytest

from library.issues.issue import Status
from tests.standins.server import Answer, Fault, Request
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")


def jira_alone(world: World) -> None:
    world.sections["slack"] = {"enabled": False}


@pytest.mark.parametrize("project", ["NEW", "SEC"], ids=["another project is configured", "the same project"])
def test_news_of_an_archived_ticket_gets_a_new_one_where_ticket_owners_says(project: str) -> None:
    with reporting_world(cloud=False) as world:
        jira_alone(world)
        world.jira.projects.add("NEW")
        world.found("sg-1")
        world.found("sg-2")
        world.report()
        for ticket in world.jira.tickets.values():
            ticket.archived = True
        world.ticket_owners["jira_project"] = project
        world.found("sg-1", SSH, RDP)
        world.fixed("sg-2")
        summary = world.report()
        assert summary.problems == []
        assert {note.partition(":")[0] for note in summary.notes} >= {"sg-1 gets a new ticket", "sg-2"}
        assert any("SEC-2 cannot be changed and is left as it is" in note for note in summary.notes)
        assert world.issue("sg-1").jira_details["ticket"] == f"{project}-3"
        assert "3389" in world.jira.tickets[f"{project}-3"].fields["description"]
        assert world.issue("sg-2").status is Status.CLOSED
        assert world.report().notified == {}


def test_a_closed_ticket_that_takes_no_labels_is_done_with() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.found()
        world.report()
        world.jira.tickets["SEC-1"].status = "Done"
        world.jira.locks_closed = True
        world.found(exempt=True)
        summary = world.report()
        assert summary.problems == []
        assert summary.notes == [
            "SEC-1: its labels are left as they are: JIRA answered 400: Field 'labels' cannot be set."
        ]
        assert world.report().notified == {}


def test_a_field_that_closing_demands_is_named_until_it_is_configured_and_the_comment_is_written_once() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.jira.renders = True
        world.jira.demands = {"customfield_12312"}
        world.found()
        world.report()
        world.fixed()
        for _ in range(3):
            [problem] = world.report().problems
            assert problem.endswith("customfield_12312 is required.: set customfield_12312 in jira.close_fields")
        assert len(world.jira.tickets["SEC-1"].comments) == 1
        other_screens = {"customfield_1": "only other projects have it"}
        world.sections["jira"] = {"close_fields": {"customfield_12312": {"value": "Other"}, **other_screens}}
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].status == "Done"
        assert len(world.jira.tickets["SEC-1"].comments) == 1


@pytest.mark.parametrize("before", [0, 99, 100, 250])
@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data-center"])
def test_a_comment_is_known_again_by_its_marker_however_many_there_are(cloud: bool, before: int) -> None:
    with reporting_world(cloud=cloud) as world:
        jira_alone(world)
        world.found()
        world.report()
        comments = world.jira.tickets["SEC-1"].comments
        comments += ["somebody said something"] * before
        world.jira.renders = True
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(Fault("POST /comment", done=True))
        assert len(world.report().problems) == 1
        assert world.report().problems == []
        assert len(comments) == before + 1


def test_the_same_change_made_again_is_told_again_though_a_run_broke_off() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.found()
        world.report()
        for perms in ((SSH, RDP), (SSH,)):
            world.passes(hours=1)
            world.found("sg-1", *perms)
            world.report()
        world.passes(hours=1)
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(Fault("POST /comment"))
        assert len(world.report().problems) == 1
        assert world.report().problems == []
        assert len(world.jira.tickets["SEC-1"].comments) == 3


def test_nothing_is_filed_for_fifteen_minutes_after_a_ticket_may_have_been() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.jira.slow_index = True
        world.found()
        world.jira.faults.append(Fault("POST /issue", done=True))
        assert len(world.report().problems) == 1
        for _ in range(3):
            world.passes(minutes=4)
            assert world.report().problems == [
                "sg-1 in 123456789012, eu-west-1: new: a ticket may have been filed and is not found yet: no other is "
                "filed before 2026-11-22T03:15:00+00:00"
            ]
            assert world.issue().timestamps.reported is None
        assert list(world.jira.tickets) == ["SEC-1"]
        world.jira.tickets["SEC-1"].indexed = True
        assert world.report().problems == []
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert len(world.jira.tickets) == 1


def filed_twice(world: World) -> None:
    """A ticket whose creation nobody heard of, and the second one that a later run filed: the index is slow."""
    jira_alone(world)
    world.jira.slow_index = True
    world.found()
    world.jira.faults.append(Fault("POST /issue", done=True))
    world.report()
    world.passes(minutes=20)
    assert world.report().problems == []


def test_a_second_ticket_that_a_later_search_shows_is_closed_with_a_word() -> None:
    with reporting_world() as world:
        filed_twice(world)
        assert list(world.jira.tickets) == ["SEC-1", "SEC-2"]
        world.jira.catch_up()
        world.passes(minutes=20)
        assert world.report().problems == []
        first, second = world.jira.tickets.values()
        assert (first.status, second.status) == ("Done", "To Do")
        assert first.comments == ["This is a duplicate of SEC-2, which goes on. It was filed twice.\n"]
        asked = len(world.jira.requests)
        assert world.report().problems == []
        assert len(world.jira.requests) == asked


def test_a_second_ticket_is_looked_for_also_where_the_issue_changes_first() -> None:
    with reporting_world() as world:
        filed_twice(world)
        world.found("sg-1", SSH, RDP)
        assert world.report().problems == []
        world.jira.catch_up()
        world.passes(minutes=20)
        assert world.report().problems == []
        assert [ticket.status for ticket in world.jira.tickets.values()] == ["Done", "To Do"]


@pytest.mark.parametrize("is_exempt", [False, True])
def test_a_second_ticket_is_closed_also_where_the_issue_is_over_first(*, is_exempt: bool) -> None:
    with reporting_world() as world:
        filed_twice(world)
        world.found(exempt=True) if is_exempt else world.fixed()
        world.jira.catch_up()
        assert world.report().problems == []
        assert [ticket.status for ticket in world.jira.tickets.values()] == ["Done", "Done"]
        asked = len(world.jira.requests)
        assert world.report().problems == []
        assert len(world.jira.requests) == asked


def test_an_older_copy_of_a_ticket_is_no_second_one() -> None:
    with reporting_world() as world:
        filed_twice(world)
        world.jira.catch_up()
        copied = world.jira.copy("SEC-2", "2026-11-21T09:00:00.000+0100")
        world.passes(minutes=20)
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].status == "Done"
        assert (copied.status, copied.comments) == ("To Do", [])
        assert "still" not in world.issue().jira_details


def test_a_duplicate_that_cannot_be_closed_is_told_once() -> None:
    with reporting_world() as world:
        filed_twice(world)
        world.jira.catch_up()
        world.jira.demands = {"customfield_1"}
        for _ in range(3):
            world.passes(minutes=4)
            assert any("could not be closed" in problem for problem in world.report().problems)
        assert len(world.jira.tickets["SEC-1"].comments) == 1


def test_a_ticket_that_was_moved_is_not_closed_as_a_duplicate_of_itself() -> None:
    """JIRA finds it under the key that it has now."""
    with reporting_world() as world:
        filed_twice(world)
        moved = world.jira.tickets.pop("SEC-2")
        world.jira.tickets["NEW-1"] = moved
        moved.key, world.jira.moved = "NEW-1", {"SEC-2": "NEW-1"}
        world.jira.catch_up()
        world.passes(minutes=20)
        assert world.report().problems == []
        assert (world.jira.tickets["SEC-1"].status, moved.status, moved.comments) == ("Done", "To Do", [])


@pytest.mark.parametrize("service", ["jira", "slack"])
@pytest.mark.parametrize("wait", ["1800", "Sun, 22 Nov 2026 03:30:00 GMT"], ids=["seconds", "a date"])
def test_a_service_that_asks_for_a_long_wait_is_not_asked_again_and_named_once(service: str, wait: str) -> None:
    with reporting_world() as world:
        world.sections["slack" if service == "jira" else "jira"] = {"enabled": False}
        for number in range(5):
            world.slack.channels.add(f"#o{number}")
            world.found(f"sg-{number}", tags={"owner": f"#o{number}"})
        busy = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": wait})
        standin, on = (world.jira, "POST /issue") if service == "jira" else (world.slack, "POST /chat.postMessage")
        standin.faults.append(Fault(on, busy, times=99))
        problems = world.report().problems
        assert len(problems) == (2 if service == "jira" else 1)
        assert "it may be asked again after 2026-11-22T03:30:00+00:00" in problems[0]
        assert (
            problems[1:]
            == ["JIRA is not asked again in this run: 4 more issues are left to the next run"][: len(problems) - 1]
        )
        assert standin.faults[0].times == 98
        assert world.slept == []
        standin.faults.clear()
        world.passes(minutes=31)
        assert world.report().problems == []
        assert {world.issue(group).timestamps.reported for group in world.groups} == {world.clock}


@pytest.mark.parametrize(
    ("status", "headers", "named"),
    [
        (403, {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://x"}, "CAPTCHA_CHALLENGE"),
        (403, {"X-Seraph-LoginReason": "AUTHENTICATION_DENIED"}, "AUTHENTICATION_DENIED"),
    ],
)
def test_a_jira_that_wants_a_captcha_is_asked_once(status: int, headers: dict[str, str], named: str) -> None:
    with reporting_world(cloud=False) as world:
        jira_alone(world)
        for number in range(5):
            world.found(f"sg-{number}")
        world.jira.faults.append(Fault("GET ", Answer("<html>no</html>", status, headers), times=99))
        problems = world.report().problems
        assert f"JIRA refused the login (403, {named}): log in as Hammer's user in a browser once" in problems[0]
        assert problems[1:] == ["JIRA is not asked again in this run: 4 more issues are left to the next run"]
        assert len(world.jira.requests) == 1


def test_links_lead_to_the_server_and_requests_to_the_api_url() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"server": "https://acme.atlassian.net", "api_url": world.jira.url}
        world.found()
        assert world.report().problems == []
        assert "<https://acme.atlassian.net/browse/SEC-1|SEC-1>" in world.slack.messages[0].shown


@pytest.mark.parametrize("owner", ["ALICE", "D12345678", "GUARDIANS"])
def test_an_owner_in_capitals_is_looked_up_by_name_before_it_is_taken_for_an_id(owner: str) -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.slack.people["U9"] = (owner.lower(), "x@example.com")
        world.found(tags={"owner": owner})
        assert world.report().problems == []
        assert [message.channel for message in world.slack.messages] == [owner.lower()]


def test_an_id_that_is_nobodys_name_is_an_id() -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.slack.channels |= {"C0123456789", "C1123456789"}
        world.ticket_owners = {"slack_owner": "C0123456789"}
        world.found("sg-1")
        assert world.report().problems == []
        assert not [request for request in world.slack.requests if "users" in request.path]
        world.found("sg-2", tags={"owner": "C1123456789"})
        assert world.report().problems == []
        assert [m.channel for m in world.slack.messages] == ["C0123456789", "C1123456789", "C0123456789"]


def test_a_successor_that_may_have_been_filed_is_looked_for_before_another_is() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.jira.projects.add("NEW")
        world.found()
        world.report()
        world.jira.tickets["SEC-1"].archived = True
        world.ticket_owners["jira_project"] = "NEW"
        world.found("sg-1", SSH, RDP)
        world.jira.slow_index = True

        def lost(request: Request) -> Answer | None:
            if request.method != "POST" or not request.path.endswith("/issue"):
                return None
            world.jira.answer(request)
            return Answer("", 502)

        world.jira.instead = lost
        assert len(world.report().problems) == 1
        [problem] = world.report().problems
        assert "may have been filed" in problem
        world.jira.tickets["NEW-2"].indexed = True
        assert world.report().problems == []
        assert list(world.jira.tickets) == ["SEC-1", "NEW-2"]
        assert world.issue().jira_details["ticket"] == "NEW-2"


def test_a_ticket_that_takes_no_comments_is_closed_all_the_same() -> None:
    with reporting_world() as world:
        jira_alone(world)
        world.found()
        world.report()
        world.fixed()
        world.jira.faults.append(Fault("POST /comment", Answer({"errorMessages": ["no right"]}, 403), times=9))
        summary = world.report()
        assert summary.problems == []
        assert summary.notes == ["sg-1: SEC-1 takes no comment: JIRA answered 403: no right"]
        assert world.jira.tickets["SEC-1"].status == "Done"
        assert world.issue().status is Status.CLOSED


HIDDEN = Answer({"errorMessages": ["You do not have the permission to see the specified issue."], "errors": {}}, 403)


@pytest.mark.parametrize("decides", [False, True])
def test_a_ticket_that_hammer_may_not_see_any_more_gets_another(decides: bool) -> None:
    """Somebody gave it a security level. Data Center answers 403, Cloud 404."""
    with reporting_world(cloud=False) as world:
        jira_alone(world)
        world.sections["decisions"] = {"enabled": decides}
        world.sections["jira"] = {"decisions": decides, "decision_accounts": ["ana"]}
        world.found()
        world.report()
        world.jira.faults.append(Fault("GET /issue/SEC-1", HIDDEN, times=99))
        world.found("sg-1", SSH, RDP)
        summary = world.report()
        assert summary.problems == []
        assert len(summary.notes) == 1
        assert summary.notes[0].startswith("sg-1: SEC-1 is not shown to Hammer and is left as it is: JIRA answered 403")
        assert list(world.jira.tickets) == ["SEC-1", "SEC-2"]
        assert world.report().notified == {}


def test_the_issue_of_a_ticket_that_hammer_may_not_see_ends_with_a_note() -> None:
    with reporting_world(cloud=False) as world:
        jira_alone(world)
        world.found()
        world.report()
        world.jira.faults.append(Fault("GET /issue/SEC-1", HIDDEN, times=99))
        world.fixed()
        summary = world.report()
        assert summary.problems == []
        assert "SEC-1 is not shown to Hammer" in summary.notes[0]
        assert world.issue().status is Status.CLOSED


@pytest.mark.parametrize("body", ["", "<html>Forbidden</html>"])
def test_a_403_of_something_before_jira_says_nothing_of_a_ticket(body: str) -> None:
    with reporting_world(cloud=False) as world:
        jira_alone(world)
        world.found()
        world.report()
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(Fault("GET /issue/SEC-1", Answer(body, 403), times=1))
        assert len(world.report().problems) == 1
        assert list(world.jira.tickets) == ["SEC-1"]
        assert world.report().problems == []
        assert len(world.jira.tickets["SEC-1"].comments) == 1


def test_a_login_that_failed_though_jira_answers_200_finds_no_ticket_gone() -> None:
    """Cloud takes a request with a token that is over for one of nobody, and a search finds nothing."""
    failed = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
    with reporting_world() as world:
        jira_alone(world)
        world.found()
        world.jira.faults.append(Fault("POST /issue", None, done=True))
        assert len(world.report().problems) == 1
        assert list(world.jira.tickets) == ["SEC-1"]
        world.fixed()
        world.passes(hours=1)
        world.jira.faults.append(Fault("GET /search", Answer({"issues": [], "isLast": True}, 200, failed), times=9))
        [problem] = world.report().problems
        assert "JIRA refused the login (200, AUTHENTICATED_FAILED)" in problem
        assert world.issue().status is Status.RESOLVED
        world.jira.faults.clear()
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].status == "Done"

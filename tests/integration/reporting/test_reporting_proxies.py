"""A proxy answers instead of JIRA: its pages, redirects and refusals are no word of JIRA's about a ticket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from library.issues.issue import Status
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

PAGE = "<html><head><title>Not Found</title></head></html>"
LOGIN = "<html>Please log in</html>"


def reported(world: World) -> None:
    """One issue with its ticket."""
    world.found()
    assert world.report().problems == []
    world.jira.requests.clear()


def redirect(world: World, fault: Fault) -> None:
    """Have a request be redirected: to itself."""

    def to_itself(request: object) -> None:
        if isinstance(fault.answer, Answer) and fault.hits(request):  # type: ignore[arg-type]
            location = f"{world.jira.url}{request.path}"  # type: ignore[attr-defined]
            fault.answer = replace(fault.answer, headers={"Location": location})

    world.jira.before = to_itself
    world.jira.faults.append(fault)


@pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data-center"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("GET /issue/SEC-1", Answer(PAGE, 404)), id="the ticket is read: 404"),
        pytest.param(Fault("POST /comment", Answer(PAGE, 404)), id="comment: 404"),
        pytest.param(Fault("POST /comment", Answer(PAGE, 403)), id="comment: 403"),
        pytest.param(Fault("POST /comment", Answer(LOGIN, 200)), id="comment: a login page"),
    ],
)
def test_a_page_of_a_proxy_does_not_say_that_a_ticket_is_gone(cloud: bool, fault: Fault) -> None:
    with reporting_world(cloud=cloud) as world:
        reported(world)
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(replace(fault))
        assert len(world.report().problems) == 1
        assert list(world.jira.tickets) == ["SEC-1"]
        world.passes(hours=1)
        assert world.report().problems == []
        assert list(world.jira.tickets) == ["SEC-1"]
        assert len(world.jira.tickets["SEC-1"].comments) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("GET /issue/SEC-1", Answer(PAGE, 404)), id="the ticket is read: 404"),
        pytest.param(Fault("POST /comment", Answer(PAGE, 403)), id="comment: 403"),
        pytest.param(Fault("POST /transitions", Answer(PAGE, 404)), id="transition: 404"),
        pytest.param(Fault("POST /transitions", Answer(LOGIN, 200)), id="transition: a login page"),
    ],
)
def test_a_page_of_a_proxy_leaves_no_ticket_open(fault: Fault) -> None:
    with reporting_world() as world:
        reported(world)
        world.fixed()
        world.jira.faults.append(replace(fault))
        assert len(world.report().problems) == 1
        assert world.issue().status is Status.RESOLVED
        world.passes(hours=1)
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].status == "Done"
        assert len(world.jira.tickets["SEC-1"].comments) == 1
        assert world.issue().status is Status.CLOSED


@pytest.mark.parametrize("body", [{"errorMessages": ["Issue Does Not Exist"], "errors": {}}, {}, ""])
def test_what_jira_itself_says_is_gone_gets_a_new_ticket(body: object) -> None:
    with reporting_world() as world:
        reported(world)
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(Fault("GET /issue/SEC-1", Answer(body, 404)))
        assert world.report().problems == []
        assert list(world.jira.tickets) == ["SEC-1", "SEC-2"]


def test_json_of_a_gateway_does_not_say_that_a_ticket_is_gone() -> None:
    with reporting_world() as world:
        reported(world)
        world.found("sg-1", SSH, RDP)
        world.jira.faults.append(Fault("GET /issue/SEC-1", Answer({"status": 404, "error": "Not Found"}, 404)))
        assert len(world.report().problems) == 1
        assert list(world.jira.tickets) == ["SEC-1"]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_what_is_written_follows_no_redirect_which_would_only_read(status: int) -> None:
    """Requests sends a redirected POST on as a GET, which JIRA answers with what there is: nothing was written."""
    with reporting_world() as world:
        reported(world)
        world.fixed()
        redirect(world, Fault("POST /comment", Answer("", status)))
        [said] = world.report().problems
        assert f"JIRA answered {status}, a redirect" in said
        assert "jira.server" in said
        redirect(world, Fault("POST /transitions", Answer("", status)))
        [said] = world.report().problems
        assert f"JIRA answered {status}, a redirect" in said
        assert world.issue().status is Status.RESOLVED
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].status == "Done"
        assert len(world.jira.tickets["SEC-1"].comments) == 1


def test_a_redirect_from_a_new_ticket_files_one() -> None:
    with reporting_world() as world:
        world.found()
        redirect(world, Fault("POST /issue", Answer("", 302)))
        [said] = world.report().problems
        assert "JIRA answered 302, a redirect" in said
        assert world.jira.tickets == {}
        assert world.report().problems == []
        assert list(world.jira.tickets) == ["SEC-1"]


def test_reading_follows_redirects() -> None:
    with reporting_world() as world:
        reported(world)
        world.found("sg-1", SSH, RDP)
        redirect(world, Fault("GET /issue/SEC-1", Answer("", 302)))
        assert world.report().problems == []
        assert len(world.jira.tickets["SEC-1"].comments) == 1


def test_a_watcher_whom_a_proxy_kept_out_is_set_by_the_next_run() -> None:
    with reporting_world() as world:
        world.ticket_owners["jira_owner"] = "sec@example.com"
        world.found(tags={"owner": "ana@example.com"})
        world.jira.faults.append(Fault("POST /watchers", Answer(LOGIN, 200)))
        [said] = world.report().problems
        assert "is not watched by sec@example.com" in said
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].watchers == ["5b10ac8d82e05b22cc7d4ef5"]

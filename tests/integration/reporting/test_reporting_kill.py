"""The job killed at every point where it reads or writes anything: afterwards there is one ticket, told once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from jira.resilientsession import ResilientSession
from slack_sdk import WebClient

from library.aws.conditional_writes import Items
from library.issues.issue import Status
from library.security_groups.exposure import Exposure
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import RDP, SSH, World, reporting_world

FTP = Exposure("tcp", 21, 21, "8.8.8.0/24", "open_partly")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Killer:
    """Kills before the so-many-th step, counted from 0.

    That is right after the step before it, too: between two steps nothing is left behind that anybody sees.
    """

    at: int
    steps: int = 0

    def around(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **kwargs: Any) -> Any:
            number, self.steps = self.steps, self.steps + 1
            if number == self.at:
                raise Killed
            return inner(*args, **kwargs)

        return outer


@contextmanager
def killing(monkeypatch: pytest.MonkeyPatch, killer: Killer) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for where, what in ((ResilientSession, "request"), (WebClient, "api_call"), (Items, "update")):
            patched.setattr(where, what, killer.around(getattr(where, what)))
        yield


def reports_killed_at_each_point(
    monkeypatch: pytest.MonkeyPatch, story: Callable[[World], None]
) -> Iterator[tuple[int | None, World]]:
    """The world of a story, each time a second after a report that was killed at another of its steps.

    The step comes with it; None with the last world, whose report was not killed.
    """
    at, killed = 0, True
    while killed:
        with reporting_world() as world:
            story(world)
            try:
                with killing(monkeypatch, Killer(at)):
                    world.report()
                killed = False
            except Killed:
                world.passes(seconds=1)
            yield at if killed else None, world
        at += 1
    assert at > 3


def killed_at_each_point(monkeypatch: pytest.MonkeyPatch, story: Callable[[World], None]) -> Iterator[World]:
    """The world of a story, each time an hour after a run that was killed at another point."""

    def with_quick_index(world: World) -> None:
        world.jira.slow_index = False
        story(world)

    for at, world in reports_killed_at_each_point(monkeypatch, with_quick_index):
        if at is not None:
            world.passes(hours=1)
            yield world


def new(world: World) -> None:
    world.found()


def changed(world: World) -> None:
    world.found()
    world.report()
    world.found("sg-1", SSH, RDP)


def gone(world: World) -> None:
    world.found()
    world.report()
    world.fixed()


def exempt(world: World) -> None:
    world.found()
    world.report()
    world.found(exempt=True)


def found_again(world: World) -> None:
    gone(world)
    world.report()
    world.found()


def changed_without_its_ticket(world: World) -> None:
    changed(world)
    world.jira.tickets["SEC-0"] = world.jira.tickets.pop("SEC-1")
    world.jira.tickets["SEC-0"].fields["labels"] = []  # somebody took it for something else: it is Hammer's no more
    world.jira.tickets["SEC-0"].key = "SEC-0"


def changed_in_an_archived_project(world: World) -> None:
    changed(world)
    world.jira.tickets["SEC-1"].archived = True


def changed_in_an_archived_project_after_a_move(world: World) -> None:
    """JIRA answers for the old key, and searches find the ticket under the new one."""
    changed(world)
    moved = world.jira.tickets.pop("SEC-1")
    world.jira.tickets["NEW-1"] = moved
    moved.key, world.jira.moved, moved.archived = "NEW-1", {"SEC-1": "NEW-1"}, True


def found_again_after_an_old_ticket(world: World) -> None:
    """The ticket of the first occurrence is closed, that of the second is gone."""
    found_again(world)
    world.jira.tickets["SEC-1"].archived = True
    world.report()
    world.fixed()
    world.report()
    world.found()
    world.jira.tickets["SEC-0"] = world.jira.tickets.pop("SEC-2")
    world.jira.tickets["SEC-0"].fields["labels"] = []
    world.jira.tickets["SEC-0"].key = "SEC-0"


ARCHIVED = (changed_in_an_archived_project, changed_in_an_archived_project_after_a_move)


@pytest.mark.parametrize(
    "story",
    [
        *(new, changed, gone, exempt, found_again),
        *(changed_without_its_ticket, changed_in_an_archived_project, changed_in_an_archived_project_after_a_move),
        found_again_after_an_old_ticket,
    ],
)
def test_killed_anywhere(story: Callable[[World], None], monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        story(world)
        world.report()
        expected = outcome(world)
        assert world.report().notified == {}
    at, killed = 0, True
    while killed:
        with reporting_world() as world:
            world.jira.slow_index = False
            story(world)
            killer = Killer(at)
            with killing(monkeypatch, killer):
                try:
                    world.report()
                    killed = False
                except Killed:
                    killed = True
            world.passes(seconds=1)
            summary = world.report()
            assert summary.problems == []
            assert summary.notes == [] or story in ARCHIVED
            assert outcome(world) == expected, f"killed at step {at}"
            assert world.report().notified == {}
        at += 1
    assert at > 3


REPLACED = (changed_without_its_ticket, *ARCHIVED, found_again_after_an_old_ticket)


@pytest.mark.parametrize("ended", ["fixed", "exempt"])
@pytest.mark.parametrize("story", REPLACED)
def test_a_replacement_that_nobody_recorded_is_closed_when_the_issue_is_over(
    story: Callable[[World], None], ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run filed a ticket in place of one that cannot be used, and was killed."""
    for at, world in reports_killed_at_each_point(monkeypatch, story):
        world.fixed() if ended == "fixed" else world.found(exempt=True)
        assert world.report().problems == []
        tickets = [ticket for ticket in world.jira.tickets.values() if ticket.labels and not ticket.archived]
        assert {ticket.status for ticket in tickets} <= {"Done"}, f"killed at step {at}"
        assert world.report().notified == {}


def test_a_ticket_that_can_be_reopened_again_is_left_closed_beside_its_replacement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run filed another ticket because nothing led out of Done. By the next run somebody mended the workflow."""

    def found_again_with_no_way_out_of_done(world: World) -> None:
        found_again(world)
        world.jira.dead_end = True

    for at, world in reports_killed_at_each_point(monkeypatch, found_again_with_no_way_out_of_done):
        world.jira.dead_end = False
        assert world.report().problems == []
        in_use = [ticket.key for ticket in world.jira.tickets.values() if ticket.status != "Done"]
        assert in_use == [world.issue().jira_details["ticket"]], f"killed at step {at}"
        assert world.report().notified == {}


@pytest.mark.parametrize("now_open", [(SSH, FTP), (SSH,)], ids=["something else", "as before"])
def test_a_replacement_that_nobody_recorded_is_told_what_changed_since_it_was_filed(
    now_open: tuple[Exposure, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, world in reports_killed_at_each_point(monkeypatch, changed_without_its_ticket):
        world.found("sg-1", *now_open)
        assert world.report().problems == []
        if ticket := world.jira.tickets.get("SEC-2"):
            last = [ticket.fields["description"], *ticket.comments][-1]
            assert "3389" not in ticket.fields["description"] or ticket.comments, f"killed at step {at}"
            assert bool(re.search(r"\b21\b", last)) is (FTP in now_open), f"killed at step {at}"
            # A label that was set before that comment is about something else.
            change = world.issue().jira_details.get("change")
            assert not ticket.comments or str(change) in last, f"killed at step {at}"
        assert world.report().notified == {}


@pytest.mark.parametrize("begun", [found_again, gone, changed_in_an_archived_project])
def test_a_copy_that_somebody_made_of_a_ticket_is_no_replacement(
    begun: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """JIRA copies the labels, too. What somebody made of it before the run that broke off is not Hammer's."""

    def begun_and_copied(world: World) -> None:
        begun(world)
        world.jira.copy("SEC-1", "2026-11-21T09:00:00.000+0000")

    for at, world in reports_killed_at_each_point(monkeypatch, begun_and_copied):
        assert world.report().problems == []
        assert world.issue().jira_details["ticket"].startswith("SEC-"), f"killed at step {at}"
        copied = world.jira.tickets["OPS-7"]
        assert (copied.status, copied.comments) == ("To Do", []), f"killed at step {at}"


def test_a_replacement_that_an_earlier_version_filed_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not record that it went to file one."""
    for world in killed_at_each_point(monkeypatch, changed_in_an_archived_project):
        details = dict(world.issue().jira_details)
        if details.get("intent"):
            details["intent"] = {name: value for name, value in details["intent"].items() if name != "replacing"}
            world.table.update(world.issue(), {"jira_details": details})
        assert world.report().problems == []
        assert world.issue().jira_details["ticket"] == "SEC-2"
        assert "SEC-3" not in world.jira.tickets


@pytest.mark.parametrize("ended", [gone, exempt])
def test_a_ticket_that_is_archived_before_the_next_run_is_left_as_it_is(
    ended: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its comment may be there already. It takes no other, and has no way to be closed."""
    for at, world in reports_killed_at_each_point(monkeypatch, ended):
        world.jira.tickets["SEC-1"].archived = True
        assert world.report().problems == [], f"killed at step {at}"
        assert world.issue().status is (Status.CLOSED if ended is gone else Status.WHITELISTED)
        assert world.report().notified == {}


@pytest.mark.parametrize("has_labels", [True, False], ids=["", "its screen has no labels"])
def test_a_ticket_that_cannot_be_closed_is_named_until_it_can(*, has_labels: bool) -> None:
    with reporting_world() as world:
        gone(world)
        world.jira.transitions["To Do"] = []
        if not has_labels:
            locked = Answer({"errors": {"labels": "Field 'labels' cannot be set."}}, 400)
            world.jira.faults.append(Fault("PUT issue/", locked, times=99))
        for _ in range(3):
            assert ["has no transition" in problem for problem in world.report().problems] == [True]
            world.passes(hours=1)
        assert len(world.jira.tickets["SEC-1"].comments) == 1
        assert world.issue().status is Status.RESOLVED


def test_a_copy_that_is_made_before_the_next_run_takes_no_tickets_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticket takes changes, so no run filed another in its place."""
    for world in killed_at_each_point(monkeypatch, changed):
        if not world.issue().jira_details.get("intent"):
            continue
        copied = world.jira.copy("SEC-1", world.clock.isoformat())
        assert world.report().problems == []
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert (world.jira.tickets["SEC-1"].status, copied.status, copied.comments) == ("To Do", "To Do", [])


@pytest.mark.parametrize("begun", [changed, gone, found_again])
def test_a_copy_that_is_made_before_the_next_run_is_not_closed_with_the_issue(
    begun: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in killed_at_each_point(monkeypatch, begun):
        if not world.issue().jira_details.get("intent"):
            continue
        copied = world.jira.copy("SEC-1", world.clock.isoformat())
        if begun is not gone:
            world.fixed()
        assert world.report().problems == []
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert (world.jira.tickets["SEC-1"].status, copied.status, copied.comments) == ("Done", "To Do", [])


@pytest.mark.parametrize("now_open", [(SSH, FTP), (SSH, RDP), (SSH,)], ids=["something else", "the same", "as before"])
@pytest.mark.parametrize("is_archived", [True, False])
def test_a_ticket_that_takes_changes_again_is_closed_beside_its_replacement(
    now_open: tuple[Exposure, ...], monkeypatch: pytest.MonkeyPatch, *, is_archived: bool
) -> None:
    """The run filed another ticket because the project was archived, and was killed."""
    for at, world in reports_killed_at_each_point(monkeypatch, changed_in_an_archived_project):
        first = world.jira.tickets["SEC-1"]
        first.archived = is_archived or world.issue().jira_details["ticket"] != "SEC-1"
        if now_open != (SSH, RDP):
            world.found("sg-1", *now_open)
        assert world.report().problems == []
        known = world.issue().jira_details["ticket"]
        in_use = [each.key for each in world.jira.tickets.values() if each.status != "Done" and not each.archived]
        assert in_use == ([] if first.archived and known == "SEC-1" else [known]), f"killed at step {at}"
        assert "SEC-2" not in world.jira.tickets or known == "SEC-2", f"killed at step {at}"
        assert world.report().notified == {}


def outcome(world: World) -> Any:
    """What is left of a story; Slack apart, whose messages nobody can look up."""
    issue = world.issue()
    tickets = [(t.key, t.status, t.labels, t.comments) for t in world.jira.tickets.values()]
    details = {name: value for name, value in issue.jira_details.items() if name != "since"}
    notified = (
        bool(issue.timestamps.reported),
        bool(issue.timestamps.closed),
        issue.status,
        "heard" in issue.slack_details,
    )
    return tickets, details, notified


def test_a_ticket_that_jira_does_not_find_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        world.jira.slow_index = True
        world.found()
        # Step 0: the intent, 1: JIRA's version, 2: the search, 3: the ticket.
        with killing(monkeypatch, Killer(4)), pytest.raises(Killed):
            world.report()
        assert len(world.jira.tickets) == 1
        assert world.issue().jira_details["ticket"] is None
        world.passes(seconds=2)

        def index(seconds: float) -> None:
            world.slept.append(seconds)
            world.jira.tickets["SEC-1"].indexed = True

        monkeypatch.setattr(world, "sleep", index)
        world.report()
        assert world.slept == [13.0]
        assert world.issue().jira_details["ticket"] == "SEC-1"
        assert len(world.jira.tickets) == 1


def test_a_ticket_of_a_killed_run_is_closed_though_nobody_recorded_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        world.found()
        with killing(monkeypatch, Killer(4)), pytest.raises(Killed):
            world.report()
        world.fixed()
        assert world.report().notified == {"gone": 1}
        assert [ticket.status for ticket in world.jira.tickets.values()] == ["Done"]
        assert world.issue().status is Status.CLOSED


def test_a_destination_that_heard_before_the_job_was_killed_does_not_hear_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.ticket_owners = {"slack_owner": ["ana", "bo"]}
        world.slack.faults = []
        world.found()
        # Two pages of people, then ana's message, her record, her thread, then bo's message.
        with killing(monkeypatch, Killer(5)), pytest.raises(Killed):
            world.report()
        assert [message.channel for message in world.slack.messages] == ["ana"]
        assert world.issue().timestamps.reported is None
        world.report()
        assert [message.channel for message in world.slack.messages] == ["ana", "bo"]
        assert world.issue().timestamps.reported == world.clock


@pytest.mark.parametrize("closes", [False, True])
def test_what_a_killed_run_told_is_taken_back_if_it_is_not_so_any_more(
    monkeypatch: pytest.MonkeyPatch,
    closes: bool,
) -> None:
    """The group is as it was before by the next run: what the table has is what was told before."""
    before, meanwhile = ((SSH, RDP), (SSH,)) if closes else ((SSH,), (SSH, RDP))
    with reporting_world() as world:
        world.found("sg-1", *before)
        world.report()
        world.found("sg-1", *meanwhile)
        # The intent, JIRA's version, the ticket, the comment.
        with killing(monkeypatch, Killer(4)), pytest.raises(Killed):
            world.report()
        assert len(world.jira.tickets["SEC-1"].comments) == 1
        world.passes(hours=1)
        world.found("sg-1", *before)
        assert world.report().notified == {"changed": 1}
        said = world.jira.tickets["SEC-1"].said
        assert len(said) == 2
        assert said[1].startswith("What is open in security group sg-1 has changed.\n\nOpen now, all together:")
        assert ("3389" in said[1]) is closes
        assert world.report().notified == {}


def test_what_a_killed_run_did_not_tell_is_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        changed(world)
        with killing(monkeypatch, Killer(3)), pytest.raises(Killed):
            world.report()
        world.passes(hours=1)
        world.found("sg-1", SSH)
        world.report()
        assert world.jira.tickets["SEC-1"].comments == []
        assert world.report().notified == {}


def test_who_was_told_is_told_that_it_is_as_before_though_others_were_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reporting_world() as world:
        world.sections["jira"] = {"enabled": False}
        world.ticket_owners = {"slack_owner": ["ana", "bo"]}
        world.found()
        world.report()
        world.found("sg-1", SSH, RDP)
        # Two pages of people, then ana's message, her record, her thread, then bo's message.
        with killing(monkeypatch, Killer(5)), pytest.raises(Killed):
            world.report()
        assert "tcp/3389" in world.slack.to("ana")[-1].shown
        world.found("sg-1", SSH)
        world.report()
        last = world.slack.to("ana")[-1].shown
        assert "*Changed*" in last
        assert "tcp/3389" not in last
        assert world.report().notified == {}


def test_a_ticket_that_was_filed_before_a_change_is_told_of_it_after_a_run_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reporting_world() as world:
        world.jira.slow_index = False
        world.found()
        with killing(monkeypatch, Killer(4)), pytest.raises(Killed):
            world.report()
        assert len(world.jira.tickets) == 1
        world.passes(hours=1)
        world.found("sg-1", SSH, RDP)
        with killing(monkeypatch, Killer(2)), pytest.raises(Killed):
            world.report()
        world.passes(hours=1)
        assert world.report().problems == []
        [comment] = world.jira.tickets["SEC-1"].said
        assert "3389" in comment
        assert world.report().notified == {}


def test_a_ticket_that_a_killed_run_reopened_is_closed_after_a_run_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reporting_world() as world:
        found_again(world)
        # The intent, JIRA's version, the ticket, its transitions, the transition.
        with killing(monkeypatch, Killer(5)), pytest.raises(Killed):
            world.report()
        assert world.jira.tickets["SEC-1"].status == "To Do"
        world.fixed()
        with killing(monkeypatch, Killer(2)), pytest.raises(Killed):
            world.report()
        world.passes(hours=1)
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].status == "Done"
        assert world.issue().status is Status.CLOSED
        assert world.report().notified == {}


@pytest.mark.parametrize("second", [(SSH,), (SSH, FTP)], ids=["as before", "changed again"])
def test_what_a_run_told_is_taken_back_though_the_next_is_killed(
    second: tuple[Exposure, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told_without_an_answer(world: World) -> None:
        changed(world)
        world.jira.faults.append(Fault("POST /comment", Answer("<html>", 502), done=True))
        assert len(world.report().problems) == 1
        world.passes(hours=1)
        world.found("sg-1", *second)

    for world in killed_at_each_point(monkeypatch, told_without_an_answer):
        if second != (SSH,):
            world.found("sg-1", SSH)
        assert world.report().problems == []
        said = world.jira.tickets["SEC-1"].said
        assert len(said) in (2, 3)
        assert "Open now, all together:" in said[-1]
        assert "3389" not in said[-1]
        assert "tcp|21|" not in said[-1]
        assert world.report().notified == {}


def test_what_two_killed_runs_did_not_tell_is_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting_world() as world:
        changed(world)
        with killing(monkeypatch, Killer(3)), pytest.raises(Killed):
            world.report()
        world.found("sg-1", SSH)
        with killing(monkeypatch, Killer(3)), pytest.raises(Killed):
            world.report()
        world.passes(hours=1)
        assert world.report().problems == []
        assert world.jira.tickets["SEC-1"].comments == []
        assert world.report().notified == {}


def found_again_on_the_console_alone(world: World) -> None:
    world.sections["slack"] = {"enabled": False}
    gone(world)
    world.report()
    world.sections["jira"] = {"enabled": False}
    world.passes(days=1)
    world.found()
    world.report()
    world.passes(days=1)
    world.sections["jira"] = {"enabled": True}


@pytest.mark.parametrize("is_over", [False, True])
def test_a_ticket_that_hears_of_what_only_the_console_told_hears_it_though_a_run_is_killed(
    is_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in killed_at_each_point(monkeypatch, found_again_on_the_console_alone):
        if is_over:
            world.fixed()
        assert world.report().problems == []
        ticket = world.jira.tickets["SEC-1"]
        assert (ticket.status == "Done") is is_over
        assert is_over or len(ticket.comments) == 2
        assert world.report().notified == {}


def test_a_link_that_is_left_is_set_though_a_run_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def found_without_its_link(world: World) -> None:
        world.ticket_owners = {"jira_project": "SEC"}
        world.found("sg-2")
        world.report()
        world.ticket_owners = {"jira_project": "SEC", "jira_parent_ticket": "SEC-1"}
        world.found()
        world.jira.faults.append(Fault("POST /issueLink", Answer("<html>", 502)))
        assert len(world.report().problems) == 1
        assert world.issue().jira_details["still"]
        world.found("sg-1", SSH, RDP)

    for world in killed_at_each_point(monkeypatch, found_without_its_link):
        assert world.report().problems == []
        assert "still" not in world.issue().jira_details
        assert world.jira.tickets["SEC-2"].links == ["SEC-1"]

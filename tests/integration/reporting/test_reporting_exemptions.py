"""The life of an exemption that ends, as its owner sees it in JIRA and Slack."""

from __future__ import annotations

from library.issues.issue import Status
from tests.worlds.reporting_world import reporting_world

EXEMPTION = {"group": "sg-1", "expires": "2026-12-10", "reason": "partner *VPN*\n<!channel>", "author": "Ana Lima"}
BEFORE = (
    "The exemption of security group sg-1 ends on 2026-12-10. From that day on it is an open issue again, unless it is "
    "fixed or the exemption is extended before."
)


def test_the_owner_is_notified_before_an_exemption_ends_and_when_it_ended() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        ticket = world.jira.tickets["SEC-1"]
        world.exemptions = [EXEMPTION]
        world.found(exempt=True)
        assert world.report().notified == {"exempt": 1}
        assert "The exemption ends on 2026-12-10." in ticket.comments[-1]
        assert "(Ana Lima)" in ticket.comments[-1]
        assert world.report().notified == {}

        for days in (4, 11):  # 14 days before, 3 days before
            world.passes(days=days)
            comments, messages = len(ticket.comments), len(world.slack.messages)
            assert world.report().notified == {"exemption ends": 1}
            assert (len(ticket.comments), ticket.status) == (comments + 1, "Done")
            assert BEFORE in ticket.comments[-1]
            said = str(world.slack.messages[messages:])
            assert BEFORE in said
            assert "<!channel>" not in said
            assert world.report().notified == {}
            assert world.issue().status is Status.WHITELISTED

        world.passes(days=4)
        world.found()
        assert world.report().notified == {"found again": 1}
        assert ticket.status == "To Do"
        assert "The exemption of security group sg-1 ended on 2026-12-10." in ticket.comments[-1]
        assert world.report().notified == {}


def test_the_owner_of_a_group_that_was_exempt_from_the_start_is_notified_in_slack() -> None:
    with reporting_world() as world:
        world.exemptions = [EXEMPTION]
        world.found(exempt=True)
        assert world.report().notified == {}
        world.passes(days=5)
        assert world.report().notified == {"exemption ends": 1}
        assert world.jira.tickets == {}
        assert BEFORE in str(world.slack.messages)
        world.passes(days=14)
        world.found()
        assert world.report().notified == {"new": 1}
        assert (
            "The exemption of security group sg-1 ended on 2026-12-10."
            in world.jira.tickets["SEC-1"].fields["description"]
        )


def test_a_comment_that_was_written_by_a_run_that_broke_is_not_written_again() -> None:
    with reporting_world() as world:
        world.found()
        world.report()
        world.exemptions = [EXEMPTION]
        world.found(exempt=True)
        world.report()
        world.passes(days=5)
        world.report()
        comments = list(world.jira.tickets["SEC-1"].comments)
        kept = {name: value for name, value in world.issue().jira_details.items() if name != "exemption_told"}
        intent = {"news": "exemption ends", "occurrence": 1, "digest": kept["digest"], "since": "2026-11-27T03:00:00Z"}
        world.table.update(world.issue(), {"jira_details": {**kept, "intent": intent}})
        assert world.report().notified == {"exemption ends": 1}
        assert world.jira.tickets["SEC-1"].comments == comments
        assert world.issue().jira_details["exemption_told"] == "2026-12-10, 14 days"


def test_the_console_and_a_dry_run_show_it() -> None:
    with reporting_world() as world:
        world.sections = {"jira": {"enabled": False}, "slack": {"enabled": False}}
        world.exemptions = [EXEMPTION]
        world.found(exempt=True)
        world.passes(days=5)
        for dry_run in (True, False):
            said: list[str] = []
            world.report(dry_run=dry_run, said=said)
            assert BEFORE in " ".join("".join(said).split())
        assert world.report().notified == {}

"""Decisions by labels of tickets: who set them, what the ticket said, what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from library.aws.conditional_writes import Items
from library.aws.decision_store import exemption_records
from library.aws.issue_table import IssueTable
from library.issues.decision_rules import exempt_until
from library.issues.issue import Status
from library.issues.times import format_time
from reporting.run import Reporter
from tests.standins.jira import Ticket
from tests.standins.server import Answer, Fault, Request
from tests.worlds.reporting_world import MAIN, RDP, SSH, START, World, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")

ANA = "5b10a2844c20165700ede21g"
SEC = "5b10ac8d82e05b22cc7d4ef5"
AT = "2026-11-22T03:30:00.000+0000"
PERSON = {"author": {"accountId": ANA, "accountType": "atlassian", "displayName": "Ana Lima", "active": True}}


@pytest.fixture(params=[True, False], ids=["Cloud", "Data Center"])
def here(request: pytest.FixtureRequest) -> Iterator[World]:
    with reporting_world(cloud=request.param) as world:
        world.sections["jira"] = {"decisions": True, "decision_accounts": [ANA, "ana"]}
        world.sections["decisions"] = {"enabled": True}
        world.found()
        world.report()
        world.passes(hours=1)
        yield world


def person(here: World, **other: Any) -> dict[str, Any]:
    """The history's entry of a person who may decide."""
    author = PERSON["author"] if here.jira.cloud else {"name": "ana", "key": "JIRAUSER1", "active": True}
    return {"author": {**author, **other}}


def ticket(here: World) -> Ticket:
    return here.jira.tickets["SEC-1"]


def results(here: World) -> list[tuple[str, str]]:
    return [(str(this.kind), this.result) for this in here.issue().decided.decisions]


def test_close_now_is_decided_answered_and_taken_off(here: World) -> None:
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    (decision,) = here.issue().decided.decisions
    assert (decision.by, str(decision.via), decision.at.isoformat()) == (
        ANA if here.jira.cloud else "ana",
        "jira",
        "2026-11-22T03:30:00+00:00",
    )
    assert decision.is_done
    assert here.issue().decided.close_now is not None
    assert "hammer-close-now" not in ticket(here).labels
    (answer,) = [comment for comment in ticket(here).comments if "(in JIRA, 2026-11-22 03:30 UTC)" in comment]
    assert "decided that remediation closes it at its next run" in answer
    here.report()
    assert len(here.issue().decided.decisions) == 1


def test_an_exemption_has_the_authors_newest_comment_as_its_reason(here: World) -> None:
    author = person(here)["author"]
    ticket(here).show_text(author, "an old comment of mine", "2026-11-22T03:10:00.000+0000")
    ticket(here).show_text(author, "migration until Friday " + "x" * 600, "2026-11-22T03:20:00.000+0000")
    ticket(here).show_text({"accountId": SEC, "name": "sec"}, "somebody else's words", "2026-11-22T03:25:00.000+0000")
    ticket(here).label("hammer-exempt-3d", AT, **person(here))
    here.report()
    (record,) = exemption_records(here.table.items, MAIN)
    assert record.until.isoformat() == "2026-11-25"
    assert record.reason == ("migration until Friday " + "x" * 600)[:500]
    assert "hammer-exempt-3d" not in ticket(here).labels


@pytest.mark.parametrize(
    ("label", "comment", "said"),
    [
        ("hammer-exempt-3d", "", "comment on the ticket why"),
        ("hammer-exempt-3d", "short", "comment on the ticket why"),
        ("hammer-exempt-8d", "migration until Friday", "The exemption ends tomorrow"),
        ("hammer-exempt-0d", "migration until Friday", "The exemption ends tomorrow"),
        ("hammer-exempt-99999d", "migration until Friday", "The exemption ends tomorrow"),
        ("hammer-exempt-1000000000000d", "migration until Friday", "The exemption ends tomorrow"),
    ],
)
def test_wrong_fields_are_a_refused_decision(here: World, label: str, comment: str, said: str) -> None:
    if comment:
        ticket(here).show_text(person(here)["author"], comment, AT)
    ticket(here).label(label, AT, **person(here))
    here.report()
    ((kind, result),) = results(here)
    assert (kind, said in result) == ("exempt", True)
    assert label not in ticket(here).labels
    assert [text for text in ticket(here).comments if "It was refused" in text] != []
    assert list(exemption_records(here.table.items, MAIN)) == []


@pytest.mark.parametrize(
    ("comment", "assigned"),
    [
        ("Security Team", True),
        ("[~accountid:5b10ac8d82e05b22cc7d4ef5]", True),
        ("not mine, ask somebody else", False),
        ("# the network team\n# else the security team", False),
    ],
    ids=["by name", "a mention", "a sentence", "a numbered list"],
)
def test_not_mine_goes_to_whom_the_comment_names_else_to_ticket_owners(
    here: World, comment: str, assigned: bool
) -> None:
    if not here.jira.cloud:
        comment = comment.replace("accountid:5b10ac8d82e05b22cc7d4ef5", "sec")
    here.ticket_owners["jira_owner"] = "Ana Lima"
    ticket(here).show_text(person(here)["author"], comment, AT)
    ticket(here).label("hammer-not-mine", AT, **person(here))
    here.report()
    assert results(here) == [("not-mine", "done")]
    wanted = (SEC if here.jira.cloud else "sec") if assigned else (ANA if here.jira.cloud else "ana")
    assert ticket(here).fields["assignee"] == {("accountId" if here.jira.cloud else "name"): wanted}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"author": {"accountId": ANA, "name": "ana", "accountType": "app"}}, "apps and customers"),
        ({"author": {"accountId": ANA, "name": "ana", "accountType": "customer"}}, "apps and customers"),
        ({"author": {"accountId": ANA, "name": "ana"}, "historyMetadata": {"type": "automation"}}, "automations"),
        ({"author": {"accountId": ANA, "name": "ana", "active": False}}, "deactivated"),
        ({"author": {"accountId": "else", "name": "else"}}, "jira.decision_accounts"),
        ({"author": {"accountId": "else", "name": "else", "displayName": "ana"}}, "jira.decision_accounts"),
        ({"author": None}, "does not say who"),
        ({}, "does not say who"),
    ],
    ids=["app", "customer", "automation", "left", "stranger", "by display name", "no author", "nothing"],
)
def test_only_people_who_are_named_decide(here: World, entry: dict[str, Any], said: str) -> None:
    ticket(here).label("hammer-close-now", AT, **entry)
    here.report()
    ((_, result),) = results(here)
    assert said in result
    assert here.issue().decided.close_now is None
    assert "hammer-close-now" not in ticket(here).labels


def test_a_label_without_history_is_nobodys(here: World) -> None:
    ticket(here).fields["labels"].append("hammer-close-now")
    here.report()
    assert "does not say who set the label" in results(here)[0][1]


def test_the_assignee_may_decide_where_that_is_said(here: World) -> None:
    here.sections["jira"] = {"decisions": True, "decision_accounts": ["assignee"]}
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    ids = {"accountId": ANA} if here.jira.cloud else {"name": "ana"}
    ticket(here).fields["assignee"] = ids
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    assert [result == "done" for _, result in results(here)] == [False, True]


@pytest.mark.parametrize("listed", ["assignee", "ana"])
def test_who_was_renamed_does_not_decide_as_the_next_of_that_name(listed: str) -> None:
    """In Data Center a key stays as the first name was: here that of the person who is called `ana` now."""
    with reporting_world(cloud=False) as here:
        here.sections["jira"] = {"decisions": True, "decision_accounts": [listed]}
        here.sections["decisions"] = {"enabled": True}
        here.found()
        here.report()
        here.passes(hours=1)
        ticket(here).fields["assignee"] = {"name": "ana", "key": "JIRAUSER1"}
        ticket(here).label("hammer-close-now", AT, author={"name": "robert", "key": "ana", "active": True})
        here.report()
        assert "jira.decision_accounts" in results(here)[0][1]
        assert [decision.by for decision in here.issue().decided.decisions] == ["robert"]
        ticket(here).label("hammer-close-now", AT, author={"name": "ana", "key": "JIRAUSER1", "active": True})
        here.report()
        assert results(here)[1] == ("close-now", "done")


def test_a_comment_of_who_was_renamed_is_no_reason_of_the_next_of_that_name() -> None:
    with reporting_world(cloud=False) as here:
        here.sections["jira"] = {"decisions": True, "decision_accounts": ["ana"]}
        here.sections["decisions"] = {"enabled": True}
        here.found()
        here.report()
        here.passes(hours=1)
        ticket(here).show_text({"name": "robert", "key": "ana"}, "migration until Friday", AT)
        ticket(here).label("hammer-exempt-3d", AT, author={"name": "ana", "key": "JIRAUSER1", "active": True})
        here.report()
        assert "comment on the ticket why" in results(here)[0][1]


def test_what_the_ticket_did_not_say_yet_is_refused(here: World) -> None:
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.found("sg-1", SSH, RDP)
    here.report()
    assert "exposes something else by now" in results(here)[0][1]
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    assert results(here)[1] == ("close-now", "done")


@pytest.mark.parametrize("dies", [False, True], ids=["", "the run dies after its comment"])
@pytest.mark.parametrize("again", [False, True], ids=["changed", "found again"])
def test_a_label_that_was_set_before_the_ticket_said_it_is_refused(
    here: World, monkeypatch: pytest.MonkeyPatch, *, again: bool, dies: bool
) -> None:
    """A run reads the labels first, and writes into its tickets up to minutes later: people go on meanwhile."""
    if again:
        here.fixed()
        here.report()
    here.found("sg-1", SSH, RDP)
    ticket(here).show_text(person(here)["author"], "migration until Friday", AT)
    written = here.jira.answer
    before = len(ticket(here).comments)

    def answer(request: Request) -> Answer:
        found = written(request)
        if (request.method, request.path.rpartition("/")[2]) == ("POST", "comment") and found.status == 201:
            if not any("exempt" in label for label in ticket(here).labels):
                ticket(here).label("hammer-exempt-3d", AT, **person(here))
            ticket(here).written[len(ticket(here).comments) - 1] = {"created": "2026-11-22T03:30:01.000+0000"}
        return found

    monkeypatch.setattr(here.jira, "answer", answer)
    if dies:
        monkeypatch.setattr(Reporter, "_record", lambda *_, **__: False)
    here.report()
    monkeypatch.undo()
    if dies:
        ticket(here).fields["labels"].remove("hammer-exempt-3d")
        here.report()
        ticket(here).fields["labels"].append("hammer-exempt-3d")
    assert len(ticket(here).comments) == before + 1
    here.report()
    ((kind, result),) = results(here)
    assert (kind, result.split(": ")[1]) == ("exempt", "the group exposes something else by now")
    assert list(exemption_records(here.table.items, MAIN)) == []
    ticket(here).label("hammer-exempt-3d", "2026-11-22T03:30:02.000+0000", **person(here))
    here.report()
    assert results(here)[1] == ("exempt", "done")


def test_a_comment_of_something_else_does_not_refuse_a_label(here: World) -> None:
    """What is open is as the ticket said before."""
    here.found("sg-1", SSH, RDP)
    here.report()
    ticket(here).written[0] = {"created": "2026-11-22T03:20:00.000+0000"}
    ticket(here).label("hammer-close-now", AT, **person(here))
    ticket(here).show_text({"accountId": SEC, "name": "sec"}, "what is this?", "2026-11-22T03:40:00.000+0000")
    here.report()
    assert results(here) == [("close-now", "done")]


def test_a_label_on_an_issue_that_is_over_is_refused_answered_and_taken_off(here: World) -> None:
    """The group was fixed after the label was set, and before the reporting run read it."""
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.fixed()
    here.report()
    ((kind, result),) = results(here)
    assert (kind, "the issue is over" in result) == ("close-now", True)
    assert "hammer-close-now" not in ticket(here).labels
    assert [text for text in ticket(here).comments if "It was refused: the issue is over" in text] != []
    assert str(here.issue().status) == "closed"


def test_the_ticket_is_not_written_to_while_its_labels_cannot_be_read(here: World) -> None:
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.found("sg-1", SSH, RDP)
    here.jira.faults.append(Fault("GET issue/SEC-1", Answer({}, 503), times=5))
    summary = here.report()
    assert any("the labels of SEC-1 could not be read" in problem for problem in summary.problems)
    assert ticket(here).comments == []
    assert results(here) == []


def test_not_mine_is_answered_where_jira_does_not_let_its_users_be_looked_up(here: World) -> None:
    """Its login may lack the permission to browse users: that is no reason to wait for the next run, for ever."""
    here.ticket_owners["jira_owner"] = "Security Team"
    denied = Answer({"errorMessages": ["You are not allowed to browse users."], "errors": {}}, 403)
    for search in ("user/assignable/search", "user/search"):
        here.jira.faults.append(Fault(f"GET {search}", denied, times=99))
    ticket(here).show_text(person(here)["author"], "Security Team", "2026-11-22T03:20:00.000+0000")
    ticket(here).label("hammer-not-mine", AT, **person(here))
    here.report()
    assert results(here) == [("not-mine", "done")]
    assert "hammer-not-mine" not in ticket(here).labels
    assert any("(in JIRA, 2026-11-22 03:30 UTC)" in comment for comment in ticket(here).comments)
    here.passes(hours=1)
    assert here.report().problems == []


def test_a_label_that_a_dead_run_left_is_taken_off_and_decides_nothing_more(here: World) -> None:
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.jira.faults.append(Fault("PUT issue/SEC-1", Answer({}, 503), times=2))
    here.report()
    assert "hammer-close-now" in ticket(here).labels
    here.passes(hours=1)
    here.report()
    assert "hammer-close-now" not in ticket(here).labels
    assert results(here) == [("close-now", "done")]
    assert len([text for text in ticket(here).comments if "in JIRA" in text]) == 1


def test_a_label_that_stands_there_after_its_answer_is_taken_off(here: World) -> None:
    """JIRA lost its removal, or too much was to be told before it."""
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    ticket(here).fields["labels"].append("hammer-close-now")
    here.passes(hours=1)
    here.report()
    assert "hammer-close-now" not in ticket(here).labels
    assert results(here) == [("close-now", "done")]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("first", [True, False], ids=["set before the rest", "set after the rest"])
def test_a_long_history_is_read_to_its_end(here: World, *, newest_first: bool, first: bool) -> None:
    here.jira.newest_first = newest_first
    if first:
        ticket(here).label("hammer-close-now", AT, **person(here))
    for number in range(150):
        ticket(here).label(f"other-{number}", "2026-11-22T03:15:00.000+0000", author={"accountId": "x", "name": "x"})
    if not first:
        ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    assert results(here) == [("close-now", "done")]


@pytest.mark.parametrize("days", [1, 8])
def test_a_label_on_the_ticket_of_a_closed_issue_is_answered_for_some_days(here: World, days: int) -> None:
    here.fixed()
    here.report()
    assert ticket(here).status == "Done"
    here.passes(days=days)
    before = len(ticket(here).comments)
    ticket(here).label("hammer-close-now", AT, **person(here))
    assert here.report().problems == []
    said = ticket(here).comments[before:]
    assert len(said) == (1 if days == 1 else 0)
    assert ("hammer-close-now" in ticket(here).labels) is (days == 8)
    assert ticket(here).status == "Done"
    if said:
        assert "It was refused: " in said[0]
        here.passes(hours=1)
        assert here.report().problems == []
        assert len(ticket(here).comments) == before + 1


@pytest.mark.parametrize("faults", [0, 100], ids=["at once", "by the next run"])
def test_the_webhook_hears_of_a_refused_decision_about_a_closed_issue(here: World, faults: int) -> None:
    with here.webhook.running():
        here.sections["webhook"] = {"url": f"{here.webhook.url}/hook"}
        here.fixed()
        here.report()
        here.passes(days=1)
        ticket(here).label("hammer-close-now", AT, **person(here))
        if faults:
            here.webhook.faults.append(Fault("POST /", Answer(status=503), times=faults))
            assert any("the event decided was not sent" in problem for problem in here.report().problems)
            here.webhook.faults.clear()
        for _ in range(2):
            assert here.report().problems == []
        (result,) = [event["decision"]["result"] for event in here.webhook.events if event["type"] == "decided"]
    assert result.startswith("refused: ")
    assert here.issue().decided.outbox == ()


def closed_tickets(here: World) -> list[dict[str, Any]]:
    """The records of tickets of closed issues."""
    condition = "account_id = :account AND begins_with(issue_id, :prefix)"
    return list(here.table.items.query(condition, {":account": MAIN, ":prefix": "closed-ticket#"}))


def test_closed_issues_are_not_read_for_their_labels(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are ever more of them: only those that were closed lately are read, each by its key."""
    here.found("sg-2")
    here.report()
    here.fixed("sg-2")
    here.report()
    here.passes(days=6)
    here.fixed()
    here.report()
    here.passes(days=2)
    ticket(here).label("hammer-close-now", AT, **person(here))

    def refuse(_: object, account_id: str, status: Status) -> Any:
        raise AssertionError(f"all {status} issues of {account_id} are read")

    read: list[str] = []
    get_many = Items.get_many

    def get_and_note(items: Items, account_id: str, item_ids: Iterable[str]) -> Iterator[Any]:
        wanted = list(item_ids)
        read.extend(wanted)
        return get_many(items, account_id, wanted)

    monkeypatch.setattr(IssueTable, "items_with_status", refuse)
    monkeypatch.setattr(Items, "get_many", get_and_note)
    assert here.report().problems == []
    assert [kind for kind, _ in results(here)] == ["close-now"]
    assert set(read) == {"sg-1"}


def test_the_ticket_of_a_closed_issue_is_kept_with_its_end(here: World) -> None:
    here.fixed()
    here.report()
    (record,) = closed_tickets(here)
    end = here.clock + timedelta(days=7)
    assert record == {
        "account_id": MAIN,
        "issue_id": "closed-ticket#sg-1",
        "ticket": "SEC-1",
        "expires_at": int(end.timestamp()),
    }


@pytest.mark.parametrize("section", ["jira", "decisions"])
def test_no_ticket_of_a_closed_issue_is_kept_where_labels_mean_nothing(here: World, section: str) -> None:
    here.sections[section] = {}
    here.fixed()
    here.report()
    assert str(here.issue().status) == "closed"
    assert closed_tickets(here) == []


def test_a_ticket_that_is_kept_though_its_issue_is_open_changes_nothing(here: World) -> None:
    """The run died before it closed the issue, which was found again since. Or somebody else wrote the record."""
    end = int((here.clock + timedelta(days=7)).timestamp())
    for group_id, expires in (("sg-1", end), ("sg-gone", end), ("sg-2", "later"), ("sg-3", None)):
        here.table.items.update(MAIN, f"closed-ticket#{group_id}", {"ticket": "SEC-1", "expires_at": expires})
    ticket(here).label("hammer-close-now", AT, **person(here))
    assert here.report().problems == []
    assert results(here) == [("close-now", "done")]
    assert [text for text in ticket(here).comments if "It was refused" in text] == []


def test_an_open_issue_was_closed_long_ago_for_all_that_its_times_say(here: World) -> None:
    """Other tooling may leave `closed` in an issue that was found again."""
    closed = format_time(here.clock - timedelta(days=30))
    here.table.update(here.issue(), {"timestamps.closed": closed})
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    assert results(here) == [("close-now", "done")]


@pytest.mark.parametrize("over", ["sg-1", "sg-2"])
@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "resolved"])
def test_the_label_of_a_ticket_for_two_groups_is_about_the_one_that_is_exposed(
    here: World, over: str, *, is_closed: bool
) -> None:
    """Other tooling filed one ticket for both."""
    here.found("sg-2")
    here.report()
    here.table.update(here.issue("sg-2"), {"jira_details": here.issue().jira_details})
    here.fixed(over)
    if is_closed:
        here.report()
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    decided = [(name, [each.result for each in here.issue(name).decided.decisions]) for name in ("sg-1", "sg-2")]
    assert {name: found for name, found in decided if found} == {({"sg-1", "sg-2"} - {over}).pop(): ["done"]}


def test_of_many_tickets_the_labels_are_searched_for(here: World) -> None:
    for number in range(2, 60):
        here.found(f"sg-{number}")
    here.report()
    here.passes(hours=1)
    here.jira.tickets["SEC-40"].label("hammer-close-now", AT, **person(here))
    before = len(here.jira.requests)
    here.report()
    asked = [request.path for request in here.jira.requests[before:] if request.method == "GET"]
    assert len([path for path in asked if "/issue/SEC-" in path and "comment" not in path]) == 1
    done = [name for name in here.groups if here.issue(name).decided.decisions]
    assert len(done) == 1


def test_of_many_tickets_one_that_was_moved_is_read_under_its_old_key(here: World) -> None:
    """JIRA finds a moved ticket by its old key, and answers with the new one."""
    for number in range(2, 60):
        here.found(f"sg-{number}")
    here.report()
    here.passes(hours=1)
    moved = here.jira.tickets.pop("SEC-40")
    here.jira.tickets["OPS-1"] = moved
    moved.key, here.jira.moved = "OPS-1", {"SEC-40": "OPS-1"}
    moved.label("hammer-close-now", AT, **person(here))
    here.report()
    assert len([name for name in here.groups if here.issue(name).decided.decisions]) == 1
    assert "hammer-close-now" not in moved.labels


def test_a_label_that_stays_decides_once_though_its_ticket_is_moved(here: World) -> None:
    ticket(here).label("hammer-close-now", AT, **person(here))
    locked = Answer({"errors": {"labels": "Field 'labels' cannot be set."}}, 400)
    here.jira.faults.append(Fault("PUT issue/", locked, times=99))
    here.report()
    moved = here.jira.tickets["OPS-9"] = here.jira.tickets.pop("SEC-1")
    moved.key, here.jira.moved["SEC-1"] = "OPS-9", "OPS-9"
    here.found("sg-1", SSH, RDP)
    for _ in range(2):
        here.passes(hours=1)
        here.report()
    assert here.issue().jira_details["ticket"] == "OPS-9"
    assert "hammer-close-now" in moved.labels
    assert results(here) == [("close-now", "done")]


@pytest.mark.parametrize("section", ["jira", "decisions"])
def test_labels_mean_nothing_where_decisions_are_off(here: World, section: str) -> None:
    here.sections[section] = {}
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    assert results(here) == []
    assert "hammer-close-now" in ticket(here).labels


def test_a_second_exemption_needs_somebody_else_here_too(here: World) -> None:
    author = person(here)["author"]
    ticket(here).show_text(author, "migration until Friday", AT)
    for _ in range(2):
        ticket(here).label("hammer-exempt-3d", AT, **person(here))
        here.report()
    here.sections["decisions"] = {"enabled": True, "allow_extend": [SEC, "sec"]}
    other = {"accountId": SEC, "accountType": "atlassian"} if here.jira.cloud else {"name": "sec"}
    ticket(here).show_text(other, "it takes longer than we thought", AT)
    here.clock += timedelta(days=1)
    ticket(here).label("hammer-exempt-5d", AT, author=other)
    here.report()
    assert [result == "done" for _, result in results(here)] == [True, False, True]


def test_the_newest_comment_is_the_newest_on_the_day_on_which_summer_time_ends(here: World) -> None:
    """Data Center writes times with its server's offset."""
    author = person(here)["author"]
    ticket(here).show_text(author, "an old comment of mine", "2026-10-25T02:40:00.000+0200")
    ticket(here).show_text(author, "migration until Friday", "2026-10-25T02:20:00.000+0100")
    ticket(here).label("hammer-exempt-3d", AT, **person(here))
    here.report()
    (record,) = exemption_records(here.table.items, MAIN)
    assert record.reason == "migration until Friday"


def test_slack_is_told_while_the_labels_of_a_ticket_cannot_be_read(here: World) -> None:
    """Its ticket is not written to: nobody would know what the person saw who set a label."""
    here.found("sg-1", SSH, RDP)
    here.jira.faults.append(Fault("GET /issue/SEC-1", Answer("<html>", 502), times=999))
    assert len(here.report().problems) == 1
    assert "tcp/3389" in here.slack.messages[-1].shown
    assert ticket(here).comments == []
    here.report()
    notified = len(here.slack.messages)
    here.jira.faults.clear()
    here.passes(hours=1)
    assert here.report().problems == []
    assert len(ticket(here).comments) == 1
    assert len(here.slack.messages) == notified


def test_slack_is_told_that_an_issue_is_over_while_labels_cannot_be_read_and_it_is_closed_with_its_ticket(
    here: World,
) -> None:
    here.fixed("sg-1")
    here.jira.faults.append(Fault("GET /issue/SEC-1", Answer("<html>", 502), times=999))
    here.report()
    assert "*No longer exposed*" in here.slack.messages[-1].shown
    assert here.issue().status is Status.RESOLVED
    here.jira.faults.clear()
    here.report()
    assert here.issue().status is Status.CLOSED
    assert ticket(here).status == "Done"


def test_a_label_that_jira_does_not_let_go_is_named_once_and_decides_once(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The screen for edits lacks the labels."""
    ticket(here).label("hammer-close-now", AT, **person(here))
    refused = Answer({"errors": {"labels": "Field 'labels' cannot be set."}}, 400)
    here.jira.faults.append(Fault("PUT /issue/SEC-1", refused, times=999))
    assert here.report().problems == []
    said = [record.message for record in caplog.records if "keeps the label" in record.message]
    assert said == ["SEC-1 keeps the label hammer-close-now: JIRA answered 400: Field 'labels' cannot be set."]
    assert len(ticket(here).comments) == 1
    here.found("sg-1", SSH, RDP)
    for _ in range(2):
        assert here.report().problems == []
    assert len(ticket(here).comments) == 2
    here.fixed("sg-1")
    for _ in range(2):
        assert here.report().problems == []
    assert (here.issue().status, ticket(here).status) == (Status.CLOSED, "Done")
    assert results(here) == [("close-now", "done")]


def test_a_decision_that_the_ticket_of_a_closed_issue_does_not_take_is_named_once(here: World) -> None:
    ticket(here).label("hammer-close-now", AT, **person(here))
    refused = Answer({"errorMessages": ["no right"], "errors": {}}, 403)
    here.jira.faults.append(Fault("POST /comment", refused, times=999))
    assert len(here.report().problems) == 1
    here.fixed("sg-1")
    here.report()
    assert here.issue().status is Status.CLOSED
    here.report()
    assert here.report().problems == []


@pytest.mark.parametrize("ahead", [-3, 3], ids=["behind", "ahead"])
def test_comment_and_label_are_compared_by_the_clock_of_jira(here: World, ahead: int) -> None:
    """JIRA's clock is hours off. The label was set after the comment."""
    here.found("sg-1", SSH, RDP)
    here.report()
    times = [(here.clock + timedelta(hours=ahead, minutes=minutes)).isoformat() for minutes in (0, 10)]
    ticket(here).written[0] = {"created": times[0]}
    ticket(here).label("hammer-close-now", times[1], **person(here))
    here.passes(minutes=20)
    now = here.clock
    here.report()
    assert results(here) == [("close-now", "done")]
    assert here.issue().decided.decisions[0].at <= now


def test_an_exemption_counts_from_when_it_was_carried_out(here: World) -> None:
    """A look at the group came between the label and the run: it knew of no exemption."""
    ticket(here).show_text(person(here)["author"], "migration until Friday", AT)
    ticket(here).label("hammer-exempt-3d", AT, **person(here))
    here.table.record_seen(here.issue(), START + timedelta(minutes=45))
    here.report()
    assert results(here) == [("exempt", "done")]
    exempted = exempt_until(here.issue(), here.clock.date())
    assert exempted is not None
    assert str(exempted.until) == "2026-11-25"


def test_what_hammer_wrote_itself_is_no_reason(here: World) -> None:
    """The login of JIRA is that of a person, who decides, too."""
    author = person(here)["author"]
    ticket(here).show_text(author, "migration until Friday", "2026-11-22T03:10:00.000+0000")
    here.found("sg-1", SSH, RDP)
    here.report()
    ticket(here).written[1] = {"author": author, "created": "2026-11-22T03:20:00.000+0000"}
    ticket(here).label("hammer-exempt-3d", AT, **person(here))
    here.report()
    (record,) = exemption_records(here.table.items, MAIN)
    assert record.reason == "migration until Friday"


@pytest.mark.parametrize("by_author", [True, False])
def test_a_comment_that_somebody_else_edited_is_not_the_authors(here: World, *, by_author: bool) -> None:
    author = person(here)["author"]
    ticket(here).show_text(author, "migration until Friday", AT)
    ticket(here).written[0]["updateAuthor"] = author if by_author else {"accountId": SEC, "name": "sec"}
    ticket(here).label("hammer-exempt-3d", AT, **person(here))
    here.report()
    assert [result == "done" for _, result in results(here)] == [by_author]


def test_a_label_without_history_that_jira_does_not_let_go_is_answered_once_a_day(here: World) -> None:
    ticket(here).fields["labels"].append("hammer-close-now")
    refused = Answer({"errors": {"labels": "Field 'labels' cannot be set."}}, 400)
    here.jira.faults.append(Fault("PUT /issue/SEC-1", refused, times=999))
    for _ in range(5):
        here.report()
        here.passes(hours=1)
    assert len(results(here)) == len(ticket(here).comments) == 1


@pytest.mark.parametrize("label_first", [True, False], ids=["after the label", "before the label"])
def test_what_a_dead_run_told_before_a_label_may_be_what_the_person_saw(
    here: World, monkeypatch: pytest.MonkeyPatch, *, label_first: bool
) -> None:
    """The run told of a second port, and died. The port is closed again when the next run reads the label."""
    here.found("sg-1", SSH, RDP)
    with monkeypatch.context() as patched:
        patched.setattr(Reporter, "_record", lambda *_, **__: False)
        here.report()
    assert len(ticket(here).comments) == 1
    ticket(here).written[0] = {"created": f"2026-11-22T03:{40 if label_first else 20}:00.000+0000"}
    here.found("sg-1", SSH)
    ticket(here).label("hammer-close-now", AT, **person(here))
    here.report()
    assert [result == "done" for _, result in results(here)] == [label_first]


def test_a_decision_whose_reason_jira_refuses_is_told_in_plain_text(here: World) -> None:
    """JIRA shows a character that it does not take in a comment."""
    ticket(here).show_text(person(here)["author"], "migration until Friday \U0001f525", AT)
    here.jira.refuses = {"\U0001f525": Answer({"errorMessages": ["Incorrect string value"]}, 400)}
    ticket(here).label("hammer-exempt-3d", AT, **person(here))
    assert here.report().problems == []
    (answer,) = [comment for comment in ticket(here).comments if "exempted what is open" in comment]
    assert "Reason: migration until Friday ?" in answer

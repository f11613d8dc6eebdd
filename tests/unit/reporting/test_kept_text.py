"""What a person kept open is named in every text, with who said so, and is not said to be replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hammer.formats import Format, render
from hammer.listing.issue import default_context, listed_issue
from library.documents.document import plain_text
from library.issues.decision_record import KeptSource
from library.issues.issue import Issue, Status
from library.issues.schedule import kept_open
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers
from reporting.group_text import alert, changed, ticket
from reporting.remediation_text import kept_text, replaced_line
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.issues import DETAILS, SSH, an_issue
from tests.builders.listings import a_listing

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OFFICE = Exposure("tcp", 22, 22, "9.9.9.7/32", "open_partly")
KEPT = KeptSource("tcp", 22, 22, "9.9.9.7/32", "ana <b>", NOW - timedelta(days=9))
WORD = "tcp/22 from 9.9.9.7/32 stays open, kept by ana <b> since 2026-11-15 00:00 UTC"
FACTS = TicketFacts(
    Location("shop", "210987654321", "eu-west-1"),
    PortSet.parse([22]),
    GroupUsers(),
    NOW + timedelta(days=21),
    "replace_rule",
    frozenset({"open_completely", "open_partly"}),
    21,
    "",
)


def issue(*perms: Exposure, **more: Any) -> Issue:
    made = an_issue(details=replace(DETAILS, perms=perms), **more)
    return replace(made, remediation_details={"kept": [KEPT.to_item(made.occurrence)]})


def test_the_top_of_a_ticket_says_what_stays_open_and_by_whose_word() -> None:
    top, _, rest = plain_text(ticket(issue(OFFICE, SSH), FACTS)).partition("\nWhat to do, in detail\n")
    assert f"\n{WORD}: Hammer leaves it until a person decides to close it.\n" in top
    assert (
        "Hammer will replace only the rules that nobody chose to keep, SSH (tcp/22) from the whole Internet, soon"
        in top
    )
    assert "The other rules stay open: SSH (tcp/22) from 9.9.9.7." in top
    assert "Hammer will replace those of the rules above that nobody chose to keep, each of them whole" in rest


def test_where_all_is_kept_no_date_is_given() -> None:
    text = plain_text(ticket(issue(OFFICE), replace(FACTS, closes_at=None)))
    assert "By when: There is no date: Hammer will not change the group by itself.\n\n" + WORD in text


def test_messages_and_comments_say_so_too() -> None:
    given = issue(OFFICE, SSH)
    for is_reminder in (False, True):
        said = alert(given, FACTS, is_reminder=is_reminder, has_ticket=True)
        assert any(WORD.replace("<b>", "&lt;b&gt;") in line for line in said.details)
        assert "; the others stay open" in said.text
    assert WORD in plain_text(changed(given, None, (), again=False, scope=FACTS.scope))
    assert "nobody chose to keep" in replaced_line(given, FACTS.scope, "soon")


def test_the_report_says_it_at_the_rule() -> None:
    page = render(Format.HTML, a_listing(listed_issue(issue(OFFICE, SSH), default_context(NOW.date()))))
    assert "<td>open partly; kept by ana &lt;b&gt; since 2026-11-15 00:00 UTC, until a person decides</td>" in page
    assert "<td>open completely</td>" in page


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(replace(issue(OFFICE), occurrence=99), id="kept in an earlier occurrence"),
        pytest.param(issue(SSH), id="it is closed"),
        pytest.param(replace(issue(OFFICE), remediation_details={}), id="nobody kept anything"),
    ],
)
def test_nothing_is_said_where_nothing_is_kept(given: Issue) -> None:
    assert kept_open(given) == ()
    assert kept_text(given) == ""


def test_many_that_are_kept_are_counted() -> None:
    perms = [OFFICE._replace(cidr=f"9.9.9.{number}/32") for number in range(7)]
    items = [replace(KEPT, cidr=perm.cidr).to_item(1) for perm in perms]
    given = replace(issue(*perms), remediation_details={"kept": items}, occurrence=1)
    assert kept_text(given).endswith("; and 2 more: Hammer leaves it until a person decides to close it.")
    assert given.status is Status.OPEN

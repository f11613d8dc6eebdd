"""Where the numbers, bars and tickets of the report lead."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hammer.formats import Format, render
from hammer.formats.report.charts import charts
from hammer.formats.report.view import totals
from hammer.listing.issue import context_of, listed_issue
from tests.builders.config_files import config_with, parse
from tests.builders.issues import NOW, an_issue
from tests.builders.listings import a_listed_issue, a_listing, many_issues


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("https://jira.example.com/", "https://jira.example.com/browse/SEC-1%22%3E"),
        ("https://api.atlassian.com/ex/jira/1", ""),
        ("", ""),
    ],
)
def test_a_ticket_is_a_link(server: str, url: str) -> None:
    config = parse(config_with({"jira": {"server": server}}))
    issue = listed_issue(replace(an_issue(), jira_details={"ticket": 'SEC-1">'}), context_of(config, NOW.date()))
    assert issue.ticket_url == url
    page = render(Format.HTML, a_listing(issue))
    assert (f'<a href="{url}">SEC-1&#34;&gt;</a>' in page) is bool(url)
    assert 'SEC-1"' not in page
    assert "ticket_url" not in json.dumps(issue.to_json() if hasattr(issue, "to_json") else {}, default=str)


def test_a_number_of_nothing_leads_nowhere() -> None:
    page = render(Format.HTML, a_listing())
    links = page.partition('class="totals"')[2].partition("</ul>")[0].split("<a ")[1:]
    assert [link.partition(">")[0] for link in links] == ['href="#unread"']
    assert 'id="unread"' in page


def test_each_bar_of_a_filter_has_its_value() -> None:
    owners = [a_listed_issue(group_id=f"sg-{number}", owner=f"owner {number}") for number in range(12)]
    shown = {chart.id: chart for chart in charts([*owners, a_listed_issue(owner="")], NOW)}
    values: list[Any] = [bar.value for bar in shown["owner"].bars]
    assert values[0] == ""
    assert values[-1] is None
    assert all(isinstance(value, str) for value in values[:-1])
    assert {bar.value for bar in shown["severity"].bars if not bar.number} <= {None}


def test_exempt_groups_that_are_not_listed_have_no_link() -> None:
    listed = [total for total in totals(a_listing(*many_issues(20))) if total.label == "exempt"]
    unlisted = [total for total in totals(a_listing(a_listed_issue())) if total.label == "exempt"]
    assert [total.link for total in (*listed, *unlisted)] == ["#list", ""]

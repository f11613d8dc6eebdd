"""Rows of the issue table that are not as reporting left them: each is named, and the others are reported."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds.reporting_world import reporting_world

ODD: dict[str, dict[str, Any]] = {
    "jira_details": {"jira_details": "SEC-1"},
    "slack_details": {"slack_details": ["#hammer"]},
    "jira_details.ticket": {"jira_details": {"ticket": {"key": "SEC-1"}}},
    "jira_details.occurrence": {"jira_details": {"ticket": "SEC-1", "occurrence": "first"}},
    "jira_details.intent": {"jira_details": {"intent": "new"}},
    "jira_details.intent (since)": {"jira_details": {"intent": {"since": "yesterday"}}},
    "jira_details.told": {"jira_details": {"ticket": "SEC-1", "digest": "x", "told": [1, 2]}},
    "jira_details.still": {"jira_details": {"ticket": "SEC-1", "still": ["watch"]}},
    "slack_details.heard": {"slack_details": {"heard": "#hammer"}},
    "slack_details.heard (by)": {"slack_details": {"heard": {"by": 7}}},
    "slack_details.destinations": {"slack_details": {"destinations": "#hammer"}},
    "slack_details.reminded": {"slack_details": {"digest": "x", "reminded": "soon"}},
    "slack_details.occurrence": {"slack_details": {"digest": "x", "occurrence": []}},
    "status": {"status": "bogus"},
    "status (after those that are known)": {"status": "zzz"},
    "occurrence": {"occurrence": "many"},
    "timestamps": {"timestamps": {"identified": 7}},
    "remediation_details": {"remediation_details": True},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_row_is_named_and_the_others_are_reported(odd: dict[str, Any]) -> None:
    with reporting_world() as world:
        for group in ("sg-1", "sg-2", "sg-3"):
            world.found(group)
        item = world.issue("sg-2").to_item() | odd
        world.replace_row(item)
        summary = world.report()
        [problem] = summary.problems
        assert problem.startswith("sg-2 in 123456789012")
        assert "its item in the issue table is not as it should be" in problem
        assert summary.notified == {"new": 2}
        assert [world.issue(group).timestamps.reported for group in ("sg-1", "sg-3")] == [world.clock] * 2

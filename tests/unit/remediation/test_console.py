"""Whom a person at the terminal is told to own a group."""

from __future__ import annotations

from dataclasses import replace

import pytest

from library.config.models import Owners
from library.issues.decision_record import DecisionState
from library.issues.issue import Issue
from library.notifications.owners import Discovered
from remediation import console
from tests.builders.issues import an_issue

DECIDED = replace(an_issue(), decided=DecisionState(owner="bo\x1b@example.com", version=1))
TAGGED = Discovered("ana@example.com", "retail", "shop")
CONFIGURED = Owners(jira_owner="sec", slack_owner=("#sec", "sec"))


@pytest.mark.parametrize(
    ("issue", "found", "owners", "line"),
    [
        pytest.param(DECIDED, TAGGED, CONFIGURED, "bo\\x1b@example.com, whom a decision named", id="decision"),
        pytest.param(an_issue(), TAGGED, CONFIGURED, "ana@example.com, by the tags", id="tags"),
        pytest.param(an_issue(), Discovered(), CONFIGURED, "sec, #sec, by ticket_owners", id="configuration"),
        pytest.param(an_issue(), Discovered(), Owners(), "nobody is named", id="nobody"),
    ],
)
def test_the_owner_of_a_group(issue: Issue, found: Discovered, owners: Owners, line: str) -> None:
    assert console.owner(issue, found, owners) == f"  owner: {line}"

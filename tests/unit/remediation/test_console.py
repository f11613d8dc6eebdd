"""Whom a person at the terminal is told to own a group."""

from __future__ import annotations

import pytest

from library.config.models import Owners
from library.notifications.owners import IssueOwners
from remediation import console

CONFIGURED = Owners(jira_owner="sec", slack_owner=("#sec", "sec"))


@pytest.mark.parametrize(
    ("owners", "line"),
    [
        pytest.param(
            IssueOwners("bo\x1b@example.com", True, CONFIGURED),
            "bo\\x1b@example.com, whom a decision named",
            id="decision",
        ),
        pytest.param(IssueOwners("ana@example.com", False, CONFIGURED), "ana@example.com, by the tags", id="tags"),
        pytest.param(IssueOwners("", False, CONFIGURED), "sec, #sec, by ticket_owners", id="configuration"),
        pytest.param(IssueOwners("", False, Owners()), "nobody is named", id="nobody"),
    ],
)
def test_the_owner_of_a_group(owners: IssueOwners, line: str) -> None:
    assert console.owner(owners) == f"  owner: {line}"

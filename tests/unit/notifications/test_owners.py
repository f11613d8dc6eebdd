from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from hammer.listing.issue import context_of, listed_issue
from library.config.models import Configuration, Owners
from library.issues.decision_record import DecisionState
from library.notifications.broadcast import destinations_of
from library.notifications.owners import Discovered, IssueOwners, discover, owners_of_issue
from reporting.decision_inbox import deciding_owners
from tests.builders.config_files import config_with, parse
from tests.builders.issues import NOW, an_issue


@pytest.mark.parametrize(
    ("group", "users", "found"),
    [
        pytest.param({}, [], Discovered(), id="nobody says anything"),
        pytest.param({"owner": " ana ", "bu": "shop"}, [], Discovered("ana", "shop"), id="the group's own tags"),
        pytest.param({"Owner": "ana"}, [], Discovered("ana"), id="in another case"),
        pytest.param({"OWNER": "x", "owner": "ana"}, [], Discovered("ana"), id="the exact case counts first"),
        pytest.param({"owner": "ana"}, [{"owner": "bo"}] * 2, Discovered("ana"), id="before those who use it"),
        pytest.param({"owner": " "}, [{"owner": "bo"}], Discovered("bo"), id="a blank says nothing"),
        pytest.param(
            {}, [{"owner": "ana"}, {"owner": "bo"}, {}, {"owner": "bo"}], Discovered("bo"), id="the most frequent"
        ),
        pytest.param({}, [{"owner": "bo"}, {"owner": "ana"}], Discovered("ana"), id="of equals the first by name"),
        pytest.param(
            {"product": "cart"}, [{"bu": "shop"}], Discovered("", "shop", "cart"), id="each tag is looked for apart"
        ),
    ],
)
def test_owners_are_discovered(group: Mapping[str, str], users: Sequence[Mapping[str, str]], found: Discovered) -> None:
    assert discover(group, users, "owner", "bu", "product") == found


@pytest.mark.parametrize(
    ("configured", "discovered", "notifies_configured", "notified"),
    [
        (("#a", "bo"), "ana", True, ("ana", "#a", "bo")),
        (("#a", "bo"), "ana", False, ("ana",)),
        (("#a", "bo"), "", False, ("#a", "bo")),
        (("#a",), "#a", True, ("#a",)),
        ((), "", True, ("#default",)),
    ],
)
def test_where_slack_is_told(
    configured: tuple[str, ...], discovered: str, notifies_configured: bool, notified: tuple[str, ...]
) -> None:
    slack = {"enabled": True, "default_channel": "#default", "notify_default_owner": notifies_configured}
    owners = IssueOwners(discovered, False, Owners(slack_owner=configured))
    assert owners.destinations(parse(config_with({"slack": slack}))) == notified


def _config() -> Configuration:
    shops = {"shop": {"slack_owner": "#shop", "product": {"cart": {"slack_owner": "#cart"}}}}
    return parse(config_with(), ticket_owners={"slack_owner": "#security", "jira_owner": "sec", "bu": shops})


@pytest.mark.parametrize(
    ("decided", "tags", "shown", "notified"),
    [
        pytest.param(
            "bo", {"owner": "ana"}, "bo", ("bo", "#security"), id="whom a decision named comes before the tags"
        ),
        pytest.param("bo", {"bu": "shop", "product": "cart"}, "bo", ("bo", "#cart"), id="and leaves the business unit"),
        pytest.param("", {"owner": "ana", "bu": "shop"}, "ana", ("ana", "#shop"), id="tags"),
        pytest.param("", {}, "#security", ("#security",), id="ticket_owners"),
    ],
)
def test_every_place_names_the_same_owner(
    decided: str, tags: dict[str, str], shown: str, notified: tuple[str, ...]
) -> None:
    config, issue = _config(), an_issue()
    state = DecisionState(owner=decided, version=1) if decided else issue.decided
    issue = replace(issue, details=replace(issue.details, tags=tags), decided=state)
    owners = owners_of_issue(config, issue)
    assert listed_issue(issue, context_of(config, NOW.date())).owner == owners.shown == shown
    assert destinations_of(config, issue) == owners.destinations(config) == notified
    assert shown in deciding_owners(config, issue)


@pytest.mark.parametrize("stored", [True, 7, {"#a": 1}, "#a", [], None])
def test_destinations_that_somebody_else_wrote_count_as_none(stored: object) -> None:
    """A remediation run met one that is no list, and ended (seed 54191)."""
    config = parse(config_with({}))
    issue = an_issue(slack_details={"destinations": stored})
    assert destinations_of(config, issue) == destinations_of(config, an_issue(slack_details={}))
    assert destinations_of(config, an_issue(slack_details={"destinations": ["#a"]})) == ("#a",)

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from library.notifications.owners import Discovered, destinations, discover


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
    ("configured", "discovered", "tell_configured", "told"),
    [
        (("#a", "bo"), "ana", True, ("ana", "#a", "bo")),
        (("#a", "bo"), "ana", False, ("ana",)),
        (("#a", "bo"), "", False, ("#a", "bo")),
        (("#a",), "#a", True, ("#a",)),
        ((), "", True, ("#default",)),
    ],
)
def test_where_slack_is_told(
    configured: tuple[str, ...], discovered: str, tell_configured: bool, told: tuple[str, ...]
) -> None:
    assert destinations(configured, discovered, "#default", tell_configured=tell_configured) == told

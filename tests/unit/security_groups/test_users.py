"""What uses a group, as a map of the table and back."""

from __future__ import annotations

from typing import Any

import pytest

from library.security_groups.users import GroupUsers, User

WEB = User("instance", "i-1 (web)", ("203.0.113.7", "2a00::7"))
LB = User("load balancer", "shop")

MAPS: dict[str, tuple[GroupUsers, dict[str, Any]]] = {
    "nothing": (GroupUsers(), {"users": [], "more": 0, "tags": [], "unknown": ""}),
    "users": (
        GroupUsers((WEB, LB), more=3, tags=({"owner": "ana", "bu": "shop"}, {})),
        {
            "users": [
                {"kind": "instance", "name": "i-1 (web)", "public_addresses": ["203.0.113.7", "2a00::7"]},
                {"kind": "load balancer", "name": "shop", "public_addresses": []},
            ],
            "more": 3,
            "tags": [{"owner": "ana", "bu": "shop"}, {}],
            "unknown": "",
        },
    ),
    "not read": (GroupUsers(unknown="access denied"), {"users": [], "more": 0, "tags": [], "unknown": "access denied"}),
}


@pytest.mark.parametrize(("used_by", "item"), MAPS.values(), ids=MAPS)
def test_the_map_of_the_table_and_back(used_by: GroupUsers, item: dict[str, Any]) -> None:
    assert used_by.to_item() == item
    assert GroupUsers.from_item(item) == used_by


def test_what_the_table_gives_as_something_else_is_made_what_it_shall_be() -> None:
    item = {
        "users": [{"kind": 1, "name": 2, "public_addresses": [3]}],
        "more": "4",
        "tags": [{5: 6}],
        "unknown": 7,
    }
    assert GroupUsers.from_item(item) == GroupUsers((User("1", "2", ("3",)),), 4, ({"5": "6"},), "7")


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in MAPS["users"][1].items() if key != name}


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(None, id="none"),
        pytest.param([], id="a list"),
        pytest.param("users", id="a text"),
        pytest.param({}, id="an empty map"),
        *(pytest.param(_without(name), id=f"without {name}") for name in MAPS["users"][1]),
        pytest.param({**_without("users"), "users": [{"kind": "instance", "name": "i-1"}]}, id="a user without a part"),
        pytest.param({**_without("users"), "users": ["i-1"]}, id="a user that is a text"),
        pytest.param({**_without("users"), "users": 1}, id="users that are a number"),
        pytest.param({**_without("more"), "more": "many"}, id="more that is no number"),
        pytest.param({**_without("more"), "more": None}, id="more that is none"),
        pytest.param({**_without("tags"), "tags": ["owner"]}, id="tags that are texts"),
    ],
)
def test_a_map_that_is_none_counts_as_not_read(item: object) -> None:
    assert GroupUsers.from_item(item) is None

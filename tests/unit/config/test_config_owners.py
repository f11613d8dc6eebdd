"""Who owns the tickets: the file `ticket_owners`."""

from __future__ import annotations

from typing import Any

import pytest

from library.config import Owners
from tests.builders.config_files import parse

ACCOUNT = "123456789012"
FIELDS = ("jira_project", "jira_owner", "jira_parent_ticket")


def _level(name: str) -> dict[str, Any]:
    return {field: f"{name}-{field}" for field in FIELDS} | {"slack_owner": [f"#{name}"]}


def _owners(name: str) -> Owners:
    project, owner, parent = (f"{name}-{field}" for field in FIELDS)
    return Owners(project, owner, parent, (f"#{name}",))


EVERYTHING = _level("top") | {
    "account": {ACCOUNT: _level("account")},
    "bu": {"retail": _level("bu") | {"product": {"shop": _level("product")}}},
}


@pytest.mark.parametrize(
    ("account", "bu", "product", "expected"),
    [
        pytest.param(ACCOUNT, "retail", "shop", "product", id="product before bu"),
        pytest.param(ACCOUNT, "retail", "other", "bu", id="bu before account"),
        pytest.param(ACCOUNT, "retail", "", "bu", id="no product"),
        pytest.param(ACCOUNT, "other", "shop", "account", id="a product counts only in its bu"),
        pytest.param(ACCOUNT, "", "shop", "account", id="account before top"),
        pytest.param("210987654321", "", "", "top", id="another account"),
        pytest.param("210987654321", "retail", "shop", "product", id="product of whatever account"),
    ],
)
def test_the_most_specific_level_counts(account: str, bu: str, product: str, expected: str) -> None:
    assert parse(ticket_owners=EVERYTHING).ticket_owners.resolve(account, bu, product) == _owners(expected)


@pytest.mark.parametrize("empty", ["", "  ", None], ids=["empty", "blank", "absent"])
@pytest.mark.parametrize("field", FIELDS)
def test_each_field_on_its_own(field: str, empty: str | None) -> None:
    account = _level("account") | {field: empty}
    if empty is None:
        del account[field]
    owners = parse(ticket_owners=_level("top") | {"account": {ACCOUNT: account}}).ticket_owners.resolve(ACCOUNT)
    assert getattr(owners, field) == f"top-{field}"
    others = [name for name in FIELDS if name != field]
    assert [getattr(owners, name) for name in others] == [f"account-{name}" for name in others]
    assert owners.slack_owner == ("#account",)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("#a", ("#a",), id="a string"),
        pytest.param(["#a", "bob"], ("#a", "bob"), id="a list"),
        pytest.param("#a, bob", ("#a", "bob"), id="a comma-separated string"),
        pytest.param("", ("#top",), id="an empty string"),
        pytest.param([], ("#top",), id="an empty list"),
        pytest.param(["", " "], ("#top",), id="a list of empty strings"),
    ],
)
def test_slack_owner(written: object, expected: tuple[str, ...]) -> None:
    owners = {"slack_owner": "#top", "account": {ACCOUNT: {"slack_owner": written}}}
    assert parse(ticket_owners=owners).ticket_owners.resolve(ACCOUNT).slack_owner == expected


def test_nobody_has_said() -> None:
    assert parse().ticket_owners.resolve(ACCOUNT, "retail", "shop") == Owners()

"""Accounts by id or name, groups by their id alone, and formats by a file's ending."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hammer.formats import Format
from hammer.output import chosen_format
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.jobs.command_line import NotThereError, account_ids, accounts_named, location_of_group

KNOWN = {"123456789012": "main", "210987654321": "shop", "321098765432": "data", "432109876543": "data"}


class _Table:
    """One issue, in the account `shop`."""

    def get(self, account_id: str, group_id: str) -> Any:
        found = (account_id, group_id) == ("210987654321", "sg-1")
        return SimpleNamespace(details=SimpleNamespace(region="eu-west-1")) if found else None


TABLE = cast("IssueTable", _Table())


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        (None, []),
        (["shop"], ["210987654321"]),
        (["shop", "123456789012", "210987654321"], ["210987654321", "123456789012"]),
    ],
)
def test_an_account_is_named_by_id_or_name(asked: list[str] | None, ids: list[str]) -> None:
    assert accounts_named(asked, KNOWN) == account_ids(asked, KNOWN) == ids


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("shopp", "not among the accounts of the configuration: shopp"),
        ("data", "several accounts are named data: 321098765432, 432109876543"),
    ],
)
def test_an_account_that_is_not_there_or_not_one_is_refused(asked: str, reason: str) -> None:
    with pytest.raises(NotThereError, match=reason):
        accounts_named([asked], KNOWN)


def test_the_table_tells_where_a_group_is() -> None:
    assert location_of_group("sg-1", (), (), KNOWN, TABLE) == ("210987654321", "eu-west-1")
    assert location_of_group("sg-1", ["210987654321"], (), KNOWN, TABLE) == ("210987654321", "eu-west-1")
    assert location_of_group("sg-2", ["123456789012"], ["us-east-1"], KNOWN, TABLE) == ("123456789012", "us-east-1")
    for accounts, regions, named in ((["123456789012"], [], "123456789012"), ([], ["us-east-1"], "us-east-1")):
        with pytest.raises(NotThereError, match=f"of sg-1 in {named}: name its --account and --region, too"):
            location_of_group("sg-1", accounts, regions, KNOWN, TABLE)


def test_an_issue_that_cannot_be_read_is_named_where_it_was_to_tell_where_its_group_is() -> None:
    class _Unreadable(_Table):
        def get(self, account_id: str, group_id: str) -> Any:
            raise UnreadableIssueError({"account_id": account_id, "issue_id": group_id}, KeyError("status"))

    with pytest.raises(NotThereError) as refused:
        location_of_group("sg-1", ["210987654321"], (), KNOWN, cast("IssueTable", _Unreadable()))
    assert refused.value.message == (
        "sg-1 in 210987654321: its item in the issue table is not as it should be: 'status' is missing: "
        "name --account and --region"
    )


@pytest.mark.parametrize(
    ("asked", "output", "chosen"),
    [
        (None, None, Format.TABLE),
        (None, "report.html", Format.HTML),
        (None, "s3://bucket/a.CSV", Format.CSV),
        (None, "issues.txt", Format.TABLE),
        (Format.JSON, "report.html", Format.JSON),
    ],
)
def test_the_format_is_the_one_of_the_ending(asked: Format | None, output: str | None, chosen: Format) -> None:
    assert chosen_format(asked, output) is chosen

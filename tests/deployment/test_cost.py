"""The costs in the README are those that are worked out."""

from __future__ import annotations

from pathlib import Path

from deployment.cost import Estate, monthly, table

README = Path(__file__).parents[2] / "deployment" / "README.md"


def test_the_readme_shows_the_table() -> None:
    assert table() in README.read_text("utf-8")


def test_what_is_per_scan_grows_with_the_accounts_and_the_rest_does_not() -> None:
    ten, hundred = monthly(Estate(10)), monthly(Estate(100))
    for name in ("Lambda", "SNS", "DynamoDB", "Logs"):
        assert round(hundred[name] / ten[name], 6) == 10
    assert hundred["Host"] == ten["Host"]

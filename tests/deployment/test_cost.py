"""The costs in the README are those that are worked out."""

from __future__ import annotations

from pathlib import Path

from deployment.cost import BATCH, LOOK_WAIT, LOOKS_AT_ONCE, Estate, batch_seconds, immediate, monthly, table

README = Path(__file__).parents[2] / "deployment" / "README.md"


def test_the_readme_shows_the_table() -> None:
    text = README.read_text("utf-8")
    assert table() in text
    assert f"`immediate_remediation` adds {immediate():.2f}" in text


def test_what_is_per_scan_grows_with_the_accounts_and_the_rest_does_not() -> None:
    ten, hundred = monthly(Estate(10)), monthly(Estate(100))
    for name in ("DynamoDB", "Logs"):
        assert round(hundred[name] / ten[name], 6) == 10
    assert hundred["Host"] == ten["Host"]


def test_cold_starts_and_idle_polls_do_not_grow_once_all_batches_that_may_run_do() -> None:
    hundred, thousand = monthly(Estate(100)), monthly(Estate(1000))
    for name in ("Lambda", "SNS and SQS"):
        assert thousand[name] < 10 * hundred[name]


def test_a_batch_takes_what_its_waits_or_its_cpu_take() -> None:
    waits = BATCH / LOOKS_AT_ONCE * LOOK_WAIT
    assert waits < batch_seconds() < 2 * waits

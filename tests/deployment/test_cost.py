"""The costs in the README are those that are worked out."""

from __future__ import annotations

import re
from pathlib import Path

from deployment.cost import (
    ALARM_METRICS,
    BATCH,
    SCAN_WAIT,
    SCANS_AT_ONCE,
    WORK_QUEUES,
    Estate,
    batch_seconds,
    immediate,
    monthly,
    table,
    way_out,
)

DEPLOYMENT = Path(__file__).parents[2] / "deployment"
README = DEPLOYMENT / "README.md"
MODULES = DEPLOYMENT / "terraform" / "modules"


def test_the_readme_shows_the_table() -> None:
    text = README.read_text("utf-8")
    assert table() in text
    assert f"`immediate_remediation` adds {immediate():.2f}" in text
    assert way_out() in text


def _rows(text: str, name: str) -> int:
    """How many entries a map of `locals` has."""
    start = re.search(rf"(?m)^  {name} += {{\n", text)
    assert start
    body = text[start.end() : text.index("\n  }\n", start.end())]
    return len(re.findall(r'^    ["(].* = {', body, re.MULTILINE))


def test_the_alarms_and_queues_that_are_paid_for_are_those_that_terraform_makes() -> None:
    text = "\n".join(file.read_text("utf-8") for file in sorted((MODULES / "master").glob("*.tf")))
    functions, queues, rules = (_rows(text, name) for name in ("functions", "queues", "rules"))
    patterns = 2  # of the main account's own rules, CloudTrail's and Inspector's, in the main region
    assert "forward_inspector         = true" in text
    jobs, alarms = 2, (MODULES / "master" / "alarms.tf").read_text("utf-8").partition("  alarms = merge(")[2]
    made = {
        "dead-letters": functions,
        "errors": functions,
        "waiting": queues,
        "failed-invocations": rules + patterns,
        "lost-invocations": rules,
        "not-scanned": 1,
        "never-scanned": 1,
        "remediation-limit": 1,
        "missing": 2 * jobs,
        "run": 2,
        "host": 3,
    }
    assert queues == WORK_QUEUES
    assert made == ALARM_METRICS
    kinds = re.findall(r'"([a-z-]+)/\$\{', alarms) + re.findall(r'"(run|host)/', alarms)
    kinds += re.findall(r'(?m)^      "([a-z-]+)" = \{', alarms)
    assert set(kinds) == made.keys()


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
    waits = BATCH / SCANS_AT_ONCE * SCAN_WAIT
    assert waits < batch_seconds() < 2 * waits

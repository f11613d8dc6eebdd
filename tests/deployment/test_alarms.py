"""The alarms' patterns count what the code logs; identification/test_stale_targets.py shows when it does."""

from __future__ import annotations

import json
import logging
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployment import run_ended
from library.jobs.process import json_formatter
from remediation.runs import RemediationSummary, report_limit
from tests.deployment.terraform import TERRAFORM_CODE

PATTERNS = re.findall(
    r'pattern   = "{ \$\.(\w+) (.*) }"', (TERRAFORM_CODE / "modules" / "master" / "alarms.tf").read_text("utf-8")
)


def test_there_is_a_pattern_for_each_metric() -> None:
    assert PATTERNS == [
        ("stale_scan_targets", "= *"),
        ("never_scanned_targets", "= *"),
        ("connected_to_slack", "IS TRUE"),
        ("stopped_at_limit", "IS TRUE"),
        ("run_ended", r"= \"reporting\""),
        ("run_ended", r"= \"remediation\""),
        ("run_ended", r"= \"publishing\""),
        ("run_ended", r"= \"immediate\""),
        ("run_ended", r"= \"timers\""),
        ("outcome", r"= \"partial\""),
        ("outcome", r"= \"failed\""),
    ]


def test_every_outcome_of_a_run_but_done_has_a_pattern() -> None:
    notified = [("success", "0"), ("exit-code", "1"), ("exit-code", "2"), ("signal", "KILL")]
    lines = [run_ended.line("reporting", {"SERVICE_RESULT": result, "EXIT_STATUS": code}) for result, code in notified]
    outcomes = {value.strip('\\= "') for name, value in PATTERNS if name == "outcome"}
    assert {line["outcome"] for line in lines} == {"done", *outcomes}
    assert {line["run_ended"] for line in lines} <= {
        value.strip('\\= "') for name, value in PATTERNS if name == "run_ended"
    }


def test_a_run_that_stops_at_its_limit_logs_what_the_alarm_counts(caplog: pytest.LogCaptureFixture) -> None:
    notified: list[str] = []
    notifier = SimpleNamespace(alert_operators=lambda heading, text: notified.append(f"{heading}: {text}"))
    with caplog.at_level(logging.WARNING):
        report_limit(cast(Any, SimpleNamespace(notifier=notifier)), RemediationSummary(), "3 groups were changed")
    assert notified
    (record,) = caplog.records
    assert json.loads(json_formatter().format(record))["stopped_at_limit"] is True

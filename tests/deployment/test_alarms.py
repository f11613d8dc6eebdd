"""The alarms' patterns count what the code logs; identification/test_stale_targets.py shows when it does."""

from __future__ import annotations

import json
import logging
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from library.jobs.json_logs import json_formatter
from remediation.conclusion import RemediationSummary, stop_at_limit
from tests.deployment.terraform import TERRAFORM_CODE

PATTERNS = re.findall(
    r'pattern   = "{ \$\.(\w+) (.*) }"', (TERRAFORM_CODE / "modules" / "master" / "alarms.tf").read_text("utf-8")
)


def test_there_is_a_pattern_for_each_metric() -> None:
    assert dict(PATTERNS) == {
        "stale_scan_targets": "= *",
        "never_scanned_targets": "= *",
        "stopped_at_limit": "IS TRUE",
    }


def test_a_run_that_stops_at_its_limit_logs_what_the_alarm_counts(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    notifier = SimpleNamespace(alert_operators=lambda heading, text: told.append(f"{heading}: {text}"))
    with caplog.at_level(logging.WARNING):
        stop_at_limit(cast(Any, SimpleNamespace(notifier=notifier)), RemediationSummary(), "3 groups were changed")
    assert told
    (record,) = caplog.records
    assert json.loads(json_formatter().format(record))["stopped_at_limit"] is True

"""How a run of a job on the host ended, as it is logged for the alarms."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import boto3
import pytest
from moto import mock_aws

from deployment.run_ended import STREAM, line, send

GROUP = "/aws/ec2/hammer-reporting-remediation"


@pytest.mark.parametrize(
    ("notified", "outcome"),
    [
        pytest.param({"SERVICE_RESULT": "success", "EXIT_STATUS": "0"}, "done", id="done"),
        pytest.param({"SERVICE_RESULT": "exit-code", "EXIT_STATUS": "1"}, "partial", id="something could not be done"),
        pytest.param({"SERVICE_RESULT": "exit-code", "EXIT_STATUS": "2"}, "failed", id="wrong configuration"),
        pytest.param({"SERVICE_RESULT": "signal", "EXIT_STATUS": "KILL"}, "failed", id="killed"),
        pytest.param({"SERVICE_RESULT": "oom-kill", "EXIT_STATUS": "1"}, "failed", id="out of memory"),
        pytest.param({"SERVICE_RESULT": "timeout", "EXIT_STATUS": "TERM"}, "failed", id="ran for too long"),
        pytest.param({}, "failed", id="nobody knows"),
    ],
)
def test_an_outcome_is_told_from_what_systemd_says(notified: Mapping[str, str], outcome: str) -> None:
    assert line("reporting", notified) == {
        "run_ended": "reporting",
        "outcome": outcome,
        "service_result": notified.get("SERVICE_RESULT", ""),
        "exit_status": notified.get("EXIT_STATUS", ""),
    }


def test_lines_go_to_a_stream_of_the_hosts_log_group() -> None:
    with mock_aws():
        client = boto3.client("logs")
        client.create_log_group(logGroupName=GROUP)
        now = int(time.time() * 1000)  # CloudWatch Logs takes no event that is old or of the future
        for job in ("reporting", "remediation"):
            send(line(job, {"SERVICE_RESULT": "success", "EXIT_STATUS": "0"}), client, GROUP, now)
        events = client.get_log_events(logGroupName=GROUP, logStreamName=STREAM)["events"]
    assert [json.loads(event["message"])["run_ended"] for event in events] == ["reporting", "remediation"]

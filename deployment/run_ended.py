"""Logs how a run of a job on the host ended: one line in the host's log group, from which metrics and alarms are made.

systemd runs `python -m deployment.run_ended reporting` after every run of the job (`ExecStopPost=` in
systemd_timers.py), also after one that crashed or was killed. It tells the outcome in `SERVICE_RESULT` and
`EXIT_STATUS` (systemd.exec(5)). `timers` is no job but the hourly look at the configuration: the host's sign of life.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from library.jobs.host_logs import log_group, logs_client

STREAM = "runs"


def line(job: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What is logged of a run.

    Args:
        job: `reporting`, `remediation`, `publishing`, `immediate` or `timers`.
        environment: has what systemd tells.

    Returns:
        `run_ended`, the job; `outcome`, which is `done`, `partial` (exit code 1: something could not be done, and the
        job's own log names it) or `failed`; and what systemd told.
    """
    result, status = environment.get("SERVICE_RESULT", ""), environment.get("EXIT_STATUS", "")
    outcome = "done" if result == "success" else "partial" if (result, status) == ("exit-code", "1") else "failed"
    return {"run_ended": job, "outcome": outcome, "service_result": result, "exit_status": status}


def send(entry: Mapping[str, str], client: Any, group: str, now_ms: int) -> None:
    """Write a line to the log stream `runs`.

    Raises:
        ClientError: it could not be written.
    """
    with suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_stream(logGroupName=group, logStreamName=STREAM)
    event = {"timestamp": now_ms, "message": json.dumps(entry)}
    client.put_log_events(logGroupName=group, logStreamName=STREAM, logEvents=[event])


def main() -> None:
    """Log a line about the run that has just ended."""
    client = logs_client(os.environ["AWS_DEFAULT_REGION"])
    send(line(sys.argv[1], os.environ), client, log_group(), int(time.time() * 1000))


if __name__ == "__main__":
    main()

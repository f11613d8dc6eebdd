"""Measure, in one run, what Hammer costs beside boto3 alone, as whole processes: `make bench`.

Every figure is a ratio of medians of commands run in turn, so that it holds whatever the machine's speed is just then.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GROUPS = 10_000
MAX_CPU_RATIO = 1.15
MAX_MEMORY_RATIO = 1.25
MAX_IMPORT_MS = 150

FLOOR = [sys.executable, "-m", "tests.bench.floor"]
IMPORT_FLOOR = [sys.executable, "-c", "import boto3"]
IMPORT_HANDLER = [sys.executable, "-c", "import boto3, identification.describe_security_groups"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process used: CPU seconds, user and system, and its largest resident memory in MiB."""

    cpu: float
    memory: float


def measure(command: Sequence[str], environment: Mapping[str, str], expected_exit: int) -> Cost:
    """Run a command and ask the operating system what it used."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != expected_exit:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def in_turn(commands: Mapping[str, tuple[Sequence[str], Mapping[str, str], int]], runs: int) -> dict[str, Cost]:
    """The median cost of each command, each run once a round, after one round that does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, (command, environment, expected_exit) in commands.items():
            costs[name].append(measure(command, environment, expected_exit))
    return {
        name: Cost(
            statistics.median(cost.cpu for cost in counted[1:]), statistics.median(cost.memory for cost in counted[1:])
        )
        for name, counted in costs.items()
    }


@contextmanager
def endpoint(groups: int) -> Iterator[str]:
    """The address of an endpoint that serves so many groups."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.endpoint", str(groups)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def calls(address: str) -> int:
    """How many pages were asked for since this was last asked."""
    with urllib.request.urlopen(address) as answer:
        return int(answer.read())


def main() -> None:
    """Measure and print; exit with 1 if a bound is exceeded."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--runs", type=int, default=5, help="counted runs of each command")
    runs = options.parse_args().runs
    exceeded = False

    def report(text: str, value: float, bound: float | None = None) -> None:
        nonlocal exceeded
        over = bound is not None and value > bound
        exceeded |= over
        limit = "" if bound is None else f"   at most {bound}{'   EXCEEDED' if over else ''}"
        print(f"{text:<58}{value:>8.2f}{limit}", flush=True)

    with tempfile.TemporaryDirectory() as folder, endpoint(GROUPS) as small, endpoint(2 * GROUPS) as large:
        config = {
            "aws": {"main_account_id": "123456789012", "region": "eu-west-1", "accounts": {"123456789012": "bench"}},
            "secgrp_unrestricted_access": {"ddb.table_name": "bench"},
        }
        Path(folder, "config.json").write_text(json.dumps(config))
        scan = [sys.executable, "-m", "hammer", "scan", "--config", folder, "--region", "eu-west-1", "--format", "json"]
        base = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        base |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        cost = in_turn(
            {
                "floor": (FLOOR, base | {"AWS_ENDPOINT_URL": small, "AWS_DEFAULT_REGION": "eu-west-1"}, 0),
                "scan": (scan, base | {"AWS_ENDPOINT_URL": small}, 3),
                "scan twice as many": (scan, base | {"AWS_ENDPOINT_URL": large}, 3),
            },
            runs,
        )
        calls(small)
        measure(scan, base | {"AWS_ENDPOINT_URL": small}, 3)
        pages = calls(small)
        imports = in_turn({"floor": (IMPORT_FLOOR, base, 0), "handler": (IMPORT_HANDLER, base, 0)}, 2 * runs)

    print(f"{GROUPS} groups of 8 rules; medians of {runs} runs, whole processes, user and system time")
    report("boto3's paginator alone, CPU s", cost["floor"].cpu)
    report("boto3's paginator alone, peak MiB", cost["floor"].memory)
    report("scan: CPU, times the paginator's", cost["scan"].cpu / cost["floor"].cpu, MAX_CPU_RATIO)
    report("scan: peak memory, times the paginator's", cost["scan"].memory / cost["floor"].memory, MAX_MEMORY_RATIO)
    report("scan: calls for 10 pages", pages, GROUPS / 1000)
    report("20,000 groups: CPU, times that of 10,000", cost["scan twice as many"].cpu / cost["scan"].cpu, 2.1)
    report(
        "20,000 groups: peak memory, times that of 10,000", cost["scan twice as many"].memory / cost["scan"].memory, 1.1
    )
    share = imports["handler"].cpu / imports["floor"].cpu - 1
    report("importing the handler over boto3, ms", share * imports["floor"].cpu * 1000, MAX_IMPORT_MS)
    report("importing the handler over boto3, times importing boto3", share)
    raise SystemExit(exceeded)


if __name__ == "__main__":
    main()

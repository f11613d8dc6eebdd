"""Whole processes, what the operating system says that they used, and figures beside their bounds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG: dict[str, dict[str, Any]] = {
    "aws": {"main_account_id": "123456789012", "region": "eu-west-1", "accounts": {"123456789012": "bench"}},
    "secgrp_unrestricted_access": {"ddb.table_name": "bench"},
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process used.

    Attributes:
        cpu: seconds, user and system.
        memory: its largest resident memory in MiB.
        wall: seconds from its start to its end.
        descriptors: the most files and sockets that it had open at once, as far as a look every 50 ms shows it.
    """

    cpu: float
    memory: float
    wall: float = 0
    descriptors: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A process to measure.

    Attributes:
        environment: added to the benchmark's own, which has no settings of AWS.
        exit_code: what it ends with if all is well.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    exit_code: int = 0

    def run(self) -> Cost:
        """Run it and ask the operating system what it used. What it says is shown only if it fails."""
        began, descriptors, ended = time.monotonic(), 0, 0
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            process = subprocess.Popen(
                self.arguments, env=self.whole_environment(), stdout=subprocess.DEVNULL, stderr=said
            )
            while not ended:
                time.sleep(0.05)
                with suppress(OSError):
                    descriptors = max(descriptors, len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != self.exit_code:
                said.seek(0)
                raise SystemExit(f"{said.read()[-2000:]}\n{' '.join(self.arguments)} exited with {process.returncode}")
        return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, wall, descriptors)

    def output(self) -> bytes:
        """What it prints on standard output."""
        return subprocess.run(self.arguments, env=self.whole_environment(), stdout=subprocess.PIPE, check=False).stdout

    def whole_environment(self) -> dict[str, str]:
        """All of its environment."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HAMMER_"))}
        return own | {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"} | dict(self.environment)


def in_turn(commands: Mapping[str, Command], runs: int) -> dict[str, Cost]:
    """The median cost of each command, each run once a round, after one round that does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            costs[name].append(command.run())
    return {
        name: Cost(
            statistics.median(cost.cpu for cost in counted[1:]), statistics.median(cost.memory for cost in counted[1:])
        )
        for name, counted in costs.items()
    }


def endpoint(groups: int, exposed_percent: int, config: str = "{}", owner: str = "") -> AbstractContextManager[str]:
    """The address of an endpoint that serves so many groups (`tests.bench.endpoint`)."""
    return served("tests.bench.endpoint", groups, exposed_percent, config, owner)


@contextmanager
def served(module: str, *arguments: object) -> Iterator[str]:
    """The address that a module prints when it is run. It serves until its standard input closes."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def calls(address: str) -> Counter[str]:
    """How often each operation was called since this was last asked."""
    with urllib.request.urlopen(f"{address}/calls") as answer:
        return Counter(json.loads(answer.read()))


def scan(folder: Path, address: str, exit_code: int = 3) -> Command:
    """`hammer scan` of what an endpoint serves, by the configuration in a folder."""
    arguments = ["scan", "--config", str(folder), "--region", "eu-west-1", "--format", "json"]
    return Command([sys.executable, "-m", "hammer", *arguments], {"AWS_ENDPOINT_URL": address}, exit_code)


class Report:
    """Prints figures beside their bounds.

    Attributes:
        exceeded: whether one was exceeded.
    """

    exceeded = False

    def heading(self, text: str) -> None:
        """What the next figures are about."""
        print(f"\n{text}", flush=True)

    def figure(self, text: str, value: float, bound: float | None = None) -> None:
        """One figure; with a bound it may be that at most."""
        over = bound is not None and value > bound
        self.exceeded |= over
        limit = "" if bound is None else f"   at most {bound:g}{'   EXCEEDED' if over else ''}"
        print(f"  {text:<68}{value:>9.2f}{limit}", flush=True)

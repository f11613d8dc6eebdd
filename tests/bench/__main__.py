"""Measure what Hammer costs, each figure beside its bound: `make bench`.

Commands that are compared run in turn and are reported as ratios of medians, so that a figure holds whatever the
machine's speed is just then. `docs/performance.md` has the results and says what they mean.
"""

from __future__ import annotations

import argparse

from tests.bench.evaluations import evaluations
from tests.bench.functions import functions
from tests.bench.host import host
from tests.bench.measure import Report
from tests.bench.reachability import reachability
from tests.bench.scans import one_region, organization
from tests.bench.usage import usage

PARTS = ("scan", "organization", "function", "evaluation", "host", "reachability", "usage")


def main() -> None:
    """Measure and print; exit with 1 if a bound is exceeded."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--runs", type=int, default=5, help="counted runs of each command")
    options.add_argument("--only", choices=PARTS, action="append", help="measure this part only; repeatable")
    options.add_argument("--custodian", help="Cloud Custodian's command, to measure it, too")
    asked = options.parse_args()
    parts, report = asked.only or PARTS, Report()
    if "scan" in parts:
        one_region(report, asked.runs, asked.custodian)
    if "organization" in parts:
        organization(report)
    if "function" in parts:
        functions(report, asked.runs)
    if "evaluation" in parts:
        evaluations(report)
    if "host" in parts:
        host(report)
    if "reachability" in parts:
        reachability(report)
    if "usage" in parts:
        usage(report)
    raise SystemExit(report.exceeded)


if __name__ == "__main__":
    main()

"""What `hammer scan` costs beside boto3's paginator that reads the same groups, and an organization's scan."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.bench.measure import CONFIG, Command, Report, calls, endpoint, in_turn, scan

_THRESHOLD = "100000"
_ORGANIZATION = 1000
# Hammer as it is where botocore has no event before it parses.
_DICTIONARIES = (
    "import sys, library.aws.ec2 as ec2; ec2._BEFORE_PARSE = 'nothing'; sys.argv[0] = 'hammer'; "
    "from hammer.__main__ import main; main()"
)


def one_region(report: Report, runs: int) -> None:
    """10,000 and 20,000 groups of one region."""
    with (
        tempfile.TemporaryDirectory() as name,
        endpoint(10_000, 10) as small,
        endpoint(10_000, 100) as exposed,
        endpoint(20_000, 10) as large,
    ):
        folder = Path(name)
        Path(folder, "config.json").write_text(json.dumps(CONFIG))
        floor = [sys.executable, "-m", "tests.bench.floor"]
        cost = in_turn(
            {
                "floor": Command(floor, {"AWS_ENDPOINT_URL": small}),
                "floor, threshold": Command([*floor, _THRESHOLD], {"AWS_ENDPOINT_URL": small}),
                "scan": scan(folder, small),
                "scan, all exposed": scan(folder, exposed),
                "floor, 20,000": Command(floor, {"AWS_ENDPOINT_URL": large}),
                "scan, 20,000": scan(folder, large),
            },
            runs,
        )
        calls(small)
        xml = scan(folder, small)
        same = (
            xml.output() == Command([sys.executable, "-c", _DICTIONARIES, *xml.arguments[3:]], xml.environment).output()
        )
        pages = calls(small)["DescribeSecurityGroups"]
    report.heading(f"One region, 8 rules a group, whole processes, medians of {runs} runs")
    report.figure("boto3's paginator alone, 10,000 groups: CPU s", cost["floor"].cpu)
    report.figure("boto3's paginator alone, 10,000 groups: peak MiB", cost["floor"].memory)
    report.figure("scan, 10 % exposed: CPU, times the paginator's", cost["scan"].cpu / cost["floor"].cpu, 0.45)
    report.figure(
        "scan, 10 % exposed: CPU, times that of a paginator with a collector's threshold",
        cost["scan"].cpu / cost["floor, threshold"].cpu,
        0.75,
    )
    report.figure(
        "scan, all exposed: CPU, times the paginator's", cost["scan, all exposed"].cpu / cost["floor"].cpu, 0.75
    )
    report.figure("scan, 10 % exposed: memory, times the paginator's", cost["scan"].memory / cost["floor"].memory, 1.1)
    ratio = cost["scan, 20,000"].cpu / cost["floor, 20,000"].cpu
    report.figure("scan, 20,000 groups: CPU, times the paginator's", ratio, 0.45)
    ratio = cost["scan, 20,000"].memory / cost["floor, 20,000"].memory
    report.figure("scan, 20,000 groups: memory, times the paginator's", ratio, 1.1)
    report.figure("scans twice: calls for 10 pages each", pages, 20)
    report.figure("output that differs from the one by botocore's parser", float(not same), 0)


def organization(report: Report) -> None:
    """One region of 1,000 accounts, from this machine."""
    accounts = {f"{number:012}": f"a{number}" for number in range(1, _ORGANIZATION + 1)}
    config = {**CONFIG, "aws": {**CONFIG["aws"], "accounts": accounts}}
    with tempfile.TemporaryDirectory() as name, endpoint(20, 10) as address:
        Path(name, "config.json").write_text(json.dumps(config))
        cost = scan(Path(name), address).run()
        counted = calls(address)
    report.heading("An organization's scan: 1,000 accounts, one region, 20 groups each")
    report.figure("peak MiB", cost.memory, 150)
    report.figure("CPU, ms an account", cost.cpu * 1000 / _ORGANIZATION)
    report.figure("calls of STS an account", counted["AssumeRole"] / _ORGANIZATION, 1)
    report.figure("calls of EC2 an account", counted["DescribeSecurityGroups"] / _ORGANIZATION, 1)

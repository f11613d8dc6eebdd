"""What `hammer scan` costs beside boto3's paginator that reads the same groups, and an organization's scan."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.bench.measure import CONFIG, Command, Report, calls, endpoint, in_turn, scan

_OWNER = str(CONFIG["aws"]["main_account_id"])
_THRESHOLD = "100000"
_ORGANIZATION = 1000
# Hammer as it is where botocore has no event before it parses.
_DICTIONARIES = (
    "import sys, library.aws.ec2 as ec2; ec2.read_answer = lambda _: None; sys.argv[0] = 'hammer'; "
    "from hammer.__main__ import main; main()"
)


def one_region(report: Report, runs: int, custodian: str | None) -> None:
    """10,000 and 20,000 groups of one region.

    Args:
        report: gets the figures.
        runs: of each command.
        custodian: Cloud Custodian's command; None: it is not measured.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        endpoint(10_000, 10, owner=_OWNER) as small,
        endpoint(10_000, 100, owner=_OWNER) as exposed,
        endpoint(20_000, 10, owner=_OWNER) as large,
        endpoint(20_000, 100, owner=_OWNER) as large_exposed,
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
                "floor, threshold, 20,000": Command([*floor, _THRESHOLD], {"AWS_ENDPOINT_URL": large}),
                "scan, 20,000": scan(folder, large),
                "scan, all exposed, 20,000": scan(folder, large_exposed),
                **(_custodian(custodian, folder, small) if custodian else {}),
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
    for size in ("", ", 20,000"):
        groups, alone = size or ", 10,000", cost[f"floor{size}"]
        some, every = cost[f"scan{size}"], cost[f"scan, all exposed{size}"]
        rare = cost[f"floor, threshold{size}"].cpu
        report.figure(f"scan{groups} groups, 10 % exposed: CPU, times the paginator's", some.cpu / alone.cpu, 0.45)
        report.figure(f"scan{groups} groups, all exposed: CPU, times the paginator's", every.cpu / alone.cpu, 0.75)
        report.figure("  10 % exposed: times that of a paginator with the collector's threshold", some.cpu / rare)
        report.figure("  all exposed: times that of a paginator with the collector's threshold", every.cpu / rare)
        report.figure(f"scan{groups} groups: memory, times the paginator's", some.memory / alone.memory, 1.1)
        report.figure(
            f"scan{groups} groups, all exposed: memory, times the paginator's",
            every.memory / alone.memory,
            None if size else 1.1,
        )
    if custodian:
        report.figure("scan, 10 % exposed: CPU, times Cloud Custodian's", cost["scan"].cpu / cost["custodian"].cpu, 1)
        report.figure("scan: memory, times Cloud Custodian's", cost["scan"].memory / cost["custodian"].memory, 1)
    report.figure("scans twice: calls for 10 pages each", pages, 20)
    report.figure("output that differs from the one by botocore's parser", float(not same), 0)


def _custodian(command: str, folder: Path, address: str) -> dict[str, Command]:
    """One policy that finds the same groups, as far as Cloud Custodian can."""
    ports = [21, 22, 23, 3389, 1433, 1521, 3306, 5432, 27017]
    exposed = {"type": "ingress", "Ports": ports, "Cidr": {"op": "eq", "value": "0.0.0.0/0"}}
    policy = {"name": "exposed", "resource": "aws.security-group", "filters": [exposed]}
    out = folder / "custodian"
    out.mkdir()
    location = out / "policy.json"
    location.write_text(json.dumps({"policies": [policy]}))
    arguments = [
        command,
        "run",
        "--cache-period",
        "0",
        "--region",
        "eu-west-1",
        "--output-dir",
        str(out),
        str(location),
    ]
    return {"custodian": Command(arguments, {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "eu-west-1"})}


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

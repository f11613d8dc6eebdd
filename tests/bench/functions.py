"""What the describe function costs: a cold start from its zip, a warm invocation, and a batch of targets."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from deployment.package import TARGETS, build_functions
from tests.bench.measure import CONFIG, Command, Report, calls, endpoint, in_turn

_FUNCTION = "hammer-describe-security-groups"
_REGIONS = ("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "us-east-1")
_OTHER = "210987654321"
_INVOKE = """
import json, sys
from identification.describe_security_groups import lambda_handler
account_id, times, *regions = json.loads(sys.argv[1])
records = [
    {"messageId": region, "eventSource": "aws:sqs", "body": json.dumps({"account_id": account_id, "region": region})}
    for region in regions
]
for _ in range(times):
    assert lambda_handler({"Records": records}, None) == {"batchItemFailures": []}
"""


def functions(report: Report, runs: int) -> None:
    """Measure from the zip, by this Python."""
    config = {**CONFIG, "aws": {**CONFIG["aws"], "accounts": {"123456789012": "bench", _OTHER: "other"}}}
    with tempfile.TemporaryDirectory() as name, endpoint(20, 2, json.dumps(config)) as address:
        task = Path(name, "task")
        zips = build_functions(Path(name), TARGETS["here"])
        zipfile.ZipFile(zips[_FUNCTION]).extractall(task)
        size = zips[_FUNCTION].stat().st_size
        environment = {
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": address,
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",  # how the function knows that it runs in Lambda
            "HAMMER_CONFIG": "s3://bench/config",
            "PYTHONPATH": str(task),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

        def invoke(times: int, regions: Sequence[str]) -> Command:
            # -P: the modules are those of the zip, not those of the folder that the benchmark is started in.
            return Command([sys.executable, "-P", "-c", _INVOKE, json.dumps([_OTHER, times, *regions])], environment)

        cost = in_turn(
            {
                "sdk": Command([sys.executable, "-c", "import boto3"], environment),
                "cold": invoke(1, _REGIONS[:1]),
                "warm": invoke(21, _REGIONS[:1]),
            },
            runs,
        )
        calls(address)
        invoke(1, _REGIONS).run()
        batch = calls(address)
    report.heading(f"The describe function over 20 groups, from its zip, Python {platform.python_version()}")
    sdk, first = cost["sdk"].cpu, cost["cold"].cpu
    warm = (cost["warm"].cpu - first) / 20
    report.figure("import of boto3 alone: CPU ms", sdk * 1000)
    report.figure("cold start and first invocation: CPU ms now", first * 1000)
    report.figure("the same: times importing boto3", first / sdk)
    # What a cold start costs is what the first invocation takes beyond a warm one, which scans the same groups.
    report.figure("the cold start of it: times importing boto3", (first - warm) / sdk, 2.0)
    report.figure("its zip: KiB", size / 1024)
    report.figure("peak MiB", cost["cold"].memory)
    report.figure("warm invocation: CPU ms", warm * 1000, 60)
    report.heading(f"A batch of {len(_REGIONS)} regions of an account")
    report.figure("calls of STS", batch["AssumeRole"], 1)
    # Whether the account's issues are adopted; the exemptions that people decided, and the region's issues; the
    # region's record, when the scan begins and after its writes; the exposed groups' issues, and what events told of
    # them, before and after; the begin, the sweep, the coverage, and a write for each of two new issues. Without new
    # issues it is 7.
    in_table = sum(batch[each] for each in batch if each in _TABLE)
    report.figure("calls of DynamoDB a region", in_table / len(_REGIONS), 13)


_TABLE = ("BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem")

"""A second DynamoDB beside moto's for the tests that use the table, as a plugin of pytest: dynalite.

moto lets through what DynamoDB refuses, such as a filter on a key. dynalite (npm) was written against DynamoDB's own
answers, and refuses it. Each test of the modules below runs twice: with moto's table and with dynalite's, to which
moto hands every call of the operations that dynalite has. Together they send every expression that the jobs send; what
other modules add is faults, numbers and words. A test that needs moto's own insides or moves hundreds of items has the
marker `moto_table` and runs once.

Without Node or without `npm ci` in tests/dynalite (`make venv-dynalite`) the second runs are skipped.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "dynalite"
MODULES = frozenset(
    {
        *("aws/test_issue_table", "aws/test_records"),
        # Those that resolve issues need TransactWriteItems, which dynalite does not have.
        "identification/test_region_scan",
        *("remediation/test_immediate_mode", "remediation/test_remediation_by_hand"),
        *("remediation/test_remediation_lock", "remediation/test_remediation_restore"),
        *("reporting/test_closing_notices", "reporting/test_reporting_life", "reporting/test_reporting_lock"),
        *("reporting/test_reporting_exemptions", "reporting/test_reporting_odd_rows"),
    }
)
_OPERATIONS = frozenset(
    {
        *("BatchGetItem", "BatchWriteItem", "CreateTable", "DeleteItem", "DeleteTable", "DescribeTable", "GetItem"),
        *("ListTables", "PutItem", "Query", "Scan", "UpdateItem"),
    }
)
_OF_BOTH = frozenset({"CreateTable", "DeleteTable"})
_NOT_INSTALLED = "dynalite is not installed: make venv-dynalite (Node 20, 10 MB)"


def is_installed() -> bool:
    """Whether there is a Node, and dynalite for it."""
    return shutil.which("node") is not None and (FOLDER / "node_modules" / "dynalite").is_dir()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of the table twice."""
    path = metafunc.definition.path
    twice = f"{path.parent.name}/{path.stem}" in MODULES and not metafunc.definition.get_closest_marker("moto_table")
    if twice and "_table" in metafunc.fixturenames:
        skipped = () if is_installed() else (pytest.mark.skip(reason=_NOT_INSTALLED),)
        metafunc.parametrize("_table", ["moto", pytest.param("dynalite", marks=skipped)], indirect=True)


class Dynalite:
    """One dynalite for a process of tests, started when it is first needed."""

    @cached_property
    def _process(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["node", str(FOLDER / "server.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @cached_property
    def _port(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """The status and text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> None:
        """End it, if it was started."""
        if "_process" in self.__dict__:
            self._process.communicate(timeout=30)


@pytest.fixture(scope="session")
def _dynalite() -> Iterator[Dynalite]:
    dynalite = Dynalite()
    yield dynalite
    dynalite.stop()


@pytest.fixture(autouse=True)
def _table(request: pytest.FixtureRequest, _dynalite: Dynalite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which DynamoDB answers in the test."""
    if getattr(request, "param", "moto") == "moto":
        return
    from moto.dynamodb.responses import DynamoHandler

    _dynalite.send("/reset", b"", {})
    inner = DynamoHandler.call_action

    def call_action(self: Any) -> tuple[int, dict[str, Any], Any]:
        target = self.headers["X-Amz-Target"]
        operation = target.rpartition(".")[2]
        # moto has the tables as well, empty: what dynalite lacks, such as their time to live, is asked of it.
        if operation not in _OPERATIONS or operation in _OF_BOTH:
            answer: tuple[int, dict[str, Any], Any] = inner(self)
            if operation not in _OF_BOTH:
                return answer
        kind = "application/x-amz-json-1.0"
        sent = {"X-Amz-Target": target, "Content-Type": kind, **_SIGNED}
        body = self.raw_body if isinstance(self.raw_body, bytes) else self.raw_body.encode()
        status, text = _dynalite.send("/", body, sent)
        return status, {"Content-Type": kind, "status": str(status)}, text

    monkeypatch.setattr(DynamoHandler, "call_action", call_action)


# dynalite wants a signature, and does not check it.
_SIGNED = {
    "X-Amz-Date": "20270101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/20270101/eu-west-1/dynamodb/aws4_request, SignedHeaders=a, "
    "Signature=b",
}

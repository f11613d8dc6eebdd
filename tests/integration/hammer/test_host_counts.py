"""What the jobs of the host ask and hold over an organization, counted. `make bench` measures seconds and MiB."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session as BotocoreSession
from typer.testing import CliRunner

from hammer.__main__ import application
from library.issues.issue import Issue
from tests.bench.host_endpoint import World, serving
from tests.bench.measure import CONFIG, calls

ACCOUNTS = 20


def run(job: str, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, **section: Any) -> Counter[str]:
    """Run a job over a world: how often it called each operation."""
    config = {
        "aws": {
            **CONFIG["aws"],
            "accounts": {f"{number:012}": f"a{number}" for number in range(1, ACCOUNTS + 1)},
            "s3_backup_bucket": "bench",
        },
        "secgrp_unrestricted_access": {**CONFIG["secgrp_unrestricted_access"], **section},
    }
    (folder / "config.json").write_text(json.dumps(config))
    arguments = [job, "--config", str(folder), *(["--batch"] if job == "remediate" else [])]
    with serving(world, delay_s=0) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        result = CliRunner().invoke(application(arguments), arguments)
        assert result.exit_code == 0, result.output
        return calls(address)


@pytest.mark.parametrize(
    ("issues", "closed_percent", "not_closed"), [(100, 95, 5), (100, 90, 10), (10, 0, 10)], ids=str
)
def test_reporting_reads_what_is_not_closed_and_of_that_only_the_news_as_a_whole(
    issues: int, closed_percent: int, not_closed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[bool] = Counter()
    original = Issue.from_item

    def from_item(item: dict[str, Any]) -> Issue:
        read["history" in item or bool(item.get("used_by"))] += 1
        return original(item)

    monkeypatch.setattr(Issue, "from_item", from_item)
    changed = 2
    counted = run("report", World(issues, changed, closed_percent), tmp_path, monkeypatch, reporting=True)
    assert counted["Query"] == 3 * ACCOUNTS  # what is not closed, and what people exempted
    assert counted["BatchGetItem"] == changed
    assert read == {False: not_closed * ACCOUNTS, True: changed}
    assert counted["Scan"] == 0
    assert counted["GetItem"] == 2  # whether somebody takes decisions, and the accounts of the last run


def test_remediation_makes_as_many_clients_however_many_accounts_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()
    original = BotocoreSession.create_client

    def create_client(self: BotocoreSession, service: str, *arguments: Any, **more: Any) -> Any:
        made[service] += 1
        return original(self, service, *arguments, **more)

    monkeypatch.setattr(BotocoreSession, "create_client", create_client)
    counted = run("remediate", World(1, 0, 0), tmp_path, monkeypatch, remediation=True)
    assert counted["RevokeSecurityGroupIngress"] == ACCOUNTS
    assert counted["AssumeRole"] == ACCOUNTS
    assert made["ec2"] == 1
    assert max(made.values()) <= 2  # for the main account, and for all others

"""What a scan of an organization holds, counted: it does not grow with the accounts. `make bench` measures the MiB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session as BotocoreSession
from moto import mock_aws
from typer.testing import CliRunner

from hammer.__main__ import application

ACCOUNTS = 24


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_all_accounts_share_one_client_of_a_service_and_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = {f"{number:012}": f"a{number}" for number in range(1, ACCOUNTS + 1)}
    config = {
        "aws": {"main_account_id": "123456789012", "region": "eu-west-1", "accounts": accounts},
        "secgrp_unrestricted_access": {"ddb.table_name": "hammer"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    made: list[str] = []
    original = BotocoreSession.create_client

    def create_client(self: BotocoreSession, service: str, *arguments: Any, **more: Any) -> Any:
        made.append(service)
        return original(self, service, *arguments, **more)

    monkeypatch.setattr(BotocoreSession, "create_client", create_client)
    arguments = ["scan", "--config", str(tmp_path), "--region", "eu-west-1", "--format", "json"]
    result = CliRunner().invoke(application(arguments), arguments)
    assert len(json.loads(result.stdout)["scanned"]) == ACCOUNTS
    assert sorted(made) == ["dynamodb", "ec2", "sts"]

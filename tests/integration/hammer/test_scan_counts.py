"""What a scan of an organization holds, counted: it does not grow with the accounts. `make bench` measures the MiB."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from hammer.__main__ import application
from library.aws import session as session_module
from library.aws.session import Sessions

ACCOUNTS = 24
AT_ONCE = 8
OWN = 3  # of the main account: STS, and what the scan itself asks


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_clients_and_sessions_alive_do_not_grow_with_the_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {f"{number:012}": f"a{number}" for number in range(1, ACCOUNTS + 1)}
    config = {
        "aws": {"main_account_id": "123456789012", "region": "eu-west-1", "accounts": accounts},
        "secgrp_unrestricted_access": {"ddb.table_name": "hammer"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = {"clients": 0, "sessions": 0}
    original = Sessions.client

    def client(self: Sessions, *arguments: str) -> Any:
        made = original(self, *arguments)
        alive.add(made)
        most["clients"] = max(most["clients"], len(alive))
        most["sessions"] = max(most["sessions"], len(self._assumed_sessions))
        return made

    monkeypatch.setattr(Sessions, "client", client)
    monkeypatch.setattr(session_module, "_SESSIONS_KEPT", 10)
    arguments = ["scan", "--config", str(tmp_path), "--region", "eu-west-1", "--format", "json"]
    result = CliRunner().invoke(application(arguments), arguments)
    assert len(json.loads(result.stdout)["scanned"]) == ACCOUNTS
    assert most["sessions"] <= 10
    # A client is in a cycle of references, so that the collector frees it: twice as many may wait for that.
    assert most["clients"] <= 3 * AT_ONCE + OWN

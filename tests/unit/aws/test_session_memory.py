"""A job goes from account to account: what it is done with it lets go of."""

from __future__ import annotations

import pytest

from library.aws import session
from library.aws.session import Sessions


def test_sessions_of_few_accounts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_SESSIONS_KEPT", 3)
    sessions = Sessions("123456789012", "eu-west-1", "role")
    closed: list[str] = []
    for number in range(5):
        account = f"{number:012d}"
        client = sessions.client("sts", account, "eu-west-1")
        assert sessions.client("sts", account, "eu-west-1") is client
        monkeypatch.setattr(client, "close", lambda account=account: closed.append(account))
        sessions.forget(account, "eu-west-1")
    assert closed == [f"{number:012d}" for number in range(5)]
    assert list(sessions._assumed_sessions) == [f"{number:012d}" for number in (2, 3, 4)]
    assert sessions._clients == {}

"""The command `hammer listen`: why it ends, and that systemd is told that it lives."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reporting import listen_for_decisions
from reporting.listen_for_decisions import notify_systemd
from tests.worlds.reporting_world import World, reporting_world


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with reporting_world() as world, world.slack.socket.running():
        world.sections["decisions"] = {"enabled": True}
        monkeypatch.setenv("HAMMER_SLACK_SECRET", json.dumps(world.slack.listener_secret))
        monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
        yield world


def run(here: World, folder: Path) -> Result:
    (folder / "config.json").write_text(json.dumps(here.config_file()))
    return CliRunner().invoke(listen_for_decisions.app, [], catch_exceptions=False)


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("decisions", {"enabled": False}, "decisions are off"),
        ("slack", {"enabled": False}, "Slack is off"),
    ],
)
def test_where_it_is_off_it_ends_with_2(
    here: World, tmp_path: Path, section: str, values: dict[str, bool], said: str
) -> None:
    here.sections[section] = values
    ended = run(here, tmp_path)
    assert (ended.exit_code, said in ended.output) == (2, True)


def test_without_an_app_token_it_ends_with_2(here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMMER_SLACK_SECRET", json.dumps(here.slack.secret))
    ended = run(here, tmp_path)
    assert (ended.exit_code, "has no app_token" in ended.output) == (2, True)


@pytest.mark.parametrize("code", ["not_allowed_token_type", "invalid_auth", "account_inactive"])
def test_where_slack_refuses_the_token_it_ends_with_1(here: World, tmp_path: Path, code: str) -> None:
    here.slack.open_error = code
    ended = run(here, tmp_path)
    assert ended.exit_code == 1
    assert f"Slack refused the app token ({code})" in ended.output
    assert "xapp" not in ended.output


def test_systemd_is_told(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        notify_systemd("WATCHDOG=1", {"NOTIFY_SOCKET": address})
        assert systemd.recv(100) == b"WATCHDOG=1"
    notify_systemd("WATCHDOG=1", {"NOTIFY_SOCKET": address})  # nobody there: it goes on

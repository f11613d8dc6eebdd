"""Cron expressions as systemd's calendar events, and the host's units."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cronsim import CronSim

from deployment import systemd_timers
from deployment.systemd_timers import units, write
from library.config import parse_configuration
from library.jobs.calendar_events import TimerError, on_calendar

CASES = [
    pytest.param("55 * * * *", ["*-*-* *:55:00 UTC"], id="every hour"),
    pytest.param("45 10 * * *", ["*-*-* 10:45:00 UTC"], id="every day"),
    pytest.param("*/20 * * * *", ["*-*-* *:00,20,40:00 UTC"], id="a step"),
    pytest.param("0 9-11 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 09,10,11:00:00 UTC"], id="ranges, weekdays"),
    pytest.param("0 0 * * 7", ["Sun *-*-* 00:00:00 UTC"], id="7 is Sunday"),
    pytest.param("0 0 * * 0,7", ["Sun *-*-* 00:00:00 UTC"], id="0 is Sunday, too"),
    pytest.param("30 4 1,15 * *", ["*-*-01,15 04:30:00 UTC"], id="days of the month"),
    pytest.param("0 6 1 * MON", ["*-*-01 06:00:00 UTC", "Mon *-*-* 06:00:00 UTC"], id="either day is enough"),
    pytest.param("0 6 1 * 0-6", ["*-*-* 06:00:00 UTC"], id="either day, one of which is any"),
    pytest.param("0 6 1-31 * MON", ["*-*-* 06:00:00 UTC"], id="either, the other of which is any"),
    pytest.param("0 6 */1 * MON", ["Mon *-*-* 06:00:00 UTC"], id="both, one of which is any"),
    pytest.param("0 6 1 * */1", ["*-*-01 06:00:00 UTC"], id="both, the other of which is any"),
    pytest.param("0 6 */9 * MON", ["Mon *-*-01,10,19,28 06:00:00 UTC"], id="both"),
    pytest.param("0 6 * JAN,JUL *", ["*-01,07-* 06:00:00 UTC"], id="months"),
    pytest.param("0 6 L * *", ["*-*~01 06:00:00 UTC"], id="the last day"),
    pytest.param("0 6 * * 2#2", ["Tue *-*-08..14 06:00:00 UTC"], id="the second Tuesday"),
]  # fmt: skip


@pytest.mark.parametrize(("cron", "expected"), CASES)
def test_on_calendar(cron: str, expected: list[str]) -> None:
    assert on_calendar(cron) == expected


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize(("cron", "expected"), CASES)
def test_systemd_means_what_cron_means(cron: str, expected: list[str]) -> None:
    start = datetime(2027, 1, 30, 5, 0, tzinfo=UTC)
    ticks = CronSim(cron, start)
    by_cron = [next(ticks) for _ in range(12)]
    command = ["systemd-analyze", "calendar", "--iterations=12", f"--base-time={start:%Y-%m-%d %H:%M:%S} UTC"]
    done = subprocess.run([*command, *expected], capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    found = {
        datetime.strptime(line.partition(": ")[2].strip()[4:23], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        for line in done.stdout.splitlines()
        if line.strip().startswith(("Next elapse:", "Iter. #", "Iteration #")) and "never" not in line
    }
    assert sorted(found)[:12] == by_cron


@pytest.mark.parametrize("cron", ["0 6 LW * *", "0 6 * * 5L", "0 6 */2 * 2#2"])
def test_what_systemd_cannot_say_is_an_error(cron: str) -> None:
    with pytest.raises(TimerError):
        on_calendar(cron)


def configured(
    folder: Path,
    section: dict[str, Any] | None = None,
    *,
    has_queue: bool = False,
    decisions: dict[str, Any] | None = None,
    slack: dict[str, Any] | None = None,
    **cronjobs: str,
) -> dict[str, str]:
    aws = {"main_account_id": "123456789012", "region": "eu-west-1", "accounts": {"123456789012": "master"}}
    check = {"ddb.table_name": "issues", **(section or {})}
    config = {"aws": aws, "cronjobs": cronjobs, "secgrp_unrestricted_access": check}
    config |= {"decisions": decisions or {}, "slack": slack or {}}
    files = {"config": ("config.json", json.dumps(config).encode())}
    return units(parse_configuration(files), folder, has_queue=has_queue)


def test_each_job_with_a_time_has_a_service_and_a_timer(tmp_path: Path) -> None:
    files = configured(tmp_path, reporting="55 * * * *", remediation="45 10 * * *")
    assert sorted(files) == [
        *("hammer-remediation.service", "hammer-remediation.timer"),
        *("hammer-reporting.service", "hammer-reporting.timer"),
    ]
    assert "OnCalendar=*-*-* 10:45:00 UTC\n" in files["hammer-remediation.timer"]
    assert (
        f"ExecStart={tmp_path}/venv/bin/python -m remediation.clean_security_groups --batch\n"
        in (files["hammer-remediation.service"])
    )
    assert (
        f"ExecStart={tmp_path}/venv/bin/python -m reporting.create_security_groups_tickets\n"
        in (files["hammer-reporting.service"])
    )


def written(files: dict[str, str], folder: Path) -> tuple[list[str], list[str]]:
    """Write units. Returns what is to be started, and what was to be stopped."""
    stopped: list[str] = []
    return write(files, folder, stopped.extend), stopped


AT_ONCE: dict[str, Any] = {"remediation": True, "remediation_immediate": {"*": ["critical"]}}


def test_requests_for_remediation_at_once_are_looked_for_every_minute(tmp_path: Path) -> None:
    files = configured(tmp_path, AT_ONCE, has_queue=True)
    assert sorted(files) == ["hammer-immediate.service", "hammer-immediate.timer"]
    assert f"ExecStart={tmp_path}/venv/bin/python -m hammer immediate\n" in files["hammer-immediate.service"]
    assert "[Timer]\nOnBootSec=1min\nOnUnitInactiveSec=20s\nAccuracySec=1s\n" in files["hammer-immediate.timer"]
    assert written(files, tmp_path) == (["hammer-immediate.timer"], [])
    assert written(configured(tmp_path), tmp_path) == ([], ["hammer-immediate.timer"])


@pytest.mark.parametrize(
    ("section", "has_queue"),
    [
        (AT_ONCE, False),
        ({**AT_ONCE, "remediation": False}, True),
        ({**AT_ONCE, "remediation_immediate": {"*": []}}, True),
    ],
    ids=["no queue", "remediation is off", "no severity"],
)
def test_nothing_is_looked_for_where_nothing_is_asked_for(
    tmp_path: Path, section: dict[str, Any], has_queue: bool
) -> None:
    assert configured(tmp_path, section, has_queue=has_queue) == {}


def test_who_listens_to_slack_is_a_service_that_is_watched(tmp_path: Path) -> None:
    files = configured(tmp_path, decisions={"enabled": True}, slack={"enabled": True})
    assert list(files) == ["hammer-listen.service"]
    text = files["hammer-listen.service"]
    assert f"ExecStart={tmp_path}/venv/bin/python -m reporting.listen_for_decisions\n" in text
    for line in ("Type=notify", "WatchdogSec=180", "Restart=always", "RestartPreventExitStatus=1 2", "KillMode=mixed"):
        assert f"{line}\n" in text
    assert written(files, tmp_path) == (["hammer-listen.service"], [])
    assert written(files, tmp_path) == ([], [])
    assert written(configured(tmp_path), tmp_path) == ([], ["hammer-listen.service"])


@pytest.mark.parametrize("sections", [{"decisions": {"enabled": True}}, {"slack": {"enabled": True}}])
def test_nobody_listens_where_decisions_or_slack_are_off(tmp_path: Path, sections: dict[str, Any]) -> None:
    assert configured(tmp_path, **sections) == {}


def test_units_follow_the_configuration(tmp_path: Path) -> None:
    other = tmp_path / "hammer-timers.timer"
    other.write_text("not a job's", "utf-8")
    both = configured(tmp_path, reporting="55 * * * *", remediation="45 10 * * *")
    assert written(both, tmp_path) == (["hammer-reporting.timer", "hammer-remediation.timer"], [])
    assert written(both, tmp_path) == ([], [])
    assert written(configured(tmp_path, reporting="0 * * * *"), tmp_path) == (
        ["hammer-reporting.timer"],
        ["hammer-remediation.timer"],
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("hammer-reporting.service", "hammer-reporting.timer", "hammer-timers.timer"),
    ]


class Systemd:
    """What `systemctl` does with a folder of units, until it dies.

    Attributes:
        running: the units that run, each with its text when it was loaded.
        dies_at: the number of the call, from 0, during which the caller is killed; None: at none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, str] = {}
        self.loaded: dict[str, str] = {}
        self.dies_at: int | None = None
        self.calls = 0

    def run(self, command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        self.calls += 1
        _, verb, *names = [word for word in command if word != "--now"]
        if verb == "daemon-reload":
            self.loaded = {path.name: path.read_text("utf-8") for path in self.folder.glob("hammer-*.*")}
            # A timer that runs goes by its new times.
            self.running = {name: self.loaded.get(name, text) for name, text in self.running.items()}
        for name in names:
            if verb == "disable":
                assert name in self.loaded
                self.running.pop(name, None)
                (self.folder / "timers.target.wants" / name).unlink(missing_ok=True)
            elif verb == "restart":
                self.running[name] = self.loaded[name]
            elif verb == "enable":
                wants = self.folder / "timers.target.wants"
                wants.mkdir(exist_ok=True)
                (wants / name).unlink(missing_ok=True)
                (wants / name).symlink_to(self.folder / name)
        return subprocess.CompletedProcess(command, 0)


@pytest.mark.parametrize("dies_at", range(5))
def test_what_a_run_that_died_left_undone_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    systemd = Systemd(tmp_path)
    monkeypatch.setattr(subprocess, "run", systemd.run)
    config = tmp_path / "config"
    config.mkdir()
    monkeypatch.setattr(
        sys, "argv", ["timers", "--start", "--config", str(config), "--folder", str(tmp_path), "--home", str(tmp_path)]
    )
    times: list[dict[str, Any]] = [
        {"reporting": "55 * * * *"},
        {"reporting": "50 * * * *", "remediation": "45 10 * * *"},
        {"publishing": "0 6 * * *", "reporting": "50 * * * *"},
        {"reporting": "50 * * * *", "remediation": "45 10 * * *"},
    ]
    for cronjobs in times:
        section = {"ddb.table_name": "issues"}
        aws = {"main_account_id": "123456789012", "region": "eu-west-1", "accounts": {}}
        text = json.dumps({"aws": aws, "secgrp_unrestricted_access": section, "cronjobs": cronjobs})
        (config / "config.json").write_text(text, "utf-8")
        systemd.dies_at = systemd.calls + dies_at
        with suppress(KeyboardInterrupt):
            systemd_timers.main()
        systemd.dies_at = None
        systemd_timers.main()
        wanted = {name: text for name, text in configured(tmp_path, **cronjobs).items() if name.endswith(".timer")}
        assert systemd.running == wanted
        assert {name for name in wanted if not (tmp_path / "timers.target.wants" / name).exists()} == set()
    before = systemd.calls
    systemd_timers.main()
    assert systemd.calls == before + 1  # daemon-reload


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"aws": {"main_account_id": "12"}}', "config.json: aws.main_account_id"),
        ('{"cronjobs": ', "config.json"),
        ("", "config.json"),
    ],
    ids=["a wrong value", "no JSON", "empty"],
)
def test_a_mistake_in_the_configuration_is_named_and_the_units_stay(tmp_path: Path, text: str, said: str) -> None:
    """At a host's first boot, too, where whoever looks has the journal alone."""
    (tmp_path / "config.json").write_text(text, "utf-8")
    command = [sys.executable, "-m", "deployment.systemd_timers", "--config", str(tmp_path), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith("the units stay as they are: ")
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]

"""The host's systemd timers, from `cronjobs` of the configuration, and the service that listens to Slack.

`units` is pure; `main` reads the configuration and writes the files. Run every hour on the host, so
that a change of `cronjobs` in S3 needs no deployment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from library.aws.failures import AWS_ERRORS, explain
from library.config import Configuration, ConfigurationError, configuration_uri, load_configuration
from library.jobs.calendar_events import TimerError, on_calendar

_JOBS: Mapping[str, str] = {
    "reporting": "reporting.create_security_groups_tickets",
    "remediation": "remediation.clean_security_groups --batch",
    "publishing": "hammer publish",
    "usage": "hammer usage",
}
_IMMEDIATE = "immediate"
_LISTENER = "listen"
# It waits 20 s for a request; with the pause, each takes less than a minute.
_IMMEDIATE_TIMES = "OnBootSec=1min\nOnUnitInactiveSec=20s\nAccuracySec=1s"
_LONGEST_RUN = "6h"


def units(config: Configuration, home: Path, *, has_queue: bool = False) -> dict[str, str]:
    """The unit files, by name. A job that the configuration gives no time has none.

    Args:
        config: the configuration.
        home: the folder with the virtual environment `venv` and the file `environment`.
        has_queue: whether there is a queue of requests for remediation at once.
    """
    files: dict[str, str] = {}
    for job, command in _JOBS.items():
        cron: str | None = getattr(config.cronjobs, job)
        if cron:
            times = "\n".join(f"OnCalendar={value}" for value in on_calendar(cron))
            files |= _units_of(job, command, f"{cron} in the configuration", times, home)
    section = config.secgrp_unrestricted_access
    if has_queue and section.remediation and any(section.remediation_immediate.values()):
        reason = "remediation_immediate in the configuration"
        files |= _units_of(_IMMEDIATE, "hammer immediate", reason, _IMMEDIATE_TIMES, home)
    if config.decisions.enabled and config.slack.enabled:
        files |= _listener(home)
    return files


def _listener(home: Path) -> dict[str, str]:
    """The service that takes decisions from Slack."""
    return {
        f"hammer-{_LISTENER}.service": (
            "# decisions.enabled in the configuration\n"
            "[Unit]\nDescription=Hammer: decisions from Slack\nWants=network-online.target\n"
            "After=network-online.target\nStartLimitIntervalSec=0\n\n"
            f"[Service]\nType=notify\nNotifyAccess=main\nUser=hammer\nEnvironmentFile={home}/environment\n"
            f"WorkingDirectory={home}\nExecStart={home}/venv/bin/python -m reporting.listen_for_decisions\n"
            # 1 and 2 say that to start it again would not help: a token that Slack refuses, a configuration.
            "Restart=always\nRestartSec=15\nRestartPreventExitStatus=1 2\nWatchdogSec=180\nTimeoutStartSec=120\n"
            # A restore that is under way is a process of the service's: it gets no signal, and is waited for.
            "KillMode=mixed\nTimeoutStopSec=900\n"
            f"ExecStopPost={home}/venv/bin/python -m deployment.run_ended {_LISTENER}\n"
            "NoNewPrivileges=true\nPrivateTmp=true\nProtectSystem=strict\nProtectHome=true\n\n"
            "[Install]\nWantedBy=multi-user.target\n"
        )
    }


def _units_of(job: str, command: str, reason: str, times: str, home: Path) -> dict[str, str]:
    return {
        f"hammer-{job}.service": (
            f"[Unit]\nDescription=Hammer: {job}\nWants=network-online.target\nAfter=network-online.target\n\n"
            f"[Service]\nType=oneshot\nUser=hammer\nEnvironmentFile={home}/environment\n"
            f"WorkingDirectory={home}\nExecStart={home}/venv/bin/python -m {command}\nTimeoutStartSec={_LONGEST_RUN}\n"
            # After every run, however it ended: OnFailure= would say nothing of the runs that succeed.
            f"ExecStopPost={home}/venv/bin/python -m deployment.run_ended {job}\n"
            "NoNewPrivileges=true\nPrivateTmp=true\nProtectSystem=strict\nProtectHome=true\n"
        ),
        f"hammer-{job}.timer": (
            f"# {reason}\n[Unit]\nDescription=Hammer: when {job} runs\n\n"
            f"[Timer]\n{times}\n\n[Install]\nWantedBy=timers.target\n"
        ),
    }


def write(files: Mapping[str, str], folder: Path, stop: Callable[[Sequence[str]], None] = lambda _: None) -> list[str]:
    """Make the jobs' unit files in a folder these and no others.

    `stop` is given what is to be stopped while it still has its file: what dies meanwhile is found again.

    Returns:
        The names of what is to be started because it is new or has changed: timers, and the service that listens.
    """
    ours = {folder / f"hammer-{job}{suffix}" for job in (*_JOBS, _IMMEDIATE) for suffix in (".service", ".timer")}
    ours.add(folder / f"hammer-{_LISTENER}.service")
    gone = [path.name for path in sorted(ours) if path.exists() and path.name not in files]
    if started := [name for name in gone if _is_started(name)]:
        stop(started)
    for name in gone:
        (folder / name).unlink()
    changed = []
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            changed.append(name)
    return [name for name in changed if _is_started(name)]


def _is_started(name: str) -> bool:
    """Whether a unit is started by itself. The services of jobs are started by their timers."""
    return name.endswith(".timer") or name == f"hammer-{_LISTENER}.service"


def main() -> None:
    """Read the configuration, write the units and, if asked, have systemd take them over."""
    parser = argparse.ArgumentParser(prog="python -m deployment.systemd_timers", description="Write systemd timers.")
    parser.add_argument("--config", help="the configuration: a folder or s3://bucket/prefix; else $HAMMER_CONFIG")
    parser.add_argument("--folder", type=Path, required=True, help="where units are, such as /etc/systemd/system")
    parser.add_argument("--home", type=Path, default=Path("/opt/hammer"), help="where Hammer is installed")
    parser.add_argument("--start", action="store_true", help="start what changed, stop what is gone")
    options = parser.parse_args()
    has_queue = bool(os.environ.get("HAMMER_IMMEDIATE_QUEUE"))
    try:
        config = load_configuration(configuration_uri(options.config, os.environ))
        files = units(config, options.home, has_queue=has_queue)
    except (ConfigurationError, TimerError, *AWS_ERRORS) as error:
        sys.exit(f"the units stay as they are: {explain(error)}")
    if options.start:
        _start(files, options.folder)
    else:
        write(files, options.folder)


def _start(files: Mapping[str, str], folder: Path) -> None:
    """Write the units, and have systemd take them over. Whatever was left undone when this died is done then."""
    # Without its link, so that one that comes back later is started, whatever dies then.
    changed = write(files, folder, lambda names: _systemctl("disable", "--now", *names))
    # Also where nothing changed: it may have been written by a run that died before this. Timers go by the new times.
    _systemctl("daemon-reload")
    waiting = [name for name in files if _is_started(name) and (name in changed or not _is_enabled(name, folder))]
    if not waiting:
        return
    restarted = subprocess.run(["/usr/bin/systemctl", "restart", *waiting], check=False)
    # At last, because it marks that all was done. What systemd could not start it starts at the next boot.
    _systemctl("enable", *waiting)
    if restarted.returncode:
        sys.exit(f"systemd could not start all of these: {', '.join(waiting)}")


def _systemctl(*arguments: str) -> None:
    subprocess.run(["/usr/bin/systemctl", *arguments], check=True)


def _is_enabled(name: str, folder: Path) -> bool:
    """Whether `systemctl enable` has made the link by which a unit starts at boot (systemctl(1))."""
    target = "timers.target" if name.endswith(".timer") else "multi-user.target"
    return (folder / f"{target}.wants" / name).exists()


if __name__ == "__main__":
    main()

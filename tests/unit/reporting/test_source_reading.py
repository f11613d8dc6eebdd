"""Where the groups of a run are defined is read of several regions at a time: a run that ends, ends all of them."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from library.aws.lock import LockedError
from library.issues.issue import Issue
from library.jobs.run import InterruptedRunError
from library.source.find import TerraformFiles
from reporting.plan import Step, Update
from reporting.read import ReportSummary
from reporting.run import Services, SourceReading
from tests.builders.issues import DETAILS, NOW, an_issue

TIMEOUT_S = 30


class Notes(list[str]):
    """Notes of a run that a signal interrupts while it takes what the first region said."""

    def __iadd__(self, notes: Any) -> Notes:  # type: ignore[override,misc]
        raise InterruptedRunError("stopped by SIGTERM")


def step(region: str, group_id: str) -> Step:
    issue = an_issue(issue_id=group_id, details=replace(DETAILS, region=region))
    return Step(issue, Update.NEW, None, None, None, report=True, close=False)


STEPS = [step("eu-west-1", "sg-1"), step("us-east-1", "sg-2"), step("us-east-1", "sg-3"), step("us-east-1", "sg-4")]


def read(
    monkeypatch: pytest.MonkeyPatch, summary: ReportSummary, error: BaseException | None = None, *, at_once: int = 2
) -> list[str]:
    """Read the sources of two regions, of which `error` ends the first one; returns the groups that were looked at.

    Where both are read at the same time, the second is at its first group until it is known that the run ends.
    """
    monkeypatch.setattr("reporting.run._REGIONS_AT_ONCE", at_once)
    located: list[str] = []
    second = Event()

    def locate(reading: SourceReading, issue: Issue, _: TerraformFiles) -> None:
        located.append(issue.issue_id)
        if issue.issue_id == "sg-1":
            assert at_once == 1 or second.wait(TIMEOUT_S)
            if error:
                raise error
        else:
            second.set()
            assert reading.stopped.wait(TIMEOUT_S)

    monkeypatch.setattr(SourceReading, "_locate", locate)
    services: Services = SimpleNamespace(now=lambda: NOW, renew=lambda: None)  # type: ignore[assignment]
    config: Any = SimpleNamespace(source=SimpleNamespace(terraform_paths=()))
    with pytest.raises((LockedError, InterruptedRunError)):
        SourceReading(config, services, summary).with_sources(STEPS, dry_run=False)
    return sorted(located)


def test_a_signal_ends_each_region_after_the_group_that_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, ReportSummary(notes=Notes())) == ["sg-1", "sg-2"]


def test_a_lost_lock_ends_each_region_after_the_group_that_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, ReportSummary(), LockedError("another run took over")) == ["sg-1", "sg-2"]


def test_no_region_begins_once_another_has_ended_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, ReportSummary(), LockedError("another run took over"), at_once=1) == ["sg-1"]

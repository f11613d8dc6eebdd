"""What a run of reporting says of itself in one line."""

from __future__ import annotations

import pytest

from reporting.read import ReportSummary

SUMMARIES: dict[str, tuple[ReportSummary, str]] = {
    "nothing new": (ReportSummary(unchanged=2), "nothing new; 2 unchanged"),
    "everything could be reported": (ReportSummary({"new": 3, "gone": 1}), "3 new, 1 gone; 0 unchanged"),
    "nothing could be reported": (
        ReportSummary(problems=["sg-1: JIRA is down", "sg-2: JIRA is down"]),
        "nothing could be reported; 0 unchanged; 2 problems",
    ),
    "a part could be reported": (
        ReportSummary({"new": 1}, unchanged=4, problems=["sg-2: no project"]),
        "1 new; 4 unchanged; 1 problem",
    ),
}


@pytest.mark.parametrize(("summary", "text"), SUMMARIES.values(), ids=SUMMARIES)
def test_a_run_in_one_line(summary: ReportSummary, text: str) -> None:
    assert summary.text == text

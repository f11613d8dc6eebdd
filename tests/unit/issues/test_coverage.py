"""When an account and region were last looked at, by how the newest scan of them ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from library.issues.scan_coverage import Outcome, ScanCoverage

NOW, BEFORE = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "last_complete", "last_scan"),
    [
        pytest.param(Outcome.COMPLETE, NOW, NOW, id="complete"),
        pytest.param(Outcome.PARTIAL, BEFORE, NOW, id="a group was not understood, the others were"),
        pytest.param(Outcome.REGION_OFF, None, NOW, id="a region that is off was asked about"),
        pytest.param(Outcome.FAILED, BEFORE, BEFORE, id="failed, but not before"),
        pytest.param(Outcome.FAILED, None, None, id="failed ever since"),
    ],
)
def test_looked(outcome: Outcome, last_complete: datetime | None, last_scan: datetime | None) -> None:
    scan = ScanCoverage("123456789012", "eu-west-1", outcome, NOW, 1.0, 1, "", last_complete)
    assert scan.last_scan == last_scan

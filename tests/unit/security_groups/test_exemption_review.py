"""Which exemptions somebody should look at."""

from __future__ import annotations

from datetime import date

import pytest

from library.security_groups.exemptions import Exemption, review

TODAY = date(2027, 3, 1)
KNOWN = [("sg-1", "vpc-1", "default"), ("sg-2", "vpc-1", "web")]


@pytest.mark.parametrize(
    ("expires", "found_in"),
    [
        pytest.param(None, "endless", id="no end"),
        pytest.param(date(2027, 2, 28), "expired", id="yesterday"),
        pytest.param(date(2027, 3, 1), "expired", id="today is the first day on which it does not count"),
        pytest.param(date(2027, 3, 2), "expiring", id="tomorrow"),
        pytest.param(date(2027, 3, 31), "expiring", id="in 30 days"),
        pytest.param(date(2027, 4, 1), "", id="in 31 days"),
    ],
)
def test_an_exemption_is_sorted_by_its_end(expires: date | None, found_in: str) -> None:
    exemption = Exemption("sg-1", expires=expires)
    reviewed = review([exemption], TODAY)
    assert {name for name in ("expired", "expiring", "endless", "unmatched") if getattr(reviewed, name)} == (
        {found_in} if found_in else set()
    )


def test_exemptions_that_name_no_known_group() -> None:
    by_id, by_name = Exemption("sg-2"), Exemption("vpc-1:default")
    gone, mistyped = Exemption("sg-9"), Exemption("vpc-2:default")
    over = Exemption("sg-8", expires=TODAY)
    assert review([by_id, gone, by_name, mistyped, over], TODAY, KNOWN).unmatched == (gone, mistyped)
    assert review([gone], TODAY, []).unmatched == (gone,)
    assert review([gone], TODAY, None).unmatched == ()

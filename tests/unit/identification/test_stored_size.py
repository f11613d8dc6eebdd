"""Details of any size are cut to what an item of the table has room for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from identification.scan import truncate_to_item_limit as truncated
from library.issues.issue import IssueDetails
from library.issues.reachability import Path, Reachability, Verdict
from library.security_groups.exposure import Exposure
from tests.builders.issues import DETAILS


def partly(number: int) -> Exposure:
    return Exposure("tcp", 22, 22, f"2001:db8:{number:x}::/48", "open_partly", "pl-0123456789abcdef0")


def completely(number: int) -> Exposure:
    return Exposure("tcp", number, number, "0.0.0.0/0", "open_completely")


def size(details: IssueDetails) -> int:
    return len(json.dumps(details.to_item(), ensure_ascii=False).encode())


def test_what_fits_stays_as_it_is() -> None:
    details = replace(DETAILS, perms=tuple(map(partly, range(120))), tags={f"key-{n}": "v" * 100 for n in range(50)})
    assert truncated(details) == details
    assert "perms_total" not in details.to_item()


def test_of_too_many_exposures_the_worst_are_kept_and_all_are_counted() -> None:
    perms = (*map(partly, range(1400)), *map(completely, range(1000, 1100)))
    cut = truncated(replace(DETAILS, perms=perms))
    assert cut.perms_total == 1500
    assert set(map(completely, range(1000, 1100))) < set(cut.perms)
    assert list(cut.perms) == [perm for perm in perms if perm in set(cut.perms)], "in their order"
    assert size(cut) < 60_000
    assert IssueDetails.from_item(cut.to_item()) == cut


def test_at_least_one_exposure_of_each_status_is_kept() -> None:
    perms = (*map(completely, range(1, 1500)), partly(1))
    assert {perm.status for perm in truncated(replace(DETAILS, perms=perms)).perms} == {
        "open_completely",
        "open_partly",
    }


def test_an_unchanged_group_compares_equal_and_a_changed_number_does_not() -> None:
    perms = tuple(map(partly, range(1500)))
    assert truncated(replace(DETAILS, perms=perms)) == truncated(replace(DETAILS, perms=perms))
    assert truncated(replace(DETAILS, perms=perms)) != truncated(replace(DETAILS, perms=perms[:-1]))


@pytest.mark.parametrize("letter", ["a", "💥"])
def test_tags_and_paths_have_their_limits_too(letter: str) -> None:
    tags = {f"{n:03}" + letter * 125: letter * 256 for n in range(49)} | {"owner": "ana@example.com"}
    paths = [Path(f"eni-{n}", letter * 255, "8.8.8.8", Verdict.INTERNET, text=letter * 900) for n in range(20)]
    judged = Reachability.of(Verdict.INTERNET, None, "open_completely", paths)
    cut = truncated(replace(DETAILS, tags=tags, reachability=judged, perms=tuple(map(partly, range(1500)))))
    assert size(cut) < 100_000
    assert cut.tags["owner"] == "ana@example.com"
    assert cut.reachability
    assert (cut.reachability.paths_total, cut.reachability.verdict) == (20, Verdict.INTERNET)


def test_what_a_path_goes_through_counts_too() -> None:
    through = tuple(f"eni-{n:030}" for n in range(200))
    paths = [Path(f"eni-{n}", "", "", Verdict.INTERNET, through) for n in range(5)]
    cut = truncated(replace(DETAILS, reachability=Reachability.of(Verdict.INTERNET, None, "open_completely", paths)))
    assert cut.reachability
    assert len(cut.reachability.paths) == 2
    assert cut.reachability.paths_total == 5

"""The report's numbers add up for a reader, and what could not be read is marked and named."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import pytest

from hammer.formats import Format, render
from hammer.formats.html_format import _code, _whole_words
from hammer.formats.report.charts import charts, trend
from hammer.formats.report.view import (
    CoverageRow,
    change_text,
    coverage,
    headline,
    issue_count,
    last_read,
    totals,
    unread_noun,
    unread_text,
)
from hammer.listing.issue import ChangeSince, Failed, Listing, ListingSource, Scanned, Sort, Wanted, chosen
from hammer.table_listing import change_since
from library.issues.issue import Status, Timestamps
from library.issues.trends import Day
from tests.builders.issues import an_issue
from tests.builders.listings import (
    INTERNET,
    NOW,
    UNTRUSTED_NAMES,
    a_listed_issue,
    a_listing,
    a_whole_listing,
    many_issues,
)

OPEN = a_listed_issue(timestamps=Timestamps())
REACHABLE = replace(OPEN, details=replace(OPEN.details, reachability=INTERNET))
OVERDUE = replace(REACHABLE, due=NOW - timedelta(days=1), timestamps=Timestamps(identified=NOW - timedelta(days=30)))
FINDING = replace(OPEN, group_id="finding-1")
DAY = date(2026, 11, 21)


def page_text(listing: Listing) -> str:
    """The page without its tags; what stands in it as a reader sees it."""
    page = render(Format.HTML, listing).partition("</head>")[2]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page)))


@pytest.mark.parametrize(
    ("listing", "text", "good"),
    [
        pytest.param(
            a_listing(failed=(), whitelisted=0), "No security group is open to the Internet.", True, id="nothing"
        ),
        pytest.param(
            a_listing(failed=()), "No security group is open to the Internet; 1 is exempt.", True, id="one exempt"
        ),
        pytest.param(
            a_listing(failed=(), whitelisted=1200),
            "No security group is open to the Internet; 1,200 are exempt.",
            True,
            id="many exempt",
        ),
        pytest.param(
            a_listing(),
            "No open issue is known; 1 is exempt, but not everything could be read.",
            False,
            id="not all was read",
        ),
        pytest.param(
            a_listing(REACHABLE), "1 group is open and reachable from the Internet now.", False, id="one, reachable"
        ),
        pytest.param(
            a_listing(OPEN),
            "1 group is open to the Internet, and not known to be reachable from there now.",
            False,
            id="one, not known to be reachable",
        ),
        pytest.param(
            a_listing(OVERDUE),
            "1 group is open and reachable from the Internet now; it is overdue: the date from which Hammer may "
            "replace its rules has passed; it was found 30 days ago.",
            False,
            id="one, overdue",
        ),
        pytest.param(
            a_listing(OVERDUE, OVERDUE, OPEN),
            "3 groups are open to the Internet, 2 of them reachable from the Internet now; 2 overdue: the date from "
            "which Hammer may replace their rules has passed; the oldest was found 30 days ago.",
            False,
            id="several",
        ),
        pytest.param(
            replace(a_listing(failed=()), filtered=True),
            "No open issue is among those that were asked for.",
            False,
            id="none of those that were asked for",
        ),
        pytest.param(
            replace(a_listing(), filtered=True),
            "No open issue is known among those that were asked for, but not everything could be read.",
            False,
            id="none of those that were asked for, and not all was read",
        ),
        pytest.param(
            replace(a_listing(OPEN), filtered=True),
            "Of what was asked for, 1 group is open to the Internet, and not known to be reachable from there now.",
            False,
            id="one of those that were asked for",
        ),
        pytest.param(
            a_listing(OPEN, FINDING),
            "2 issues are open to the Internet, 0 of them reachable from the Internet now.",
            False,
            id="a finding is no group",
        ),
    ],
)
def test_the_page_in_one_sentence(listing: Listing, text: str, good: bool) -> None:
    assert headline(listing) == (text, good)


def test_the_list_says_which_kinds_its_number_is_made_of() -> None:
    gone = [replace(OPEN, status=Status.RESOLVED), replace(OPEN, status=Status.CLOSED)]
    statuses = ["open"] * 90 + ["exempt"] + ["closed"] * 9
    assert issue_count(statuses) == "100 issues: 90 open, 1 exempt, 9 closed"
    assert "4 issues: 1 open, 1 exempt, 1 resolved, 1 closed" in page_text(
        a_whole_listing(OPEN, replace(OPEN, status=Status.WHITELISTED), *gone)
    )


@pytest.mark.parametrize(
    ("change", "listed", "text"),
    [
        pytest.param(ChangeSince(DAY, 23, 3, 1, 25), 25, "25 are open now.", id="it adds up"),
        pytest.param(ChangeSince(DAY, 23, 3, 1, 1), 1, "1 is open now: 24 fewer for other reasons, ", id="fewer"),
        pytest.param(ChangeSince(DAY, 23, 3, 1, 36), 36, "36 are open now: 11 more for other reasons, ", id="more"),
        pytest.param(ChangeSince(DAY, 23, 3, 1, 25), 4, "25 are open now, 4 of them listed here.", id="a part listed"),
    ],
)
def test_the_history_leads_to_the_number_of_today(change: ChangeSince, listed: int, text: str) -> None:
    shown = change_text(change, listed)
    assert shown.startswith(f"Since 2026-11-21: 23 were open then; 3 new, 1 resolved. {text}")
    assert shown.endswith(".")
    assert ("an exemption that began or ended" in shown) is bool(change.otherwise)


def test_what_was_found_and_resolved_since_is_both() -> None:
    old, now = an_issue(), NOW
    new = replace(old, timestamps=Timestamps(identified=now))
    come_and_gone = replace(new, status=Status.RESOLVED, timestamps=Timestamps(identified=now, resolved=now))
    gone = replace(old, status=Status.RESOLVED, timestamps=Timestamps(identified=NOW - timedelta(9), resolved=now))
    days = [Day(DAY, {"210987654321": {"high": 2}}, {})]
    still = replace(old, timestamps=Timestamps(identified=NOW - timedelta(days=9)))
    change = change_since(days, [still, new, come_and_gone, gone])
    assert change == ChangeSince(DAY, open_then=2, new=2, resolved=2, open_now=2)
    assert change.otherwise == 0


REGION = Failed("210987654321", "us-east-1", "role missing", "shop")
ITEM = Failed("210987654321", "eu-west-1", "an item", "shop", is_item=True)
FILE = Failed("", "", "its entries are not known yet")


@pytest.mark.parametrize(
    ("failed", "noun"),
    [
        pytest.param((), "regions", id="none"),
        pytest.param((REGION,), "region", id="one region"),
        pytest.param((REGION, REGION), "regions", id="regions"),
        pytest.param((replace(REGION, region=""),), "account", id="an account without a region"),
        pytest.param((ITEM,), "issue", id="one item"),
        pytest.param((REGION, ITEM), "regions and issues", id="both"),
        pytest.param((FILE,), "part of the file", id="a plan"),
        pytest.param((FILE, FILE), "parts of the file", id="parts of a plan"),
    ],
)
def test_a_number_of_what_could_not_be_read_has_its_unit(failed: tuple[Failed, ...], noun: str) -> None:
    assert unread_noun(failed) == noun
    assert totals(a_listing(failed=failed))[-1].label == f"{noun} could not be read"


def test_what_could_not_be_read_is_named() -> None:
    assert unread_text(REGION) == "shop (210987654321), us-east-1: role missing"
    assert unread_text(replace(REGION, account_name="")) == "210987654321, us-east-1: role missing"
    assert unread_text(replace(REGION, region="")) == "shop (210987654321): role missing"
    assert unread_text(FILE) == "its entries are not known yet"
    assert unread_text(replace(FILE, reason="\x1b[31m")) == r"\x1b[31m"
    assert "and 1,980 more regions" in page_text(a_listing(failed=(REGION,) * 2000))


def test_each_account_and_region_is_in_the_table_also_what_could_not_be_read() -> None:
    read = Scanned("210987654321", "shop", "eu-west-1", 21, 1, NOW)
    one_time = Scanned("210987654321", "shop", "us-east-1", 0, 0, NOW - timedelta(days=2))
    other = Failed("123456789012", "eu-west-1", "no role", "main")
    partial = Failed("210987654321", "eu-west-1", "not understood: sg-1", "shop", is_partial=True)
    rows = coverage(a_listing(scanned=(read, one_time), failed=(REGION, other, partial, ITEM), unjudged=()))
    assert rows == [
        CoverageRow("main", "123456789012", "eu-west-1", "not read", "", "never", "no role"),
        CoverageRow("shop", "210987654321", "eu-west-1", "21", "1", "2026-11-22 03:00", "not understood: sg-1"),
        CoverageRow("shop", "210987654321", "us-east-1", "not read", "", "2026-11-20 03:00", "role missing"),
    ]
    empty = coverage(a_listing(scanned=(replace(read, groups=0),), failed=()))
    assert [(row.groups, row.missing) for row in empty] == [("0", "")]
    planned = coverage(a_listing(scanned=(Scanned("", "", "", 3, 0, NOW),), failed=(FILE,) * 5))
    assert [(row.account, row.groups, row.missing.count("known yet")) for row in planned] == [("the file", "3", 3)]
    assert planned[0].missing.endswith("; and 2 more")


def test_what_was_never_scanned_is_no_good_news() -> None:
    region = Failed("210987654321", "us-east-1", "not scanned yet", "shop")
    account = Failed("123456789012", "", "not scanned yet", "main")
    listing = a_listing(failed=(), whitelisted=0, never_scanned=(region, account))
    assert headline(listing) == ("No open issue is known, but not everything could be read.", False)
    assert [(total.number, total.label) for total in totals(listing)][-1] == (
        2,
        "regions and accounts could not be read",
    )
    assert [(row.account, row.region, row.groups, row.missing) for row in coverage(listing)] == [
        ("main", "every region", "not read", "not scanned yet"),
        ("shop", "eu-west-1", "21", ""),
        ("shop", "us-east-1", "not read", "not scanned yet"),
    ]
    text = page_text(listing)
    assert "main (123456789012): not scanned yet" in text
    assert "shop (210987654321), us-east-1: not scanned yet" in text


def test_what_inspector_found_is_not_read_by_a_scan_of_the_region() -> None:
    here = a_listed_issue(account_id="123456789012", region="us-east-1")
    never = Failed("123456789012", "", "not scanned yet", "main")
    page = render(Format.HTML, a_listing(here, replace(here, group_id="finding-1"), never_scanned=(never,)))
    assert page.count('<small class="unread">not read this time</small>') == 1


def test_who_can_connect_being_unknown_is_said_where_it_is() -> None:
    unjudged = Failed("210987654321", "eu-west-1", "who can connect is not known: denied", "shop", is_partial=True)
    read = Scanned("210987654321", "shop", "eu-west-1", 0, 0, NOW)
    (row,) = coverage(a_listing(scanned=(read,), failed=(), unjudged=(unjudged,)))
    assert (row.groups, row.missing) == ("0", unjudged.reason)


def test_issues_that_could_not_be_read_now_are_marked() -> None:
    here, there = OPEN, a_listed_issue(region="us-east-1", group_id="sg-2")
    listing = a_listing(here, there, scanned=(Scanned("210987654321", "shop", "us-east-1", 0, 0, NOW),))
    assert last_read(listing) == {("210987654321", "us-east-1"): "as last read 2026-11-22"}
    page = render(Format.HTML, listing)
    assert page.count('<small class="unread">as last read 2026-11-22</small>') == 1
    assert "us-east-1; open as last read 2026-11-22; not judged" in page_text(listing)
    never = last_read(replace(listing, scanned=()))
    assert never == {("210987654321", "us-east-1"): "not read this time"}
    assert last_read(replace(listing, failed=(replace(REGION, is_partial=True),))) == {
        ("210987654321", "us-east-1"): "region read in part"
    }
    # An item says nothing of its region, and a scan lists what it read.
    assert last_read(replace(listing, failed=(ITEM,))) == {}
    assert last_read(replace(listing, source=ListingSource.SCAN)) == {}


def test_columns_in_which_nothing_would_stand_are_left_out() -> None:
    scanned = render(Format.HTML, a_listing(OPEN, source=ListingSource.SCAN))
    assert not re.search(r'data-sort="(?:age|due)"|value="(?:age|due)"', scanned)
    assert "<td>nobody</td></tr>" in render(Format.HTML, a_listing(replace(OPEN, owner="")))
    without_due = render(Format.HTML, a_listing(a_listed_issue()))
    assert 'data-sort="age"' in without_due
    assert 'data-sort="due"' not in without_due
    assert 'data-sort="due"' in render(Format.HTML, a_listing(OVERDUE))


def test_within_a_severity_the_first_to_be_due_comes_first() -> None:
    later = replace(OVERDUE, due=NOW + timedelta(days=1), group_id="sg-1")
    never = replace(OVERDUE, due=None, group_id="sg-0")
    assert chosen([never, later, OVERDUE], Wanted(), Sort.SEVERITY) == (OVERDUE, later, never)


def test_the_first_line_of_an_issue_has_its_due_date() -> None:
    text = page_text(a_listing(OVERDUE, replace(OVERDUE, due=NOW + timedelta(days=21))))
    assert "critical Overdue since 2026-11-21 sg-0123456789abcdef0 web" in text
    assert "critical Due 2026-12-13 sg-0123456789abcdef0 web" in text


def test_nobody_is_called_so_everywhere() -> None:
    listing = a_listing(replace(OPEN, owner=""), replace(OPEN, owner="nobody"))
    page = render(Format.HTML, listing)
    assert "(nobody)" not in page
    assert '<option value="">nobody</option><option value="nobody">nobody</option>' in page
    assert "<td><bdi>nobody</bdi></td>" in page
    assert "; owner nobody." in page
    [owners] = [chart for chart in charts(listing.open_issues, NOW) if chart.id == "owner"]
    assert sorted((bar.label, bar.value) for bar in owners.bars) == [("nobody", ""), ("nobody", "nobody")]


def test_a_page_without_issues_has_no_list_and_nothing_that_leads_there() -> None:
    page = render(Format.HTML, a_listing(failed=(), whitelisted=0))
    assert page.count("No security group is open to the Internet.") == 1
    body = page.partition("</head>")[2]
    for anchor in re.findall(r'href="#([^"]*)"', body):
        assert f'id="{anchor}"' in body
    assert 'id="list"' not in body


def test_the_chart_of_ports_says_how_it_counts() -> None:
    notes = {chart.id: chart.note for chart in charts(many_issues(6), NOW) if chart.note}
    assert notes == {"port": "A range and all ports count by themselves; a group counts at each of its ports."}
    assert notes["port"] in render(Format.HTML, a_listing(*many_issues(6)))


def test_the_last_point_of_the_trend_has_its_number() -> None:
    line = trend([(DAY, 4), (date(2026, 11, 22), 2000)], date(2026, 11, 22))
    assert line is not None
    assert (line.x, line.y, line.label) == (350.0, 20.0, "2,000 today")
    stale = trend([(DAY - timedelta(days=1), 4), (DAY, 2)], date(2026, 11, 22))
    assert stale is not None
    assert stale.label == "2 on 2026-11-21"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("to sg-0123456789abcdef0.", ["sg-0123456789abcdef0"], id="group"),
        pytest.param("igw-0a → rtb-0b → acl-0c → eni-0d", ["igw-0a", "rtb-0b", "acl-0c", "eni-0d"], id="short ids"),
        pytest.param("instance i-0123456789abcdef0 (web)", ["i-0123456789abcdef0"], id="instance"),
        pytest.param("vpc-endpoint eni-0123abcd, 2026-12-13 03:00", ["eni-0123abcd", "2026-12-13"], id="day"),
        pytest.param("us-gov-west-1, eu-west-1a", ["us-gov-west-1", "eu-west-1a"], id="regions"),
        pytest.param("SC-7(4)(5), OPS-12", ["SC-7", "OPS-12"], id="controls and tickets"),
        pytest.param("analytics-production", [], id="a name is broken where it must"),
        pytest.param(f"sg-{'0' * 200}", [], id="nothing long is kept on one line"),
    ],
)
def test_no_line_ends_within_an_id_a_region_or_a_day(text: str, kept: list[str]) -> None:
    assert re.findall("<span>(.*?)</span>", _whole_words(text)) == kept


@pytest.mark.parametrize("name", UNTRUSTED_NAMES)
def test_what_is_copied_has_no_other_characters(name: str) -> None:
    text = f"{name} sg-0123456789abcdef0&lt;i-0123456789 '--region'"
    for shown in (_whole_words(text), _code(text)):
        assert unescape(re.sub("</?span>", "", shown)) == text
        assert not re.search("<(?!/?span>)", shown)


def test_a_command_is_broken_before_its_options_only() -> None:
    assert _code("aws ec2 x --region eu-west-1 --ip '[{\"a\": 1}]'\naws b") == (
        "<span>aws ec2 x</span> <span>--region eu-west-1</span> <span>--ip '[{\"a\": 1}]'</span>\n<span>aws b</span>"
    )

"""What the report says first: who can connect, what is overdue, and the fix before the controls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hammer.formats import Format, render
from hammer.formats.report.charts import charts
from hammer.formats.report.view import headline, totals, view
from hammer.listing.issue import ListingSource
from hammer.publish import mail_subject, mail_text
from library.issues.issue import Status
from tests.builders.listings import EVERYTHING, INTERNET, NOW, a_listed_issue, a_listing

OVERDUE = a_listed_issue(reachability=INTERNET, due=NOW - timedelta(days=1), owner="ana")
DUE_SOON = a_listed_issue(due=NOW + timedelta(days=7))
LATER = a_listed_issue(due=NOW + timedelta(days=8))


def test_overdue_is_counted_apart_from_due_soon() -> None:
    listing = a_listing(OVERDUE, DUE_SOON, LATER, replace(OVERDUE, status=Status.RESOLVED))
    counted = {total.label: total.number for total in totals(listing)}
    assert (counted["overdue"], counted["due within 7 days"]) == (1, 1)
    assert headline(listing)[0].startswith(
        "3 groups are open to the Internet, 1 of them reachable from the Internet now; 1 overdue: the date from which "
        "Hammer may replace its rules has passed; "
    )
    assert mail_subject(listing).endswith(": 1 critical, 2 high; 1 of them overdue")


def test_what_was_not_seen_is_not_said_to_be_closed() -> None:
    seen = a_listing(failed=())
    assert mail_subject(seen).endswith(": none open")
    comment = render(Format.MARKDOWN, seen).splitlines()[0]
    assert comment == "### Hammer: no security group exposes a restricted port"
    for listing in (a_listing(), a_listing(failed=(), scanned=())):
        assert mail_subject(listing).endswith(": none known to be open, and not everything could be read")
        assert render(Format.MARKDOWN, listing).splitlines()[0] == (
            "### Hammer: no security group is known to expose a restricted port, but not everything could be judged"
        )


def test_a_line_of_the_mail_says_what_is_overdue_and_which_account() -> None:
    text = mail_text(a_listing(OVERDUE, DUE_SOON), "https://example.com/report", attached=False)
    delayed, due_soon = (line for line in text.splitlines() if "sg-" in line)
    assert delayed == (
        '- critical: "web", shop (210987654321), eu-west-1, sg-0123456789abcdef0: SSH (tcp/22) open to the whole '
        "Internet; anyone on the Internet can connect now; owner ana; overdue since 2026-11-21"
    )
    assert "overdue" not in due_soon
    assert text.endswith("\nThe whole report, for who may sign in to AWS: https://example.com/report\n")


def test_the_page_of_an_issue_says_who_can_connect_and_the_fix_before_the_controls() -> None:
    assert view(OVERDUE, 1, NOW).connects == "Anyone on the Internet can connect now."
    assert view(DUE_SOON, 1, NOW).connects == ""
    page = render(Format.HTML, a_listing(OVERDUE))
    order = [
        page.index(text)
        for text in ("<b>Anyone on", "<h4>Path", "<h4>Fix", "If the private networks 10.0.0.0/8", "<dt>Controls")
    ]
    assert order == sorted(order)
    assert "somebody can connect" not in page


def test_all_ports_are_called_so() -> None:
    [ports] = [chart for chart in charts([a_listed_issue(EVERYTHING)], NOW) if chart.id == "port"]
    assert [(bar.label, bar.value) for bar in ports.bars] == [("all ports", "all")]


def test_a_scan_counts_nothing_by_dates_that_it_does_not_know() -> None:
    labels = {total.label for total in totals(a_listing(OVERDUE, source=ListingSource.SCAN))}
    assert not labels & {"overdue", "due within 7 days"}
    assert {"open", "critical"} <= labels


def test_controls_are_named_once_with_their_versions_and_enhancements() -> None:
    assert view(OVERDUE, 1, NOW).controls == (
        "AWS FSBP 1.0.0: EC2.13, EC2.18, EC2.19, EC2.53",
        "CIS AWS 1.5.0 to 3.0.0: 5.2, 4.0.1 to 5.0.0: 5.3, 6.0.0 to 7.0.0: 6.3",
        "NIST 800-53 r5: AC-4, AC-4(21), SC-7, SC-7(4)(5)(11)(16)(21), CM-7, AC-17",
        "PCI DSS 4.0.1: 1.3.1",
    )

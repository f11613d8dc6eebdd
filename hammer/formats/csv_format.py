"""`--format csv`: one line for each rule and source, as RFC 4180 has it, and safe from formulas. Pure.

A spreadsheet takes a cell that begins with one of `= + - @` for a formula, and so may the part after a separator in a
program that splits cells anew (OWASP, "CSV Injection"). An apostrophe before it makes it text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import StringIO

from hammer.listing.issue import ListedIssue, Listing
from library.documents.text import printable
from library.issues.times import format_time
from library.network.ports import protocol_name
from library.security_groups.exposure import Exposure

COLUMNS = (
    "account_id", "account_name", "region", "group_id", "group_name", "vpc_id", "issue_status", "severity", "verdict",
    "group_exposure", "protocol", "from_port", "to_port", "source", "prefix_list_id", "rule_exposure", "owner",
    "opened_by", "opened_at", "identified", "reported", "due", "ticket", "exempt_until", "exempt_reason", "restored",
    "controls", "tags",
)  # fmt: skip

# Also the full-width signs, which some spreadsheets read as the others.
_FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"
_FORMULA = re.compile(rf"(^|[,;|])(\s*)(?=[=+\-@{_FULL_WIDTH}])")


def pieces(listing: Listing) -> Iterator[str]:
    """A header, and one line for each rule and source, each with CR and LF at its end."""
    yield _lines([COLUMNS])
    for issue in listing.issues:
        yield _lines([safe_cell(cell) for cell in row] for row in _rows(issue))


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, on one line.

    >>> safe_cell("=cmd|' /C calc'!A0"), safe_cell("a;=1+1"), safe_cell("8.8.8.0/24")
    ("'=cmd|' /C calc'!A0", "a;'=1+1", '8.8.8.0/24')
    """
    return _FORMULA.sub(r"\1\2'", printable(text))


def _rows(issue: ListedIssue) -> Iterator[list[str]]:
    details, opened, times = issue.details, issue.opened_by, issue.timestamps
    for perm in details.perms or (None,):
        yield [
            issue.account_id,
            issue.account_name,
            details.region,
            issue.group_id,
            details.name,
            details.vpc_id,
            str(issue.status),
            str(issue.severity),
            issue.verdict,
            details.status,
            *_rule(perm),
            issue.owner,
            opened.principal if opened else "",
            _time(opened.event_time) if opened else "",
            _time(times.identified),
            _time(times.reported),
            _time(issue.due),
            issue.ticket,
            issue.exempt_until.isoformat() if issue.exempt_until else "",
            issue.exempt_reason,
            issue.restored,
            "; ".join(control.name for control in issue.controls),
            "; ".join(f"{key}={value}" for key, value in sorted(details.tags.items())),
        ]


def _time(time: datetime | None) -> str:
    return format_time(time.replace(microsecond=0)) or "" if time else ""


def _rule(perm: Exposure | None) -> list[str]:
    if perm is None:  # an Inspector finding without a group
        return ["", "", "", "", "", ""]
    protocol = protocol_name(perm.protocol)
    return [
        "all" if protocol == "-1" else protocol,
        "" if perm.from_port is None else str(perm.from_port),
        "" if perm.to_port is None else str(perm.to_port),
        perm.cidr,
        perm.prefix_list_id,
        perm.status,
    ]

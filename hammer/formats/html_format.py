"""`--format html`: one file that holds all it shows, and asks nothing of any network.

Its content security policy allows its own style and its own script, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hammer.formats.report.charts import charts, trend
from hammer.formats.report.view import (
    change_text,
    coverage,
    headline,
    issue_count,
    last_read,
    totals,
    unread_noun,
    unread_text,
    view,
)
from hammer.listing.issue import ListedIssue, Listing
from library.issues.times import shown_time

_PARTS = "hammer.formats.report"


def pieces(listing: Listing) -> Iterator[str]:
    """The page, as one piece."""
    style, script = _part("report.css"), _part("report.js")
    unread = last_read(listing)
    issues = [
        view(issue, number, listing.generated, _last_read(issue, unread))
        for number, issue in enumerate(listing.issues, 1)
    ]
    has_due = any(issue.due for issue in issues)
    yield (
        _environment()
        .get_template("report.html.j2")
        .render(
            policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'",
            style=style,
            script=script,
            listing=listing,
            generated=shown_time(listing.generated),
            issues=issues,
            totals=totals(listing),
            headline=headline(listing),
            change=change_text(listing.change, len(listing.open_issues)) if listing.change else "",
            count=issue_count([issue.status for issue in issues]),
            has_age=has_due or any(issue.age for issue in issues),
            has_due=has_due,
            coverage=coverage(listing),
            charts=charts(listing.open_issues, listing.generated),
            trend=trend(listing.trend, listing.generated.date()),
            accounts=sorted({issue.account for issue in issues}),
            owners=sorted({issue.owner for issue in issues}),
            ports=sorted({port for issue in issues for port in issue.ports}),
            regions=sorted({issue.region for issue in issues}),
            verdicts=sorted({issue.verdict for issue in issues}),
            statuses=sorted({issue.status for issue in issues}),
        )
    )


def _last_read(issue: ListedIssue, unread: Mapping[tuple[str, str], str]) -> str:
    """When a group's region was last read, where that failed since; of a finding Inspector tells by itself."""
    if not issue.is_group:
        return ""
    return unread.get((issue.account_id, issue.details.region)) or unread.get((issue.account_id, ""), "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hammer.formats", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole_words"] = _whole_words
    environment.filters["code"] = _code
    environment.filters["unread_noun"] = unread_noun
    environment.filters["unread_text"] = unread_text
    return environment


_WHOLE = re.compile(
    r"\b(?:"
    # The id of a resource: its kind, and hexadecimal digits.
    r"[a-z]{1,8}(?:-[a-z]{2,8})?-[0-9a-f]{8,17}|(?:acl|eni|igw|nat|pl|rtb|sg|subnet|tgw|vpc)-[0-9a-f]{2,7}"
    # A region, maybe with the letter of a zone; a day.
    r"|[a-z]{2}(?:-[a-z]{2,9}){1,2}-\d{1,2}[a-z]?|\d{4}-\d\d-\d\d"
    # A ticket; a control, whose enhancements follow in brackets.
    r"|[A-Z][A-Z0-9]{1,9}-\d{1,7}"
    r")\b"
)


def _whole_words(text: str) -> Markup:
    """A text in which no line ends within an id, a region or a day; what is copied from it has no other characters."""
    # It is escaped first: no match has a character of an entity's end, so that none begins or ends within one. What
    # matches is short: it fits on a line of a phone.
    return Markup(_WHOLE.sub(r"<span>\g<0></span>", str(escape(text))))  # noqa: S704


def _code(text: str) -> Markup:
    """Commands as the content of an element: a line may end before each option, and nowhere else."""
    # It is escaped first: only what is a quote again is changed, which ends nothing in the content of an element.
    # Commands are full of quotes: as entities they would be a tenth of the page.
    shown = str(escape(text)).replace("&#34;", '"').replace("&#39;", "'")
    commands = (" ".join(f"<span>{part}</span>" for part in _OPTION.split(line)) for line in shown.split("\n"))
    return Markup("\n".join(commands))  # noqa: S704


_OPTION = re.compile(r" (?=--)")


@cache
def _part(name: str) -> str:
    return (resources.files(_PARTS) / name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"

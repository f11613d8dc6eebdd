"""`--format html`: one file that holds all it shows, and asks nothing of any network.

Its content security policy allows its own style and its own script, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hammer.formats.report.charts import charts, trend
from hammer.formats.report.view import headline, totals, view
from hammer.listing.issue import Listing
from library.documents.text import printable
from library.issues.times import shown_time

_PARTS = "hammer.formats.report"


def pieces(listing: Listing) -> Iterator[str]:
    """The page, as one piece."""
    style, script = _part("report.css"), _part("report.js")
    issues = [view(issue, number, listing.generated) for number, issue in enumerate(listing.issues, 1)]
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
            charts=charts(listing.open_issues, listing.generated),
            trend=trend(listing.trend),
            accounts=sorted({issue.account for issue in issues}),
            owners=sorted({issue.owner for issue in issues}),
            ports=sorted({port for issue in issues for port in issue.ports}),
            regions=sorted({issue.region for issue in issues}),
            verdicts=sorted({issue.verdict for issue in issues}),
            statuses=sorted({issue.status for issue in issues}),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hammer.formats", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    environment.filters["shown_time"] = shown_time
    environment.filters["code"] = _code
    return environment


def _code(text: str) -> Markup:
    """A text as the content of an element, where quotes stand for themselves: commands are full of them."""
    # It is escaped first: only what is a quote again is changed, which ends nothing in the content of an element.
    return Markup(str(escape(text)).replace("&#34;", '"').replace("&#39;", "'"))  # noqa: S704


@cache
def _part(name: str) -> str:
    return (resources.files(_PARTS) / name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"

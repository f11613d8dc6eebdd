"""Pictures of every page and message: `make pictures` takes them anew, of what the product writes.

docs/images has the few that the documents show; sources.json there has the digest of the page of each: a test compares
it with the page as it is now. build/pictures, which is not committed, has every page at 390, 800 and 1,400 pixels,
light and dark, and every message at these widths: look at them after a change of what people see.

With Chromium, driven by playwright (`make venv-browser`).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from hammer.formats import Format, render
from hammer.listing.issue import ChangeSince, Listing, ListingSource
from library.issues.issue import Timestamps
from tests.builders.listings import NOW, a_whole_listing, many_issues
from tests.message_pages import pages, tickets_of_verdicts

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
SOURCES = IMAGES / "sources.json"
EVERY = ROOT / "build" / "pictures"
WIDTHS, SCHEMES = (390, 800, 1400), ("light", "dark")
_HEIGHT = 2600  # of what is taken of a page of the report: all of its parts begin before that


class Picture(NamedTuple):
    """A picture in the documents.

    Attributes:
        page: of what it is.
        height: of the window.
        anchor: the section that is open, and of which alone it is; empty: it is of the window.
    """

    page: str
    width: int
    height: int
    anchor: str = ""


def _report(listing: Listing) -> str:
    return render(Format.HTML, listing)


_HEIGHTS = {"ticket.png": 1300, "slack.png": 680, "mail.png": 660}
PICTURES: Mapping[str, Picture] = {
    "report.png": Picture(_report(a_whole_listing(*many_issues(40))), 1400, 1100),
    "issue.png": Picture(_report(a_whole_listing(*many_issues(1))), 1400, 860, "i1"),
    **{name: Picture(page, 960, _HEIGHTS[name]) for name, page in pages().items()},
}


def digests() -> dict[str, str]:
    """The digest of the page of each picture."""
    return {name: hashlib.sha256(each.page.encode()).hexdigest() for name, each in sorted(PICTURES.items())}


def listings() -> dict[str, Listing]:
    """A report of each kind, by name."""
    forty = a_whole_listing(*many_issues(40))
    is_open = len(forty.open_issues)
    # Three new and one resolved since the last day: the line ends where today's begins.
    days = [(NOW.date() - timedelta(days=30 - day), is_open - 2 - (29 - day) % 7 * 2) for day in range(30)]
    change = ChangeSince(*days[-1], 3, 1, is_open)
    unseen = [replace(issue, timestamps=Timestamps(), due=None, ticket="", ticket_url="") for issue in many_issues(12)]
    return {
        "report-100": a_whole_listing(*many_issues(100)),
        "report-history": replace(forty, trend=(*days, (NOW.date(), is_open)), change=change),
        "report-one": a_whole_listing(*many_issues(1), failed=()),
        "report-none": a_whole_listing(failed=()),
        "report-none-unread": a_whole_listing(),
        "scan": a_whole_listing(*unseen, source=ListingSource.SCAN),
    }


def _take(browser: Any, name: str, page: str, folder: Path) -> None:
    """A page at every width in both schemes, from its top; of a report also its first section."""
    is_report = "issues" in page and "<article" in page
    path = folder / f"{name}.html"
    path.write_text(page, "utf-8")
    # A message is drawn in light only: how dark it is, is its reader's.
    schemes = SCHEMES if name.startswith(("report", "scan")) else SCHEMES[:1]
    for width, scheme in itertools.product(WIDTHS, schemes):
        tab = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        tab.goto(path.as_uri())
        height = min(tab.evaluate("document.documentElement.scrollHeight"), _HEIGHT)
        clip = {"x": 0, "y": 0, "width": width, "height": height}
        tab.screenshot(path=EVERY / f"{name}-{width}-{scheme}.png", clip=clip, full_page=True)
        if is_report:
            tab.goto(f"{path.as_uri()}#i1")
            section = tab.locator("article:target")
            section.screenshot(path=EVERY / f"{name}-issue-{width}-{scheme}.png")
        tab.close()


def _take_for_documents(browser: Any, name: str, picture: Picture, folder: Path) -> None:
    path = folder / f"{name}.html"
    path.write_text(picture.page, "utf-8")
    tab = browser.new_page(viewport={"width": picture.width, "height": picture.height})
    tab.goto(f"{path.as_uri()}{f'#{picture.anchor}' if picture.anchor else ''}")
    taken = tab.locator(f"#{picture.anchor}") if picture.anchor else tab
    taken.screenshot(path=IMAGES / name)
    tab.close()


def main() -> None:
    """Take every picture.

    Raises:
        Error: playwright's: there is no Chromium, or it failed.
    """
    from playwright.sync_api import sync_playwright

    EVERY.mkdir(parents=True, exist_ok=True)
    every = {name: _report(listing) for name, listing in listings().items()}
    every |= {f"ticket-{verdict.replace(' ', '-')}": page for verdict, page in tickets_of_verdicts()}
    every |= {name.removesuffix(".png"): page for name, page in pages().items()}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        for name, picture in PICTURES.items():
            _take_for_documents(browser, name, picture, Path(folder))
            print(f"wrote {IMAGES.name}/{name}", file=sys.stderr)
        for name, page in every.items():
            _take(browser, name, page, Path(folder))
            print(f"wrote {name} to {EVERY.relative_to(ROOT)}", file=sys.stderr)
        browser.close()
    SOURCES.write_text(json.dumps(digests(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

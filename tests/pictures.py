"""The pictures in the documents: `make pictures` takes them anew, of the pages and messages that the product writes.

docs/images/sources.json has the digest of the page of each picture: a test compares it with the page as it is now.

With Chromium. The picture of one issue is of the same page without its script and its other parts: the script scrolls,
which a picture of a whole window does not show.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hammer.formats import Format, render
from tests.builders.listings import a_listing, many_issues
from tests.message_pages import pages

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SOURCES = IMAGES / "sources.json"
_CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
_SCRIPT = re.compile(r"<script>.*?</script>|<meta http-equiv[^>]*>", re.DOTALL)
_ALONE = "<style>header, section, footer, .skip, .back { display: none }</style></head>"


def report() -> str:
    """The report of forty issues."""
    return render(Format.HTML, a_listing(*many_issues(40)))


def issue() -> str:
    """The section of the first of them."""
    page = render(Format.HTML, a_listing(*many_issues(1)))
    return _SCRIPT.sub("", page).replace("</head>", _ALONE)


_HEIGHTS = {"ticket.png": 1300, "slack.png": 680, "mail.png": 660}
# The page of each picture, its width and its height.
PICTURES: Mapping[str, tuple[str, int, int]] = {
    "report.png": (report(), 1400, 1100),
    "issue.png": (issue(), 1400, 860),
    **{name: (page, 960, _HEIGHTS[name]) for name, page in pages().items()},
}


def digests() -> dict[str, str]:
    """The digest of the page of each picture."""
    return {name: hashlib.sha256(page.encode()).hexdigest() for name, (page, _, _) in sorted(PICTURES.items())}


def main() -> None:
    """Take every picture. Raises CalledProcessError if Chromium fails, OSError if it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (text, width, height) in PICTURES.items():
            page = Path(folder) / f"{name}.html"
            page.write_text(text, "utf-8")
            command = [*_CHROMIUM, f"--window-size={width},{height}", f"--screenshot={IMAGES / name}", page.as_uri()]
            subprocess.run(command, check=True, capture_output=True)
            print(f"wrote {name}", file=sys.stderr)
    SOURCES.write_text(json.dumps(digests(), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

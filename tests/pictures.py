"""The pictures in the documents: `make pictures` takes them anew, of the pages that the product writes.

With Chromium. The picture of one issue is of the same page without its script and its other parts: the script scrolls,
which a picture of a whole window does not show.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hammer.formats import Format, render
from tests.builders.listings import a_listing, many_issues

IMAGES = Path(__file__).parent.parent / "docs" / "images"
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


# The page of each picture, its width and its height.
PICTURES: Mapping[str, tuple[str, int, int]] = {
    "report.png": (report(), 1400, 1100),
    "issue.png": (issue(), 1400, 720),
}


def main() -> None:
    """Take every picture. Raises CalledProcessError if Chromium fails, OSError if it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (text, width, height) in PICTURES.items():
            page = Path(folder) / f"{name}.html"
            page.write_text(text, "utf-8")
            command = [*_CHROMIUM, f"--window-size={width},{height}", f"--screenshot={IMAGES / name}", page.as_uri()]
            subprocess.run(command, check=True, capture_output=True)
            print(f"wrote {name}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""A real Chromium, or a word on why there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from hammer.formats import Format, render
from hammer.listing.issue import Listing

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's package chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs `make venv-browser`")
    with sync_api.sync_playwright() as playwright:
        # With launch, playwright makes an empty user data directory of its own.
        started = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def open_report(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a list as a report from disk. Afterwards no request but that for the file may have left, nor an error."""
    seen: list[str] = []
    contexts: list[Any] = []

    def opened(listing: Listing, *, width: int = 1440, scheme: str = "light", anchor: str = "") -> Any:
        path = tmp_path / "report.html"
        path.write_bytes(render(Format.HTML, listing).encode())
        context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: seen.append(f"request {request.url}"))
        page.on("console", lambda message: seen.append(f"console {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error {error}"))
        page.on("dialog", lambda _: seen.append("dialog"))
        page.goto(f"{path.as_uri()}{anchor}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [event for event in seen if not event.startswith("request file://")] == []
    assert len(seen) == len(contexts)


@pytest.fixture(scope="session")
def axe() -> str:
    """The program of axe-core."""
    pytest.importorskip("axe_playwright_python", reason="needs `make venv-browser`")
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")

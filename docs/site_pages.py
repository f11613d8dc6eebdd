"""A hook of the documentation site: adds the pages that are outside `docs/`, and mends the links between all pages.

A link to a file of the repository that is no page of the site becomes plain code text, because the site does not know
where the repository is hosted. A link to a file that does not exist fails the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security-policy.md",
    "deployment/README.md": "deployment.md",
}
"""Pages outside `docs/`: their file in the repository and their name on the site."""

_LINK = re.compile(r"\[(?P<text>[^\]\[]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are outside `docs/`."""
    for source, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point every link to the page, or to nothing, that its file in the repository is on the site."""
    names = {name: source for source, name in OUTSIDE.items()}
    source = names.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pieces = _FENCE.split(markdown)
    return "".join(
        piece if piece.startswith("```") else _LINK.sub(lambda found: _relinked(found, source, page, files), piece)
        for piece in pieces
    )


def _relinked(found: re.Match[str], source: str, page: Page, files: Files) -> str:
    text, target, anchor = found["text"], found["target"], found["anchor"] or ""
    if "://" in target or target.startswith("mailto:"):
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if not (ROOT / path).exists():
        raise PluginError(f"{source}: the link to {target} leads nowhere")
    name = OUTSIDE.get(path) or path.removeprefix("docs/")
    if path.startswith("docs/") or path in OUTSIDE:
        if (ROOT / path).is_dir():
            name = f"{name}/README.md"
        if files.get_file_from_path(name) is not None:
            return f"[{text}]({posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"
    return text if "`" in text else f"{text} (`{path}`)"

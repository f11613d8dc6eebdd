"""The Project-URLs of the wheel and the source archive: those of the repository that a release is built in.

The release workflow says which that is, in `HAMMER_REPOSITORY_URL`. What is built elsewhere, such as in a clone, has
none: nothing there knows where the project is kept.
"""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ProjectUrls(MetadataHookInterface):
    """Adds them while the distribution is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `urls`, which pyproject.toml declares as dynamic."""
        metadata["urls"] = urls(os.environ.get("HAMMER_REPOSITORY_URL", ""))


def urls(repository: str) -> dict[str, str]:
    """The addresses by the names that package indexes know.

    Args:
        repository: the address of the repository, `https://...`, or nothing.

    Raises:
        ValueError: something else.
    """
    if not repository:
        return {}
    if not repository.startswith("https://"):
        raise ValueError(f"HAMMER_REPOSITORY_URL is no address: {repository!r}")
    repository = repository.rstrip("/")
    return {
        "Homepage": repository,
        "Documentation": f"{repository}/tree/main/docs",
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }

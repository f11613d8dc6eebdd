"""[pure] Files beside a configuration's own that may be misnamed: a whitelist that is not read is not an empty one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePath

_SIMILAR = 0.75  # ratio of difflib: "whitelists" and "white-list" to "whitelist", not "readme" to "config"


def misnamed(
    names: Iterable[str], stems: Collection[str], suffixes: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Look at the names in a configuration's folder.

    Args:
        names: of all files in it.
        stems: the names that files of a configuration have, without suffix.
        suffixes: the suffixes that they may have.

    Returns:
        Files whose name resembles that of a file of the configuration, each with the name it resembles; and other files
        of the configuration's formats. Hidden files and copies (`whitelist.json.bak`) are neither.
    """
    there = set(names)
    known = {f"{stem}{suffix}" for stem in stems for suffix in suffixes}
    if there <= known:
        return {}, []
    # Most folders have no other file, and the import costs a part of a Lambda's cold start.
    from difflib import get_close_matches  # noqa: PLC0415

    resembling: dict[str, str] = {}
    others = []
    for name in sorted(there - known):
        is_format = PurePath(name).suffix.lower() in suffixes
        is_copy = not is_format and name.startswith(tuple(known))
        if is_copy or name.startswith("."):
            continue
        similar = get_close_matches(PurePath(name).stem.lower(), stems, n=1, cutoff=_SIMILAR)
        if similar and (is_format or not any(f"{similar[0]}{suffix}" in there for suffix in suffixes)):
            suffix = PurePath(name).suffix.lower()
            resembling[name] = f"{similar[0]}{suffix if suffix in suffixes else '.json'}"
        elif is_format:
            others.append(name)
    return resembling, others

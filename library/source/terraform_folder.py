"""Terraform files of folders, read from disk without running Terraform. Their content is untrusted input.

Nothing outside a folder is read: links that lead out of it are named, not followed. What is not read is named as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from library.source.hcl import HclError, TerraformFile, parse_hcl

LARGEST_FILE = 2_000_000
"""Bytes: no Terraform file that a person writes comes near."""

_SKIPPED = frozenset({".terraform", ".terragrunt-cache", ".git", "node_modules"})


@dataclass(slots=True)
class TerraformFiles:
    """What was read. `unread`: what was not, and why, one sentence each."""

    files: list[TerraformFile] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def read_folders(folders: Iterable[str]) -> TerraformFiles:
    """The `.tf` files below some folders, and the `.tfvars` files, which give variables their values.

    Raises:
        GrammarMissingError: there is a file, and the extra `source` is not installed.
    """
    found = TerraformFiles()
    seen: dict[str, dict[str, TerraformFile]] = {}
    for folder in folders:
        try:
            root = Path(folder).resolve()
            if not root.is_dir():
                found.unread.append(f"{folder}: there is no such folder")
                continue
            base = repository_root(root) or root
        except (OSError, RuntimeError) as error:
            # Such as a folder of a person's, which the host's jobs may not enter.
            found.unread.append(f"{folder}: {_unreadable(error)}")
            continue
        for path in _walk(root, found.unread):
            _read(found, seen, root, base, path)
    return found


def repository_root(folder: Path) -> Path | None:
    """The root of the Git repository that a folder is in; None: it is in none."""
    return next((each for each in [folder, *folder.parents] if (each / ".git").exists()), None)


def _unreadable(error: OSError | RuntimeError) -> str:
    return f"it could not be read: {getattr(error, 'strerror', None) or 'a circle of links'}"


def _walk(root: Path, unread: list[str]) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        unread.append(f"{error.filename}: {_unreadable(error)}")

    for where, folders, names in os.walk(root, onerror=failed, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            if name.endswith((".tf", ".tf.json", ".tfvars", ".tfvars.json")):
                yield Path(where) / name


def _read(found: TerraformFiles, seen: dict[str, dict[str, TerraformFile]], root: Path, base: Path, path: Path) -> None:
    shown = os.path.relpath(path, base)
    if path.name.endswith(".json"):
        found.unread.append(f"{shown}: JSON configurations are not read")
        return
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            found.unread.append(f"{shown}: it is a link that leads out of the folder")
            return
        text = _content(real)
    except (OSError, RuntimeError) as error:
        found.unread.append(f"{shown}: {_unreadable(error)}")
        return
    except ValueError as error:
        found.unread.append(f"{shown}: {error}")
        return
    known = seen.setdefault(str(real), {})
    if str(path.parent) in known:
        return
    try:
        # A file that several folders link to is one tree: it is changed once.
        tree = next((file.tree for file in known.values()), None) or parse_hcl(text)
    except HclError as error:
        found.unread.append(f"{shown}: {error}")
        return
    file = TerraformFile(os.path.relpath(real, base), str(path.parent), text, tree)
    known[file.folder] = file
    found.files.append(file)


def _content(path: Path) -> str:
    """A regular file's text, line ends and byte order mark included.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, not a file, or not UTF-8.
    """
    # Without blocking: a pipe with such a name would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError("it is over 2 MB and was not read")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it cannot be parsed: it is not UTF-8") from error

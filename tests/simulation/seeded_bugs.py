"""Applies one of the seeded bugs (`bugs/*.patch`) to a copy of the code, to show that the simulation catches it.

python -m tests.simulation.seeded_bugs NAME

A line `Seed: 368` of a patch names a seed that shows the bug. It is tried first; where the code has changed so that it
no longer does, every seed is.

A bug whose name begins with `events-` is looked for in histories of events, one with `regions-` in histories of two
regions. One whose name begins with `scans-` shows
only while scans cross, and is gone at rest: the unit tests of that catch it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.simulation.kinds import REGIONS

ROOT = Path(__file__).resolve().parents[2]
BUGS = {path.stem: path for path in sorted((ROOT / "tests" / "simulation" / "bugs").glob("*.patch"))}
COPIED = ("hammer", "identification", "library", "remediation", "reporting", "tests", "pyproject.toml")
CROSSING_SCANS = "tests/unit/identification/test_crossing_scans.py"
_SEED = re.compile(r"^Seed: (\d+)$", re.MULTILINE)
_HUNK = re.compile(r"^@@.*$", re.MULTILINE)


def copy_to(folder: Path, names: Iterable[str]) -> None:
    """Copy files and folders of the root, compiled modules included, but not what Node installed."""
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules"))
        else:
            shutil.copy(ROOT / name, folder / name)


class PatchError(Exception):
    """The code is no longer what a patch was made for: make it again."""


def apply(patch: str, folder: Path) -> None:
    """Apply a patch to a tree. Line numbers do not matter: the code around each change is found by its text.

    Raises:
        PatchError: that code is not there, or more than once.
    """
    for section in re.split(r"^--- a/", patch, flags=re.MULTILINE)[1:]:
        name, _, hunks = section.partition("\n")
        path = folder / name.strip()
        text = path.read_text("utf-8")
        for hunk in _HUNK.split(hunks)[1:]:
            lines = [line or " " for line in hunk.strip("\n").split("\n")]
            before = "\n".join(line[1:] for line in lines if line[0] != "+")
            after = "\n".join(line[1:] for line in lines if line[0] != "-")
            if text.count(before) != 1:
                raise PatchError(f"{name}: {text.count(before)} places look like\n{before}")
            text = text.replace(before, after)
        path.write_text(text, "utf-8")


def caught(name: str, seeds: int = 1200) -> str:
    """Run seeds on a copy of the code with a bug. Returns the last lines of the output; empty: nothing was noticed."""
    patch = BUGS[name].read_text("utf-8")
    with tempfile.TemporaryDirectory() as location:
        folder = Path(location)
        copy_to(folder, COPIED)
        apply(patch, folder)
        if name.startswith("scans-"):
            return _run(folder, "pytest", "-q", "-x", "-n", "0", "-k", "held or TestEvents", CROSSING_SCANS)
        sorts = {"events-": ["--events"], "regions-": ["--kind", REGIONS]}
        mode = ["--workers", "1", *next((sort for start, sort in sorts.items() if name.startswith(start)), [])]
        known = _SEED.findall(patch)
        return (known and _run(folder, "tests.simulation", *mode, *known)) or _run(
            folder, "tests.simulation", *mode, "--seeds", str(seeds)
        )


def _run(folder: Path, *arguments: str) -> str:
    """Run a module of the copy, not of the installed package. Returns the end of what it printed if it failed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-10_000:]


if __name__ == "__main__":
    print(caught(sys.argv[1]) or "not caught")

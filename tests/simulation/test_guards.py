"""Each guard has a test: with one of the mistakes in `guards/*.patch`, the test that it names fails.

Those of remediation are tried here. Those of identification (`scan-`) and of reporting (`told-`, `closed-`, `due-`)
take a process each, too: `make soak` tries them (GUARDS=all). That their mistakes can still be made is checked here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.seeded_bugs import COPIED, ROOT, apply, copy_to

GUARDS = {path.stem: path for path in sorted((ROOT / "tests" / "simulation" / "guards").glob("*.patch"))}
_IN_SOAK = ("scan-", "told-", "closed-", "due-")
_TRIED = [name for name in GUARDS if os.environ.get("GUARDS") == "all" or not name.startswith(_IN_SOAK)]
_CAUGHT_BY = re.compile(r"^Caught by: (\S+)$", re.MULTILINE)


def test_the_mistakes_can_be_made_and_the_tests_are_there(tmp_path: Path) -> None:
    for name, path in GUARDS.items():
        patch = path.read_text("utf-8")
        folder = tmp_path / name
        for changed in re.findall(r"^--- a/(.+)$", patch, re.MULTILINE):
            (folder / changed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / changed, folder / changed)
        apply(patch, folder)
        (node,) = _CAUGHT_BY.findall(patch)
        file, *_, test = node.split("::") if "::" in node else (node, "")
        assert f"def {test}" in (ROOT / file).read_text("utf-8"), node


@pytest.mark.parametrize("name", _TRIED)
def test_a_guard_that_is_gone_is_noticed(name: str, tmp_path: Path) -> None:
    patch = GUARDS[name].read_text("utf-8")
    (node,) = _CAUGHT_BY.findall(patch)
    copy_to(tmp_path, (*COPIED, "config", "deployment"))
    apply(patch, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "--no-header", "-p", "no:cacheprovider", node]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-1000:]
    assert " failed" in done.stdout

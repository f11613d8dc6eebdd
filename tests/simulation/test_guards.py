"""Each guard of remediation has a test: with one of the mistakes in `guards/*.patch`, the test that it names fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.seeded_bugs import COPIED, ROOT, apply, copy_to

GUARDS = {path.stem: path for path in sorted((ROOT / "tests" / "simulation" / "guards").glob("*.patch"))}
_CAUGHT_BY = re.compile(r"^Caught by: (\S+)$", re.MULTILINE)


@pytest.mark.parametrize("name", GUARDS)
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

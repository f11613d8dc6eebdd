"""Compiles modules for the Python that a function runs on, so that a cold start does not.

The same sources give the same bytes: a compiled file holds no time of its source ("unchecked hash", PEP 552) and names
no folder of the machine that builds, and sets are in a fixed order.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_COMPILE = """
import json, py_compile, sys
folder, *names = json.load(sys.stdin)
for name in names:
    py_compile.compile(
        f"{folder}/{name}", dfile=f"/var/task/{name}", doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
"""


@cache
def interpreter(version: str) -> str | None:
    """A Python of a version, such as `"3.13"`: this one, one on the path, or one of pyenv's; None: there is none."""
    for candidate in _candidates(version):
        asked = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            check=False,
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0 and asked.stdout.strip() == version:
            return candidate
    return None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from (str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python")))


def compiled(sources: Mapping[str, bytes], version: str) -> dict[str, bytes]:
    """The compiled files of modules, by the names that Python looks for; none where there is no such Python.

    Args:
        sources: files by their names in the zip; what is no module is passed over.
        version: of the Python that they are for.
    """
    python = interpreter(version)
    if python is None:
        return {}
    names = [name for name in sorted(sources) if name.endswith(".py")]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sources[name])
        subprocess.run(
            [python, "-I", "-c", _COMPILE],
            input=json.dumps([folder, *names]),
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*.pyc"))}

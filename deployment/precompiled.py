"""Compiles what importing a function compiles, for its Python: `identification.cold_start` says what for.

A Python of the function's version imports the handler from the zip's files, with this machine's AWS SDK, and notes
each regular expression and each source of a generated method, and what they become. The same files and the same SDK
give the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import botocore

from deployment.bytecode import interpreter

NAME = "identification/precompiled.bin"

_RECORD = """
import json, sys
folder, sdk, handler = json.load(sys.stdin)
sys.path[:0] = [folder, sdk]
import _sre, builtins, collections, dataclasses, importlib, marshal, re

patterns, sources = {}, {}
compiler = re._compiler
compile_pattern = compiler.compile

class Noting:
    def __getattr__(self, name):
        return getattr(_sre, name)

    def compile(self, pattern, flags, code, groups, groupindex, indexgroup):
        self.last = (flags, [int(each) for each in code], groups, dict(groupindex), tuple(indexgroup))
        return _sre.compile(pattern, flags, code, groups, groupindex, indexgroup)

def note_pattern(pattern, flags=0):
    made = compile_pattern(pattern, flags)
    if isinstance(pattern, (str, bytes)):
        patterns[pattern, int(flags)] = compiler._sre.last
    return made

def noting(run, mode):
    def note_source(source, *scopes):
        sources[source] = marshal.dumps(compile(source, "<string>", mode, dont_inherit=True), 2)
        return run(source, *scopes)
    return note_source

compiler._sre = Noting()
compiler.compile = note_pattern
dataclasses.exec = noting(builtins.exec, "exec")
collections.eval = noting(builtins.eval, "eval")
importlib.import_module(handler)
from identification.cold_start import python
# The format before references to objects, whose marks depend on who else holds them.
sys.stdout.buffer.write(marshal.dumps((python(), patterns, sources), 2))
"""


def precompiled(sources: Mapping[str, bytes], handler: str, version: str) -> dict[str, bytes]:
    """The file of what a handler's imports compile, by its name in the zip; nothing where there is no such Python.

    Args:
        sources: the zip's files by their names.
        handler: the handler's module.
        version: of the Python that it runs on.
    """
    python = interpreter(version)
    if python is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in sources.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        sdk = str(Path(botocore.__file__).parents[1])
        done = subprocess.run(
            [python, "-I", "-S", "-B", "-c", _RECORD],
            input=json.dumps([folder, sdk, handler]).encode(),
            stdout=subprocess.PIPE,
            check=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        )
        return {NAME: done.stdout}

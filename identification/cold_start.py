"""What a function does before it imports anything else, so that its cold start takes less CPU.

A zip brings `precompiled.bin` beside this module: the regular expressions and the generated methods of dataclasses and
named tuples that its imports compile, each as the zip's own Python has compiled it (`deployment/precompiled.py`). They
are looked up by their whole source, so they are what would be compiled here. Whatever is not among them is compiled as
ever, and another Python than the one that the zip was built for uses nothing of it. Elsewhere there is no such file.
"""

from __future__ import annotations

import collections
import dataclasses
import gc
import marshal
import os
import re
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from pathlib import Path
from typing import Any

PRECOMPILED = Path(__file__).with_name("precompiled.bin")

_compiler: Any = vars(re)["_compiler"]
_sre: Any = _compiler._sre


def python() -> tuple[Any, ...]:
    """What compiled code depends on: it is of use to a Python for which this is equal."""
    return sys.implementation.cache_tag, MAGIC_NUMBER, _sre.MAGIC, _sre.CODESIZE, _sre.MAXREPEAT


def begin(precompiled: Path = PRECOMPILED) -> None:
    """Take what was compiled before. In Lambda the garbage collector does not look through what is imported, either."""
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        gc.disable()
    if precompiled.is_file():
        # It comes in the zip, as the compiled modules do, which Python reads the same way.
        built_for, patterns, sources = marshal.loads(precompiled.read_bytes())  # noqa: S302
        if built_for == python():
            _use(patterns, sources)


def end() -> None:
    """The function has what it needs for its first event: collect from now on, but not what is there already."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _use(patterns: dict[Any, tuple[Any, ...]], sources: dict[str, bytes]) -> None:
    compile_anew = _compiler.compile

    def compile_pattern(pattern: Any, flags: int = 0) -> Any:
        known = patterns.get((pattern, int(flags))) if isinstance(pattern, (str, bytes)) else None
        return _sre.compile(pattern, *known) if known else compile_anew(pattern, flags)

    def code_of(source: Any, mode: str) -> Any:
        known = sources.get(source) if isinstance(source, str) else None
        # Not by the `from __future__` of this module.
        return marshal.loads(known) if known else compile(source, "<string>", mode, dont_inherit=True)  # noqa: S302

    _compiler.compile = compile_pattern
    # In these modules the names come before the built-in functions that they call with sources of their own.
    vars(dataclasses)["exec"] = lambda source, *scopes: exec(code_of(source, "exec"), *scopes)  # noqa: S102
    vars(collections)["eval"] = lambda source, *scopes: eval(code_of(source, "eval"), *scopes)  # noqa: S307

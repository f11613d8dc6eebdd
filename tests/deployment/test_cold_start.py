"""What a function does before its first event: from files as a zip has them, in a process of its own."""

from __future__ import annotations

import gc
import json
import marshal
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployment.package import FUNCTIONS, ROOT, TARGETS, sources_of
from deployment.precompiled import NAME, precompiled
from identification import cold_start

HANDLER = FUNCTIONS["hammer-describe-security-groups"]
# What is for the command line, for mistakes, or for files that are not JSON costs a cold start more than it gives.
NOT_IMPORTED = {
    *("boto3", "s3transfer", "pydantic", "yaml", "cronsim", "jira", "slack_sdk", "typer", "rich", "jinja2"),
    *("asyncio", "difflib", "multiprocessing", "unittest"),
}
_COMPILED_ANEW = """
import collections, dataclasses, importlib, json, pathlib, re, sys  # what cold_start itself cannot do without
parsed = []
parse = re._parser.parse
re._parser.parse = lambda pattern, *rest: parsed.append(str(pattern)) or parse(pattern, *rest)
importlib.import_module(sys.argv[1])
print(json.dumps({"parsed": len(parsed), "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The describe function's own files, and what was compiled for this Python."""
    folder = tmp_path_factory.mktemp("task")
    sources = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sources_of(HANDLER)}
    for name, content in (sources | precompiled(sources, HANDLER, TARGETS["here"].python_version)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _imported(folder: Path, handler: str = HANDLER) -> dict[str, Any]:
    """What importing a handler from a folder compiles and imports."""
    command = [sys.executable, "-P", "-c", _COMPILED_ANEW, handler]
    done = subprocess.run(command, env={"PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def _held(folder: Path) -> tuple[Any, dict[Any, Any], dict[str, bytes]]:
    built_for, patterns, sources = marshal.loads((folder / NAME).read_bytes())  # noqa: S302
    return built_for, patterns, sources


def test_what_was_compiled_before_is_what_would_be_compiled(folder: Path) -> None:
    built_for, patterns, sources = _held(folder)
    assert built_for == cold_start.python()
    compiler: Any = vars(re)["_compiler"]
    assert len(patterns) > 50
    for (pattern, flags), known in patterns.items():
        compiled, anew = compiler._sre.compile(pattern, *known), re.compile(pattern, flags)
        assert compiled == anew
        assert compiled.groupindex == anew.groupindex
    assert len(sources) > 50
    for source, known in sources.items():
        mode = "eval" if source.startswith("lambda ") else "exec"
        assert marshal.loads(known) == compile(source, "<string>", mode, dont_inherit=True)  # noqa: S302


def test_imports_parse_no_regular_expression_that_was_compiled_before(folder: Path) -> None:
    assert _imported(folder)["parsed"] == 0
    assert _imported(ROOT)["parsed"] > 50


def test_what_another_python_compiled_is_not_used(folder: Path, tmp_path: Path) -> None:
    built_for, patterns, sources = _held(folder)
    path, before = tmp_path / "precompiled.bin", vars(re)["_compiler"].compile
    path.write_bytes(marshal.dumps((("cpython-399", *built_for[1:]), patterns, sources)))
    cold_start.begin(path)
    cold_start.begin(tmp_path / "none")
    assert vars(re)["_compiler"].compile is before


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_imports_nothing_that_a_cold_start_can_do_without(function: str) -> None:
    modules = {name.partition(".")[0] for name in _imported(ROOT, FUNCTIONS[function])["modules"]}
    assert modules & NOT_IMPORTED == set()


def test_the_collector_rests_until_the_first_event_and_only_in_lambda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        cold_start.begin(tmp_path / "none")
        assert gc.isenabled()
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
        cold_start.begin(tmp_path / "none")
        assert not gc.isenabled()
        cold_start.end()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.unfreeze()

"""Compiled modules in a zip."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from deployment import bytecode
from deployment.bytecode import compiled, interpreter

HERE = sysconfig.get_python_version()
SOURCES = {
    "a/__init__.py": b"",
    "a/b.py": b"X = {'one', 'two', 'three'}\ndef f(x):\n    return x in {'four', 'five', 'six'}\n",
    "a/data.json": b"{}",
}


def test_every_module_is_compiled_and_only_modules_are() -> None:
    tag = f"cpython-{HERE.replace('.', '')}"
    assert sorted(compiled(SOURCES, HERE)) == [f"a/__pycache__/__init__.{tag}.pyc", f"a/__pycache__/b.{tag}.pyc"]


def test_the_same_sources_give_the_same_bytes_which_name_no_folder_and_no_time(tmp_path: Path) -> None:
    first, again = compiled(SOURCES, HERE), compiled(SOURCES, HERE)
    assert first == again
    for content in first.values():
        assert content[4:8] == (1).to_bytes(4, "little")  # PEP 552: by hash, not checked
        assert str(tmp_path.parent.parent).encode() not in content
        assert b"/var/task/a/" in content


def test_without_that_python_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreter("2.0") is None
    monkeypatch.setattr(bytecode, "interpreter", lambda _: None)
    assert compiled(SOURCES, "3.13") == {}

"""What `make package` builds: as little as each function needs, for its platform, the same bytes every time."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from deployment import package
from deployment.bytecode import interpreter
from deployment.package import FUNCTIONS, TARGETS, PackageError, sources_of


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return package.build_functions(tmp_path_factory.mktemp("zips"), TARGETS["arm64"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_zip_holds_its_handler_and_nothing_that_is_not_for_it(zips: dict[str, Path], function: str) -> None:
    names = zipfile.ZipFile(zips[function]).namelist()
    assert FUNCTIONS[function].replace(".", "/") + ".py" in names
    tops = {name.split("/", maxsplit=1)[0].partition("-")[0] for name in names}
    assert not tops & {"boto3", "botocore", "jira", "slack_sdk", "typer", "rich", "jinja2", "moto", "watchtower"}
    assert not tops & {"hammer", "reporting", "remediation", "deployment", "tests"}
    assert not [name for name in names if name.endswith("RECORD")]
    compiled = {name for name in names if name.endswith(".pyc")}
    assert all("__pycache__/" in name and name.endswith(".cpython-313.pyc") for name in compiled)
    assert bool(compiled) == bool(interpreter("3.13")) == ("identification/precompiled.bin" in names)
    assert zips[function].stat().st_size <= 5 * 1024 * 1024


@pytest.mark.parametrize("function", FUNCTIONS)
def test_compiled_modules_are_for_the_functions_platform(zips: dict[str, Path], function: str) -> None:
    compiled = [name for name in zipfile.ZipFile(zips[function]).namelist() if name.endswith(".so")]
    assert compiled
    assert [name for name in compiled if not name.endswith(".cpython-313-aarch64-linux-gnu.so")] == []


def test_the_same_sources_give_the_same_bytes(zips: dict[str, Path], tmp_path: Path) -> None:
    again = package.build_functions(tmp_path, TARGETS["arm64"])
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in zips.items()
    }


def test_only_what_is_imported_goes_in(tmp_path: Path) -> None:
    for name, text in {
        "identification/__init__.py": "",
        "identification/handler.py": "from library import used\ndef f():\n    import library.late",
        "identification/other.py": "",
        "library/__init__.py": "",
        "library/data.json": "{}",
        "library/used.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import library.types_only",
        "library/late.py": "import boto3",
        "library/types_only.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert [str(path.relative_to(tmp_path)) for path in sources_of("identification.handler", tmp_path)] == [
        *("identification/__init__.py", "identification/handler.py", "library/__init__.py", "library/data.json"),
        *("library/late.py", "library/used.py"),
    ]


def test_a_handler_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(PackageError, match=r"no module identification\.nothing"):
        sources_of("identification.nothing")


def test_a_zip_that_is_too_large_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "SIZE_LIMIT", 1000)
    with pytest.raises(PackageError, match="1,000 are allowed"):
        package.build_functions(tmp_path, TARGETS["here"])

"""What `make package` builds: as little as each function needs, for its platform, the same bytes every time."""

from __future__ import annotations

import sysconfig
import zipfile
from pathlib import Path

import botocore
import pytest

from deployment import package
from deployment.package import FUNCTIONS, TARGETS, PackageError, allowed_operations, sources_of


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return package.build_functions(tmp_path_factory.mktemp("zips"), TARGETS["arm64"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_zip_holds_its_handler_and_nothing_that_is_not_for_it(zips: dict[str, Path], function: str) -> None:
    names = zipfile.ZipFile(zips[function]).namelist()
    assert FUNCTIONS[function].replace(".", "/") + ".py" in names
    tops = {name.split("/", maxsplit=1)[0].partition("-")[0] for name in names}
    assert not tops & {"boto3", "jira", "slack_sdk", "typer", "rich", "jinja2", "moto", "watchtower"}
    assert not tops & {"hammer", "reporting", "remediation", "deployment", "tests"}
    assert not [name for name in names if name.endswith("RECORD")]
    compiled = {name for name in names if name.endswith(".pyc")}
    assert all("__pycache__/" in name and name.endswith(".cpython-313.pyc") for name in compiled)
    assert bool(compiled) == (sysconfig.get_python_version() == "3.13")
    assert zips[function].stat().st_size <= 10 * 1024 * 1024


@pytest.mark.parametrize("function", FUNCTIONS)
def test_compiled_modules_are_for_the_functions_platform(zips: dict[str, Path], function: str) -> None:
    compiled = [name for name in zipfile.ZipFile(zips[function]).namelist() if name.endswith(".so")]
    assert compiled
    assert [name for name in compiled if not name.endswith(".cpython-313-aarch64-linux-gnu.so")] == []


def test_a_zip_brings_the_sdk_that_was_tested_with_the_data_of_what_it_may_call(zips: dict[str, Path]) -> None:
    names = zipfile.ZipFile(zips["hammer-describe-security-groups"]).namelist()
    assert f"botocore-{botocore.__version__}.dist-info/METADATA" in names
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == set(allowed_operations())


def test_the_same_sources_give_the_same_bytes(
    zips: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "hammer-describe-security-groups"
    monkeypatch.setattr(package, "FUNCTIONS", {name: FUNCTIONS[name]})
    again = package.build_functions(tmp_path, TARGETS["arm64"])
    assert again[name].read_bytes() == zips[name].read_bytes()


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
    monkeypatch.setattr(package, "install", lambda *_: None)  # the sources alone are more than that
    with pytest.raises(PackageError, match="1,000 are allowed"):
        package.build_functions(tmp_path, TARGETS["here"])


def test_modules_are_compiled_for_this_python_alone_and_name_no_folder_and_no_time() -> None:
    sources = {"a/__init__.py": b"", "a/b.py": b"X = {'one', 'two', 'three'}\n", "a/data.json": b"{}"}
    here = sysconfig.get_python_version()
    tag = f"cpython-{here.replace('.', '')}"
    first, again = package.compiled(sources, here), package.compiled(sources, here)
    assert sorted(first) == [f"a/__pycache__/__init__.{tag}.pyc", f"a/__pycache__/b.{tag}.pyc"]
    assert first == again
    for content in first.values():
        assert content[4:8] == (1).to_bytes(4, "little")  # PEP 552: by hash, not checked
        assert b"/var/task/a/" in content
    assert package.compiled(sources, "2.0") == {}

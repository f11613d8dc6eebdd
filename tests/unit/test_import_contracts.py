"""The import contracts of pyproject.toml mean the modules that they are meant to mean."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest

from tests.mutation.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]
OPTIONS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
PACKAGES: tuple[str, ...] = tuple(OPTIONS["root_packages"])
CONTRACTS: dict[str, dict[str, Any]] = {contract["name"]: contract for contract in OPTIONS["contracts"]}
PURITY = CONTRACTS["pure folders do no I/O and import nothing that does"]
PURE_ROOMS = ("library.documents", "library.issues", "library.network", "library.security_groups")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES: dict[str, Path] = {
    module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}


def in_package(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


PURE = [name for name in MODULES if any(in_package(name, package) for package in PURITY["source_modules"])]

CALLING_THEMSELVES_PURE = [
    name
    for name, path in MODULES.items()
    if re.search(r"\bPure\.", ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
]


def named(contract: dict[str, Any]) -> Iterator[str]:
    """The modules that a contract names."""
    for option in ("modules", "source_modules", "forbidden_modules", "containers"):
        yield from contract.get(option, ())
    for layer in contract.get("layers", ()):
        for container in contract["containers"]:
            yield from (f"{container}.{name.strip(' ()')}" for name in re.split(r"[|:]", layer))


def test_each_pure_module_is_in_a_room_whose_mutants_can_be_tried() -> None:
    patterns = [pattern for package in ROOMS.values() for pattern in package.modules]
    matched = {module_name(path) for pattern in patterns for path in ROOT.glob(pattern)}
    assert sorted(set(PURE) - matched) == ["library.security_groups"]  # an empty package
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []
    assert [test for package in ROOMS.values() for test in package.tests if not (ROOT / test).exists()] == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_name_in_a_contract_is_a_module(name: str) -> None:
    ours = [module for module in named(CONTRACTS[name]) if module.split(".")[0] in PACKAGES]
    others = [module for module in named(CONTRACTS[name]) if module not in ours]
    assert ours
    assert [module for module in ours if module not in MODULES] == []
    assert [module for module in others if importlib.util.find_spec(module) is None] == []


def test_the_purity_contract_covers_the_pure_rooms() -> None:
    assert [package for package in PURE_ROOMS if package not in PURITY["source_modules"]] == []


def test_a_module_that_calls_itself_pure_imports_nothing_that_does_io() -> None:
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, exclude_type_checking_imports=True)
    forbidden = [name for name in PURITY["forbidden_modules"] if name in graph.modules]
    assert len(CALLING_THEMSELVES_PURE) > 30
    assert [
        chain
        for name in CALLING_THEMSELVES_PURE
        for other in forbidden
        if (chain := graph.find_shortest_chain(importer=name, imported=other))
    ] == []


def test_an_import_of_boto3_in_any_pure_module_breaks_the_purity_contract(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "terraform"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folder = tmp_path / "library" / "network" / "new" / "folder"
    folder.mkdir(parents=True)
    for location in (folder.parent, folder):
        (location / "__init__.py").write_text('"""A folder that is new in a pure room."""\n')
    pure = [*PURE, "library.network.new", "library.network.new.folder"]
    for name in pure:
        path = tmp_path.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.write_text(path.read_text("utf-8") + "\nimport boto3\n")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert f"{PURITY['name']} BROKEN" in checked.stdout.replace("\n", " ")
    # A chain of one import breaks the contract whatever the other modules import.
    broken = set(re.findall(r"^\W*([\w.]+) -> boto3 \(l", checked.stdout, re.MULTILINE))
    assert [name for name in pure if name not in broken] == []

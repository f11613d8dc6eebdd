"""The second DynamoDB of the tests is pinned, and its files do not say where they were fetched."""

import json

from tests.second_table import FOLDER, MODULES


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))["packages"]
    installed = [package for name, package in packages.items() if name]
    assert [package for package in installed if "resolved" in package or "integrity" not in package] == []
    assert packages["node_modules/dynalite"]["version"] == packages[""]["dependencies"]["dynalite"]


def test_the_modules_that_run_twice_are_there() -> None:
    folder = FOLDER.parent / "integration"
    assert [module for module in MODULES if not (folder / f"{module}.py").exists()] == []

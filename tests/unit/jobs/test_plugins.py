"""What pydantic would load beside its own code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_READS_A_CONFIGURATION = """
import identification
from library.config import ConfigurationError, parse_configuration
try:
    parse_configuration({"config": ("config.json", b"{}")})
except ConfigurationError:
    print("read")
"""

_PLUGIN = """
print("uninvited code ran")
class plugin:
    @staticmethod
    def new_schema_validator(*schema):
        return None, None, None
"""


@pytest.fixture
def with_a_plugin(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which some other package brings a plugin for pydantic."""
    (tmp_path / "uninvited.py").write_text(_PLUGIN)
    package = tmp_path / "uninvited-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: uninvited\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[pydantic]\nuninvited = uninvited:plugin\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYDANTIC_"))}
    paths = [str(tmp_path), str(Path(__file__).parents[3])]
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)}


def output(environment: dict[str, str]) -> str:
    program = [sys.executable, "-c", _READS_A_CONFIGURATION]
    return subprocess.run(program, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_function_loads_no_plugin_of_other_packages(with_a_plugin: dict[str, str]) -> None:
    assert output({**with_a_plugin, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}) == "read\n"


def test_elsewhere_pydantic_does_what_it_always_does(with_a_plugin: dict[str, str]) -> None:
    assert "uninvited code ran" in output(with_a_plugin)

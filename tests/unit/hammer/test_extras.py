"""How an extra is installed, wherever Hammer came from."""

from __future__ import annotations

from typing import Any

import pytest

from hammer.application import install_command

PYTHON = "/home/ana/.venv/bin/python"


@pytest.mark.parametrize(
    ("direct_url", "by_pipx", "clone", "command"),
    [
        pytest.param({}, False, "", f"{PYTHON} -m pip install 'hammer-security-groups[demo]'", id="from an index"),
        pytest.param({}, True, "", "pipx install --force 'hammer-security-groups[demo]'", id="from an index by pipx"),
        pytest.param(
            {"url": "file:///tmp/hammer_security_groups-0.1.0-py3-none-any.whl", "archive_info": {}},
            False,
            "",
            f"{PYTHON} -m pip install 'hammer-security-groups[demo] @ "
            "file:///tmp/hammer_security_groups-0.1.0-py3-none-any.whl'",
            id="a wheel",
        ),
        pytest.param(
            {"url": "https://example.com/hammer.whl", "archive_info": {}},
            True,
            "",
            "pipx install --force 'hammer-security-groups[demo] @ https://example.com/hammer.whl'",
            id="a wheel by pipx",
        ),
        pytest.param(
            {"url": "file:///home/ana/a%20clone", "dir_info": {"editable": True}},
            False,
            "/home/ana/a clone",
            f"{PYTHON} -m pip install --editable '/home/ana/a clone[demo]'",
            id="a clone, editable",
        ),
        pytest.param(
            {"url": "file:///home/ana/clone", "dir_info": {}},
            True,
            "",
            "pipx install --force '/home/ana/clone[demo]'",
            id="a clone by pipx",
        ),
        pytest.param(
            {},
            False,
            "/home/ana/clone",
            f"{PYTHON} -m pip install --editable '/home/ana/clone[demo]'",
            id="a clone that is not installed",
        ),
    ],
)
def test_how_an_extra_is_installed(direct_url: dict[str, Any], by_pipx: bool, clone: str, command: str) -> None:
    assert install_command("demo", direct_url, python=PYTHON, by_pipx=by_pipx, clone=clone) == command

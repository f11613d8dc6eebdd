"""A world with rows that somebody else wrote, and Hammer's commands in front of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from hammer.__main__ import application
from library.aws.conditional_writes import serialized
from tests.builders.poisoned_rows import REGION
from tests.worlds.remediation_world import TABLE, World, world


@contextmanager
def poisoned_world(folder: Path, sections: Mapping[str, Any], **settings: Any) -> Iterator[World]:
    """A world of one region, whose configuration has these sections, too. `settings`: as of `world`."""
    with world(folder, reporting=True, **settings) as made:
        made.configure()
        file = folder / "config.json"
        config = json.loads(file.read_text()) | dict(sections)
        config["aws"]["regions"] = [REGION]
        file.write_text(json.dumps(config))
        yield made


def put(made: World, item: dict[str, Any]) -> None:
    """Write an item of the table."""
    made.sessions.client("dynamodb").put_item(TableName=TABLE, Item=serialized(item))


def hammer(made: World, *arguments: str) -> Result:
    """A command, whose exceptions are the test's. It does what it can, and says nothing that a terminal would obey."""
    given = (*arguments, "--config", str(made.folder))
    result = CliRunner().invoke(application(given), given, catch_exceptions=False)
    assert result.exit_code in (0, 1), (arguments, result.output)
    assert "Traceback" not in result.output
    assert "\x1b[31m" not in result.output
    return result

"""Configurations to start a test from."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from library.config import Configuration, ConfigurationError, parse_configuration

MINIMAL: dict[str, Any] = {
    "aws": {
        "main_account_id": "123456789012",
        "region": "eu-west-1",
        "accounts": {"123456789012": "master", "210987654321": "slave1"},
    },
    "secgrp_unrestricted_access": {"ddb.table_name": "hammer-issues"},
}
"""Nothing but what a configuration cannot do without."""

DELETE = object()
"""In place of a value: the key is taken out."""


def config_with(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The minimal file `config`, changed: `{"jira/enabled": True}`; a slash goes into a section."""
    data = deepcopy(MINIMAL)
    for path, value in (changes or {}).items():
        *sections, key = path.split("/")
        section = data
        for name in sections:
            section = section.setdefault(name, {})
        if value is DELETE:
            del section[key]
        else:
            section[key] = value
    return data


def parse(config: object = None, *, whitelist: object = None, ticket_owners: object = None) -> Configuration:
    """Validate what JSON would make of these values; no `config` stands for the minimal one."""
    contents = {
        "config": MINIMAL if config is None else config,
        "whitelist": whitelist,
        "ticket_owners": ticket_owners,
    }
    return parse_configuration(
        {
            stem: (f"{stem}.json", json.dumps(content).encode())
            for stem, content in contents.items()
            if content is not None
        }
    )


def mistakes(config: object = None, *, whitelist: object = None, ticket_owners: object = None) -> list[str]:
    """What is printed for these values, line by line; none: they are valid."""
    try:
        parse(config, whitelist=whitelist, ticket_owners=ticket_owners)
    except ConfigurationError as error:
        return str(error).splitlines()
    return []

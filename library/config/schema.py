"""The JSON Schemas by which an editor completes and checks the three files: `python -m library.config.schema`.

They are made of the models, and kept in `config/schema/`. A JSON file names its schema in `"$schema"` at its top, a
YAML file in a comment, `# yaml-language-server: $schema=…`. A schema cannot know every rule (that a day exists, say);
`hammer check-config` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from library.config.loader import FILES
from library.config.raw import COMMENT
from library.config.section import JsonSchema

FOLDER = Path("config/schema")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_texts() -> dict[str, str]:
    """The schema of each file, by the name of the file that holds the schema."""
    texts = {}
    for stem, model in FILES.items():
        definitions: dict[str, JsonSchema] = {}
        own = model.own_schema(definitions)
        schema = _with_comments(_sorted({"$defs": definitions, **own} if definitions else own))
        properties = {"$schema": {"type": "string", "description": "Where an editor finds this schema."}}
        schema["properties"] = properties | schema["properties"]
        schema = {"$schema": _DIALECT, **schema, "title": f"Hammer: {stem}"}
        texts[f"{stem}.schema.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def _sorted(schema: Any, *, keep: bool = False) -> Any:
    """A schema with its keys in order; the settings of a section stay in the order of their declaration."""
    if isinstance(schema, list):
        return [_sorted(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _sorted(schema[key], keep=key == "properties") for key in (schema if keep else sorted(schema))}


def _with_comments(schema: Any) -> Any:
    """A schema that lets every section have comments."""
    if isinstance(schema, list):
        return [_with_comments(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: {name: _with_comments(entry) for name, entry in value.items()}
        if key in ("properties", "$defs")
        else _with_comments(value)
        for key, value in schema.items()
    }
    if result.get("type") == "object":
        # What has keys of one kind, account ids, has no others.
        if patterns := result.setdefault("patternProperties", {}):
            result["additionalProperties"] = False
        patterns[f"^{COMMENT}"] = {}
    return result


def main() -> None:
    """Write the schemas into the repository that is the current folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

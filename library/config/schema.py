"""The JSON Schemas by which an editor completes and checks the three files: `python -m library.config.schema`.

They are made of the models, and kept in `config/schema/`. A JSON file names its schema in `"$schema"` at its top, a
YAML file in a comment, `# yaml-language-server: $schema=…`. A schema cannot know every rule (that a day exists, say);
`hammer check-config` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from library.config.loader import FILES
from library.config.text import COMMENT
from library.network.addresses import AddressSet
from library.network.ports import PortSet

FOLDER = Path("config/schema")


class _Generator(GenerateJsonSchema):
    """Knows how a file writes an empty set."""

    def encode_default(self, dft: Any) -> Any:
        return [] if isinstance(dft, (AddressSet, PortSet)) else super().encode_default(dft)


def schema_texts() -> dict[str, str]:
    """The schema of each file, by the name of the file that holds the schema."""
    texts = {}
    for stem, model in FILES.items():
        schema = _with_comments(model.model_json_schema(schema_generator=_Generator))
        properties = {"$schema": {"type": "string", "description": "Where an editor finds this schema."}}
        schema["properties"] = properties | schema["properties"]
        schema = {"$schema": _Generator.schema_dialect, **schema, "title": f"Hammer: {stem}"}
        texts[f"{stem}.schema.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def _with_comments(schema: Any) -> Any:
    """A schema that lets every section have comments, without the titles and nulls that only the models know."""
    if isinstance(schema, list):
        return [_with_comments(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: {name: _with_comments(entry) for name, entry in value.items()}
        if key in ("properties", "$defs")
        else _with_comments(value)
        for key, value in schema.items()
        if key != "title" and (key, value) != ("default", None)
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

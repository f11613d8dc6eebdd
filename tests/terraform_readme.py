"""The README of each Terraform module, written from its variables and outputs: part of `make docs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parent.parent
MODULES = ROOT / "deployment" / "terraform" / "modules"
_PURPOSES = {
    "events": "In one account: the rules, in every region, that send events to Hammer's bus. The other modules use it.",
    "master": "Everything that Hammer has in the main account.",
    "organization": "The roles and rules of slave accounts in some units of an organization, by StackSets.",
    "slave": "What Hammer has in one slave account: two roles, and the rules that send events.",
}


def readme(module: Path) -> str:
    """The README of a module: what it is for, its variables and its outputs."""
    variables = list(_blocks(module, "variable"))
    outputs = list(_blocks(module, "output"))
    lines = [f"# {module.name}", "", _PURPOSES[module.name], ""]
    lines += ["Written by `make docs` from the variables and outputs.", "", "| variable | default | |", "|---|---|---|"]
    lines += [f"| `{name}` | {_default(body)} | {_cell(body['description'])} |" for name, body in variables]
    if outputs:
        lines += ["", "| output | |", "|---|---|"]
        lines += [f"| `{name}` | {_cell(body['description'])} |" for name, body in outputs]
    return "\n".join(lines) + "\n"


def modules() -> list[Path]:
    """The folders of the modules."""
    return sorted(path for path in MODULES.iterdir() if path.is_dir())


def _blocks(module: Path, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in sorted(module.glob("*.tf")):
        for block in hcl2.loads(file.read_text("utf-8")).get(kind, []):
            for name, body in block.items():
                yield name.strip('"'), body


def _default(body: Mapping[str, Any]) -> str:
    if "default" not in body:
        return "required"
    default = body["default"]
    if isinstance(default, dict | list):
        return "" if not default else "(see variables.tf)"
    text = "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default).strip('"')
    return f"`{text}`" if text else ""


def _cell(description: str) -> str:
    return description.strip('"').replace("|", "\\|")


def main() -> None:
    """Write every README."""
    for module in modules():
        (module / "README.md").write_text(readme(module), "utf-8")


if __name__ == "__main__":
    main()

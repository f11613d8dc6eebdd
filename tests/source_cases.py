"""The cases of tests/data/source: a template or a folder of Terraform files each, and what is to come of it.

`python -m tests.source_cases` writes what is expected anew. Read every line of the change before you commit it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.find import read_folders
from library.source.location import Found, RuleLocation
from library.source.template_source import Stack, StackPart, StackResource, find_in_template
from library.source.terraform_source import find_in_terraform
from library.source.text_edit import unified_diff

DATA = Path(__file__).parent / "data" / "source"


@dataclass(frozen=True)
class Case:
    """One case."""

    folder: Path

    @property
    def facts(self) -> dict[str, Any]:
        """What the case is about."""
        facts: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return facts

    @property
    def exposures(self) -> list[Exposure]:
        """What of the group is exposed."""
        rules: list[tuple[str, int | None, int | None, str, str]] = self.facts["exposures"]
        return [Exposure(name, first, last, cidr, "open_partly", list_id) for name, first, last, cidr, list_id in rules]

    def text(self, root: Path | None = None) -> str:
        """The template's text."""
        return ((root or self.folder / "input") / "network").read_bytes().decode()

    def stack(self) -> Stack:
        """The template's stack."""
        facts = self.facts["stack"]
        return Stack(
            facts["name"],
            "eu-west-1",
            facts.get("parameters", {}),
            facts.get("hidden", {}),
            tuple(facts.get("chain", ())),
            facts.get("given_at", {}),
            facts.get("stack_set", ""),
            tuple(facts.get("capabilities", ())),
        )

    def find(self, root: Path | None = None) -> Found:
        """What is found in the case's files, or in these."""
        facts = self.facts
        if facts["kind"] == "cloudformation":
            how = ("the tags name the stack",)
            parts = [stack_part(facts["logical_id"], self.exposures, how)]
            return find_in_template(self.stack(), self.text(root), parts, facts["replacements"])
        files = read_folders([str(root or self.folder / "input")]).files
        group = SecurityGroup("sg-1", vpc_id="vpc-1", ingress=(), **facts["group"])
        if root is None:  # the project's own repository is above the files
            strip = f"{(self.folder / 'input').relative_to(Path(__file__).parents[1])}/"
            for file in files:
                object.__setattr__(file, "path", file.path.removeprefix(strip))
        return find_in_terraform(files, group, self.exposures, facts["replacements"])


def stack_part(logical_id: str, exposures: Sequence[Exposure], how: tuple[str, ...] = ()) -> StackPart:
    """A resource that a stack is asked for."""
    return StackPart(StackResource("s", "s", logical_id), exposures, how)


def as_item(case: Case, found: Found) -> dict[str, Any]:
    """What is found, in the shape of the files of what is expected."""
    rules = [found.rules.get(exposure) for exposure in case.exposures]
    return {
        "group": found.group.to_item() if found.group else None,
        "rules": [rule.to_item() if isinstance(rule, RuleLocation) else None for rule in rules],
        "commands": list(found.commands),
        "before_diff": list(found.before_diff),
        "returns": str(found.returns) if found.returns else None,
    }


def all_cases() -> list[Case]:
    """Every case, by name."""
    return [Case(folder) for folder in sorted(DATA.iterdir())]


def main() -> None:
    """Write what is expected."""
    for case in all_cases():
        found = case.find()
        (case.folder / "expected.json").write_text(json.dumps(as_item(case, found), indent=2) + "\n")
        (case.folder / "expected.diff").write_bytes(unified_diff(found.patches).encode())


if __name__ == "__main__":
    main()

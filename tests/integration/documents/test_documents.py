"""What the documents say that programs print is what they print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import terraform_readme
from tests.readme import PARTS, ROOT, part_of


@pytest.mark.parametrize(("document", "name"), PARTS, ids=[f"{document}:{name}" for document, name in PARTS])
def test_the_part_is_what_the_program_prints(document: str, name: str) -> None:
    assert part_of((ROOT / document).read_text(), name) == PARTS[document, name](), (
        "write it anew: python -m tests.readme"
    )


@pytest.mark.parametrize("module", terraform_readme.modules(), ids=lambda path: path.name)
def test_the_readme_of_a_terraform_module_is_made_from_its_variables_and_outputs(module: Path) -> None:
    assert (module / "README.md").read_text("utf-8") == terraform_readme.readme(module), "write it anew: make docs"

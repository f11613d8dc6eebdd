"""What the documents say that programs print is what they print."""

from __future__ import annotations

import pytest

from tests.readme import PARTS, ROOT, part_of


@pytest.mark.parametrize(("document", "name"), PARTS, ids=[f"{document}:{name}" for document, name in PARTS])
def test_the_part_is_what_the_program_prints(document: str, name: str) -> None:
    assert part_of((ROOT / document).read_text(), name) == PARTS[document, name](), (
        "write it anew: python -m tests.readme"
    )

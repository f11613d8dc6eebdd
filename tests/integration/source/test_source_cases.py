"""Each template and folder of tests/data/source: place, edit, diff byte for byte, applied by git, judged again."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from library.network.addresses import parse_network
from library.source.find import read_folders
from library.source.location import Edit
from library.source.template_rules import read_groups
from library.source.template_text import parse_template
from library.source.terraform_rules import Configurations
from library.source.text_edit import unified_diff
from tests.source_cases import Case, all_cases, as_item

Rule = tuple[object, str]


@pytest.fixture(params=all_cases(), ids=lambda case: case.folder.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


def test_what_is_found_is_expected(case: Case) -> None:
    found = case.find()
    assert as_item(case, found) == json.loads((case.folder / "expected.json").read_text())
    assert unified_diff(found.patches).encode() == (case.folder / "expected.diff").read_bytes()


def test_the_diff_applies_and_closes_what_it_says_and_nothing_else(case: Case, tmp_path: Path) -> None:
    diff = (case.folder / "expected.diff").read_bytes()
    if not diff:
        pytest.skip("nothing is patched")
    root = tmp_path / "repository"
    shutil.copytree(case.folder / "input", root)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    before = Counter(rules(case, root))
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=diff, cwd=root, check=True)
    after = Counter(rules(case, root))
    locations = case.find().rules
    closed = {
        ((exposure.protocol, exposure.from_port, exposure.to_port), exposure.cidr)
        for exposure, location in locations.items()
        if location.edit is Edit.PATCH
    }
    assert closed
    # Another group may have the same rule, and keeps it.
    assert set(before - after) == closed
    assert {cidr for _, cidr in after - before} <= set(case.facts["replacements"])
    assert {traffic for traffic, _ in after - before} <= {traffic for traffic, _ in closed}
    assert case.find(root).patches == {}  # and there is nothing left to do


def rules(case: Case, root: Path) -> Iterator[Rule]:
    """Every ingress rule that stands in the files, as traffic and source."""
    if case.facts["kind"] == "cloudformation":
        groups = read_groups(case.stack().values(parse_template(case.text(root)))).groups.values()
        for group in groups:
            for rule in group.rules:
                if rule.rule is not None:
                    yield rule.traffic, normal(rule.rule.cidr or rule.rule.prefix_list_id)
                else:
                    yield rule.traffic, rule.unknown
        return
    configurations = Configurations(read_folders([str(root)]).files)
    for terraform_rule in [
        *(rule for group in configurations.groups() for rule in group.rules),
        *configurations.rule_resources(),
    ]:
        for source in terraform_rule.sources:
            node = source.value.node
            for item in [] if node is None else node.items or [node]:
                texts = item.value.split(",") if item.kind == "string" else ["".join(item.tokens)]
                yield from ((terraform_rule.traffic, normal(text)) for text in texts if item.kind != "list")


def normal(source: str) -> str:
    try:
        return str(parse_network(source))
    except ValueError:
        return source

"""Whatever is patched reads the same but for the sources, in random templates and Terraform files; otherwise no diff.

The check parses with other code than the patch does: PyYAML's constructor, and python-hcl2.
"""

from __future__ import annotations

import json
from typing import Any

import hcl2
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from library.security_groups.exposure import Exposure
from library.security_groups.group import SecurityGroup
from library.source.hcl import TerraformFile, parse_hcl
from library.source.location import Edit
from library.source.template_source import Stack, find_in_template
from library.source.terraform_source import find_in_terraform
from tests.source_cases import stack_part

REPLACEMENTS = ("10.0.0.0/8", "172.16.0.0/12")
PUBLIC = ("0.0.0.0/0", "0.0.0.0/1", "8.8.8.0/24")
SOURCES = (*PUBLIC, "10.0.0.0/8", "10.1.0.0/16")
PORTS = (22, 3389, 443)
EXPOSURES = tuple(Exposure("tcp", port, port, cidr, "open_partly") for port in (22, 3389) for cidr in PUBLIC)

spaces = st.sampled_from(["", " ", "  "])
comments = st.sampled_from(["", " # all of it", "  # 0.0.0.0/0"])
quotes = st.sampled_from(["", '"', "'"])
line_ends = st.sampled_from(["\n", "\r\n"])


@st.composite
def yaml_entries(draw: st.DrawFn) -> str:
    port, source, quote = draw(st.sampled_from(PORTS)), draw(st.sampled_from(SOURCES)), draw(quotes)
    fields = [("IpProtocol", "tcp"), ("FromPort", str(port)), ("ToPort", str(port)), ("CidrIp", quote + source + quote)]
    if draw(st.booleans()):
        fields.append(("Description", draw(st.sampled_from(["x", "'CidrIp: 0.0.0.0/0'", '"ä"']))))
    fields = draw(st.permutations(fields))
    if draw(st.booleans()):
        return "        -" + " {" + ", ".join(f"{key}: {value}" for key, value in fields) + "}" + draw(comments) + "\n"
    before = "        # note\n" if draw(st.booleans()) else ""
    lines = [f"          {key}: {value}{draw(comments)}\n" for key, value in fields]
    lines[0] = "        - " + lines[0].lstrip()
    return before + "".join(lines) + draw(st.sampled_from(["", "\n", "        # after\n"]))


@st.composite
def templates(draw: st.DrawFn) -> str:
    entries = "".join(draw(st.lists(yaml_entries(), min_size=1, max_size=6)))
    text = (
        "# a template\nResources:\n  Web:\n    Type: AWS::EC2::SecurityGroup\n    Properties:\n"
        f"      GroupDescription: web\n      SecurityGroupIngress:\n{entries}"
        "      SecurityGroupEgress:\n        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}\n"
    )
    text = text.rstrip("\n") if draw(st.booleans()) else text
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(line_ends))


@settings(max_examples=150, deadline=None)
@given(templates())
def test_a_patched_template_differs_in_exposing_sources_only(text: str) -> None:
    found = find_in_template(Stack("s", "eu-west-1"), text, [stack_part("Web", EXPOSURES)], REPLACEMENTS)
    closed = {(e.from_port, e.cidr) for e, location in found.rules.items() if location.edit is Edit.PATCH}
    after = found.patches["s"].after if found.patches else text
    old, new = (yaml.safe_load(each.removeprefix("\ufeff")) for each in (text, after))
    check_entries(entries_of(old), entries_of(new), closed)
    for document in (old, new):
        document["Resources"]["Web"]["Properties"]["SecurityGroupIngress"] = None
    assert old == new


def entries_of(template: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = template["Resources"]["Web"]["Properties"]["SecurityGroupIngress"]
    return found


def check_entries(old: list[dict[str, Any]], new: list[dict[str, Any]], closed: set[Any]) -> None:
    def is_closed(entry: dict[str, Any]) -> bool:
        return (entry["FromPort"], entry["CidrIp"]) in closed

    stay = [entry for entry in old if not is_closed(entry)]
    assert [entry for entry in new if entry in stay and not is_closed(entry)][: len(stay)] or not stay
    assert not [entry for entry in new if is_closed(entry)]
    for entry in stay:
        assert new.count(entry) >= old.count(entry)
    for entry in new:
        if entry not in stay:
            assert entry["CidrIp"] in REPLACEMENTS
            assert {**entry, "CidrIp": ""} in [{**each, "CidrIp": ""} for each in old if is_closed(each)]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PORTS), st.sampled_from(SOURCES)), min_size=1, max_size=5), st.data())
def test_a_patched_template_in_json_differs_in_exposing_sources_only(rules: list[Any], data: st.DataObject) -> None:
    entries = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": cidr} for port, cidr in rules]
    template = {
        "Resources": {"Web": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupIngress": entries}}}
    }
    indent = data.draw(st.sampled_from([None, 2, "\t"]))
    text = json.dumps(template, indent=indent)
    found = find_in_template(Stack("s", "eu-west-1"), text, [stack_part("Web", EXPOSURES)], REPLACEMENTS)
    closed = {(e.from_port, e.cidr) for e, location in found.rules.items() if location.edit is Edit.PATCH}
    after = json.loads(found.patches["s"].after if found.patches else text)
    check_entries(entries, entries_of(after), closed)


@st.composite
def lists(draw: st.DrawFn) -> str:
    items = draw(st.lists(st.sampled_from([*(f'"{each}"' for each in SOURCES), "var.more"]), min_size=1, max_size=4))
    if draw(st.booleans()):
        return "[" + draw(spaces) + f",{draw(spaces)}".join(items) + draw(st.sampled_from(["", ","])) + "]"
    lines = [f"      {item},{draw(comments)}\n" for item in items]
    return "[\n" + draw(st.sampled_from(["", "      # all\n"])) + "".join(lines) + "    ]"


@st.composite
def configurations(draw: st.DrawFn) -> str:
    blocks = []
    for port, cidrs in draw(st.lists(st.tuples(st.sampled_from(PORTS), lists()), min_size=1, max_size=4)):
        blocks.append(
            f'  ingress {{\n    from_port = {port}\n    to_port   = {port}\n    protocol = "tcp"\n'
            f"    cidr_blocks = {cidrs}\n  }}\n"
        )
    text = (
        'resource "aws_security_group" "web" {\n  name = "web"\n  description = "Web ä"\n'
        + "".join(blocks)
        + '  egress {\n    from_port = 22\n    to_port = 22\n    protocol = "tcp"\n'
        + '    cidr_blocks = ["0.0.0.0/0"]\n  }\n}\n'
    )
    return draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(line_ends))


@settings(max_examples=100, deadline=None)
@given(configurations())
def test_patched_terraform_differs_in_exposing_sources_only(text: str) -> None:
    file = TerraformFile("main.tf", "/x", text, parse_hcl(text))
    group = SecurityGroup("sg-1", "web", "vpc-1", "Web ä", {}, ())
    found = find_in_terraform([file], group, EXPOSURES, REPLACEMENTS)
    closed = {(e.from_port, e.cidr) for e, location in found.rules.items() if location.edit is Edit.PATCH}
    after = found.patches["main.tf"].after if found.patches else text
    old, new = ingress(text), ingress(after)
    assert len(old) == len(new)  # no block is removed
    for (port, before), (same, narrowed) in zip(old, new, strict=True):
        assert port == same
        stay = [each for each in before if (port, each) not in closed]
        if stay or before == narrowed:
            assert narrowed == stay
        else:
            assert set(narrowed) <= set(REPLACEMENTS)
            assert narrowed


def ingress(text: str) -> list[tuple[int, list[str]]]:
    """The ports and sources of the ingress blocks, as another parser reads them."""
    document = hcl2.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    ((_, named),) = document["resource"][0].items()
    ((_, body),) = named.items()
    return [
        (int(block["from_port"]), [str(item).strip('"') for item in block["cidr_blocks"]]) for block in body["ingress"]
    ]

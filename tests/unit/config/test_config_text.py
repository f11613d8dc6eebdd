"""JSON and YAML: what the three formats have in common, and what neither may do to a value."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.config import ConfigurationError, Problem, parse_configuration
from library.config.text import TextError, read_json, without_comments
from library.config.yaml_text import read_yaml
from tests.builders.config_files import MINIMAL

YAML = """
# yaml-language-server: $schema=./schema/config.schema.json
__comment: a comment of the other kind
aws:
  main_account_id: 123456789012
  region: eu-west-1
  accounts:
    123456789012: master
    "012345670123": an id that other readers take for an octal number
  regions: eu-west-1, us-east-1
cronjobs:
  reporting: 55 * * * *
secgrp_unrestricted_access:
  ddb.table_name: hammer-issues
  enabled: True
  remediation: "false"
  accounts: ["012345670123", 210987654321]
  restricted_ports:
    - 22
    - 8000-8100
    - udp/161
inspector:
  allowed_ports:
    yes: [tcp/80]
    webapps (Prod):
      - ports: [443]
        expires: 2027-03-01
"""


def _only_line(name: str, content: bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"config": (name, content)})
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize("name", ["config.yaml", "config.yml"])
def test_a_configuration_in_yaml(name: str) -> None:
    config = parse_configuration({"config": (name, YAML.encode())})
    assert config.aws.main_account_id == "123456789012"
    assert config.scanned_accounts() == {
        "012345670123": "an id that other readers take for an octal number",
        "210987654321": "210987654321",
    }
    assert config.aws.regions == ("eu-west-1", "us-east-1")
    assert config.cronjobs.reporting == "55 * * * *"
    check = config.secgrp_unrestricted_access
    assert (check.enabled, check.remediation) == (True, False)
    assert str(check.restricted_ports) == "tcp/22, tcp/8000-8100, udp/22, udp/161, udp/8000-8100"
    assert list(config.inspector.allowed_ports) == ["yes", "webapps (Prod)"]
    assert str(config.inspector.allowed_ports["webapps (Prod)"][0].expires) == "2027-03-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22", 22),
        ("-1", -1),
        ("0", 0),
        ('"022"', "022"),
        ("09:30", "09:30"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("22:80", "22:80"),
        ("2027-03-01", "2027-03-01"),
        ("2027-03-01 10:00:00", "2027-03-01 10:00:00"),
        ("'012345670123'", "012345670123"),
        ("123456789012", 123456789012),
        ("9" * 5000, "9" * 5000),
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ('"22"', "22"),
        ("'true'", "true"),
        ("!!str 22", "22"),
        ("!!int 22", 22),
        ("=", "="),
        ("", None),
        ("# nothing but a comment", None),
        ("{null: 1, true: 2, 5: 3, 2027-03-01: 4}", {"null": 1, "true": 2, "5": 3, "2027-03-01": 4}),
        ("{a: , b: [1, ]}", {"a": None, "b": [1]}),
        ("a: &x [1, b]\nc: *x", {"a": [1, "b"], "c": [1, "b"]}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("a: &x {p: 1, q: 2}\nb: {r: 3, <<: *x}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2, "r": 3}}),
        ("a: &x {p: 1}\nb: {<<: *x, p: 3, <<: {q: 2}}", {"a": {"p": 1}, "b": {"p": 3, "q": 2}}),
        ("a: {<<: [{p: 1}, {p: 2, q: 2}]}", {"a": {"p": 1, "q": 2}}),
        ("'<<': 1", {"<<": 1}),
        ("external_id: '7839e215'", {"external_id": "7839e215"}),
        ("external_id: 7839f215", {"external_id": "7839f215"}),
        ("external_id: 123456789012", {"external_id": 123456789012}),
        ("expires: 2027-03-01", {"expires": "2027-03-01"}),
    ],
)
def test_yaml_leaves_values_as_they_were_written(text: str, expected: object) -> None:
    value = read_yaml(text)
    assert (type(value) is bool, value) == (type(expected) is bool, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (
                f"a: {number}",
                f'has {number} without quotes, which Terraform reads as another number: write "{number}", '
                "at line 1, column 4",
            )
            for number in ("022", "012345670123", "0o22", "0x16", "1_000", "+5", "-07")
        ),
        *(
            (
                f"{key}: {value}",
                f'has {value} without quotes, which Terraform reads as another value: write "{value}", '
                f"at line 1, column {len(key) + 3}",
            )
            for key, value in (
                *(("external_id", value) for value in ("7839e215", "1.50", "2026-11-30", "yes", "Off", ".5", "1E+5")),
                ("ddb.table_name", "2026-1-1"),
                ("secret", "1e3"),
            )
        ),
        ("<<: {[a]: b}", "has a key that is not text, at line 1, column 6"),
        ("a: {<<: [{b: 1}, {? {c: d} : e}]}", "has a key that is not text, at line 1, column 21"),
        (
            "<<: {external_id: 12e03}",
            'has 12e03 without quotes, which Terraform reads as another value: write "12e03", at line 1, column 19',
        ),
        (
            "a: &id 12e03\nb: {external_id: *id}",
            'has 12e03 without quotes, which Terraform reads as another value: write "12e03", at line 1, column 4',
        ),
        (
            "012345670123: a",
            "has 012345670123 without quotes, which Terraform reads as another number: write "
            '"012345670123", at line 1, column 1',
        ),
        ("a: [1", "is not YAML: expected ',' or ']', but got '<stream end>', at line 1, column 6"),
        ("a: 1\n\tb: 2", "is not YAML: found character '\\t' that cannot start any token, at line 2, column 1"),
        ("a: 1\n---\nb: 2", "is not YAML: but found another document, at line 2, column 1"),
        ("a: *x", "is not YAML: found undefined alias 'x', at line 1, column 4"),
        ("? [a]\n: 1", "has a key that is not text, at line 1, column 3"),
        ("a: !!python/object:os.system {}", "has a value of a kind that is not supported, at line 1, column 4"),
        ("a: !!python/name:os.system x", "has a value of a kind that is not supported, at line 1, column 4"),
        ("a: !!timestamp 2027-03-01", "has a value of a kind that is not supported, at line 1, column 4"),
        ("a: !!int x", "has a value of a kind that is not supported, at line 1, column 4"),
        ("a: !!set {b}", "has a value of a kind that is not supported, at line 1, column 4"),
        ("a: !!omap [b]", "has a value of a kind that is not supported, at line 1, column 4"),
        (
            "a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}",
            "has q above a << that has it, too, which Terraform takes: write << first, at line 2, column 5",
        ),
        (
            "a: {<<: {q: 3, <<: {p: 1, q: 2}}}",
            "has q above a << that has it, too, which Terraform takes: write << first, at line 1, column 10",
        ),
        (
            "a: {<<: {p: 1}, q: 3, <<: {q: 2}}",
            "has q above a << that has it, too, which Terraform takes: write << first, at line 1, column 17",
        ),
        ("a: {<<: 5}", "merges something that is not a section, at line 1, column 9"),
        ("a: &x [*x]", "has an alias that contains itself, at line 1, column 4"),
        ("a: &x {b: *x}", "has an alias that contains itself, at line 1, column 4"),
        ('a: "\\UFFFFFFFF"', "is not YAML: it has a character or an escape that YAML does not know"),
        ("a: \0", "is not YAML: it has a character or an escape that YAML does not know"),
        ("[" * 5000, "is nested too deeply"),
        (
            "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
            "is too large once its aliases are written out",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_yaml_that_is_refused(text: str, expected: str) -> None:
    with pytest.raises(TextError) as caught:
        without_comments(read_yaml(text), [])
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not JSON: expecting value, at line 1, column 1"),
        ("{} {}", "is not JSON: extra data, at line 1, column 4"),
        ('{"a": "b', "is not JSON: unterminated string starting, at line 1, column 7"),
        ('{"a": "b\n"}', "is not JSON: invalid control character, at line 1, column 9"),
        ('{"a": NaN}', "is not JSON: it has no NaN"),
        ('{"a": -Infinity}', "is not JSON: it has no -Infinity"),
        ('{"a": ' + "9" * 5000 + "}", "has a number in it that is too long"),
        ("[" * 200_000, "is nested too deeply"),
    ],
    ids=lambda value: value[:40],
)
def test_json_that_is_refused(text: str, expected: str) -> None:
    with pytest.raises(TextError) as caught:
        read_json(text)
    assert str(caught.value) == expected


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
class TestEveryFormat:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"[1]", "must be a section with keys at its top, not a list"),
            (b"null", "must be a section with keys at its top, not null"),
            (b'"text"', "must be a section with keys at its top, not text"),
            (b"5", "must be a section with keys at its top, not a number"),
            (codecs.BOM_UTF8 + b"{}", "begins with a byte order mark: save it as UTF-8 without one"),
            (b'{"a": "\xff"}', "is not UTF-8: byte 8 is wrong"),
            ('{"a": 1}'.encode("utf-16"), "is not UTF-8: byte 1 is wrong"),
        ],
    )
    def test_what_is_no_configuration(self, suffix: str, content: bytes, expected: str) -> None:
        assert _only_line(f"config.{suffix}", content) == f"config.{suffix}: {expected}"

    def test_a_repeated_key(self, suffix: str) -> None:
        text = json.dumps(MINIMAL).replace('"region"', '"region": "us-east-1", "region"')
        assert _only_line(f"config.{suffix}", text.encode()) == f"config.{suffix}: aws.region: is there more than once"

    def test_a_repeated_comment(self, suffix: str) -> None:
        text = json.dumps(MINIMAL).replace('"region"', '"__": 1, "__": 2, "region"')
        parse_configuration({"config": (f"config.{suffix}", text.encode())})

    def test_deep_nesting(self, suffix: str) -> None:
        line = _only_line(f"config.{suffix}", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        assert line == f"config.{suffix}: is nested too deeply"


def test_an_empty_whitelist_in_yaml_is_not_taken_for_none() -> None:
    files = {
        "config": ("config.json", json.dumps(MINIMAL).encode()),
        "whitelist": ("whitelist.yaml", b"# later\n"),
    }
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(files)
    assert str(caught.value) == "whitelist.yaml: must be a section with keys at its top, not null"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        *("aws", "main_account_id", "region", "accounts", "regions", "external_id", "cronjobs", "reporting"),
        *("secgrp_unrestricted_access", "ddb.table_name", "restricted_ports", "trusted_cidrs", "inspector"),
        *("allowed_ports", "123456789012", "group", "ports", "cidrs", "expires", "jira", "server", "secret"),
        *("account", "bu", "product", "slack_owner", "tag:x", "remediation_retention_period", "$schema", "__x"),
    ]
)
NEARLY_RIGHT = st.recursive(
    JSON_VALUES | st.sampled_from(["sg-1", "true", "8.8.8.0/24", "22", "2027-03-01", "* * * * *", "https://[", "۱۲"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=6),
    max_leaves=30,
)
STEMS = st.sampled_from(["config", "whitelist", "ticket_owners"])
SUFFIXES = st.sampled_from([".json", ".yaml", ".yml"])


def _problems(files: dict[str, tuple[str, bytes]]) -> tuple[Problem, ...]:
    """What is wrong with files, in clean lines; any other exception fails the test."""
    try:
        parse_configuration(files)
    except ConfigurationError as error:
        problems = error.problems
    else:
        return ()
    assert problems
    for line in map(str, problems):
        assert line.isprintable()
        assert "pydantic" not in line
        assert "errors." not in line
    return problems


@given(value=JSON_VALUES | NEARLY_RIGHT, stem=STEMS, suffix=SUFFIXES)
def test_whatever_a_file_holds_it_is_a_configuration_or_a_clean_error(value: Any, stem: str, suffix: str) -> None:
    files = {"config": ("config.json", json.dumps(MINIMAL).encode())}
    _problems(files | {stem: (stem + suffix, json.dumps(value).encode())})


@given(text=st.text(max_size=60), stem=STEMS, suffix=SUFFIXES)
def test_whatever_a_text_is_it_is_a_configuration_or_a_clean_error(text: str, stem: str, suffix: str) -> None:
    files = {"config": ("config.json", json.dumps(MINIMAL).encode())}
    _problems(files | {stem: (stem + suffix, text.encode(errors="replace"))})


@given(content=st.binary(max_size=60), suffix=SUFFIXES)
def test_whatever_bytes_there_are_it_is_a_clean_error(content: bytes, suffix: str) -> None:
    assert _problems({"config": (f"config{suffix}", content)})

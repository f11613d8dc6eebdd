"""The shipped `config/`, the sample in the contract, and the schemas by which an editor completes the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from library.config import Configuration, parse_configuration
from library.config.schema import schema_texts
from tests.builders.config_files import MINIMAL, config_with, mistakes

CONFIG = Path(__file__).parents[3] / "config"
CHECK = "secgrp_unrestricted_access"

# As the contract has it, word for word.
CONTRACT_SAMPLE = """
{
  "aws": {
    "main_account_id": "123456789012",
    "region": "eu-west-1",
    "accounts": {"123456789012": "master", "210987654321": "slave1"},
    "regions": ["eu-west-1", "us-east-1"],
    "role_name_identification": "hammer-cloudsec-crossact-id",
    "role_name_reporting": "hammer-cloudsec-crossact-ec2",
    "external_id": "a-shared-secret",
    "s3_backup_bucket": "hammer-backup-bucket"
  },
  "cronjobs": {"reporting": "55 * * * *", "remediation": "45 10 * * *"},
  "jira": {"enabled": false, "server": "https://jira.example.com", "secret": "hammer/jira",
           "issue_type": "Task", "text_field_character_limit": 32767},
  "slack": {"enabled": false, "base_url": "https://slack.com/api/", "secret": "hammer/slack",
            "notify_default_owner": true, "default_channel": "#hammer"},
  "whitelisting_procedure_url": "",
  "secgrp_unrestricted_access": {
    "enabled": true,
    "ddb.table_name": "hammer-security-groups-unrestricted",
    "accounts": ["210987654321"],
    "remediation_accounts": ["210987654321"],
    "restricted_ports": [21, 22, 23, 3389, 1433, 1521, 3306, 5432, 27017],
    "trusted_cidrs": ["198.51.100.0/24"],
    "reporting": false,
    "remediation": false,
    "remediation_retention_period": 21,
    "remediation_scope": ["open_completely"],
    "remediation_strategy": "replace_rule",
    "remediation_limit_per_run": 50
  },
  "inspector": {
    "enabled": true,
    "allowed_ports": {"webapps (Prod)": ["tcp/80", "tcp/443"], "vpn.example.com": ["tcp/443", "udp/1194"]},
    "allowed_ports_tag": "",
    "ephemeral_ports": {"webapps (Prod)": ["tcp/32768-60999"]}
  }
}
"""


def _shipped(stem: str) -> bytes:
    return (CONFIG / f"{stem}.json").read_bytes()


def _parsed(config: bytes) -> Configuration:
    return parse_configuration({"config": ("config.json", config)})


def _schema(stem: str) -> Draft202012Validator:
    schema = json.loads(schema_texts()[f"{stem}.schema.json"])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_shipped_config_says_what_the_contracts_sample_says() -> None:
    assert _parsed(_shipped("config")) == _parsed(CONTRACT_SAMPLE.encode())


def test_the_shipped_files_are_a_working_sample() -> None:
    stems = ("config", "whitelist", "ticket_owners")
    config = parse_configuration({stem: (f"{stem}.json", _shipped(stem)) for stem in stems})
    assert config.scanned_accounts() == {"210987654321": "slave1"}
    assert not config.secgrp_unrestricted_access.reporting
    assert not config.secgrp_unrestricted_access.remediation
    assert len(config.exemptions("210987654321")) == 4
    assert config.ticket_owners.resolve("210987654321", "retail", "webshop").jira_owner == "Support-Webshop"


@pytest.mark.parametrize("stem", ["config", "whitelist", "ticket_owners"])
class TestSchema:
    def test_the_committed_one_is_current(self, stem: str) -> None:
        committed = (CONFIG / "schema" / f"{stem}.schema.json").read_text(encoding="utf-8")
        assert committed == schema_texts()[f"{stem}.schema.json"], "run: python -m library.config.schema"

    def test_the_shipped_file_is_valid_and_names_its_schema(self, stem: str) -> None:
        shipped = json.loads(_shipped(stem))
        _schema(stem).validate(shipped)
        assert (CONFIG / shipped["$schema"]).resolve() == CONFIG.resolve() / "schema" / f"{stem}.schema.json"


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (f"{CHECK}/restricted_ports", "22, 8000-8100"),
        (f"{CHECK}/restricted_ports", ["TCP/22", " 8000 - 8100 ", 6, "17/161"]),
        (f"{CHECK}/enabled", "True"),
        (f"{CHECK}/accounts", [210987654321]),
        ("aws/accounts", "organization"),
        ("aws/accounts/__comment", 5),
        ("__comment", None),
        ("inspector/allowed_ports", {"web": [{"ports": "80", "__": 1, "expires": "2027-03-01"}, 443], "__": 1}),
        ("slack/reminder_days", "7, 1"),
    ],
)
def test_the_schema_accepts_what_hammer_accepts(path: str, written: Any) -> None:
    config = config_with({path: written})
    assert mistakes(config) == []
    assert _schema("config").is_valid(config)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("aws/acounts", {}),
        ("aws/accounts/1234", "x"),
        ("aws/regions", None),
        (f"{CHECK}/enabled", "yes"),
        (f"{CHECK}/restricted_ports", ["abc"]),
        (f"{CHECK}/remediation_limit_per_run", 0),
        (f"{CHECK}/remediation_strategy", "delete"),
    ],
)
def test_the_schema_refuses_what_hammer_refuses(path: str, written: Any) -> None:
    config = config_with({path: written})
    assert mistakes(config)
    assert _schema("config").is_valid(MINIMAL)
    assert not _schema("config").is_valid(config)

"""What is wrong with a configuration, asserted as it is printed: each mistake once, in words for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from library.config import ConfigurationError, Problem, parse_configuration
from tests.builders.config_files import DELETE, MINIMAL, config_with, mistakes

CHECK = "secgrp_unrestricted_access"
NOT_A_PORT = 'is not a port: write 22, "8000-8100" or "udp/161"'
NOT_A_CIDR = 'is not a CIDR: write "198.51.100.0/24" or "2001:db8::/32"'
NOT_A_GROUP = 'is not a security group: write "sg-7c228307" or "vpc-654321:default"'
NOT_A_CRON = 'is not a cron expression: write five fields such as "55 * * * *"'
NOT_AN_EXTERNAL_ID = "is no external id that AWS STS takes: 2 to 1224 letters, digits and _ + = , . @ : / -"
NOT_AN_ACCOUNT = "is not an account id: 12 digits"
UNENCRYPTED = "would send the login unencrypted: write https:// (http:// is for this machine only)"
A_LOGIN = "carries a login, which messages would show: write it into the secret"
NOT_A_URL = "is not a URL: write one that begins with https:// or http://"
NOT_A_SECRETS_NAME = "must be the name of a secret in AWS Secrets Manager: the secret itself does not belong here"


@pytest.mark.parametrize(
    ("path", "written", "expected"),
    [
        # Unknown keys.
        ("aws/acounts", {}, 'aws.acounts: unknown key, did you mean "accounts"?'),
        ("slak", {}, 'slak: unknown key, did you mean "slack"?'),
        ("zebra", 1, "zebra: unknown key"),
        ("_comment", 1, "_comment: unknown key"),
        ("[key]", 1, '["[key]"]: unknown key'),
        ("a key\nof two lines", 1, '["a key\\nof two lines"]: unknown key'),
        ("aws/$schema", "x", "aws.$schema: unknown key"),
        ("whitelist", {}, "whitelist: unknown key"),
        (f"{CHECK}/table_name", "x", f'{CHECK}.table_name: unknown key, did you mean "ddb.table_name"?'),
        (f"{CHECK}/owner_tags/onwer", "x", f'{CHECK}.owner_tags.onwer: unknown key, did you mean "owner"?'),
        (
            "inspector/allowed_ports",
            {"web": [{"ports": [80], "expire": "2027-03-01"}]},
            'inspector.allowed_ports.web[0].expire: unknown key, did you mean "expires"?',
        ),
        # Keys that a configuration cannot do without.
        ("aws", DELETE, "aws: is missing"),
        ("aws/main_account_id", DELETE, "aws.main_account_id: is missing"),
        ("aws/region", DELETE, "aws.region: is missing"),
        ("aws/accounts", DELETE, "aws.accounts: is missing"),
        (CHECK, DELETE, f"{CHECK}: is missing"),
        (f"{CHECK}/ddb.table_name", DELETE, f"{CHECK}.ddb.table_name: is missing"),
        ("inspector/allowed_ports", {"web": [{}]}, "inspector.allowed_ports.web[0].ports: is missing"),
        # Wrong types.
        ("aws", [], "aws: must be a section, not a list"),
        ("jira", None, "jira: must be a section, not null"),
        ("slack", True, "slack: must be a section, not true or false"),
        ("inspector/allowed_ports", "80", "inspector.allowed_ports: must be a section, not text"),
        ("aws/region", 5, "aws.region: must be text, not a number"),
        ("aws/regions", None, "aws.regions: must be a list or a comma-separated text, not null"),
        ("aws/regions", [None], "aws.regions[0]: must be text, not null"),
        (
            "aws/regions",
            {"*": "eu west"},
            "aws.regions[\"*\"][0]: 'eu west' is not a region: write one such as eu-west-1",
        ),
        ("aws/regions", {"*": None}, 'aws.regions["*"]: must be a list or a comma-separated text, not null'),
        ("aws/regions", {"slave": []}, "aws.regions.slave: 'slave' is neither an account id (12 digits) nor \"*\""),
        ("aws/accounts/210987654321", 5, "aws.accounts.210987654321: must be text, not a number"),
        (f"{CHECK}/enabled", 1, f"{CHECK}.enabled: must be true or false, not 1"),
        (f"{CHECK}/reporting", "yes", f"{CHECK}.reporting: must be true or false, not 'yes'"),
        (f"{CHECK}/remediation", None, f"{CHECK}.remediation: must be true or false, not null"),
        (
            f"{CHECK}/restricted_ports",
            22,
            f"{CHECK}.restricted_ports: must be a list or a comma-separated text, not 22",
        ),
        (
            f"{CHECK}/remediation_immediate",
            ["critical"],
            f"{CHECK}.remediation_immediate: must be a section, not a list",
        ),
        (
            f"{CHECK}/remediation_immediate",
            {"*": ["critical", "severe"]},
            f"{CHECK}.remediation_immediate[\"*\"][1]: must be critical, high, medium or low, not 'severe'",
        ),
        (
            f"{CHECK}/remediation_immediate",
            {"*": True},
            f'{CHECK}.remediation_immediate["*"]: must be a list or a comma-separated text, not true',
        ),
        (
            f"{CHECK}/remediation_immediate",
            {"slave1": ["critical"]},
            f"{CHECK}.remediation_immediate.slave1: 'slave1' is neither an account id (12 digits) nor \"*\"",
        ),
        (
            f"{CHECK}/remediation_immediate",
            {"333333333333": ["critical"]},
            f"{CHECK}.remediation_immediate.333333333333: is not one of aws.accounts",
        ),
        (
            f"{CHECK}/remediation_retention_period",
            True,
            f"{CHECK}.remediation_retention_period: must be a whole number, not true",
        ),
        (
            f"{CHECK}/remediation_retention_period",
            "21",
            f"{CHECK}.remediation_retention_period: must be a whole number, not '21'",
        ),
        (
            f"{CHECK}/remediation_retention_period",
            21.0,
            f"{CHECK}.remediation_retention_period: must be a whole number, not 21.0",
        ),
        # Numbers out of bounds.
        (
            f"{CHECK}/remediation_retention_period",
            -1,
            f"{CHECK}.remediation_retention_period: must be at least 0, not -1",
        ),
        (
            f"{CHECK}/remediation_retention_period",
            10**30,
            f"{CHECK}.remediation_retention_period: must be at most 36500, not {10**30}",
        ),
        (f"{CHECK}/remediation_limit_per_run", 0, f"{CHECK}.remediation_limit_per_run: must be at least 1, not 0"),
        ("jira/text_field_character_limit", 0, "jira.text_field_character_limit: must be at least 1, not 0"),
        ("slack/reminder_days", ["x"], "slack.reminder_days[0]: must be a whole number, not 'x'"),
        # One of a few words.
        (
            f"{CHECK}/remediation_scope",
            ["open"],
            f"{CHECK}.remediation_scope[0]: must be open_completely or open_partly, not 'open'",
        ),
        (
            f"{CHECK}/remediation_strategy",
            "delete",
            f"{CHECK}.remediation_strategy: must be replace_rule or carve_ports, not 'delete'",
        ),
        ("inspector/other_findings", "drop", "inspector.other_findings: must be ignore or pass, not 'drop'"),
        # Ports.
        *(
            (f"{CHECK}/restricted_ports", [port], f"{CHECK}.restricted_ports[0]: {shown} {NOT_A_PORT}")
            for port, shown in [
                ("abc", "'abc'"),
                (True, "true"),
                (None, "null"),
                (22.5, "22.5"),
                ([22], "a list"),
                ({"ports": [22]}, "a section"),
                ("22:80", "'22:80'"),
                (-1, "-1"),
                ("", "''"),
            ]
        ),
        (f"{CHECK}/restricted_ports", [70000], f"{CHECK}.restricted_ports[0]: 70000: ports end at 65535"),
        (f"{CHECK}/restricted_ports", ["80-22"], f"{CHECK}.restricted_ports[0]: '80-22' ends before it begins"),
        (
            f"{CHECK}/restricted_ports",
            ["icmp/8"],
            f"{CHECK}.restricted_ports[0]: 'icmp/8': only tcp and udp have ports",
        ),
        ("inspector/ephemeral_ports", {"a b": "x"}, f"inspector.ephemeral_ports[\"a b\"][0]: 'x' {NOT_A_PORT}"),
        (
            "inspector/allowed_ports",
            {"web": [{"ports": [1, "x"]}]},
            f"inspector.allowed_ports.web[0].ports[1]: 'x' {NOT_A_PORT}",
        ),
        (
            "inspector/allowed_ports",
            {"web": [None]},
            'inspector.allowed_ports.web[0]: must be a port such as 22, "8000-8100" or "udp/161", '
            'or a section with "ports", not null',
        ),
        (
            "inspector/allowed_ports",
            {"tag:Role": [80]},
            "inspector.allowed_ports[\"tag:Role\"]: 'tag:Role' names no tag: write tag:<key>=<glob>",
        ),
        # CIDRs.
        *(
            (f"{CHECK}/trusted_cidrs", [cidr], f"{CHECK}.trusted_cidrs[0]: {shown} {NOT_A_CIDR}")
            for cidr, shown in [
                ("198.51.100.0/33", "'198.51.100.0/33'"),
                ("300.1.1.1/8", "'300.1.1.1/8'"),
                ("office", "'office'"),
                (3325256704, "3325256704"),
                (None, "null"),
            ]
        ),
        # Dates.
        *(
            (
                "inspector/allowed_ports",
                {"web": [{"ports": [80], "expires": day}]},
                f"inspector.allowed_ports.web[0].expires: {message}",
            )
            for day, message in [
                ("2027-02-30", "'2027-02-30': there is no such day"),
                ("01.03.2027", "'01.03.2027' is not a date: write YYYY-MM-DD"),
                ("20270301", "'20270301' is not a date: write YYYY-MM-DD"),
                (20270301, "20270301 is not a date: write YYYY-MM-DD"),
                ("", "'' is not a date: write YYYY-MM-DD"),
            ]
        ),
        # Cron.
        *(
            ("cronjobs/reporting", cron, f"cronjobs.reporting: {shown} {NOT_A_CRON}")
            for cron, shown in [
                ("61 * * * *", "'61 * * * *'"),
                ("55 * * *", "'55 * * *'"),
                ("* * * * * *", "'* * * * * *'"),
                ("hourly", "'hourly'"),
                (55, "55"),
                (None, "null"),
            ]
        ),
        # Account ids.
        ("aws/main_account_id", "12345", f"aws.main_account_id: '12345' {NOT_AN_ACCOUNT}"),
        ("aws/main_account_id", "12345678901x", f"aws.main_account_id: '12345678901x' {NOT_AN_ACCOUNT}"),
        ("aws/main_account_id", "12345678901", f"aws.main_account_id: '12345678901' {NOT_AN_ACCOUNT}"),
        ("aws/main_account_id", 1234567890123, f"aws.main_account_id: 1234567890123 {NOT_AN_ACCOUNT}"),
        ("aws/main_account_id", True, f"aws.main_account_id: true {NOT_AN_ACCOUNT}"),
        ("aws/accounts", {"1234": "x"}, f"aws.accounts.1234: '1234' {NOT_AN_ACCOUNT}"),
        (
            "aws/accounts",
            ["123456789012"],
            'aws.accounts: must be a section of account ids and names, or "organization", not a list',
        ),
        (
            "aws/accounts",
            "organisation",
            "aws.accounts: must be a section of account ids and names, or \"organization\", not 'organisation'",
        ),
        ("aws/ignore_accounts", ["x"], f"aws.ignore_accounts[0]: 'x' {NOT_AN_ACCOUNT}"),
        (f"{CHECK}/accounts", ["slave1"], f"{CHECK}.accounts[0]: 'slave1' {NOT_AN_ACCOUNT}"),
        (f"{CHECK}/remediation_accounts", [12], f"{CHECK}.remediation_accounts[0]: 12 {NOT_AN_ACCOUNT}"),
        # URLs, which are not shown: they may carry a password.
        *(
            ("jira/server", url, f"jira.server: {NOT_A_URL}")
            for url in ["jira.example.com", "ftp://u:p@x", "https://", "https://[::1"]
        ),
        ("slack/base_url", "https://a b", f"slack.base_url: {NOT_A_URL}"),
        ("slack/base_url", "https://slack.example.com:99999/", f"slack.base_url: {NOT_A_URL}"),
        *(("jira/server", url, f"jira.server: {UNENCRYPTED}") for url in ["http://jira", "HTTP://10.0.0.1:8080"]),
        *(("slack/base_url", url, f"slack.base_url: {UNENCRYPTED}") for url in ["http://localhost.evil/", "http://p/"]),
        *(
            (path, "https://me:s3cret@h/", f"{path.replace(chr(47), chr(46))}: {A_LOGIN}")
            for path in ["jira/server", "jira/api_url", "slack/base_url"]
        ),
        ("whitelisting_procedure_url", "the wiki", f"whitelisting_procedure_url: {NOT_A_URL}"),
        # Names.
        ("aws/region", "eu west", "aws.region: 'eu west' is not a region: write one such as eu-west-1"),
        *(
            (
                "aws/role_name_reporting",
                name,
                f"aws.role_name_reporting: '{name}' is not a role's name: write the name alone, not the ARN",
            )
            for name in ("arn:aws:iam::1:role/x", "/security/x", "security/", "security//x", "")
        ),
        (
            "aws/s3_backup_bucket",
            "s3://backups",
            "aws.s3_backup_bucket: 's3://backups' is not a bucket's name: write the name alone, 3 to 63 small letters, "
            "digits, dots and hyphens",
        ),
        (
            f"{CHECK}/ddb.table_name",
            "",
            f"{CHECK}.ddb.table_name: '' is not a table's name: 3 to 255 letters, digits, _ . -",
        ),
    ],
)
def test_one_mistake_in_config(path: str, written: object, expected: str) -> None:
    assert mistakes(config_with({path: written})) == [f"config.json: {expected}"]


def test_a_wrong_trusted_cidr_does_not_hide_a_public_replacement() -> None:
    written = {f"{CHECK}/trusted_cidrs": ["office", "8.8.4.0/24"], f"{CHECK}/remediation_sources": "8.8.4.0/24,8.8.8.8"}
    assert mistakes(config_with(written)) == [
        f"config.json: {CHECK}.remediation_sources[1]: '8.8.8.8' has addresses that are public and not in "
        "trusted_cidrs",
        f"config.json: {CHECK}.trusted_cidrs[0]: 'office' {NOT_A_CIDR}",
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"secgrp_access": {}}, 'secgrp_access: unknown key, did you mean "secgrp_unrestricted_access"?'),
        ({CHECK: []}, f"{CHECK}: must be a section, not a list"),
        ({CHECK: {"1234": []}}, f"{CHECK}.1234: '1234' {NOT_AN_ACCOUNT}"),
        ({CHECK: {"123456789012": None}}, "[]: must be a list or a comma-separated text, not null"),
        ({CHECK: {"123456789012": ["default"]}}, f"[0]: 'default' {NOT_A_GROUP}"),
        ({CHECK: {"123456789012": ["vpc-654321"]}}, f"[0]: 'vpc-654321' {NOT_A_GROUP}"),
        ({CHECK: {"123456789012": "sg-1, web"}}, f"[1]: 'web' {NOT_A_GROUP}"),
        ({CHECK: {"123456789012": [5]}}, f"[0]: 5 {NOT_A_GROUP}"),
        (
            {CHECK: {"123456789012": [None]}},
            '[0]: must be a security group such as "sg-7c228307", or a section with "group", not null',
        ),
        ({CHECK: {"123456789012": [{}]}}, "[0].group: is missing"),
        ({CHECK: {"123456789012": [{"group": "x"}]}}, f"[0].group: 'x' {NOT_A_GROUP}"),
        ({CHECK: {"123456789012": [{"group": 5}]}}, f"[0].group: 5 {NOT_A_GROUP}"),
        ({CHECK: {"123456789012": [{"grup": "sg-1"}]}}, '[0].grup: unknown key, did you mean "group"?'),
        ({CHECK: {"123456789012": [{"group": "sg-1", "ports": ["x"]}]}}, f"[0].ports[0]: 'x' {NOT_A_PORT}"),
        ({CHECK: {"123456789012": [{"group": "sg-1", "cidrs": ["x"]}]}}, f"[0].cidrs[0]: 'x' {NOT_A_CIDR}"),
        (
            {CHECK: {"123456789012": [{"group": "sg-1", "expires": "2026-13-01"}]}},
            "[0].expires: '2026-13-01': there is no such day",
        ),
        ({CHECK: {"123456789012": [{"group": "sg-1", "reason": 1}]}}, "[0].reason: must be text, not a number"),
    ],
)
def test_one_mistake_in_whitelist(written: dict[str, Any], expected: str) -> None:
    expected = expected.removeprefix("[]")
    if expected[0] in "[:":
        expected = f"{CHECK}.123456789012{expected}"
    assert mistakes(whitelist=written) == [f"whitelist.json: {expected}"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"jira_onwer": "x"}, 'jira_onwer: unknown key, did you mean "jira_owner"?'),
        ({"jira_owner": 5}, "jira_owner: must be text, not a number"),
        ({"slack_owner": {}}, "slack_owner: must be a list or a comma-separated text, not a section"),
        ({"slack_owner": ["a", 5]}, "slack_owner[1]: must be text, not a number"),
        ({"account": {"1234": {}}}, f"account.1234: '1234' {NOT_AN_ACCOUNT}"),
        ({"account": {"123456789012": {"bu": {}}}}, "account.123456789012.bu: unknown key"),
        ({"bu": {"r": {"products": {}}}}, 'bu.r.products: unknown key, did you mean "product"?'),
        (
            {"bu": {"r": {"product": {"p": {"jira_project": None}}}}},
            "bu.r.product.p.jira_project: must be text, not null",
        ),
    ],
)
def test_one_mistake_in_ticket_owners(written: dict[str, Any], expected: str) -> None:
    assert mistakes(ticket_owners=written) == [f"ticket_owners.json: {expected}"]


def test_every_mistake_of_all_files_is_listed_once_and_in_order() -> None:
    config = config_with(
        {
            "aws/acounts": {},
            "cronjobs/reporting": "never",
            f"{CHECK}/remediation_retention_period": -1,
            f"{CHECK}/restricted_ports": [22, "abc"],
        }
    )
    whitelist = {CHECK: {"210987654321": [{"group": "sg-1", "expires": "2027-02-30"}]}}
    assert mistakes(config, whitelist=whitelist, ticket_owners={"account": {"x": {}}}) == [
        'config.json: aws.acounts: unknown key, did you mean "accounts"?',
        f"config.json: cronjobs.reporting: 'never' {NOT_A_CRON}",
        f"config.json: {CHECK}.remediation_retention_period: must be at least 0, not -1",
        f"config.json: {CHECK}.restricted_ports[1]: 'abc' {NOT_A_PORT}",
        f"ticket_owners.json: account.x: 'x' {NOT_AN_ACCOUNT}",
        f"whitelist.json: {CHECK}.210987654321[0].expires: '2027-02-30': there is no such day",
    ]


@pytest.mark.parametrize("ports", [["a", "b", 22, "c", "d", "e"], "a,b, 22 ,c,d,e"], ids=["in a list", "in a string"])
def test_every_entry_of_a_list_is_a_mistake_of_its_own(ports: object) -> None:
    assert mistakes(config_with({f"{CHECK}/restricted_ports": ports})) == [
        f"config.json: {CHECK}.restricted_ports[{index}]: '{port}' {NOT_A_PORT}"
        for index, port in [(0, "a"), (1, "b"), (3, "c"), (4, "d"), (5, "e")]
    ]


def test_lists_are_in_the_order_of_their_entries() -> None:
    lines = mistakes(config_with({f"{CHECK}/restricted_ports": ["x"] * 12}))
    assert [line.partition("[")[2].partition("]")[0] for line in lines] == [str(index) for index in range(12)]


def test_a_key_that_is_needed_and_misspelt_is_one_mistake() -> None:
    config = config_with({"aws/region": DELETE, "aws/regoin": "eu-west-1"})
    assert mistakes(config) == ['config.json: aws.regoin: unknown key, did you mean "region"?']


@pytest.mark.parametrize(
    ("path", "written", "expected"),
    [
        *(
            ("aws/external_id", wrong, f"aws.external_id: {NOT_AN_EXTERNAL_ID}")
            for wrong in ("x", "a secret", "s\u00e9same", "x" * 1225, "a-secret\n")
        ),
        ("aws/external_id", 987654321, "aws.external_id: must be text, not a number"),
        ("aws/external_id", ["hunter2"], "aws.external_id: must be text, not a list"),
        ("jira/secret", '{"token": "hunter2"}', f"jira.secret: {NOT_A_SECRETS_NAME}"),
        ("slack/secret", {"api_token": "hunter2"}, "slack.secret: must be text, not a section"),
        ("jira/token", "hunter2", "jira.token: unknown key"),
        ("jira/server", "https//admin:hunter2@jira", f"jira.server: {NOT_A_URL}"),
    ],
)
def test_a_secret_is_never_shown(path: str, written: object, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"config": ("config.json", json.dumps(config_with({path: written})).encode())})
    assert str(caught.value) == f"config.json: {expected}"
    assert caught.value.__cause__ is None


def test_an_error_holds_its_problems() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"config": ("config.yml", json.dumps(config_with({"zebra": 1})).encode())})
    assert caught.value.problems == (Problem("config.yml", "zebra", "unknown key"),)


def test_the_config_is_required() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"whitelist": ("whitelist.json", b"{}")})
    expected = "config: the file config is missing: one of config.json, config.yaml, config.yml"
    assert str(caught.value) == expected


def test_the_minimal_configuration_is_valid() -> None:
    assert mistakes(MINIMAL) == []

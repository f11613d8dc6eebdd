"""What a configuration may say, and what it then is: the first half of contract section 1."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from library.config import DEFAULT_RESTRICTED_PORTS, ORGANIZATION, configuration_uri
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from tests.builders.config_files import config_with, parse

CHECK = "secgrp_unrestricted_access"


def _attribute(value: Any, path: str) -> Any:
    for name in path.split("/"):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("aws/regions", None),
        ("aws/external_id", ""),
        ("aws/role_name_identification", "hammer-cloudsec-crossact-id"),
        ("aws/role_name_reporting", "hammer-cloudsec-crossact-ec2"),
        ("aws/s3_backup_bucket", ""),
        ("aws/ignore_accounts", ()),
        ("aws/organizational_units", ()),
        ("cronjobs/reporting", None),
        ("cronjobs/remediation", None),
        ("jira/enabled", False),
        ("slack/enabled", False),
        ("inspector/enabled", False),
        ("whitelisting_procedure_url", ""),
        (f"{CHECK}/enabled", True),
        (f"{CHECK}/accounts", None),
        (f"{CHECK}/remediation_accounts", None),
        (f"{CHECK}/restricted_ports", PortSet.parse([21, 22, 23, 3389, 1433, 1521, 3306, 5432, 27017])),
        (f"{CHECK}/trusted_cidrs", AddressSet()),
        (f"{CHECK}/reporting", False),
        (f"{CHECK}/remediation", False),
        (f"{CHECK}/remediation_retention_period", 21),
        (f"{CHECK}/remediation_scope", ("open_completely",)),
        (f"{CHECK}/remediation_strategy", "replace_rule"),
        (f"{CHECK}/remediation_limit_per_run", 50),
        (f"{CHECK}/rules_per_security_group_quota", 60),
        (f"{CHECK}/owner_tags/owner", "owner"),
        (f"{CHECK}/owner_tags/bu", "bu"),
        (f"{CHECK}/owner_tags/product", "product"),
    ],
)
def test_what_is_absent_has_a_default(path: str, expected: object) -> None:
    assert _attribute(parse(), path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("jira/enabled", False),
        ("jira/server", ""),
        ("jira/secret", "hammer/jira"),
        ("jira/issue_type", "Task"),
        ("jira/text_field_character_limit", 32767),
        ("slack/enabled", False),
        ("slack/base_url", "https://slack.com/api/"),
        ("slack/secret", "hammer/slack"),
        ("slack/notify_default_owner", True),
        ("slack/default_channel", "#hammer"),
        ("slack/reminder_days", (7, 1)),
        ("inspector/enabled", True),
        ("inspector/allowed_ports", {}),
        ("inspector/allowed_ports_tag", ""),
        ("inspector/ephemeral_ports", {}),
        ("inspector/other_findings", "ignore"),
        ("inspector/slack", False),
        ("inspector/table", False),
    ],
)
def test_a_section_that_is_there_and_empty_is_as_the_sample_shows_it(path: str, expected: object) -> None:
    section, _, _ = path.partition("/")
    assert _attribute(parse(config_with({section: {}})), path) == expected


@pytest.mark.parametrize(
    ("regions", "of_slave", "of_others", "of_any"),
    [
        pytest.param([], None, None, None, id="none: every one that is enabled"),
        pytest.param(
            ["eu-west-1", "us-east-1", "eu-west-1"],
            ("eu-west-1", "us-east-1"),
            ("eu-west-1", "us-east-1"),
            ("eu-west-1", "us-east-1"),
            id="a list: everywhere",
        ),
        pytest.param(
            {"210987654321": "eu-west-1", "*": ["us-east-1", "eu-west-1"]},
            ("eu-west-1",),
            ("us-east-1", "eu-west-1"),
            ("us-east-1", "eu-west-1"),
            id="by account",
        ),
        pytest.param(
            {"*": ["eu-west-1"], "__note": "no account"},
            ("eu-west-1",),
            ("eu-west-1",),
            ("eu-west-1",),
            id="* stands for all",
        ),
        pytest.param(
            {"210987654321": [], "*": "eu-west-1"}, (), ("eu-west-1",), ("eu-west-1",), id="an account without any"
        ),
        pytest.param(
            {"210987654321": ["eu-west-1"]}, ("eu-west-1",), None, None, id="others: every one that is enabled"
        ),
    ],
)
def test_regions_may_differ_by_account(regions: object, of_slave: object, of_others: object, of_any: object) -> None:
    aws = parse(config_with({"aws/regions": regions})).aws
    assert (aws.regions_of("210987654321"), aws.regions_of("123456789012"), aws.regions) == (
        of_slave,
        of_others,
        of_any,
    )


def test_a_region_is_watched_in_the_accounts_that_have_it() -> None:
    config = parse(
        config_with(
            {
                "aws/regions": {"210987654321": ["eu-west-1"], "*": ["us-east-1"]},
                f"{CHECK}/accounts": ["210987654321", "123456789012"],
            }
        )
    )
    positions = [
        (account, region) for account in ("210987654321", "123456789012") for region in ("eu-west-1", "us-east-1")
    ]
    assert [position for position in positions if config.watches(*position)] == [
        ("210987654321", "eu-west-1"),
        ("123456789012", "us-east-1"),
    ]


def test_an_account_that_is_listed_twice_is_remediated_once() -> None:
    config = parse(config_with({f"{CHECK}/remediation_accounts": "210987654321,123456789012,210987654321"}))
    assert config.remediation_accounts() == ("210987654321", "123456789012")


def test_the_default_ports_can_be_had_without_a_configuration() -> None:
    assert parse().secgrp_unrestricted_access.restricted_ports == DEFAULT_RESTRICTED_PORTS


@pytest.mark.parametrize(
    ("path", "listed", "joined", "expected"),
    [
        ("aws/regions", ["eu-west-1", "us-east-1"], "eu-west-1,us-east-1", ("eu-west-1", "us-east-1")),
        ("aws/ignore_accounts", ["111111111111"], "111111111111", ("111111111111",)),
        ("aws/organizational_units", ["ou-a", "ou-b"], "ou-a, ou-b", ("ou-a", "ou-b")),
        (f"{CHECK}/accounts", ["111111111111", "222222222222"], "111111111111, 222222222222", None),
        (f"{CHECK}/remediation_accounts", [], "", ()),
        (f"{CHECK}/restricted_ports", [22, "8000-8100", "udp/161"], " 22 ,8000-8100, udp/161,", None),
        (f"{CHECK}/trusted_cidrs", ["198.51.100.0/24", "2001:db8::/32"], "198.51.100.0/24,2001:db8::/32", None),
        (
            f"{CHECK}/remediation_scope",
            ["open_completely", "open_partly"],
            "open_completely, open_partly",
            ("open_completely", "open_partly"),
        ),
        ("slack/reminder_days", [14, 7, 1], "14, 7, 1", (14, 7, 1)),
    ],
)
def test_a_list_may_be_one_comma_separated_string(path: str, listed: list[Any], joined: str, expected: object) -> None:
    of_list = _attribute(parse(config_with({path: listed})), path)
    assert _attribute(parse(config_with({path: joined})), path) == of_list
    if expected is not None:
        assert of_list == expected


@pytest.mark.parametrize("path", [f"{CHECK}/enabled", f"{CHECK}/remediation", "jira/enabled", "slack/enabled"])
@pytest.mark.parametrize(
    ("written", "expected"),
    [(True, True), (False, False), ("true", True), ("false", False), ("True", True), ("FALSE", False)],
    ids=repr,
)
def test_a_boolean_may_be_a_string(path: str, written: object, expected: bool) -> None:
    assert _attribute(parse(config_with({path: written})), path) is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param([22], "tcp/22, udp/22", id="a number is TCP and UDP"),
        pytest.param(["22"], "tcp/22, udp/22", id="a number as text"),
        pytest.param(["8000-8100"], "tcp/8000-8100, udp/8000-8100", id="a range is TCP and UDP"),
        pytest.param(["udp/161"], "udp/161", id="one protocol's port"),
        pytest.param(["tcp/8000-8100"], "tcp/8000-8100", id="one protocol's range"),
        pytest.param([0, 65535], "tcp/0, tcp/65535, udp/0, udp/65535", id="the ends"),
        pytest.param([], "", id="none at all"),
    ],
)
def test_restricted_ports(written: list[Any], expected: str) -> None:
    config = parse(config_with({f"{CHECK}/restricted_ports": written}))
    assert str(config.secgrp_unrestricted_access.restricted_ports) == expected


def test_trusted_cidrs_with_host_bits_mean_their_network() -> None:
    config = parse(config_with({f"{CHECK}/trusted_cidrs": ["198.51.100.7/24", "8.8.8.8"]}))
    assert config.secgrp_unrestricted_access.trusted_cidrs == AddressSet.parse("198.51.100.0/24", "8.8.8.8/32")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080/x", "http://localhost/", "https://jira"])
def test_a_login_may_go_to_this_machine_unencrypted(url: str) -> None:
    config = parse(config_with({"jira/server": url, "slack/base_url": url}))
    assert (config.jira.server, config.slack.base_url) == (url, url)


def test_remediation_at_once_may_name_every_account_and_those_of_the_lists() -> None:
    written = {"*": ["critical"], "333333333333": "critical, high", "444444444444": [], "123456789012": ["low"]}
    lists = {f"{CHECK}/accounts": [333333333333], f"{CHECK}/remediation_accounts": "444444444444"}
    section = {f"{CHECK}/remediation_immediate": written, "aws/accounts": {"210987654321": "slave1"}}
    assert parse(config_with(section | lists)).secgrp_unrestricted_access.remediation_immediate == {
        "*": ("critical",),
        "333333333333": ("critical", "high"),
        "444444444444": (),
        "123456789012": ("low",),
    }


class TestAccounts:
    def test_absent_lists_mean_all_of_aws_accounts(self) -> None:
        config = parse()
        assert config.scanned_accounts() == {"123456789012": "master", "210987654321": "slave1"}
        assert config.remediation_accounts() == ("123456789012", "210987654321")

    def test_lists_choose(self) -> None:
        lists = {f"{CHECK}/accounts": ["210987654321"], f"{CHECK}/remediation_accounts": "123456789012"}
        config = parse(config_with(lists))
        assert config.scanned_accounts() == {"210987654321": "slave1"}
        assert config.remediation_accounts() == ("123456789012",)

    def test_an_empty_list_chooses_none(self) -> None:
        assert parse(config_with({f"{CHECK}/accounts": []})).scanned_accounts() == {}

    @pytest.mark.parametrize("account", ["333333333333", 333333333333], ids=repr)
    def test_an_account_that_aws_accounts_lacks_is_called_by_its_id(self, account: object) -> None:
        config = parse(config_with({f"{CHECK}/accounts": [account]}))
        assert config.scanned_accounts() == {"333333333333": "333333333333"}

    def test_an_empty_name_is_none(self) -> None:
        config = parse(config_with({"aws/accounts": {"210987654321": ""}}))
        assert config.scanned_accounts() == {"210987654321": "210987654321"}

    def test_those_of_the_organization_are_given_later(self) -> None:
        config = parse(config_with({"aws/accounts": ORGANIZATION}))
        assert config.needs_organization
        with pytest.raises(ValueError, match="not known yet"):
            config.scanned_accounts()
        known = config.with_accounts({"444444444444": "found"})
        assert not known.needs_organization
        assert known.scanned_accounts() == {"444444444444": "found"}
        assert known.remediation_accounts() == ("444444444444",)

    def test_a_list_needs_no_organization(self) -> None:
        config = parse(config_with({"aws/accounts": ORGANIZATION, f"{CHECK}/accounts": "444444444444"}))
        assert config.scanned_accounts() == {"444444444444": "444444444444"}


class TestInspector:
    def test_ports_by_server(self) -> None:
        written = {"webapps (Prod)": ["tcp/80", "tcp/443"], "web-*": "443", "tag:Role=we=b*": [22]}
        config = parse(config_with({"inspector/allowed_ports": written}))
        ports = {name: [str(e.ports) for e in entries] for name, entries in config.inspector.allowed_ports.items()}
        assert ports == {
            "webapps (Prod)": ["tcp/80", "tcp/443"],
            "web-*": ["tcp/443, udp/443"],
            "tag:Role=we=b*": ["tcp/22, udp/22"],
        }

    def test_an_entry_may_expire(self) -> None:
        entry = {"ports": ["tcp/80", 443], "expires": "2027-03-01", "reason": "a test"}
        config = parse(config_with({"inspector/ephemeral_ports": {"web": [entry, "udp/53"]}}))
        expiring, lasting = config.inspector.ephemeral_ports["web"]
        assert str(expiring.ports) == "tcp/80, tcp/443, udp/443"
        assert expiring.reason == "a test"
        day = expiring.expires
        assert day is not None
        assert day.isoformat() == "2027-03-01"
        assert not expiring.counts_on(day)
        assert expiring.counts_on(day.replace(year=2026))
        assert lasting.counts_on(day)


COMMENT = {"__": "a", "__comment": ["anything", {"at": None}]}


def test_comments_may_be_anywhere() -> None:
    config = parse(
        config_with(
            {
                "__note": 1,
                "aws/__note": {"regions": 5},
                "aws/accounts/__note": "not an account",
                f"{CHECK}/__enabled": "yes",
                f"{CHECK}/owner_tags": COMMENT,
                "inspector/allowed_ports": COMMENT | {"web": [COMMENT | {"ports": [80]}]},
            }
        ),
        whitelist=COMMENT | {CHECK: COMMENT | {"123456789012": [COMMENT | {"group": "sg-7c228307"}]}},
        ticket_owners=COMMENT
        | {"account": COMMENT | {"123456789012": COMMENT}, "bu": COMMENT | {"b": {"product": COMMENT}}},
    )
    assert config.scanned_accounts() == {"123456789012": "master", "210987654321": "slave1"}
    assert list(config.inspector.allowed_ports) == ["web"]
    assert len(config.exemptions("123456789012")) == 1


def test_a_file_may_name_its_schema() -> None:
    schema = {"$schema": "./schema/x.schema.json"}
    parse(config_with(schema), whitelist=schema, ticket_owners=schema)


def test_a_configuration_cannot_be_changed_and_does_not_show_the_external_id() -> None:
    config = parse(config_with({"aws/external_id": "a-shared-secret"}))
    with pytest.raises(ValidationError, match="frozen"):
        config.aws.region = "us-east-1"  # type: ignore[misc]
    assert "a-shared-secret" not in repr(config)
    assert config.aws.external_id == "a-shared-secret"


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        ("here", {"HAMMER_CONFIG": "there"}, "here"),
        (None, {"HAMMER_CONFIG": "s3://bucket/prefix"}, "s3://bucket/prefix"),
        (None, {"HAMMER_CONFIG": ""}, "./config"),
        (None, {}, "./config"),
    ],
)
def test_where_a_configuration_is(option: str | None, environment: dict[str, str], expected: str) -> None:
    assert configuration_uri(option, environment) == expected


def test_every_key_of_the_sections_for_people_and_for_later() -> None:
    written: dict[str, dict[str, Any]] = {
        "aws": {"ignore_accounts": ["111111111111"], "organizational_units": ["ou-1"]},
        "jira": {
            "enabled": True,
            "server": "https://jira.example.com/context",
            "api_url": "https://api.atlassian.com/ex/jira/7c9c30d8-0000-4000-8000-000000000001",
            "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hammer/jira-x1Y2z3",
            "issue_type": "Bug",
            "text_field_character_limit": 1000,
            "ca_bundle": "/etc/ssl/company.pem",
            "close_transition": "Close Issue",
            "close_fields": {"customfield_12312": {"value": "Other"}},
            "priority": "High",
        },
        "slack": {
            "enabled": "true",
            "base_url": "https://proxy:8080/api/",
            "secret": "",
            "notify_default_owner": False,
            "default_channel": "#security",
            "reminder_days": [],
        },
        CHECK: {
            "rules_per_security_group_quota": 120,
            "owner_tags": {"owner": "Owner", "bu": "BusinessUnit", "product": "Product"},
        },
        "inspector": {"allowed_ports_tag": "expected-ports", "other_findings": "pass", "slack": True, "table": True},
    }
    config = parse(
        config_with({f"{section}/{key}": value for section, keys in written.items() for key, value in keys.items()})
    )
    aws, jira, slack, inspector = config.aws, config.jira, config.slack, config.inspector
    check = config.secgrp_unrestricted_access
    tags = check.owner_tags
    read: dict[str, dict[str, Any]] = {
        "aws": {
            "ignore_accounts": [*aws.ignore_accounts],
            "organizational_units": [*aws.organizational_units],
        },
        "jira": {
            "enabled": jira.enabled,
            "server": jira.server,
            "api_url": jira.api_url,
            "secret": jira.secret,
            "issue_type": jira.issue_type,
            "text_field_character_limit": jira.text_field_character_limit,
            "ca_bundle": jira.ca_bundle,
            "close_transition": jira.close_transition,
            "close_fields": {**jira.close_fields},
            "priority": jira.priority,
        },
        "slack": {
            "enabled": str(slack.enabled).lower(),
            "base_url": slack.base_url,
            "secret": slack.secret,
            "notify_default_owner": slack.notify_default_owner,
            "default_channel": slack.default_channel,
            "reminder_days": [*slack.reminder_days],
        },
        CHECK: {
            "rules_per_security_group_quota": check.rules_per_security_group_quota,
            "owner_tags": {"owner": tags.owner, "bu": tags.bu, "product": tags.product},
        },
        "inspector": {
            "allowed_ports_tag": inspector.allowed_ports_tag,
            "other_findings": inspector.other_findings,
            "slack": inspector.slack,
            "table": inspector.table,
        },
    }
    assert read == written

"""What `hammer check-config` says of a valid configuration."""

from __future__ import annotations

from datetime import date

import pytest

from hammer.check_config import organization_warnings, port_set_text, summary, warnings
from library.network.ports import PortSet
from tests.builders.config_files import config_with, parse

CHECK = "secgrp_unrestricted_access"
TODAY = date(2027, 3, 1)


def test_the_least_that_can_be_configured() -> None:
    assert summary(parse(), TODAY).splitlines() == [
        "Security groups   on",
        "Accounts          123456789012 (master), 210987654321 (slave1)",
        "Regions           every one that is enabled",
        "Restricted ports  21-23, 1433, 1521, 3306, 3389, 5432, 27017",
        "Trusted           none",
        "Exemptions        0",
        "Issues            table hammer-issues in 123456789012, eu-west-1",
        "Reporting         off",
        "Remediation       off",
        "Decisions         off",
        "Inspector         off",
    ]
    assert list(warnings(parse(), TODAY)) == []


def test_of_very_many_accounts_the_first_hundred_are_named() -> None:
    accounts = {f"{number:012}": f"shop-{number}" for number in range(1, 151)}
    values = {"aws/main_account_id": "000000000001", "aws/accounts": accounts, f"{CHECK}/remediation": True}
    lines = summary(parse(config_with(values)), TODAY).splitlines()
    assert lines[1].endswith(", 000000000100 (shop-100) and 50 more")
    assert lines[8].endswith(", 000000000100 (shop-100) and 50 more")
    values["jira"] = {"enabled": True, "server": "https://jira.example.com"}
    (warning,) = (line for line in warnings(parse(config_with(values), ticket_owners={}), TODAY) if "project" in line)
    assert warning.endswith(", account 000000000100 and 50 more: no ticket can be filed there")


def test_an_account_without_regions() -> None:
    lines = summary(parse(config_with({"aws/regions": {"210987654321": [], "*": "eu-west-1"}})), TODAY).splitlines()
    assert "Regions           210987654321: none; other accounts: eu-west-1" in lines


def test_regions_by_account() -> None:
    regions = {"210987654321": "eu-west-1", "*": ["eu-west-1", "us-east-1"]}
    lines = summary(parse(config_with({"aws/regions": regions})), TODAY).splitlines()
    assert "Regions           210987654321: eu-west-1; other accounts: eu-west-1, us-east-1" in lines


def test_everything_on() -> None:
    config = parse(
        config_with(
            {
                "aws/accounts/333333333333": "\x1b[31mred",
                "aws/regions": "eu-west-1",
                "aws/s3_backup_bucket": "backups",
                "jira": {"enabled": True, "server": "https://jira.example.com"},
                f"{CHECK}/remediation_accounts": ["444444444444"],
                f"{CHECK}/reporting": True,
                f"{CHECK}/remediation": True,
                f"{CHECK}/trusted_cidrs": ["198.51.100.0/24", "2001:db8::/32"],
                "inspector": {"allowed_ports": {"a": [80], "b": [80]}, "ephemeral_ports": {"b": [81]}},
            }
        ),
        whitelist={
            CHECK: {"123456789012": ["sg-1", {"group": "sg-2", "expires": "2027-03-01"}]},
        },
        ticket_owners={"jira_project": "SEC"},
    )
    assert summary(config, TODAY).splitlines() == [
        "Security groups   on",
        "Accounts          123456789012 (master), 210987654321 (slave1), 333333333333 (\\x1b[31mred)",
        "Regions           eu-west-1",
        "Restricted ports  21-23, 1433, 1521, 3306, 3389, 5432, 27017",
        "Trusted           198.51.100.0/24, 2001:db8::/32",
        "Exemptions        2, 1 of them expired",
        "Issues            table hammer-issues in 123456789012, eu-west-1",
        "Reporting         on: JIRA on, Slack off",
        "Remediation       on: 21 days after the report, open_completely, replace_rule, at most 50 groups a run, "
        "in accounts 444444444444",
        "Decisions         off",
        "Inspector         on: expected ports of 2 kinds of servers",
    ]
    expired = "whitelist: the exemption of sg-2 in 123456789012 expired on 2027-03-01"
    endless = "whitelist: in 123456789012 these exemptions never expire: sg-1"
    unknown = f"{CHECK}.remediation_accounts names account 444444444444, which aws.accounts does not"
    assert list(warnings(config, TODAY)) == [unknown, expired, endless]


@pytest.mark.parametrize(
    ("slack", "jira", "said"),
    [
        (True, True, "in Slack by owner, U012AB; in JIRA by assignee"),
        (False, True, "in JIRA by assignee"),
        (True, False, "in Slack by owner, U012AB"),
        (False, False, "in no channel"),
    ],
)
def test_who_decides_is_told_by_channel(said: str, *, slack: bool, jira: bool) -> None:
    config = parse(
        config_with(
            {
                "decisions": {"enabled": True, "allow": ["owner", "U012AB"], "exempt_days": 3},
                "slack/enabled": slack,
                "jira/enabled": jira,
                "jira/decisions": True,
                "jira/decision_accounts": ["assignee"],
            }
        )
    )
    assert f"Decisions         on: {said}; exemptions of 3 days at most" in summary(config, TODAY)


def test_exemptions_that_end_soon_are_named_with_who_wrote_why() -> None:
    entry = {"group": "sg-1", "expires": "2027-03-20", "reason": "until the move is done, ana@example.com"}
    config = parse(whitelist={CHECK: {"123456789012": [entry]}})
    assert list(warnings(config, TODAY)) == [
        "whitelist: the exemption of sg-1 in 123456789012 ends on 2027-03-20: until the move is done, ana@example.com"
    ]


def test_the_accounts_of_an_organization() -> None:
    config = parse(config_with({"aws/accounts": "organization", f"{CHECK}/remediation": "true"}))
    lines = summary(config, TODAY).splitlines()
    assert lines[1] == (
        "Accounts          those of the AWS organization, less its management account, unless aws.include_accounts "
        "names it"
    )
    assert lines[8].endswith("in accounts those of the AWS organization")


@pytest.mark.parametrize(
    ("path", "written", "expected"),
    [
        (
            f"{CHECK}/restricted_ports",
            [],
            f"{CHECK}.restricted_ports is empty: only rules without ports count as exposed",
        ),
        (
            f"{CHECK}/accounts",
            "",
            f"{CHECK}.accounts is empty: no account is looked at; leave it out for all of aws.accounts",
        ),
        (
            "aws/regions",
            ["eu-west-1", "us-gov-west-1", "cn-north-1"],
            "no credentials are good in several partitions of AWS: aws (eu-west-1), aws-cn (cn-north-1), "
            "aws-us-gov (us-gov-west-1)",
        ),
        (
            f"{CHECK}/trusted_cidrs",
            ["0.0.0.0/1", "128.0.0.0/1"],
            f"{CHECK}.trusted_cidrs trusts the whole Internet",
        ),
        ("jira/enabled", True, "jira is enabled, but jira.server is empty"),
        *(
            ("cronjobs/reporting", cron, f"cronjobs.reporting: the host sets no timers: {reason}")
            for cron, reason in (
                ("0 6 LW * *", "systemd cannot say the last weekday of the month (LW)"),
                ("0 6 * * 5L", "systemd cannot say the last Fri of the month"),
                (
                    "0 6 */2 * 2#2",
                    "0 6 */2 * 2#2: systemd cannot say a numbered weekday together with days of the month",
                ),
            )
        ),
        *(
            (
                "publishing/prefix",
                prefix,
                f'publishing.prefix "{prefix}": deployment/terraform lets the host write to reports/ alone then',
            )
            for prefix in ("s3://x", "/reports/", "reports", "", "config/reports/")
        ),
        (
            f"{CHECK}/remediation",
            True,
            "remediation is on, but aws.s3_backup_bucket is empty: without a backup no group is changed",
        ),
    ],
)
def test_what_is_hardly_meant(path: str, written: object, expected: str) -> None:
    assert list(warnings(parse(config_with({path: written})), TODAY)) == [expected]


@pytest.mark.parametrize("key", ["remediation_accounts", "remediation_scope"])
def test_remediation_that_can_remediate_nothing(key: str) -> None:
    written = {f"{CHECK}/remediation": True, f"{CHECK}/{key}": "", "aws/s3_backup_bucket": "hammer-backups"}
    config = parse(config_with(written))
    assert list(warnings(config, TODAY)) == [f"remediation is on, but {CHECK}.{key} is empty: no group is changed"]
    assert ", ," not in summary(config, TODAY)


@pytest.mark.parametrize("prefix", ["reports/", "a/b.c/of=", "configs/"])
def test_a_folder_that_the_host_may_write_to(prefix: str) -> None:
    assert list(warnings(parse(config_with({"publishing/prefix": prefix})), TODAY)) == []


def test_addresses_that_are_none() -> None:
    written = {"publishing/email_from": "Hammer <hammer@example.com>", "publishing/email_to": ["sec", "a@example.com"]}
    expected = 'publishing.email_to: "sec" is no e-mail address'
    assert list(warnings(parse(config_with(written)), TODAY)) == [expected]


@pytest.mark.parametrize(("limit", "expected"), [(5, True), (299, True), (300, False), (32767, False)])
def test_a_ticket_that_nothing_fits_into(limit: int, *, expected: bool) -> None:
    written = {
        "jira/enabled": True,
        "jira/server": "https://jira.example.com",
        "jira/text_field_character_limit": limit,
    }
    said = "".join(warnings(parse(config_with(written)), TODAY))
    assert (f"jira.text_field_character_limit is {limit}: that cuts every ticket" in said) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"aws/ignore_accounts": ["210987654321"]}, ["aws.ignore_accounts"]),
        ({"aws/include_accounts": ["210987654321"]}, ["aws.include_accounts"]),
        ({"aws/organizational_units": ["ou-ab12-12345678"]}, ["aws.organizational_units"]),
        ({"aws/accounts": "organization", "aws/ignore_accounts": ["210987654321"]}, []),
        ({"aws/accounts": "organization", "aws/organizational_units": ["ou-ab12-12345678", "r-ab12"]}, []),
        ({"aws/accounts": "organization", "aws/organizational_units": ["Production"]}, ['"Production" is no id']),
    ],
)
def test_what_chooses_accounts_of_an_organization_in_vain(written: dict[str, object], expected: list[str]) -> None:
    said = list(organization_warnings(parse(config_with(written))))
    assert len(said) == len(expected)
    assert all(part in text for part, text in zip(expected, said, strict=True))


def test_accounts_that_are_named_where_they_have_no_effect() -> None:
    config = parse(
        config_with(
            {
                f"{CHECK}/accounts": ["123456789012", "555555555555"],
                f"{CHECK}/remediation_accounts": ["123456789012", "210987654321", "555555555555"],
            }
        )
    )
    assert list(warnings(config, TODAY)) == [
        f"{CHECK}.accounts names account 555555555555, which aws.accounts does not",
        f"{CHECK}.remediation_accounts names account 210987654321, which is not looked at",
        f"{CHECK}.remediation_accounts names account 555555555555, which aws.accounts does not",
    ]
    organization = config_with({"aws/accounts": "organization", f"{CHECK}/accounts": ["555555555555"]})
    assert list(warnings(parse(organization), TODAY)) == []


@pytest.mark.parametrize(
    ("owners", "accounts"),
    [
        pytest.param({}, "account 123456789012, account 210987654321", id="nowhere"),
        pytest.param({"account": {"123456789012": {"jira_project": "SEC"}}}, "account 210987654321", id="one account"),
        pytest.param({"jira_project": "SEC"}, "", id="for all"),
        pytest.param({"bu": {"x": {"product": {"y": {"jira_project": "SEC"}}}}}, "", id="by tags"),
    ],
)
def test_tickets_that_belong_to_no_project(owners: object, accounts: str) -> None:
    config = config_with({"jira": {"enabled": True, "server": "https://jira.example.com"}})
    warning = f"jira is enabled, but ticket_owners names no jira_project for {accounts}: no ticket can be filed there"
    assert list(warnings(parse(config, ticket_owners=owners), TODAY)) == ([warning] if accounts else [])


@pytest.mark.parametrize(
    ("owners", "warned"),
    [
        pytest.param({"jira_project": "SEC", "jira_parent_ticket": "SEC-1"}, [], id="keys"),
        pytest.param({"jira_project": "A1_B", "jira_parent_ticket": "A1_B-22"}, [], id="keys of a JIRA of one's own"),
        pytest.param(
            {"jira_project": "Security Team"},
            ['jira_project "Security Team" is no project\'s key: write SEC, say'],
            id="a project's name",
        ),
        pytest.param(
            {"jira_project": "10000"},
            ['jira_project "10000" is no project\'s key: write SEC, say'],
            id="a project's id",
        ),
        pytest.param(
            {"jira_parent_ticket": "https://j.example.com/browse/SEC-1"},
            [
                'jira_parent_ticket "https://j.example.com/browse/SEC-1" is no ticket\'s key: write SEC-1, say',
            ],
            id="a ticket's URL",
        ),
        pytest.param(
            {
                "account": {"123456789012": {"jira_project": "a b"}},
                "bu": {"x": {"jira_project": "c d", "product": {"y": {"jira_parent_ticket": "SEC"}}}},
            },
            [
                'account.123456789012.jira_project "a b" is no project\'s key: write SEC, say',
                'bu.x.jira_project "c d" is no project\'s key: write SEC, say',
                'bu.x.product.y.jira_parent_ticket "SEC" is no ticket\'s key: write SEC-1, say',
            ],
            id="at every level",
        ),
    ],
)
def test_owners_that_no_jira_can_have(owners: object, warned: list[str]) -> None:
    config = parse(ticket_owners=owners)
    assert list(warnings(config, TODAY)) == [f"ticket_owners: {warning}" for warning in warned]


def test_exemptions_of_an_account_that_is_not_looked_at() -> None:
    whitelist = {CHECK: {"999999999999": ["sg-1"]}}
    expected = ["whitelist: account 999999999999 is not looked at"]
    assert list(warnings(parse(whitelist=whitelist), TODAY)) == expected


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([22], "22"),
        (["tcp/22", "udp/22"], "22"),
        ([22, "tcp/80-90", "udp/161"], "22, tcp/80-90, udp/161"),
        ([], ""),
    ],
)
def test_ports_as_they_are_written(ports: list[str | int], expected: str) -> None:
    assert port_set_text(PortSet.parse(ports)) == expected


WEBHOOK = {"url": "https://hooks.example.com/t0k3n", "events": "new, resolved"}


def test_the_webhook_is_named_without_its_path() -> None:
    config = parse(config_with({"webhook": WEBHOOK, f"{CHECK}/reporting": True}))
    (line,) = [line for line in summary(config, TODAY).splitlines() if line.startswith("Reporting")]
    assert line == "Reporting         on: JIRA off, Slack off, webhook https://hooks.example.com (new, resolved)"
    assert list(warnings(config, TODAY)) == [
        "webhook.events lacks new or changed: the webhook does not count as a channel that reports issues"
    ]
    assert "t0k3n" not in repr(config)


@pytest.mark.parametrize(
    ("webhook", "is_on", "reports"),
    [
        pytest.param({}, False, False, id="absent"),
        pytest.param({"url": WEBHOOK["url"]}, True, True, id="all events"),
        pytest.param(WEBHOOK, True, False, id="without changed"),
        pytest.param({"url": WEBHOOK["url"], "enabled": "false"}, False, False, id="switched off"),
    ],
)
def test_when_the_webhook_is_a_channel(webhook: dict[str, str], is_on: bool, reports: bool) -> None:
    config = parse(config_with({"webhook": webhook}))
    assert (config.webhook.is_on, config.webhook.reports, config.reaches_people) == (is_on, reports, reports)

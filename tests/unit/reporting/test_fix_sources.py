"""What an owner is told to open instead is what remediation would open: `remediation_sources`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hammer.explain import fix_section
from hammer.formats import Format, render
from hammer.listing.issue import context_of, listed_issue
from library.documents.document import Section, plain_text
from library.issues.reconcile import Detection
from library.security_groups.exposure import Exposure
from reporting.exposure_text import cli_commands, exposure_table, open_first, shown_line, terraform_blocks, told_line
from tests.builders.config_files import config_with, parse
from tests.builders.issues import NOW, an_issue
from tests.builders.listings import a_listing
from tests.unit.reporting.test_ticket_plan import issue

SOURCES = ("10.9.0.0/16", "fd00:9::/48", "pl-0a")


def test_the_commands_open_the_ports_to_the_configured_sources() -> None:
    text = plain_text((Section("", cli_commands(issue(), SOURCES)),))
    assert "If 10.9.0.0/16, fd00:9::/48, pl-0a need these ports" in text
    assert (
        '[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.9.0.0/16"}], '
        '"Ipv6Ranges": [{"CidrIpv6": "fd00:9::/48"}], "PrefixListIds": [{"PrefixListId": "pl-0a"}]}]'
    ) in text
    assert "192.168.0.0/16" not in text


def test_terraform_writes_each_kind_of_source_where_it_belongs() -> None:
    text = plain_text((Section("", terraform_blocks(issue(), SOURCES)),))
    for line in (
        'cidr_blocks      = ["10.9.0.0/16"]',
        'ipv6_cidr_blocks = ["fd00:9::/48"]',
        'prefix_list_ids  = ["pl-0a"]',
        'resource "aws_vpc_security_group_ingress_rule" "tcp_22_ipv6" {',
        "cidr_ipv6         = each.value",
        "prefix_list_id    = each.value",
    ):
        assert line in text


def test_one_kind_of_source_needs_no_name_of_its_own() -> None:
    every = Exposure("-1", None, None, "0.0.0.0/0", "open_completely")
    given = replace(issue(), details=replace(issue().details, perms=(every,)))
    text = plain_text((Section("", terraform_blocks(given, ("10.9.0.0/16",))),))
    assert 'resource "aws_vpc_security_group_ingress_rule" "all_all" {' in text


def test_many_sources_are_counted_in_a_sentence_and_all_in_the_command() -> None:
    sources = tuple(f"10.{number}.0.0/16" for number in range(9))
    assert open_first(sources) == (
        "If 10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16, 10.5.0.0/16 and 3 more need these ports, "
        "open them to those first"
    )
    assert "10.8.0.0/16" in plain_text((Section("", cli_commands(issue(), sources)),))


def test_the_report_names_the_sources_of_the_configuration() -> None:
    section = {"ddb.table_name": "hammer-issues", "remediation_sources": list(SOURCES[:2])}
    config = parse(config_with({"secgrp_unrestricted_access": section}))
    listed = listed_issue(an_issue(), context_of(config, NOW.date()))
    page = render(Format.HTML, a_listing(listed))
    assert "<p>If 10.9.0.0/16, fd00:9::/48 need these ports, open them to those first.</p>" in page


def test_explain_names_them_before_its_commands() -> None:
    detection = Detection("210987654321", "sg-1", issue().details, whitelisted=False)
    lines = fix_section("sg-1", detection, ["pl-0a"])
    assert lines[1] == "  If pl-0a need these ports, open them to those first."
    assert lines[2].startswith("  aws ec2 revoke-security-group-ingress ")


@pytest.mark.parametrize(
    ("protocol", "cell"),
    [
        ("6", "tcp"),
        ("17", "udp"),
        ("47", "protocol 47 (GRE)"),
        ("253", "protocol 253"),
        ("-1", "all"),
        ("58", "icmpv6"),
    ],
)
def test_protocols_have_names_in_tables_and_lines(protocol: str, cell: str) -> None:
    port = 22 if cell in ("tcp", "udp") else None
    perm = Exposure(protocol, port, port, "0.0.0.0/0", "open_completely")
    assert exposure_table([perm]).rows[0][0] == cell
    line = shown_line(told_line(perm))
    traffic = {"all": "all traffic", "tcp": "tcp 22", "udp": "udp 22", "icmpv6": "icmpv6 all"}.get(cell, cell)
    assert line == f"{traffic} from 0.0.0.0/0, open completely"

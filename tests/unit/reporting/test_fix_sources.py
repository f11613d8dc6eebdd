"""What an owner is told to open instead is what remediation would open: `remediation_sources`."""

from __future__ import annotations

from dataclasses import replace

from library.documents.document import Section, plain_text
from library.security_groups.exposure import Exposure
from reporting.exposure_text import cli_commands, terraform_blocks
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

"""The remediation plan on random groups, held against a model of EC2 that enumerates addresses and ports."""

from __future__ import annotations

from hypothesis import given, settings

from library.security_groups.group import SecurityGroup
from remediation.eligibility import Policy
from tests.builders.remediation_cases import check, groups, policies


@settings(max_examples=500, deadline=None)
@given(groups(), policies())
def test_what_holds_for_every_plan(group: SecurityGroup, policy: Policy) -> None:
    check(group, policy)

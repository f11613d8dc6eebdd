"""What a plan needs beside the group's rules: remediation and `hammer explain` read the same. `plan.py` makes the plan.

- How many rules the group may have.
- What a person keeps of a group whose rules are replaced: offered at the terminal, chosen, recorded. The proposals are
  those that flow logs gave (`identification.flow_logs.classify`, in the issue's `use`); none is chosen beforehand,
  and Enter alone keeps nobody.
- What EC2 refused for good: a group that an AWS service manages (`OperationNotPermitted`), a group without room for
  the rules that replace others, a policy that denies explicitly. To send the same calls in each run writes a backup
  each time and changes nothing. So `remediation_details.refused` of the issue keeps

  - `at`: when EC2 refused, ISO 8601 in UTC;
  - `attempt`: a digest of what was to be changed, and of the group's rules then;
  - `reason`: EC2's, for people.

  An unattended run tries again when the group or its plan is another one, or after `TRIED_AGAIN_AFTER`: the policy or
  the quota may have changed. A person who asks for it tries at once. A permission that is just missing is not
  remembered: whoever grants it expects the next run to work.

Apart from the context of the jobs, so that the commands need nothing of what only the jobs' host has.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.aws.ec2 import PrefixListReader, prefix_list_weights
from library.aws.failures import AWS_ERRORS, explain
from library.aws.session import Sessions
from library.documents.text import counted
from library.issues.decision_record import KeptSource, kept_sources
from library.issues.issue import Issue
from library.issues.times import format_time, shown_time, stored_time
from library.issues.use import CAVEAT, SourceClass, use_summary
from library.network.addresses import Network, parse_network
from library.security_groups.group import IngressRule, RuleKey, is_prefix_list, rule_key
from remediation.journal import AddedRule
from remediation.plan import Plan, RuleQuota, plan_remediation

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.issues.schedule import Skipped
    from library.security_groups.group import SecurityGroup
    from remediation.eligibility import Policy

RULE_QUOTA = ("vpc", "L-0EA8095F")  # Service Quotas: "Inbound or outbound rules per security group"

_log = logging.getLogger(__name__)


def rule_quota(sessions: Sessions, default: int, location: tuple[str, str]) -> tuple[int, str]:
    """How many ingress rules a group may have in an account and region; `default` where AWS does not tell.

    Returns:
        The quota, and a note for people that it is the default and why; empty: AWS told it.
    """
    service, quota = RULE_QUOTA
    try:
        client = sessions.client("service-quotas", *location)
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=quota)
    except AWS_ERRORS as error:
        # Not permitted, not reachable from this network, not known to an emulator: EC2 itself holds the quota anyway.
        account_id, region = location
        note = (
            f"account {account_id}, {region}: the quota of rules per security group could not be read "
            f"({explain(error)}); {default} is assumed: secgrp_unrestricted_access.rules_per_security_group_quota"
        )
        _log.warning("%s", note)
        return default, note
    return int(answer["Quota"]["Value"]), ""


def quota_of(client: EC2Client, group: SecurityGroup, limit: int, sources: Iterable[str]) -> RuleQuota:
    """The rule quota of a group, with what its prefix lists count as.

    `limit` is for each family. `sources` are those of rules that may be added: CIDRs and ids of prefix lists.
    """
    lists = {rule.prefix_list_id for rule in group.ingress} | {name for name in sources if is_prefix_list(name)}
    return RuleQuota(limit, prefix_list_weights(client, lists))


def read_lists_and_plan(
    client: EC2Client,
    quota: RuleQuota,
    policy: Policy,
    group: SecurityGroup,
    now: datetime,
    ticket: str,
    *,
    resumed_rules: Container[RuleKey] = (),
    pending_keys: Container[RuleKey] = (),
) -> Plan | Skipped:
    """What would be done to a group: remediation carries it out, `hammer explain` and dry runs show it.

    `quota` is of `quota_of`, `policy` of `issue_policy`; the rest is as `plan_remediation` takes it.

    Raises:
        ClientError, BotoCoreError: a prefix list could not be read.
    """
    lists = PrefixListReader(client)
    lists.read(policy.prefix_lists_named(group))
    return plan_remediation(
        group, lists.entries, policy, quota, now, ticket, resumed_rules=resumed_rules, pending_keys=pending_keys
    )


TRIED_AGAIN_AFTER = timedelta(days=7)


def plan_fingerprint(rules: Iterable[IngressRule], planned: Plan | Skipped, withdraw: Iterable[AddedRule]) -> str:
    """A digest of what is to be changed in a group with these rules.

    Descriptions do not count: those of new rules have the day in them. The rules have their ids; `withdraw` is what is
    to be taken away again.
    """
    plan = planned if isinstance(planned, Plan) else Plan((), ())
    parts = [
        sorted(repr((rule.rule_id, tuple(rule_key(rule)))) for rule in rules),
        sorted(repr(tuple(rule_key(rule))) for rule in plan.add),
        sorted(rule.rule_id for rule in plan.revoke),
        sorted(added.rule.rule_id for added in withdraw),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def refused_item(attempt: str, reason: str, now: datetime) -> dict[str, Any]:
    """The map `remediation_details.refused`."""
    return {"at": format_time(now), "attempt": attempt, "reason": reason}


def refused_before(details: Mapping[str, Any], attempt: str, now: datetime) -> str:
    """Why EC2 refused the same attempt lately; empty: it did not, or it is to be tried again.

    `details` is `remediation_details` of the issue, `attempt` of `plan_fingerprint`.
    """
    if _refused_at(details, now) is None or details["refused"].get("attempt") != attempt:
        return ""
    return str(details["refused"].get("reason") or "")


def _refused_at(details: Mapping[str, Any], now: datetime) -> datetime | None:
    """When EC2 refused; None: it did not, or it is to be tried again."""
    refused = details.get("refused")
    at = stored_time(refused.get("at")) if isinstance(refused, Mapping) else None
    # A time to come was not written by a run.
    return at if at is not None and timedelta(0) <= now - at < TRIED_AGAIN_AFTER else None


def next_try(details: Mapping[str, Any], now: datetime) -> str:
    """When what EC2 refused is tried again, for the end of a line; empty: in the next run."""
    at = _refused_at(details, now)
    if at is None:
        return ""
    until = shown_time(at + TRIED_AGAIN_AFTER)
    return f" It is tried again when the group or its plan changes, at the latest after {until}."


KEEP_QUESTION = "Keep which of them? numbers, such as 1,3; Enter for none; q(uit):"
"""The question after the proposals."""


def keep_proposals(issue: Issue, plan: Plan) -> tuple[Network, ...]:
    """Whom flow logs propose to keep, as far as the plan replaces a rule that admits all of it."""
    if issue.use is None:
        return ()
    replaced = {rule_key(rule) for rule in plan.revoke}
    admitted = [
        parse_network(rule.cidr)
        for rule in issue.use.rules
        if RuleKey.of(rule.protocol, rule.from_port, rule.to_port, rule.prefix_list_id or rule.cidr) in replaced
    ]
    found: list[Network] = []
    for text in issue.use.keep:
        try:
            network = parse_network(text)
        except ValueError:
            continue  # the table is not believed
        if any(each.covers(network) for each in admitted):
            found.append(network)
    return tuple(dict.fromkeys(found))


def keep_lines(issue: Issue, offered: Sequence[Network]) -> Iterator[str]:
    """The proposals with their numbers and what is known of each, a line each."""
    if issue.use is None:
        return
    yield f"  flow logs: {use_summary(issue.use, issue.use.until)}"
    working = issue.use.sources(SourceClass.WORKING)
    for number, network in enumerate(offered, 1):
        seen = [each for name, each in working.items() if network.covers(parse_network(name))]
        admits = f"admits {counted(network.size, 'address', 'addresses')}"
        worked = f", {len(seen)} of them worked, last {shown_time(max(each.last for each in seen))}" if seen else ""
        yield f"  {number}  {network}: {admits}{worked}"
    if issue.use.not_read:
        yield f"  {issue.use.not_read}"
    yield f"  {CAVEAT}"


def chosen_to_keep(answer: str, offered: Sequence[Network]) -> tuple[Network, ...] | None:
    """The proposals that an answer names by number; None: it is not understood. No number: nobody."""
    numbers = answer.replace(",", " ").split()
    if not all(number.isascii() and number.isdigit() and 1 <= int(number) <= len(offered) for number in numbers):
        return None
    return tuple(dict.fromkeys(offered[int(number) - 1] for number in numbers))


def kept_item(
    issue: Issue, plan: Plan, withdraw: Iterable[AddedRule], keep: Collection[Network], by: str, now: datetime
) -> dict[str, Any]:
    """What is written into `remediation_details` before a plan is carried out; nothing where nobody keeps anything.

    `keep` is what the person named `by` keeps in this run. What the plan replaces, and what is to be taken away again,
    nobody keeps any longer.
    """
    names = set(map(str, keep))
    gone = {rule_key(rule) for rule in plan.revoke} | {added.key for added in withdraw}
    new = {
        rule_key(rule): KeptSource(*rule_key(rule), by, now)
        for rule in (*plan.add, *plan.relied_on, *plan.left)
        if rule_key(rule).source in names
    }
    old = {each.key: each for each in kept_sources(issue)}
    if not (new or issue.remediation_details.get("kept")):
        return {}
    return {"kept": [each.to_item(issue.occurrence) for key, each in (old | new).items() if key not in gone]}

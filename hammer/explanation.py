"""The words of `hammer explain`: sections of lines, at most 80 columns wide. No I/O.

Names, tags and descriptions are hostile text: what does not print is spelled out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hammer.ask_aws import Asked
from library.config import Configuration
from library.config.closing import closing_terms
from library.documents.text import printable
from library.issues.issue import Issue
from library.issues.reachability import Path, Reachability
from library.issues.reconcile import Detection
from library.issues.times import shown_time
from library.issues.use import use_sentences
from library.network.addresses import parse_network
from library.network.ports import PortSet, protocol_name
from library.notifications.owners import destinations, discover
from library.security_groups.exemptions import applying
from library.security_groups.exposure import Exposure
from library.security_groups.group import IngressRule, SecurityGroup
from library.security_groups.rule_text import rule_text
from library.security_groups.usage import Usage
from remediation.due import Refusal
from remediation.plan import Plan
from reporting.exposure_text import restricted_ports, share

WIDTH = 80
Lines = list[str]


@dataclass(frozen=True, slots=True)
class Planned:
    """What remediation would do: why it waits, and the plan of its dry run."""

    waits: tuple[str, ...]
    plan: Plan | Refusal


def heading(group: SecurityGroup, account_name: str, account_id: str, region: str) -> Lines:
    """Which group this is."""
    account = f"{account_id} ({account_name})" if account_name != account_id else account_id
    return _wrapped(f"{group.group_id} {group.name!r} in {account}, {region}, {group.vpc_id}", "")


def rules(group: SecurityGroup, detection: Detection | None, restricted: PortSet) -> Lines:
    """Each rule, what it exposes and to how much of the Internet."""
    lines = ["Rules"]
    exposures = detection.details.perms if detection else ()
    for rule in group.ingress:
        lines += _wrapped(rule_text(rule))
        exposed = [each for each in exposures if _is_of(each, rule)]
        for each in exposed:
            ports = ", ".join(restricted_ports([each], restricted)) or "every protocol"
            source = f" ({each.cidr})" if rule.prefix_list_id else ""
            status = each.status.replace("_", " ")
            lines += _wrapped(f"exposes {ports} to {share(each.cidr)}{source}: {status}", "    ")
        if not exposed:
            lines += _wrapped(_why_not(rule), "    ")
    return lines if group.ingress else [*lines, "  none: nobody can connect"]


def _is_of(exposure: Exposure, rule: IngressRule) -> bool:
    same = (exposure.protocol, exposure.from_port, exposure.to_port) == (rule.protocol, rule.from_port, rule.to_port)
    if rule.prefix_list_id or exposure.prefix_list_id:
        return same and exposure.prefix_list_id == rule.prefix_list_id
    return same and not rule.group_id and exposure.cidr == str(parse_network(rule.cidr))


def _why_not(rule: IngressRule) -> str:
    if rule.group_id:
        return "exposes nothing: its source is a security group"
    if protocol_name(rule.protocol) in ("icmp", "icmpv6"):
        return "exposes nothing: ICMP never does"
    return "exposes nothing: no restricted port from a public address, or exempt"


def paths(detection: Detection | None) -> Lines:
    """Who can connect, and each interface with its path."""
    if detection is None:
        return ["Reachability", "  not asked: the group exposes no restricted port"]
    found = detection.details.reachability
    if found is None:
        return []
    sources = {"all": ", from everywhere", "some": ", from some addresses"}.get(str(found.sources or ""), "")
    lines = ["Reachability", f"  {found.verdict}{sources}; severity {found.severity}"]
    for path in found.paths:
        lines += _path(path)
    if found.paths_total > len(found.paths):
        lines.append(f"  and {found.paths_total - len(found.paths)} more paths")
    for text in (*found.unread, *found.assumptions):
        lines += _wrapped(text)
    return lines


def _path(path: Path) -> Lines:
    lines = _wrapped(f"{path.interface}, {path.resource}, {path.address or 'no public address'}: {path.verdict}")
    steps = " > ".join(("Internet", *path.through)) if path.through else ""
    if steps:
        lines += _wrapped(f"{steps}{f' > {path.blocked_by}' if path.blocked_by else ''}", "    ")
    return lines + _wrapped(path.text, "    ")


def answers(asked: Sequence[tuple[str, Asked]], reachability: Reachability) -> Lines:
    """What AWS says of the same paths, beside what Hammer says."""
    ours = {path.address: path.verdict for path in reachability.paths}
    lines = ["AWS Reachability Analyzer"]
    for address, answer in asked:
        says = {True: "reachable", False: "not reachable", None: "no answer"}[answer.found]
        why = f" ({', '.join(answer.reasons)})" if answer.reasons else ""
        lines += _wrapped(f"{address}: AWS says {says}{why}; Hammer says {ours[address]}")
    return lines


def state(group: SecurityGroup, issue: Issue | None, config: Configuration, account_id: str, now: datetime) -> Lines:
    """Exemption, status, due date."""
    lines = ["Issue"]
    for exemption in applying(config.exemptions(account_id), group.group_id, group.vpc_id, group.name, now.date()):
        what = "the whole group" if exemption.is_whole else "a part of it"
        until = f" until {exemption.expires}" if exemption.expires else ""
        why = f": {exemption.why}" if exemption.why else ""
        lines += _wrapped(f"the whitelist exempts {what}{until}{why}")
    if issue is None:
        return [*lines, "  none in the table"]
    times = issue.timestamps
    found, told = shown_time(times.identified) or "unknown", shown_time(times.reported) or "not yet"
    lines += _wrapped(f"{issue.status}; found {found}; reported {told}")
    if ticket := issue.jira_details.get("ticket"):
        lines += _wrapped(f"ticket {ticket}")
    if issue.opened_by:
        lines += _wrapped(f"opened by {issue.opened_by.principal}")
    terms = closing_terms(config, account_id)
    if terms.is_immediate(issue):
        lines += _wrapped(f"immediate mode: {issue.details.severity} is closed at the next run after a notice")
    due = terms.due(issue)
    return [*lines, f"  due {shown_time(due)}" if due else "  not due before it is reported"]


def use(issue: Issue | None, config: Configuration, now: datetime) -> Lines:
    """What flow logs showed."""
    if issue is None or (issue.use is None and not config.usage.enabled):
        return []
    if issue.use is None:
        return ["Use", "  flow logs were not read yet"]
    return ["Use", *(line for sentence in use_sentences(issue.use, now) for line in _wrapped(sentence))]


def people(detection: Detection | None, issue: Issue | None, config: Configuration, account_id: str) -> Lines:
    """Who would be notified."""
    details = detection.details if detection else issue.details if issue else None
    if details is None:
        return []
    keys = config.secgrp_unrestricted_access.owner_tags
    usage = (detection.usage if detection else None) or (issue.usage if issue else None) or Usage()
    found = discover(details.tags, usage.tags, keys.owner, keys.bu, keys.product)
    owners = config.ticket_owners.resolve(account_id, found.bu, found.product)
    lines = ["Notified"]
    if found.owner:
        lines += _wrapped(f"tags name {found.owner}")
    if config.jira.enabled:
        who = found.owner or owners.jira_owner or "nobody"
        lines += _wrapped(f"JIRA: project {owners.jira_project or 'none'}, assigned to {who}")
    if config.slack.enabled:
        places = destinations(
            owners.slack_owner,
            found.owner,
            config.slack.default_channel,
            tell_configured=config.slack.notify_default_owner,
        )
        lines += _wrapped(f"Slack: {', '.join(places)}")
    if not config.jira.enabled and not config.slack.enabled:
        lines.append("  the console: neither JIRA nor Slack is enabled")
    if not config.secgrp_unrestricted_access.reporting:
        lines.append("  reporting is false: nobody is notified")
    return lines


def remediation(planned: Planned) -> Lines:
    """What remediation would do, by the plan of its dry run."""
    lines = ["Remediation"]
    for wait in planned.waits:
        lines += _wrapped(f"waits: {wait}")
    if isinstance(planned.plan, Refusal):
        return lines + _wrapped(f"would change nothing: {planned.plan.text}")
    lines += [line for rule in planned.plan.revoke for line in _wrapped(f"would revoke {rule_text(rule)}")]
    lines += [line for rule in planned.plan.add for line in _wrapped(f"would add {rule_text(rule)}")]
    lines += [line for note in planned.plan.notes for line in _wrapped(note)]
    if planned.plan.left:
        lines.append(f"  would leave {len(planned.plan.left)} sources exposed, out of remediation_scope")
    return lines


def first_port(detection: Detection, restricted: PortSet) -> tuple[str, int] | None:
    """A restricted port that the group exposes, for a question about one; None: only protocols without ports."""
    for perm in detection.details.perms:
        name = protocol_name(perm.protocol)
        for protocol in ("tcp", "udp") if name == "-1" else (name,):
            first, last = perm.from_port or 0, 65535 if perm.to_port is None or name == "-1" else perm.to_port
            for start, end in restricted.protocol(protocol).spans if protocol in ("tcp", "udp") else ():
                if start <= last and end >= first:
                    return protocol, max(start, first)
    return None


def _wrapped(text: str, indent: str = "  ") -> Lines:
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )

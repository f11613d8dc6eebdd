"""`hammer scan --plan` and `--template`: what a Terraform plan or a CloudFormation template would make, judged.

Reads a file; AWS is not asked. The judgement is that of `hammer scan`; what is not known yet, or cannot be evaluated
here, is a failure with its reason, never judged harmless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hammer.listing.issue import Failed, ListedIssue, Listing, ListingContext, ListingSource, Scanned, listed_detection
from hammer.terraform_plan import NotAPlanError, PlannedGroup, PlannedGroups, UnknownSource, read_plan
from library.issues.issue import IssueDetails
from library.issues.reconcile import Detection
from library.jobs.command_line import NotThereError, WrongUsageError
from library.network.addresses import Network, parse_network
from library.security_groups.exposure import Evaluator
from library.security_groups.group import IngressRule, SecurityGroup
from library.source.template_rules import TemplateGroup, TemplateGroups, read_groups
from library.source.template_text import (
    NO_VALUE,
    TemplateError,
    TemplateValues,
    Tree,
    UnknownValueError,
    parse_template,
)
from library.source.text_edit import line_of

_MAY_BE_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\0")  # an escape, or bytes, of which two are a sign
_SSM = "AWS::SSM::Parameter::Value"


@dataclass(frozen=True, slots=True)
class Judge:
    """By which measure groups are judged.

    Attributes:
        known: what the configuration tells of any group.
    """

    evaluator: Evaluator
    known: ListingContext


def scan_plan_file(path: str, judge: Judge, group_ids: Sequence[str], now: datetime) -> Listing:
    """Judge what a Terraform plan, as `terraform show -json` prints it, would make.

    Raises:
        WrongUsageError: the file cannot be read, or is no plan.
        NotThereError: one of the groups is not in it.
    """
    try:
        planned = read_plan(_document(_content(path)))
    except NotAPlanError as error:
        raise WrongUsageError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise WrongUsageError(f"{path}: it is no plan: it is not JSON") from error
    return _listing(planned, judge, group_ids, now, path, {})


def _document(content: bytes) -> Any:
    """A JSON document. Half a sign, which no text can hold, becomes U+FFFD, as where Terraform writes one."""
    document = json.loads(content)
    if _MAY_BE_HALF.search(content):
        text = json.dumps(document, ensure_ascii=False)
        document = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return document


def scan_template_file(
    path: str, parameters: Sequence[str], judge: Judge, group_ids: Sequence[str], now: datetime
) -> Listing:
    """Judge what a CloudFormation template would make.

    Parameters are `NAME=VALUE` each; those that are not given have their defaults.

    Raises:
        WrongUsageError: the file cannot be read, or is no template, or a parameter has no value.
        NotThereError: one of the groups is not in it.
    """
    try:
        text = _content(path).decode("utf-8")
        template = parse_template(text)
    except (UnicodeDecodeError, TemplateError) as error:
        reason = error if isinstance(error, TemplateError) else "it is not UTF-8"
        raise WrongUsageError(f"{path}: it is no template: {reason}") from error
    resources = template.get("Resources")
    if resources is None or resources.kind != "mapping":
        raise WrongUsageError(f"{path}: it is no template: it has no Resources")
    values = template_values(path, template, parameters)
    found = read_groups(values)
    lines = {key.value: line_of(text, key.start) for key, _ in resources.pairs}
    return _listing(_planned(found, values), judge, group_ids, now, path, lines)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise WrongUsageError(f"{path}: it cannot be read: {error.strerror}") from error


def template_values(path: str, template: Tree, parameters: Sequence[str]) -> TemplateValues:
    """A template with its parameters: those given, else their defaults.

    Raises:
        WrongUsageError: a parameter has no value, or is not the template's.
    """
    section = template.get("Parameters")
    definitions = dict(section.named()) if section is not None and section.kind == "mapping" else {}
    given: dict[str, str] = {}
    for each in parameters:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise WrongUsageError(f"--parameter {each}: write NAME=VALUE")
        if name not in definitions:
            raise WrongUsageError(f"{path}: it has no parameter {name}")
        given[name] = value
    hidden: dict[str, str] = {}
    missing: list[str] = []
    for name, definition in definitions.items():
        default = definition.get("Default")
        if name not in given and default is None:
            missing.append(name)
        elif definition.text("NoEcho").casefold() == "true":
            hidden[name] = "its value is hidden (NoEcho)"
        elif definition.text("Type").startswith(_SSM) and not _is_cidr(given.get(name, "")):
            hidden[name] = "its value is that of a parameter of Systems Manager"
        elif name not in given and default is not None:
            given[name] = default.plain
    if missing:
        raise WrongUsageError(f"{path}: without a value: parameter {', '.join(missing)}; give --parameter NAME=VALUE")
    return TemplateValues(template, given, {"AWS::NotificationARNs": ""}, hidden)


def _is_cidr(text: str) -> bool:
    try:
        parse_network(text)
    except ValueError:
        return False
    return True


def _planned(found: TemplateGroups, values: TemplateValues) -> PlannedGroups:
    """A template's groups in the shape of a plan's."""
    planned = PlannedGroups(prefix_lists=dict(found.prefix_lists), unknown=list(found.unknown))
    for logical_id, group in found.groups.items():
        made = PlannedGroup(
            logical_id,
            name=_known_text(group, "GroupName", values),
            description=_known_text(group, "GroupDescription", values),
            vpc_id=_known_text(group, "VpcId", values),
            tags=_tags(group, values),
            rules=list(group.other_rules),
            unknown=[UnknownSource(f"{logical_id}: {reason}") for reason in group.unknown],
        )
        for rule in group.rules:
            if rule.rule is not None:
                made.rules.append(rule.rule)
            else:
                made.unknown.append(UnknownSource(f"{logical_id}: {rule.unknown}", rule.traffic, rule.cidr))
        planned.groups[logical_id] = made
    return planned


def _known_text(group: TemplateGroup, key: str, values: TemplateValues) -> str:
    tree = group.properties.get(key) if group.properties is not None else None
    try:
        value = values.value(tree) if tree is not None else ""
    except UnknownValueError:
        return ""
    return value if isinstance(value, str) else ""


def _tags(group: TemplateGroup, values: TemplateValues) -> dict[str, str]:
    tree = group.properties.get("Tags") if group.properties is not None else None
    found: dict[str, str] = {}
    for tag in tree.items if tree is not None else ():
        try:
            value = values.value(tag)
        except UnknownValueError:
            continue  # a tag decides no exposure
        if value is not NO_VALUE and isinstance(value, dict) and isinstance(value.get("Key"), str):
            found[value["Key"]] = value["Value"] if isinstance(value.get("Value"), str) else ""
    return found


def _listing(
    planned: PlannedGroups,
    judge: Judge,
    group_ids: Sequence[str],
    now: datetime,
    path: str,
    lines: Mapping[str, int],
) -> Listing:
    if missing := sorted(set(group_ids) - planned.groups.keys()):
        raise NotThereError(f"{path}: there is no security group {', '.join(missing)}")
    chosen = [group for address, group in planned.groups.items() if not group_ids or address in group_ids]
    reasons = list(planned.unknown)
    issues: list[ListedIssue] = []
    lists = {name: entries for name, entries in planned.prefix_lists.items() if entries is not None}
    for group in planned.groups.values() if group_ids else ():
        problems: list[str] = []
        if group.unnamed and (_judged(group, judge, lists, planned.prefix_lists, problems) or problems):
            reasons.append(group.unnamed)  # it may be one of those that were asked for
    for group in chosen:
        issue = _judged(group, judge, lists, planned.prefix_lists, reasons)
        if issue is not None:
            issues.append(replace(issue, file=path, line=lines.get(group.address, 0)))
    whitelisted = sum(issue.whitelisted for issue in issues)
    return Listing(
        source=ListingSource.SCAN,
        generated=now,
        issues=tuple(sorted(issues, key=lambda issue: issue.group_id)),
        scanned=(Scanned("", "", "", len(chosen), whitelisted, now),),
        failed=tuple(Failed("", "", reason) for reason in dict.fromkeys(reasons)),
        whitelisted=whitelisted,
    )


def _judged(
    group: PlannedGroup,
    judge: Judge,
    lists: Mapping[str, tuple[Network, ...]],
    defined: Mapping[str, Any],
    reasons: list[str],
) -> ListedIssue | None:
    """A group's issue, if it has one. What could not be judged goes to `reasons`."""
    security_group = _group(group, group.rules)
    named = judge.evaluator.prefix_lists_named(security_group)
    for list_id in sorted(named - lists.keys()):
        cause = (
            "its entries are not known yet" if list_id in defined else "it is not defined here, and AWS is not asked"
        )
        reasons.append(f"{group.address}: prefix list {list_id}: {cause}")
    reasons += [unknown.reason for unknown in group.unknown if _matters(group, unknown, judge.evaluator)]
    judged = judge.evaluator.evaluate(security_group, lists, judge.known.exemptions(""), judge.known.today)
    reasons += [
        f"{group.address}: {reason}" for reason in judged.unreadable if not reason.endswith("could not be read")
    ]
    if not judged.exposures:
        return None
    details = IssueDetails(group.name, "", group.vpc_id, judged.status, dict(group.tags), judged.exposures)
    return listed_detection(Detection("", group.address, details, judged.whitelisted), judge.known)


def _matters(group: PlannedGroup, unknown: UnknownSource, evaluator: Evaluator) -> bool:
    """Whether what is not known can expose: not where its ports are none that are restricted, or its source private."""
    if unknown.traffic is not None:
        # The evaluation asks for the entries of a list only where the ports are restricted.
        anything = IngressRule(*unknown.traffic, prefix_list_id="?")
        return bool(evaluator.prefix_lists_named(_group(group, [anything])))
    if unknown.cidr:
        everything = IngressRule("-1", None, None, cidr=unknown.cidr)
        judged = evaluator.evaluate(_group(group, [everything]), {})
        return bool(judged.exposures or judged.unreadable)
    return True


def _group(group: PlannedGroup, rules: Iterable[IngressRule]) -> SecurityGroup:
    return SecurityGroup(group.address, group.name, group.vpc_id, group.description, group.tags, tuple(rules))

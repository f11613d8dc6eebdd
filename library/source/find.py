"""Where a group and its exposing rules are defined: every place asked in turn, and put together.

First what AWS itself knows: tags of services and controllers, then CloudFormation, by the group's tags or physical id
and by the ids of rules that the template lacks. What is left is looked for in Terraform files.

Terraform files are read from disk without running Terraform (`read_folders`). Their content is untrusted input. Nothing
outside a folder is read: links that lead out of it are named, not followed. What is not read is named as well.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from library.aws.failures import AWS_ERRORS, explain
from library.security_groups.exposure import Exposure
from library.security_groups.group import RuleKey, SecurityGroup, ShapeError, parse_rule, rule_key
from library.source.cloudformation import StackReader, StackReadError
from library.source.hcl import HclError, TerraformFile, parse_hcl
from library.source.location import (
    Confidence,
    Edit,
    Found,
    Kind,
    Location,
    Returns,
    RuleLocation,
    SourceReport,
)
from library.source.service import hints_of, maker_of, other_maker_of, tool_hint
from library.source.template_source import StackPart, StackResource, find_in_template
from library.source.template_text import TemplateError
from library.source.terraform_rules import is_override
from library.source.terraform_source import find_in_terraform
from library.source.text_edit import Patch, unified_diff

LARGEST_FILE = 2_000_000
"""Bytes: no Terraform file that a person writes comes near."""

_SKIPPED = frozenset({".terraform", ".terragrunt-cache", ".git", "node_modules"})


@dataclass(slots=True)
class TerraformFiles:
    """What was read.

    Attributes:
        unread: what was not, and why, one sentence each.
        links: links to folders that were read, by their paths.
        overridden: folders with an override file that was not read, such as `providers_override.tf.json`.
    """

    files: list[TerraformFile] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    overridden: set[str] = field(default_factory=set)


def read_folders(folders: Iterable[str]) -> TerraformFiles:
    """The `.tf` files below some folders, and the `.tfvars` files, which give variables their values.

    Raises:
        GrammarMissingError: there is a file, and the extra `source` is not installed.
    """
    found = TerraformFiles()
    seen: dict[str, dict[str, TerraformFile]] = {}
    for folder in folders:
        try:
            root = Path(folder).resolve()
            if not root.is_dir():
                found.unread.append(f"{folder}: there is no such folder")
                continue
        except (OSError, RuntimeError) as error:
            # Such as a folder of a person's, which the host's jobs may not enter.
            found.unread.append(f"{folder}: {_unreadable(error)}")
            continue
        for path in _walk(root, found):
            read = len(found.unread)
            _read(found, seen, root, path)
            if len(found.unread) > read and is_override(path.name.removesuffix(".json")):
                found.overridden.add(str(path.parent))
    return found


def repository_root(folder: Path) -> Path | None:
    """The root of the Git repository that a folder is in; None: it is in none."""
    return next((each for each in [folder, *folder.parents] if (each / ".git").exists()), None)


def _shown(path: Path, root: Path) -> str:
    """A file's path in the repository that it is in; in none, below the folder that was given."""
    try:
        return os.path.relpath(path, repository_root(path.parent) or root)
    except OSError:
        return os.path.relpath(path, root)


def _unreadable(error: OSError | RuntimeError) -> str:
    return f"it could not be read: {getattr(error, 'strerror', None) or 'a circle of links'}"


_CONFIGURATIONS = (".tf", ".tf.json", ".tofu", ".tofu.json")
_VALUES = (".tfvars", ".tfvars.json")


def _is_read(name: str) -> bool:
    """Whether Terraform may read a file of this name: hidden configurations it ignores, as editors and macOS write."""
    return name.endswith(_VALUES) or (name.endswith(_CONFIGURATIONS) and not name.startswith("."))


def _walk(root: Path, found: TerraformFiles) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        found.unread.append(f"{error.filename}: {_unreadable(error)}")

    for where, folders, names in os.walk(root, onerror=failed, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in folders:
            if (path := Path(where) / name).is_symlink():
                _note_link(found, root, path)
        for name in sorted(names):
            if _is_read(name):
                yield Path(where) / name


def _note_link(found: TerraformFiles, root: Path, path: Path) -> None:
    """A link to a folder is not followed: what it leads to is read where it stands, or not at all."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        found.unread.append(f"{_shown(path, root)}: {_unreadable(error)}")
        return
    if real.is_relative_to(root):
        found.links[str(path)] = str(real)
    else:
        found.unread.append(f"{_shown(path, root)}: it is a link that leads out of the folder")


def _read(found: TerraformFiles, seen: dict[str, dict[str, TerraformFile]], root: Path, path: Path) -> None:
    shown = _shown(path, root)
    if path.name.endswith(".json"):
        found.unread.append(f"{shown}: JSON configurations are not read")
        return
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            found.unread.append(f"{shown}: it is a link that leads out of the folder")
            return
        text = _content(real)
    except (OSError, RuntimeError) as error:
        found.unread.append(f"{shown}: {_unreadable(error)}")
        return
    except ValueError as error:
        found.unread.append(f"{shown}: {error}")
        return
    known = seen.setdefault(str(real), {})
    if str(path.parent) in known:
        return
    try:
        # A file that several folders link to is one tree: it is changed once.
        tree = next((file.tree for file in known.values()), None) or parse_hcl(text)
    except HclError as error:
        found.unread.append(f"{shown}: {error}")
        return
    file = TerraformFile(_shown(real, root), str(path.parent), text, tree)
    known[file.folder] = file
    found.files.append(file)


def _content(path: Path) -> str:
    """A regular file's text, line ends and byte order mark included.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, not a file, or not UTF-8.
    """
    # Without blocking: a pipe with such a name would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError("it is over 2 MB and was not read")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it cannot be parsed: it is not UTF-8") from error


STACKS_NOT_ASKED = "CloudFormation could not be asked"
"""What a problem begins with that concerns every group of the account and region."""

_RULES_ASKED = 50
_NAMED = 20

_RETURNS = {Kind.TERRAFORM: Returns.APPLY, Kind.CLOUDFORMATION: Returns.TEMPLATE}

RuleIds = Callable[[], Mapping[Exposure, str]]
"""The ids (`sgr-…`) of the rules that expose, by exposure. Raises what EC2's client raises."""


@dataclass(slots=True)
class _Search:
    group: SecurityGroup
    exposures: Sequence[Exposure]
    replacements: Sequence[str]
    location: Location | None = None
    returns: Returns | None = None
    rules: dict[Exposure, RuleLocation] = field(default_factory=dict)
    fallback: dict[Exposure, RuleLocation] = field(default_factory=dict)
    patches: dict[str, Patch] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    before_diff: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)  # of a group that nobody knows

    @property
    def missing(self) -> list[Exposure]:
        """The exposures that have no place yet."""
        return [
            each for each in self.exposures if each not in self.rules or self.rules[each].location.kind is Kind.UNKNOWN
        ]

    def add(self, found: Found, *, of_group: bool) -> None:
        """Take what one place says."""
        for exposure, rule in found.rules.items():
            if found.before_diff and rule.edit in (Edit.PATCH, Edit.PARAMETER):
                rule = replace(rule, note="; ".join([*filter(None, [rule.note]), *found.before_diff]))
            known = self.rules.get(exposure)
            if known is None or known.location.kind is Kind.UNKNOWN:
                self.rules[exposure] = rule
        self.fallback = {**found.fallback, **self.fallback}
        self.patches |= found.patches
        self.commands += found.commands
        self.before_diff += found.before_diff
        if of_group and found.group is not None:
            if found.group.kind is Kind.UNKNOWN:
                self.evidence += found.group.evidence
            elif self.location is None:
                self.location = found.group
                self.returns = found.returns


def locate(
    group: SecurityGroup,
    exposures: Sequence[Exposure],
    replacements: Sequence[str],
    stacks: StackReader,
    rule_ids: RuleIds,
    terraform: TerraformFiles,
    opened_with: str = "",
) -> SourceReport:
    """Where a group and its exposures are defined, and what is to be changed there.

    Args:
        group: the group as EC2 described it.
        exposures: what of it the Internet reaches.
        replacements: what an open source becomes: CIDRs and prefix lists.
        stacks: CloudFormation of the group's account and region.
        rule_ids: the ids of the rules.
        terraform: the Terraform files that were read; without any, Terraform is not looked at.
        opened_with: the user agent of the call that opened it; empty: not known. Untrusted text, and no more than a
            hint: it tells the tool, not the file.
    """
    search = _Search(group, exposures, replacements)
    search.problems += terraform.unread[:_NAMED]
    if not _made_by_service(search):
        _ask_stacks(search, stacks, rule_ids)
        if search.missing or search.location is None:
            _search_terraform(search, terraform, (stacks.account_id, stacks.region))
    location = search.location or other_maker_of(group.tags) or Location(evidence=tuple(search.evidence))
    found = [
        *location.evidence,
        *hints_of(group.tags),
        *tool_hint(opened_with),
        *(f"not read: {each}" for each in search.problems),
    ]
    location = Location(location.kind, location.confidence, location.where, tuple(dict.fromkeys(found)))
    for exposure in search.missing:
        if exposure in search.fallback:
            search.rules[exposure] = search.fallback[exposure]
    rules = tuple(search.rules.get(each) or _nowhere(each) for each in exposures)
    return SourceReport(
        stacks.account_id,
        stacks.region,
        group.group_id,
        location,
        rules,
        search.returns or _returns(location, rules),
        unified_diff(search.patches),
        tuple(dict.fromkeys(search.commands)),
        tuple(dict.fromkeys(search.before_diff)),
        tuple(dict.fromkeys(search.problems)),
    )


def _nowhere(exposure: Exposure) -> RuleLocation:
    note = f"an entry of prefix list {exposure.prefix_list_id}" if exposure.prefix_list_id else ""
    return RuleLocation(
        exposure, Location(evidence=("no stack and no file that was read defines it",)), Edit.NONE, note
    )


def _returns(location: Location, rules: Sequence[RuleLocation]) -> Returns:
    """When what was closed in EC2 alone is opened again: the group's place decides, if it has one."""
    kinds = [location.kind] if location.kind is not Kind.UNKNOWN else list({rule.location.kind for rule in rules})
    if len(kinds) != 1:
        return Returns.UNKNOWN
    if kinds[0] is Kind.OTHER:
        is_stack = any("stack" in sentence for sentence in location.evidence) and "Pulumi" not in " ".join(
            location.evidence
        )
        return Returns.TEMPLATE if is_stack else Returns.UNKNOWN
    return _RETURNS.get(kinds[0], Returns.UNKNOWN)


def _made_by_service(search: _Search) -> bool:
    group = search.group
    maker = maker_of(group.tags, group.name, group.description)
    if maker is None:
        return False
    search.location, search.returns = maker.location, maker.returns
    for exposure in search.exposures:
        listed = f"an entry of prefix list {exposure.prefix_list_id}; " if exposure.prefix_list_id else ""
        search.rules[exposure] = RuleLocation(exposure, maker.location, Edit.POINTER, listed + maker.advice)
    return True


def _ask_stacks(search: _Search, stacks: StackReader, rule_ids: RuleIds) -> None:
    """Ask CloudFormation for the stack of the group, and of each rule that its template lacks or does not tell.

    Another stack may have added such a rule. What one stack has is read at once: it is one patch, and one command.
    """
    group = _stack_of_group(search, stacks)
    known = _found_in(search, stacks, [group]) if group is not None else None
    sure = [each for each, rule in known.rules.items() if rule.location.confidence is Confidence.EXACT] if known else []
    unsure = [each for each in search.exposures if each not in sure]
    of_rules = _stacks_of_rules(search, unsure, stacks, rule_ids) if unsure else []
    by_stack: dict[str, list[StackPart]] = {}
    for part in of_rules:
        by_stack.setdefault(part.resource.stack_name, []).append(part)
    own = by_stack.pop(group.resource.stack_name, []) if group is not None and known is not None else []
    for parts in by_stack.values():
        found = _found_in(search, stacks, parts)
        search.add(found or Found(rules=dict(_unread_rules(parts))), of_group=False)
    if group is not None and known is not None and of_rules:
        known = _found_in(search, stacks, [*own, replace(group, exposures=search.missing)])
    if known is not None:
        search.add(known, of_group=True)
    elif group is not None:
        search.location = _known_location(group)


def _stack_of_group(search: _Search, stacks: StackReader) -> StackPart | None:
    """The resource that the group is: by its tags, and by its id where those are not true any more.

    A group that was replaced and kept (`UpdateReplacePolicy: Retain`), or that moved to another stack, may have the
    tags of the stack that made it.
    """
    group_id = search.group.group_id
    found = None
    try:
        tagged = stacks.tagged(search.group.tags)
        now = stacks.physical_id(tagged) if tagged is not None else ""
        if tagged is not None and _is_another(now, group_id):
            search.evidence.append(f"its tags name {tagged.stack_name}/{tagged.logical_id}, which is {now} now")
            tagged = None
        if tagged is None or now == "":
            found = stacks.resource_of(group_id)
    except StackReadError as error:
        search.problems.append(f"{STACKS_NOT_ASKED}: {error}")
        return None
    if found is not None:
        return StackPart(found, search.exposures, (f"CloudFormation names the stack of {group_id}",))
    return StackPart(tagged, search.exposures, (f"the tags of {group_id} name the stack",)) if tagged else None


def _is_another(physical_id: str | None, group_id: str) -> bool:
    """Whether a resource is another group. The physical id of a group without a VPC is its name."""
    return physical_id is not None and physical_id.startswith("sg-") and physical_id != group_id


def _stacks_of_rules(
    search: _Search, exposures: Sequence[Exposure], stacks: StackReader, rule_ids: RuleIds
) -> list[StackPart]:
    """The resources that rules are, by their ids."""
    try:
        ids = rule_ids()
    except AWS_ERRORS as error:
        search.problems.append(f"the ids of its rules could not be read: {explain(error)}")
        return []
    found: dict[StackResource, list[Exposure]] = {}
    for exposure in exposures[:_RULES_ASKED]:
        rule_id = ids.get(exposure)
        if not rule_id:
            continue
        try:
            resource = stacks.resource_of(rule_id)
        except StackReadError as error:
            search.problems.append(f"{STACKS_NOT_ASKED}: {error}")
            return []
        if resource is not None:
            found.setdefault(resource, []).append(exposure)
    return [
        StackPart(resource, made, (f"CloudFormation names the stack of the rule {ids[made[0]]}",))
        for resource, made in found.items()
    ]


def _found_in(search: _Search, stacks: StackReader, parts: Sequence[StackPart]) -> Found | None:
    """What the template of a stack says of some of its resources, that of the group last.

    None: it could not be read, which is named.
    """
    resource = parts[-1].resource
    try:
        read = stacks.read(resource)
        noted = [replace(part, how=(*part.how, *read.notes)) for part in parts]
        return find_in_template(read.stack, read.text, noted, search.replacements)
    except (StackReadError, TemplateError) as error:
        search.problems.append(f"the template of stack {resource.stack_name} could not be read: {error}")
        return None


def _unread_rules(parts: Iterable[StackPart]) -> Iterator[tuple[Exposure, RuleLocation]]:
    for part in parts:
        for each in part.exposures:
            yield each, RuleLocation(each, _known_location(part), Edit.NONE, "its template could not be read")


def _known_location(part: StackPart) -> Location:
    where = f"{part.resource.stack_name}/{part.logical_id}"
    return Location(Kind.CLOUDFORMATION, Confidence.EXACT, where, part.how)


def _is_elsewhere_defined(search: _Search) -> bool:
    """Whether a stack, or another maker than Terraform, is known to define the group."""
    tags = search.group.tags
    # Only CloudFormation sets this tag: what it denied to tell is no sign that the group is of no stack.
    is_untold = any(each.startswith(STACKS_NOT_ASKED) for each in search.problems)
    is_of_stack = is_untold and bool(tags.get("aws:cloudformation:logical-id"))
    return search.location is not None or other_maker_of(tags) is not None or is_of_stack


def _search_terraform(search: _Search, terraform: TerraformFiles, account_and_region: tuple[str, str]) -> None:
    found = find_in_terraform(
        terraform.files,
        search.group,
        search.missing,
        search.replacements,
        terraform.links,
        account_and_region,
        terraform.overridden,
        is_elsewhere_defined=_is_elsewhere_defined(search),
    )
    search.add(found, of_group=search.location is None)


def read_rule_ids(client: Any, group_id: str, exposures: Iterable[Exposure]) -> dict[Exposure, str]:
    """The ids of the rules that expose."""
    ids: dict[RuleKey, str] = {}
    pages = client.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    for page in pages:
        for raw in page["SecurityGroupRules"]:
            if raw.get("IsEgress"):
                continue
            try:
                rule = parse_rule(raw)
            except ShapeError:
                continue  # such a rule is named where the group is judged
            ids[rule_key(rule)] = rule.rule_id
    return {each: ids[rule_key(each)] for each in exposures if rule_key(each) in ids}

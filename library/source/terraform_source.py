"""What Terraform files say of a group's exposures: the place of each, its edit, the patch. Pure.

The story is `find_in_terraform`: choose the one place that can be the group, match each exposure with its rules, patch
the literals, point at everything else. Names and descriptions are no proof, so several candidates are listed and none
is patched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from library.network.addresses import parse_network
from library.security_groups.exposure import Exposure, traffic_text
from library.security_groups.group import SecurityGroup
from library.source.hcl import Hcl, TerraformFile
from library.source.location import (
    Confidence,
    Edit,
    Found,
    Kind,
    Location,
    Returns,
    RuleLocation,
    admits,
    is_same_traffic,
)
from library.source.terraform_location import Where, is_elsewhere
from library.source.terraform_patch import Narrowing, TerraformPatch, patch_terraform
from library.source.terraform_references import named_references
from library.source.terraform_rules import (
    Configurations,
    Context,
    SourceList,
    TerraformGroup,
    TerraformRule,
    rule_ignores_changes,
    shown_expression,
)

_NO_DESCRIPTION = "Managed by Terraform"  # the provider's own
_SURE = 2  # the rank of a match whose group, ports and source are known
_LISTED = 5
_MADE_NAME = "terraform-"  # the provider's prefix where the configuration names no group


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A resource, or the call of a module, that may be the group: its name or its description is the group's.

    Attributes:
        exact: whether a tag of the group names its file.
        other: which of the two is another one there, `name` or `description`; empty: neither, as far as is known.
    """

    group: TerraformGroup
    exact: bool
    evidence: tuple[str, ...]
    other: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """A rule that may be an exposure's.

    Attributes:
        source: what of it has the source; None: nothing that is known.
        items: the literals; empty: the source, or the ports, are not known.
        sure: whether protocol and ports are known to be the exposure's.
        others: the same rule in other uses of its module, which are given another source that is not known.
    """

    rule: TerraformRule
    source: SourceList | None
    items: tuple[Hcl, ...]
    pieces: tuple[str, ...]
    sure: bool
    others: tuple[_Match, ...] = ()

    @property
    def rank(self) -> int:
        is_of_group = not self.rule.group_decider
        return _SURE if self.items and self.sure and is_of_group else 1 if self.sure else 0

    @property
    def position(self) -> tuple[int, int]:
        """What tells the literal, or the rule, from every other."""
        if self.source is not None and self.items:
            return self.source.value.file.identity, self.items[0].start
        return self.rule.file.identity, self.rule.node.start

    @property
    def where(self) -> str:
        """Where the rule is defined: the call that gives its source, if one does."""
        if self.source is not None and any(step == "call" for step, _ in self.source.value.steps) and self.items:
            return self.source.value.file.where(self.items[0])
        return self.rule.where


@dataclass(slots=True)
class _Search:
    configurations: Configurations
    described: SecurityGroup
    where: Where
    replacements: Sequence[str]
    groups: list[TerraformGroup]
    rules: list[TerraformRule] = field(default_factory=list)  # resources whose group is not in the files
    by_id: list[TerraformRule] = field(default_factory=list)  # those of them that have the group's id
    loose: list[TerraformRule] = field(default_factory=list)  # resources of which the files do not tell the group
    others: list[TerraformRule] = field(default_factory=list)  # resources of groups that are others for sure


def find_in_terraform(
    files: Iterable[TerraformFile],
    described: SecurityGroup,
    exposures: Sequence[Exposure],
    replacements: Sequence[str],
    links: Mapping[str, str] | None = None,
    account_and_region: tuple[str, str] = ("", ""),
    overridden: Collection[str] = (),
    *,
    is_elsewhere_defined: bool = False,
) -> Found:
    """Where Terraform files define a group and its exposures.

    `replacements` are the CIDRs and prefix lists that an open source becomes; `links` are those to folders, by path;
    `account_and_region` are the group's; empty: not known. `overridden`: folders with an override file that was not
    read. `is_elsewhere_defined`: whether the group is known to be defined by something else, such as a stack.
    """
    configurations = Configurations(files, links, overridden)
    search = _Search(
        configurations, described, (*account_and_region, described.vpc_id), replacements, configurations.groups()
    )
    _attach_rules(search)
    # What names the group by its id, or reads it, is a surer place than half a match.
    unexplained = [each for each in exposures if not _matches(configurations, search.rules, each)]
    candidates = _agreeing(list(_candidates(search)), unexplained, strictly=is_elsewhere_defined)
    chosen = _with_all_exposures(search, _choose(candidates, exposures), exposures)
    undecided = _undecided(candidates) if not chosen and candidates else None
    groups = [candidate.group for candidate in chosen]
    # Where several may be the group, a data source's name is no more than theirs: the id alone tells.
    uses = [search.by_id] if undecided else [[*group.rules, *search.rules] for group in groups] or [search.rules]
    matches = {exposure: _matches_of_any(configurations, uses, exposure) for exposure in exposures}
    if undecided:
        matches = {each: found if found and found[0].rank == _SURE else [] for each, found in matches.items()}
    frozen = any(group.ignores_ingress for group in groups)
    patch, narrowed = _patch(search, groups, matches, frozen)
    locations = {
        exposure: location
        for exposure, found in matches.items()
        if (location := _rule_location(search, exposure, found, chosen, narrowed, patch, frozen)) is not None
    }
    untold = [each for each in exposures if each not in locations]
    loose = {each: _loose_location(search, each) for each in untold}
    if undecided:
        loose = {each: RuleLocation(each, undecided, Edit.NONE, _of_list(each)) for each in untold}
    return Found(
        group=undecided
        or _group_location(chosen, any(location.location.kind is Kind.TERRAFORM for location in locations.values())),
        rules=locations | {exposure: location for exposure, location in loose.items() if location is not None},
        patches=patch.patches,
        before_diff=_several(search, groups, narrowed) if patch.patches else [],
        returns=Returns.UNKNOWN if frozen else None,
    )


def _undecided(candidates: Sequence[_Candidate]) -> Location:
    """The place of a group that may be any of several."""
    listed = {f"{each.group.address} at {_where(each, candidates)} may be it" for each in candidates}
    return Location(evidence=tuple(sorted(listed)))


def _where(candidate: _Candidate, others: Iterable[_Candidate]) -> str:
    """Path and line; with the folder where another repository has a file of the same path."""
    file, where = candidate.group.file, candidate.group.where
    same = [each for each in others if each.group.where == where and each.group.file.identity != file.identity]
    return f"{where} in {file.folder}" if same else where


# The group


def _attach_rules(search: _Search) -> None:
    """Give each rule that is a resource of its own to the group, or each of the groups, that it may be a rule of."""
    for rule in search.configurations.rule_resources():
        node = rule.resource.get("security_group_id")
        if node is None:
            continue
        found = search.configurations.resolve(node, rule.file, rule.context)
        if found.node is not None and found.node.value not in ("", "null"):  # a default that has to be overruled
            if found.node.value == search.described.group_id:
                search.rules.append(rule)
                search.by_id.append(rule)
            else:
                search.others.append(rule)
            continue
        named = named_references(search.configurations, found.expression or node, found, rule)
        groups = [each for each in search.groups if any(_refers(*reference, each) for reference in named)]
        answers = [_is_group_elsewhere(search, *reference) for reference in named]
        if (groups or True in answers) and (len(named) > 1 or len(groups) > 1):
            rule.group_decider = shown_expression(node)
        for group in groups:
            group.rules.append(rule)
        if not groups:
            if True in answers:
                search.rules.append(rule)
            else:
                (search.loose if not answers or None in answers else search.others).append(rule)


def _refers(tokens: tuple[str, ...], context: Context, group: TerraformGroup) -> bool:
    if len(tokens) < 3 or tokens[1] != ".":
        return False
    if tokens[0] == "module":
        called = group.context.call
        if called is not None and group.context.parent is context and called[1].labels == (tokens[2],):
            return group.block.name == "resource"
        return group.context is context and group.block.name == "module" and group.block.labels == (tokens[2],)
    if group.context is not context:
        return False
    if tokens[-1] == "default_security_group_id":
        return group.block.labels[:1] == ("aws_default_security_group",)
    return group.block.labels == (tokens[0], tokens[2])


def _is_group_elsewhere(search: _Search, tokens: tuple[str, ...], context: Context) -> bool | None:
    """Whether a reference is to the group by its id, or by a data source that reads it; None: the files do not tell."""
    if len(tokens) == 1:
        return tokens[0] == search.described.group_id
    if tokens[:3] != ("data", ".", "aws_security_group") or len(tokens) < 5:
        return None
    for file, block in search.configurations.blocks(context.folder, "data"):
        if block.labels == ("aws_security_group", tokens[4]):
            if is_elsewhere(search.configurations, block, file, context, search.where):
                return False
            texts = {search.configurations.text(block.get(key), file, context) for key in ("name", "id")} - {None}
            return bool(texts & {search.described.name, search.described.group_id}) if texts else None
    return None


def _candidates(search: _Search) -> Iterable[_Candidate]:
    described, configurations = search.described, search.configurations
    tag = described.tags.get("git_file", "")
    for group in search.groups:
        file, context, block = group.file, group.context, group.block
        evidence: list[str] = []
        name = _name_agrees(configurations, group, described.name)
        text = configurations.text(block.get("description"), file, context)
        if name is False and block.labels[:1] == ("aws_default_security_group",):
            continue
        if name:
            evidence.append(f"its name is that of {group.address} at {group.where}")
        if text and text == described.description and text != _NO_DESCRIPTION:
            evidence.append(f"its description is that of {group.address} at {group.where}")
        if not evidence or is_elsewhere(configurations, block, file, context, search.where):
            continue
        other = "name" if name is False else ""
        if not other and _other_description(configurations, group, described.description):
            other = "description"
        if other:
            evidence.append(f"its {other} is another one there")
        exact = bool(tag) and _same_file(file.path, tag)
        if exact:
            evidence.append(f"its tag git_file names {tag}")
        yield _Candidate(group, exact, tuple(evidence), other)


def _agreeing(candidates: Sequence[_Candidate], exposures: Sequence[Exposure], *, strictly: bool) -> list[_Candidate]:
    """The candidates that count. `strictly`: only those of which neither name nor description is another one.

    One whose name or description is another one counts only where no other may be the group: neither ever changes, but
    a configuration may leave one as it was (`ignore_changes`), or be imported or changed and not applied. One with
    another name counts only where none has the group's: many groups have the same description.
    """
    agreeing = [each for each in candidates if not each.other]
    if agreeing or strictly:
        return agreeing
    if named := [each for each in candidates if each.other != "name"]:
        return [each for each in named if each.exact or _has_ports(each, exposures)]
    # All of them: a description that several have does not tell which it is, whatever their ports are.
    return list(candidates) if any(each.exact or _has_ports(each, exposures) for each in candidates) else []


def _same_file(path: str, tag: str) -> bool:
    this, other = path.replace("\\", "/").strip("/"), tag.removeprefix("./").strip("/")
    return this == other or this.endswith(f"/{other}") or other.endswith(f"/{this}")


def _other_description(configurations: Configurations, group: TerraformGroup, described: str) -> bool:
    """Whether the configuration gives another description than the group has: a description never changes."""
    if group.block.labels[:1] == ("aws_default_security_group",) or group.block.name == "module":
        return False
    node = configurations.argument(group.block, "description", group.file, group.context)
    if node is None:
        return described != _NO_DESCRIPTION
    text = configurations.sure_text(node, group.file, group.context)
    return text is not None and text != described


def _name_agrees(configurations: Configurations, group: TerraformGroup, name: str) -> bool | None:
    """Whether the configuration names the group so; None: it does not tell."""
    file, context, block = group.file, group.context, group.block
    if block.labels[:1] == ("aws_default_security_group",):
        return name == "default"
    for key in ("name", "name_prefix"):
        if (node := configurations.argument(block, key, file, context)) is None:
            continue
        given, sure = configurations.filled(node, file, context) or (None, False)
        if given is None:
            return None
        # A module may add a suffix of its own, as the provider does after a prefix: 26 characters.
        with_suffix = given if key == "name_prefix" else f"{given}-" if block.name == "module" else ""
        agrees = (key == "name" and given == name) or _has_prefix(name, with_suffix)
        return agrees if agrees or sure else None
    if block.name == "module":
        return None
    return None if name.startswith(_MADE_NAME) else False


def _has_prefix(name: str, prefix: str) -> bool:
    return bool(prefix) and name.startswith(prefix) and len(name) - len(prefix) == 26


def _choose(candidates: Sequence[_Candidate], exposures: Sequence[Exposure]) -> list[_Candidate]:
    """The candidates that are all in one place; none: nobody can tell which of several places it is."""
    exact = [each for each in candidates if each.exact]
    for some in (exact, candidates):
        if len(some) > 1 and all(each.other == "name" for each in some):
            continue  # nothing but a description is the group's, and several have it
        for chosen in (some, [each for each in some if _has_ports(each, exposures)]):
            locations = {(each.group.file.identity, each.group.block.start) for each in chosen}
            if len(locations) == 1:
                return list(chosen)
    return []


def _with_all_exposures(
    search: _Search, chosen: Sequence[_Candidate], exposures: Sequence[Exposure]
) -> list[_Candidate]:
    """Of several uses of a module those that have each exposure that any of them has; all of them where none has."""
    if len(chosen) < 2:
        return list(chosen)
    explained = [
        {each for each in exposures if _matches(search.configurations, [*use.group.rules, *search.rules], each)}
        for use in chosen
    ]
    every = set().union(*explained)
    return [use for use, has in zip(chosen, explained, strict=True) if has == every] or list(chosen)


def _has_ports(candidate: _Candidate, exposures: Sequence[Exposure]) -> bool:
    return any(is_same_traffic(rule.traffic, exposure[:3]) for rule in candidate.group.rules for exposure in exposures)


def _group_location(chosen: Sequence[_Candidate], has_rules: bool) -> Location | None:
    if not chosen:
        return None
    first = chosen[0]
    sure = Confidence.EXACT if first.exact else Confidence.LIKELY if has_rules else Confidence.HINT
    return Location(Kind.TERRAFORM, sure, first.group.where, first.evidence)


# Its rules


def _matches(configurations: Configurations, rules: Iterable[TerraformRule], exposure: Exposure) -> list[_Match]:
    """The rules that can be an exposure's: the most certain only, each place once."""
    found: dict[tuple[int, int], _Match] = {}
    for rule in rules:
        if rule.traffic is not None and not is_same_traffic(rule.traffic, exposure[:3]):
            continue
        for match in _of_rule(configurations, rule, exposure):
            found.setdefault(match.position, match)
    best = max((match.rank for match in found.values()), default=0)
    return [match for match in found.values() if match.rank == best]


def _matches_of_any(
    configurations: Configurations, uses: Iterable[Iterable[TerraformRule]], exposure: Exposure
) -> list[_Match]:
    """The same of the rules of each use of a module that may be the group: one use is no surer than another."""
    found: dict[tuple[int, int], _Match] = {}
    for rules in uses:
        for match in _matches(configurations, rules, exposure):
            first = found.setdefault(match.position, match)
            if first is not match and not match.items:
                found[match.position] = replace(first, others=(*first.others, match))
    return list(found.values())


def _of_rule(configurations: Configurations, rule: TerraformRule, exposure: Exposure) -> Iterable[_Match]:
    sure = rule.traffic is not None
    kind = 2 if exposure.prefix_list_id else 1 if ":" in exposure.cidr else 0
    names = (("cidr_blocks", "cidr_ipv4"), ("ipv6_cidr_blocks", "cidr_ipv6"), ("prefix_list_ids", "prefix_list_id"))
    sources = [source for source in rule.sources if source.key in names[kind]]
    for source in sources:
        items, pieces, unknown = _hits(configurations, source, exposure)
        if items:
            yield _Match(rule, source, items, pieces, sure)
        elif unknown:
            yield _Match(rule, source, (), (), sure)
    if not rule.sources and not rule.peers and rule.shape in ("dynamic", "module"):
        yield _Match(rule, None, (), (), sure)


def _hits(
    configurations: Configurations, source: SourceList, exposure: Exposure
) -> tuple[tuple[Hcl, ...], tuple[str, ...], bool]:
    """The literals that are an exposure's source, the pieces of a string that are, and if anything is not known."""
    node = source.value.node
    if node is None:
        return (), (), True
    if node.kind == "string":
        pieces = tuple(piece.strip() for piece in node.value.split(",") if _is_source(piece.strip(), exposure))
        return ((node,) if pieces else ()), pieces, False
    items, unknown = [], False
    for item in node.items:
        if item.kind == "string":
            items += [item] if _is_source(item.value, exposure) else []
        elif item.kind == "expression":
            literal = configurations.resolve(item, source.value.file, source.value.context).node
            # A literal that an expression leads to is pointed at.
            unknown = unknown or literal is None or (literal.kind == "string" and _is_source(literal.value, exposure))
    return tuple(items), (), unknown


def _is_source(text: str, exposure: Exposure) -> bool:
    if exposure.prefix_list_id:
        return text == exposure.prefix_list_id
    try:
        return str(parse_network(text)) == exposure.cidr
    except ValueError:
        return False


# The patch


def _patch(
    search: _Search,
    groups: Sequence[TerraformGroup],
    matches: Mapping[Exposure, Sequence[_Match]],
    frozen: bool,
) -> tuple[TerraformPatch, dict[Exposure, Narrowing]]:
    """Patch every literal source that is in one place alone."""
    together: dict[tuple[int, int, bool], tuple[list[_Match], dict[int, Hcl], set[str], list[Exposure]]] = {}
    for exposure, found in matches.items():
        if len(found) != 1 or frozen or exposure.prefix_list_id:
            continue
        match = found[0]
        if _why_not(search.configurations, match) or match.source is None or match.source.value.node is None:
            continue
        key = (match.source.value.file.identity, match.source.value.node.start, match.rule.shape == "single")
        entry = together.setdefault(key, ([], {}, set(), []))
        entry[0].append(match)
        entry[1].update({item.start: item for item in match.items})
        entry[2].update(match.pieces)
        entry[3].append(exposure)
    narrowed: dict[Exposure, Narrowing] = {}
    for (match, *more), items, pieces, exposures in together.values():
        if match.source is not None and not _shared(search, match, items, matches):
            others = tuple(dict.fromkeys(each.rule for each in more if each.rule is not match.rule))
            narrowing = Narrowing(match.rule, match.source, tuple(items.values()), tuple(sorted(pieces)), others)
            narrowed |= dict.fromkeys(exposures, narrowing)
    ordered = sorted(set(narrowed.values()), key=lambda n: (n.source.value.file.path, n.items[0].start))
    open_literals = {(n.source.value.file.identity, item.start) for n in ordered for item in n.items}
    open_literals |= _pointed_at(matches)

    def admit(rules: Iterable[TerraformRule], narrowing: Narrowing, replacement: str) -> bool:
        return any(
            other.node is not narrowing.rule.node
            and is_same_traffic(other.traffic, narrowing.rule.traffic)
            and _kind_decider(search.configurations, other) is None
            and _is_made_with(other, narrowing.rule)
            and _stays(other, replacement, open_literals)
            for other in rules
        )

    def is_admitted(narrowing: Narrowing, replacement: str) -> bool:
        # Each use of a module makes a group of its own: what one use admits is not admitted in the other.
        if _has_narrowed([*search.loose, *search.others], narrowing):
            return False
        own = search.rules if len(groups) == 1 else []  # which of several groups is the described one is not known
        shared = [group for group in search.groups if _has_narrowed(group.rules, narrowing)]
        users = [[*group.rules, *(own if group in groups else [])] for group in shared]
        if _has_narrowed(search.rules, narrowing):
            users += [[*group.rules, *search.rules] for group in groups] or [search.rules]
        return all(admit(rules, narrowing, replacement) for rules in users)

    moved = search.configurations.moved_names()

    def taken(rule: TerraformRule) -> set[str]:
        blocks = search.configurations.blocks(rule.context.folder, "resource")
        return {block.labels[-1] for _, block in blocks if block.labels} | moved

    return patch_terraform(ordered, search.replacements, is_admitted, taken), narrowed


def _pointed_at(matches: Mapping[Exposure, Sequence[_Match]]) -> set[tuple[int, int]]:
    """The literals that open: what one admits for that alone it does not when a person has narrowed it, too."""
    return {
        (match.source.value.file.identity, item.start)
        for found in matches.values()
        for match in found
        for item in match.items
        if match.source is not None and "," not in item.value  # beside it other sources, which stay
    }


def _has_narrowed(rules: Iterable[TerraformRule], narrowing: Narrowing) -> bool:
    """Whether a literal that is narrowed is a source of one of these rules."""
    file, starts = narrowing.source.value.file, {narrowing.items[0].start}
    return any(_has_literal(rule, file, starts) for rule in rules)


def _has_literal(rule: TerraformRule, file: TerraformFile, starts: Collection[int]) -> bool:
    """Whether a literal that starts at one of these places of a file is a source of a rule."""
    return any(
        item.start in starts
        for source in rule.sources
        if source.value.node is not None and source.value.file.identity == file.identity
        for item in source.value.node.items or [source.value.node]
    )


def _is_made_with(rule: TerraformRule, other: TerraformRule) -> bool:
    """Whether a rule is there, in the same group, wherever another one is."""
    if rule.resource is other.resource:
        return True
    own = [(key, node) for key in ("count", "for_each") if (node := rule.resource.get(key)) is not None]
    if not own:
        return True
    # The same expression in the same module, such as that by which all of it is switched off.
    group_ids = [each.resource.get("security_group_id") for each in (rule, other)]
    return (
        rule.context is other.context
        and all(node == other.resource.get(key) for key, node in own)
        and (None in group_ids or group_ids[0] == group_ids[1])
    )


def _stays(rule: TerraformRule, replacement: str, open_literals: set[tuple[int, int]]) -> bool:
    """Whether a rule admits a replacement by a literal that opens nothing."""
    if rule.shape == "dynamic" or rule.group_decider:
        return False
    for source in rule.sources:
        node = source.value.node
        for item in [] if node is None else node.items or [node]:
            if item.kind != "string" or (source.value.file.identity, item.start) in open_literals:
                continue
            if any(admits(piece.strip(), replacement) for piece in item.value.split(",")):
                return True
    return False


def _why_not(configurations: Configurations, match: _Match) -> str:
    """Why a match is pointed at; empty: its literals can be patched."""
    rule, source = match.rule, match.source
    if overrides := _overrides(configurations, rule):
        return f"override files say otherwise of it: {', '.join(overrides)}"
    if rule.group_decider:
        return f"{rule.group_decider} decides which group it is a rule of, at {rule.where}"
    if rule_ignores_changes(rule):
        return "lifecycle.ignore_changes: Terraform leaves this source as it is in EC2"
    if (kind := _kind_decider(configurations, rule)) is not None:
        return f"{shown_expression(kind)} decides whether it is an ingress rule, at {rule.where}"
    if rule.shape == "dynamic":
        return _dynamic_decider(configurations, rule, source)
    if source is None or not match.sure:
        ports = [rule.node.get(key) for key in ("protocol", "ip_protocol", "from_port", "to_port")]
        parts = [each for each in (*ports, rule.resource.get("for_each")) if each is not None]
        steps = [text for each in parts for text in configurations.definitions(each, rule.file, rule.context)]
        return f"its ports are not literal, at {rule.where}" + (f": {', '.join(dict.fromkeys(steps))}" if steps else "")
    if not match.items or not source.value.patchable:
        value = source.value
        steps = [text for _, text in value.steps]
        unknown = [value.unknown] if value.unknown else []
        for item in value.node.items if value.node is not None and not value.steps else ():
            unknown += [shown_expression(item)] if item.kind == "expression" else []
        for part in filter(None, (value.expression, value.node if not match.items else None)):
            steps += [text for text in configurations.definitions(part, value.file, value.context) if text not in steps]
        each = rule.resource.get("for_each")
        if source.value.unknown.startswith("each.") and each is not None:
            location = configurations.resolve(each, rule.file, rule.context)
            unknown.append(f"for_each at {rule.file.where(each)}")
            steps += [text for _, text in location.steps]
        return f"{', '.join([*unknown, *steps]) or 'an expression'} decides it, used at {rule.where}"
    return ""


def _kind_decider(configurations: Configurations, rule: TerraformRule) -> Hcl | None:
    """The expression that decides whether a rule is ingress: it may be egress, of some uses or of all; None: it is."""
    kind = rule.resource.get("type") if rule.shape == "rule" else None
    return kind if kind is not None and configurations.text(kind, rule.file, rule.context) is None else None


def _overrides(configurations: Configurations, rule: TerraformRule) -> list[str]:
    """Where override files change the resource of a rule, or a call of a module that it is in."""
    blocks = [(rule.resource, rule.context.folder)]
    for use in rule.context.with_callers():
        if use.call is not None and use.parent is not None:
            blocks.append((use.call[1], use.parent.folder))
    return [where for block, folder in blocks if (where := configurations.override_of(block, folder))]


def _dynamic_decider(configurations: Configurations, rule: TerraformRule, source: SourceList | None) -> str:
    """What decides a rule that an expression makes: what it is made for each of, or the argument with its sources."""
    found: list[str] = []
    for dynamic in rule.resource.blocks("dynamic"):
        value = dynamic.get("for_each")
        if value is not None and any(content is rule.node for content in dynamic.blocks("content")):
            resolved = configurations.resolve(value, rule.file, rule.context)
            looped = "".join(value.tokens) or "a literal"
            found.append(f"dynamic block for each of {looped} at {rule.file.where(value)}")
            found += [text for _, text in resolved.steps]
    if source is not None and source.attribute is not None and not found:
        found.append(f"{source.attribute.name} at {rule.file.where(source.attribute)}, with named rules,")
    if source is not None:
        found += [text for _, text in source.value.steps]
        found += [source.value.unknown] if source.value.unknown else []
    return f"{', '.join(found) or 'an expression'} decides it, used at {rule.where}"


def _shared(
    search: _Search, match: _Match, items: Iterable[int], matches: Mapping[Exposure, Sequence[_Match]]
) -> list[str]:
    """The rules that the same literals decide, and that do not expose."""
    source = match.source
    if source is None:
        return []
    starts = set(items)
    exposing = {id(found.rule.node) for each in matches.values() for found in each if found.items}
    shared: dict[str, None] = {}
    everything = [*(rule for group in search.groups for rule in group.rules), *search.rules]
    for rule in everything:
        if id(rule.node) in exposing:
            continue
        if _has_literal(rule, source.value.file, starts):
            shared[f"{traffic_text(*rule.traffic) if rule.traffic else 'a rule'} at {rule.where}"] = None
    sources = [other for rule in everything for other in rule.sources if other.value.node is not None]
    known = {id(other.attribute.items[0]) for other in sources if other.attribute}
    known |= {id(group.block.get("ingress")) for group in search.groups}
    return [*shared, *dict.fromkeys(f"what is at {at}" for at in _other_uses(search, match, source, known))]


def _other_uses(search: _Search, match: _Match, source: SourceList, known: set[int]) -> Iterator[str]:
    """Where a module uses the variable that gives a rule its sources for anything but ingress rules."""
    if source.attribute is not None:
        yield from search.configurations.other_uses(source.attribute.items[0], match.rule.context, known)
    for group in search.groups:
        ingress = group.block.get("ingress")
        if ingress is not None and any(rule is match.rule for rule in group.rules):
            yield from search.configurations.other_uses(ingress, group.context, known)


def _of_list(exposure: Exposure) -> str:
    return f"{exposure.cidr} is an entry of prefix list {exposure.prefix_list_id}" if exposure.prefix_list_id else ""


def _rule_location(
    search: _Search,
    exposure: Exposure,
    found: Sequence[_Match],
    chosen: Sequence[_Candidate],
    narrowed: Mapping[Exposure, Narrowing],
    patch: TerraformPatch,
    frozen: bool,
) -> RuleLocation | None:
    if not found:
        return None
    listed = _of_list(exposure)
    if len(found) > 1:
        evidence = tuple(f"{match.rule.address} at {match.where} may be it" for match in found)
        return RuleLocation(exposure, Location(evidence=evidence), Edit.NONE, listed)
    match = found[0]
    owners = [each for each in chosen if any(rule is match.rule for rule in each.group.rules)]
    exact = bool(owners) and owners[0].exact and match.rank == _SURE
    sure = Confidence.EXACT if exact else Confidence.LIKELY if match.sure else Confidence.HINT
    evidence = (
        *(owners[0].evidence if owners else (f"{match.rule.address} names the group",)),
        f"its ports{' and source are' if match.items else ' are'} those of the rule at {match.rule.where}"
        if match.sure
        else f"the rule at {match.rule.where} may have its ports",
    )
    uses = [match, *match.others][:_LISTED]  # each use of a module that may be the group
    sources = [each.source for each in uses if each.source]
    steps = dict.fromkeys(text for source in sources for _, text in source.value.steps)
    location = Location(Kind.TERRAFORM, sure, match.where, (*evidence, *steps))
    notes = [listed] if listed else []
    narrowing = narrowed.get(exposure)
    if narrowing is not None and narrowing not in patch.refused:
        if rest := patch.rest.get(narrowing, ()):
            notes.append(f"{', '.join(rest)} do not fit into it and need rules of their own")
        return RuleLocation(exposure, location, Edit.PATCH, "; ".join(notes))
    if narrowing is not None:
        notes.append(f"{match.where}: {patch.refused[narrowing]}")
    elif frozen:
        notes.append("lifecycle.ignore_changes: Terraform leaves the ingress rules as they are in EC2")
    elif reason := _why_not(search.configurations, match):
        reasons = dict.fromkeys([reason, *(_why_not(search.configurations, each) for each in uses[1:])])
        more = [f"in {count} more uses of its module"] if (count := len(match.others) + 1 - len(uses)) else []
        notes.append("; or ".join([*reasons, *more]))
    elif exposure.prefix_list_id:
        notes.append(f"change the list, or take it out at {match.rule.where}")
    else:
        starts = [item.start for item in match.items]
        notes.append(f"it decides also {', '.join(_shared(search, match, starts, {exposure: [match]}))}")
    return RuleLocation(exposure, location, Edit.POINTER, "; ".join(notes))


def _loose_location(search: _Search, exposure: Exposure) -> RuleLocation | None:
    """The rules with an exposure's ports and source that may be it: the files do not tell which group they are of."""
    found = [match for match in _matches(search.configurations, search.loose, exposure) if match.rank == _SURE]
    if not found:
        return None
    listed = [f"{match.rule.address} at {match.where} may be it: its group is not known here" for match in found]
    more = [f"and {len(listed) - _LISTED} more"] if len(listed) > _LISTED else []
    return RuleLocation(exposure, Location(evidence=(*listed[:_LISTED], *more)), Edit.NONE, _of_list(exposure))


def _several(search: _Search, groups: Sequence[TerraformGroup], narrowed: Mapping[Exposure, Narrowing]) -> list[str]:
    """What makes several groups, or rules, of one place."""
    found: dict[str, None] = {}
    for narrowing in narrowed.values():
        if (uses := _uses(search, narrowing)) > 1:
            rule = narrowing.rule
            text = f"{rule.address} at {rule.where} makes {uses} groups: its module is used {uses} times."
            found[text] = None
    blocks = [(group.block, group.file, group.context) for group in groups]
    blocks += [(n.rule.resource, n.rule.file, n.rule.context) for n in narrowed.values()]
    for block, file, context in blocks:
        calls = (use.call for use in context.with_callers() if use.call is not None)
        for holder, each in ((file, block), *calls):
            for key in ("count", "for_each"):
                attribute = each.attribute(key)
                if attribute is not None:
                    found[f"{key} at {holder.where(attribute)} makes several of it: this changes all of them."] = None
    return list(found)


def _uses(search: _Search, narrowing: Narrowing) -> int:
    """In how many uses of a folder the same literal counts."""
    of_groups = [rule for group in search.groups for rule in group.rules]
    rules = [*of_groups, *search.rules, *search.loose, *search.others]
    return len({id(rule.context) for rule in rules if _has_narrowed([rule], narrowing)})

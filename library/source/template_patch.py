"""The change of a template's text that narrows exposing sources, proved by parsing before and after. Pure.

A literal source becomes the configured replacements: the first takes its place, and the entry, which holds one source
only, is repeated for each other one. The patched text must parse to the tree in which exactly these sources changed;
what does not is left out and pointed at instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from library.security_groups.group import is_prefix_list
from library.source.location import Traffic, admits, is_same_traffic, normalized
from library.source.template_rules import TemplateGroup, TemplateGroups, TemplateRule, read_groups
from library.source.template_text import TemplateError, TemplateValues, Tree, function_of, parse_template
from library.source.text_edit import Patch, TextEdit, UnpatchableError, apply_edits, is_showable, line_end, new_names

_SHOWS_MORE = "a diff would show other parts of the template"

RulePosition = tuple[str, int, int]
"""A rule of a template's text: logical id, where its source begins, where its entry begins."""


@dataclass(frozen=True, slots=True)
class TemplatePatch:
    """What could be patched.

    Attributes:
        refused: why the others are not in it.
    """

    patch: Patch | None
    done: frozenset[RulePosition]
    refused: dict[RulePosition, str]


def rule_position(rule: TemplateRule) -> RulePosition:
    """What tells a rule of a text from every other."""
    return rule.logical_id, rule.source.start, rule.entry.start


def is_literal(rule: TemplateRule) -> bool:
    """Whether a source stands in the template as it is, on one line, under no Fn::If."""
    source = rule.source
    return (
        source.kind == "scalar"
        and function_of(source) is None
        and "{{resolve:" not in source.value
        and source.style in ("", '"', "'")
        and not rule.conditions
        and rule.key != "SourcePrefixListId"
    )


def patch_template(
    text: str,
    wanted: Iterable[RulePosition],
    replacements: Sequence[str],
    values: Callable[[Tree], TemplateValues],
    elsewhere: Mapping[RulePosition, str],
) -> TemplatePatch:
    """Narrow the sources of some rules, all of them exposing and with literal sources.

    `replacements` are CIDRs and prefix lists, as `remediation_sources` has them; `values` gives the template with its
    parameters. `elsewhere` are the other exposing rules, with the source that a parameter's change gives each; empty:
    it is not known.
    """
    keys = frozenset(wanted)

    def attempt_with(some: frozenset[RulePosition]) -> _Attempt:
        return _Attempt(text, replacements, values, some, elsewhere)

    attempt = attempt_with(keys)
    if not attempt.is_showable():
        shown = {key: attempt_with(frozenset({key})).is_showable() for key in keys}
        if all(shown.values()):
            return TemplatePatch(None, frozenset(), dict.fromkeys(keys, _SHOWS_MORE))
        found = patch_template(text, [key for key in keys if shown[key]], replacements, values, elsewhere)
        hidden = {key: _SHOWS_MORE for key in keys if not shown[key]}
        return TemplatePatch(found.patch, found.done, found.refused | hidden)
    if keys and not attempt.proven():
        good = frozenset(key for key in keys if attempt_with(frozenset({key})).proven())
        refused = attempt.refused | {
            key: attempt.refused.get(key, "the changed template would not read the same but for this source")
            for key in keys - good
        }
        attempt = attempt_with(good)
        if good and not attempt.proven():
            reason = "the changed template would not read the same but for its sources"
            return TemplatePatch(None, frozenset(), dict.fromkeys(keys, reason))
        attempt.refused = refused | attempt.refused
    done = keys - attempt.refused.keys()
    return TemplatePatch(attempt.patch() if attempt.edits else None, done, attempt.refused)


def replacement_key(replacement: str) -> str:
    """The property that holds a replacement."""
    if is_prefix_list(replacement):
        return "SourcePrefixListId"
    return "CidrIpv6" if ":" in replacement else "CidrIp"


@dataclass(slots=True)
class _Attempt:
    """One try, on a tree of its own: the tree is changed as the text should read afterwards."""

    text: str
    replacements: Sequence[str]
    values: Callable[[Tree], TemplateValues]
    wanted: frozenset[RulePosition]
    elsewhere: Mapping[RulePosition, str]
    edits: list[TextEdit] = field(default_factory=list)
    refused: dict[RulePosition, str] = field(default_factory=dict)
    _added: list[tuple[str, Traffic | None, str]] = field(default_factory=list)
    _visible: list[tuple[int, int]] = field(default_factory=list, init=False)
    _tree: Tree = field(init=False)
    _groups: TemplateGroups = field(init=False)

    def __post_init__(self) -> None:
        self._tree = parse_template(self.text)
        self._groups = read_groups(self.values(self._tree))
        self._show_sections()
        for group in self._groups.groups.values():
            for rule in group.rules:
                if rule_position(rule) in self.wanted:
                    self._show(rule.logical_id)
                    self._show(group.logical_id)
                    try:
                        self._narrow(group, rule)
                    except UnpatchableError as error:
                        self.refused[rule_position(rule)] = str(error)

    def _show_sections(self) -> None:
        """Parameters, conditions and mappings are the group's, too; but not the default of a secret."""
        for name in ("Parameters", "Conditions", "Mappings"):
            pair = self._tree.pair(name)
            if pair and not any(each.get("NoEcho") is not None for _, each in pair[1].named()):
                self._visible.append((pair[0].start, _last(pair[1])))

    def _show(self, logical_id: str) -> None:
        resources = self._tree.get("Resources")
        pair = resources.pair(logical_id) if resources is not None else None
        if pair:
            self._visible.append((pair[0].start, _last(pair[1])))

    def proven(self) -> bool:
        """Whether the changed text parses to the changed tree, and to nothing else."""
        try:
            return parse_template(apply_edits(self.text, self.edits)) == self._tree
        except (TemplateError, ValueError):
            return False

    def patch(self) -> Patch:
        """The edits, with what a diff of them may show: the resources that are changed."""
        return Patch(self.text, tuple(self.edits), tuple(self._visible))

    def is_showable(self) -> bool:
        """Whether a diff shows nothing else."""
        try:
            return is_showable(self.patch())
        except ValueError:
            return True  # such edits prove nothing, and are refused for that

    def _narrow(self, group: TemplateGroup, rule: TemplateRule) -> None:
        new = [each for each in self.replacements if not self._admitted(group, rule, each)]
        is_own = rule.entry.start <= rule.source_key.start < rule.source.start < rule.entry.end
        if new and (rule.source_key.value != rule.key or not is_own):
            raise UnpatchableError("its source is that of an anchor")
        if not new:
            self._take_out(rule)
        else:
            if len(new) > 1:
                self._repeat(rule, new[1:])
            self._replace(rule, new[0])
        # What is there now is what later rules of the same traffic find.
        rule.rule = None
        for each in new:
            self._added.append((group.logical_id, normalized(rule.traffic), each))

    def _admitted(self, group: TemplateGroup, rule: TemplateRule, replacement: str) -> bool:
        """Whether another rule of the same traffic, which stays, admits a replacement already."""
        if (group.logical_id, normalized(rule.traffic), replacement) in self._added:
            return True
        for other in group.rules:
            if other is rule or rule_position(other) in self.wanted:
                continue
            is_alike = is_same_traffic(other.traffic, rule.traffic) and not _conditional(other)
            if is_alike and self._admits(other, replacement):
                return True
        return False

    def _admits(self, rule: TemplateRule, replacement: str) -> bool:
        """Whether a rule that stays admits a replacement; one that exposes, too, when it is narrowed."""
        narrowed = self.elsewhere.get(rule_position(rule))
        if narrowed is not None:
            return bool(narrowed) and admits(narrowed, replacement)
        return rule.rule is not None and admits(rule.rule.prefix_list_id or rule.rule.cidr, replacement)

    def _replace(self, rule: TemplateRule, new: str) -> None:
        key = replacement_key(new)
        if key != rule.key:
            if rule.entry.pair(key):
                raise UnpatchableError(f"the entry has {key} already")
            self.edits.append(TextEdit(rule.source_key.start, rule.source_key.end, self._written(rule.source_key, key)))
            rule.source_key.value = key
        self.edits.append(TextEdit(rule.source.start, rule.source.end, self._written(rule.source, new)))
        rule.source.value = new

    def _written(self, old: Tree, new: str) -> str:
        """A text in the quotes of what it replaces."""
        return f"{old.style}{new}{old.style}"

    def _copy_text(self, start: int, end: int, rule: TemplateRule, new: str, also: Sequence[TextEdit] = ()) -> str:
        edits = [
            TextEdit(rule.source_key.start, rule.source_key.end, self._written(rule.source_key, replacement_key(new))),
            TextEdit(rule.source.start, rule.source.end, self._written(rule.source, new)),
            *also,
        ]
        return apply_edits(self.text[start:end], [TextEdit(e.start - start, e.end - start, e.new) for e in edits])

    def _copy_tree(self, tree: Tree, rule: TemplateRule, new: str) -> Tree:
        """A copy of the part of the tree that holds the rule, with another source."""
        memo: dict[int, object] = {}
        copied: Tree = deepcopy(tree, memo)
        key, source = memo[id(rule.source_key)], memo[id(rule.source)]
        assert isinstance(key, Tree)  # noqa: S101 - what deepcopy made of a Tree
        assert isinstance(source, Tree)  # noqa: S101
        key.value, source.value = replacement_key(new), new
        return copied

    def _repeat(self, rule: TemplateRule, more: Sequence[str]) -> None:
        if rule.resource is not None:
            self._repeat_resource(rule, rule.resource, more)
        elif rule.sequence is None:
            raise UnpatchableError("its entry stands alone, without a list that more could be added to")
        else:
            sequence, entry = rule.sequence, rule.entry
            index = next(i for i, item in enumerate(sequence.items) if item is entry)
            if sequence.style == "flow":
                separator = self._separator(sequence, index)
                copies = [separator + self._copy_text(entry.start, entry.end, rule, new) for new in more]
                self.edits.append(TextEdit(entry.end, entry.end, "".join(copies)))
            else:
                start, end = self._lines(_dash(self.text, entry.start), _last(entry))
                self._insert_lines(end, [self._copy_text(start, end, rule, new) for new in more])
            sequence.items[index + 1 : index + 1] = [self._copy_tree(entry, rule, new) for new in more]

    def _repeat_resource(self, rule: TemplateRule, pair: tuple[Tree, Tree], more: Sequence[str]) -> None:
        resources = self._tree.get("Resources")
        if resources is None:
            raise UnpatchableError("the resource is that of an anchor")
        index = next((i for i, each in enumerate(resources.pairs) if each[0] is pair[0]), None)
        key, value = pair
        if index is None or not resources.start <= key.start < value.start < rule.source_key.start < value.end:
            raise UnpatchableError("the resource is that of an anchor")
        names = new_names(key.value, "", {name for name, _ in resources.named()}, len(more))  # letters and digits only
        renamed = [TextEdit(key.start, key.end, self._written(key, name)) for name in names]
        if resources.style == "flow":
            separator = "," + self._before(key.start, "{,")
            copies = [
                separator + self._copy_text(key.start, value.end, rule, new, [edit])
                for new, edit in zip(more, renamed, strict=True)
            ]
            self.edits.append(TextEdit(value.end, value.end, "".join(copies)))
        else:
            start, end = self._lines(key.start, _last(value))
            copied = [self._copy_text(start, end, rule, new, [edit]) for new, edit in zip(more, renamed, strict=True)]
            self._insert_lines(end, copied)
        for offset, (name, new) in enumerate(zip(names, more, strict=True), 1):
            copy_key = deepcopy(key)
            copy_key.value = name
            resources.pairs.insert(index + offset, (copy_key, self._copy_tree(value, rule, new)))

    def _take_out(self, rule: TemplateRule) -> None:
        """Leave out an entry whose replacements others admit already, if its list is not empty then."""
        sequence, entry = rule.sequence, rule.entry
        if sequence is None or len(sequence.items) < 2:
            raise UnpatchableError("other rules admit its replacements already: take this one out")
        index = next(i for i, item in enumerate(sequence.items) if item is entry)
        if sequence.style != "flow":
            self.edits.append(TextEdit(*self._lines(_dash(self.text, entry.start), _last(entry)), ""))
        elif index:
            self.edits.append(TextEdit(sequence.items[index - 1].end, entry.end, ""))
        else:
            self.edits.append(TextEdit(entry.start, sequence.items[1].start, ""))
        del sequence.items[index]

    def _lines(self, start: int, end: int) -> tuple[int, int]:
        """The whole lines from `start`, which nothing stands before, to `end`.

        Raises:
            UnpatchableError: something does.
        """
        first = self.text.rfind("\n", 0, start) + 1
        if self.text[first:start].strip(" \ufeff"):
            raise UnpatchableError("its entry does not begin on a line of its own")
        last = self.text.find("\n", end)
        return first, len(self.text) if last < 0 else last + 1

    def _insert_lines(self, at: int, copies: Sequence[str]) -> None:
        end = line_end(self.text)
        inserted = "".join(copy if copy.endswith("\n") else copy + end for copy in copies)
        if at and not self.text[:at].endswith("\n"):  # the text has no line end at its end, and gets none
            inserted = end + inserted.removesuffix(end)
        self.edits.append(TextEdit(at, at, inserted))

    def _separator(self, sequence: Tree, index: int) -> str:
        """What stands between two members of a list in brackets, as the text has it."""
        items = sequence.items
        if len(items) > 1:
            before = index - 1 if index else 0
            between = self.text[items[before].end : items[before + 1].start]
            return between if between.strip() == "," else ", "
        return "," + self._before(items[0].start, "[")

    def _before(self, position: int, opening: str) -> str:
        """The white space before a position, after an opening sign; a space where something else stands there."""
        start = position
        while start and self.text[start - 1] in " \t\r\n":
            start -= 1
        return self.text[start:position] if start and self.text[start - 1] in opening else " "


def _conditional(rule: TemplateRule) -> bool:
    return bool(rule.conditions) or (rule.resource is not None and rule.resource[1].get("Condition") is not None)


def _last(tree: Tree) -> int:
    """Where the last sign of a part stands: YAML counts blank lines and comments after a block to the block."""
    children = [*tree.items, *(value for _, value in tree.pairs), *(key for key, _ in tree.pairs)]
    if tree.kind == "scalar" or tree.style == "flow" or not children:
        return tree.end - 1 if tree.style in ("|", ">") else tree.end
    return max(_last(child) for child in children)


def _dash(text: str, start: int) -> int:
    """Where the dash of an entry in a block sequence stands."""
    position = start - 1
    while position > 0 and text[position] in " \t\r\n":
        position -= 1
    if text[position] != "-":
        raise UnpatchableError("its entry does not begin on a line of its own")
    return position

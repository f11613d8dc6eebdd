"""The change of Terraform files that narrows exposing sources, proved by parsing before and after. Pure.

A literal that stands beside others in its list is taken out. A sole one becomes the configured replacements of its
family; a resource that holds one source only is repeated for each. No `ingress` block is removed: the provider does not
notice that the last one is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

from library.security_groups.group import is_prefix_list
from library.source.hcl import Hcl, HclError, TerraformFile, parse_hcl
from library.source.location import normalized
from library.source.terraform_rules import LIST_KEYS, SINGLE_KEYS, SourceList, TerraformRule
from library.source.text_edit import Patch, TextEdit, UnpatchableError, apply_edits, line_end, new_names

_SAME = "the changed file would not read the same but for this source"


@dataclass(frozen=True, slots=True, eq=False)
class Narrowing:
    """Exposing literals of one rule in one of its attributes.

    Attributes:
        items: the literals: members of a list, or the one string.
        pieces: of a string of several CIDRs, those that expose.
        others: the other rules that the same literals are sources of, by way of a module's variable. All expose.
    """

    rule: TerraformRule
    source: SourceList
    items: tuple[Hcl, ...]
    pieces: tuple[str, ...] = ()
    others: tuple[TerraformRule, ...] = ()


@dataclass(frozen=True, slots=True)
class TerraformPatch:
    """What could be patched.

    Attributes:
        refused: why the others are not in it.
        rest: replacements that a place could not hold.
    """

    patches: Mapping[str, Patch]
    refused: Mapping[Narrowing, str]
    rest: Mapping[Narrowing, tuple[str, ...]]


Admits = Callable[[Narrowing, str], bool]
"""Whether another rule of each group that the literals are of, which stays, admits a replacement already."""


def patch_terraform(
    narrowings: Sequence[Narrowing],
    replacements: Sequence[str],
    admits: Admits,
    taken_names: Callable[[TerraformRule], set[str]],
) -> TerraformPatch:
    """Narrow the source of each literal that exposes, once.

    `admits`: whether a replacement is there already; `taken_names`: the names of resources that a rule's folder has.
    """

    def attempt(some: Sequence[Narrowing]) -> _Attempt:
        return _Attempt(some, replacements, admits, taken_names)

    tried = attempt(narrowings)
    refused: dict[Narrowing, str] = {}
    if not tried.proven():
        good = [each for each in narrowings if (alone := attempt([each])).proven() and not alone.refused]
        refused = {each: tried.refused.get(each, _SAME) for each in narrowings if each not in good}
        tried = attempt(good)
        if not tried.proven():
            return TerraformPatch({}, dict.fromkeys(narrowings, _SAME), {})
    return TerraformPatch(tried.patches(), refused | tried.refused, tried.rest)


def kind_of_source(replacement: str) -> int:
    """The position of the attribute that holds a replacement in LIST_KEYS and SINGLE_KEYS."""
    return 2 if is_prefix_list(replacement) else 1 if ":" in replacement else 0


@dataclass(slots=True)
class _Attempt:
    """One try, on copies of the trees, which are changed as the files should read afterwards."""

    narrowings: Sequence[Narrowing]
    replacements: Sequence[str]
    admits: Admits
    taken_names: Callable[[TerraformRule], set[str]]
    refused: dict[Narrowing, str] = field(default_factory=dict)
    rest: dict[Narrowing, tuple[str, ...]] = field(default_factory=dict)
    _files: dict[str, TerraformFile] = field(default_factory=dict)
    _trees: dict[str, Hcl] = field(default_factory=dict)
    _memo: dict[int, object] = field(default_factory=dict)
    _edits: dict[str, list[TextEdit]] = field(default_factory=dict)
    _added: set[tuple[object, str]] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for narrowing in self.narrowings:
            try:
                self._take(narrowing.source.value.file)
                self._take(narrowing.rule.file)
                self._narrow(narrowing)
            except UnpatchableError as error:
                self.refused[narrowing] = str(error)

    def _take(self, file: TerraformFile) -> None:
        """Copy the tree of a file that is to be changed."""
        known = self._files.get(file.path)
        if known is None:
            self._files[file.path] = file
            self._trees[file.path] = deepcopy(file.tree, self._memo)
        elif known.identity != file.identity:
            raise UnpatchableError("the diff changes a file of the same path in another repository")

    def proven(self) -> bool:
        """Whether each changed text parses to its changed tree, and to nothing else."""
        try:
            return all(
                parse_hcl(apply_edits(self._files[path].text, edits)) == self._trees[path]
                for path, edits in self._edits.items()
            )
        except (HclError, ValueError):
            return False

    def patches(self) -> dict[str, Patch]:
        """The edits of each file."""
        return {path: Patch(self._files[path].text, tuple(edits)) for path, edits in self._edits.items()}

    def _edit(self, path: str, start: int, end: int, new: str) -> None:
        self._edits.setdefault(path, []).append(TextEdit(start, end, new))

    def _copy(self, node: Hcl) -> Hcl:
        """The part of the changed tree that a part of the file's tree became."""
        found = self._memo[id(node)]
        assert isinstance(found, Hcl)  # noqa: S101 - what deepcopy made of an Hcl
        return found

    def _narrow(self, narrowing: Narrowing) -> None:
        rule, source = narrowing.rule, narrowing.source
        wanted = self._wanted(narrowing)
        node = source.value.node
        if node is None:
            raise UnpatchableError(_SAME)
        if narrowing.others and len(narrowing.items) >= len(node.items):  # else the others in its list stay alone
            if any(self._wanted(replace(narrowing, rule=other)) != wanted for other in narrowing.others):
                raise UnpatchableError("other rules admit some of its replacements already, for one of its ports alone")
            if not any(kind_of_source(each) == _kind_of(source) for each in wanted):
                raise UnpatchableError("no configured replacement fits into it")
        if rule.shape == "single":
            added = self._single(narrowing, node, wanted)
        elif node.kind == "list":
            added = self._list(narrowing, node, wanted)
        else:
            added = self._string(narrowing, node, wanted)
        self._added |= {(normalized(each.traffic), new) for each in (rule, *narrowing.others) for new in added}

    def _wanted(self, narrowing: Narrowing) -> list[str]:
        """The replacements that no other rule of the traffic admits."""
        # All of them are rules of one group: EC2 refuses the same rule twice, whichever resource has it.
        traffic = normalized(narrowing.rule.traffic)
        new = (each for each in self.replacements if (traffic, each) not in self._added)
        return [each for each in new if not self.admits(narrowing, each)]

    # Lists

    def _list(self, narrowing: Narrowing, node: Hcl, wanted: Sequence[str]) -> Sequence[str]:
        """Narrow a list. Returns the replacements that it holds then, of those that were wanted."""
        path = narrowing.source.value.file.path
        kind = LIST_KEYS.index(narrowing.source.key)
        hits = {id(item) for item in narrowing.items}
        matching = [each for each in wanted if kind_of_source(each) == kind]
        copy = self._copy(node)
        if len(hits) < len(node.items):
            self._remove(path, node, hits)
            copy.items = [self._copy(item) for item in node.items if id(item) not in hits]
            return ()
        configured = [each for each in self.replacements if kind_of_source(each) == kind]
        if matching:
            first, *others = node.items
            self._edit(path, first.start, first.end, _quoted(matching))
            self._remove(path, node, {id(item) for item in others})
            copy.items = [Hcl("string", value=each) for each in matching]
            rest = tuple(each for each in wanted if each not in matching)
            if rest and not self._others_stay(narrowing):
                self.rest[narrowing] = rest
            return matching
        if self._others_stay(narrowing):
            self._remove(path, node, hits)
            copy.items = []
            return ()
        if configured or not wanted:
            raise UnpatchableError("other rules admit its replacements already: take this one out by hand")
        self._other_family(narrowing, node, wanted)
        return wanted

    def _others_stay(self, narrowing: Narrowing) -> bool:
        """Whether the rule has sources beside this list once everything is narrowed."""
        rule = narrowing.rule
        if rule.peers:
            return True
        for other in rule.sources:
            if other is narrowing.source:
                continue
            node = other.value.node
            neighbour = next((each for each in self.narrowings if each.source is other), None)
            if node is None or (node.items and (neighbour is None or len(neighbour.items) < len(node.items))):
                return True
            if neighbour is not None and any(
                kind_of_source(each) == LIST_KEYS.index(other.key) for each in self.replacements
            ):
                return True
        return False

    def _other_family(self, narrowing: Narrowing, node: Hcl, wanted: Sequence[str]) -> None:
        """Put replacements of another family into the attribute for that family, if the rule can have it."""
        rule, source = narrowing.rule, narrowing.source
        path, attribute = source.value.file.path, source.attribute
        kinds = {kind_of_source(each) for each in wanted}
        if (
            rule.shape == "module"
            or attribute is None
            or attribute not in rule.node.members()
            or len(kinds) != 1
            or source.value.steps
        ):
            raise UnpatchableError("no configured replacement fits into it")
        key = LIST_KEYS[kinds.pop()]
        other = rule.node.attribute(key)
        if other is None:
            self._edit(path, attribute.name_start, attribute.name_end, key)
            first, *others = node.items
            self._edit(path, first.start, first.end, _quoted(wanted))
            self._remove(path, node, {id(item) for item in others})
            copy = self._copy(attribute)
            copy.name = key
            copy.items[0].items = [Hcl("string", value=each) for each in wanted]
            return
        value = other.items[0]
        if value.kind != "list" or value.items:
            raise UnpatchableError(f"no configured replacement fits into it, and {key} is not empty")
        self._edit(path, value.start, value.end, f"[{_quoted(wanted)}]")
        self._copy(value).items = [Hcl("string", value=each) for each in wanted]
        self._remove(path, node, {id(item) for item in node.items})
        self._copy(node).items = []

    def _remove(self, path: str, node: Hcl, hits: set[int]) -> None:
        """Take members out of a list, with a comma each, and with their lines where nothing else is on these."""
        text = self._files[path].text
        items = node.items
        index = 0
        while index < len(items):
            if id(items[index]) not in hits:
                index += 1
                continue
            last = index
            while last + 1 < len(items) and id(items[last + 1]) in hits:
                last += 1
            self._remove_run(path, text, node, index, last)
            index = last + 1

    def _remove_run(self, path: str, text: str, node: Hcl, first: int, last: int) -> None:
        items = node.items
        lines = [_own_lines(text, items[i].start, items[i].end, node.end - 1) for i in range(first, last + 1)]
        start, end = items[first].start, items[last].end
        after = items[last + 1].start if last + 1 < len(items) else node.end - 1
        before = items[first - 1].end if first else node.start + 1
        if not any(lines):
            if last + 1 < len(items) and text[end:after].strip(" \t") == ",":
                self._edit(path, start, after, "")
                return
            if last + 1 == len(items) and first and text[before:start].strip(" \t") == ",":
                self._edit(path, before, end, "")
                return
        for i, line in zip(range(first, last + 1), lines, strict=True):
            limit = items[i + 1].start if i + 1 < len(items) else node.end - 1
            self._edit(path, *(line or _with_comma(text, items[i], limit)), "")

    # Strings

    def _string(self, narrowing: Narrowing, node: Hcl, wanted: Sequence[str]) -> Sequence[str]:
        """A string with CIDRs and commas between them, as modules of registries take. Returns the same as `_list`."""
        path = narrowing.source.value.file.path
        pieces = node.value.split(",")
        stay = [piece for piece in pieces if piece.strip() not in narrowing.pieces]
        key = narrowing.source.key
        kind = _kind_of(narrowing.source)
        matching = [each for each in wanted if kind_of_source(each) == kind]
        if key in SINGLE_KEYS and len(matching) > 1:
            raise UnpatchableError("it holds one source only")
        new = ",".join(stay or matching)
        if not new:
            raise UnpatchableError("no configured replacement fits into it")
        self._edit(path, node.start + 1, node.end - 1, new)
        self._copy(node).value = new
        return () if stay else matching

    # Resources that hold one source

    def _single(self, narrowing: Narrowing, node: Hcl, wanted: Sequence[str]) -> Sequence[str]:
        rule, source = narrowing.rule, narrowing.source
        path = source.value.file.path
        if not wanted:
            raise UnpatchableError("other rules admit its replacements already: take the resource out by hand")
        if source.value.steps:
            same = [each for each in wanted if kind_of_source(each) == SINGLE_KEYS.index(source.key)]
            if len(wanted) > 1 or not same:
                raise UnpatchableError("it holds one source only, and is given by a module's call")
            self._edit(path, node.start + 1, node.end - 1, same[0])
            self._copy(node).value = same[0]
            return same
        block, attribute = rule.resource, source.attribute
        if attribute is None or attribute.items[0] is not node:
            raise UnpatchableError(_SAME)
        text = rule.file.text
        copies, copied = [], []
        for new, name in zip(wanted[1:], self._new_names(rule, len(wanted) - 1), strict=True):
            edits = [*_single_edits(attribute, new), _label_edit(text, block, name)]
            moved = [TextEdit(e.start - block.start, e.end - block.start, e.new) for e in edits]
            copies.append(apply_edits(text[block.start : block.end], moved))
            memo: dict[int, object] = {}
            copy = deepcopy(block, memo)
            copy.labels = (*copy.labels[:-1], name)
            _change_single(memo[id(attribute)], new)
            copied.append(copy)
        for edit in _single_edits(attribute, wanted[0]):
            self._edit(path, edit.start, edit.end, edit.new)
        _change_single(self._copy(attribute), wanted[0])
        gap = line_end(text) * 2
        if copies:
            self._edit(path, block.end, block.end, "".join(gap + copy for copy in copies))
        body = self._trees[path]
        index = next(i for i, item in enumerate(body.items) if item is self._copy(block))
        body.items[index + 1 : index + 1] = copied
        return wanted

    def _new_names(self, rule: TerraformRule, count: int) -> list[str]:
        found = new_names(rule.resource.labels[-1], "_", self.taken_names(rule) | self._names, count)
        self._names |= set(found)
        return found


def _kind_of(source: SourceList) -> int:
    """The position of the attribute that has a source in LIST_KEYS or SINGLE_KEYS."""
    return LIST_KEYS.index(source.key) if source.key in LIST_KEYS else SINGLE_KEYS.index(source.key)


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def _own_lines(text: str, start: int, end: int, limit: int) -> tuple[int, int] | None:
    """The whole line that a member of a list has for itself, with its comma; None: it shares it."""
    first = text.rfind("\n", 0, start) + 1
    if text[first:start].strip(" \t"):
        return None
    last = text.find("\n", end)
    if last < 0 or last >= limit or text[end:last].strip(" \t\r") not in ("", ","):
        return None
    return first, last + 1


def _with_comma(text: str, item: Hcl, limit: int) -> tuple[int, int]:
    """A member of a list with the comma after it; of one that begins its line, with the space before a comment, too."""
    comma = text.find(",", item.end, limit)
    end = comma + 1 if comma >= 0 and not text[item.end : comma].strip(" \t") else item.end
    if not text[text.rfind("\n", 0, item.start) + 1 : item.start].strip(" \t"):
        while end < limit and text[end] in " \t":
            end += 1
    return item.start, end


def _single_edits(attribute: Hcl, new: str) -> list[TextEdit]:
    value = attribute.items[0]
    key = SINGLE_KEYS[kind_of_source(new)]
    renamed = [] if key == attribute.name else [TextEdit(attribute.name_start, attribute.name_end, key)]
    return [*renamed, TextEdit(value.start + 1, value.end - 1, new)]


def _change_single(attribute: object, new: str) -> None:
    assert isinstance(attribute, Hcl)  # noqa: S101 - what deepcopy made of an Hcl
    attribute.name = SINGLE_KEYS[kind_of_source(new)]
    attribute.items[0].value = new


def _label_edit(text: str, block: Hcl, name: str) -> TextEdit:
    old = block.labels[-1]
    head = text.index("{", block.start)
    start = text.rindex(old, block.start, head)
    return TextEdit(start, start + len(old), name)

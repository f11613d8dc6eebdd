"""The security groups and ingress rules of Terraform files, as far as literals and calls of local modules tell. Pure.

Terraform is not run: what an expression comes to is known where it is a literal, a variable that a local module's call
gives, or a variable's default or a local of the same folder. Arguments and resources: the documentation of the AWS
provider (hashicorp/aws).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from library.network.ports import protocol_name
from library.security_groups.group import ShapeError, checked_ports
from library.source.hcl import Hcl, TerraformFile
from library.source.location import Traffic

GROUP_TYPES = ("aws_security_group", "aws_default_security_group")
LIST_KEYS = ("cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids")
SINGLE_KEYS = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id")

_DEEPEST = 8  # calls of modules within calls
_MOST_CONTEXTS = 1_000
_NESTED, _IN_A_STRING = 3, 10
_VALUES_SUFFIX = ".tfvars"
_FIRST_VALUES = "terraform.tfvars"
_VALUES_NAMED = 5
_OVERRIDES = ("_override.tf", "_override.tofu")
_RULE_TYPES = ("aws_security_group_rule", "aws_vpc_security_group_ingress_rule")
_SWITCHES = {"terraform-aws-modules": "create", "cloudposse": "enabled"}  # false: the module makes nothing
_CHOICE = {"true": 4, "false": 6}  # the tokens of `var.create ? 1 : 0` that count
_EMPTY_SET = ("toset", "(", "[", "]", ")")
_INTEGER = re.compile(r"-?\d+")
_REGISTRY_SOURCES = ("ingress_cidr_blocks", "ingress_ipv6_cidr_blocks")


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """One use of a folder: by itself, or by a call of a local module.

    Attributes:
        call: the `module` block and its file; None: nobody in these files calls the folder.
    """

    folder: str
    call: tuple[TerraformFile, Hcl] | None = None
    parent: Context | None = None

    def with_callers(self) -> Iterator[Context]:
        """This use, and those of the folders that call it, the nearest first."""
        yield self
        if self.parent is not None:
            yield from self.parent.with_callers()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an expression comes to.

    Attributes:
        node: a literal, a list or an object; None: it is not known.
        steps: how it was found: `call`, `default`, `value` (of a `.tfvars` file), `local`, or `override` (several files
            define it), with the file and line.
        unknown: the text of what is not known; empty: all is.
        expression: what is not known, where it stands in `file`.
        usual: what it is unless a file of values is named that says otherwise; None: nothing.
    """

    node: Hcl | None
    file: TerraformFile
    context: Context
    steps: tuple[tuple[str, str], ...] = ()
    unknown: str = ""
    expression: Hcl | None = None
    usual: Hcl | None = None

    @property
    def patchable(self) -> bool:
        """Whether it stands where it is used, or in a call that gives it."""
        return self.node is not None and all(step == "call" for step, _ in self.steps)


@dataclass(slots=True, eq=False)
class SourceList:
    """The sources of a rule that one attribute holds.

    Attributes:
        attribute: None: the source comes from elsewhere than the rule.
    """

    key: str
    attribute: Hcl | None
    value: Resolved


@dataclass(slots=True, eq=False)
class TerraformRule:
    """One ingress rule, with all its sources.

    Attributes:
        shape: `block` (an ingress block), `object` (a member of a list of rules), `rule` (aws_security_group_rule),
            `single` (aws_vpc_security_group_ingress_rule), `module` (an object in a registry module's call), `dynamic`.
        node: the block or object.
        resource: the resource's or module's block that it stands in.
        traffic: protocol and ports; None: they are not known.
        peers: whether other things than CIDRs and lists have access by it, such as groups.
        group_decider: the expression that decides which of several groups it is a rule of; empty: it is of one.
    """

    shape: str
    node: Hcl
    resource: Hcl
    file: TerraformFile
    context: Context
    traffic: Traffic | None
    sources: list[SourceList]
    peers: bool = False
    group_decider: str = ""

    @property
    def where(self) -> str:
        """Path and line."""
        return self.file.where(self.node)

    @property
    def address(self) -> str:
        """The resource's or module's address, without the module that it is in."""
        return address_of(self.resource)


@dataclass(slots=True, eq=False)
class TerraformGroup:
    """One security group: a resource, or a call of a module from a registry that makes one."""

    block: Hcl
    file: TerraformFile
    context: Context
    rules: list[TerraformRule] = field(default_factory=list)

    @property
    def where(self) -> str:
        """Path and line."""
        return self.file.where(self.block)

    @property
    def address(self) -> str:
        """The resource's or module's address, without the module that it is in."""
        return address_of(self.block)

    @property
    def ignores_ingress(self) -> bool:
        """Whether Terraform leaves the ingress rules as somebody else made them."""
        return _ignores(self.block, ("ingress",))


def _with_parents(path: str) -> Iterator[str]:
    """A path, and those of the folders that it is in."""
    while len(path) > 1:
        yield path
        path = posixpath.dirname(path)


def is_override(name: str) -> bool:
    """Whether a file of this name says what counts instead of what the other files of its folder say."""
    return f"_{name}".endswith(_OVERRIDES)


def _with_attribute(blocks: Iterable[tuple[TerraformFile, Hcl]], name: str) -> list[tuple[TerraformFile, Hcl]]:
    """The attributes of one name of some blocks."""
    return [(file, found) for file, block in blocks if (found := block.attribute(name)) is not None]


def _in_force(defined: Sequence[tuple[TerraformFile, Hcl]]) -> tuple[TerraformFile, Hcl]:
    """The definition that counts of several of one thing: that of the last override file, if there is one."""
    return next((each for each in reversed(defined) if is_override(posixpath.basename(each[0].path))), defined[0])


def _is_loaded(file: TerraformFile) -> bool:
    """Whether Terraform reads a file of values without being told to."""
    name = posixpath.basename(file.path)
    return name == _FIRST_VALUES or name.endswith(".auto.tfvars")


def address_of(block: Hcl) -> str:
    """A block's address in its own module."""
    return ".".join(block.labels) if block.name == "resource" else ".".join([block.name, *block.labels])


def shown_expression(node: Hcl) -> str:
    """The text of an expression, cut, without spaces and comments."""
    text = "".join(node.tokens)
    return text if len(text) <= 80 else f"{text[:80]}…"


def rule_ignores_changes(rule: TerraformRule) -> bool:
    """Whether Terraform leaves the sources of a rule's own resource as somebody else made them."""
    return rule.shape in ("rule", "single") and _ignores(rule.resource, (*LIST_KEYS, *SINGLE_KEYS))


def _ignores(block: Hcl, names: Sequence[str]) -> bool:
    for lifecycle in block.blocks("lifecycle"):
        ignored = lifecycle.get("ignore_changes")
        if ignored is None:
            continue
        tokens = ignored.tokens or tuple(token for item in ignored.items for token in (*item.tokens, item.value))
        if "all" in tokens or any(name in tokens for name in names):
            return True
    return False


class Configurations:
    """The files of all folders, and every use of each folder."""

    def __init__(
        self,
        files: Iterable[TerraformFile],
        links: Mapping[str, str] | None = None,
        overridden: Collection[str] = (),
    ) -> None:
        self._links, self._overridden = links or {}, overridden
        self.files: dict[str, list[TerraformFile]] = {}
        for file in files:
            self.files.setdefault(file.folder, []).append(file)
        self._overriding: dict[tuple[str, str, tuple[str, ...]], list[tuple[TerraformFile, Hcl]]] = {}
        for folder, listed in self.files.items():
            for file in listed:
                for block in file.tree.items if is_override(posixpath.basename(file.path)) else ():
                    self._overriding.setdefault((folder, block.name, block.labels), []).append((file, block))
        self.contexts = self._all_contexts()

    def blocks(self, folder: str, name: str) -> Iterator[tuple[TerraformFile, Hcl]]:
        """The blocks of one type of a folder."""
        for file in self.files.get(folder, ()):
            for block in file.tree.blocks(name):
                yield file, block

    def moved_names(self) -> set[str]:
        """The names of resources that were moved, removed or are imported: Terraform refuses a new one of these."""
        found: set[str] = set()
        for folder in self.files:
            for kind in ("moved", "removed", "import"):
                for _, block in self.blocks(folder, kind):
                    for each in (block.get("from"), block.get("to")):
                        found |= set(each.tokens) if each is not None else set()
        return found

    def override_of(self, block: Hcl, folder: str) -> str:
        """Where an override file says otherwise of a block: path and line; empty: none does.

        Terraform merges `override.tf` and `*_override.tf` into what the other files of the folder define
        (Terraform documentation, "Override Files"); OpenTofu also those that end in `.tofu`.
        """
        for file, other in self._overriding.get((folder, block.name, block.labels), ()):
            if other is not block:
                return file.where(other)
        return ""

    def may_be_overridden(self, block: Hcl, context: Context) -> bool:
        """Whether an override file changes a block, or one that was not read may change it, or what it is given."""
        is_unknown = any(each.folder in self._overridden for each in context.with_callers())
        return is_unknown or bool(self.override_of(block, context.folder))

    def called_folder(self, folder: str, block: Hcl) -> str:
        """The folder of a local module that a call uses; empty: it is from elsewhere."""
        source = block.text("source")
        if not source.startswith(("./", "../")):
            return ""
        target = posixpath.normpath(posixpath.join(folder, source))
        for _ in range(_DEEPEST):  # a link may lead to a link
            link = next((each for each in _with_parents(target) if each in self._links), "")
            target = self._links[link] + target[len(link) :] if link else target
        return target if target in self.files else ""

    def _all_contexts(self) -> list[Context]:
        called = {
            target
            for folder in self.files
            for _, block in self.blocks(folder, "module")
            if (target := self.called_folder(folder, block)) and target != folder
        }
        roots = [Context(folder) for folder in self.files if folder not in called]
        found = list(roots)
        level = roots
        for _ in range(_DEEPEST):
            level = [
                Context(target, (file, block), parent)
                for parent in level
                for file, block in self.blocks(parent.folder, "module")
                if (target := self.called_folder(parent.folder, block))
            ][:_MOST_CONTEXTS]
            found += level
        used = {context.folder for context in found}
        found += [Context(folder) for folder in self.files if folder not in used]  # modules that call each other
        return found[:_MOST_CONTEXTS]

    def resolve(self, node: Hcl, file: TerraformFile, context: Context, depth: int = 0) -> Resolved:
        """What an expression comes to."""
        if node.kind != "expression":
            return Resolved(node, file, context)
        tokens = node.tokens
        name = tokens[2] if len(tokens) == 3 and tokens[1] == "." else ""
        if name and tokens[0] == "var" and depth < _DEEPEST:
            return self._variable(name, node, file, context, depth)
        if name and tokens[0] == "local" and depth < _DEEPEST:
            defined = _with_attribute(self.blocks(context.folder, "locals"), name)
            if defined:
                other, attribute = _in_force(defined)
                at = f"local.{name} is defined at {other.where(attribute)}"
                step = "local" if len(defined) == 1 else "override"
                return _with_step(step, at, self.resolve(attribute.items[0], other, context, depth + 1))
        return Resolved(None, file, context, unknown=shown_expression(node), expression=node)

    def _variable(self, name: str, node: Hcl, file: TerraformFile, context: Context, depth: int) -> Resolved:
        named = [each for each in self.blocks(context.folder, "variable") if each[1].labels == (name,)]
        with_default = [each for each in named if each[1].get("default") is not None]
        definition = _in_force(with_default or named) if named else None
        if context.call is not None and context.parent is not None:
            overriding = self._overriding.get((context.parent.folder, "module", context.call[1].labels), ())
            if passed := _with_attribute([context.call, *overriding], name):
                caller, attribute = _in_force(passed)
                at = f"var.{name} is given at {caller.where(attribute)}"
                step = "override" if overriding else "call"
                return _with_step(step, at, self.resolve(attribute.items[0], caller, context.parent, depth + 1))
        given = list(self._values(context.folder, name)) if context.call is None else []
        loaded = [(other, attribute) for other, attribute in given if _is_loaded(other)]
        if loaded:
            other, attribute = loaded[-1]
            at = f"var.{name} is set at {other.where(attribute)}"
            return _with_step("value", at, self.resolve(attribute.items[0], other, context, depth + 1))
        if given:  # which of these files a run names is not known
            steps = tuple(
                ("value", f"var.{name} may be set at {other.where(attribute)}")
                for other, attribute in given[:_VALUES_NAMED]
            )
            usual = None
            if definition is not None:
                other, block = definition
                steps = (("default", f"var.{name} is defined at {other.where(block)}"), *steps)
                if (default := block.get("default")) is not None:
                    usual = self.resolve(default, other, context, depth + 1).node
            return Resolved(None, file, context, steps, f"var.{name}", node, usual)
        if definition is None:
            return Resolved(None, file, context, unknown=f"var.{name}", expression=node)
        other, block = definition
        at = f"var.{name} is defined at {other.where(block)}"
        default = block.get("default")
        if default is None:
            return Resolved(None, file, context, (("default", at),), f"var.{name}", node)
        return _with_step("default", at, self.resolve(default, other, context, depth + 1))

    def definitions(self, node: Hcl, file: TerraformFile, context: Context) -> tuple[str, ...]:
        """Where the variables and locals that an expression names are defined, given or set, one text each."""
        found: dict[str, None] = {}
        for tokens in (each.tokens for each in _expressions_in(node)):
            for at, word in enumerate(tokens[:-2]):
                if word in ("var", "local") and tokens[at + 1] == "." and (not at or tokens[at - 1] != "."):
                    named = Hcl("expression", tokens=tokens[at : at + 3])
                    found |= dict.fromkeys(text for _, text in self.resolve(named, file, context).steps)
        return tuple(found)

    def other_uses(self, node: Hcl, context: Context, known: Collection[int]) -> Iterator[str]:
        """Where else a module uses a variable that a call gives, and that an expression is: paths and lines.

        `known`: by `id`, the expressions that are sources of ingress rules. The conditions of the variable's own block
        are no use.
        """
        while context.call is not None and context.parent is not None and _is_variable(node):
            name = node.tokens[2]
            for file in self.files.get(context.folder, ()):
                for block in file.tree.items:
                    for each in _expressions_in(block) if block.name != "variable" else ():
                        if id(each) not in known and each is not node and _names_variable(each.tokens, name):
                            yield file.where(each)
            given = context.call[1].get(name)
            if given is None:
                return
            node, context = given, context.parent

    def _values(self, folder: str, name: str) -> Iterator[tuple[TerraformFile, Hcl]]:
        """What the `.tfvars` files of a folder give a variable, in the order in which Terraform reads them.

        Terraform documentation, "Input Variables", variable definition precedence.
        """
        files = [file for file in self.files.get(folder, ()) if file.path.endswith(_VALUES_SUFFIX)]
        for file in sorted(files, key=lambda each: (posixpath.basename(each.path) != _FIRST_VALUES, each.path)):
            attribute = file.tree.attribute(name)
            if attribute is not None:
                yield file, attribute

    def text(self, node: Hcl | None, file: TerraformFile, context: Context) -> str | None:
        """What an expression comes to, if that is a string or number; None: it is not known, or not there."""
        if node is None:
            return None
        resolved = self.resolve(node, file, context)
        found = resolved.node or resolved.usual
        return _text_of(found) if found is not None else None

    def filled(self, node: Hcl, file: TerraformFile, context: Context, depth: int = 0) -> tuple[str, bool] | None:
        """What a string with variables and locals in it comes to, such as `"${var.env}-web"`.

        Returns:
            The text, and whether it is sure: a default, or a file of values, may be overruled by whoever runs it. None:
            it is not known, or no such string.
        """
        found = self.resolve(node, file, context)
        sure = found.node is not None and _is_sure(found)
        if (value := found.node or found.usual) is not None:
            text = _text_of(value)
            return (text, sure) if text is not None else None
        tokens = found.expression.tokens if found.expression is not None else ()
        if len(tokens) < 3 or tokens[0] != '"' or tokens[-1] != '"':
            return None
        if depth > _NESTED or tokens.count("${") > _IN_A_STRING:  # such strings can stand for billions
            return None
        text, sure, at = "", _is_sure(found), 1
        while at < len(tokens) - 1:
            if tokens[at] == "${" and tokens[at + 4 : at + 5] == ("}",):
                named = Hcl("expression", tokens=tokens[at + 1 : at + 4])
                part = self.filled(named, found.file, found.context, depth + 1)
                at += 5
            else:
                # Another expression, a directive, or a sign that is written in a way of its own.
                part = None if any(sign in tokens[at] for sign in ("${", "%{", "\\")) else (tokens[at], True)
                at += 1
            if part is None:
                return None
            text, sure = text + part[0], sure and part[1]
        return text, sure

    def argument(self, block: Hcl, key: str, file: TerraformFile, context: Context) -> Hcl | None:
        """The value of an argument; None: it is not there, or null for sure, which is the same to Terraform."""
        node = block.get(key)
        found = self.resolve(node, file, context) if node is not None else None
        is_null = found is not None and found.node is not None and _is_null(found.node) and _is_sure(found)
        return None if is_null else node

    def sure_text(self, node: Hcl | None, file: TerraformFile, context: Context) -> str | None:
        """What an expression comes to, whoever runs it; None: it may be overruled, is not known, or not there."""
        text, sure = (self.filled(node, file, context) if node is not None else None) or (None, False)
        return text if sure else None

    def _makes_nothing(self, block: Hcl, file: TerraformFile, context: Context) -> bool:
        """Whether a block is switched off, or a call that it is in: `count = 0`, or `for_each` of nothing."""
        each = block.get("for_each")
        is_of_nothing = each is not None and ((each.kind == "object" and not each.items) or each.tokens == _EMPTY_SET)
        if is_of_nothing or self._count(block.get("count"), file, context) == "0":
            return not self.may_be_overridden(block, context)
        is_elsewhere = block.name == "module" and not self.called_folder(context.folder, block)  # else its files tell
        if is_elsewhere and self.sure_text(block.get(_switch(block)), file, context) == "false":
            return not self.may_be_overridden(block, context)
        if context.call is None or context.parent is None:
            return False
        caller, call = context.call
        return self._makes_nothing(call, caller, context.parent)

    def _count(self, node: Hcl | None, file: TerraformFile, context: Context) -> str | None:
        """What a count, also one such as `var.create ? 1 : 0`, is for sure; None: it is not known, or not there."""
        if node is None or len(node.tokens) != 7 or node.tokens[3] != "?":
            return self.sure_text(node, file, context)
        condition = self.sure_text(Hcl("expression", tokens=node.tokens[:3]), file, context)
        choice = _CHOICE.get(condition or "")
        return node.tokens[choice] if choice is not None and node.tokens[5:6] == (":",) else None

    def groups(self) -> list[TerraformGroup]:
        """Every group, once for each use of its folder, with the rules that stand in it or refer to it."""
        found: list[TerraformGroup] = []
        for context in self.contexts:
            for file, block in self.blocks(context.folder, "resource"):
                if (
                    block.labels[:1]
                    and block.labels[0] in GROUP_TYPES
                    and not self._makes_nothing(block, file, context)
                ):
                    group = TerraformGroup(block, file, context)
                    group.rules += self._inline(group)
                    found.append(group)
            for file, block in self.blocks(context.folder, "module"):
                if not self.called_folder(context.folder, block) and not self._makes_nothing(block, file, context):
                    group = TerraformGroup(block, file, context)
                    group.rules += self._registry(group)
                    found.append(group)
        return found

    def rule_resources(self) -> Iterator[TerraformRule]:
        """The rules that are resources of their own, once for each use of their folder."""
        for context in self.contexts:
            for file, block in self.blocks(context.folder, "resource"):
                kind = block.labels[0] if block.labels else ""
                if kind not in _RULE_TYPES or self._makes_nothing(block, file, context):
                    continue
                if kind == "aws_security_group_rule" and self._is_ingress(block, file, context):
                    yield self._rule("rule", block, block, file, context, "protocol", LIST_KEYS)
                elif kind == "aws_vpc_security_group_ingress_rule":
                    yield self._rule("single", block, block, file, context, "ip_protocol", SINGLE_KEYS)

    def _is_ingress(self, block: Hcl, file: TerraformFile, context: Context) -> bool:
        kind = self.text(block.get("type"), file, context)
        return kind is None or kind == "ingress"

    def _inline(self, group: TerraformGroup) -> Iterator[TerraformRule]:
        file, context, block = group.file, group.context, group.block
        for inner in block.blocks("ingress"):
            yield self._rule("block", inner, block, file, context, "protocol", LIST_KEYS)
        for inner in block.blocks("dynamic"):
            if inner.labels == ("ingress",):
                for content in inner.blocks("content"):
                    yield self._rule("dynamic", content, block, file, context, "protocol", LIST_KEYS)
        value = block.get("ingress")
        if value is None:
            return
        resolved = self.resolve(value, file, context)
        if resolved.node is None or resolved.node.kind != "list":
            empty = TerraformRule("dynamic", value, block, file, context, None, [])
            empty.sources = [SourceList("cidr_blocks", None, resolved)]
            yield empty
            return
        for item in resolved.node.items:
            if item.kind == "object":
                shape = "object" if resolved.patchable else "dynamic"
                yield self._rule(shape, item, block, resolved.file, resolved.context, "protocol", LIST_KEYS)

    def _registry(self, group: TerraformGroup) -> Iterator[TerraformRule]:
        """Objects with literal ports in the arguments of a call, as the modules for security groups take them."""
        file, context, block = group.file, group.context, group.block
        for attribute in block.members():
            if attribute.kind != "attribute" or "egress" in attribute.name or attribute.name == "source":
                continue
            for item in _objects(attribute.items[0]):
                has_ports = item.get("from_port") is not None or item.get("ip_protocol") is not None
                is_named = item.get("rule") is not None and "cidr" in attribute.name
                if not (has_ports or is_named) or item.text("type") == "egress":
                    continue
                name = "ip_protocol" if item.get("ip_protocol") is not None else "protocol"
                rule = self._rule("module", item, block, file, context, name, (*LIST_KEYS, *SINGLE_KEYS))
                if not rule.sources and not rule.peers and attribute.name.startswith("ingress_with"):
                    if "cidr" in attribute.name:
                        self._common_sources(rule, block)
                    else:
                        rule.peers = True  # such as `ingress_with_self`
                yield rule
        of_arguments = list(self._of_arguments(group))
        yield from of_arguments
        has_others = bool(of_arguments) or any("ingress_with" in attribute.name for attribute in block.members())
        has_sources = any(block.get(key) is not None for key in _REGISTRY_SOURCES)
        # A module of one rule, such as `//modules/ssh`, knows its ports by itself.
        if block.get("ingress_rules") is not None or (has_sources and not has_others):
            named = TerraformRule("dynamic", block, block, file, context, None, [])
            self._common_sources(named, block)
            yield named

    def _of_arguments(self, group: TerraformGroup) -> Iterator[TerraformRule]:
        """A rule whose port and sources are arguments of a module's call themselves."""
        file, context, block = group.file, group.context, group.block
        first = self.text(block.get("from_port") or block.get("port"), file, context)
        last = self.text(block.get("to_port") or block.get("port"), file, context)
        if first is None or last is None or not first.isdecimal() or not last.isdecimal():
            return
        protocol = self.text(block.get("protocol"), file, context) or "tcp"
        rule = TerraformRule("module", block, block, file, context, (protocol, int(first), int(last)), [])
        for attribute in block.members():
            if attribute.kind == "attribute" and "cidr" in attribute.name and "egress" not in attribute.name:
                key = "ipv6_cidr_blocks" if "ipv6" in attribute.name else "cidr_blocks"
                value = self.resolve(attribute.items[0], file, context)
                if value.node is None or value.node.kind == "list":
                    rule.sources.append(SourceList(key, attribute, value))
        yield rule

    def _common_sources(self, rule: TerraformRule, block: Hcl) -> None:
        for key in _REGISTRY_SOURCES:
            attribute = block.attribute(key)
            if attribute is not None:
                value = self.resolve(attribute.items[0], rule.file, rule.context)
                rule.sources.append(SourceList(key.removeprefix("ingress_"), attribute, value))

    def _rule(
        self,
        shape: str,
        node: Hcl,
        resource: Hcl,
        file: TerraformFile,
        context: Context,
        protocol: str,
        keys: Sequence[str],
    ) -> TerraformRule:
        rule = TerraformRule(shape, node, resource, file, context, self._traffic(node, file, context, protocol), [])
        for key in keys:
            attribute = node.attribute(key)
            if attribute is not None:
                value = self.resolve(attribute.items[0], file, context)
                if value.node is None or not _is_null(value.node):
                    rule.sources.append(SourceList(key, attribute, value))
        groups = ("security_groups", "source_security_group_id", "referenced_security_group_id", "self")
        rule.peers = any(_is_given(node.get(key)) for key in groups)
        return rule

    def _traffic(self, node: Hcl, file: TerraformFile, context: Context, protocol_key: str) -> Traffic | None:
        protocol = self.text(node.get(protocol_key), file, context)
        if protocol is None:
            return None
        protocol = protocol.casefold()
        if protocol_name(protocol) == "-1":
            return "-1", None, None
        ports: list[int | None] = []
        for key in ("from_port", "to_port"):
            value = node.get(key)
            text = self.text(value, file, context)
            if value is not None and (text is None or not _INTEGER.fullmatch(text)):
                return None
            ports.append(int(text) if text is not None else None)
        try:
            return (protocol, *checked_ports(protocol, *ports))
        except ShapeError:
            return None


def _expressions_in(node: Hcl) -> Iterator[Hcl]:
    """An expression, or those in a list, an object, a block."""
    if node.kind == "expression":
        yield node
    for item in node.items:
        yield from _expressions_in(item)


def _is_sure(found: Resolved) -> bool:
    """Whether nobody who runs Terraform, and no other file, gives another value."""
    return all(step in ("call", "local") for step, _ in found.steps)


def _is_null(node: Hcl) -> bool:
    return node.kind == "literal" and node.value == "null"


def _text_of(node: Hcl) -> str | None:
    return node.value if node.kind in ("string", "literal") and not _is_null(node) else None


def _is_variable(node: Hcl) -> bool:
    return node.kind == "expression" and len(node.tokens) == 3 and node.tokens[:2] == ("var", ".")


def _switch(call: Hcl) -> str:
    """The argument that switches a module off; empty: what the arguments of its owner's modules mean is not known."""
    owners = re.split("[/:]", call.text("source"))
    return next((key for owner, key in _SWITCHES.items() if owner in owners), "")


def _names_variable(tokens: Sequence[str], name: str) -> bool:
    """Whether an expression depends on what is in a variable. `length(var.x) > 0` does not: no patch empties a list."""
    return any(
        tuple(tokens[at : at + 3]) == ("var", ".", name)
        and (not at or tokens[at - 1] != ".")
        and not (tuple(tokens[max(at - 2, 0) : at]) == ("length", "(") and tuple(tokens[at + 3 : at + 6]) in _NOT_EMPTY)
        for at in range(len(tokens) - 2)
    )


_NOT_EMPTY = ((")", ">", "0"), (")", "!=", "0"))


def _with_step(kind: str, text: str, found: Resolved) -> Resolved:
    return replace(found, steps=((kind, text), *found.steps))


def _is_given(value: Hcl | None) -> bool:
    if value is None:
        return False
    if value.kind == "list":
        return bool(value.items)
    return not (value.kind == "literal" and value.value in ("null", "false"))


def _objects(value: Hcl) -> Iterator[Hcl]:
    """The objects in a list, or that are the values of a map: modules take rules either way."""
    if value.kind == "list":
        for item in value.items:
            if item.kind == "object":
                yield item
    elif value.kind == "object":
        for pair in value.items:
            if pair.items[0].kind == "object":
                yield pair.items[0]

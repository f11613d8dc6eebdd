"""What a stack's template says of a group's exposures: the place of each, its edit, the patch, the command. Pure.

The story is `find_in_template`: match each exposure with the rules of the template, decide by how the source is written
(a literal is patched, a parameter becomes a command, anything else is pointed at), and patch all literals at once.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from library.network.addresses import parse_network
from library.security_groups.exposure import Exposure, traffic_text
from library.security_groups.group import is_prefix_list
from library.source.location import Confidence, Edit, Found, Kind, Location, RuleLocation, is_same_traffic
from library.source.template_patch import TemplatePatch, is_literal, patch_template, rule_position
from library.source.template_rules import (
    GROUP,
    INGRESS,
    SOURCE_KEYS,
    TemplateGroup,
    TemplateGroups,
    TemplateRule,
    read_groups,
    transform_name,
)
from library.source.template_text import TemplateValues, Tree, UnknownValueError, function_of, parse_template
from library.source.text_edit import line_of

_EGRESS = "AWS::EC2::SecurityGroupEgress"
_SAM = "AWS::Serverless-2016-10-31"
_SSM = "AWS::SSM::Parameter::Value"
_OF_SET = (
    "the command is for the account and region of the stack set; an instance that overrides the parameter keeps its "
    "value until aws cloudformation update-stack-instances changes that; a set with roles of its own needs "
    "--administration-role-arn and --execution-role-name again, a delegated administrator --call-as DELEGATED_ADMIN"
)
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*,)")
_LONGEST_PATTERN = 1_000
_LOOPED = re.compile(r"[$&]\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Stack:
    """What CloudFormation tells of a stack.

    Attributes:
        parameters: their values now; of a parameter that names one of Systems Manager, the value of that.
        hidden: parameters whose values are not known or must not be shown, with the reason.
        chain: of a nested stack, the names of those above it, the root first.
        given_at: of a nested stack, by parameter where its parent gives it.
        stack_set: the name of the set that it, or the root of those above it, is an instance of; empty: none.
        capabilities: those that an update has to acknowledge.
    """

    name: str
    region: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    chain: tuple[str, ...] = ()
    given_at: Mapping[str, str] = field(default_factory=dict)
    stack_set: str = ""
    capabilities: tuple[str, ...] = ()
    pseudo: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The stack with those above it."""
        return " > ".join([*self.chain, self.name])

    def values(self, template: Tree) -> TemplateValues:
        """A template of the stack with its parameters."""
        return TemplateValues(template, self.parameters, self.pseudo, self.hidden)


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a stack."""

    stack_id: str
    stack_name: str
    logical_id: str


@dataclass(frozen=True, slots=True)
class StackPart:
    """A resource of a stack, a group or a rule, with exposures that it may make, and how it was found, as evidence."""

    resource: StackResource
    exposures: Sequence[Exposure]
    how: tuple[str, ...]

    @property
    def logical_id(self) -> str:
        """That of the resource."""
        return self.resource.logical_id


@dataclass(slots=True)
class _Context:
    stack: Stack
    text: str
    template: Tree
    values: TemplateValues
    replacements: Sequence[str]
    decided: dict[str, str] = field(default_factory=dict)  # parameters to change, with their new values

    def line(self, tree: Tree) -> int:
        return line_of(self.text, tree.start)


def find_in_template(stack: Stack, text: str, parts: Sequence[StackPart], replacements: Sequence[str]) -> Found:
    """Where a template defines a group, or rules, and their exposures: all in one patch and one command.

    `parts` are the resources that are asked for: an exposure is of the first that makes it, and what is said of the
    group is of the last. `replacements` are the CIDRs and prefix lists that an open source becomes.

    Raises:
        TemplateError: the text is no template.
    """
    template = parse_template(text)
    context = _Context(stack, text, template, stack.values(template), replacements)
    groups = read_groups(context.values)
    matched: dict[Exposure, tuple[list[TemplateRule], StackPart]] = {}
    locations: dict[Exposure, RuleLocation] = {}
    fallback: dict[Exposure, RuleLocation] = {}
    for part in parts:
        if not _is_gone(context, groups, part.logical_id):
            _match(context, groups, part, matched, locations)
            left = [exposure for exposure in part.exposures if exposure not in matched and exposure not in locations]
            fallback = {**_fallback(context, groups, part.logical_id, left, part.how), **fallback}
    literals = {
        rule_position(rule)
        for found, _ in matched.values()
        if all(rule.rule is not None and is_literal(rule) for rule in found)
        for rule in found
    }
    elsewhere = {
        rule_position(rule): _narrowed_by_parameter(context, exposure, rule)
        for exposure, (found, _) in matched.items()
        for rule in found
        if rule_position(rule) not in literals
    }
    patched = patch_template(text, literals, replacements, stack.values, elsewhere)
    for exposure, (found, by) in matched.items():
        locations[exposure] = _rule_location(context, groups, exposure, found, patched, by.how)
    return Found(
        group=_location_of_group(context, groups, parts[-1]),
        rules=locations,
        patches={stack.name: patched.patch} if patched.patch else {},
        commands=_commands(context),
        before_diff=_before_diff(context, bool(patched.patch)),
        fallback=fallback,
    )


def _match(
    context: _Context,
    groups: TemplateGroups,
    part: StackPart,
    matched: dict[Exposure, tuple[list[TemplateRule], StackPart]],
    locations: dict[Exposure, RuleLocation],
) -> None:
    """Add to `matched` the rules that make each exposure; to `locations` why nobody knows which of several does."""
    candidates = list(_rules_of(groups, part.logical_id))
    for exposure in part.exposures:
        if exposure in matched:
            continue
        known = [rule for rule in candidates if _is(rule, exposure)]
        possible = known or [rule for rule in candidates if _may_be(rule, exposure)]
        if known or len(possible) == 1:
            matched[exposure] = (possible, part)
        elif possible:
            lines = ", ".join(str(context.line(rule.source)) for rule in possible)
            text = f"several rules of the template of {context.stack.path} may be it, at lines {lines}"
            locations[exposure] = RuleLocation(exposure, Location(evidence=(*part.how, text)), Edit.NONE)


def _location_of_group(context: _Context, groups: TemplateGroups, part: StackPart) -> Location:
    if _is_gone(context, groups, part.logical_id):
        gone = f"the template of stack {context.stack.path} has no resource {part.logical_id} any more"
        return Location(evidence=(*part.how, gone))
    return _location(context, part.logical_id, part.how)


def _is_gone(context: _Context, groups: TemplateGroups, logical_id: str) -> bool:
    """Whether a template has a resource no longer, which was kept when it was taken out: its tags name the stack still.

    Also a template that makes resources which its text does not show may have it.
    """
    resources, transform = context.values.section("Resources"), context.template.get("Transform")
    names = [] if transform is None else [each.value or each.text("Name") for each in transform.items or [transform]]
    is_shown = set(names) <= {"AWS::LanguageExtensions"} and not any(name.startswith("Fn::") for name in resources)
    return is_shown and logical_id not in resources and not any(_makers(context, groups, logical_id))


def _fallback(
    context: _Context, groups: TemplateGroups, logical_id: str, exposures: Sequence[Exposure], how: tuple[str, ...]
) -> dict[Exposure, RuleLocation]:
    """Pointers at what makes rules that the template does not show: a macro, a loop or a module."""
    makers = list(_makers(context, groups, logical_id)) if exposures else []
    if not makers:
        return {}
    location = replace(_location(context, logical_id, how), confidence=Confidence.HINT)
    decides = "; ".join(f"line {line}: {what} decides it" for line, what in makers)
    found: dict[Exposure, RuleLocation] = {}
    for exposure in exposures:
        listed = f"{exposure.cidr} is an entry of prefix list {exposure.prefix_list_id}; "
        note = f"{listed if exposure.prefix_list_id else ''}{decides}"
        found[exposure] = RuleLocation(exposure, location, Edit.POINTER, note)
    return found


def _makers(context: _Context, groups: TemplateGroups, logical_id: str) -> Iterator[tuple[int, str]]:
    """What of the template may make rules of a group, or the group: its line, and what it is."""
    group, resources = groups.groups.get(logical_id), context.template.get("Resources")
    pairs = resources.pairs if resources is not None else []
    own = resources.pair(logical_id) if resources is not None else None
    makers = [(context.line(tree), what) for tree, what in group.makers] if group is not None else []
    if own and (macro := own[1].pair("Fn::Transform")):
        makers.append((context.line(macro[0]), transform_name(macro[1])))
    makers += [(context.line(key), transform_name(body)) for key, body in pairs if key.value == "Fn::Transform"]
    loops = [(key, body) for key, body in pairs if key.value.startswith("Fn::ForEach")]
    if own is None:
        modules = [
            (key, body)
            for key, body in pairs
            if body.text("Type").endswith("::MODULE") and logical_id.startswith(key.value)
        ]
        if modules:  # a resource of a module has the module's logical id before its own
            key, body = max(modules, key=lambda pair: len(pair[0].value))
            makers.append((context.line(key), f"the module {body.text('Type')}"))
        loops = [pair for pair in loops if _makes(pair[1], logical_id)] or loops
    makers += [
        (context.line(part), f"the loop {key.value}")
        for key, body in loops
        if (part := _part_with_rules(body, key, is_group=own is None)) is not None
    ]
    yield from makers
    if not makers:
        transform = context.template.get("Transform")
        for each in [] if transform is None else transform.items or [transform]:
            name = each.value or each.text("Name")
            if not name.startswith("AWS::") or name == "AWS::Include":
                yield context.line(each), f"the macro {name}"


def _makes(loop: Tree, logical_id: str) -> bool:
    """Whether a loop makes a resource of this name: `SG${Name}` makes `SGWeb`."""
    return any(
        re.fullmatch(".*".join(map(re.escape, _LOOPED.split(name))), logical_id) is not None
        for part in loop.items[2:3]
        for name, _ in part.named()
    )


def _part_with_rules(loop: Tree, key: Tree, *, is_group: bool) -> Tree | None:
    """The part of a loop that makes groups, or rules of them: a source there, else its name; None: it makes none."""
    for _, body in (pair for part in loop.items[2:3] for pair in part.pairs):
        if body.text("Type") in ((GROUP,) if is_group else (INGRESS,)):
            return _first_source(body) or key
        if body.kind == "sequence" and (inner := _part_with_rules(body, key, is_group=is_group)) is not None:
            return inner  # a loop in a loop
    return None


def _first_source(tree: Tree) -> Tree | None:
    for key, value in tree.pairs:
        if key.value in SOURCE_KEYS:
            return value
        if (found := _first_source(value)) is not None:
            return found
    return next((found for each in tree.items if (found := _first_source(each)) is not None), None)


def _rules_of(groups: TemplateGroups, logical_id: str) -> Iterable[TemplateRule]:
    group: TemplateGroup | None = groups.groups.get(logical_id)
    if group is not None and group.properties is not None:
        return group.rules
    return [rule for each in groups.groups.values() for rule in each.rules if rule.logical_id == logical_id]


def _is(rule: TemplateRule, exposure: Exposure) -> bool:
    """Whether a rule of the template is the one that exposes."""
    if rule.rule is None or not is_same_traffic(rule.traffic, exposure[:3]):
        return False
    if exposure.prefix_list_id:
        # A list of the template itself is known by its logical id only.
        return bool(rule.rule.prefix_list_id) and (
            rule.rule.prefix_list_id == exposure.prefix_list_id or not is_prefix_list(rule.rule.prefix_list_id)
        )
    return bool(rule.rule.cidr) and str(parse_network(rule.rule.cidr)) == exposure.cidr


def _may_be(rule: TemplateRule, exposure: Exposure) -> bool:
    """Whether a rule whose source the template does not tell may be the one that exposes."""
    if rule.rule is not None or not rule.unknown or (rule.traffic and not is_same_traffic(rule.traffic, exposure[:3])):
        return False
    if rule.cidr and not _same_source(rule.cidr, exposure):
        return False
    keys = {"SourcePrefixListId"} if exposure.prefix_list_id else {"CidrIpv6" if ":" in exposure.cidr else "CidrIp"}
    return rule.key in keys


def _same_source(cidr: str, exposure: Exposure) -> bool:
    try:
        return str(parse_network(cidr)) == exposure.cidr
    except ValueError:
        return False


def _location(context: _Context, logical_id: str, how: tuple[str, ...]) -> Location:
    stack = context.stack
    evidence = list(how)
    if stack.chain:
        evidence.append(f"stack {stack.name} is nested: {stack.path}")
    if stack.stack_set:
        instance = (*stack.chain, stack.name)[0]
        evidence.append(f"stack {instance} is an instance of the stack set {stack.stack_set}: change the set")
    resource = context.values.section("Resources").get(logical_id)
    metadata = resource.get("Metadata") if resource is not None else None
    construct = metadata.text("aws:cdk:path") if metadata is not None else ""
    if construct:
        evidence.append(f"it is made by CDK, from construct {construct} of stack {stack.path}, logical id {logical_id}")
        return Location(Kind.OTHER, Confidence.EXACT, construct, tuple(evidence))
    where = f"{stack.path}/{logical_id}"
    if _is_cdk(context):
        evidence.append(f"stack {stack.path} is made by CDK, without the paths of constructs, logical id {logical_id}")
        return Location(Kind.OTHER, Confidence.EXACT, where, tuple(evidence))
    if _is_sam(context.template):
        evidence.append(f"stack {stack.path} is made by SAM (transform {_SAM})")
        return Location(Kind.OTHER, Confidence.EXACT, where, tuple(evidence))
    return Location(Kind.CLOUDFORMATION, Confidence.EXACT, where, tuple(evidence))


def _is_cdk(context: _Context) -> bool:
    """Whether a template is what CDK writes: by its metadata, or by its check of the bootstrap stack."""
    bootstrap = context.values.section("Parameters").get("BootstrapVersion")
    return (bootstrap is not None and bootstrap.text("Default").startswith("/cdk-bootstrap/")) or any(
        resource.text("Type") == "AWS::CDK::Metadata" for resource in context.values.section("Resources").values()
    )


def _is_sam(template: Tree) -> bool:
    transform = template.get("Transform")
    return transform is not None and _SAM in [transform.value, *(each.value for each in transform.items)]


def _rule_location(
    context: _Context,
    groups: TemplateGroups,
    exposure: Exposure,
    rules: Sequence[TemplateRule],
    patched: TemplatePatch,
    how: tuple[str, ...],
) -> RuleLocation:
    location = _location(context, rules[0].logical_id, how)
    lines = tuple(f"the rule is at line {context.line(rule.source)} of the template" for rule in rules)
    sure = Confidence.EXACT if all(rule.rule for rule in rules) else Confidence.LIKELY
    location = Location(location.kind, sure, location.where, (*location.evidence, *lines))
    notes: list[str] = []
    if exposure.prefix_list_id:
        notes.append(f"{exposure.cidr} is an entry of prefix list {exposure.prefix_list_id}")
    edits = {_edit_of(context, groups, exposure, rule, patched, notes) for rule in rules}
    # One of several that is not patched leaves the exposure open.
    edit = edits.pop() if len(edits) == 1 else Edit.POINTER
    if location.kind is Kind.OTHER and edit in (Edit.PATCH, Edit.PARAMETER):
        made_by = "CDK" if "made by CDK" in " ".join(location.evidence) else "SAM"
        notes.append(f"the change belongs into the {made_by} code: the next deployment takes it back otherwise")
    return RuleLocation(exposure, location, edit, "; ".join(dict.fromkeys(notes)))


def _edit_of(
    context: _Context,
    groups: TemplateGroups,
    exposure: Exposure,
    rule: TemplateRule,
    patched: TemplatePatch,
    notes: list[str],
) -> Edit:
    position = rule_position(rule)
    if position in patched.done:
        return Edit.PATCH
    where = f"line {context.line(rule.source)}"
    if position in patched.refused:
        notes.append(f"{where}: {patched.refused[position]}")
        return Edit.POINTER
    called = function_of(rule.source)
    if called is None and rule.traffic is None:
        notes.append(f"{where}: {rule.unknown}")
        return Edit.POINTER
    if rule.conditions and called is None:
        notes.append(f"{where}: the rule is within Fn::If, condition {', '.join(rule.conditions)} decides it")
        return Edit.POINTER
    if called and called[0] == "Ref" and called[1].value in context.values.section("Parameters"):
        return _parameter(context, groups, exposure, rule, called[1].value, notes)
    if exposure.prefix_list_id:
        notes.append(f"{where}: change the list, or name another one")
    else:
        notes.append(f"{where}: {_decider(context, rule.source)}")
    return Edit.POINTER


def _decider(context: _Context, source: Tree) -> str:
    """What decides a source that is neither a literal nor a parameter."""
    called = function_of(source)
    if called is None:
        found = re.search(r"\{\{resolve:([^}]*)\}\}", source.value)
        return f"the dynamic reference {found[1]} decides it" if found else "it is written in a way that is not patched"
    name, argument = called
    if name == "Fn::If" and argument.items:
        condition = argument.items[0].value
        literals = [part for part in argument.items[1:] if function_of(part) is None and part.value]
        texts = "".join(f", {part.value} at line {context.line(part)}" for part in literals)
        return f"Fn::If with condition {condition} decides it{texts}"
    if name == "Fn::FindInMap" and argument.items:
        mapping = argument.items[0].value
        entry = _map_entry(context, argument)
        return f"mapping {mapping} decides it" + (f", at line {context.line(entry)}" if entry is not None else "")
    if name == "Fn::ImportValue":
        exported = argument.get("Fn::Sub") or argument
        text = exported.items[0].value if exported.items else exported.value
        return f"Fn::ImportValue {text} decides it: the stack that exports it".replace("  ", " ")
    target = argument.value if argument.kind == "scalar" else ""
    if name == "Fn::GetAtt":
        target = target or ".".join(part.value for part in argument.items)
    named = [
        f"parameter {parameter} at line {context.line(definition)}"
        for parameter, definition in context.values.section("Parameters").items()
        if _refers_to(source, parameter)
    ]
    also = f", with {' and '.join(named)}," if named else ""
    return f"{name} {target}".rstrip() + f"{also} decides it"


def _map_entry(context: _Context, argument: Tree) -> Tree | None:
    tree = context.template.get("Mappings")
    try:
        for part in argument.items[:3]:  # the fourth may be a default
            name = context.values.value(part)
            tree = tree.get(name) if tree is not None and isinstance(name, str) else None
    except UnknownValueError:
        return None
    return tree


def _parameter(
    context: _Context,
    groups: TemplateGroups,
    exposure: Exposure,
    rule: TemplateRule,
    name: str,
    notes: list[str],
) -> Edit:
    stack = context.stack
    definition = context.values.section("Parameters")[name]
    notes.append(f"parameter {name}, at line {context.line(definition)}, decides it")
    if others := _also_decided(context, groups, rule, name):
        notes.append(f"it decides also {', '.join(others)}")
    if uses := _other_uses(context, name):
        notes.append(f"it is used also by {', '.join(uses)}")
    if exposure.prefix_list_id:
        notes.append("change the list, or name another one")
        return Edit.POINTER
    if stack.chain:
        given = stack.given_at.get(name, f"stack {stack.chain[-1]} gives it to the nested stack {stack.name}")
        notes.append(f"it is given by the parent: {given}")
        return Edit.POINTER
    if definition.text("Type").startswith(_SSM):
        notes.append("its value is that of a parameter of Systems Manager: change that one")
        return Edit.POINTER
    new = _new_value(context, exposure)
    if not new:
        family = 6 if ":" in exposure.cidr else 4
        notes.append(f"no replacement of IPv{family} is configured, and the parameter can hold no other")
        return Edit.POINTER
    rest = [each for each in context.replacements if each != new]
    now = context.values.given.get(name, "")
    is_secret = definition.text("NoEcho").casefold() == "true" or name in context.values.hidden
    notes.append(f"its value now is {'hidden (NoEcho)' if is_secret else now}, the new one {new}")
    if rest:
        notes.append(f"{', '.join(rest)} need rules of their own")
    if stack.stack_set:
        notes.append(_OF_SET)
    notes += _refusals(definition, new)
    context.decided[name] = new
    return Edit.PARAMETER


def _new_value(context: _Context, exposure: Exposure) -> str:
    """What a parameter becomes that opens: the first replacement of its family; empty: there is none."""
    family = [each for each in context.replacements if (":" in each) == (":" in exposure.cidr)]
    return next((each for each in family if not is_prefix_list(each)), "")


def _narrowed_by_parameter(context: _Context, exposure: Exposure, rule: TemplateRule) -> str:
    """The source that the printed command gives a rule; empty: it gives none."""
    called = function_of(rule.source)
    definition = context.values.section("Parameters").get(called[1].value) if called and called[0] == "Ref" else None
    if definition is None or exposure.prefix_list_id or context.stack.chain:
        return ""
    return "" if definition.text("Type").startswith(_SSM) else _new_value(context, exposure)


def _refusals(definition: Tree, new: str) -> list[str]:
    """Why the template does not allow a parameter's new value."""
    found: list[str] = []
    allowed = definition.get("AllowedValues")
    if allowed is not None and new not in [each.value for each in allowed.items]:
        found.append(f"AllowedValues refuses {new}: change the template first")
    pattern = definition.text("AllowedPattern")
    if pattern and (len(pattern) > _LONGEST_PATTERN or _REPEATED_GROUP.search(pattern)):
        # A pattern comes from a template, and one with nested repetitions may be tried without end.
        found.append(f"whether AllowedPattern takes {new} was not tried")
    elif pattern:
        try:
            matches = re.fullmatch(pattern, new) is not None
        except re.error:
            found.append(f"whether AllowedPattern takes {new} is not known")
        else:
            found += [] if matches else [f"AllowedPattern refuses {new}: change the template first"]
    longest = definition.text("MaxLength")
    if longest.isdecimal() and len(new) > int(longest):
        found.append(f"MaxLength refuses {new}: change the template first")
    return found


def _also_decided(context: _Context, groups: TemplateGroups, rule: TemplateRule, name: str) -> list[str]:
    """The other rules of the template whose source a parameter decides."""
    found = []
    for group in groups.groups.values():
        for other in group.rules:
            if other.source is not rule.source and _refers_to(other.source, name):
                traffic = traffic_text(*other.traffic) if other.traffic else "a rule"
                found.append(f"{traffic} of {other.logical_id} at line {context.line(other.source)}")
    for logical_id, resource in context.values.section("Resources").items():
        properties = resource.get("Properties")
        if properties is None:
            continue
        inline = properties.get("SecurityGroupEgress") if resource.text("Type") == GROUP else None
        egress = properties if resource.text("Type") == _EGRESS else inline
        for part in _references(egress, name) if egress is not None else ():
            found.append(f"an egress rule of {logical_id} at line {context.line(part)}")
    return found


def _other_uses(context: _Context, name: str) -> list[str]:
    """What else of the template than security groups and their rules a parameter decides."""
    found = [
        f"condition {condition} at line {context.line(tree)}"
        for condition, tree in context.values.section("Conditions").items()
        if _refers_to(tree, name)
    ]
    for resource in context.values.section("Resources").values():  # their names are not shown
        part = next(_references(resource, name), None)
        if part is not None and resource.text("Type") not in (GROUP, INGRESS, _EGRESS):
            found.append(f"a resource at line {context.line(part)}")
    for section, what in (("Outputs", "an output"), ("Rules", "an assertion")):  # names of neither are shown
        parts = (next(_references(tree, name), None) for tree in context.values.section(section).values())
        found += [f"{what} at line {context.line(part)}" for part in parts if part is not None]
    return found


def _refers_to(tree: Tree, name: str) -> bool:
    return any(_references(tree, name))


def _references(tree: Tree, name: str) -> Iterator[Tree]:
    """The parts of a template that name a parameter."""
    called = function_of(tree)
    text = "".join(each.value for each in (called[1], *called[1].items[:1])) if called else ""
    if called and ((called[0] == "Ref" and text == name) or (called[0] == "Fn::Sub" and f"${{{name}}}" in text)):
        yield tree
        return
    for each in [*tree.items, *(value for _, value in tree.pairs)]:
        yield from _references(each, name)


def _commands(context: _Context) -> list[str]:
    """The command that changes the parameters which decide sources, and keeps every other."""
    if not context.decided:
        return []
    stack = context.stack
    written = []
    # What `AWS::Include` brings in is told by the stack alone.
    names = dict.fromkeys([*context.values.section("Parameters"), *stack.parameters, *stack.hidden])
    for name in (each for each in names if not each.startswith("Fn::")):
        if name in context.decided:
            written.append(f"ParameterKey={name},ParameterValue={context.decided[name]}")
        else:
            # A parameter that is left out gets its default again.
            written.append(f"ParameterKey={name},UsePreviousValue=true")
    if stack.stack_set:
        words = ["aws", "cloudformation", "update-stack-set", "--stack-set-name", stack.stack_set]
    else:
        words = ["aws", "cloudformation", "create-change-set", "--stack-name", stack.name]
        words += ["--change-set-name", "hammer-narrow-sources"]
    words += [] if stack.stack_set else ["--region", stack.region]  # a set has a region of its own
    words += ["--use-previous-template", "--parameters", *written]
    words += ["--capabilities", *stack.capabilities] if stack.capabilities else []
    return [shlex.join(words)]


def _before_diff(context: _Context, patched: bool) -> list[str]:
    stack = context.stack
    if not stack.stack_set or not (patched or context.decided):
        return []
    return [f"The stack set {stack.stack_set} makes a group in each of its accounts and regions: this changes all."]

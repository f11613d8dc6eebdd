"""The text of a configuration's file in YAML as sections, lists and scalars. Pure."""

from __future__ import annotations

import re
from typing import Any, ClassVar, NoReturn

import yaml

from library.config.text import RawSection, TextError, repeated_keys
from library.documents.text import shortened

# Only true, false, null and plain whole numbers are more than text. YAML 1.1 also makes a number of an account id with
# a zero in front, a date of 2027-03-01, 1340 of the range 22:20, and true of `yes`.
_STRING, _INTEGER, _BOOLEAN, _NULL, _MERGE = (
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null", "merge")
)
_SCALARS = {
    _INTEGER: re.compile(r"-?(?:0|[1-9][0-9]{0,18})"),
    _BOOLEAN: re.compile(r"true|True|TRUE|false|False|FALSE"),
    _NULL: re.compile(r"~|null|Null|NULL|"),
    _MERGE: re.compile(r"<<"),
}
# Text here, and another number in Terraform, whose modules read the same file.
_OTHER_NUMBER = re.compile(r"[-+]?0[0-9]+|[-+]?0[box][0-9A-Fa-f_]+|[-+]?[0-9]+(?:_[0-9]+)+|\+[0-9]+")

# The keys whose text Terraform reads, too, and compares or names something by.
_READ_BY_TERRAFORM = frozenset(
    {
        *("external_id", "s3_backup_bucket", "role_name_identification", "role_name_reporting"),
        *("ddb.table_name", "secret", "prefix", "email_from"),
    }
)
# Text here, and in Terraform another number, a time or a boolean: an external id of hexadecimal digits may be 7839e215.
_OTHER_VALUE = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?|(?i:y|yes|n|no|on|off)"
)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with fewer kinds of values: keys are text always, and repeated ones are noted."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # PyYAML's is one of the class, too
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def construct_document(self, node: yaml.Node) -> Any:
        self.deep_construct = True  # so that an alias that contains itself is found here
        return super().construct_document(node)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what `<<` brings first, so that the section's own keys replace it.

        In Terraform, whose modules read the same file, whatever stands last replaces what stands above it. Of a list of
        sections after `<<` Terraform makes an error.

        Raises:
            TextError: an own key stands above a `<<` that brings it, too.
        """
        written = list(node.value)
        super().flatten_mapping(node)
        brought: list[Any] = []
        for key, value in reversed(written):
            if key.tag == _MERGE:
                sections = value.value if isinstance(value, yaml.SequenceNode) else [value]
                brought += [each.value for section in sections for each, _ in section.value]
            elif key.value in brought:
                name, where = shortened(str(key.value), 20), _at(key.start_mark)
                raise TextError(f"has {name} above a << that has it, too, which Terraform takes: write << first{where}")

    def section(self, node: yaml.MappingNode) -> RawSection:
        own = [key for key, _ in node.value if key.tag != _MERGE]
        self.flatten_mapping(node)
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise TextError(f"has a key that is not text{_at(key.start_mark)}")
            _check_quotes(key, _OTHER_NUMBER, "another number")
            if key.value in _READ_BY_TERRAFORM and isinstance(value, yaml.ScalarNode):
                _check_quotes(value, _OTHER_VALUE, "another value")
        section = RawSection([(key.value, self.construct_object(value)) for key, value in node.value])
        section.repeated = repeated_keys([key.value for key in own])
        return section

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        return self.construct_sequence(node)

    def scalar(self, node: yaml.ScalarNode) -> Any:
        pattern = _SCALARS.get(node.tag)
        if pattern is None:
            _check_quotes(node, _OTHER_NUMBER, "another number")
            return node.value
        if not pattern.fullmatch(node.value):
            raise TextError(f"has a value of a kind that is not supported{_at(node.start_mark)}")
        if node.tag == _INTEGER:
            return int(node.value)
        return node.value.lower() == "true" if node.tag == _BOOLEAN else None

    def unknown(self, node: yaml.Node) -> NoReturn:
        raise TextError(f"has a value of a kind that is not supported{_at(node.start_mark)}")


for _tag, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern.pattern})\Z"), None)
    _Loader.add_constructor(_tag, _Loader.scalar)
_Loader.add_constructor(_STRING, _Loader.scalar)
_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.sequence)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.section)
_Loader.add_constructor(None, _Loader.unknown)
_YAML_PROBLEMS = {
    "found unconstructable recursive node": "has an alias that contains itself",
    "expected a mapping or list of mappings for merging": "merges something that is not a section",
    "expected a mapping for merging": "merges something that is not a section",
}


def read_yaml(text: str) -> Any:
    """The value that a YAML text stands for, its mappings as `RawSection`.

    Raises:
        TextError: it is not one YAML document, or uses more of YAML than a configuration needs.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        reason = error.problem or error.context or "it cannot be read"
        known = _YAML_PROBLEMS.get(reason.partition(", but")[0])
        raise TextError(f"{known or f'is not YAML: {reason}'}{_at(error.problem_mark)}") from None
    except RecursionError:
        raise TextError("is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # The parser lets Python's own errors through for an escape beyond Unicode, say.
        raise TextError("is not YAML: it has a character or an escape that YAML does not know") from None


def _check_quotes(node: yaml.ScalarNode, pattern: re.Pattern[str], what: str) -> None:
    """Refuse a text without quotes that Terraform reads as something else."""
    if node.style is None and node.tag == _STRING and pattern.fullmatch(node.value):
        raise TextError(
            f"has {shortened(node.value, 20)} without quotes, which Terraform reads as {what}: write "
            f'"{shortened(node.value, 20)}"{_at(node.start_mark)}'
        )


def _at(mark: yaml.Mark | None) -> str:
    return f", at line {mark.line + 1}, column {mark.column + 1}" if mark else ""

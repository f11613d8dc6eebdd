"""The kinds of value that a configuration holds, and how each is read from what JSON or YAML gave.

Pure. Every reader raises ValueError with a message for people; none turns one type into another unasked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue

from library.config.errors import kind, show
from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet, parse_ports

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

ACCOUNT_ID = re.compile(r"[0-9]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Section(BaseModel):
    """A mapping with known keys: anything else in it is an error, and nothing is converted silently."""

    # The validators are built when the first configuration is read, not when a Lambda imports this.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


@dataclass(frozen=True)
class ReadAs:
    """Annotation of a field that is read as another type than its own, one without None, say."""

    read_as: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Part of pydantic's protocol: how to validate."""
        return handler.generate_schema(self.read_as)


def _entries(entries: Sequence[Any]) -> tuple[Any, ...]:
    # Not `tuple` itself: pydantic asks for a function's signature, and Python parses that of a builtin from its text,
    # which a cold start would notice: 5 ms for the first one.
    return tuple(entries)


@dataclass(frozen=True)
class ListOf:
    """Annotation of a field that is a list, or one comma-separated string, in the file.

    Attributes:
        entry: the type that each entry is read as; each wrong entry is an error of its own.
        make: makes the field's value of the entries.
    """

    entry: Any
    make: Callable[[Sequence[Any]], Any] = _entries

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Part of pydantic's protocol: how to validate."""
        return handler.generate_schema(
            Annotated[list[self.entry], AfterValidator(self.make), BeforeValidator(split_list)]  # type: ignore[name-defined]
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Part of pydantic's protocol: how an editor knows what may be written."""
        return {"anyOf": [handler(schema), {"type": "string"}]}


def split_list(value: object) -> list[Any]:
    """A list as it is, or the entries of a comma-separated string."""
    if isinstance(value, str):
        return [entry for part in value.split(",") if (entry := part.strip())]
    if isinstance(value, list):
        return value
    raise ValueError(f"must be a list or a comma-separated text, not {show(value)}")


def read_boolean(value: object) -> bool:
    """true, false, or either word as a string in any case."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"must be true or false, not {show(value)}")


def read_number(value: object) -> object:
    """An entry of a list of numbers: a text of digits, as a comma-separated text has them, is one."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value


def read_account_id(value: object) -> str:
    """Twelve digits; YAML makes a number of them unless they are quoted."""
    text = str(value) if type(value) is int else value
    if isinstance(text, str) and ACCOUNT_ID.fullmatch(text):
        return text
    raise ValueError(f"{show(value)} is not an account id: 12 digits")


def read_account_or_every(value: object) -> str:
    """An account id, or `*` for every account that has no entry of its own."""
    if value == "*":
        return "*"
    try:
        return read_account_id(value)
    except ValueError:
        raise ValueError(f'{show(value)} is neither an account id (12 digits) nor "*"') from None


def read_port(value: object) -> PortSet:
    """One entry of a list of ports, as `library.network.ports.parse_ports` reads it."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return parse_ports(value)
    raise ValueError(f'{show(value)} is not a port: write 22, "8000-8100" or "udp/161"')


def read_cidr(value: object) -> AddressSet:
    """One CIDR or address of either family."""
    try:
        return AddressSet.of([parse_network(value if isinstance(value, str) else "")])
    except ValueError:
        raise ValueError(f'{show(value)} is not a CIDR: write "198.51.100.0/24" or "2001:db8::/32"') from None


def read_date(value: object) -> date:
    """A real day as `YYYY-MM-DD`."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{show(value)}: there is no such day") from None
    raise ValueError(f"{show(value)} is not a date: write YYYY-MM-DD")


def read_cron(value: object) -> str:
    """A cron expression of five fields."""
    message = f'{show(value)} is not a cron expression: write five fields such as "55 * * * *"'
    if not isinstance(value, str) or len(value.split()) != 5:
        raise ValueError(message)
    try:
        CronSim(value, datetime(2000, 1, 1))  # noqa: DTZ001 - any moment does
    except CronSimError:
        raise ValueError(message) from None
    return value


def check_url(value: str) -> str:
    """Empty, or an http(s) URL. The message leaves the value out: it may carry a password."""
    if value and not _is_url(value):
        raise ValueError("is not a URL: write one that begins with https:// or http://")
    return value


def check_encrypted_url(value: str) -> str:
    """Empty, or an https URL, or an http URL of this machine: a login is sent there. It carries none itself."""
    check_url(value)
    if "@" in urlsplit(value).netloc:
        raise ValueError("carries a login, which messages would show: write it into the secret")
    if urlsplit(value).scheme == "http" and not _is_loopback(urlsplit(value).hostname or ""):
        raise ValueError("would send the login unencrypted: write https:// (http:// is for this machine only)")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        # `port` is read, and refused, only when it is asked for.
        good_host = bool(parts.hostname) and parts.port != 0
        return parts.scheme in ("http", "https") and good_host and not re.search(r"\s", value)
    except ValueError:
        return False


def matching(pattern: str, message: str, *, quote: bool = True) -> AfterValidator:
    """Annotation of a text that must match a pattern as a whole.

    `message` is what to say of one that does not, after the text itself; `quote` whether to say that text: not where it
    may be a secret put in the wrong place.
    """
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{show(value)} {message}" if quote else message)
        return value

    return AfterValidator(check)


def read_section_or_text(value: object, read: Callable[[object], Any], what: str) -> Any:
    """For an entry that is a section or a short form of it: a section is left to its model."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) or value is None:
        raise ValueError(f"must be {what}, not {kind(value)}")
    return read(value)


PORT_SCHEMA: JsonSchemaValue = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 65535},
        {"type": "string", "pattern": r"^\s*(([tT][cC][pP]|[uU][dD][pP]|6|17)/)?[0-9]{1,5}(\s*-\s*[0-9]{1,5})?\s*$"},
    ]
}
_BOOLEAN_SCHEMA: JsonSchemaValue = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"}]
}
_ACCOUNT_ID_SCHEMA: JsonSchemaValue = {
    "anyOf": [
        {"type": "string", "pattern": "^[0-9]{12}$"},
        {"type": "integer", "minimum": 10**11, "maximum": 10**12 - 1},
    ]
}
_DATE_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_KEY_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": "^[0-9]{12}$"}

Boolean = Annotated[bool, BeforeValidator(read_boolean), WithJsonSchema(_BOOLEAN_SCHEMA)]
AccountId = Annotated[str, PlainValidator(read_account_id), WithJsonSchema(_ACCOUNT_ID_SCHEMA)]
AccountKey = Annotated[str, PlainValidator(read_account_id), WithJsonSchema(_KEY_SCHEMA)]
"""An account id that is a key: text always."""
AccountOrEvery = Annotated[
    str, PlainValidator(read_account_or_every), WithJsonSchema({"type": "string", "pattern": r"^([0-9]{12}|\*)$"})
]
Port = Annotated[PortSet, PlainValidator(read_port), WithJsonSchema(PORT_SCHEMA)]
Cidr = Annotated[AddressSet, PlainValidator(read_cidr), WithJsonSchema({"type": "string"})]
Expiry = Annotated[date | None, PlainValidator(read_date), WithJsonSchema(_DATE_SCHEMA)]
Cron = Annotated[str | None, PlainValidator(read_cron), WithJsonSchema({"type": "string"})]
Url = Annotated[str, AfterValidator(check_url)]
EncryptedUrl = Annotated[str, AfterValidator(check_encrypted_url)]
REGION = "[a-z]{2,}(-[a-z]+)+-[0-9]+"
NO_REGION = "is not a region: write one such as eu-west-1"
Region = Annotated[str, matching(REGION, NO_REGION)]
# A path has no slash in front of it: the ARN has that one already (IAM API Reference, Role).
RoleName = Annotated[
    str,
    matching(r"(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}", "is not a role's name: write the name alone, not the ARN"),
]
# AWS STS API Reference, AssumeRole, ExternalId.
ExternalId = Annotated[
    str,
    matching(
        r"([\w+=,.@:/-]{2,1224})?",
        "is no external id that AWS STS takes: 2 to 1224 letters, digits and _ + = , . @ : / -",
        quote=False,
    ),
]
BucketName = Annotated[
    str,
    matching(
        r"([a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9])?",
        "is not a bucket's name: write the name alone, 3 to 63 small letters, digits, dots and hyphens",
    ),
]
RoleArn = Annotated[
    str,
    matching(
        r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+",
        "is not the ARN of a role: write arn:aws:iam::<account>:role/<name>",
    ),
]
LogHolder = Annotated[str, matching(r"[\w.-]{3,255}", "is neither a bucket's name nor an account id")]


def read_replacement(value: object) -> str:
    """A CIDR in its shortest form, or the id of a managed prefix list."""
    text = value if isinstance(value, str) else ""
    if re.fullmatch(r"pl-[0-9a-z]+", text):
        return text
    try:
        return str(parse_network(text))
    except ValueError:
        raise ValueError(f'{show(value)} is neither a CIDR nor the id of a prefix list: write "10.0.0.0/8"') from None


Replacement = Annotated[str, PlainValidator(read_replacement), WithJsonSchema({"type": "string"})]
TableName = Annotated[str, matching(r"[\w.-]{3,255}", "is not a table's name: 3 to 255 letters, digits, _ . -")]
SecretName = Annotated[
    str,
    matching(
        r"[\w/+=.@:-]*",
        "must be the name of a secret in AWS Secrets Manager: the secret itself does not belong here",
        quote=False,
    ),
]
Positive = Annotated[int, Field(ge=1)]
# A bound that keeps dates that are counted from it within the calendar.
Days = Annotated[int, Field(ge=0, le=36_500)]
DayEntry = Annotated[int, Field(ge=0, le=36_500), BeforeValidator(read_number)]

Ports = Annotated[PortSet, ListOf(Port, PortSet.union)]
Cidrs = Annotated[AddressSet, ListOf(Cidr, AddressSet.union)]
Scope = Literal["open_completely", "open_partly"]
SeverityName = Literal["critical", "high", "medium", "low"]

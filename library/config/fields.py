"""The kinds of value that a configuration holds, and how each is read from what JSON or YAML gave.

Pure. Every function raises ValueError with a message for people; none turns one type into another unasked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from library.config.problems import kind, show
from library.config.readers import ListOf, Scalar
from library.config.section import JsonSchema
from library.network.addresses import AddressSet, parse_network
from library.network.ports import PortSet, parse_ports

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_text(value: object) -> str:
    """A text that can be written somewhere else."""
    if isinstance(value, str):
        return _whole(value)
    raise ValueError(f"must be text, not {kind(value)}")


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can write half of a character as \ud800
        raise ValueError("must be text, and this has half of a character in it") from None
    return text


def read_whole_number(value: object) -> int:
    """A whole number; true and false are none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be a whole number, not {show(value)}")


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
    if isinstance(text, str) and _ACCOUNT_ID.fullmatch(text):
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
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only a configuration with cron jobs pays for it

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
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", value)
    except ValueError:
        return False


def _matching(pattern: str, message: str, *, quote: bool = True) -> Scalar:
    """A text that must match a pattern as a whole.

    Args:
        pattern: the regular expression.
        message: what to say of one that does not, after the text itself.
        quote: whether to say the text itself: not where it may be a secret put in the wrong place.
    """

    def convert(value: object) -> str:
        text = read_text(value)
        # Compiled when it is needed: a Lambda's configuration has few of these.
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"{show(text)} {message}" if quote else message)
        return text

    return Scalar(convert, _TEXT)


def _whole_number(
    least: int, most: int | None = None, before: Callable[[object], object] = lambda value: value
) -> Scalar:
    """A whole number within bounds, both of them allowed."""

    def convert(value: object) -> int:
        number = read_whole_number(before(value))
        if number < least:
            raise ValueError(f"must be at least {least}, not {show(number)}")
        if most is not None and number > most:
            raise ValueError(f"must be at most {most}, not {show(number)}")
        return number

    return Scalar(convert, {**({} if most is None else {"maximum": most}), "minimum": least, "type": "integer"})


def one_of(*words: str) -> Scalar:
    """One of two words or more."""
    choice = f"{', '.join(words[:-1])} or {words[-1]}"

    def convert(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise ValueError(f"must be {choice}, not {show(value)}")

    return Scalar(convert, {"enum": list(words), "type": "string"})


def _url(check: Callable[[str], str]) -> Scalar:
    return Scalar(lambda value: check(read_text(value)), _TEXT)


_TEXT: JsonSchema = {"type": "string"}

TEXT = Scalar(read_text, _TEXT)
BOOLEAN = Scalar(
    read_boolean,
    {"anyOf": [{"type": "boolean"}, {"pattern": "^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$", "type": "string"}]},
)
ACCOUNT_ID = Scalar(
    read_account_id,
    {
        "anyOf": [
            {"pattern": "^[0-9]{12}$", "type": "string"},
            {"maximum": 10**12 - 1, "minimum": 10**11, "type": "integer"},
        ]
    },
)
ACCOUNT_KEY = Scalar(read_account_id, {"pattern": "^[0-9]{12}$", "type": "string"})
"""An account id that is a key: text always."""
ACCOUNT_OR_EVERY = Scalar(read_account_or_every, {"pattern": r"^([0-9]{12}|\*)$", "type": "string"})
PORT = Scalar(
    read_port,
    {
        "anyOf": [
            {"maximum": 65535, "minimum": 0, "type": "integer"},
            {
                "pattern": r"^\s*(([tT][cC][pP]|[uU][dD][pP]|6|17)/)?[0-9]{1,5}(\s*-\s*[0-9]{1,5})?\s*$",
                "type": "string",
            },
        ]
    },
)
DATE = Scalar(read_date, {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "type": "string"})
CRON = Scalar(read_cron, _TEXT)
URL = _url(check_url)
ENCRYPTED_URL = _url(check_encrypted_url)
REGION = _matching("[a-z0-9-]+", "is not a region: write one such as eu-west-1")
ROLE_NAME = _matching(r"[\w+=,.@/-]+", "is not a role's name: write the name alone, not the ARN")
ROLE_ARN = _matching(
    r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", "is not the ARN of a role: arn:aws:iam::<account>:role/<name>"
)
LOG_HOLDER = _matching(r"[0-9]{12}|[\w.-]{3,255}", "is neither a bucket's name nor an account id")
# AWS STS API Reference, AssumeRole, ExternalId.
EXTERNAL_ID = _matching(
    r"([\w+=,.@:/-]{2,1224})?",
    "is no external id that AWS STS takes: 2 to 1224 letters, digits and _ + = , . @ : / -",
    quote=False,
)
BUCKET_NAME = _matching(r"([\w.-]{3,255})?", "is not a bucket's name: write the name alone")
TABLE_NAME = _matching(r"[\w.-]{3,255}", "is not a table's name: 3 to 255 letters, digits, _ . -")
SECRET_NAME = _matching(
    r"[\w/+=.@:-]*",
    "must be the name of a secret in AWS Secrets Manager: the secret itself does not belong here",
    quote=False,
)
# What Hammer itself writes into a new ticket.
JIRA_FIELD = _matching(
    "(?!(?:assignee|components|description|duedate|issuetype|labels|priority|project|security|summary)$).+",
    "is a field that Hammer writes: set it by its own key, if it has one",
)
# A Name tag's value, or a glob for one; or another tag's.
SERVER = _matching(r"(?!tag:)(?s:.*)|tag:[^=]+=(?s:.*)", "names no tag: write tag:<key>=<glob>")
POSITIVE = _whole_number(1)
# A bound that keeps dates that are counted from it within the calendar.
DAYS = _whole_number(0, 36_500)
DAYS_FROM_ONE = _whole_number(1, 90)

TEXTS = ListOf(TEXT)
REGIONS = ListOf(REGION)
ACCOUNT_IDS = ListOf(ACCOUNT_ID)
PORTS = ListOf(PORT, PortSet.union)
CIDRS = ListOf(Scalar(read_cidr, _TEXT), AddressSet.union)
DAYS_LIST = ListOf(_whole_number(0, 36_500, read_number))
SCOPES = ListOf(one_of("open_completely", "open_partly"))
SEVERITIES = ListOf(one_of("critical", "high", "medium", "low"))

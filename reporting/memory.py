"""What reporting keeps in an issue's item, checked before it is used: other tooling may write there, too.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from library.issues.issue import Issue
from library.issues.times import parse_time


def check_memory(issue: Issue) -> None:
    """Raise ValueError, naming the part, if `jira_details` or `slack_details` is not as reporting writes it."""
    for name, kept, parts in (
        ("jira_details", issue.jira_details, _JIRA),
        ("slack_details", issue.slack_details, _SLACK),
    ):
        _check(name, kept, parts)


def _check(where: str, kept: Mapping[str, Any], parts: Mapping[str, Callable[[Any], bool]]) -> None:
    for name, is_right in parts.items():
        if kept.get(name) is not None and not is_right(kept[name]):
            raise ValueError(f"{where}.{name} is not as it should be")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and value == int(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(text, str) for text in value)


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:
        return False


def _maps_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in (*value, *value.values()))


def _is_intent(value: object) -> bool:
    times = ("since", "unknown")
    return isinstance(value, Mapping) and all(value.get(name) is None or _is_time(value[name]) for name in times)


def _is_heard(value: object) -> bool:
    return isinstance(value, Mapping) and _are_texts(value.get("by", ()))


_TOLD: Mapping[str, Callable[[Any], bool]] = {
    "occurrence": _is_number,
    "digest": _is_text,
    "severity": _is_text,
    "exemption_told": _is_text,
    "at_once": _is_flag,
    "exempt": _is_flag,
}
_JIRA = {
    **_TOLD,
    "console": _is_number,
    "ticket": _is_text,
    "intent": _is_intent,
    "told": _are_texts,
    "still": _maps_texts,
}
_SLACK = {**_TOLD, "heard": _is_heard, "destinations": _are_texts, "reminded": _is_number}

"""JSON, and nothing that merely looks like it.

Pure.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from library.config.raw import RawSection, TextError


def read_json(text: str) -> Any:
    """The value that a JSON text stands for, its objects as `RawSection`.

    Raises:
        TextError: it is not JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=RawSection, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise TextError(f"is not JSON: {reason}, at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise TextError("is nested too deeply") from None
    except ValueError:
        # Python's own bound on the digits of a number.
        raise TextError("has a number in it that is too long") from None


def _refuse(name: str) -> NoReturn:
    raise TextError(f"is not JSON: it has no {name}")

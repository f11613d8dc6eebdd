"""Answers that are none of AWS's: a page that a proxy or a guest network sends in place of one, with status 200.

botocore reads such a page, or any other XML, as an answer in which nothing is set, or fails in its own parser. Either
is dangerous: an item of the table would not be there, and a write that never arrived would count as done. So each
answer is looked at before botocore parses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel
    from botocore.session import Session as BotocoreSession

# Possessive: a page of nothing but comments must not be tried in every way that they may be put together.
_COMMENTS = rb"(?:<!--(?>.*?-->)\s*+)*+"
_PAGE = re.compile(rb"\s*+" + _COMMENTS + rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_JSON, _XML = "json", ("ec2", "query")
# The root element of an answer is the operation's name and "Response" in both protocols (Smithy, AWS query and EC2).
_XML_ANSWER = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml(?>.*?\?>)\s*+)?+" + _COMMENTS + rb"<(?:[\w.-]+:)?\w+Response\b", re.DOTALL
)
_BEGINNING = 1000  # bytes in which a page shows itself


def refuse_foreign_answers(session: BotocoreSession) -> BotocoreSession:
    """Have every client of a session raise ResponseParserError where a page came in place of an answer.

    Args:
        session: the clients that it makes from now on do so.

    Returns:
        The same session.
    """
    session.register("before-parse", _refuse, unique_id="hammer-refuse-foreign-answers")
    return session


def _refuse(**told: Any) -> None:
    """Handler of botocore's `before-parse`. Raises ResponseParserError."""
    operation_model: OperationModel = told["operation_model"]
    response_dict = told["response_dict"]
    body = response_dict["body"]
    # An object of S3 comes as a stream, and may well be a page. What is refused by its status is read as an error.
    if response_dict["status_code"] >= 300 or not isinstance(body, bytes):
        return
    beginning = body[:_BEGINNING]
    protocol = _protocol(operation_model.service_model)
    is_foreign_json = protocol == _JSON and beginning.strip() and not beginning.lstrip().startswith(b"{")
    is_foreign_xml = protocol in _XML and not _XML_ANSWER.match(beginning)
    if _PAGE.match(beginning) or is_foreign_json or is_foreign_xml:
        raise ResponseParserError(f"the answer to {operation_model.name} is a page, or none of AWS's: {body[:200]!r}")


def _protocol(service: ServiceModel) -> str:
    """Which protocol botocore speaks with a service.

    A service may have several, of which botocore resolves one. A botocore that has no `resolved_protocol` yet, as a
    Lambda runtime may bring, speaks the one that its model names.
    """
    resolved = getattr(service, "resolved_protocol", None)
    return str(resolved or service.metadata["protocol"])

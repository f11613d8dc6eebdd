"""The comments of a ticket are read to the last page, however few of them JIRA gives at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from library.documents.document import Section, paragraph
from library.notifications.change_delivery import comment_with_reference
from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraConnection


class Pages:
    """A connection to a JIRA with one ticket."""

    def __init__(self, bodies: list[str], page_size: int, *, has_total: bool) -> None:
        self.bodies, self.page_size, self.has_total, self.calls = bodies, page_size, has_total, 0

    def read(self, call: Callable[[Any], Any]) -> Any:
        return call(self)

    def get_json(self, path: str, **params: Any) -> Any:
        assert path == "issue/SEC-1/comment"
        self.calls += 1
        start = params["startAt"]
        page = [
            {"created": f"2026-11-{number:03}", "body": body, "author": {"name": "jane"}}
            for number, body in enumerate(self.bodies)
        ][start : start + min(self.page_size, params["maxResults"])]
        return {"comments": page, **({"total": len(self.bodies)} if self.has_total else {})}


def a_client(pages: Pages) -> JiraClient:
    return JiraClient(cast("JiraConnection", pages))


@pytest.mark.parametrize(
    ("page_size", "has_total"),
    [
        pytest.param(100, True, id="as many as asked for"),
        pytest.param(50, True, id="fewer than asked for"),
        pytest.param(100, False, id="without a total"),
    ],
)
def test_every_page_is_read(page_size: int, has_total: bool) -> None:
    pages = Pages([f"comment {number}" for number in range(250)], page_size, has_total=has_total)
    assert a_client(pages).newest_comment("SEC-1", {("name", "jane")}) == "comment 249"
    assert a_client(pages).has_comment("SEC-1", "comment 249")
    assert not a_client(pages).has_comment("SEC-1", "comment 250")


def test_no_page_is_asked_for_after_the_one_with_the_marker() -> None:
    pages = Pages([f"comment {number}" for number in range(250)], 100, has_total=True)
    assert a_client(pages).has_comment("SEC-1", "comment 99")
    assert pages.calls == 1


def test_the_last_page_ends_the_reading() -> None:
    pages = Pages(["comment"] * 200, 100, has_total=True)
    assert a_client(pages).newest_comment("SEC-1", {("name", "joe")}) == ""
    assert pages.calls == 2


def test_a_page_without_comments_is_the_last() -> None:
    pages = Pages([], 100, has_total=True)
    assert not a_client(pages).has_comment("SEC-1", "comment")
    assert pages.calls == 1


@pytest.mark.parametrize("reference", ["0123456789abcdef", "decision 0123456789abcdef", "cut off 0123456789abcdef"])
def test_what_hammer_writes_is_no_comment_of_the_person_whose_login_it_has(reference: str) -> None:
    class Writer:
        def comment(self, _: str, body: str) -> None:
            pages.bodies.append(body)

    pages = Pages(["the vendor tests until Friday"], 100, has_total=True)
    document = (Section("", (paragraph("A rule was replaced."),)),)
    comment_with_reference(cast("JiraClient", Writer()), "SEC-1", document, reference, 1000)
    assert a_client(pages).has_comment("SEC-1", reference)
    assert a_client(pages).newest_comment("SEC-1", {("name", "jane")}) == "the vendor tests until Friday"

"""A search is read to its last page, however few tickets JIRA gives at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from library.notifications.jira_client import JiraClient
from library.notifications.jira_connection import JiraConnection


class Search:
    """A connection to a JIRA that gives one or two tickets on a page. Cloud also gives empty pages before the last."""

    def __init__(self, tickets: int, *, is_cloud: bool) -> None:
        self.is_cloud, self.calls = is_cloud, 0
        keys = [f"SEC-{number}" for number in range(tickets, 0, -1)]
        self.pages = [keys[:2], [], *([key] for key in keys[2:])] if is_cloud else [[key] for key in keys]
        self.total = tickets

    def read(self, call: Callable[[Any], Any]) -> Any:
        return call(self)

    def get_json(self, path: str, version: str, **params: Any) -> Any:
        assert (path, version) == ("search/jql" if self.is_cloud else "search", "2")
        assert params["jql"] == 'labels = "hammer-sg-1" ORDER BY created DESC'
        self.calls += 1
        number = int(params.get("nextPageToken", 0) if self.is_cloud else params.get("startAt", 0))
        issues = [{"key": key, "fields": {"status": {}, "labels": []}} for key in self.pages[number]]
        is_last = number + 1 >= len(self.pages)
        if self.is_cloud:
            return {"issues": issues, "isLast": is_last, **({} if is_last else {"nextPageToken": str(number + 1)})}
        return {"issues": issues, "startAt": number, "maxResults": 1, "total": self.total}


@pytest.mark.parametrize("is_cloud", [True, False], ids=["Cloud", "Data Center"])
def test_every_page_of_a_search_is_read(*, is_cloud: bool) -> None:
    search = Search(4, is_cloud=is_cloud)
    found = JiraClient(cast("JiraConnection", search)).find("hammer-sg-1")
    assert [ticket.key for ticket in found] == ["SEC-4", "SEC-3", "SEC-2", "SEC-1"]
    assert search.calls == 4

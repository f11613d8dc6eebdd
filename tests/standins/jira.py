"""JIRA: Cloud or Data Center, as far as Hammer uses it, with the differences that matter."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.standins.server import Answer, Request, StandIn

_STATUSES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done", "Declined": "done"}
_TRANSITIONS = {
    "To Do": [("11", "Start", "In Progress"), ("21", "Finish", "Done")],
    "In Progress": [("21", "Finish", "Done")],
    "Done": [("31", "Again", "To Do")],
    "Declined": [("31", "Again", "To Do")],
}


_COMMENTS_A_PAGE = 100


@dataclass
class User:
    user_id: str
    name: str
    email: str = ""
    assignable: bool = True


@dataclass
class Ticket:
    key: str
    fields: dict[str, Any]
    status: str = "To Do"
    comments: list[str] = field(default_factory=list)
    watchers: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    indexed: bool = True
    created: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    written: dict[int, dict[str, Any]] = field(default_factory=dict)

    def show_text(self, author: dict[str, Any], text: str, created: str) -> None:
        """Somebody comments."""
        self.written[len(self.comments)] = {"author": author, "created": created}
        self.comments.append(text)

    def label(self, name: str, created: str, **entry: Any) -> None:
        """Somebody sets a label: `author`, and what else the history's entry has."""
        before = " ".join(self.labels)
        self.fields["labels"].append(name)
        item = {"field": "labels", "fieldtype": "jira", "fromString": before, "toString": " ".join(self.labels)}
        self.history.append({"id": str(100 + len(self.history)), "created": created, "items": [item], **entry})

    archived: bool = False

    @property
    def said(self) -> list[str]:
        """Its comments without the reference at the end of each."""
        return [re.sub(r"\n\nReference: [0-9a-f]{16}\n\Z", "\n", comment) for comment in self.comments]

    @property
    def labels(self) -> list[str]:
        return list(self.fields["labels"])


class JiraStandIn(StandIn):
    """One JIRA.

    Attributes:
        cloud: whether it is JIRA Cloud.
        absent: fields that the project's screen lacks.
        slow_index: whether a new ticket is not found yet.
        dead_end: whether nothing leads out of Done.
        missing: resources that answer 404, such as `2/search/jql`.
        tells_kind: whether it says if it is Cloud.
        categories: whether statuses have a category.
        shows_users: whether it lets users be looked up.
        refuses: what it answers a request that contains a text, by that text.
        required: fields that a new ticket must have.
        renders: whether it gives another text back than the one it was given, as Cloud does.
        demands: fields that the transition to Done must have, which its screen shows.
        locks_closed: whether a ticket that is done takes no labels.
        moved: keys that tickets had before they were moved to other projects, with those that they have now.
        newest_first: whether a ticket comes with the newest part of its history, as Cloud's does, and not the oldest.
    """

    def __init__(self, *, cloud: bool) -> None:
        super().__init__()
        self.cloud = cloud
        self.tickets: dict[str, Ticket] = {}
        self.users: list[User] = []
        self.projects = {"SEC"}
        self.absent: set[str] = set()
        self.slow_index = False
        self.dead_end = False
        self.missing: set[str] = set()
        self.tells_kind = True
        self.categories = True
        self.shows_users = True
        self.refuses: dict[str, Answer] = {}
        self.required: set[str] = set()
        self.renders = False
        self.demands: set[str] = set()
        self.locks_closed = False
        self.newest_first = False
        self.moved: dict[str, str] = {}
        self.transitions = {status: list(ways) for status, ways in _TRANSITIONS.items()}
        self.text_limit = 32_767

    def copy(self, key: str, created: str) -> Ticket:
        """What somebody makes of a ticket by JIRA's "Clone", which takes the labels along."""
        copied = self.tickets["OPS-7"] = Ticket(
            "OPS-7", {"labels": self.tickets[key].labels, "description": ""}, created=created
        )
        return copied

    def catch_up(self) -> None:
        """The index shows every ticket from now on."""
        for ticket in self.tickets.values():
            ticket.indexed = True

    @property
    def secret(self) -> dict[str, str]:
        return {"username": "hammer@example.com", "api_token": "jira-t0ken"} if self.cloud else {"token": "jira-t0ken"}

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]

    def answer(self, request: Request) -> Answer:
        if not self._logged_in(request):
            return Answer("<html>Unauthorized</html>", 401)
        said = json.dumps([dict(request.query), request.body], ensure_ascii=False)
        for answer in (answer for part, answer in self.refuses.items() if part in said):
            return answer
        found = re.fullmatch(r"/rest/api/((?:2|3(?=/search/jql))/(.+))", request.path)
        if not found or found[1] in self.missing:
            return Answer({"errorMessages": ["no such resource"]}, 404)
        parts = found[2].split("/")
        if parts[0] == "issue" and len(parts) > 1:
            return self._issue(request, parts[1], parts[2] if len(parts) > 2 else "")
        handlers = {
            "GET serverInfo": self._server_info,
            "GET search": self._search,
            "GET search/jql": self._search,
            "GET user/assignable/search": self._users,
            "GET user/search": self._users,
            "POST issue": self._create,
            "POST issueLink": self._link,
        }
        handler = handlers.get(f"{request.method} {found[2]}")
        return handler(request) if handler else Answer({"errorMessages": ["no such resource"]}, 404)

    def _logged_in(self, request: Request) -> bool:
        sent = request.headers.get("authorization", "")
        if not self.cloud:
            return sent == "Bearer jira-t0ken"
        return sent == "Basic " + base64.b64encode(b"hammer@example.com:jira-t0ken").decode()

    def _server_info(self, _: Request) -> Answer:
        kind = "Cloud" if self.cloud else "Server"
        return Answer({"baseUrl": self.url, **({"deploymentType": kind} if self.tells_kind else {})})

    def _search(self, request: Request) -> Answer:
        if self.cloud != request.path.endswith("/jql"):
            return Answer({"errorMessages": ["The requested API has been removed."]}, 410 if self.cloud else 404)
        if keys := re.fullmatch(r"key in \((.+)\)", request.query["jql"]):
            named = [self.moved.get(key, key) for key in keys[1].split(", ")]
            if set(named) - self.tickets.keys():
                return Answer({"errorMessages": ["An issue with this key does not exist"]}, 400)
            return Answer({"issues": [self._shown(self.tickets[key]) for key in named], "isLast": True})
        wanted = re.fullmatch(r'labels = "([^"]+)" ORDER BY created DESC', request.query["jql"])
        if not wanted:
            return Answer({"errorMessages": ["Error in the JQL Query"]}, 400)
        found = [ticket for ticket in self.tickets.values() if wanted[1] in ticket.labels and ticket.indexed]
        return Answer({"issues": [self._shown(ticket) for ticket in reversed(found)], "isLast": True})

    def _users(self, request: Request) -> Answer:
        if not self.shows_users:
            return Answer({"errorMessages": ["You do not have permission to browse users."]}, 403)
        any_user = request.path.endswith("user/search")
        if self.cloud and "accountId" in request.query:
            listed = [user for user in self.users if user.user_id == request.query["accountId"]]
            return Answer([{"accountId": user.user_id, "displayName": user.name} for user in listed])
        # Data Center searches user names; Cloud names and addresses, and does not show the addresses.
        term = request.query["query" if self.cloud else "username"].casefold()
        found = []
        for user in self.users:
            searched = [user.name, user.email] if self.cloud else [user.user_id, user.name, user.email]
            if (user.assignable or any_user) and any(term in text.casefold() for text in searched):
                address = f"{self.url}/rest/api/2/user?{'accountId' if self.cloud else 'username'}={user.user_id}"
                shown = {"self": address, "displayName": user.name}
                if self.cloud:
                    found.append({**shown, "accountId": user.user_id})
                else:
                    found.append({**shown, "name": user.user_id, "emailAddress": user.email})
        return Answer(found)

    def _create(self, request: Request) -> Answer:
        fields = request.body["fields"]
        errors = {
            name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            for name in self.absent & fields.keys()
        }
        if fields["project"]["key"] not in self.projects:
            errors["project"] = "valid project is required"
        for name in self.required - fields.keys():
            errors[name] = f"{name} is required."
        if "\n" in fields["summary"] or len(fields["summary"].encode("utf-16-le")) > 2 * 255:
            errors["summary"] = "The summary is invalid."
        if len(fields["description"].encode("utf-16-le")) > 2 * self.text_limit:
            errors["description"] = "The entered text is too long."
        assignee = fields.get("assignee", {}).get("accountId" if self.cloud else "name")
        if "assignee" in fields and assignee not in {user.user_id for user in self.users if user.assignable}:
            errors["assignee"] = "The user cannot be assigned."
        if any(re.search(r"\s", label) for label in fields["labels"]):
            errors["labels"] = "A label has a space."
        if errors:
            return Answer({"errorMessages": [], "errors": errors}, 400)
        key = f"{fields['project']['key']}-{len(self.tickets) + 1}"
        self.tickets[key] = Ticket(key, dict(fields), indexed=not self.slow_index)
        return Answer({"id": key, "key": key, "self": f"{self.url}/rest/api/2/issue/{key}"}, 201)

    def _issue(self, request: Request, key: str, part: str) -> Answer:  # noqa: PLR0912 - a table of what there is
        ticket = self.tickets.get(self.moved.get(key, key))
        if ticket is None:
            return Answer({"errorMessages": ["Issue does not exist or you do not have permission to see it."]}, 404)
        if ticket.archived and request.method != "GET":
            return Answer({"errorMessages": ["You can't edit this issue because it is archived."], "errors": {}}, 400)
        match request.method, part:
            case "GET", "":
                given = ticket.history[::-1] if self.newest_first else ticket.history
                log = {"histories": given[:100], "total": len(ticket.history)}
                expanded = {"changelog": log} if request.query.get("expand") == "changelog" else {}
                return Answer({**self._shown(ticket), **expanded})
            case "GET", "changelog":
                start = int(request.query["startAt"])
                return Answer({"values": ticket.history[start : start + 100], "total": len(ticket.history)})
            case "PUT", "assignee":
                ticket.fields["assignee"] = request.body
                return Answer(status=204)
            case "PUT", "" if self.locks_closed and ticket.status == "Done":
                return Answer({"errors": {"labels": "Field 'labels' cannot be set."}}, 400)
            case "PUT", "":
                for change in request.body["update"]["labels"]:
                    if "add" in change and change["add"] not in ticket.labels:
                        ticket.fields["labels"].append(change["add"])
                    elif change.get("remove") in ticket.labels:
                        ticket.fields["labels"].remove(change["remove"])
                return Answer(status=204)
            case "GET", "comment":
                return Answer(self._comments(ticket, int(request.query.get("startAt", 0))))
            case "POST", "comment":
                if len(request.body["body"]) > self.text_limit:
                    return Answer({"errors": {"comment": "The entered text is too long."}}, 400)
                ticket.comments.append(request.body["body"])
                return Answer({"id": str(len(ticket.comments)), "body": request.body["body"]}, 201)
            case "GET", "transitions":
                return Answer({"transitions": [self._transition(*found) for found in self._ways(ticket)]})
            case "POST", "transitions":
                for number, _, to in self._ways(ticket):
                    if number == str(request.body["transition"]["id"]):
                        if to == "Done" and request.body["fields"].get("resolution") != {"name": "Fixed"}:
                            return Answer({"errors": {"resolution": "Resolution is required."}}, 400)
                        if to == "Done" and (missing := self.demands - request.body["fields"].keys()):
                            return Answer({"errors": {name: f"{name} is required." for name in missing}}, 400)
                        if unknown := request.body["fields"].keys() - {"resolution", *self.demands}:
                            return Answer({"errors": dict.fromkeys(unknown, "not on the screen")}, 400)
                        ticket.status = to
                        return Answer(status=204)
                return Answer({"errorMessages": ["It is not a valid transition."]}, 400)
            case "POST", "watchers":
                if request.body not in {user.user_id for user in self.users}:
                    return Answer({"errorMessages": ["The user does not exist."]}, 400)
                ticket.watchers.append(request.body)
                return Answer(status=204)
        return Answer({"errorMessages": ["no such resource"]}, 404)

    def _comments(self, ticket: Ticket, start: int) -> dict[str, Any]:
        """A page of the comments, the oldest first."""
        listed = ticket.comments[start : start + _COMMENTS_A_PAGE]
        if self.renders:
            listed = [" ".join(re.sub(r"[\\*]", "", body).split()) + "\r\n" for body in listed]
        comments = [
            {"id": str(number), "body": body, **ticket.written.get(number, {})}
            for number, body in enumerate(listed, start)
        ]
        return {"comments": comments, "startAt": start, "total": len(ticket.comments)}

    def _ways(self, ticket: Ticket) -> list[tuple[str, str, str]]:
        if ticket.archived:
            return []
        return [] if self.dead_end and ticket.status == "Done" else self.transitions[ticket.status]

    def _link(self, request: Request) -> Answer:
        inward, outward = request.body["inwardIssue"]["key"], request.body["outwardIssue"]["key"]
        if {inward, outward} - self.tickets.keys() or request.body["type"] != {"name": "Relates"}:
            return Answer({"errorMessages": ["No issue could be found."]}, 404)
        if outward not in self.tickets[inward].links:
            self.tickets[inward].links.append(outward)
        return Answer(status=201)

    def _shown(self, ticket: Ticket) -> dict[str, Any]:
        status = self._status(ticket.status)
        return {
            "id": ticket.key,
            "key": ticket.key,
            "self": f"{self.url}/rest/api/2/issue/{ticket.key}",
            "fields": {
                "status": status,
                "labels": ticket.labels,
                "assignee": ticket.fields.get("assignee"),
                **({"created": ticket.created} if ticket.created else {}),
            },
        }

    def _transition(self, number: str, name: str, to: str) -> dict[str, Any]:
        resolution = {
            "required": True,
            "hasDefaultValue": False,
            "allowedValues": [{"name": "Later"}, {"name": "Fixed"}],
        }
        return {
            "id": number,
            "name": name,
            "to": self._status(to),
            "fields": {"resolution": resolution, **{name: {"required": True} for name in self.demands}}
            if to == "Done"
            else {},
        }

    def _status(self, name: str) -> dict[str, Any]:
        return {"name": name, **({"statusCategory": {"key": _STATUSES[name]}} if self.categories else {})}

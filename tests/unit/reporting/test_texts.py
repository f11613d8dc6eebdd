"""What people read of one issue in each channel: verdict × what is open × channel, whole, and never against a fact."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hammer.explain import summary_section
from hammer.formats.asff_format import title
from hammer.listing.issue import default_context, listed_issue
from library.documents.document import plain_text
from library.issues.issue import Issue
from library.issues.reachability import Verdict
from library.issues.reconcile import Detection
from library.security_groups.group import IngressRule
from library.security_groups.users import GroupUsers
from reporting.group_text import alert, summary, ticket
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.judged_issues import NETWORKS, NOW, PORTS, RDP, SSH, issue_of

WORDS = Path(__file__).parents[2] / "data" / "texts.json"
"""Read what a change of it says before you accept it: `python -m tests.unit.reporting.test_texts` writes it anew."""
LOCATION = Location("shop", "210987654321", "eu-west-1")
OPEN = {
    "everybody": (SSH,),
    "some": (RDP,),
    "everybody and some": (SSH, RDP),
    "IPv6": (IngressRule("tcp", 22, 22, cidr="::/0"),),
    "all traffic": (IngressRule("-1", None, None, cidr="0.0.0.0/0"),),
}
CASES = [(network, opened) for network in NETWORKS for opened in OPEN]


def texts(issue: Issue) -> dict[str, str]:
    """What each channel says."""
    closes_at = NOW + timedelta(days=21)
    facts = TicketFacts(
        LOCATION, PORTS, GroupUsers(), closes_at, "replace_rule", frozenset({"open_completely", "open_partly"}), 21, ""
    )
    said = alert(issue, facts, is_reminder=False, has_ticket=False)
    detection = Detection(issue.account_id, issue.issue_id, issue.details, whitelisted=False)
    return {
        "title": summary(issue, LOCATION, PORTS),
        "ticket": "\n\n".join(plain_text(ticket(issue, facts)).split("\n\n")[:4]),
        "slack": "\n".join((said.text, *said.details)),
        "explain": " ".join(" ".join(summary_section(detection, PORTS)).split()),
        "asff": title(listed_issue(issue, default_context(NOW.date()))),
        "paths": " ".join(path.text for path in issue.details.reachability.paths) if issue.details.reachability else "",
    }


@pytest.mark.parametrize(("network", "opened"), CASES)
def test_every_text_whole(network: str, opened: str) -> None:
    said = texts(issue_of(OPEN[opened], NETWORKS[network]))
    assert said == json.loads(WORDS.read_text("utf-8"))[f"{network}: {opened}"]


RULES = st.lists(
    st.builds(
        lambda port, cidr: IngressRule("tcp", port, port, cidr=cidr),
        st.sampled_from((22, 3389)),
        st.sampled_from(("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "8.8.8.0/24", "::/0", "2a00::/16")),
    ),
    min_size=1,
    max_size=5,
).map(tuple)


@settings(max_examples=150, deadline=None)
@given(RULES, st.sampled_from(sorted(NETWORKS)))
def test_no_text_contradicts_a_fact_of_its_issue(rules: tuple[IngressRule, ...], network: str) -> None:
    issue = issue_of(rules, NETWORKS[network])
    whole = {
        port
        for port in (22, 3389)
        for cidrs in [{rule.cidr for rule in rules if rule.from_port == port}]
        if "0.0.0.0/0" in cidrs or "::/0" in cidrs or {"0.0.0.0/1", "128.0.0.0/1"} <= cidrs
    }
    reachability = issue.details.reachability
    verdict = reachability.verdict if reachability else None
    for channel, text in texts(issue).items():
        if channel != "paths":
            clauses = re.findall(r"((?:[\w ]+ \(tcp/\d+\)(?:, )?)+) (?:open )?(?:to|from) ([^,;:]+)", text)
            assert clauses, (channel, text)
            for ports, audience in clauses:
                for port in map(int, re.findall(r"tcp/(\d+)", ports)):
                    assert ("the whole" in audience) is (port in whole), (channel, text)
        if verdict is not Verdict.INTERNET:
            assert not re.search(r"(?i)(anyone|anybody|addresses|/\d+) (on the Internet )?can connect", text), text
        if verdict not in (Verdict.INTERNET, Verdict.UNKNOWN, None):
            assert "take over" not in text
        if verdict is Verdict.INTERNET:
            assert "nobody" not in text.lower()


if __name__ == "__main__":
    table = {f"{network}: {opened}": texts(issue_of(OPEN[opened], NETWORKS[network])) for network, opened in CASES}
    WORDS.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")

"""The plan of a dry run, as text: what would be written to whom, and the texts of the first tickets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import indent

from library.documents.document import plain_text
from library.documents.text import printable
from reporting.filing import Filings
from reporting.plan import Step
from reporting.tickets import would_do, would_say

_TEXTS = 10


def preview(steps: Sequence[Step], filings: Filings, *, jira: bool) -> Iterator[str]:
    """One text for each step, and one that counts the tickets whose text is not shown.

    Args:
        steps: the plan.
        filings: what the texts are made from.
        jira: whether JIRA is enabled.
    """
    texts = 0
    for step in steps:
        shown = [f"would tell: {filings.headline(step)}"]
        filing = filings.filing(step)
        if step.ticket and jira:
            shown.append(f"    JIRA: {would_do(step, filing)}")
        if step.alert or step.reminder is not None:
            shown.append(f"    Slack: {', '.join(printable(found) for found in filings.destinations(step))}")
        if step.ticket:
            texts += 1
            if texts <= _TEXTS:
                shown += ["", indent(plain_text(would_say(step, filing)), "    ")]
        yield "\n".join(shown)
    if texts > _TEXTS:
        yield f"the texts of {texts - _TEXTS} more are not shown: choose with --group\n"

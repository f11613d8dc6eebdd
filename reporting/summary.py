"""What a run of reporting did, for the person or timer that started it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReportSummary:
    """What a run did.

    Attributes:
        told: how many issues each kind of news was reported of, by what is new to the ticket, else to Slack.
        unchanged: issues of which there was nothing to report.
        notes: what was done otherwise than asked, one line each.
        problems: what could not be done, one line each.
    """

    told: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The run in one line."""
        nothing = "nothing could be reported" if self.problems else "nothing new"
        told = ", ".join(f"{count} {news}" for news, count in self.told.items()) or nothing
        number = len(self.problems)
        problems = f"; {number} problem{'s' if number > 1 else ''}" if number else ""
        return f"{told}; {self.unchanged} unchanged{problems}"

    def count(self, news: str) -> None:
        """Count one issue that was reported."""
        self.told[news] = self.told.get(news, 0) + 1

    def problem(self, text: str) -> None:
        """Name what could not be done, once, here and in the log."""
        if text not in self.problems:
            self.problems.append(text)
            _log.error("%s", text)

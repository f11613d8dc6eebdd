"""AWS's Reachability Analyzer, asked about one path. It costs money, so nobody is asked by default.

A path from the internet gateway to the interface and one analysis of it are created, waited for and deleted, whatever
came of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from library.aws.failures import AWS_ERRORS
from library.issues.reachability import Path

PRICE = 0.10
"""Dollars for one analysis (Amazon VPC pricing, Network Analysis)."""

_EVERY_S = 5
_ATTEMPTS = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What AWS says of a path.

    Attributes:
        found: whether it found a way; None: it came to no answer.
        reasons: its codes for what is in the way, or why there is no answer.
    """

    found: bool | None
    reasons: tuple[str, ...] = ()


def ask(client: Any, path: Path, place: tuple[str, int] | None, sleep: Callable[[float], None]) -> Asked:
    """Ask about one path.

    Args:
        client: EC2's, for the account and region. Needs the permissions that docs/reachability.md names.
        path: the path.
        place: protocol and port; None: no port.
        sleep: waits so many seconds.

    Raises:
        ClientError, BotoCoreError: AWS refused.
    """
    gateway = next((hop for hop in path.through if hop.startswith("igw-")), "")
    if not gateway:
        return Asked(None, ("no internet gateway to start from",))
    protocol, port = place or ("tcp", 0)
    made = client.create_network_insights_path(
        Source=gateway, Destination=path.interface, Protocol=protocol, **({"DestinationPort": port} if port else {})
    )
    path_id = made["NetworkInsightsPath"]["NetworkInsightsPathId"]
    analysis_id = ""
    try:
        started = client.start_network_insights_analysis(NetworkInsightsPathId=path_id)
        analysis_id = started["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]
        return _answer(client, analysis_id, sleep)
    finally:
        # What cannot be deleted costs nothing more; why the question failed matters more.
        with suppress(*AWS_ERRORS):
            if analysis_id:
                client.delete_network_insights_analysis(NetworkInsightsAnalysisId=analysis_id)
            client.delete_network_insights_path(NetworkInsightsPathId=path_id)


def _answer(client: Any, analysis_id: str, sleep: Callable[[float], None]) -> Asked:
    for _ in range(_ATTEMPTS):
        answer = client.describe_network_insights_analyses(NetworkInsightsAnalysisIds=[analysis_id])
        (analysis,) = answer["NetworkInsightsAnalyses"]
        if analysis["Status"] != "running":
            codes = (each.get("ExplanationCode", "") for each in analysis.get("Explanations", ()))
            reasons = tuple(dict.fromkeys(filter(None, (*codes, analysis.get("StatusMessage", "")))))
            return Asked(analysis.get("NetworkPathFound") if analysis["Status"] == "succeeded" else None, reasons)
        sleep(_EVERY_S)
    return Asked(None, ("no answer in time",))

"""`hammer inspector --replay FILE`: what the Inspector filter would do with saved events, and why.

Nothing is published or stored. Without `--offline` the security groups of a finding's path, and Classic findings that
the file only names, are read with the credentials at hand, as the Lambda would read them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from identification.errors import MalformedEventError
from identification.inspector.aws import PathReader, describe_classic
from identification.inspector.delivery import (
    DeliveryPlan,
    FindingDelivery,
    FindingRecord,
    confirm,
    no_record,
    plan_delivery,
    record_id,
)
from identification.inspector.events import ClassicNotification, Ignored, read_record, records
from identification.inspector.expected_ports import FilterAction, FilterDecision, decide, needs_groups, without_groups
from identification.inspector.finding import Finding, parse_classic, parse_v2
from library.aws.failures import explain
from library.aws.session import Sessions, sdk_session, sdk_setting
from library.config import Configuration
from library.documents.text import printable
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    GroupOption,
    RegionOption,
    Selection,
    account_ids,
    end,
    read_configuration,
)

# Where there is no way to AWS, a person waits for the answer: once more than the first time is enough.
_ATTEMPTS = 2


@dataclass(slots=True)
class Saved:
    """What a file of saved events holds, in its order.

    Attributes:
        findings: the findings; a Classic one that the file only names stays a notification.
        other: records that are not about a finding, and why.
        problems: what could not be read, one line each.
    """

    findings: list[Finding | ClassicNotification] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def command(
    replay: Annotated[
        Path,
        typer.Option(
            "--replay",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Saved events: JSON or a JSON value a line, each an EventBridge or SNS event, a Classic notification, "
            "or what list-findings (v2) or describe-findings (Classic) of the AWS command line print.",
        ),
    ],
    offline: Annotated[bool, typer.Option("--offline", help="Ask AWS nothing.")] = False,
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
) -> None:
    """Show what the Inspector filter would do with saved events, and why. Nothing is published or stored.

    Exits with 1 when a record could not be read.
    """
    configuration = read_configuration(config)
    try:
        saved = read_saved(replay.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{replay}: {error}", param_hint="'--replay'") from error
    except RecursionError:
        raise typer.BadParameter(f"{replay}: is nested too deeply", param_hint="'--replay'") from None
    sessions = None if offline else _sessions(configuration)
    findings = described(saved, sessions)
    selection = Selection.of(account_ids(account, configuration.aws.named), region, group)
    counts = Counter[str]()
    replays = Replay()
    if not configuration.inspector.enabled:
        typer.echo("The filter is off (inspector.enabled): this is what it would do if it were on.\n")
    for finding in findings:
        if not any(selection.takes(finding.account_id, finding.region, id_) for id_ in finding.groups or ("",)):
            continue
        decision = decided(finding, configuration, sessions, datetime.now(UTC))
        plan = replays.deliver(decision, datetime.now(UTC))
        counts[plan.delivery] += 1
        typer.echo(f"{shown(decision, plan)}\n")
    for reason in saved.other:
        typer.echo(f"not about a finding: {printable(reason)}\n")
    counts = Counter({"to publish" if kind == FindingDelivery.PUBLISH else kind: n for kind, n in counts.items()})
    typer.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no findings")
    end(saved.problems)


def read_saved(text: str) -> Saved:
    """Read a file of saved events.

    Raises:
        ValueError: it is not JSON.
    """
    saved = Saved()
    inline: dict[str, Finding] = {}
    for value in _values(text):
        if isinstance(value, Mapping) and isinstance(value.get("findings"), list):
            entries = value["findings"]
        else:
            entries = [value]
        for entry in entries:
            _add(entry, saved, inline)
    # What a notification in the same file names is shown where the notification is.
    named = {wanted.finding_arn for wanted in saved.findings if isinstance(wanted, ClassicNotification)}
    findings: list[Finding | ClassicNotification] = []
    for found in saved.findings:
        if isinstance(found, ClassicNotification):
            findings.append(inline.get(found.finding_arn, found))
        elif found.arn not in named or found is not inline.get(found.arn):
            findings.append(found)
    saved.findings = findings
    return saved


def _values(text: str) -> Iterator[Any]:
    try:
        value = json.loads(text)
    except ValueError:
        yield from (_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
        return
    if isinstance(value, list):
        yield from value
    else:
        yield value


def _line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"is neither JSON nor a JSON value a line: line {number}: {error}") from error


def _add(entry: Any, saved: Saved, inline: dict[str, Finding]) -> None:
    if isinstance(entry, Mapping) and "assetAttributes" in entry:
        finding = parse_classic(entry)
        inline[finding.arn] = finding
        saved.findings.append(finding)
        return
    if isinstance(entry, Mapping) and "findingArn" in entry:
        saved.findings.append(parse_v2({"detail": entry}))
        return
    try:
        listed = records(entry)
    except MalformedEventError as error:
        saved.problems.append(str(error))
        return
    for record in listed:
        try:
            message = read_record(record)
        except MalformedEventError as error:
            saved.problems.append(f"malformed, would go to the dead-letter queue: {error}")
            continue
        if isinstance(message, Ignored):
            saved.other.append(message.reason)
        else:
            saved.findings.append(message)


def described(saved: Saved, sessions: Sessions | None) -> list[Finding]:
    """All findings of a file: what it only names is asked of AWS, or is a problem."""
    findings: list[Finding] = []
    for found in saved.findings:
        if isinstance(found, Finding):
            findings.append(found)
        elif sessions is None:
            saved.problems.append(f"{found.finding_arn}: the file does not hold this finding, and --offline is given")
        else:
            answers, errors = describe_classic(sessions, [found])
            findings += answers
            saved.problems += [f"{found.finding_arn}: {explain(error)}" for error in errors]
    return findings


def decided(finding: Finding, config: Configuration, sessions: Sessions | None, now: datetime) -> FilterDecision:
    """What the filter would decide."""
    section = config.secgrp_unrestricted_access
    decision = decide(finding, config.inspector, section.restricted_ports, now.date())
    if sessions is not None:
        return PathReader(sessions, section.trusted_cidrs).complete(decision)
    return without_groups(decision, "--offline") if needs_groups(decision, section.trusted_cidrs) else decision


class Replay:
    """Plays events in their order, remembering what would be in the table after each."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], FindingRecord] = {}

    def deliver(self, decision: FilterDecision, now: datetime) -> DeliveryPlan:
        """What would become of the finding after those before it in the file."""
        key = (decision.finding.account_id, record_id(decision.finding))
        known = self._records.get(key, no_record(*key))
        plan = plan_delivery(known, decision, "replay", now, now)
        record = plan.record
        if record and plan.delivery is FindingDelivery.PUBLISH:
            record = confirm(record, decision, now)
        if record:
            self._records[key] = record
        return plan


def shown(decision: FilterDecision, plan: DeliveryPlan) -> str:
    """One finding and what becomes of it, in a few lines."""
    finding = decision.finding
    server = f"{finding.name} ({finding.server_id})" if finding.name else finding.server_id or "unknown server"
    ports = str(finding.ports) or ("no ports" if finding.is_about_ports else finding.type)
    # Nothing is published here.
    delivery = "would publish" if plan.delivery == FindingDelivery.PUBLISH else plan.delivery
    lines = [f"{delivery}: {ports} on {server}, {finding.account_id or 'unknown account'}, {finding.region}"]
    if decision.action is FilterAction.PUBLISH and decision.filtered:
        lines.append(f"  not expected: {decision.left}")
    lines += [f"  held back {held.ports}: {held.reason}" for held in decision.held]
    lines += [f"  {note}" for note in decision.notes]
    if not plan.is_current and plan.delivery is not FindingDelivery.OUTDATED:
        lines.append(f"  {FindingDelivery.OUTDATED}")
    lines.append(f"  {finding.arn or 'without an ARN'}")
    return "\n".join(printable(line) for line in lines)


def _sessions(config: Configuration) -> Sessions:
    aws = config.aws
    base = sdk_session()
    if sdk_setting(base, "max_attempts") is None:
        base.set_config_variable("max_attempts", _ATTEMPTS)
    return Sessions(aws.main_account_id, aws.region, aws.role_name_identification, aws.external_id, base)

"""Lambda `hammer-filter-inspector-findings`: Amazon Inspector's findings, less what is expected.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `FINDINGS_SNS_ARN` (the topic to publish
to).

Each finding is published at least once, and in all but one case exactly once: it is published before it is recorded
as told, so that a crash between the two tells it again rather than never.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from identification.inspector.as_issue import can_be_issue, detection, issue_id
from identification.inspector.aws import FindingRecords, PathReader, describe_classic
from identification.inspector.delivery import Telling, claimed, confirmed, over, record_id, released, weigh
from identification.inspector.expected_ports import Decision, Verdict, decide
from identification.inspector.finding import ClassicNotification, Finding, Ignored, read_record, records
from identification.inspector.notification import compose
from identification.runtime import Runtime, start
from library.aws.issue_table import ConflictError
from library.issues.reconcile import reconcile

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

_log = logging.getLogger(__name__)

_TRIES = 5  # to write a record that other invocations keep writing


def lambda_handler(event: Any, context: object) -> dict[str, int]:
    """Filter the findings of an SNS event, or of one EventBridge event.

    Returns:
        How many findings were `published`, `held_back`, `ignored` (closed, suppressed, or not about ports), and
        `repeated` (told before).

    Raises:
        MalformedEventError: a record is nothing that Inspector sends. The others were handled.
        ExceptionGroup: several records or findings failed; a single failure is raised as it is.
    """
    runtime = start(context)
    counts = Counter[str]()
    if not runtime.config.inspector.enabled:
        _log.info("inspector is not enabled: nothing to do")
        return _summary(counts)
    findings, errors = _findings(event, runtime)
    worker = _Filter.of(runtime, str(getattr(context, "aws_request_id", "") or uuid.uuid4()))
    for finding in findings:
        try:
            counts[worker.handle(finding)] += 1
        except Exception as error:  # noqa: BLE001 - raised below, when every other finding has had its turn
            errors.append(error)
    _log.info("filtered", extra={**_summary(counts), "failed": len(errors)})
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("several findings failed", errors)
    return _summary(counts)


_COUNTS = ("published", "held_back", "ignored", "repeated")


def _summary(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in _COUNTS}


def _findings(event: Any, runtime: Runtime) -> tuple[list[Finding], list[Exception]]:
    """The findings that an event is about, Classic's described, and what could not be read."""
    findings: list[Finding] = []
    notifications: list[ClassicNotification] = []
    errors: list[Exception] = []
    for record in records(event):
        try:
            message = read_record(record)
        except ValueError as error:
            errors.append(error)
            continue
        match message:
            case Finding():
                findings.append(message)
            case ClassicNotification():
                notifications.append(message)
            case Ignored(reason):
                _log.info("ignored", extra={"reason": reason})
    described, failures = describe_classic(runtime.sessions, notifications)
    return findings + described, errors + failures


@dataclass(frozen=True, slots=True)
class _Filter:
    """What one invocation works with.

    Attributes:
        claimant: the invocation; Lambda's retries of it have the same id.
    """

    runtime: Runtime
    paths: PathReader
    records: FindingRecords
    topic_arn: str
    client: SNSClient
    claimant: str

    @classmethod
    def of(cls, runtime: Runtime, claimant: str) -> _Filter:
        section, sessions = runtime.config.secgrp_unrestricted_access, runtime.sessions
        topic_arn = os.environ["FINDINGS_SNS_ARN"]
        return cls(
            runtime,
            PathReader(sessions, section.trusted_cidrs),
            FindingRecords(sessions.client("dynamodb"), section.table_name),
            topic_arn,
            sessions.client("sns", region=topic_arn.split(":")[3]),
            claimant,
        )

    def handle(self, finding: Finding) -> str:
        """Decide about one finding and carry it out. Returns which of `_COUNTS` it is."""
        config = self.runtime.config
        decision = self.paths.complete(
            decide(
                finding,
                config.inspector,
                config.secgrp_unrestricted_access.restricted_ports,
                self.runtime.now().date(),
            )
        )
        if decision.verdict is Verdict.PUBLISH:
            outcome, why = self._tell(decision)
        else:
            if self._forget(decision):
                self._keep(decision)
            outcome = "held_back" if decision.verdict is Verdict.HOLD_BACK else "ignored"
            why = "; ".join([f"{held.ports}: {held.reason}" for held in decision.held] or decision.notes)
        _log.info(
            outcome,
            extra={
                "finding_arn": finding.arn,
                "account_id": finding.account_id,
                "region": finding.region,
                "server_id": finding.server_id,
                "ports": str(finding.ports),
                "left": str(decision.left),
                "why": why,
            },
        )
        return outcome

    def _key(self, finding: Finding) -> tuple[str, str]:
        # A finding of which not even the account can be read is remembered in Hammer's own.
        return finding.account_id or self.runtime.config.aws.main_account_id, record_id(finding)

    def _tell(self, decision: Decision) -> tuple[str, str]:
        key = self._key(decision.finding)
        for _ in range(_TRIES):
            now = self.runtime.now()
            record = self.records.read(*key)
            telling = weigh(record, decision, self.claimant, now)
            if telling is not Telling.TELL:
                if telling is not Telling.OUTDATED:
                    self._keep(decision)
                return "repeated", str(telling)
            claim = claimed(record, decision, self.claimant, now)
            try:
                self.records.write(claim)
            except ConflictError:
                continue
            break
        else:
            raise ConflictError(f"the record of {decision.finding.arn} kept changing while it was claimed")
        try:
            # First the issue, which may be written twice.
            self._keep(decision)
            self._publish(decision)
        except Exception:
            # Nobody else shall wait for the claim to run out.
            self._write_if_unchanged(released(claim))
            raise
        self._write_if_unchanged(confirmed(claim, decision, self.runtime.now()))
        return "published", ""

    def _publish(self, decision: Decision) -> None:
        config = self.runtime.config
        account_id = decision.finding.account_id
        message = compose(
            decision,
            config.account_name(account_id),
            config.secgrp_unrestricted_access.restricted_ports,
        )
        self.client.publish(TopicArn=self.topic_arn, **message.publish_arguments())

    def _write_if_unchanged(self, record: Any) -> None:
        try:
            self.records.write(record)
        except ConflictError:
            # Another invocation tells the finding as it has become since: its record is the newer one.
            _log.info("claimed by another invocation", extra={"issue_id": record.issue_id})

    def _keep(self, decision: Decision) -> None:
        """Bring the finding's issue up to date, where findings are kept as issues."""
        wanted, finding, table = self.runtime.config.inspector, decision.finding, self.runtime.table
        if not (wanted.table or wanted.slack) or not can_be_issue(finding):
            return
        for _ in range(_TRIES):
            known = table.get(finding.account_id, issue_id(finding))
            change = reconcile(known, detection(decision), self.runtime.now())
            if change is None:
                return
            try:
                table.write(change)
            except ConflictError:
                continue
            return
        raise ConflictError(f"the issue of {finding.arn} kept changing")

    def _forget(self, decision: Decision) -> bool:
        """See to it that a finding that is over or expected by now is told again should it come back.

        Returns:
            Whether that is news: not when something newer was told already.
        """
        finding = decision.finding
        key = self._key(finding)
        for _ in range(_TRIES):
            record = self.records.read(*key)
            if record.updated and finding.updated and finding.updated < record.updated:
                return False
            if not (record.told or record.claim):
                return True
            try:
                self.records.write(over(record, finding, self.runtime.now()))
            except ConflictError:
                continue
            return True
        raise ConflictError(f"the record of {finding.arn} kept changing")

"""Lambda `hammer-filter-inspector-findings`: Amazon Inspector's findings, less what is expected.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `FINDINGS_SNS_ARN` (the topic to publish
to).

Each finding is claimed, published, confirmed: see `identification.inspector.delivery`. It is published once, but for a
crash between publishing and confirming, after which it is published again.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from identification.errors import UnknownAccountError
from identification.inspector.aws import FindingRecords, PathReader, describe_classic
from identification.inspector.delivery import (
    DeliveryPlan,
    FindingDelivery,
    FindingRecord,
    can_be_issue,
    compose,
    confirm,
    detection,
    issue_id,
    plan_delivery,
    record_id,
    release,
)
from identification.inspector.events import ClassicNotification, Ignored, read_record, records
from identification.inspector.expected_ports import FilterDecision, decide
from identification.inspector.finding import Finding
from identification.runtime import Runtime, start, time_left
from library.aws.failures import AWS_ERRORS
from library.errors import ConflictError, HammerError
from library.issues.reconcile import reconcile

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

_log = logging.getLogger(__name__)

_TRIES = 5  # to write a record that other invocations keep writing
_TIMEOUT = timedelta(seconds=120)  # deployment's for this function, where the context does not tell what is left of it


class InProgressError(HammerError):
    """Another invocation has claimed a finding and may have published it, or may have crashed before.

    Lambda invokes this function again after one and after two minutes; the claim has run out by the second time.
    """


def lambda_handler(event: Any, context: object) -> dict[str, int]:
    """Filter the findings of an SNS event, or of one EventBridge event.

    Returns:
        How many findings were `published`, `held_back`, `ignored` (closed, suppressed, or not about ports), and
        `repeated` (published before, or older than what was).

    Raises:
        MalformedEventError: a record is not a message of Inspector. The others were handled.
        UnknownAccountError: Inspector Classic must be asked in an account that the configuration does not name. No role
            is assumed for it. The others were handled.
        InProgressError: another invocation claims the same finding. The others were handled.
        ExceptionGroup: several records or findings failed; a single failure is raised as it is.
    """
    runtime = start(context)
    counts = Counter[str]()
    if not runtime.config.inspector.enabled:
        _log.info("inspector is not enabled: nothing to do")
        return _summary(counts)
    findings, errors = _findings(event, runtime)
    worker = _Filter.of(runtime, context)
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


_COUNTS = {
    FindingDelivery.PUBLISH: "published",
    FindingDelivery.HELD_BACK: "held_back",
    FindingDelivery.IGNORED: "ignored",
    FindingDelivery.PUBLISHED_BEFORE: "repeated",
    FindingDelivery.OUTDATED: "repeated",
}


def _summary(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in dict.fromkeys(_COUNTS.values())}


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
                try:
                    runtime.check_account(message.account_id)
                except (UnknownAccountError, *AWS_ERRORS) as error:
                    errors.append(error)
                    continue
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
        ends: when Lambda ends this invocation at the latest, in UTC.
    """

    runtime: Runtime
    paths: PathReader
    records: FindingRecords
    topic_arn: str
    client: SNSClient
    claimant: str
    ends: datetime

    @classmethod
    def of(cls, runtime: Runtime, context: object) -> _Filter:
        section, sessions = runtime.config.secgrp_unrestricted_access, runtime.sessions
        topic_arn, left = os.environ["FINDINGS_SNS_ARN"], time_left(context)
        return cls(
            runtime,
            PathReader(sessions, section.trusted_cidrs, runtime.check_account),
            FindingRecords(sessions.client("dynamodb"), section.table_name),
            topic_arn,
            sessions.client("sns", region=topic_arn.split(":")[3]),
            str(getattr(context, "aws_request_id", "") or uuid.uuid4()),
            runtime.now() + (_TIMEOUT if left is None else left),
        )

    def handle(self, finding: Finding) -> str:
        """Decide about one finding and carry it out. Returns which of `_COUNTS` it is.

        Raises:
            InProgressError: another invocation claims the same finding.
        """
        config = self.runtime.config
        decision = self.paths.complete(
            decide(
                finding,
                config.inspector,
                config.secgrp_unrestricted_access.restricted_ports,
                self.runtime.now().date(),
            )
        )
        plan, record = self._planned(decision)
        if plan.delivery is FindingDelivery.IN_PROGRESS:
            raise InProgressError(f"another invocation is publishing {finding.arn}: Lambda tries again")
        if plan.delivery is FindingDelivery.PUBLISH and plan.record is not None:
            self._publish_claimed(plan.record, decision)
        elif plan.is_current:
            self._update_issue(decision, record)
        _log.info(
            _COUNTS[plan.delivery],
            extra={
                "finding_arn": finding.arn,
                "account_id": finding.account_id,
                "region": finding.region,
                "server_id": finding.server_id,
                "ports": str(finding.ports),
                "left": str(decision.left),
                "why": _reason(plan, decision),
            },
        )
        return _COUNTS[plan.delivery]

    def _planned(self, decision: FilterDecision) -> tuple[DeliveryPlan, FindingRecord]:
        """The delivery plan, with its record written, and the record as it is now."""
        finding = decision.finding
        # A finding of which not even the account can be read is remembered in Hammer's own.
        key = finding.account_id or self.runtime.config.aws.main_account_id, record_id(finding)
        for _ in range(_TRIES):
            record = self.records.read(*key)
            plan = plan_delivery(record, decision, self.claimant, self.ends, self.runtime.now())
            try:
                if plan.record is not None:
                    self.records.write(plan.record)
            except ConflictError:
                continue
            return plan, plan.record or record
        raise ConflictError(f"the record of {finding.arn} kept changing")

    def _publish_claimed(self, claim: FindingRecord, decision: FilterDecision) -> None:
        try:
            # First the issue, which may be written twice.
            self._update_issue(decision, claim)
            self._publish(decision)
        except Exception:
            # Others need not wait until the claim runs out.
            self._write_if_unchanged(release(claim))
            raise
        self._write_if_unchanged(confirm(claim, decision, self.runtime.now()))

    def _publish(self, decision: FilterDecision) -> None:
        config = self.runtime.config
        message = compose(
            decision,
            config.account_name(decision.finding.account_id),
            config.secgrp_unrestricted_access.restricted_ports,
        )
        self.client.publish(TopicArn=self.topic_arn, **message.publish_arguments())

    def _write_if_unchanged(self, record: FindingRecord) -> None:
        try:
            self.records.write(record)
        except ConflictError:
            # Another invocation handled a later event of the finding: its record is the newer one.
            _log.info("claimed by another invocation", extra={"issue_id": record.issue_id})

    def _update_issue(self, decision: FilterDecision, record: FindingRecord) -> None:
        """Bring the finding's issue up to date, where findings are kept as issues.

        `record` is the finding's as this was decided on. If it has changed since, another event of the finding is
        handled, which may be a newer one: who handles that one brings the issue up to date.

        Raises:
            ConflictError: the issue kept changing; or the record is gone, since it had expired, so that nobody else
                handles this event.
        """
        wanted, finding, table = self.runtime.config.inspector, decision.finding, self.runtime.table
        if not (wanted.table or wanted.slack) or not can_be_issue(finding):
            return
        unchanged = self.records.check_unchanged(record)
        for _ in range(_TRIES):
            known = table.get(finding.account_id, issue_id(finding), check=False)
            change = reconcile(known, detection(decision), self.runtime.now())
            if change is None:
                return
            try:
                table.write(change, checks=[unchanged])
            except ConflictError as error:
                now = self.records.read(record.account_id, record.issue_id)
                if now.revision == 0 and record.revision:
                    raise ConflictError(f"the record of {finding.arn} expired meanwhile: Lambda tries again") from error
                if now.revision != record.revision:
                    return
                continue
            return
        raise ConflictError(f"the issue of {finding.arn} kept changing")


def _reason(plan: DeliveryPlan, decision: FilterDecision) -> str:
    if plan.delivery is FindingDelivery.PUBLISH:
        return ""
    if plan.delivery in (FindingDelivery.PUBLISHED_BEFORE, FindingDelivery.OUTDATED):
        return str(plan.delivery)
    reasons = [f"{held.ports}: {held.reason}" for held in decision.held] or list(decision.notes)
    return "; ".join(reasons if plan.is_current else [*reasons, FindingDelivery.OUTDATED])

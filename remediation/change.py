"""Carries out changes on one group: first all that is added, then all that is revoked, then what nobody needs.

At every moment between, private access that the group gives before and after is there. Each step is in the journal
before it is done, and what EC2 acknowledged is in it afterwards. What could not be carried out is planned anew, by this
run or the next, on what is there then; only rules that were added in vain, since the group's quota leaves no room for
the rest, are taken back at once.

The calls themselves come first: the only code that changes anything in EC2. Each call tells three outcomes apart: EC2
carried it out, EC2 refused it, or nobody knows, because the answer was lost. The SDK repeats a call whose answer was
lost, so that "there already" and "not there" may be the call's own doing.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from library.aws.decision_store import UnreadableExemptionError
from library.aws.failures import ACCESS_DENIED, AWS_ERRORS, THROTTLED, error_code, explain, one_line
from library.aws.issue_table import UnreadableIssueError
from library.documents.text import and_more
from library.errors import ConflictError, HammerError
from library.issues.times import format_time
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule, RuleKey, ShapeError, parse_permission, parse_rule, rule_key
from remediation.backups import BackupError
from remediation.group_state import InconsistentReadError
from remediation.journal import (
    CHANGE_TAG,
    AddedRule,
    AddedState,
    Journal,
    JournalEntry,
    JournalStep,
    RevokedState,
    unneeded,
)
from remediation.rules import WrittenPorts, by_ports, ip_permission_of, merged, with_description, with_ports

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import IpPermissionTypeDef

_log = logging.getLogger(__name__)
_OVER_QUOTA = "RulesPerSecurityGroupLimitExceeded"  # EC2 API Reference, error codes

# The request never reached AWS.
_NOT_SENT = (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
)


class ChangeAnswer(StrEnum):
    """What EC2 answered to a change."""

    DONE = "done"
    THERE_ALREADY = "there already"
    NOT_THERE = "not there"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call.

    Attributes:
        answer: the last answer.
        was_lost: an answer to an earlier attempt of the same call was lost: it may have been carried out.
        rule_ids: the ids of the added rules, by rule, where EC2 told them.
        not_found: the rules to revoke that EC2 did not find, where it revoked the others.
        error: what was raised; None where it was carried out.
        tags_error: why the rules were added without tags; None: they were not, or there were none to set.
    """

    answer: ChangeAnswer
    was_lost: bool = False
    rule_ids: Mapping[RuleKey, str] = field(default_factory=dict)
    not_found: frozenset[RuleKey] = frozenset()
    error: Exception | None = None
    tags_error: Exception | None = None


def authorize(
    client: EC2Client, group_id: str, permissions: Sequence[IpPermissionTypeDef], tags: Mapping[str, str] | None = None
) -> CallResult:
    """Add rules, all of them or none, with these tags: without them where nobody may set them."""
    arguments: dict[str, Any] = {"GroupId": group_id, "IpPermissions": permissions}
    if tags:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        arguments["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": listed}]
    with _attempts(client, "AuthorizeSecurityGroupIngress") as attempts:
        try:
            answer = client.authorize_security_group_ingress(**arguments)
        except AWS_ERRORS as error:
            if tags and _refuses_tags(error) and not attempts.lost:
                _log.warning("rules of %s are added without tags: %s", group_id, explain(error))
                return replace(authorize(client, group_id, permissions), tags_error=error)
            return _failed(error, attempts)
    return _not_done(answer) or CallResult(ChangeAnswer.DONE, rule_ids=_ids(answer))


def _refuses_tags(error: Exception) -> bool:
    """Whether a call was refused for its tags alone: an organization's policy denies them, or these values.

    EC2 names ec2:CreateTags in the message of an UnauthorizedOperation (EC2 API Reference, "Grant permission to tag
    resources during creation"). Where only the encoded part of the message would tell, it may be the tags: the call
    without them shows it.
    """
    code, text = error_code(error), str(error)
    is_denied = code in ("UnauthorizedOperation", "AccessDenied")
    may_be_tags = "CreateTags" in text or ("Encoded authorization" in text and not _ACTION.search(text))
    return (is_denied and may_be_tags) or code.startswith(("TagPolicy", "TagLimit"))


_ACTION = re.compile(r"\bec2:[A-Za-z]+")


def revoke(client: EC2Client, group_id: str, rule_ids: Sequence[str]) -> CallResult:
    """Revoke exactly these rules, all of them or none."""
    with _attempts(client, "RevokeSecurityGroupIngress") as attempts:
        try:
            answer = client.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=rule_ids)
        except AWS_ERRORS as error:
            return _failed(error, attempts)
    return _not_done(answer) or CallResult(ChangeAnswer.DONE)


def revoke_unchanged(
    client: EC2Client, group_id: str, rules: Sequence[IngressRule], written: WrittenPorts = MappingProxyType({})
) -> CallResult:
    """Revoke rules of one protocol and port range, each with a CIDR or a prefix list, as far as they are still so.

    By what they are, because a rule keeps its id when somebody edits it (ModifySecurityGroupRules): its id would revoke
    whatever it has become. In a default VPC, EC2 revokes those that it finds and names the others; elsewhere it revokes
    all of them or none (EC2 API Reference, RevokeSecurityGroupIngress). `written` is of `ports_as_written`.

    EC2 may name them in another form than they were sent in. If that is not understood, any of them may be gone, by
    this call's own doing or before.
    """
    singles = (
        with_ports(ip_permission_of(rule._replace(description="")), written.get(rule_key(rule))) for rule in rules
    )
    permissions = [merged(singles)]
    with _attempts(client, "RevokeSecurityGroupIngress") as attempts:
        try:
            answer = client.revoke_security_group_ingress(GroupId=group_id, IpPermissions=permissions)
        except AWS_ERRORS as error:
            return _failed(error, attempts)
    sent, not_found = frozenset(map(rule_key, rules)), _unknown(answer)
    if not_found is None or not not_found <= sent:
        return CallResult(ChangeAnswer.NOT_THERE, was_lost=True)
    if not_found == sent:
        return CallResult(ChangeAnswer.NOT_THERE, attempts.lost_before_last)
    return _not_done(answer) or CallResult(ChangeAnswer.DONE, attempts.lost_before_last, not_found=not_found)


def _unknown(answer: Mapping[str, Any]) -> frozenset[RuleKey] | None:
    """The rules that EC2 did not find by its answer to a revoke; None: it names them in a form not understood."""
    try:
        return frozenset(
            rule_key(rule) for raw in answer.get("UnknownIpPermissions") or () for rule in parse_permission(raw)
        )
    except ShapeError:
        return None


def _not_done(answer: Mapping[str, Any]) -> CallResult | None:
    """That EC2 says, without an error, that it did not change the group; None: it does not say so."""
    if answer.get("Return") is not False:
        return None
    return CallResult(ChangeAnswer.LOST, error=ResponseParserError("EC2 answered that the change was not made"))


def _ids(answer: Mapping[str, Any]) -> dict[RuleKey, str]:
    ids = {}
    for raw in answer.get("SecurityGroupRules", ()):
        try:
            rule = parse_rule(raw)
        except ShapeError:
            continue  # the next look tells its id
        ids[rule_key(rule)] = rule.rule_id
    return ids


@dataclass(slots=True)
class _Attempts:
    """The attempts of one call that the SDK made.

    Attributes:
        seen: how many ended.
        lost: whether one of them may have been carried out, although the call as a whole failed.
        lost_before_last: whether one before the last may have been carried out.
    """

    seen: int = 0
    lost: bool = False
    lost_before_last: bool = False


@contextmanager
def _attempts(client: EC2Client, operation: str) -> Iterator[_Attempts]:
    attempts = _Attempts()

    def note(response: Any = None, caught_exception: Exception | None = None, **_: Any) -> None:
        attempts.seen += 1
        attempts.lost_before_last = attempts.lost
        if caught_exception is not None:
            attempts.lost |= not isinstance(caught_exception, _NOT_SENT)
        elif response is not None:
            http, parsed = response
            code = str(parsed.get("Error", {}).get("Code", ""))
            attempts.lost |= http.status_code < 400 or (http.status_code >= 500 and code not in THROTTLED)

    event = f"needs-retry.ec2.{operation}"
    client.meta.events.register(event, note)
    try:
        yield attempts
    finally:
        client.meta.events.unregister(event, note)


_CHANGES = (
    "AuthorizeSecurityGroupIngress",
    "RevokeSecurityGroupIngress",
    "UpdateSecurityGroupRuleDescriptionsIngress",
)


@contextmanager
def _checked_before_sent(client: EC2Client, check: Callable[[], None]) -> Iterator[None]:
    """Have `check` called right before each attempt of a change is sent; what it raises keeps that from being sent.

    A host may sleep within a call of the SDK, and wake up when another run has done the same, or a person has restored
    the group.
    """

    def before_sent(**_: Any) -> None:
        check()

    events = [f"before-send.ec2.{operation}" for operation in _CHANGES]
    for event in events:
        client.meta.events.register(event, before_sent)
    try:
        yield
    finally:
        for event in events:
            client.meta.events.unregister(event, before_sent)


def _failed(error: Exception, attempts: _Attempts) -> CallResult:
    if isinstance(error, ClientError):
        metadata = error.response.get("ResponseMetadata", {})
        code = error_code(error)
        was_lost = attempts.lost or metadata.get("RetryAttempts", 0) >= max(attempts.seen, 1)
        if code.endswith(".Duplicate"):
            return CallResult(ChangeAnswer.THERE_ALREADY, was_lost, error=error)
        if code.endswith(".NotFound") and not code.startswith("InvalidGroup"):
            return CallResult(ChangeAnswer.NOT_THERE, was_lost, error=error)
        refused = metadata.get("HTTPStatusCode", 500) < 500 or code in THROTTLED
        return CallResult(
            ChangeAnswer.REFUSED if refused and not was_lost else ChangeAnswer.LOST, was_lost, error=error
        )
    refused = isinstance(error, _NOT_SENT) and not attempts.lost
    return CallResult(ChangeAnswer.REFUSED if refused else ChangeAnswer.LOST, attempts.lost, error=error)


GROUP_ERRORS = (
    *AWS_ERRORS,
    BackupError,
    ConflictError,
    ShapeError,
    UnreadableExemptionError,
    UnreadableIssueError,
    InconsistentReadError,
)
"""What can be in the way of one group's change, and is a failure of that group alone."""


class ChangeFailedError(HammerError):
    """A change was not carried out, or not as a whole.

    Attributes:
        entry: the facts so far.
        may_help: whether to try again soon may help: an answer was lost.
        is_quota: whether the group would have more rules than it may.
        is_lasting: whether EC2 will answer the same until something changes (`remediation.planning`).
        is_source_gone: whether EC2 did not find what a rule names: another group, or a prefix list.
    """

    def __init__(
        self,
        text: str,
        entry: JournalEntry,
        *,
        may_help: bool = False,
        is_quota: bool = False,
        is_lasting: bool = False,
        is_source_gone: bool = False,
    ) -> None:
        super().__init__(text)
        self.entry = entry
        self.may_help = may_help
        self.is_quota = is_quota
        self.is_lasting = is_lasting
        self.is_source_gone = is_source_gone


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What to change in one group.

    Attributes:
        add: rules to add, with their descriptions.
        revoke: rules to revoke, with their ids.
        describe: rules that get another description.
        relied_on: rules that are shown already, with their ids, and that the change depends on. To add them again is
            how EC2 is asked whether they are there: it answers so without delay, unlike a read.
        replaces: the ids of the revoked rules that a rule stands in for, by rule.
        withdraw: rules of Hammer's that nobody needs, with their ids, proved to be Hammer's (`remediation.proof`).
        permissions: how to add a rule exactly, where the rule alone does not tell.
        tags: the tags that a rule gets, by rule.
        no_room_for: those of `relied_on` that the group, as it is shown, has no room for once more after `add`.
        written: the ports of rules of the group, or of its backup, as they are written there (`ports_as_written`).
    """

    add: tuple[IngressRule, ...] = ()
    revoke: tuple[IngressRule, ...] = ()
    describe: tuple[IngressRule, ...] = ()
    relied_on: tuple[IngressRule, ...] = ()
    replaces: Mapping[RuleKey, tuple[str, ...]] = field(default_factory=dict)
    withdraw: tuple[AddedRule, ...] = ()
    permissions: Mapping[RuleKey, IpPermissionTypeDef] = field(default_factory=dict)
    tags: Mapping[RuleKey, Mapping[str, str]] = field(default_factory=dict)
    no_room_for: frozenset[RuleKey] = frozenset()
    written: WrittenPorts = field(default_factory=dict)

    def permission(self, rule: IngressRule) -> IpPermissionTypeDef:
        """How to add a rule."""
        if exact := self.permissions.get(rule_key(rule)):
            return exact
        ports = self.written.get(rule_key(rule)) if rule in self.relied_on else None
        return with_ports(ip_permission_of(rule), ports)

    def is_known_there(self, batch: Sequence[IngressRule], result: CallResult) -> bool:
        """Whether what EC2 answered means that a rule to add is there already.

        In a group without room for it once more, one that is there may be refused as one too many, before it is
        compared with those that are.
        """
        if result.answer is ChangeAnswer.THERE_ALREADY:
            return True
        return _is_over_quota(result.error) and all(rule_key(rule) in self.no_room_for for rule in batch)


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One group, and what is needed to change it.

    Attributes:
        renew_lock: makes sure that the lock is held, and raises LockedError where it is not.
        keep_lock: the same, without a call where that was asked less than a minute ago.
        record_closing: `Backups.record_closing`: stores, where only remediation can write, which rules a change may
            have closed: the key of the backup from right before it, and their ids.
        undone: what could not be done and keeps nothing else from being done, tags and descriptions: the rules, by
            what is said of them.
    """

    ec2: EC2Client
    group_id: str
    journal: Journal
    renew_lock: Callable[[], None]
    keep_lock: Callable[[], None]
    now: Callable[[], datetime]
    record_closing: Callable[[str, Sequence[str]], None]
    undone: dict[str, list[str]] = field(default_factory=dict)

    def carry_out(self, entry: JournalEntry, changes: RuleChanges, **details: Any) -> JournalEntry:
        """Carry out changes whose backup is written, up to `JournalStep.VERIFYING`.

        `GroupWork` (`remediation.remediate`) writes that they are complete, once EC2 shows them.

        `details` are as `Journal.write` takes them.

        Raises:
            ChangeFailedError: it could not be done, or not all of it.
            LockedError: another run took the lock over.
        """
        before, closed_now = entry, set[str]()
        entry = _to_be_changed(entry, changes, self._at())
        self.renew_lock()
        try:
            entry = self.journal.write(replace(entry, step=JournalStep.ADDING, problem=""), **details)
        except GROUP_ERRORS as error:
            raise ChangeFailedError(f"the journal could not be written: {explain(error)}", before) from error
        try:
            with _checked_before_sent(self.ec2, self.keep_lock):
                entry = self._add(entry, changes, before)
                self._write_descriptions(changes)
                if changes.revoke:
                    entry = self._record_and_revoke(entry, changes, closed_now)
                needless = _added_again(before, entry, changes.relied_on, closed_now)
                entry = self._withdraw(entry, (*changes.withdraw, *needless))
            return self.journal.write(replace(entry, step=JournalStep.VERIFYING))
        except ChangeFailedError as error:
            if error.is_quota:
                error.entry = self._taken_back(error.entry, before)
            self._note(error.entry, str(error))
            raise
        except GROUP_ERRORS as error:
            self._note(entry, explain(error))
            raise ChangeFailedError(explain(error), entry) from error

    def _taken_back(self, entry: JournalEntry, before: JournalEntry) -> JournalEntry:
        """Take away what this very change added, where the quota has no room for the rest: nothing depends on it."""
        earlier_ids = {each.rule.rule_id for each in (*before.add, *before.withdrawn)} | {""}
        try:
            return self._withdraw(entry, [each for each in unneeded(entry, ()) if each.rule.rule_id not in earlier_ids])
        except ChangeFailedError as error:
            return error.entry

    def _note(self, entry: JournalEntry, problem: str) -> None:
        """Keep what is known after a failure. If that fails, the next run finds the call as sent, and looks."""
        step = entry.step if entry.left_traces else JournalStep.UNDONE
        try:
            self.journal.write(replace(entry, step=step, problem=problem))
        except GROUP_ERRORS:
            return

    def _at(self) -> str:
        return format_time(self.now()) or ""

    def _add(self, entry: JournalEntry, changes: RuleChanges, before: JournalEntry) -> JournalEntry:
        left = deque([*_by_tags(changes), *([rule] for rule in changes.relied_on)])
        gone: list[str] = []
        while left:
            batch = left.popleft()
            try:
                entry = self._add_batch(entry, batch, changes, before)
            except ChangeFailedError as error:
                if not (entry.is_restore and error.is_source_gone):
                    not_sent = [rule_key(rule) for later in left for rule in later]
                    error.entry = _without_attempt(error.entry, before, not_sent)
                    raise
                if len(batch) > 1:  # the others come back all the same
                    left.extendleft([rule] for rule in reversed(batch))
                else:
                    entry = error.entry
                    if batch[0] not in changes.relied_on:  # one that EC2 shows stays, and nobody can ask for it
                        gone.append(f"{rule_text(batch[0])}: {error}")
            if left:
                self.renew_lock()
        if gone:
            raise ChangeFailedError("; ".join(gone), entry)
        return entry

    def _add_batch(
        self,
        entry: JournalEntry,
        batch: Sequence[IngressRule],
        changes: RuleChanges,
        before: JournalEntry,
        *,
        is_unsure: bool = False,
    ) -> JournalEntry:
        """Add rules of one protocol and port range. `is_unsure`: an earlier call of this change may have added them."""
        keys = [rule_key(rule) for rule in batch]
        tags = dict(changes.tags.get(keys[0], {}))
        if not entry.is_restore and len(tags) < _MOST_TAGS:
            tags[CHANGE_TAG] = entry.backup
        result = authorize(self.ec2, self.group_id, [merged(map(changes.permission, batch))], tags)
        if result.tags_error and changes.tags.get(keys[0]) and (result.answer is ChangeAnswer.DONE or result.was_lost):
            names = [f"{rule_text(rule)} ({result.rule_ids.get(rule_key(rule)) or 'id unknown'})" for rule in batch]
            self._note_undone(_without_tags(result.tags_error), names)
        if result.answer is ChangeAnswer.DONE:
            return _acknowledged(entry, dict.fromkeys(keys, AddedState.ADDED), result.rule_ids, self._at())
        is_there = changes.is_known_there(batch, result)
        if is_there and len(batch) == 1:
            earlier = next((added for added in before.add if added.key == keys[0]), None)
            if earlier is not None and earlier.state is AddedState.ADDED:
                # As the entry has it by now, which says what else the rule stands in for.
                now = next(added for added in entry.add if added.key == earlier.key)
                as_earlier = replace(now, state=earlier.state, rule=earlier.rule, at=self._at())
                return entry.with_added({earlier.key: as_earlier})
            if entry.is_restore and earlier is None and batch[0] in changes.relied_on and not result.was_lost:
                return _without_attempt(entry, before, keys)  # it was only asked for: that has changed nothing
            return _acknowledged(entry, {keys[0]: AddedState.THERE}, {}, self._at())
        if is_there:
            # Which of them? EC2 adds none then. Emulators add those before it: their tags will tell.
            for number, rule in enumerate(batch):
                try:
                    entry = self._add_batch(entry, [rule], changes, before, is_unsure=True)
                except ChangeFailedError as error:
                    error.entry = _without_attempt(error.entry, before, keys[number + 1 :])
                    raise
            return entry
        is_refused = result.answer is ChangeAnswer.REFUSED or _is_source_gone(result)
        if is_refused and not is_unsure:
            entry = _without_attempt(entry, before, keys)
        raise _failure(result, entry)

    def _write_descriptions(self, changes: RuleChanges) -> None:
        """Write descriptions back. One that EC2 refuses keeps no access from coming back, and nothing from going."""
        left = deque([changes.describe] if changes.describe else ())
        while left:
            batch = left.popleft()
            singles = [with_description(changes.permission(rule), rule.description) for rule in batch]
            try:
                self.ec2.update_security_group_rule_descriptions_ingress(GroupId=self.group_id, IpPermissions=singles)
            except AWS_ERRORS as error:
                if len(batch) > 1 and error_code(error).startswith("Invalid"):  # one of the rules is meant
                    left.extendleft((rule,) for rule in reversed(batch))
                else:
                    text = f"the description could not be written back: {explain(error)}"
                    self._note_undone(text, map(rule_text, batch))

    def _note_undone(self, text: str, rules: Iterable[str]) -> None:
        named = self.undone.setdefault(text, [])
        named += [rule for rule in rules if rule not in named]

    def _record_and_revoke(self, entry: JournalEntry, changes: RuleChanges, closed_now: set[str]) -> JournalEntry:
        """Revoke rules, recorded before in the journal and beside the backups.

        The ids of those that this closed, and not an earlier call, go to `closed_now`.
        """
        before, rules = entry, changes.revoke
        ids = [rule.rule_id for rule in rules]
        self.renew_lock()
        self.record_closing(entry.newest_backup, ids)
        entry = entry.with_revoked(rules, RevokedState.SENT, self._at())
        try:
            entry = self.journal.write(replace(entry, step=JournalStep.REVOKING))
            entry = self._revoke_all(entry, changes, before, closed_now)
        except ChangeFailedError as error:
            self._correct_closing(error.entry, ids)
            raise
        except GROUP_ERRORS as error:
            self._correct_closing(before, ids)
            raise ChangeFailedError(explain(error), before) from error
        self._correct_closing(entry, ids)
        return entry

    def _correct_closing(self, entry: JournalEntry, recorded: Sequence[str]) -> None:
        """Correct the closing record: drop the rules that were not revoked, as nothing needs to stand in for them."""
        closing = [rule_id for rule_id in recorded if rule_id in entry.sent_to_revoke]
        if len(closing) < len(recorded):
            try:
                self.record_closing(entry.newest_backup, closing)
            except AWS_ERRORS as error:
                _log.warning("what was not closed could not be recorded: %s", explain(error))  # then it is kept

    def _revoke_all(
        self, entry: JournalEntry, changes: RuleChanges, before: JournalEntry, closed_now: set[str]
    ) -> JournalEntry:
        by_id = [rule for rule in changes.revoke if rule.group_id]
        others = by_ports((rule for rule in changes.revoke if not rule.group_id), changes.written)
        batches = [by_id, *others] if by_id else others
        for number, batch in enumerate(batches):
            if number:
                self.renew_lock()
            try:
                entry = self._revoke(entry, batch, changes.written, before, closed_now)
            except ChangeFailedError as error:
                for rule in (rule for later in batches[number + 1 :] for rule in later):
                    error.entry = self._as_before(error.entry, rule, before)
                raise
        return entry

    def _revoke(
        self,
        entry: JournalEntry,
        rules: Sequence[IngressRule],
        written: WrittenPorts,
        before: JournalEntry,
        closed_now: set[str],
    ) -> JournalEntry:
        if rules[0].group_id:  # only in a restore; to name a group as it is takes more than its id where it is peered
            result = revoke(self.ec2, self.group_id, [rule.rule_id for rule in rules])
        else:
            result = revoke_unchanged(self.ec2, self.group_id, rules, written)
        is_done = result.answer is ChangeAnswer.DONE
        found = [rule for rule in rules if is_done and rule_key(rule) not in result.not_found]
        closed_now.update(rule.rule_id for rule in (rules if result.was_lost else found))
        if result.answer is ChangeAnswer.NOT_THERE and len(rules) > 1:
            # Which rules are gone by a call without an answer, only the journal with that call tells.
            at_call = entry if result.was_lost else before
            for rule in rules:
                entry = self._revoke(entry, [rule], written, at_call, closed_now)
            return entry
        if is_done or result.answer is ChangeAnswer.NOT_THERE:
            entry = entry.with_revoked(found, RevokedState.REVOKED, self._at())
            for rule in (rule for rule in rules if rule not in found):
                # Gone by an earlier attempt of Hammer's, perhaps: what replaces it stays. Else by somebody else.
                is_unsure = result.was_lost or rule.rule_id in before.sent_to_revoke
                state = RevokedState.REVOKED if is_unsure else RevokedState.GONE
                entry = entry.with_revoked([rule], state, self._at())
            return entry
        if result.answer is ChangeAnswer.REFUSED:
            for rule in rules:
                entry = self._as_before(entry, rule, before)
        raise _failure(result, entry)

    def _as_before(self, entry: JournalEntry, rule: IngressRule, before: JournalEntry) -> JournalEntry:
        """The entry with a rule whose revoke was not sent, or was refused."""
        same = (
            revoked.state
            for revoked in before.revoke
            if revoked.rule.rule_id == rule.rule_id and rule_key(revoked.rule) == rule_key(rule)
        )
        return entry.with_revoked([rule], next(same, RevokedState.PLANNED), self._at())

    def _withdraw(self, entry: JournalEntry, needless: Sequence[AddedRule]) -> JournalEntry:
        """Take away rules of Hammer's that stand in for no closed rule."""
        ids = list(dict.fromkeys(added.rule.rule_id for added in needless))
        if not ids:
            return entry
        self.renew_lock()
        for batch in [ids], [[rule_id] for rule_id in ids]:
            results = [revoke(self.ec2, self.group_id, part) for part in batch]
            for result in results:
                if result.answer in (ChangeAnswer.REFUSED, ChangeAnswer.LOST):
                    raise _failure(result, entry)
            if len(ids) == 1 or all(result.answer is ChangeAnswer.DONE for result in results):
                break
        return entry.without_added(needless, self._at())


_MOST_TAGS = 50  # of a resource (EC2 User Guide, "Tag restrictions")
_SHOWN_RULES = 20


def undone_lines(undone: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What could not be done (`GroupChange.undone`), a line each."""
    return tuple(f"{and_more(rules, _SHOWN_RULES)}: {text}" for text, rules in undone.items())


def _without_tags(error: Exception) -> str:
    """That rules were added without their tags, and what to do."""
    return (
        f"added without tags, which EC2 refused to set ({one_line(error)}). Set them by hand, the backup has them; for "
        "the next time let the role call ec2:CreateTags for these tags"
    )


def _by_tags(changes: RuleChanges) -> list[list[IngressRule]]:
    """The rules to add by protocol, port range and tags: each part is one call, which gives all its rules the same."""
    parts: dict[tuple[int, tuple[tuple[str, str], ...]], list[IngressRule]] = {}
    for number, batch in enumerate(by_ports(changes.add, changes.written)):
        for rule in batch:
            parts.setdefault((number, tuple(changes.tags.get(rule_key(rule), {}).items())), []).append(rule)
    return list(parts.values())


def _to_be_changed(entry: JournalEntry, changes: RuleChanges, at: str) -> JournalEntry:
    """The entry before the calls: what is going to be sent, and what for."""
    old = {added.key: added for added in entry.add}
    sent: dict[RuleKey, AddedRule] = {}

    def purposes(key: RuleKey) -> tuple[str, ...]:
        before = old[key].replaces if key in old else ()
        return tuple(dict.fromkeys((*before, *changes.replaces.get(key, ()))))

    for rule in (*changes.add, *(rule._replace(rule_id="") for rule in changes.relied_on)):
        key = rule_key(rule)
        is_hammers = key in old and old[key].state is AddedState.ADDED
        new = AddedRule(rule, AddedState.SENT, purposes(key), at)
        sent[key] = replace(old[key], replaces=purposes(key)) if is_hammers else new
    for key in changes.replaces.keys() & old.keys() - sent.keys():
        sent[key] = replace(old[key], replaces=purposes(key))
    entry = entry.with_added(sent)
    unknown = [rule for rule in changes.revoke if entry.state_of(rule.rule_id) is None]
    return entry.with_revoked(unknown, RevokedState.PLANNED, at)


def _added_again(
    before: JournalEntry, entry: JournalEntry, relied_on: Iterable[IngressRule], closed_now: set[str]
) -> tuple[AddedRule, ...]:
    """Rules that somebody had taken away after an earlier call, and that were added again for nothing.

    Whether an earlier revoke without an answer was carried out is known only when it is sent again. Until then the
    rules that it depends on must be there, so they are added if EC2 does not have them any more. If it turns out that
    nothing was left to close, the group stays as whoever took them away left it.
    """
    if entry.is_restore:
        return ()
    relied = set(map(rule_key, relied_on))
    old = {added.key: added for added in before.add if added.state is not AddedState.SENT}
    return tuple(
        added
        for added in entry.add
        if added.key in relied & old.keys()
        and added.state is AddedState.ADDED
        and added.rule.rule_id
        and (old[added.key].state, old[added.key].rule.rule_id) != (AddedState.ADDED, added.rule.rule_id)
        and closed_now.isdisjoint(added.replaces)
    )


def _acknowledged(
    entry: JournalEntry, states: Mapping[RuleKey, AddedState], ids: Mapping[RuleKey, str], at: str
) -> JournalEntry:
    """The entry with what EC2 said about rules that were sent."""
    return entry.with_added(
        {
            added.key: replace(
                added, state=states[added.key], rule=added.rule._replace(rule_id=ids.get(added.key, "")), at=at
            )
            for added in entry.add
            if added.key in states
        }
    )


def _without_attempt(entry: JournalEntry, before: JournalEntry, keys: Iterable[RuleKey]) -> JournalEntry:
    """The entry with these rules as they were known before a call that EC2 refused."""
    refused = set(keys)
    old = [added for added in before.add if added.key in refused]
    return replace(entry, add=(*(added for added in entry.add if added.key not in refused), *old))


# Amazon EC2 API Reference, "Error codes for the Amazon EC2 API".
_LASTING = frozenset({"OperationNotPermitted", "UnsupportedOperation", _OVER_QUOTA})
# IAM User Guide, "Troubleshoot access denied error messages": how the message names an explicit deny.
_EXPLICIT_DENY = "explicit deny"


def is_lasting(error: Exception | None) -> bool:
    """Whether an answer of EC2's will be the same until the group, a policy or a quota is changed."""
    if error is None:
        return False
    code = error_code(error)
    return code in _LASTING or (code in ACCESS_DENIED and _EXPLICIT_DENY in str(error).lower())


def _is_over_quota(error: Exception | None) -> bool:
    return isinstance(error, ClientError) and error_code(error) == _OVER_QUOTA


def _failure(result: CallResult, entry: JournalEntry) -> ChangeFailedError:
    text = explain(result.error) if result.error else "EC2 did not answer"
    is_quota = _is_over_quota(result.error)
    is_lost = result.answer is ChangeAnswer.LOST
    lasting = not is_lost and is_lasting(result.error)
    return ChangeFailedError(
        text,
        entry,
        may_help=is_lost,
        is_quota=is_quota,
        is_lasting=lasting,
        is_source_gone=_is_source_gone(result),
    )


def _is_source_gone(result: CallResult) -> bool:
    """Whether EC2 refused to add a rule because it did not find the group or the prefix list that the rule names."""
    return not result.was_lost and result.error is not None and error_code(result.error).endswith(".NotFound")

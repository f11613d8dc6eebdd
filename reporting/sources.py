"""Where the groups are defined that a run writes tickets about: asked of AWS and of Terraform files.

Only reads, but for the issue's own attribute `source`. What could not be read is no problem of the run: the permissions
for it are optional. The ticket then says less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from library.aws.ec2 import read_security_groups
from library.aws.failures import AWS_ERRORS, explain
from library.errors import ConflictError
from library.issues.issue import SECURITY_GROUP, Issue
from library.source.cloudformation import StackReader
from library.source.find import STACKS_NOT_ASKED, locate, read_rule_ids
from library.source.hcl import GrammarMissingError
from library.source.stored import is_fresh, stored_source
from library.source.terraform_folder import TerraformFiles, read_folders
from reporting.plan import Step, Update

if TYPE_CHECKING:
    from library.config import Configuration
    from reporting.read import ReportSummary
    from reporting.run import Services

_ISSUES_A_RUN = 200
_WITHOUT_SOURCE = (Update.EXEMPTION_ENDS, Update.USE)


@dataclass(slots=True)
class SourceReading:
    """Reads the sources of a run's issues, with what the role of reporting may read of CloudFormation.

    The policy `source-in-account` is optional.
    """

    config: Configuration
    services: Services
    summary: ReportSummary
    _refused: set[tuple[str, str]] = field(default_factory=set)  # where CloudFormation did not answer in this run

    def with_sources(self, steps: Sequence[Step], *, dry_run: bool) -> list[Step]:
        """The steps, each new or changed ticket's with the source of its group. A `dry_run` records nothing."""
        wanted = [step for step in steps if self._is_wanted(step)][:_ISSUES_A_RUN]
        if not wanted:
            return list(steps)
        files = self._files()
        found = {id(step): self._read(step.issue, files, dry_run=dry_run) for step in wanted}
        return [replace(step, issue=found[id(step)]) if id(step) in found else step for step in steps]

    def _is_wanted(self, step: Step) -> bool:
        issue = step.issue
        updates = [update for update in (step.ticket_update, step.alert_update) if update]
        names_source = any(update not in _WITHOUT_SOURCE and not update.ends for update in updates)
        return names_source and issue.kind is SECURITY_GROUP and not is_fresh(issue, self.services.now())

    def _files(self) -> TerraformFiles:
        try:
            return read_folders(self.config.source.terraform_paths)
        except GrammarMissingError as error:
            self.summary.notes.append(str(error))
            return TerraformFiles()

    def _read(self, issue: Issue, files: TerraformFiles, *, dry_run: bool) -> Issue:
        self.services.renew()
        sessions = self.services.sessions
        account_id, region, group_id = issue.account_id, issue.details.region, issue.issue_id
        if (account_id, region) in self._refused and not files.files:
            return issue
        try:
            client = sessions.client("ec2", account_id, region)
            groups = [group for page in read_security_groups(client, [group_id]) for group in page.groups]
            if not groups:
                return issue
            report = locate(
                groups[0],
                issue.details.perms,
                self.config.secgrp_unrestricted_access.remediation_sources,
                StackReader(sessions.client("cloudformation", account_id, region), account_id, region),
                lambda: read_rule_ids(client, group_id, issue.details.perms),
                files,
                issue.opened_by.user_agent if issue.opened_by else "",
            )
            if any(problem.startswith(STACKS_NOT_ASKED) for problem in report.problems):
                self._refused.add((account_id, region))
            source = stored_source(report, issue, self.services.now())
            if not dry_run:
                self.services.table.update(issue, {"source": source})
        except ConflictError:
            return issue  # it changed meanwhile: whoever writes its ticket finds that out, too
        except AWS_ERRORS as error:
            self.summary.notes.append(f"{issue.location}: where it is defined could not be read: {explain(error)}")
            return issue
        return replace(issue, source=source)

"""The root of Hammer's own exceptions, for every package.

Hammer's exceptions derive from `HammerError`, and each is caught by name beside the call that raises it. A command that
meets one that nobody caught prints its text on one line and exits with 1.

| exception | where | it means |
|---|---|---|
| `ConfigurationError` | `library.config` | the configuration is missing or wrong; nothing runs |
| `ConflictError` | `library.errors` | somebody else changed the item since it was read: read and decide again |
| `UnreadableIssueError` | `library.aws.issue_table` | an item of the issue table is not as an issue should be |
| `UnreadableExemptionError` | `library.aws.decision_store` | nobody knows what is exempt: an item is wrong |
| `UnknownAccountError` | `identification.errors` | a message is about an account that the configuration does not name |
| `MalformedEventError` | `identification.errors` | a record is not what the function's event source sends |
| `MissingVariableError` | `identification.errors` | a variable of a function's environment is missing |
| `NoTimeLeftError` | `identification.errors` | a scan was not begun: the function's time might not be enough |
| `NotRequestedError` | `identification.errors` | a request for remediation at once could not be sent |
| `PublishError` | `identification.messages` | scan targets could not be published or delayed |
| `RegionOffError` | `identification.scan` | the account has not enabled the region |
| `DeniedByPolicyError` | `identification.scan` | an organization's policy denies the region |
| `FormatError` | `identification.flow_logs.records` | an object is no flow log, or not of a format that can be read |
| `RefusedError` | `identification.flow_logs.read` | a bucket or log group refused, or is not there |
| `LimitReachedError` | `identification.flow_logs.read` | the run has read as much as `usage.limit_mb` allows |
| `InProgressError` | `identification.filter_inspector_findings` | another invocation claims the same finding |
| `DescribeError` | `identification.inspector.aws` | Inspector Classic did not describe a finding that it had reported |
| `LockedError` | `library.aws.lock` | another run holds the lock, or took it over |
| `TimerError` | `library.jobs.calendar_events` | systemd cannot say a cron expression |
| `SdkSettingsError` | `library.aws.session` | the SDK cannot use a setting of its own, such as `AWS_ENDPOINT_URL` |
| `SecretError` | `library.aws.secrets` | a secret is missing or has no usable value |
| `ShapeError` | `library.security_groups.group` | EC2 answered something that Hammer does not understand |
| `StackReadError` | `library.source.cloudformation` | CloudFormation did not tell |
| `TemplateError` | `library.source.template_text` | a text is no CloudFormation template |
| `UnknownValueError` | `library.source.template_text` | a value of a template is not known before it is deployed |
| `HclError`, `GrammarMissingError` | `library.source.hcl` | a Terraform file cannot be read |
| `UnpatchableError` | `library.source.text_edit` | a file cannot be patched: the text says why |
| `NotAPlanError` | `hammer.terraform_plan` | a file is no Terraform plan |
| `JiraError` | `library.notifications.jira_connection` | JIRA did not do what it was asked |
| `SlackError` | `library.notifications.slack_connection` | Slack did not do what it was asked |
| `WebhookError` | `library.notifications.webhook` | the webhook did not take an event |
| `SocketError` | `reporting.slack_socket` | there is no connection to Slack; another attempt may help |
| `SocketStoppedError` | `reporting.slack_socket` | no further attempt would help until somebody changes something |
| `BackupError` | `remediation.backups` | a backup cannot be used, or is not what was written |
| `InconsistentReadError` | `remediation.group_state` | EC2's two answers about a group differ |
| `ChangeFailedError` | `remediation.change` | EC2 did not do a part of a change |
| `CannotRestoreError` | `remediation.restore_plan` | there is nothing to go back to, or no group to bring back |

`library.jobs.run.InterruptedRunError`, which a signal raises, is a `KeyboardInterrupt` instead.

Pure.
"""

from __future__ import annotations


class HammerError(Exception):
    """Something that Hammer could not do, with a text for the person who runs it."""


class ConflictError(HammerError):
    """Somebody else changed the item since it was read: read again and decide again."""

"""`hammer publish`: the day's record in the history, the HTML report in the bucket, and a link for those who asked.

Runs once a day on the host (`cronjobs.publishing`). Running it again on the same day replaces the day's record and the
report.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hammer.formats import Format, render
from hammer.formats.report.view import headline, totals
from hammer.listing.issue import Listing, Sort, Wanted, severity_counts
from hammer.table_listing import list_issues, open_tables, read_issues, with_history
from library.aws.failures import AWS_ERRORS, explain
from library.aws.lock import this_process
from library.aws.partition import console_host
from library.aws.records import JobRecords
from library.aws.secrets import SecretError, SecretReader
from library.documents.slack_message import link
from library.documents.text import printable, shortened
from library.issues.issue import Status
from library.issues.times import shown_day
from library.issues.trends import summarize_day
from library.jobs.command_line import (
    ConfigOption,
    Selection,
    TableAccess,
    WrongUsageError,
    end,
    read_configuration,
    utc_now,
)
from library.notifications.clients import open_channels
from library.notifications.slack_connection import SlackError
from library.security_groups.clauses import allowed_text
from reporting.group_text import verdict_words

_NAMED_IN_MAIL = 5
_NAME_LIMIT = 60
_MOST_ATTACHED = 10_000_000
"""Bytes. Amazon SES takes messages of 40 MB with their attachments encoded, many mail servers 25 MB and less."""


def command(config: ConfigOption = None) -> None:
    """Publish the day's HTML report to the bucket, record the day's history, and send a link.

    Exits with 1 when something could not be done.
    """
    configuration = read_configuration(config)
    if not configuration.aws.s3_backup_bucket:
        raise WrongUsageError("aws.s3_backup_bucket is not set: the report has no place to go")
    tables = open_tables(configuration)
    records = JobRecords(tables.table.items, configuration.aws.main_account_id)
    with records.recorded("publish", this_process(), utc_now) as problems:
        problems += publish(tables, utc_now(), time.sleep)
    end(problems)


def publish(tables: TableAccess, now: datetime, sleep: Callable[[float], None]) -> list[str]:
    """Record the day, write the report, and send the link.

    Returns:
        What could not be done, one line each.

    Raises:
        ClientError, BotoCoreError: the table could not be read, or the bucket not be written.
    """
    config, everything = tables.config, Selection()
    found = read_issues(tables, everything, Status)
    exposed = Wanted(statuses=frozenset({Status.OPEN, Status.WHITELISTED}))
    listing = list_issues(tables, everything, found, exposed, Sort.SEVERITY, now)
    today = summarize_day(found.issues, now.date())
    JobRecords(tables.table.items, config.aws.main_account_id).record_day(today)
    listing = with_history(tables, listing, found.issues, today)
    key = f"{config.publishing.prefix}{now:%Y-%m-%d}.html"
    page = render(Format.HTML, listing).encode("utf-8")
    tables.sessions.client("s3").put_object(
        Bucket=config.aws.s3_backup_bucket,
        Key=key,
        Body=page,
        ContentType="text/html; charset=utf-8",
    )
    address = object_address(config.aws.s3_backup_bucket, key, config.aws.region)
    print(f"published {address}")
    text = summary(listing)
    return [*_send_to_slack(tables, text, address, sleep), *_send_mail(tables, listing, address, page)]


def object_address(bucket: str, key: str, region: str) -> str:
    """An object's page in the AWS console, which asks who looks: a signed address would ask nobody.

    >>> object_address("backups", "reports/2026-11-22.html", "eu-west-1")
    'https://eu-west-1.console.aws.amazon.com/s3/object/backups?region=eu-west-1&prefix=reports/2026-11-22.html'
    """
    host = console_host(region) or f"{region}.console.aws.amazon.com"
    return f"https://{host}/s3/object/{quote(bucket)}?region={quote(region)}&prefix={quote(key)}"


def summary(listing: Listing) -> str:
    """The report in one sentence or two."""
    text = ", ".join(f"{total.number:,} {total.label}" for total in totals(listing))
    change = listing.change
    since = f" Since {change.since}: {change.new:,} new, {change.resolved:,} resolved." if change else ""
    return f"Security groups open to the Internet: {text}.{since}"


def _send_to_slack(tables: TableAccess, text: str, address: str, sleep: Callable[[float], None]) -> list[str]:
    config = tables.config
    secrets = SecretReader(lambda: tables.sessions.client("secretsmanager"), os.environ)
    slack = open_channels(config, secrets, sleep).slack
    if slack is None or not config.publishing.slack_channel:
        return []
    try:
        channel = slack.channel(config.publishing.slack_channel)
        words = f"{text} {link(address, 'Report')}"
        slack.post(channel, text, [{"type": "section", "text": {"type": "mrkdwn", "text": words}}])
    except (SecretError, SlackError) as error:
        return [f"the link was not sent to Slack: {error}"]
    return []


def mail_subject(listing: Listing) -> str:
    """The numbers that decide whether the mail is opened, so that no two days look alike."""
    issues, now = listing.open_issues, listing.generated
    overdue = sum(issue.is_due(now) for issue in issues)
    overdue_text = f"; {overdue:,} of them overdue" if overdue else ""
    none = "none open" if listing.is_whole else "none known to be open, and not everything could be read"
    return f"Security groups, {now:%Y-%m-%d}: {severity_counts(issues) or none}{overdue_text}"


def mail_text(listing: Listing, address: str, *, attached: bool) -> str:
    """The mail: the report in a sentence, its worst issues by name, and where the rest is."""
    now = listing.generated
    lines = [headline(listing)[0], ""]
    for issue in listing.open_issues[:_NAMED_IN_MAIL]:
        account = issue.account_id
        if issue.account_name != issue.account_id:
            account = f"{issue.account_name} ({issue.account_id})"
        where = f'"{shortened(issue.details.name, _NAME_LIMIT)}", {account}, {issue.details.region}'
        words = allowed_text(issue.clauses) if issue.is_group else f"Amazon Inspector: {', '.join(issue.ports)}"
        words = "; ".join(filter(None, (words, verdict_words(issue.details))))
        owner = f"; owner {issue.owner}" if issue.owner else ""
        lines.append(printable(f"- {issue.severity}: {where}, {issue.group_id}: {words}{owner}{_due(issue.due, now)}"))
    if more := len(listing.open_issues) - _NAMED_IN_MAIL:
        lines += [f"- and {more:,} more"] if more > 0 else []
    where = "The whole report is attached. In S3, for" if attached else "The whole report, for"
    return "\n".join([*lines, "", f"{where} who may sign in to AWS: {address}", ""])


def _due(due: datetime | None, now: datetime) -> str:
    """From when remediation may replace an issue's rules, as the end of a line."""
    if due is None:
        return ""
    return f"; overdue since {shown_day(due)}" if due <= now else f"; due {shown_day(due)}"


def _send_mail(tables: TableAccess, listing: Listing, address: str, page: bytes) -> list[str]:
    publishing = tables.config.publishing
    if not publishing.email_from or not publishing.email_to:
        return []
    attached = len(page) <= _MOST_ATTACHED
    simple: dict[str, Any] = {
        "Subject": {"Data": mail_subject(listing), "Charset": "UTF-8"},
        "Body": {"Text": {"Data": mail_text(listing, address, attached=attached), "Charset": "UTF-8"}},
    }
    if attached:
        simple["Attachments"] = [
            {
                "RawContent": page,
                "ContentDisposition": "ATTACHMENT",
                "ContentType": "text/html",
                # SES takes short lines of ASCII by default (SES Developer Guide, "Working with email attachments").
                "ContentTransferEncoding": "BASE64",
                "FileName": f"security-groups-{listing.generated:%Y-%m-%d}.html",
            }
        ]
    message: dict[str, Any] = {"Simple": simple}
    try:
        tables.sessions.client("sesv2").send_email(
            FromEmailAddress=publishing.email_from,
            Destination={"ToAddresses": list(publishing.email_to)},
            Content=message,
        )
    except AWS_ERRORS as error:
        return [f"the link was not sent by e-mail: {explain(error)}"]
    return []

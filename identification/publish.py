"""Publishing scan targets to the topic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from library.errors import HammerError

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

BATCH_SIZE = 10  # PublishBatch: at most 10 entries,
BATCH_BYTES = 256 * 1024  # and at most 256 KiB of all their messages
_CONCURRENT_BATCHES = 8


class PublishError(HammerError):
    """Not every message could be published."""


def publish(client: SNSClient, topic_arn: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Publish messages as JSON, in concurrent batches.

    Args:
        client: for SNS, in the topic's region.
        topic_arn: the topic.
        messages: each below 256 KiB as JSON.

    Raises:
        PublishError: an entry failed; AWS answers 200 all the same (SNS API Reference, PublishBatch).
        ClientError: a batch failed as a whole. The other batches are published nevertheless.
    """

    def publish_batch(batch: Sequence[str]) -> list[str]:
        answer = client.publish_batch(
            TopicArn=topic_arn,
            PublishBatchRequestEntries=[{"Id": str(number), "Message": text} for number, text in enumerate(batch)],
        )
        return [
            f"{batch[int(failed['Id'])]:.500}: {failed.get('Code')} {failed.get('Message', '')}".strip()
            for failed in answer.get("Failed", ())
        ]

    with ThreadPoolExecutor(_CONCURRENT_BATCHES) as pool:
        # Not pool.map: its first error cancels what has not begun.
        published = [pool.submit(publish_batch, batch) for batch in _batches([json.dumps(each) for each in messages])]
    failures = [failure for failed in published for failure in failed.result()]
    if failures:
        raise PublishError(f"{len(failures)} of {len(messages)} messages were not published: {'; '.join(failures)}")


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in their order, as many at a time as a call takes. They are ASCII: a character is a byte."""
    batch: list[str] = []
    for text in texts:
        if batch and (len(batch) == BATCH_SIZE or sum(map(len, batch)) + len(text) > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch

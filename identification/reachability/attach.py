"""The verdict on every exposed group that a scan found, from one sweep of its region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from identification.reachability.sweep import ClientMaker, sweep
from identification.reachability.users import UserReader
from identification.reachability.verdict import Judge
from library.aws.ec2 import PrefixListReader
from library.issues.reconcile import Detection
from library.security_groups.exposure import OpenTraffic


class Attached(NamedTuple):
    """Detections with their verdicts, and what could not be read, one line each."""

    detections: list[Detection]
    notes: tuple[str, ...]


def with_reachability(
    detections: Sequence[Detection],
    open_traffic: Mapping[str, Sequence[OpenTraffic]],
    clients: ClientMaker,
    prefix_lists: PrefixListReader,
    *,
    whole_region: bool,
    owner_keys: frozenset[str] | None = None,
) -> Attached:
    """Judge who can connect to each exposed group. Without exposures nothing is called.

    Args:
        detections: the exposed groups of an account and region.
        open_traffic: what each exposes, by group id.
        clients: for the account and region.
        prefix_lists: reads those of routes.
        whole_region: whether all groups of the region were looked at.
        owner_keys: the keys of tags that tell an owner, in lower case; None: what uses the groups is not read.
    """
    if not detections:
        return Attached([], ())
    exposed = frozenset(detection.group_id for detection in detections)
    swept = sweep(clients, exposed, prefix_lists, whole_region=whole_region)
    judge = Judge(swept.network)
    judged = [
        replace(
            detection,
            details=replace(
                detection.details,
                reachability=judge.judge(
                    detection.group_id, open_traffic[detection.group_id], detection.details.status
                ),
            ),
        )
        for detection in detections
    ]
    if owner_keys is None:
        return Attached(judged, swept.notes)
    reader = UserReader(clients, owner_keys)
    used_by = reader.read(swept, exposed)
    judged = [replace(detection, used_by=used_by[detection.group_id]) for detection in judged]
    return Attached(judged, (*swept.notes, *reader.notes))

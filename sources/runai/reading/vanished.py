"""Pods that the warehouse holds for open and that no list shows: look for each, and record what was not found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sources.runai.client import RunaiClient
from sources.runai.errors import ApiError, NotFound, PermissionDenied, SignInError
from sources.runai.reading.disputes import FIRST_WAIT
from sources.runai.reading.known import KnownPod
from sources.runai.reading.observations import Observations
from sources.runai.reading.workloads import workload_pods

MOST_WORKLOADS: Final = 50
"""Above this many look-ups, listing the days of the pods again costs fewer requests."""
LONGEST_WAIT: Final = timedelta(days=7)
"""Longer than for days whose counts differ: here nothing says that there is anything to be found."""
FAILED: Final = "failed"


def is_due(pod: KnownPod, as_of: datetime) -> bool:
    """Whether a pod is to be looked for now: each time in vain doubles the wait before the next."""
    if pod.absences == 0 or pod.last_absent_at is None:
        return True
    wait: timedelta = min(FIRST_WAIT * 2 ** min(pod.absences - 1, 20), LONGEST_WAIT)
    return as_of - pod.last_absent_at >= wait


def by_workload(pods: Iterable[KnownPod]) -> dict[str, list[KnownPod]]:
    """Group pods by the workload that can be asked for them; those without one are left out."""
    groups: dict[str, list[KnownPod]] = defaultdict(list)
    for pod in pods:
        if pod.workload_id is not None and _is_uuid(pod.workload_id):
            groups[pod.workload_id].append(pod)
    return dict(groups)


def look_up(
    client: RunaiClient, seen: Observations, groups: dict[str, list[KnownPod]], *, as_of: datetime
) -> Iterator[str]:
    """List the pods of each workload, deleted ones too; pods of the group that are in neither list become absences.

    Yields each workload id when it is done.
    """
    for workload_id, pods in groups.items():
        outcome, found = _look_for(client, seen, workload_id, pods)
        if outcome == FAILED:
            seen.report.warn(f"workload {workload_id} could not be asked for its pods; the next run tries again")
        lost = [] if outcome == FAILED else [pod for pod in pods if pod.pod_id not in found]
        for pod in lost:
            seen.absent(pod, as_of=as_of, observed_at=client.clock(), looked_by="workload", outcome=outcome)
        yield workload_id


def _look_for(client: RunaiClient, seen: Observations, workload_id: str, pods: list[KnownPod]) -> tuple[str, set[str]]:
    found: set[str] = set()
    outcomes = []
    for deleted in (None, True):
        try:
            for page in workload_pods(client, workload_id, deleted=deleted):
                found |= seen.take(page.pods, page.received_at, found_by="workload", deleted=bool(deleted))
        except NotFound:
            outcomes.append("workload_not_found")
        except PermissionDenied:
            outcomes.append("forbidden")
        except SignInError:
            raise
        except ApiError:
            return FAILED, found
        if all(pod.pod_id in found for pod in pods):
            break
    return (outcomes[0] if len(outcomes) == 2 else "not_listed"), found


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True

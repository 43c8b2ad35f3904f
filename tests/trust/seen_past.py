"""What depends on when one looked, held against what was true at the looks: `pod_history`, `cluster_pods`, accounts."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from pipelines.run import RunResult
from simulator.instants import MINUTE, SECOND, micros, moment, parse_rfc3339
from simulator.service.cluster_pods import cluster_pod
from simulator.world.pods import SCHEDULED, Pod, memory_mib
from tests.behaviour.columns import Row, column_differences
from tests.behaviour.lives import Life, lives
from tests.behaviour.scene import Scene

Look = tuple[datetime, datetime]
"""When a run that did not fail began and ended, by the world's clock."""
State = tuple[str, str | None, str | None]
"""Phase, node and node pool."""

OF_RUNS: Final = {
    "finished_at": "it is told before the tables are built; held between the beginning and the end of its run",
    "open_set_read_at": "it depends on the requests; held between the beginning of its run and the present",
    "version": "ours, and always the same",
    **dict.fromkeys(
        ("arguments", "metrics_since", "metric_types"),
        "what one asked for oneself; what came of it is held by `pod_metric_coverage`",
    ),
}
"""Columns of `runs` that are not compared, and why."""

_JUST_AFTER: Final = timedelta(microseconds=1)
_HELD: Final = ("allocated_gpu", "allocated_cpu_cores", "allocated_cpu_memory_bytes")
_CLUSTER_LIST: Final = re.compile("/v1/k8s/clusters/([^/]+)/pods")
_CLUSTER_JSON: Final = ("resource_request", "resource_allocation", "dynamic_data")
_CLUSTER_INSTANTS: Final = {
    "created_at": "created",
    "started_at": "started",
    "completed_at": "completed",
    "last_updated_at": "lastUpdated",
}
_CLUSTER_COLUMNS: Final = {
    "pod_id": "podId",
    "pod_name": "podName",
    "job_id": "jobId",
    "pod_group_id": "podGroupId",
    "cluster_id": "clusterUuid",
    "image_name": "imageName",
    "node_id": "nodeId",
    "phase": "phase",
    "status": "status",
    "namespace": "namespace",
    "node_pool": "nodePool",
    "exists_in_cluster": "existsInCluster",
    "resource_request": "resourceRequest",
    "resource_allocation": "resourceAllocation",
    "dynamic_data": "dynamicData",
}


def history_differences(
    here: Scene, looks: Sequence[Look], unsure: set[str], revived: AbstractSet[str] = frozenset()
) -> list[str]:
    """Say where `pod_history` tells what was not, or not what a run had to see.

    A stretch must begin at the very instant of its change, or at a look that first saw it; what it tells must have
    been true then. A state in which a pod stayed from the beginning of a run to its end must be told of that end,
    save of pods in `unsure`. Nothing is said of pods in `revived`: what they were while they were deleted is not known.
    """
    stretches: dict[str, list[Row]] = defaultdict(list)
    for row in here.rows("pod_history"):
        stretches[row["pod_id"]].append(row)
    asked = sorted(micros(seen.world_at) for seen in here.simulator.requests)
    said = []
    for life in lives(here):
        if life.pod.id in revived:
            continue
        rows = sorted(stretches[life.pod.id], key=lambda row: row["valid_from"])
        said += [f"{life.pod.id} at {at}: {what}" for at, what in _untrue(here, life, rows, looks)]
        for row in rows:
            said += [f"{life.pod.id} at {at}: {what}" for at, what in _wrong_shares(here, life, row, asked)]
        if life.pod.id not in unsure:
            said += [f"{life.pod.id} at {at}: {what}" for at, what in _untold(here, life.pod, rows, looks)]
    return said


def _untrue(here: Scene, life: Life, rows: list[Row], looks: Sequence[Look]) -> Iterator[tuple[object, str]]:
    pod, tick = life.pod, 10 ** (6 - here.simulator.switches.fraction_digits)
    # A sidecar starts a second later, and after a restart its start is the earliest that is shown.
    changes = (pod.created, pod.scheduled, pod.started, pod.started + SECOND, pod.restarted, pod.stopped)
    exact = {instant // tick * tick for instant in changes}
    if not rows or micros(rows[0]["valid_from"]) != pod.created // tick * tick or rows[-1]["valid_to"] is not None:
        yield "any", "not from its creation to the present"
    for row, before in zip(rows, [None, *rows], strict=False):
        at, start = row["valid_from"], micros(row["valid_from"])
        if before is not None and before["valid_to"] != at:
            yield at, f"the stretch before ends at {before['valid_to']}"
        # A change that is cut to the tick in which the look before it lies holds from just after that look.
        if start not in exact and not any(begin <= at <= end + _JUST_AFTER for begin, end in looks):
            yield at, "neither an instant of its life nor a look"
        # What is shown is cut to the tick, so that the change may lie a little later.
        was = _state(pod, start + tick - 1)
        told = _told(row)
        # When a pod got its node is told nowhere: the stretch in which that is first seen has it from its beginning.
        later = _state(pod, life.now if row["valid_to"] is None else micros(row["valid_to"]))
        true = {was, (was[0], None, None), (was[0], *later[1:])}
        # A stretch within one tick may be all of it before the change.
        if row["valid_to"] is not None and micros(row["valid_to"]) <= start + tick:
            true.add(_state(pod, start))
        if told not in true:
            yield at, f"{told}, not {was}"


def _wrong_shares(here: Scene, life: Life, row: Row, asked: Sequence[int]) -> Iterator[tuple[object, str]]:
    """What a stretch tells of what the pod held, and of who saw it."""
    pod, at, start = life.pod, row["valid_from"], micros(row["valid_from"])
    until = life.now if row["valid_to"] is None else micros(row["valid_to"])
    memory = round(memory_mib(pod.workload.request.memory[0])) * 2**20
    held = dict(zip(_HELD, (pod.allocated_gpu(), pod.workload.request.cpu[0], memory), strict=True))
    nothing = dict.fromkeys(held)
    tick = 10 ** (6 - here.simulator.switches.fraction_digits)
    # What is not over may be seen first at the present.
    is_over = life.ended is not None and life.ended <= start
    may_hold = pod.scheduled // tick * tick <= start and not is_over
    runs = life.started is not None and life.started <= start and not is_over
    # One that was deleted while it ran, unseen, stays as it was: the look may have come after that.
    was_seen = row["phase"] == "Running" and not row["is_inferred"] and until <= life.until
    must_hold = runs and (here.simulator.switches.keeps_allocation or was_seen)
    told = {name: row[name] for name in held}
    if told not in ([held] if must_hold else [held, nothing] if may_hold else [nothing]):
        yield at, f"{told} held"
    if row["is_current"] is not (row["valid_to"] is None):
        yield at, f"is_current {row['is_current']}"
    # A run that failed may have seen it too.
    if not row["is_inferred"] and bisect_left(asked, start - MINUTE) == bisect_right(asked, until):
        yield at, "is_inferred False, though no run looked"


def _untold(here: Scene, pod: Pod, rows: list[Row], looks: Sequence[Look]) -> Iterator[tuple[object, str]]:
    starts = [row["valid_from"] for row in rows]
    for begin, end in looks:
        first, last = micros(begin), micros(end)
        was = _state(pod, first)
        is_steady = pod.visible <= first and was == _state(pod, last) and here.world.reported(pod, first) == first
        if not is_steady or pod.created > first or pod.deleted <= last:
            continue
        place = bisect_right(starts, end) - 1
        told = None if place < 0 else _told(rows[place])
        if told != was:
            yield end, f"{told}, though a run saw {was}"
        elif rows[place]["is_inferred"] and micros(rows[place]["valid_from"]) <= first:
            yield end, "is_inferred True, though a run saw it"


def _told(row: Row) -> State:
    return row["phase"], row["node_name"], row["node_pool"]


def _state(pod: Pod, at: int) -> State:
    flags = pod.flags(at)
    is_placed = flags & SCHEDULED
    return pod.phase(flags), pod.node if is_placed else None, pod.pool.name if is_placed else None


def cluster_pod_differences(
    here: Scene, looks: Sequence[Look], unsure: set[str], revived: AbstractSet[str] = frozenset()
) -> list[str]:
    """Say which rows of `cluster_pods` are not what the last list that had to show the pod could show, or are lost.

    The lists are those that a run that did not fail was given; of pods in `unsure` nobody can say which had them, and
    nothing is said of those in `revived`: a list may have been given while they were deleted, which nobody knows now.
    """
    told, said = {row["pod_id"]: row for row in here.rows("cluster_pods")}, []
    given = cluster_lists(here, looks)
    for truth in here.world.truth():
        pod, row = truth.pod, told.pop(truth.id, None)
        if truth.id in revived:
            continue
        # Requests move the clock.
        listed = (
            here.world.reported(pod, at)
            for at in reversed(given[pod.workload.cluster.id])
            if here.world.knows(pod, at) and here.world.knows(pod, at + MINUTE)
        )
        since = None if truth.id in unsure else next(listed, None)
        if row is None and since is not None:
            said.append(f"{truth.id}: lost")
        elif row is not None:
            first = pod.created if since is None else since
            states = [
                column_differences(truth.id, _to_the_second(row), state) for state in _states(pod, first, truth.at)
            ]
            nearest: list[str] = min(states, key=len)
            said += nearest
    return said + [f"{pod_id}: made up" for pod_id in told]


def cluster_lists(here: Scene, looks: Sequence[Look]) -> dict[str, list[int]]:
    """By cluster, when the last list of its pods was given to each run."""
    given: dict[str, dict[Look, int]] = defaultdict(dict)
    for seen in here.simulator.requests:
        if seen.status == 200 and (found := _CLUSTER_LIST.fullmatch(seen.path)):
            given[found[1]] |= {look: micros(seen.world_at) for look in looks if look[0] <= seen.world_at <= look[1]}
    return defaultdict(list, {cluster: list(instants.values()) for cluster, instants in given.items()})


def _states(pod: Pod, since: int, now: int) -> Iterator[Row]:
    """The rows that the pod could be given from an instant on."""
    changes = (pod.scheduled, pod.started, pod.completed, pod.deleted)
    for at in sorted({since, *(instant for instant in changes if since <= instant <= now)}):
        given = {"started": 0, "nodeId": None, "nodePool": None} | cluster_pod(pod, pod.flags(at), SECOND)
        row = {column: given[field] for column, field in _CLUSTER_COLUMNS.items()}
        instants = {column: _second(given[field]) for column, field in _CLUSTER_INSTANTS.items()}
        yield row | instants | {"extra": None}


def _to_the_second(row: Row) -> Row:
    """A row of `cluster_pods` with instants as exact as epochs are, and its JSON read."""
    instants = {name: row[name] and row[name].replace(microsecond=0) for name in _CLUSTER_INSTANTS}
    return row | instants | {name: row[name] and json.loads(row[name]) for name in _CLUSTER_JSON}


def _second(epoch: int) -> datetime | None:
    return moment(epoch * SECOND) if epoch else None


def run_differences(here: Scene, results: Sequence[RunResult], failed: int) -> list[str]:
    """Say of which runs `runs` has no row, or another account than they gave; those that failed may be told of."""
    published = {row["run_id"]: row for row in here.rows("runs")}
    said = []
    for result in results:
        wanted = {
            "run_id": result.run_id,
            "outcome": "loaded",
            "error": None,
            "as_of": result.as_of,
            "started_at": result.started_at,
            "requests": result.requests,
            "retries": result.retries,
            "pods_read": result.reading.pods_read,
            "pods_changed": result.reading.pods_changed,
            "samples_read": result.metrics.samples_read,
            "windows_failed": result.metrics.windows_failed,
            "rejects": result.reading.rejects,
            "rejects_new": result.reading.rejects_new,
            "read_seconds": result.read_seconds,
            "load_seconds": result.load_seconds,
        }
        row = published.pop(result.run_id, None)
        if row is None:
            said.append(f"{result.run_id}: lost")
            continue
        said += column_differences(result.run_id, row, wanted, without=OF_RUNS)
        bounds = {
            "finished_at": (result.started_at, result.finished_at),
            "open_set_read_at": (result.as_of, here.clock.now()),
        }
        said += [
            f"{result.run_id}.{name}: {row[name]}"
            for name, (first, last) in bounds.items()
            if row[name] is None or last is None or not first <= row[name] <= last
        ]
    said += [f"{run_id}: {row['outcome']}" for run_id, row in published.items() if row["outcome"] != "failed"]
    return said + [f"{len(published)} failed runs, not {failed}"] * (len(published) > failed)


def count_differences(here: Scene) -> list[str]:
    """Say where the last counts of all pods are not the number of those that the control plane then showed."""
    rows, now = here.rows("pod_counts"), here.clock.now()
    said = [
        f"{row['filter']} at {row['counted_at']} as of {row['as_of']}: difference {row['difference']}"
        for row in rows
        if not row["as_of"] <= row["counted_at"] <= now or row["difference"] != _difference(row)
    ]
    rows = [row for row in rows if row["is_whole"] and row["as_of"] == now]
    if not rows:
        return [*said, f"nothing counted at {now}"]
    known = [truth.pod for truth in here.world.truth() if here.world.knows(truth.pod, micros(now))]
    born = [pod for pod in known if pod.created <= micros(now - timedelta(minutes=1))]
    for row in rows:
        since = re.search(r"deletedAt>=([^,&]+)", row["filter"]) if "deleted=true" in row["filter"] else None
        first = parse_rfc3339(since[1]) if since else None
        true = sum(pod.deleted > micros(now) if first is None else first <= pod.deleted <= micros(now) for pod in born)
        if {row["api_count"], row["warehouse_count"]} != {true}:
            said.append(f"{row['filter']}: {row['api_count']} by the API, {row['warehouse_count']} here, not {true}")
    return said


def _difference(row: Row) -> int | None:
    api, warehouse = row["api_count"], row["warehouse_count"]
    return None if api is None or warehouse is None else api - warehouse

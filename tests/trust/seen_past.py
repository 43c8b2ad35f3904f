"""What depends on when one looked, held against what was true at the looks: `pod_history`, `cluster_pods`, accounts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pipelines.run import RunResult
from simulator.instants import NEVER, SECOND, micros, moment, parse_rfc3339
from simulator.world.pods import COMPLETED, DELETED, SCHEDULED, STARTED, Pod
from tests.behaviour.lives import Life, lives
from tests.behaviour.scene import Scene

Look = tuple[datetime, datetime]
"""When a run that did not fail began and ended, by the world's clock."""
Row = dict[str, Any]
State = tuple[str, str | None, str | None]
"""Phase, node and node pool."""

_JUST_AFTER: Final = timedelta(microseconds=1)
_CHANGES: Final = (SCHEDULED, STARTED, COMPLETED, DELETED)
_INSTANTS: Final = ("created_at", "started_at", "completed_at", "last_updated_at")


def history_differences(here: Scene, looks: Sequence[Look], unsure: set[str]) -> list[str]:
    """Say where `pod_history` tells what was not, or not what a run had to see.

    A stretch must begin at the very instant of its change, or at a look that first saw it; what it tells must have
    been true then. A state in which a pod stayed from the beginning of a run to its end must be told of that end,
    save of pods in `unsure`.
    """
    stretches: dict[str, list[Row]] = defaultdict(list)
    for row in here.rows("pod_history"):
        stretches[row["pod_id"]].append(row)
    said = []
    for life in lives(here):
        rows = sorted(stretches[life.pod.id], key=lambda row: row["valid_from"])
        said += [f"{life.pod.id} at {at}: {what}" for at, what in _untrue(here, life, rows, looks)]
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
        # While a cluster cannot be reached, its pods are shown as they were before.
        true = {was, (was[0], None, None), (was[0], *later[1:]), _state(pod, here.world.reported(pod, start))}
        # A stretch within one tick may be all of it before the change.
        if row["valid_to"] is not None and micros(row["valid_to"]) <= start + tick:
            true.add(_state(pod, start))
        if told not in true:
            yield at, f"{told}, not {was}"
        if (gpus := row["allocated_gpu"]) is not None:
            is_held = pod.scheduled // tick * tick <= start < life.until
            if not is_held or gpus != pod.allocated_gpu():
                yield at, f"{gpus} GPUs allocated"


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


def _told(row: Row) -> State:
    return row["phase"], row["node_name"], row["node_pool"]


def _state(pod: Pod, at: int) -> State:
    flags = pod.flags(at)
    is_placed = flags & SCHEDULED
    return pod.phase(flags), pod.node if is_placed else None, pod.pool.name if is_placed else None


def cluster_pod_differences(here: Scene) -> list[str]:
    """Say which rows of `cluster_pods` are no state that the pod was ever in."""
    said = []
    for row in here.rows("cluster_pods"):
        found = here.world.find(row["pod_id"])
        instants = {name: row[name] and row[name].replace(microsecond=0) for name in _INSTANTS}
        told = {name: row[name] for name in ("phase", "status", "node_id")} | instants
        if found is None or told not in list(_cluster_states(found, here.clock.micros())):
            said.append(f"{row['pod_id']}: {told}")
    return said


def _cluster_states(pod: Pod, now: int) -> Iterator[Row]:
    instants = (pod.scheduled, pod.started, pod.completed, pod.deleted)
    for at in sorted({pod.created, *(instant for instant in instants if instant <= now)}):
        flags = pod.flags(at)
        given = {flag: instant for flag, instant in zip(_CHANGES, instants, strict=True) if flags & flag}
        yield {
            "phase": pod.phase(flags),
            "status": "Deleted" if flags & DELETED else pod.phase(flags),
            "node_id": pod.node if flags & SCHEDULED else None,
            "created_at": _second(pod.created),
            "started_at": _second(given.get(STARTED, NEVER)),
            "completed_at": _second(given.get(COMPLETED, NEVER)),
            "last_updated_at": _second(max(pod.created, *given.values(), 0)),
        }


def _second(instant: int) -> datetime | None:
    return None if instant == NEVER else moment(instant // SECOND * SECOND)


def run_differences(here: Scene, results: Sequence[RunResult], failed: int) -> list[str]:
    """Say of which runs `runs` has no row, or another account than they gave; those that failed may be told of."""
    published = {row["run_id"]: row for row in here.rows("runs")}
    said = []
    for result in results:
        wanted = {
            "outcome": "loaded",
            "as_of": result.as_of,
            "requests": result.requests,
            "retries": result.retries,
            "pods_read": result.reading.pods_read,
            "pods_changed": result.reading.pods_changed,
            "samples_read": result.metrics.samples_read,
            "windows_failed": result.metrics.windows_failed,
            "rejects": result.reading.rejects,
        }
        row = published.pop(result.run_id, dict.fromkeys(wanted, "lost"))
        said += [
            f"{result.run_id}.{name}: {row[name]}, not {value}" for name, value in wanted.items() if row[name] != value
        ]
    said += [f"{run_id}: {row['outcome']}" for run_id, row in published.items() if row["outcome"] != "failed"]
    return said + [f"{len(published)} failed runs, not {failed}"] * (len(published) > failed)


def count_differences(here: Scene) -> list[str]:
    """Say where the last counts of all pods are not the number of those that the control plane then showed."""
    rows = [row for row in here.rows("pod_counts") if row["is_whole"]]
    last = max(row["as_of"] for row in rows)
    now = here.clock.now()
    if last != now:
        return [f"counted at {last}, not {now}"]
    known = [truth.pod for truth in here.world.truth() if here.world.knows(truth.pod, micros(now))]
    born = [pod for pod in known if pod.created <= micros(now - timedelta(minutes=1))]
    said = []
    for row in (row for row in rows if row["as_of"] == last):
        since = re.search(r"deletedAt>=([^,&]+)", row["filter"]) if "deleted=true" in row["filter"] else None
        first = parse_rfc3339(since[1]) if since else None
        true = sum(pod.deleted > micros(now) if first is None else first <= pod.deleted <= micros(now) for pod in born)
        if {row["api_count"], row["warehouse_count"]} != {true}:
            said.append(f"{row['filter']}: {row['api_count']} by the API, {row['warehouse_count']} here, not {true}")
    return said

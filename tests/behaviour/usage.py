"""What `gpu_usage_daily` and `focus_usage` must say, from the simulator's truth, exact until the last step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from math import isclose
from zoneinfo import ZoneInfo

from simulator.instants import HOUR, micros, moment
from simulator.world.pods import memory_mib
from sources.runai.reading.windows import SETTLE_LAG
from tests.behaviour.lives import Life, lives
from tests.behaviour.samples import true_samples
from tests.behaviour.scene import Scene

Key = tuple[date, str, str, str]
_COLUMNS = ("allocated_gpu_hours", "mig_gpu_hours", "wait_hours")


def usage_differences(here: Scene, zone: str = "UTC") -> list[str]:
    """Say where days differ from the truth; an empty list is a perfect copy."""
    truth = dict(_truth(here, ZoneInfo(zone)))
    published = {_key(row): row for row in here.rows("gpu_usage_daily")}
    said = [f"{key} is {'lost' if key in truth else 'made up'}" for key in truth.keys() ^ published.keys()]
    for key in truth.keys() & published.keys():
        wanted, row = truth[key], published[key]
        if row["pods"] != len(wanted["pods"]):
            said.append(f"{key}: {row['pods']} pods, not {len(wanted['pods'])}")
        for column in _COLUMNS:
            hours = float(sum(wanted[column].values()) / HOUR)
            if not isclose(row[column], hours, rel_tol=1e-12, abs_tol=1e-12):
                said.append(f"{key}: {column} {row[column]!r}, not {hours!r}")
    return said


def charge_differences(here: Scene, zone: str = "UTC") -> list[str]:
    """Say where charges differ from what every pod held by the truth, exactly; an empty list is a perfect copy."""
    truth: dict[tuple[object, ...], Fraction] = {
        (life.pod.id, day, _pool(life), resource): amount * length
        for life in lives(here)
        if life.started is not None
        for day, length in _days(life.started, life.until, ZoneInfo(zone))
        for resource, amount in _held(life).items()
        if amount
    }
    published = {
        tuple(row[name] for name in ("ResourceId", "x_ChargeDate", "x_NodePoolName", "SkuId")): row
        for row in here.rows("focus_usage")
    }
    said = [f"{key} is {'lost' if key in truth else 'made up'}" for key in truth.keys() ^ published.keys()]
    return said + [
        f"{key}: {published[key]['x_ExactQuantity']}, not {float(truth[key])}"
        for key in truth.keys() & published.keys()
        if Fraction(published[key]["x_ExactQuantity"]) != truth[key]
    ]


def used_gpu_hours(here: Scene, since: datetime) -> float:
    """GPUs times utilization over every sample that there is: what all days should come to, but for the edges."""
    held = {
        life.pod.id: (float(life.gpus), moment(life.started))
        for life in lives(here)
        if life.started is not None and not life.pod.workload.request.mig
    }
    samples = true_samples(here, since, here.clock.now(), ["GPU_UTILIZATION"], 60).to_pylist()
    of_pods = [(*held[sample["pod_id"]], sample) for sample in samples if sample["pod_id"] in held]
    hours = (gpus * sample["value"] / 100 / 60 for gpus, start, sample in of_pods if sample["sampled_at"] >= start)
    return float(sum(hours))


def held_gpu_hours(here: Scene, since: datetime) -> float:
    """GPU-hours of which there are samples, MIG pods left out."""
    first, last = micros(since), micros(here.clock.now() - SETTLE_LAG)
    spans = [
        (life.gpus, max(life.started, first), min(life.until, last))
        for life in lives(here)
        if life.started is not None and not life.pod.workload.request.mig
    ]
    return float(sum(gpus * (until - start) for gpus, start, until in spans if until > start) / HOUR)


def _held(life: Life) -> dict[str, Fraction]:
    """GPUs, CPU cores and bytes of memory of a pod that runs, as the control plane shows them."""
    request = life.pod.workload.request
    memory = round(memory_mib(request.memory[0])) * 2**20
    return {"gpu": life.gpus, "cpu": Fraction(str(request.cpu[0])), "memory": Fraction(memory)}


def _truth(here: Scene, zone: ZoneInfo) -> Iterator[tuple[Key, dict[str, dict[str, Fraction]]]]:
    found: dict[Key, dict[str, dict[str, Fraction]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(Fraction)))
    for life in lives(here):
        if not life.pod.workload.request.uses_gpu:
            continue
        waited_until = life.until if life.started is None else life.started
        stretches = [("wait_hours", Fraction(1), life.created, waited_until)]
        if life.started is not None:
            stretches.append(("allocated_gpu_hours", life.gpus, life.started, life.until))
            if life.pod.workload.request.mig:
                stretches.append(("mig_gpu_hours", life.gpus, life.started, life.until))
        for column, gpus, start, until in stretches:
            for day, length in _days(start, until, zone):
                key = (day, life.pod.workload.cluster.id, life.pod.workload.project.id, _pool(life))
                found[key][column][life.pod.id] += gpus * length
                found[key]["pods"][life.pod.id] += 1
    yield from found.items()


def _days(start: int, until: int, zone: ZoneInfo) -> Iterator[tuple[date, int]]:
    """The days of a stretch, and how many microseconds of it lie in each."""
    day = moment(start).astimezone(zone).date()
    while (begin := _midnight(day, zone)) < until:
        length = min(until, _midnight(day + timedelta(days=1), zone)) - max(start, begin)
        if length > 0:
            yield day, length
        day += timedelta(days=1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return micros(datetime.combine(day, time(), zone))


def _pool(life: Life) -> str:
    return life.pod.pool.name if life.pod.scheduled <= life.now else life.pod.workload.pools[0]


def _key(row: dict[str, object]) -> Key:
    day, *names = (row[name] for name in ("day", "cluster_id", "project_id", "node_pool"))
    assert isinstance(day, date)
    cluster, project, pool = (str(name) for name in names)
    return day, cluster, project, pool

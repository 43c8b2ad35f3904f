"""What `gpu_usage_daily` and `focus_usage` must say, from the simulator's truth, exact until the last step."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

import duckdb

from simulator.instants import HOUR, SECOND, micros, moment
from simulator.world.payload import TENANT_ID
from simulator.world.pods import memory_mib
from sources.runai.reading.windows import SETTLE_LAG
from tests.behaviour.columns import Row, row_differences
from tests.behaviour.lives import Life, lives
from tests.behaviour.samples import true_samples
from tests.behaviour.scene import Scene

Key = tuple[date, str, str, str]

# By resource: what is metered, in which unit, in which exact unit, and how many of these are one.
_SKUS: Final = {
    "gpu": ("GPU allocation", "GPU-Hours", "GPU-Microseconds", 1),
    "cpu": ("CPU allocation", "Core-Hours", "Core-Microseconds", 1),
    "memory": ("Memory allocation", "GiB-Hours", "B-Microseconds", 2**30),
}
_OF_EVERY_CHARGE: Final[Row] = {
    "ChargeCategory": "Usage",
    "ChargeFrequency": "Usage-Based",
    "HostProviderName": "NVIDIA Run:ai",
    "InvoiceIssuerName": "NVIDIA Run:ai",
    "PricingCategory": "Standard",
    "ResourceType": "Pod",
    "ServiceCategory": "AI and Machine Learning",
    "ServiceName": "NVIDIA Run:ai",
    "ServiceProviderName": "NVIDIA Run:ai",
    "ServiceSubcategory": "AI Platforms",
    # What the API does not give, and prices: there is no rate card.
    **dict.fromkeys(("AvailabilityZone", "BillingAccountName", "ChargeClass", "RegionId", "RegionName")),
    **dict.fromkeys(("BilledCost", "BillingCurrency", "ContractedCost", "ContractedUnitPrice", "EffectiveCost")),
    **dict.fromkeys(("ListCost", "ListUnitPrice", "SkuPriceDetails")),
}
_USED: Final = """
with instants as (
    -- Where a series got another label, an instant may have both.
    select pod_id, sampled_at, avg(least(greatest(value, 0), 100) / 100) as used
    from pod_metrics
    inner join pods using (pod_id)
    where metric = 'GPU_UTILIZATION' and value is not null and sampled_at >= pods.started_at
    group by all
)

select pod_id, cast(sampled_at at time zone $zone as date) as day, count(*) as samples, sum(used) as used
from instants
group by all
"""


def usage_differences(here: Scene, zone: str = "UTC", resolution: int = 60) -> list[str]:
    """Say where days differ from the truth; an empty list is a perfect copy.

    What was used and what was idle is as the published samples have it. Each stands for a step, but an hour's mean for
    all of the hour, so that the edges differ.
    """
    told = {_key(row): row for row in here.rows("gpu_usage_daily")}
    measured = _measured(here, zone)
    wanted = {
        key: _usage(told.get(key, {}), lives_, measured, resolution) for key, lives_ in _truth(here, ZoneInfo(zone))
    }
    return row_differences(told, wanted, without=("day", "cluster_id", "project_id", "node_pool"))


def charge_differences(here: Scene, zone: str = "UTC") -> list[str]:
    """Say where charges differ from what every pod held by the truth, exactly; an empty list is a perfect copy."""
    wanted = {
        (life.pod.id, day, _pool(life), resource): _charge(life, day, resource, amount * length, ZoneInfo(zone))
        for life in lives(here)
        if life.started is not None
        for day, length in _days(life.started, life.until, ZoneInfo(zone))
        for resource, amount in _held(life).items()
        if amount
    }
    names = ("ResourceId", "x_ChargeDate", "x_NodePoolName", "SkuId")
    told = {tuple(row[name] for name in names): _comparable(row) for row in here.rows("focus_usage")}
    return row_differences(told, wanted, without=names)


def _comparable(row: Row) -> Row:
    exact, tags = row["x_ExactQuantity"], row["Tags"]
    rounded = {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    return rounded | {"x_ExactQuantity": exact and Fraction(exact), "Tags": tags and json.loads(tags)}


def _charge(life: Life, day: date, resource: str, exact: Fraction, zone: ZoneInfo) -> Row:
    workload = life.pod.workload
    meter, unit, exact_unit, size = _SKUS[resource]
    month = day.replace(day=1)
    quantity = float(exact / HOUR / size)
    return _OF_EVERY_CHARGE | {
        "BillingAccountId": str(TENANT_ID),
        "BillingPeriodStart": moment(_midnight(month, zone)),
        "BillingPeriodEnd": moment(_midnight((month + timedelta(days=31)).replace(day=1), zone)),
        "ChargePeriodStart": moment(_midnight(day, zone)),
        "ChargePeriodEnd": moment(_midnight(day + timedelta(days=1), zone)),
        "ChargeDescription": f"{meter} of the pod {life.pod.name} on {day}",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ResourceName": life.pod.name,
        "SkuMeter": meter,
        "SkuPriceId": resource,
        "SubAccountId": workload.project.id,
        "SubAccountName": workload.project.name,
        "Tags": {
            "runai/project": workload.project.name,
            "runai/workload": workload.name,
            "runai/node-pool": _pool(life),
        },
        "x_ClusterId": workload.cluster.id,
        "x_ExactQuantity": exact,
        "x_ExactUnit": exact_unit,
        "x_WorkloadId": workload.id,
        "x_WorkloadName": workload.name,
    }


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


def _measured(here: Scene, zone: str) -> dict[tuple[str, date], tuple[int, float]]:
    """By pod and day: samples of its GPUs' utilization, and how many whole ones what was used would be."""
    with duckdb.connect(str(here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        rows = con.execute(_USED, {"zone": zone}).fetchall()
    return {(pod_id, day): (samples, used) for pod_id, day, samples, used in rows}


@dataclass
class _PodDay:
    """What a pod waited and held within a day, in microseconds."""

    life: Life
    day: date
    waited: int = 0
    held: int = 0

    @property
    def gpu_hours(self) -> Fraction:
        return self.life.gpus * self.held / HOUR

    @property
    def is_mig(self) -> bool:
        return self.life.pod.workload.request.mig is not None


def _usage(told: Row, pods: list[_PodDay], measured: dict[tuple[str, date], tuple[int, float]], resolution: int) -> Row:
    """The row of a day; what was used and was idle as it is told, where that is as near as samples can be."""
    covered = used = slack = 0.0
    for one in (one for one in pods if one.held and not one.is_mig):
        samples, whole = measured.get((one.life.pod.id, one.day), (0, 0.0))
        step = float(one.life.gpus) * resolution * SECOND / HOUR
        covered, used = covered + samples * step, used + whole * step
        # Of a pod that was started again, the hour's mean is of what was before too.
        slack += 2 * step + float(one.life.gpus) * (one.life.pod.restarted <= one.life.now)
    hours = float(sum(one.gpu_hours for one in pods))
    known = {
        "used_gpu_hours": _near(told.get("used_gpu_hours"), used, slack),
        "idle_gpu_hours": _near(told.get("idle_gpu_hours"), covered - used, slack),
    }
    return known | {
        "project_name": pods[0].life.pod.workload.project.name,
        "pods": len(pods),
        "allocated_gpu_hours": hours,
        "unknown_gpu_hours": hours - sum(known.values()),
        "mig_gpu_hours": float(sum(one.gpu_hours for one in pods if one.is_mig)),
        "wait_hours": sum(one.waited for one in pods) / HOUR,
        "coverage": sum(known.values()) / hours if hours else None,
        "unseen_pods": 0,
        "unseen_gpu_hours": 0.0,
    }


def _near(told: float | None, true: float, slack: float) -> float:
    return told if told is not None and abs(told - true) <= slack else true


def _truth(here: Scene, zone: ZoneInfo) -> Iterator[tuple[Key, list[_PodDay]]]:
    found: dict[Key, list[_PodDay]] = defaultdict(list)
    for life in lives(here):
        if not life.pod.workload.request.uses_gpu:
            continue
        days: dict[date, _PodDay] = {}
        for day, length in _days(life.created, life.until if life.started is None else life.started, zone):
            days.setdefault(day, _PodDay(life, day)).waited = length
        if life.started is not None:
            for day, length in _days(life.started, life.until, zone):
                days.setdefault(day, _PodDay(life, day)).held = length
        workload = life.pod.workload
        for day, one in days.items():
            found[day, workload.cluster.id, workload.project.id, _pool(life)].append(one)
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

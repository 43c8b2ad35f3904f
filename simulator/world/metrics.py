"""What a pod's metrics are: pure functions of pod, metric type, GPU and instant.

A value is a level of the pod's own, which `waste` knows, a slow wave, and noise that is the same for a whole scrape
(15 seconds).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from simulator.instants import SECOND
from simulator.world import waste
from simulator.world.fleet import read
from simulator.world.pods import memory_mib

if TYPE_CHECKING:
    from simulator.world.pods import Pod

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SCRAPE: Final = 15 * SECOND
_MIB: Final = 2**20


@dataclass(frozen=True)
class Gauge:
    """How one metric type behaves: what it needs, its top, and how it follows from others."""

    needs: str
    is_per_gpu: bool = False
    is_advanced: bool = False
    is_blind_on_mig: bool = False
    is_level: bool = False
    is_constant: bool = False
    top: float | str = 0
    digits: int = 0
    mean_of: str | None = None
    sum_of: str | None = None
    per_second: float | None = None
    buckets: dict[str, float] | None = None
    percentiles: dict[str, float] | None = None

    @property
    def is_histogram(self) -> bool:
        """Whether its values are distributions, which stand apart in a response."""
        return bool(self.buckets or self.percentiles)


@cache
def gauges() -> dict[str, Gauge]:
    """Every metric type of every version."""
    return {name: Gauge(**facts) for name, facts in read("metrics").items()}


def applies(pod: Pod, metric: str) -> bool:
    """Whether a pod can have this metric at all: GPU metrics need a GPU, NIM metrics a NIM."""
    needs = gauges()[metric].needs
    return needs == "pod" or (needs == "gpu" and bool(pod.gpus)) or (needs == "nim" and "/nim/" in pod.workload.image)


def series(pod: Pod, metric: str, gpu: int | None, at: Ints) -> Floats:
    """The metric's values at instants of the pod's running time; `gpu` is the index for per-GPU types, else None."""
    gauge = gauges()[metric]
    if gauge.mean_of or gauge.sum_of:
        parts = [series(pod, gauge.mean_of or gauge.sum_of or "", part, at) for part in pod.gpus]
        total: Floats = np.sum(parts, axis=0)
        return np.round(total / len(parts) if gauge.mean_of else total, gauge.digits)
    if gauge.per_second is not None:
        return np.round((at - pod.started) / SECOND * gauge.per_second)
    top = 0.0 if gauge.is_blind_on_mig and pod.workload.request.mig else _top(pod, gauge)
    if gauge.is_constant or not top:
        return np.full(len(at), top)
    return np.round(_share(pod, metric, gpu, gauge, at) * top, gauge.digits)


def distribution(pod: Pod, metric: str, at: int) -> dict[str, str]:
    """A histogram's cumulated buckets, or percentiles, at an instant of the pod's running time."""
    gauge = gauges()[metric]
    if gauge.buckets:
        served = (at - pod.started) / SECOND * 2.5
        return {edge: str(int(served * share)) for edge, share in gauge.buckets.items()}
    load = 0.7 + 0.6 * float(noise(pod.salt, np.array([at]))[0])
    return {name: f"{seconds * load:.4f}" for name, seconds in (gauge.percentiles or {}).items()}


def value(pod: Pod, metric: str, gpu: int | None, at: int) -> float | None:
    """One value; None where there is none: not running, no such GPU, or a metric that does not apply."""
    gauge = gauges()[metric]
    if not pod.started <= at < pod.stopped or gauge.is_histogram or not applies(pod, metric):
        return None
    if gauge.is_per_gpu and gpu not in pod.gpus:
        return None
    return float(series(pod, metric, gpu, np.array([at], dtype=np.int64))[0])


def _top(pod: Pod, gauge: Gauge) -> float:
    request = pod.workload.request
    if gauge.top == "cpu":
        return request.cpu[0]
    if gauge.top == "cpu_memory":
        return memory_mib(request.memory[0]) * _MIB
    if gauge.top == "gpu_memory":
        return pod.pool.card.memory_mib * min(pod.allocated_gpu(), 1) * _MIB
    return float(gauge.top)


def _share(pod: Pod, metric: str, gpu: int | None, gauge: Gauge, at: Ints) -> Floats:
    """Between 0 and 1: how much of its top the metric reaches."""
    salt = pod.salt ^ (zlib.crc32(metric.encode()) << 8) ^ (0 if gpu is None else gpu + 1)
    level = waste.filled(pod, str(gauge.top)) if gauge.is_level else waste.busy(pod) * waste.duty(pod, at)
    swing = 0.03 if gauge.is_level else 0.12
    period = (600 + pod.salt % 3000) * SECOND
    wave = np.sin((at - pod.started) * (2 * np.pi / period) + salt % 7)
    jitter = noise(salt, at) - 0.5
    share: Floats = np.clip(level + level * swing * (wave + jitter), 0, 1)
    return share


def noise(salt: int, at: Ints) -> Floats:
    """Even noise in [0, 1), one number per scrape (SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = (at // SCRAPE).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))).astype(np.float64) / 2.0**64

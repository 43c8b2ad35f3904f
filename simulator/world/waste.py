"""Which pods waste what they hold: planted by a pod's salt, so that what is found can be held against the truth.

One pod in eight idles, one in eight hardly uses what it has, and the others work. A workspace that works does so now
and then: its mean is low, and nothing is wrong with it. Of a MIG slice nobody can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from simulator.instants import HOUR

if TYPE_CHECKING:
    from simulator.world.pods import Pod

_BUSY: Final = 0.3
_PERIOD: Final = HOUR


def planted(pod: Pod) -> str | None:
    """What the pod wastes, as `pod_efficiency` names it; None for one that is well, or of which nobody can tell."""
    character, is_other = pod.salt % 8, bool(pod.salt >> 20 & 1)
    if not pod.workload.request.uses_gpu:
        return {0: "over_requested_cpu", 1: "over_requested_memory"}.get(character)
    if pod.workload.request.mig or character > 1:
        return None
    if character == 0:
        return "memory_parked" if is_other else "idle_held"
    return "memory_parked" if is_other else "low_sm"


def busy(pod: Pod) -> float:
    """Share of its GPUs' and CPUs' time that the pod uses while it is busy."""
    character, fine = pod.salt % 8, _fine(pod)
    if pod.workload.request.uses_gpu and character <= 1:
        return 0.0 if character == 0 else 0.03 + 0.05 * fine
    return 0.02 + 0.04 * fine if planted(pod) == "over_requested_cpu" else 0.55 + 0.4 * fine


def filled(pod: Pod, memory: str) -> float:
    """Share of its memory, `gpu_memory` or `cpu_memory`, that the pod keeps filled."""
    waste, fine = planted(pod), _fine(pod)
    if memory == "cpu_memory":
        return 0.03 + 0.05 * fine if waste == "over_requested_memory" else 0.35 + 0.6 * fine
    low = {"idle_held": 0.02, "low_sm": 0.1 + 0.15 * fine}
    return low.get(waste or "", 0.65 + 0.3 * fine if waste == "memory_parked" else 0.35 + 0.6 * fine)


def duty(pod: Pod, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """1 while the pod is busy, 0 in the pauses of a workspace."""
    if pod.workload.kind != "workspace" or planted(pod):
        return np.ones(len(at))
    is_busy: npt.NDArray[np.float64] = ((at - pod.started) % _PERIOD < _BUSY * _PERIOD).astype(np.float64)
    return is_busy


def _fine(pod: Pod) -> float:
    return (pod.salt >> 8) % 1000 / 1000

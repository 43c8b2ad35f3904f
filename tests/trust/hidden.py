"""`pod_lifecycle` where a control plane hides fields for good: it follows from what is shown, or says nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from simulator.instants import SECOND, micros
from simulator.world.pods import Pod
from tests.behaviour.columns import Row
from tests.behaviour.lives import Life, lives
from tests.behaviour.scene import Scene
from tests.trust.seen_past import Look

# Seconds times GPUs, in floats.
_ROUNDING: Final = 1e-6
_BY_PHASE: Final = {"succeeded": "Succeeded", "failed": "Failed"}


def life_differences(here: Scene, looks: Sequence[Look], unsure: Collection[str]) -> list[str]:
    """Say which columns of `pod_lifecycle` do not follow from the starts, amounts and phases in `pods`.

    These are held against what was shown; here, what is made of them. An end of which no instant is shown is dated by
    the first look that could see it, save of pods in `unsure`, of which nobody can say which look that was.
    """
    pods, said = here.pods(), []
    for row in here.rows("pod_lifecycle"):
        pods[row["pod_id"]]["life"] = row
    for life in lives(here):
        pod = pods.get(life.pod.id)
        if pod is None or "life" not in pod:
            said.append(f"{life.pod.id}: lost")
            continue
        found = _of_pod(here, life, pod, looks, is_sure=life.pod.id not in unsure)
        said += [f"{life.pod.id}.{column}: {pod['life'][column]!r}, not {wanted}" for column, wanted in found]
    return said


def _of_pod(here: Scene, life: Life, pod: Row, looks: Sequence[Look], *, is_sure: bool) -> Iterator[tuple[str, object]]:
    """Each column that is wrong, and what it should be."""
    told = pod["life"]
    start, end = (value and micros(value) for value in (pod["started_at"], told["ended_at"]))
    first, last = _end(here, life, looks if is_sure else ())
    if (end is None) != (life.ended is None) or not first <= (end or 0) <= last:
        yield "ended_at", f"from {first} to {last}"
    # A phase that Kubernetes does not have ends nothing; the completion does.
    reason = "completed" if life.end_reason in _BY_PHASE and pod["phase"] not in _BY_PHASE.values() else life.end_reason
    if told["end_reason"] != reason:
        yield "end_reason", reason
    # A start in whole seconds may lie before the creation.
    shown = replace(life, started=start and max(start, life.created), ended=end)
    ran = shown.run_seconds()
    if told["run_seconds"] != ran:
        yield "run_seconds", ran
    # Of one that may have started nobody can say how long it waited, without its start.
    waited = shown.wait_seconds() if start is not None or pod["phase"] == "Pending" else None
    if told["wait_seconds"] != waited:
        yield "wait_seconds", waited
    asked = None if ran is None or pod["requested_gpu"] is None else ran * pod["requested_gpu"]
    if told["requested_gpu_seconds"] != asked:
        yield "requested_gpu_seconds", asked
    yield from _held(shown, pod)


def _held(shown: Life, pod: Row) -> Iterator[tuple[str, object]]:
    """Likewise, of what it held and what was not seen of that."""
    ran, unseen, held = shown.run_seconds(), *(pod["life"][f"{name}_seconds"] for name in ("unseen", "allocated_gpu"))
    gpus = float(shown.gpus)
    if (unseen is None) != (ran is None) or not 0 <= (unseen or 0) <= (ran or 0):
        yield "unseen_seconds", f"from 0 to {ran}"
    elif ran is None:
        # What it held before anybody looked is not known, nor since when.
        most = gpus * (shown.until - shown.created) / SECOND
        if held is not None and not 0 <= held <= most + _ROUNDING:
            yield "allocated_gpu_seconds", f"at most {most}"
    elif pod["allocated_gpu"] is None:
        if (held, unseen) != (None, ran):
            yield "allocated_gpu_seconds", None
    elif (held is None) != (unseen == ran) or abs((held or 0) - gpus * (ran - unseen)) > _ROUNDING:
        yield "allocated_gpu_seconds", gpus * (ran - unseen)


def _end(here: Scene, life: Life, looks: Sequence[Look]) -> tuple[int, int]:
    """Between which instants its end is: the same ones where it is shown, and 0 where there was none."""
    if life.ended is None:
        return 0, 0
    if life.pod.completed <= life.pod.deleted or here.simulator.switches.shows_deleted_at:
        return life.ended, life.ended
    seen = [micros(end) for begin, end in looks if _shows_end(here, life.pod, micros(begin))]
    return life.ended, min(seen, default=life.now)


def _shows_end(here: Scene, pod: Pod, at: int) -> bool:
    return here.world.knows(pod, at) and here.world.reported(pod, at) >= pod.deleted

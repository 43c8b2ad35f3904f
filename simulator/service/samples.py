"""The metrics endpoint: which samples of a pod a request gets, and their JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

from simulator.instants import DAY, NEVER
from simulator.problems import Problem
from simulator.service.exchange import Given, Reply
from simulator.world import metrics

if TYPE_CHECKING:
    from random import Random

    from simulator.contract import Ask, Contract
    from simulator.instants import Stamps
    from simulator.switches import Switches
    from simulator.world.columns import Ints
    from simulator.world.pods import Pod

_DEVICE: Final = {"device": "nvidia0"}


class Samples:
    """Answers one request for the metrics of one pod."""

    def __init__(self, contract: Contract, switches: Switches, stamps: Stamps, rng: Random) -> None:
        self._has_histogram = contract.has("Metrics", "histogram")
        self._switches, self._stamps, self._rng = switches, stamps, rng

    def reply(self, pod: Pod, ask: Ask, reported: int) -> Reply:
        """The measurements, 200 or 207; a `Problem` of status 400 where too much or what is disabled is refused."""
        asked: list[str] = ask["metricType"]
        if len(asked) > self._switches.most_metric_types:
            raise Problem(400, "Bad request", f"more than {self._switches.most_metric_types} metric types")
        if ask["numberOfSamples"] > self._switches.most_metric_samples:
            raise Problem(400, "Bad request", f"more than {self._switches.most_metric_samples} samples")
        served = [metric for metric in asked if self._is_enabled(metric)]
        if len(served) < len(asked) and self._switches.advanced_outcome == "400":
            raise Problem(400, "Bad request", "GPU profiling metrics are not enabled")
        status = 207 if len(served) < len(asked) and self._switches.advanced_outcome == "207" else 200
        if self._rng.random() < self._switches.partial_metrics:
            served, status = served[1:], 207
        at = self._instants(pod, ask, reported)
        stamps = self._stamps.many(at)
        gauges = [metric for metric in served if not metrics.gauges()[metric].is_histogram]
        parts = [part for metric in gauges for part in self._measurements(pod, metric, at, stamps)]
        if self._switches.unknown_fields:
            parts.append('{"type":"GPU_TEMPERATURE_CELSIUS","values":[]}')
        body = '{"measurements":[' + ",".join(parts) + "]"
        if self._has_histogram:
            body += ',"histogram":' + self._histogram(pod, served, at, stamps)
        first, last = (int(at[0]), int(at[-1])) if len(at) else (0, -1)
        given = Given(pod.id, tuple(asked), ask["start"], ask["end"], tuple(served), first, last)
        return Reply(status, (body + "}").encode(), given=given)

    def _is_enabled(self, metric: str) -> bool:
        return self._switches.advanced_metrics or not metrics.gauges()[metric].is_advanced

    def _instants(self, pod: Pod, ask: Ask, reported: int) -> Ints:
        """`start + k * step` with `step = (end - start) / N`, cut to what the pod lived through and is kept."""
        count, start, end = ask["numberOfSamples"], ask["start"], ask["end"]
        if not count:
            return np.empty(0, dtype=np.int64)
        steps = np.arange(count + self._switches.samples_include_end, dtype=np.int64)
        at = start + steps * (end - start) // count
        days = self._switches.metric_retention_days
        oldest = max(pod.started, reported - int(days * DAY) if days is not None else 0)
        kept: Ints = at[(at >= oldest) & (at < min(pod.stopped, NEVER)) & (at <= reported)]
        return kept

    def _measurements(self, pod: Pod, metric: str, at: Ints, stamps: list[str]) -> list[str]:
        gauge = metrics.gauges()[metric]
        gpus: tuple[int | None, ...] = pod.gpus if gauge.is_per_gpu else (None,)
        if not len(at) or not metrics.applies(pod, metric):
            empty = {"empty": ',"values":[]', "null": ',"values":null'}.get(self._switches.empty_series)
            return [f'{{"type":"{metric}","labels":null{empty}}}'] if empty else []
        ends = [f'","timestamp":"{stamp}"}}' for stamp in stamps]
        return [self._one(pod, metric, gpu, at, ends) for gpu in gpus]

    def _one(self, pod: Pod, metric: str, gpu: int | None, at: Ints, ends: list[str]) -> str:
        values = metrics.series(pod, metric, gpu, at)
        texts = values.astype(np.int64).tolist() if not metrics.gauges()[metric].digits else values.tolist()
        if self._switches.nan_samples:
            is_nan = metrics.noise(pod.salt, at) < self._switches.nan_samples
            texts = ["NaN" if bad else text for text, bad in zip(texts, is_nan, strict=True)]
        joined = ",".join([f'{{"value":"{text}{end}' for text, end in zip(texts, ends, strict=True)])
        labels = {} if gpu is None else {"gpu": str(gpu)}
        labels |= _DEVICE if self._switches.unknown_fields else {}
        return f'{{"type":"{metric}","labels":{orjson.dumps(labels or None).decode()},"values":[{joined}]}}'

    @staticmethod
    def _histogram(pod: Pod, served: list[str], at: Ints, stamps: list[str]) -> str:
        found = [
            {
                "type": metric,
                "values": [
                    {"timestamp": stamp, "data": metrics.distribution(pod, metric, instant)}
                    for instant, stamp in zip(at.tolist(), stamps, strict=True)
                ],
            }
            for metric in served
            if metrics.gauges()[metric].is_histogram and metrics.applies(pod, metric)
        ]
        return orjson.dumps(found or None).decode()

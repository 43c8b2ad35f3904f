"""A world of clusters, workloads and pods: a pure function of a seed and a clock, until somebody intervenes."""

from __future__ import annotations

from simulator.world.config import Outage, WorldConfig
from simulator.world.truth import Span, TruthPod
from simulator.world.world import World

__all__ = ["Outage", "Span", "TruthPod", "World", "WorldConfig"]

"""A Run:ai control plane with known truth, served over HTTP."""

from __future__ import annotations

from simulator.clock import Clock
from simulator.server import Simulator
from simulator.switches import Fault, Switches
from simulator.world import Outage, Span, TruthPod, World, WorldConfig

__all__ = ["Clock", "Fault", "Outage", "Simulator", "Span", "Switches", "TruthPod", "World", "WorldConfig"]

"""What a world is like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Outage:
    """A stretch in which a cluster (by its place in the fleet) does not report; what happened is known at its end."""

    start: datetime
    end: datetime
    cluster: int = 0


@dataclass(frozen=True)
class WorldConfig:
    """A world: `pods` of them are planned in every stretch of `days` from `start` on, for ever."""

    seed: int = 7
    pods: int = 400
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    days: float = 14
    # How long pods live and wait for deletion: 1 is a believable research cluster (half of the pods within 3 hours).
    life_scale: float = 1.0
    # Share of finished workloads that their owners delete within days; the rest waits for the automatic deletion.
    deleted_share: float = 0.35
    auto_delete_days: float = 30
    # Share of pods of which the control plane learns hours late, and the middle of those hours.
    late_share: float = 0.0
    late_hours: float = 6.0
    outages: tuple[Outage, ...] = ()

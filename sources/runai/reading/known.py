"""What a reading may know of the past. Without it a resource reads in full."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol

from sources.runai.reading.disputes import Dispute


class KnownPod(NamedTuple):
    """A pod as the warehouse has it. A tuple, for a reading makes one of every pod that it sees."""

    pod_id: str
    workload_id: str | None
    created_at: datetime | None
    deleted_at: datetime | None
    content_hash: str
    is_completed: bool = False
    is_deleted: bool = False
    is_reachable: bool = True
    workload_name: str | None = None
    project_name: str | None = None
    absences: int = 0
    last_absent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """How many pods the API should list: not deleted, deleted within the purge horizon, and deleted nobody knows when.

    The last are listed or purged, without anything to tell which.
    """

    alive: int = 0
    deleted: int = 0
    undated: int = 0

    def nearest(self, api: Expected) -> Expected:
        """Return what is expected with as many of the undated as bring it nearest to the API's count."""
        listed = min(max(api.deleted - self.deleted, 0), self.undated)
        return Expected(self.alive, self.deleted + listed)


class KnownPods(Protocol):
    """The warehouse, asked for what a reading must compare with."""

    @property
    def last_as_of(self) -> datetime | None:
        """The instant that the last complete reading stands for; None before the first."""
        ...

    @property
    def rejects(self) -> AbstractSet[str]:
        """Fingerprints of the payloads that are kept in `rejects`."""
        ...

    def open(self) -> Mapping[str, KnownPod]:
        """Pods that are neither completed nor deleted, by id."""
        ...

    def find(self, pod_ids: Collection[str]) -> Mapping[str, KnownPod]:
        """Those of the given pods that are known, by id."""
        ...

    def created_between(self, start: datetime, end: datetime) -> Mapping[str, KnownPod]:
        """Pods with `start <= created_at < end` that the API is expected to list or has listed, by id."""
        ...

    def expected_by_day(self, *, created_until: datetime, deleted_since: datetime) -> Mapping[date, Expected]:
        """Expected pods per UTC day of `created_at`."""
        ...

    def disputes(self) -> Collection[Dispute]:
        """Stretches of days that were read again in vain, for their counts still differed."""
        ...


@dataclass(frozen=True)
class NothingKnown:
    """An empty warehouse."""

    last_as_of: datetime | None = None
    rejects: AbstractSet[str] = frozenset()
    _none: Mapping[str, KnownPod] = field(default_factory=dict)

    def open(self) -> Mapping[str, KnownPod]:
        """Return no pod."""
        return self._none

    def find(self, pod_ids: Collection[str]) -> Mapping[str, KnownPod]:  # noqa: ARG002
        """Return no pod."""
        return self._none

    def created_between(self, start: datetime, end: datetime) -> Mapping[str, KnownPod]:  # noqa: ARG002
        """Return no pod."""
        return self._none

    def expected_by_day(
        self,
        *,
        created_until: datetime,  # noqa: ARG002
        deleted_since: datetime,  # noqa: ARG002
    ) -> Mapping[date, Expected]:
        """Return no day."""
        return {}

    def disputes(self) -> Collection[Dispute]:
        """Return none."""
        return ()

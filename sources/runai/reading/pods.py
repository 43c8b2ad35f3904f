"""The plan of one reading of the pods.

In this order, so that a pod which changes hands meanwhile is still caught: the open set, completed since, deleted
since, vanished, referee. The first reading, and one asked for in full, takes everything instead of the first three.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, pairwise
from typing import Final

from sources.runai.client import RunaiClient
from sources.runai.errors import PermissionDenied
from sources.runai.reading import referee as referees
from sources.runai.reading import vanished
from sources.runai.reading.disputes import Days
from sources.runai.reading.known import KnownPod, KnownPods
from sources.runai.reading.listing import PAGE_SIZE, TICK, Column, Listing, Page
from sources.runai.reading.observations import Batch, Observations, ReadingReport
from sources.runai.reading.progress import SILENT, Progress
from sources.runai.reading.seek import seek
from sources.runai.reading.slices import SLICE_SIZE, side_by_side, slices

LOOK_BACK: Final = timedelta(hours=2)
"""How far before the last reading the cursors begin: clocks differ, and clusters report late."""
SURELY_LISTED: Final = timedelta(days=13)
"""Deleted pods younger than this must still be listed; the API purges after about 14 days."""
SETTLE: Final = timedelta(minutes=1)
"""Pods younger than this do not count for the referee: they are born while it counts."""
SKEW: Final = timedelta(minutes=5)
MOST_ROUNDS: Final = 3
"""Rounds of reading disputed days again, in one run."""
MOST_STRETCHES: Final = 20
"""Disputed stretches that one run reads again, newest first; the next run goes on."""


@dataclass(frozen=True)
class Narrowing:
    """What the caller wants of all pods; nothing set means all of them."""

    filters: tuple[str, ...] = ()
    search: str | None = None
    full_verbosity: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether every pod is wanted, so that what is not listed is missing."""
        return not self.filters and self.search is None


EVERYTHING: Final = Narrowing()


@dataclass
class PodReading:
    """One reading: yields raw batches as (table, rows) while it goes through its stages."""

    client: RunaiClient
    known: KnownPods
    as_of: datetime
    report: ReadingReport
    narrowing: Narrowing = EVERYTHING
    full: bool = False
    progress: Progress = SILENT

    def __post_init__(self) -> None:
        """Fix what counts for the referee before the first request."""
        self.created_until = self.as_of - SETTLE
        self.deleted_since = self.as_of - SURELY_LISTED
        self.seen = Observations(
            self.known,
            self.report,
            created_until=self.created_until,
            deleted_since=self.deleted_since,
            plain_has_deleted=self._may_list_deleted,
        )

    @cached_property
    def _plain_has_deleted(self) -> bool:
        return referees.plain_has_deleted(self.client)

    def _may_list_deleted(self) -> bool:
        try:
            return self._plain_has_deleted
        except PermissionDenied:
            # Nobody can tell: then a pod once deleted stays it.
            return True

    def batches(self) -> Iterator[Batch]:
        """Read everything that this reading is for."""
        last = self.known.last_as_of
        stages = self._everything() if last is None or self.full else self._changes(last - LOOK_BACK)
        for _ in stages:
            yield from self.seen.batches()
        if self.narrowing.is_whole:
            for _ in self._vanished():
                yield from self.seen.batches()
            for _ in self._referee():
                yield from self.seen.batches()
        self._warn_of_unborn()
        yield from self.seen.batches(all_of_it=True)
        self.progress.stage("load")

    def _everything(self) -> Iterator[None]:
        for stage, listing, found_by in (
            ("pods", self._listing(), "all"),
            ("deleted pods", self._listing(deleted=True), "deleted"),
        ):
            self.progress.stage(stage, unit="pods")
            yield from self._take(self._cut(listing), found_by)
        self.report.open_set_read_at = self.as_of

    def _changes(self, since: datetime) -> Iterator[None]:
        self.progress.stage("open pods", total=len(self.known.open()), unit="pods")
        yield from self._take(self._open_slices(), "open")
        self.report.open_set_read_at = self.as_of
        self.progress.stage("completed since", unit="pods")
        yield from self._take([self._listing("completedAt", start=since)], "completed")
        self.progress.stage("deleted since", unit="pods")
        yield from self._take([self._listing("deletedAt", start=since, deleted=True)], "deleted")

    def _open_slices(self) -> list[Listing]:
        """Cut the open set where the pods known to be open lie, so that a large one is read side by side."""
        listing = self._listing(completed=False)
        instants = sorted(pod.created_at for pod in self.known.open().values() if pod.created_at is not None)
        bounds = [None, *sorted(set(instants[SLICE_SIZE::SLICE_SIZE])), None]
        return [listing.within(lower, None if upper is None else upper - TICK) for lower, upper in pairwise(bounds)]

    def _vanished(self) -> Iterator[None]:
        """Look for pods that should be open; those not found are absences."""
        lost = [pod for pod in self.known.open().values() if pod.pod_id not in self.seen.seen]
        due = [pod for pod in lost if vanished.is_due(pod, self.as_of)]
        if not due:
            return
        self.progress.stage("vanished", total=len(due), unit="pods")
        if len(vanished.by_workload(due)) > vanished.MOST_WORKLOADS:
            yield from self._relist_days_of(due)
            due = [pod for pod in due if pod.pod_id not in self.seen.seen]
            for pod in due:
                self._absent(pod)
            return
        yield from self._relist_days_of(pod for pod in due if pod.workload_id is None)
        yield from self._look_for([pod for pod in due if pod.pod_id not in self.seen.seen])

    def _relist_days_of(self, lost: Iterable[KnownPod]) -> Iterator[None]:
        days = sorted({pod.created_at.date() for pod in lost if pod.created_at is not None})
        for day in days:
            for listing in referees.relist((day, day)):
                yield from self._take(self._cut(listing), "recount")

    def _referee(self) -> Iterator[None]:
        """Compare counts, read again what disagrees, and record the rest."""
        self.progress.stage("referee")
        try:
            plain_has_deleted = self._plain_has_deleted
        except PermissionDenied as error:
            self.report.warn(f"counts could not be compared: {error}")
            return
        judge = referees.Referee(
            self.client, self.seen, self.as_of, self.created_until, self.deleted_since, plain_has_deleted
        )
        whole = referees.EVERYTHING
        disputed: list[Days] = []
        if not judge.is_settled(whole):
            # Pods that were deleted since their list was read explain most differences, for one request.
            yield from self._take([self._listing("deletedAt", start=self.as_of - SKEW, deleted=True)], "deleted")
            for _ in range(MOST_ROUNDS):
                if judge.is_settled(whole):
                    break
                before = self._changes_so_far()
                found = list(islice(judge.disagreeing(whole), MOST_STRETCHES - len(disputed)))
                disputed += found
                yield from self._settle(judge, found)
                if self._changes_so_far() == before:
                    break
        rotation = [] if self.known.last_as_of is None else judge.rotation(self.as_of)
        wrong = [days for days in rotation if not judge.is_settled(days)]
        yield from self._settle(judge, wrong)
        if wrong or disputed:
            judge.agrees(whole)
        self._record(judge, whole, [*disputed, *rotation])

    def _changes_so_far(self) -> tuple[int, int, int]:
        return self.report.pods_changed, self.report.pods_absent, self.report.pods_purged

    def _settle(self, judge: referees.Referee, disputed: list[Days]) -> Iterator[None]:
        """Read disputed stretches again; what the API still counts less of is looked for, or recorded as absent."""
        for days in disputed:
            found: set[str] = set()
            api = judge.verdicts[days].api
            for listing in referees.relist(days):
                # What was just counted and found short need not be counted again to be cut.
                parts = self._cut(listing) if api.alive + api.deleted > SLICE_SIZE else [listing]
                yield from self._take(parts, "recount", found)
            if judge.agrees(days):
                continue
            start, end = referees.day_bounds(days)
            candidates = {**self.known.created_between(start, end), **self.seen.created_between(start, end)}
            lost = [pod for pod in candidates.values() if pod.pod_id not in found and self.seen.is_expected(pod)]
            if lost:
                yield from self._look_for(lost)
            if not lost or not judge.agrees(days):
                judge.give_up(days)

    def _look_for(self, lost: list[KnownPod]) -> Iterator[None]:
        """Ask for lost pods by their workloads where that is few requests; the others were listed by day already."""
        groups = vanished.by_workload(lost)
        if len(groups) > vanished.MOST_WORKLOADS:
            groups = {}
        for _ in vanished.look_up(self.client, self.seen, groups, as_of=self.as_of):
            yield
        for pod in lost:
            if pod.workload_id not in groups:
                self._absent(pod)

    def _record(self, judge: referees.Referee, whole: Days, parts: Iterable[Days]) -> None:
        verdict = judge.record(whole)
        for days in dict.fromkeys(parts):
            if days != whole:
                judge.record(days)
        api, expected = verdict.api, verdict.expected
        self.report.counts_agree = verdict.agrees
        if not verdict.agrees:
            self.report.warn(
                f"the API counts {api.alive} pods and {api.deleted} deleted ones, the warehouse expects "
                f"{expected.alive} and {expected.deleted}; see pod_counts; days that differ are read again, at "
                "intervals that grow to a day"
            )

    def _warn_of_unborn(self) -> None:
        unborn = sum(pod.created_at is None for pod in self.seen.seen.values())
        if unborn:
            self.report.warn(
                f"pods without createdAt, which the contract requires: {unborn:,}; counts leave them out, and where a "
                f"list has more than {PAGE_SIZE} pods, more of them may be missing"
            )

    def _cut(self, listing: Listing) -> list[Listing]:
        return slices(self.client, listing, until=self.as_of)

    def _take(self, parts: Iterable[Listing], found_by: str, found: set[str] | None = None) -> Iterator[None]:
        """Read the lists side by side; yields after each page."""

        def pages(part: Listing) -> Iterator[tuple[Page, bool]]:
            for page in seek(self.client, part, sort_keys=self._sort_keys(), warn=self.report.warn):
                yield page, bool(part.deleted)

        for page, deleted in side_by_side((pages(part) for part in parts), self.client.concurrency):
            ids = self.seen.take(page.pods, page.received_at, found_by=found_by, deleted=deleted)
            if found is not None:
                found |= ids
            self.progress.advance(len(ids))
            yield

    def _absent(self, pod: KnownPod) -> None:
        self.seen.absent(
            pod,
            as_of=self.as_of,
            observed_at=self.client.clock(),
            looked_by="created_day",
            outcome="not_listed",
        )

    def _listing(
        self,
        column: Column = "createdAt",
        *,
        start: datetime | None = None,
        deleted: bool | None = None,
        completed: bool | None = None,
    ) -> Listing:
        return replace(
            Listing(column=column, start=start, deleted=deleted, completed=completed),
            filters=self.narrowing.filters,
            search=self.narrowing.search,
            verbosity="full" if self.narrowing.full_verbosity else "brief",
        )

    def _sort_keys(self) -> tuple[str, ...]:
        has_workload_sort = self.client.version >= (2, 21)
        return ("workloadId", "nodeName") if has_workload_sort else ("nodeName", "currentNodepool")

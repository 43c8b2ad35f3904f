"""What a reading saw, against what the warehouse knows: changed pods become rows, and the expected counts follow.

One pod is a new row when its content differs from its previous version, read or known. Everything that goes into raw
passes through here, in the order in which it was read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final

import orjson
import pyarrow as pa

from sources.runai.reading.fields import KNOWN_FIELDS, is_set
from sources.runai.reading.known import Expected, KnownPod, KnownPods
from sources.runai.reading.payload import Row, UnreadablePayloadError, pod_row
from sources.runai.schemas import TABLES

BATCH_ROWS: Final = 5_000
LONGEST_REJECT: Final = 100_000
"""Characters of an unreadable payload that are kept."""

Batch = tuple[str, pa.Table]


@dataclass
class ReadingReport:
    """What a reading did, for the summary and the `runs` table."""

    pods_read: int = 0
    pods_new: int = 0
    pods_changed: int = 0
    pods_completed: int = 0
    pods_deleted: int = 0
    pods_absent: int = 0
    rejects: int = 0
    unknown_fields: Counter[str] = field(default_factory=Counter)
    unreadable_fields: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    open_set_read_at: datetime | None = None
    api_count: int | None = None
    warehouse_count: int | None = None

    @property
    def counts_agree(self) -> bool | None:
        """Whether the referee found the API and the warehouse to agree; None if nothing was counted."""
        return None if self.api_count is None else self.api_count == self.warehouse_count

    def warn(self, text: str) -> None:
        """Keep a warning once."""
        if text not in self.warnings:
            self.warnings.append(text)


class Observations:
    """Collects raw rows, tells new from known, and keeps the counts that the API is expected to give."""

    def __init__(
        self, known: KnownPods, report: ReadingReport, *, created_until: datetime, deleted_since: datetime
    ) -> None:
        """Begin with what is known; pods created later, or deleted earlier, are not held against the API's counts."""
        self.known = known
        self.report = report
        self.seen: dict[str, KnownPod] = {}
        self._created_until = created_until
        self._deleted_since = deleted_since
        self._open = dict(known.open())
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._read_index = 0
        self._alive: Counter[date] = Counter()
        self._deleted: Counter[date] = Counter()
        for day, expected in known.expected_by_day(created_until=created_until, deleted_since=deleted_since).items():
            self._alive[day] += expected.alive
            self._deleted[day] += expected.deleted

    def take(self, pods: Iterable[Any], observed_at: datetime, *, found_by: str, deleted: bool = False) -> set[str]:
        """Take in the pods of one answer; return their ids."""
        rows = [row for pod in pods if (row := self._readable(pod, observed_at, deleted=deleted)) is not None]
        known = self._previous(row["id"] for row in rows)
        for row in rows:
            self._observe(row, known, observed_at, found_by)
        return {row["id"] for row in rows}

    def absent(self, pod: KnownPod, *, as_of: datetime, observed_at: datetime, looked_by: str, outcome: str) -> None:
        """Record that a pod was looked for and not found; it is expected no longer."""
        self._tally(pod, -1)
        self.seen[pod.pod_id] = replace(pod, is_reachable=False, absences=pod.absences + 1)
        self.report.pods_absent += 1
        self.add(
            "pod_absences",
            {
                "pod_id": pod.pod_id,
                "workload_id": pod.workload_id,
                "as_of": as_of,
                "looked_by": looked_by,
                "outcome": outcome,
            },
            observed_at,
        )

    def reject(self, endpoint: str, payload: object, reason: str, observed_at: datetime) -> None:
        """Keep a payload that could not be read."""
        self.report.rejects += 1
        text = orjson.dumps(payload).decode()[:LONGEST_REJECT]
        self.add("rejects", {"endpoint": endpoint, "reason": reason, "payload": text}, observed_at)

    def add(self, table: str, row: Row, observed_at: datetime) -> None:
        """Append one row to a raw table, with its place in the reading."""
        self._rows[table].append(row | {"observed_at": observed_at, "read_index": self._read_index})
        self._read_index += 1

    def expected(self, first: date | None = None, last: date | None = None) -> Expected:
        """Expected pods over the days from `first` to `last`, both included."""

        def total(counter: Counter[date]) -> int:
            return sum(n for day, n in counter.items() if (not first or day >= first) and (not last or day <= last))

        return Expected(total(self._alive), total(self._deleted))

    def days(self) -> list[date]:
        """The UTC days of `created_at` that have expected pods, in order."""
        return sorted(day for day in self._alive.keys() | self._deleted.keys())

    def created_between(self, start: datetime, end: datetime) -> dict[str, KnownPod]:
        """Pods read so far with `start <= created_at < end`, by id."""
        return {
            pod_id: pod
            for pod_id, pod in self.seen.items()
            if pod.created_at is not None and start <= pod.created_at < end
        }

    def is_expected(self, pod: KnownPod) -> bool:
        """Whether the API's counts should include the pod."""
        return self._bucket(pod) is not None

    def batches(self, *, all_of_it: bool = False) -> Iterator[Batch]:
        """Yield full batches as (table, rows), and with `all_of_it` the rest too."""
        for table, rows in self._rows.items():
            if rows and (all_of_it or len(rows) >= BATCH_ROWS):
                yield table, as_table(rows, TABLES[table])
                rows.clear()

    def _readable(self, pod: object, observed_at: datetime, *, deleted: bool) -> Row | None:
        try:
            return pod_row(pod, listed_as_deleted=deleted)
        except UnreadablePayloadError as error:
            self.reject("pods", pod, str(error), observed_at)
            return None

    def _previous(self, ids: Iterable[str]) -> dict[str, KnownPod]:
        wanted = [pod_id for pod_id in ids if pod_id not in self.seen and pod_id not in self._open]
        return dict(self.known.find(wanted)) if wanted else {}

    def _observe(self, row: Row, known: dict[str, KnownPod], observed_at: datetime, found_by: str) -> None:
        pod_id = row["id"]
        if pod_id not in self.seen:
            self.report.pods_read += 1
        before = self.seen.get(pod_id) or self._open.get(pod_id) or known.get(pod_id)
        # A pod is deleted once: a plain list that includes deleted pods may not say so again.
        row["is_deleted"] = row["is_deleted"] or (before is not None and before.is_deleted)
        now = _as_known(row, before)
        self.seen[pod_id] = now
        if before is not None:
            self._tally(before, -1)
        self._tally(now, 1)
        if before is not None and before.is_reachable and _same(before, now):
            return
        self._report_change(before, now)
        self._report_fields(row)
        self.add("pods", row | {"found_by": found_by}, observed_at)

    def _report_change(self, before: KnownPod | None, now: KnownPod) -> None:
        self.report.pods_changed += 1
        self.report.pods_new += before is None
        self.report.pods_completed += now.is_completed and not (before is not None and before.is_completed)
        self.report.pods_deleted += now.is_deleted and not (before is not None and before.is_deleted)

    def _report_fields(self, row: Row) -> None:
        if row["extra"] is None:
            return
        for name in orjson.loads(row["extra"]):
            counter = self.report.unreadable_fields if name in KNOWN_FIELDS else self.report.unknown_fields
            counter[name] += 1

    def _tally(self, pod: KnownPod, change: int) -> None:
        counter = self._bucket(pod)
        if counter is not None and pod.created_at is not None:
            counter[pod.created_at.date()] += change

    def _bucket(self, pod: KnownPod) -> Counter[date] | None:
        if not pod.is_reachable or pod.created_at is None or pod.created_at > self._created_until:
            return None
        if not pod.is_deleted:
            return self._alive
        if pod.deleted_at is not None and pod.deleted_at >= self._deleted_since:
            return self._deleted
        return None


def as_table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table; a column that a row lacks is null there."""
    # Three times as fast as Table.from_pylist, and this is where half of a reading's time would go.
    columns = [pa.array([row.get(column.name) for row in rows], column.type) for column in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _as_known(row: Row, before: KnownPod | None) -> KnownPod:
    return KnownPod(
        pod_id=row["id"],
        workload_id=row["workload_id"],
        created_at=row["created_at"],
        deleted_at=row["deleted_at"],
        content_hash=row["content_hash"],
        is_completed=is_set(row["completed_at"]),
        is_deleted=row["is_deleted"],
        workload_name=row["workload_name"] or (before.workload_name if before else None),
        project_name=row["project_name"] or (before.project_name if before else None),
    )


def _same(before: KnownPod, now: KnownPod) -> bool:
    compared = attrgetter("content_hash", "is_deleted", "workload_name", "project_name")
    return bool(compared(before) == compared(now))

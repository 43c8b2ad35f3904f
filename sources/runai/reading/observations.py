"""What a reading saw, against what the warehouse knows: changed pods become rows, and the expected counts follow.

One pod is a new row when its content differs from its previous version, read or known. Everything that goes into raw
passes through here, in the order in which it was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import orjson
import pyarrow as pa

from sources.runai.reading.fields import KNOWN_FIELDS, as_json, is_set
from sources.runai.reading.known import Expected, KnownPod, KnownPods
from sources.runai.reading.payload import Columns, Payload, Row, pod_columns, why_unreadable
from sources.runai.schemas import TABLES

BATCH_ROWS: Final = 5_000
LONGEST_REJECT: Final = 100_000
"""Characters of an unreadable payload that are kept."""
CONTRADICTED: Final = "the same answer holds this pod with other content, updated no earlier"

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
    pods_purged: int = 0
    rejects: int = 0
    rejects_new: int = 0
    unknown_fields: Counter[str] = field(default_factory=Counter)
    unreadable_fields: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    open_set_read_at: datetime | None = None
    # Whether the referee found the API and the warehouse to agree, if anything was counted.
    counts_agree: bool | None = None

    def warn(self, text: str) -> None:
        """Keep a warning once."""
        if text not in self.warnings:
            self.warnings.append(text)


class Observations:
    """Collects raw rows, tells new from known, and keeps the counts that the API is expected to give."""

    def __init__(
        self,
        known: KnownPods,
        report: ReadingReport,
        *,
        created_until: datetime,
        deleted_since: datetime,
        plain_has_deleted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begin with what is known.

        Args:
            known: what the warehouse holds.
            report: is added to.
            created_until: pods created later are not held against the API's counts.
            deleted_since: nor are pods deleted earlier.
            plain_has_deleted: tells whether plain lists include deleted pods; asked only when a pod hangs on it.
        """
        self.known = known
        self.report = report
        self.seen: dict[str, KnownPod] = {}
        self.listed: set[str] = set()
        self._rejected: set[str] = set()
        self._plain_has_deleted = plain_has_deleted
        self._created_until = created_until
        self._deleted_since = deleted_since
        self._open = dict(known.open())
        self._columns: dict[str, Columns] = {}
        self._read_index = 0
        self._alive: Counter[date] = Counter()
        self._deleted: Counter[date] = Counter()
        self._undated: Counter[date] = Counter()
        for day, expected in known.expected_by_day(created_until=created_until, deleted_since=deleted_since).items():
            self._alive[day] += expected.alive
            self._deleted[day] += expected.deleted
            self._undated[day] += expected.undated

    def take(self, pods: Iterable[Any], observed_at: datetime, *, found_by: str, deleted: bool = False) -> set[str]:
        """Take in the pods of one answer; return their ids."""
        columns = pod_columns(self._readable(pods, observed_at), listed_as_deleted=deleted)
        ids = columns["id"]
        known = self._previous(ids)
        changed = []
        for place, listed in enumerate(_as_known(columns)):
            before = self.seen.get(listed.pod_id) or self._open.get(listed.pod_id) or known.get(listed.pod_id)
            now = listed if before is None else self._carried_on(before, listed)
            columns["is_deleted"][place] = now.is_deleted
            if self._observe(before, now):
                changed.append(place)
        self._report_fields(columns["extra"][place] for place in changed)
        self._extend("pods", columns, changed, {"found_by": found_by, "observed_at": observed_at})
        self.listed.update(ids)
        return set(ids)

    def absent(self, pod: KnownPod, *, as_of: datetime, observed_at: datetime, looked_by: str, outcome: str) -> None:
        """Record that a pod was looked for and not found; it is expected no longer. A deleted one has been purged.

        One that this reading has seen is not absent, whatever a count or a second list says: the next reading looks.
        """
        if pod.pod_id in self.listed:
            return
        self._tally(pod, -1)
        self.seen[pod.pod_id] = pod._replace(is_reachable=False, absences=pod.absences + 1)
        self.report.pods_absent += not pod.is_deleted
        self.report.pods_purged += pod.is_deleted
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
        """Keep a payload that could not be read; once, however many lists and readings hold it."""
        text = as_json(payload)[:LONGEST_REJECT]
        mark = fingerprint(endpoint, text)
        if mark in self._rejected:
            return
        self._rejected.add(mark)
        self.report.rejects += 1
        if mark in self.known.rejects:
            return
        self.report.rejects_new += 1
        self.add("rejects", {"endpoint": endpoint, "reason": reason, "payload": text}, observed_at)

    def one_each(
        self, endpoint: str, pods: Iterable[Payload], observed_at: datetime, *, id_field: str, updated_field: str
    ) -> list[Payload]:
        """Return one payload for each id of an answer: the last that was updated. The others are rejected.

        Taken as versions, each would be a change of the other, in every reading anew.
        """

        def order(pod: Payload) -> tuple[str, str]:
            return str(pod.get(updated_field) or ""), as_json(pod)

        latest: dict[str, Payload] = {}
        for pod in pods:
            other = latest.setdefault(pod[id_field], pod)
            # As texts: to Python, true is 1 and 1.0 too.
            if other is not pod and as_json(other) != as_json(pod):
                latest[pod[id_field]] = max(other, pod, key=order)
                self.reject(endpoint, min(other, pod, key=order), CONTRADICTED, observed_at)
        return list(latest.values())

    def add(self, table: str, row: Row, observed_at: datetime) -> None:
        """Append one row to a raw table, with its place in the reading."""
        columns = {name: [value] for name, value in row.items()}
        self._extend(table, columns, [0], {"observed_at": observed_at})

    def expected(self, first: date | None = None, last: date | None = None) -> Expected:
        """Expected pods over the days from `first` to `last`, both included."""

        def total(counter: Counter[date]) -> int:
            return sum(n for day, n in counter.items() if (not first or day >= first) and (not last or day <= last))

        return Expected(total(self._alive), total(self._deleted), total(self._undated))

    def days(self) -> list[date]:
        """The UTC days of `created_at` that have expected pods, in order."""
        return sorted(self._alive.keys() | self._deleted.keys() | self._undated.keys())

    def created_between(self, start: datetime, end: datetime) -> dict[str, KnownPod]:
        """Pods read so far with `start <= created_at < end`, by id."""
        return {
            pod_id: pod
            for pod_id, pod in self.seen.items()
            if pod.created_at is not None and start <= pod.created_at < end
        }

    def is_expected(self, pod: KnownPod) -> bool:
        """Whether the API's counts should include the pod for certain."""
        bucket = self._bucket(pod)
        return bucket is self._alive or bucket is self._deleted

    def batches(self, *, all_of_it: bool = False) -> Iterator[Batch]:
        """Yield full batches as (table, rows), and with `all_of_it` the rest too."""
        for table, columns in self._columns.items():
            count = len(columns["read_index"])
            if count and (all_of_it or count >= BATCH_ROWS):
                yield table, _table(columns, TABLES[table])
                for values in columns.values():
                    values.clear()

    def _extend(self, table: str, columns: Columns, places: list[int], common: Row) -> None:
        """Append the given places of the columns, ascending, to a raw table; `common` holds for all of them."""
        raw = self._columns.setdefault(table, {name: [] for name in TABLES[table].names})
        for name, values in raw.items():
            if name == "read_index":
                values.extend(range(self._read_index, self._read_index + len(places)))
            elif name in columns:
                listed = columns[name]
                values.extend(listed if len(places) == len(listed) else [listed[place] for place in places])
            else:
                values.extend([common.get(name)] * len(places))
        self._read_index += len(places)

    def _readable(self, pods: Iterable[Any], observed_at: datetime) -> list[Payload]:
        readable = []
        for pod in pods:
            reason = why_unreadable(pod)
            if reason is None:
                readable.append(pod)
            else:
                self.reject("pods", pod, reason, observed_at)
        return self.one_each("pods", readable, observed_at, id_field="id", updated_field="updatedAt")

    def _previous(self, ids: Iterable[str]) -> dict[str, KnownPod]:
        wanted = [pod_id for pod_id in ids if pod_id not in self.seen and pod_id not in self._open]
        return dict(self.known.find(wanted)) if wanted else {}

    def _carried_on(self, before: KnownPod, now: KnownPod) -> KnownPod:
        """Return the pod as listed now, with what an answer may leave out: names, and that it is deleted.

        Where plain lists include deleted pods, they may not say of each that it is; elsewhere, one listed is alive.
        """
        return now._replace(
            is_deleted=now.is_deleted or (before.is_deleted and self._plain_has_deleted()),
            workload_name=now.workload_name or before.workload_name,
            project_name=now.project_name or before.project_name,
        )

    def _observe(self, before: KnownPod | None, now: KnownPod) -> bool:
        """Keep what the pod is now; return whether that is a new version of it."""
        if now.pod_id not in self.seen:
            self.report.pods_read += 1
        self.seen[now.pod_id] = now
        if before is not None:
            self._tally(before, -1)
        self._tally(now, 1)
        if before is not None and before.is_reachable and _same(before, now):
            return False
        self._report_change(before, now)
        return True

    def _report_change(self, before: KnownPod | None, now: KnownPod) -> None:
        self.report.pods_changed += 1
        self.report.pods_new += before is None
        self.report.pods_completed += now.is_completed and not (before is not None and before.is_completed)
        self.report.pods_deleted += now.is_deleted and not (before is not None and before.is_deleted)

    def _report_fields(self, extras: Iterable[str | None]) -> None:
        for extra in filter(None, extras):
            for name in orjson.loads(extra):
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
        if pod.deleted_at is None:
            return self._undated
        return self._deleted if pod.deleted_at >= self._deleted_since else None


def fingerprint(endpoint: str, payload: str) -> str:
    """Return what tells a reject from others: SHA-256 of endpoint and kept text, a line apart, in hex."""
    return sha256(f"{endpoint}\n{payload}".encode()).hexdigest()


def as_table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table; a column that a row lacks is null there."""
    return _table({name: [row.get(name) for row in rows] for name in schema.names}, schema)


def _table(columns: Columns, schema: pa.Schema) -> pa.Table:
    # Three times as fast as Table.from_pylist, and this is where half of a reading's time would go.
    arrays = [pa.array(columns[column.name], column.type) for column in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_known(columns: Columns) -> Iterator[KnownPod]:
    return map(
        KnownPod,
        columns["id"],
        columns["workload_id"],
        map(_if_set, columns["created_at"]),
        map(_if_set, columns["deleted_at"]),
        columns["content_hash"],
        map(is_set, columns["completed_at"]),
        columns["is_deleted"],
        repeat(True),
        columns["workload_name"],
        columns["project_name"],
    )


def _if_set(instant: datetime | None) -> datetime | None:
    return instant if is_set(instant) else None


def _same(before: KnownPod, now: KnownPod) -> bool:
    compared = attrgetter("content_hash", "is_deleted", "workload_name", "project_name")
    return bool(compared(before) == compared(now))

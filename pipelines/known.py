"""What the warehouse knows, as a reading asks for it: queries over the build database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

import duckdb

from sources.runai.reading.disputes import Difference, Dispute, disputes
from sources.runai.reading.known import Expected, KnownPod
from transforms.sql import instant, literals, scalar

_COLUMNS: Final = ", ".join(KnownPod._fields)


class BuildKnown:
    """`KnownPods` over the staging model `known_pods`, which is up to date with every committed load."""

    def __init__(self, con: duckdb.DuckDBPyConnection, now: datetime) -> None:
        self._con = con
        self._now = now

    @cached_property
    def last_as_of(self) -> datetime | None:
        """The latest `as_of` of a committed run that read the pods completely; None before the first.

        One from the future was written by a clock that went wrong, and would let cursors jump over what is to come.
        """
        query = f"select max(as_of) from raw_runs where open_set_read_at is not null and as_of <= {instant(self._now)}"
        latest: datetime | None = scalar(self._con, query)
        return latest

    def last_observed_at(self) -> datetime | None:
        """When the newest version or absence of a pod was observed, by its run's clock; None before the first."""
        query = """
            select max(observed_at)
            from (select observed_at from raw_pods union all select observed_at from raw_pod_absences)
        """
        latest: datetime | None = scalar(self._con, query)
        return latest

    @cached_property
    def rejects(self) -> AbstractSet[str]:
        """Fingerprints of every payload in `raw_rejects`, as `observations.fingerprint` makes them."""
        return frozenset(self._list("select distinct sha256(endpoint || chr(10) || payload) from raw_rejects"))

    @cached_property
    def _open(self) -> Mapping[str, KnownPod]:
        return self._pods("not is_completed and not is_deleted")

    def open(self) -> Mapping[str, KnownPod]:
        """Pods that are neither completed nor deleted, by id; also those that could not be found lately."""
        return self._open

    @cached_property
    def knows_none(self) -> bool:
        """Whether no pod was ever committed."""
        return scalar(self._con, "select 1 from known_pods limit 1") is None

    def find(self, pod_ids: Collection[str]) -> Mapping[str, KnownPod]:
        """Those of the given pods that are known, by id."""
        # A first load asks for every page, and there is nothing to find.
        return {} if self.knows_none else self._pods(f"pod_id in (select unnest({literals(pod_ids)}))")

    def created_between(self, start: datetime, end: datetime) -> Mapping[str, KnownPod]:
        """Reachable pods with `start <= created_at < end`, by id."""
        return self._pods(f"is_reachable and created_at >= {instant(start)} and created_at < {instant(end)}")

    def expected_by_day(self, *, created_until: datetime, deleted_since: datetime) -> Mapping[date, Expected]:
        """Count the pods that the API should list, per UTC day of `created_at`."""
        rows = self._con.execute(
            f"""
            select
                cast(created_at as date) as day,
                count(*) filter (not is_deleted) as alive,
                count(*) filter (is_deleted and deleted_at >= {instant(deleted_since)}) as deleted,
                count(*) filter (is_deleted and deleted_at is null) as undated
            from known_pods
            where is_reachable and created_at <= {instant(created_until)}
            group by day
            """
        ).fetchall()
        return {day: Expected(*counts) for day, *counts in rows}

    def disputes(self) -> list[Dispute]:
        """Stretches of days whose counts differed when they were last compared."""
        rows = self._con.execute(
            f"""
            with compared as (
                select
                    as_of,
                    try_cast(regexp_extract(filter, 'createdAt>=([0-9-]+)T', 1) as date) as first_day,
                    try_cast(regexp_extract(filter, 'createdAt<=([0-9-]+)T', 1) as date) as last_day,
                    max(api_count - warehouse_count) filter (not contains(filter, 'deleted=true')) as alive,
                    max(api_count - warehouse_count) filter (contains(filter, 'deleted=true')) as deleted
                from raw_pod_counts
                where not is_whole and warehouse_count is not null and as_of <= {instant(self._now)}
                group by all
            )

            from compared
            qualify bool_or(alive <> 0 or deleted <> 0) over (partition by first_day, last_day)
            order by as_of, first_day, last_day
            """
        ).fetchall()
        return disputes(
            ((first, last), Difference(alive, deleted), as_of) for as_of, first, last, alive, deleted in rows
        )

    def clusters(self) -> list[str]:
        """Every cluster that a pod was seen on."""
        return self._list("select distinct cluster_id from known_pods where cluster_id is not null order by 1")

    def cluster_pod_hashes(self) -> dict[str, str]:
        """Content hash by pod id of the deprecated endpoint's pods."""
        query = "select pod_id, arg_max(content_hash, (observed_at, read_index)) from raw_cluster_pods group by all"
        return dict(self._con.execute(query).fetchall())

    def _pods(self, where: str) -> dict[str, KnownPod]:
        rows = self._con.execute(f"select {_COLUMNS} from known_pods where {where}").fetchall()
        return {row[0]: KnownPod(*row) for row in rows}

    def _list(self, query: str) -> list[Any]:
        return [value for (value,) in self._con.execute(query).fetchall()]

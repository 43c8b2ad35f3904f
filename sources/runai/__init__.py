"""dlt source for the pods of an NVIDIA Run:ai control plane.

Every resource can be used alone, in a pipeline of your own; the connection comes from dlt's configuration
(`[sources.runai]`, `SOURCES__RUNAI__…`) unless a client is passed in. All of them append: rows are observations, and
one pod may have many. Without knowledge of the past a resource reads in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Literal

import dlt
from dlt.extract import DltResource

from sources.runai.catalogue import BASIC
from sources.runai.client import RunaiClient
from sources.runai.connection import connect
from sources.runai.reading.cluster_pods import read_cluster_pods
from sources.runai.reading.known import KnownPods, NothingKnown
from sources.runai.reading.listing import Listing, count
from sources.runai.reading.metrics import MetricReading, MetricsReport
from sources.runai.reading.observations import Batch, Observations, ReadingReport
from sources.runai.reading.pods import Narrowing, PodReading
from sources.runai.reading.progress import SILENT, Progress
from sources.runai.reading.referee import in_words
from sources.runai.reading.windows import MetricTarget
from sources.runai.reading.workloads import revision_pods as pods_of_revision
from sources.runai.reading.workloads import workload_pods as pods_of_workload
from sources.runai.schemas import TABLES

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

__all__ = [
    "cluster_pods",
    "pod_counts",
    "pod_metrics",
    "pods",
    "revision_pods",
    "runai",
    "workload_pods",
]


@dlt.source(name="runai", max_table_nesting=0)
def runai(
    client: RunaiClient | None = None,
    *,
    known: KnownPods | None = None,
    as_of: datetime | None = None,
    full: bool = False,
    report: ReadingReport | None = None,
    progress: Progress | None = None,
) -> Iterable[DltResource]:
    """Every pod the control plane shows: the tables `pods`, `pod_absences`, `pod_counts` and `rejects`.

    Args:
        client: a signed-in client; by default one made from dlt's configuration.
        known: what the warehouse holds; by default nothing, and everything is read.
        as_of: the instant that this reading stands for (UTC); by default now.
        full: read everything in spite of what is known.
        report: is added to, for a summary.
        progress: is told how far the reading is.

    Yields:
        The resource `pods`.
    """
    yield pods(client, known=known, as_of=as_of, full=full, report=report, progress=progress)


@dlt.resource(name="pods", write_disposition="append")
def pods(
    client: RunaiClient | None = None,
    *,
    clusters: Sequence[str] = (),
    node_pools: Sequence[str] = (),
    nodes: Sequence[str] = (),
    workloads: Sequence[str] = (),
    revisions: Sequence[str] = (),
    search: str | None = None,
    verbosity: Literal["brief", "full"] = "full",
    known: KnownPods | None = None,
    as_of: datetime | None = None,
    full: bool = False,
    report: ReadingReport | None = None,
    progress: Progress | None = None,
) -> Iterator[Any]:
    """Pods of `GET /api/v1/workloads/pods`, deleted ones included.

    Args:
        client: a signed-in client; by default one made from dlt's configuration.
        clusters: only pods of these cluster ids.
        node_pools: only pods in these node pools.
        nodes: only pods on these nodes.
        workloads: only pods of these workload ids (2.21 and later).
        revisions: only pods of these inference revision ids (2.21 and later).
        search: only pods that the API's own text search finds.
        verbosity: `full` shows project and workload names.
        known: what the warehouse holds, so that only changes are read and missing pods are looked for.
        as_of: the instant that this reading stands for (UTC); by default now.
        full: read everything in spite of what is known.
        report: is added to, for a summary.
        progress: is told how far the reading is.

    Yields:
        Arrow tables for `pods` and `rejects`; if nothing narrows the reading, for `pod_absences` and `pod_counts` too.
    """
    narrowings = _narrowings(
        {
            "clusterId": clusters,
            "currentNodepool": node_pools,
            "nodeName": nodes,
            "workloadId": workloads,
            "revisionId": revisions,
        },
        search,
        full_verbosity=verbosity == "full",
    )
    with _client(client) as open_client:
        for narrowing in narrowings:
            reading = PodReading(
                open_client,
                known or NothingKnown(),
                as_of or open_client.clock(),
                report or ReadingReport(),
                narrowing=narrowing,
                full=full,
                progress=progress or SILENT,
            )
            yield from _named(reading.batches())


@dlt.resource(name="workload_pods", table_name="pods", write_disposition="append")
def workload_pods(
    workload_ids: Sequence[str], client: RunaiClient | None = None, *, deleted: bool | None = None
) -> Iterator[Any]:
    """Pods of the given workloads, by `GET /api/v1/workloads/{id}/pods`, into the table `pods`.

    Args:
        workload_ids: the workloads.
        client: a signed-in client; by default one made from dlt's configuration.
        deleted: True for deleted pods only.

    Yields:
        Arrow tables for `pods` and `rejects`. Project and workload names are null: this endpoint does not show them.
    """
    with _client(client) as open_client:
        seen = _observations()
        for workload_id in workload_ids:
            for page in pods_of_workload(open_client, workload_id, deleted=deleted):
                seen.take(page.pods, page.received_at, found_by="workload", deleted=bool(deleted))
        yield from _named(seen.batches(all_of_it=True))


@dlt.resource(name="revision_pods", table_name="pods", write_disposition="append")
def revision_pods(
    revision_ids: Sequence[str], client: RunaiClient | None = None, *, deleted: bool | None = None
) -> Iterator[Any]:
    """Pods of the given inference revisions (2.21 and later), into the table `pods`.

    Args:
        revision_ids: the revisions.
        client: a signed-in client; by default one made from dlt's configuration.
        deleted: True for deleted pods only.

    Yields:
        Arrow tables for `pods` and `rejects`. Project and workload names are null: this endpoint does not show them.
    """
    with _client(client) as open_client:
        seen = _observations()
        for revision_id in revision_ids:
            page = pods_of_revision(open_client, revision_id, deleted=deleted)
            seen.take(page.pods, page.received_at, found_by="revision", deleted=bool(deleted))
        yield from _named(seen.batches(all_of_it=True))


@dlt.resource(name="pod_counts", write_disposition="append")
def pod_counts(
    client: RunaiClient | None = None, *, filters: Sequence[str] = (), search: str | None = None
) -> Iterator[Any]:
    """The API's own counts, of pods as lists show them and of deleted ones.

    Args:
        client: a signed-in client; by default one made from dlt's configuration.
        filters: terms of `filterBy`, such as `createdAt>=2026-01-01T00:00:00Z`; all must hold.
        search: only pods that the API's own text search finds.

    Yields:
        An Arrow table for `pod_counts`; `warehouse_count` is null.
    """
    with _client(client) as open_client:
        seen = _observations()
        for deleted in (None, True):
            listing = Listing(filters=tuple(filters), search=search, deleted=deleted)
            number = count(open_client, listing)
            counted_at = open_client.clock()
            row = {
                "counted_at": counted_at,
                "as_of": counted_at,
                "is_whole": not filters and search is None,
                "filter": in_words(listing),
                "api_count": number,
            }
            seen.add("pod_counts", row, counted_at)
        yield from _named(seen.batches(all_of_it=True))


@dlt.resource(name="cluster_pods", write_disposition="append")
def cluster_pods(
    cluster_ids: Sequence[str],
    client: RunaiClient | None = None,
    *,
    known_hashes: dict[str, str] | None = None,
    known_rejects: AbstractSet[str] = frozenset(),
    report: ReadingReport | None = None,
) -> Iterator[Any]:
    """Pods by the deprecated `GET /v1/k8s/clusters/{uuid}/pods`, for control planes up to 2.21.

    Args:
        cluster_ids: the clusters.
        client: a signed-in client; by default one made from dlt's configuration.
        known_hashes: content hash by pod id; pods that are the same add no row.
        known_rejects: fingerprints of unreadable payloads that are kept already; these add no row.
        report: gets a warning for each cluster whose list could not be had.

    Yields:
        Arrow tables for `cluster_pods` and `rejects`.
    """
    with _client(client) as open_client:
        seen = _observations(report, known_rejects)
        yield from _named(read_cluster_pods(open_client, cluster_ids, seen, known_hashes=known_hashes or {}))


@dlt.resource(name="pod_metrics", write_disposition="append")
def pod_metrics(
    targets: Iterable[MetricTarget],
    client: RunaiClient | None = None,
    *,
    metrics: Sequence[str] = BASIC,
    resolution: int = 60,
    as_of: datetime | None = None,
    report: MetricsReport | None = None,
    progress: Progress | None = None,
) -> Iterator[Any]:
    """Samples of the given pods, with one row of the coverage ledger for each window asked.

    Args:
        targets: the pods, and of which stretch of their lives metrics are wanted.
        client: a signed-in client; by default one made from dlt's configuration.
        metrics: metric types of the catalogue, for targets that name none; nine go into one request.
        resolution: seconds between samples, for targets that name none.
        as_of: where windows end (UTC), less the settle lag; by default now.
        report: is added to, for a summary.
        progress: is told how far the reading is.

    Yields:
        Arrow tables for `pod_metrics`, `pod_metric_histograms` and `metric_windows`.
    """
    with _client(client) as open_client:
        reading = MetricReading(
            open_client,
            targets,
            types=metrics,
            as_of=as_of or open_client.clock(),
            resolution=resolution,
            report=report,
            progress=progress or SILENT,
        )
        yield from _named(reading.batches())


@dlt.resource(name="pod_metrics", write_disposition="append")
def pod_metrics_part(reading: MetricReading, pause_after: timedelta) -> Iterator[Any]:
    """The next part of a reading that is loaded in checkpoints: what is read before the time is up.

    Args:
        reading: goes on where it paused, until it `is_done`.
        pause_after: no request is begun after this; those under way are waited for.

    Yields:
        Arrow tables for `pod_metrics`, `pod_metric_histograms` and `metric_windows`.
    """
    yield from _named(reading.batches(pause_after))


def _narrowings(by_column: dict[str, Sequence[str]], search: str | None, *, full_verbosity: bool) -> list[Narrowing]:
    """Return one narrowing for each combination of values: the API knows AND, but neither OR nor a list of values."""
    choices = [
        [f"{column}=={value}" for value in dict.fromkeys(values)] for column, values in by_column.items() if values
    ]
    for term in (term for choice in choices for term in choice):
        if "," in term:
            msg = f"{term!r} cannot be asked for: the API separates filters by commas and knows no escape"
            raise ValueError(msg)
    return [Narrowing(terms, search, full_verbosity) for terms in product(*choices)]


@contextmanager
def _client(client: RunaiClient | None) -> Iterator[RunaiClient]:
    if client is not None:
        yield client
        return
    with connect() as own:
        yield own


def _observations(report: ReadingReport | None = None, known_rejects: AbstractSet[str] = frozenset()) -> Observations:
    # No referee holds these readings against counts, so no pod needs to be expected.
    known = NothingKnown(rejects=known_rejects)
    return Observations(known, report or ReadingReport(), created_until=_LONG_AGO, deleted_since=_LONG_AGO)


def _named(batches: Iterable[Batch]) -> Iterator[Any]:
    for table, rows in batches:
        yield dlt.mark.with_table_name(rows, table)


def empty_tables(names: Iterable[str]) -> Iterator[Any]:
    """Yield no rows, but the schema, of raw tables, so that they exist before anything is in them."""
    for name in names:
        yield dlt.mark.with_table_name(TABLES[name].empty_table(), name)

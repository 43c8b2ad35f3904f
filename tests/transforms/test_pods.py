from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.transforms.raw_files import DuckDBFiles, Row, absence, at, pod, run
from tests.transforms.tables import column, refreshed, row, rows
from transforms import Build

IMAGES = json.loads((Path(__file__).parent / "images.json").read_text(encoding="utf-8"))
# The zero time of Go, in which the control plane is written.
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def built(build: Build, files: DuckDBFiles, *versions: Row, **tables: Any) -> Build:
    files.load("1.5", pods=versions, **tables)
    return refreshed(build, files.store)


def only_pod(build: Build) -> dict[str, Any]:
    return row(build, "from marts.pods")


def test_the_newest_version_speaks_null_included(build: Build, files: DuckDBFiles) -> None:
    built(build, files, pod(observed=5, ip=None, k8s_phase="Succeeded"), pod(observed=1, ip="10.0.0.1"))

    assert only_pod(build)["phase"] == "Succeeded"
    assert only_pod(build)["pod_ip"] is None


def test_versions_of_one_instant_follow_the_load_then_the_place_in_it(build: Build, files: DuckDBFiles) -> None:
    files.load("2.5", pods=[pod(name="second load")])
    files.load("1.5", pods=[pod(name="first"), pod(name="second")])
    refreshed(build, files.store)
    assert only_pod(build)["pod_name"] == "second load"

    files.forget("2.5")
    refreshed(build, files.store)
    assert only_pod(build)["pod_name"] == "second"


def test_names_node_and_allocation_keep_the_last_value_that_was_there(build: Build, files: DuckDBFiles) -> None:
    allocated = {"gpu": 0.5, "gpuMemory": "1Gi", "cpu": 2, "cpuMemory": "3M", "migProfile": "1g.5gb"}
    names = {"project_name": "p", "workload_name": "w", "node_name": "n", "current_node_pool": "a"}
    built(
        build,
        files,
        pod(observed=0, allocated_resources={"gpu": 9}),
        pod(observed=1, allocated_resources=allocated, **names),
        pod(observed=2, allocated_resources={"gpu": None, "cpu": 4}),
        pod(observed=3, completed_at=at(2), k8s_phase="Succeeded"),
    )
    kept = only_pod(build)

    assert (kept["project_name"], kept["workload_name"], kept["node_name"], kept["node_pool"]) == ("p", "w", "n", "a")
    assert (kept["allocated_gpu"], kept["allocated_cpu_cores"], kept["allocated_mig_profile"]) == (0.5, 4.0, "1g.5gb")
    assert (kept["allocated_gpu_memory_bytes"], kept["allocated_cpu_memory_bytes"]) == (2**30, 3_000_000)


def test_requested_is_the_request_never_the_limit(build: Build, files: DuckDBFiles) -> None:
    limits = {"gpu": {"limit": 8}, "cpu": {"request": None, "limit": 2}, "gpuMemory": {"request": "1k", "limit": "2k"}}
    built(build, files, pod(requested_resources=limits))
    requested = only_pod(build)

    assert (requested["requested_gpu"], requested["requested_cpu_cores"]) == (None, None)
    assert requested["requested_gpu_memory_bytes"] == 1000
    assert rows(build, "select resource, request_limit from marts.pod_resources order by all") == [
        ("cpu", Decimal(2)),
        ("gpu", Decimal(8)),
        ("gpu_memory", Decimal(2000)),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("1500m", 2), ("half", None)],
)
def test_bytes_are_whole_and_fit_or_are_null(build: Build, files: DuckDBFiles, text: str, expected: int | None) -> None:
    built(build, files, pod(requested_resources={"cpuMemory": {"request": text}}))

    assert only_pod(build)["requested_cpu_memory_bytes"] == expected
    assert column(build, "select requested_text from marts.pod_resources") == [text]


def test_the_start_is_the_earliest_container_start_ever_seen(build: Build, files: DuckDBFiles) -> None:
    def containers(*starts: str | None) -> list[dict[str, Any]]:
        return [{"name": "c", "image": "i", "startedAt": start} for start in starts]

    built(
        build,
        files,
        pod(observed=0, containers=containers("0001-01-01T00:00:00Z", "2026-07-01T11:10:00.5Z")),
        # A restart: the container forgets its first start.
        pod(observed=1, containers=containers("2026-07-01 11:20:00", None)),
        cluster_pods=[{"pod_id": "pod-1", "started": 1, "content_hash": "", "observed_at": at(0)}],
    )

    assert only_pod(build)["started_at"] == at(-50).replace(microsecond=500_000)


@pytest.mark.parametrize("started", [1782903600, 1782903600000], ids=["seconds", "milliseconds"])
def test_without_containers_the_deprecated_endpoint_knows_the_start(
    build: Build, files: DuckDBFiles, started: int
) -> None:
    listed = {"pod_id": "pod-1", "started": started, "completed": 0, "content_hash": "", "observed_at": at(0)}
    built(build, files, pod(containers=[]), cluster_pods=[listed])

    assert only_pod(build)["started_at"] == at(-60)
    assert rows(build, "select started_at, completed_at from marts.cluster_pods") == [(at(-60), None)]


def test_a_start_learnt_later_from_the_deprecated_endpoint_arrives(build: Build, files: DuckDBFiles) -> None:
    built(build, files, pod(completed_at=at(-1)))
    assert only_pod(build)["started_at"] is None

    files.load(
        "2.5", cluster_pods=[{"pod_id": "pod-1", "started": 1782903600, "content_hash": "", "observed_at": at(1)}]
    )
    refreshed(build, files.store)
    assert only_pod(build)["started_at"] == at(-60)


def test_go_zero_time_means_never(build: Build, files: DuckDBFiles) -> None:
    built(build, files, pod(completed_at=NEVER, deleted_at=NEVER, k8s_phase_updated_at=NEVER))
    seen = only_pod(build)

    assert (seen["completed_at"], seen["deleted_at"], seen["phase_updated_at"]) == (None, None, None)
    assert not seen["is_completed"]


def test_the_newest_version_tells_whether_a_pod_is_deleted(build: Build, files: DuckDBFiles) -> None:
    deleted = {"is_deleted": True, "deleted_at": at(-1)}
    back = [pod("back", 1, **deleted), pod("back", 2)]
    built(build, files, *back, pod("gone", 1), pod("gone", 2, **deleted))

    assert dict(rows(build, "select pod_id, (is_deleted, deleted_at) from marts.pods")) == {
        "back": (False, None),
        "gone": (True, at(-1)),
    }
    assert dict(rows(build, "select pod_id, is_open from known_pods")) == {"back": True, "gone": False}


def test_a_deleted_pod_that_is_no_longer_found_was_purged_and_is_not_unreachable(
    build: Build, files: DuckDBFiles
) -> None:
    built(build, files, pod(is_deleted=True), pod_absences=[absence(observed=5)])

    assert only_pod(build)["is_reachable"]
    assert column(build, "select is_reachable from known_pods") == [False]


def test_last_observed_is_the_last_complete_read_for_an_open_pod_only(build: Build, files: DuckDBFiles) -> None:
    built(
        build,
        files,
        pod("open"),
        pod("missing"),
        pod("completed", completed_at=at(-1)),
        pod("later", observed=20),
        pod_absences=[absence("missing", 9)],
        runs=[run(10), run(15, open_set_read_at=None)],
    )

    assert dict(rows(build, "select pod_id, last_observed_at from marts.pods")) == {
        "open": at(10),
        "missing": at(0),
        "completed": at(0),
        "later": at(20),
    }


def test_reachable_says_what_the_last_look_found(build: Build, files: DuckDBFiles) -> None:
    built(build, files, pod("gone"), pod("back"), pod_absences=[absence("gone", 5), absence("back", 5)])
    files.load("2.5", pods=[pod("back", 6)])
    refreshed(build, files.store)

    assert dict(rows(build, "select pod_id, is_reachable from marts.pods")) == {"gone": False, "back": True}


def test_images_are_split_by_the_oci_grammar(build: Build, files: DuckDBFiles) -> None:
    built(build, files, pod(containers=[{"name": "c", "image": image} for image in IMAGES]))
    split = rows(
        build,
        "select image, [image_registry, image_repository, image_tag, image_digest] from marts.pod_containers",
    )

    assert dict(split) == IMAGES


def test_lists_keep_their_order_and_pass_over_what_is_no_object(build: Build, files: DuckDBFiles) -> None:
    built(
        build,
        files,
        pod(
            containers=[{"name": "a", "image": None}, None, {"name": "b", "image": "x"}],
            tolerations=[{"operator": "Exists", "tolerationSeconds": "10"}, {"key": "k", "tolerationSeconds": 1.5}],
            requested_node_pools=["spot", None, "default"],
            current_node_pool="default",
        ),
    )

    assert rows(build, "select container_index, container_name from marts.pod_containers order by all") == [
        (0, "a"),
        (2, "b"),
    ]
    assert rows(build, "select toleration_index, key, toleration_seconds from marts.pod_tolerations order by all") == [
        (0, None, 10.0),
        (1, "k", 1.5),
    ]
    assert rows(build, "select pool_index, node_pool, is_current from marts.pod_node_pools order by all") == [
        (0, "spot", False),
        (2, "default", True),
    ]


def test_only_the_newest_version_lists_containers(build: Build, files: DuckDBFiles) -> None:
    two, one = [{"name": "a"}, {"name": "b"}], [{"name": "c"}]
    built(build, files, pod(observed=0, containers=two), pod(observed=1, containers=one))

    assert column(build, "select container_name from marts.pod_containers") == ["c"]


def test_resources_hold_what_was_requested_or_allocated_zero_included(build: Build, files: DuckDBFiles) -> None:
    rdma = {"resource": "nvidia.com/rdma", "quantity": 2, "exclude": False}
    built(
        build,
        files,
        pod(
            requested_resources={"gpu": {"request": 0}, "cpu": {"request": "500m"}, "extendedResources": [rdma]},
            allocated_resources={"gpu": "1.5", "cpuMemory": "0B", "extendedResources": [{"resource": "x/y"}]},
        ),
    )

    assert rows(
        build,
        "select resource, is_extended, unit, requested, allocated, requested_text, allocated_text, is_excluded"
        " from marts.pod_resources order by all",
    ) == [
        ("cpu", False, "cores", Decimal("0.5"), None, "500m", None, None),
        ("cpu_memory", False, "bytes", None, Decimal(0), None, "0B", None),
        ("gpu", False, "gpu", Decimal(0), Decimal("1.5"), "0", "1.5", None),
        ("nvidia.com/rdma", True, None, Decimal(2), None, "2", None, False),
        ("x/y", True, None, None, None, None, None, None),
    ]


def test_a_resource_listed_twice_keeps_both_texts_and_no_number(build: Build, files: DuckDBFiles) -> None:
    twice = [{"resource": "x/y", "quantity": "1"}, {"resource": "x/y", "quantity": "2"}]
    built(build, files, pod(requested_resources={"extendedResources": twice}))

    assert rows(build, "select requested, requested_text from marts.pod_resources") == [(None, "1 + 2")]


@pytest.mark.parametrize("broken", ['{"gpu', "[]", '"text"', "null", "7", '{"gpu": 1, "extendedResources": {"a": 1}}'])
def test_nested_parts_of_another_shape_lose_no_pod(build: Build, files: DuckDBFiles, broken: str) -> None:
    nested = ("containers", "requested_node_pools", "requested_resources", "allocated_resources", "tolerations")
    parts: dict[str, Any] = dict.fromkeys(nested, broken)
    built(build, files, pod(**parts, node_affinity=broken, extra=broken))

    assert column(build, "select pod_id from marts.pods") == ["pod-1"]
    assert "error" not in {finding.severity for finding in build.audit()}


def test_counts_and_runs_are_shown_as_they_are(build: Build, files: DuckDBFiles) -> None:
    counts = [
        {
            "counted_at": at(1),
            "as_of": at(1),
            "is_whole": True,
            "filter": "",
            "api_count": 5,
            "warehouse_count": 3,
            "observed_at": at(1),
        },
        {
            "counted_at": at(2),
            "as_of": at(2),
            "is_whole": True,
            "filter": "deleted=true",
            "api_count": 5,
            "observed_at": at(2),
        },
    ]
    files.load("1.5", pod_counts=counts, runs=[run(3, requests=7)])
    refreshed(build, files.store)
    files.load("2.5", runs=[run(3, requests=8, observed_at=at(4)), run(9)])
    refreshed(build, files.store)

    assert column(build, "select difference from marts.pod_counts order by counted_at") == [2, None]
    assert rows(build, "select run_id, requests from marts.runs order by finished_at") == [("run-3", 8), ("run-9", 0)]

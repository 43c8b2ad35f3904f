from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa
import pytest

from simulator import Clock, Fault, Simulator, Switches, TruthPod, World, WorldConfig
from sources.runai.catalogue import BASIC, CATALOGUE
from sources.runai.client import RunaiClient
from sources.runai.credentials import ClientCredentials
from sources.runai.errors import SignInError
from sources.runai.reading import metrics
from sources.runai.reading.metrics import MetricReading
from sources.runai.reading.windows import MetricTarget
from tests.sources.scripted import ScriptedPlane, client, problem

NOW = datetime(2026, 1, 15, tzinfo=UTC)
RUNNING = datetime(2026, 1, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROFILING = tuple(name for name in CATALOGUE if CATALOGUE[name].is_profiling)[:12]
NVLINK = ("NVLINK_BANDWIDTH_TOTAL", "NVLINK_BANDWIDTH_TOTAL_PER_GPU")
LATENCY = "NIM_TIME_TO_FIRST_TOKEN_SECONDS"
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def world() -> World:
    return World(WorldConfig(pods=50, start=NOW - timedelta(days=10)), Clock(NOW))


def pod_of(world: World, **facts: Any) -> TruthPod:
    (pod,) = world.add(**{"created_at": RUNNING, "started_at": RUNNING} | facts)
    return pod


def target(pod: TruthPod, **facts: Any) -> MetricTarget:
    return MetricTarget(pod.id, pod.workload_id, **{"since": NOW - HOUR, "started_at": pod.started_at} | facts)


@contextmanager
def reading(
    world: World,
    targets: Sequence[MetricTarget],
    *,
    types: Sequence[str] = BASIC,
    version: str = "2.21",
    latency: float = 0.0,
    **switches: Any,
) -> Iterator[MetricReading]:
    plane = Simulator(world, switches=Switches(latency=latency, **switches), client_secret="s", version=version)
    with (
        plane.serve() as url,
        RunaiClient(
            url, ClientCredentials("demo", "s"), backoff=0.001, max_attempts=2, api_version=version
        ) as connected,
    ):
        yield MetricReading(connected, targets, types=types, as_of=NOW)


def rows_of(batches: Iterator[tuple[str, pa.Table]]) -> Rows:
    rows: Rows = {"pod_metrics": [], "pod_metric_histograms": [], "metric_windows": []}
    for table, batch in batches:
        rows[table] += batch.to_pylist()
    places = [row["read_index"] for found in rows.values() for row in found]
    assert sorted(places) == list(range(len(places)))
    kept = Counter(row["pod_id"] for name in ("pod_metrics", "pod_metric_histograms") for row in rows[name])
    told: Counter[str] = Counter()
    for row in rows["metric_windows"]:
        told[row["pod_id"]] += row["samples"]
    assert +kept == +told
    return rows


def read(world: World, targets: Sequence[MetricTarget], **options: Any) -> Rows:
    with reading(world, targets, **options) as begun:
        rows = rows_of(begun.batches())
        assert begun.is_done
        assert begun.report.samples_read == len(rows["pod_metrics"])
        assert begun.report.windows == Counter(row["status"] for row in rows["metric_windows"])
        assert begun.report.windows_failed == begun.report.windows["failed"]
    return rows


def instants(row: dict[str, Any]) -> set[int]:
    return set(json.loads(row["returned"]).values())


def test_samples_are_the_truth(world: World) -> None:
    pod = pod_of(world)
    rows = read(world, [target(pod)])
    (window,) = rows["metric_windows"]
    assert (window["status"], window["reason"], window["http_status"]) == ("ok", None, 200)
    assert (window["window_from"], window["window_to"]) == (NOW - HOUR, NOW - timedelta(minutes=2))
    assert json.loads(window["returned"]) == dict.fromkeys(BASIC, 58)
    assert window["expected_samples"] == 58
    assert len(rows["pod_metrics"]) == 58 * (4 + 2 * len(pod.gpus))
    for sample in rows["pod_metrics"]:
        gpu = None if sample["gpu"] is None else int(sample["gpu"])
        truth = world.metric_value(pod.id, sample["metric"], gpu, sample["sampled_at"])
        assert sample["value"] == pytest.approx(truth, rel=1e-6)


def test_one_point_more_than_asked_is_kept(world: World) -> None:
    rows = read(world, [target(pod_of(world))], samples_include_end=True)
    (window,) = rows["metric_windows"]
    assert (window["status"], instants(window), window["expected_samples"]) == ("ok", {59}, 58)
    assert max(row["sampled_at"] for row in rows["pod_metrics"]) == window["window_to"]


@pytest.mark.parametrize(
    ("switches", "status", "came"),
    [
        ({"partial_metrics": 1.0}, "partial", {58}),
        ({"metric_retention_days": 0.02}, "short", {26}),
        ({"metric_retention_days": 0.0}, "empty", {0}),
        ({"metric_retention_days": 0.0, "empty_series": "null"}, "empty", {0}),
        ({"metric_retention_days": 0.0, "empty_series": "omit"}, "partial", set()),
    ],
)
def test_what_did_not_come_is_told(world: World, switches: dict[str, Any], status: str, came: set[int]) -> None:
    (window,) = read(world, [target(pod_of(world))], **switches)["metric_windows"]
    assert (window["status"], window["expected_samples"]) == (status, 58)
    assert instants(window) == came
    assert (window["reason"] is not None) == (status == "partial")
    if status == "partial":
        lacking = set(BASIC) - set(json.loads(window["returned"]))
        assert window["reason"] == f"not returned: {', '.join(sorted(lacking))}"


def test_of_a_pod_that_starts_and_ends_no_more_is_expected_than_it_has(world: World) -> None:
    started, ended = NOW - timedelta(minutes=40, seconds=20), NOW - timedelta(minutes=10, seconds=20)
    pod = pod_of(world, started_at=started, completed_at=ended)
    (window,) = read(world, [target(pod, ended_at=ended, until=ended)])["metric_windows"]
    assert (window["status"], instants(window), window["expected_samples"]) == ("ok", {30}, 28)
    assert (window["started_at"], window["ended_at"]) == (started, ended)


@pytest.mark.parametrize(("outcome", "status"), [("400", 400), ("omit", 200), ("207", 207)])
def test_profiling_that_is_off_is_told_and_spoils_nothing(world: World, outcome: str, status: int) -> None:
    targets = [target(pod_of(world)) for _ in range(20)]
    with reading(world, targets, types=(*BASIC, *PROFILING), advanced_outcome=outcome) as begun:
        rows = rows_of(begun.batches())
    assert begun.report.off == set(PROFILING)
    assert begun.report.windows["ok"] == 20
    off = [row for row in rows["metric_windows"] if row["status"] == "disabled"]
    assert {name for row in off for name in json.loads(row["asked"])} == set(PROFILING)
    assert {row["http_status"] for row in off} == {status}
    assert 3 * 2 <= len(off) <= (3 + 8) * 2
    assert begun.report.windows.keys() == {"ok", "disabled"}


def test_a_type_that_the_version_does_not_know_is_told_once(world: World) -> None:
    types = ("GPU_SM_OCCUPANCY_PER_GPU", "GPU_SWAP_MEMORY_BYTES_PER_GPU")
    targets = [target(pod_of(world)) for _ in range(5)]
    rows = read(world, targets, types=types, version="2.19", advanced_metrics=True, grants=("client_credentials",))
    by_status = Counter(row["status"] for row in rows["metric_windows"])
    assert by_status == {"ok": 5, "disabled": 1}
    (off,) = [row for row in rows["metric_windows"] if row["status"] == "disabled"]
    assert (json.loads(off["asked"]), off["http_status"]) == ([types[1]], 400)
    assert "400" in off["reason"]


@pytest.mark.parametrize("switches", [{"most_metric_types": 4}, {"most_metric_samples": 100}, {"most_metric_types": 1}])
def test_a_control_plane_that_grants_less_gives_the_same(world: World, switches: dict[str, Any]) -> None:
    targets = [target(pod_of(world), since=NOW - 5 * HOUR) for _ in range(4)]

    def samples(**options: Any) -> list[tuple[Any, ...]]:
        columns = ("pod_id", "metric", "gpu", "sampled_at", "value")
        rows = read(world, targets, **options)
        assert {row["status"] for row in rows["metric_windows"]} == {"ok"}
        return sorted(tuple(str(row[name]) for name in columns) for row in rows["pod_metrics"])

    assert samples(**switches) == samples()


@pytest.mark.parametrize(
    ("status", "told"), [(404, "not_found"), (403, "failed"), (500, "failed"), (400, "failed"), (302, "failed")]
)
def test_one_pods_failure_is_a_row_of_the_ledger(world: World, status: int, told: str) -> None:
    pods = [pod_of(world) for _ in range(12)]
    ill = pods[5]
    rows = read(world, [target(pod) for pod in pods], faults=(Fault(path=ill.id, status=status),))
    by_pod = {row["pod_id"]: row for row in rows["metric_windows"]}
    assert {pod_id for pod_id, row in by_pod.items() if row["status"] == "ok"} == {pod.id for pod in pods} - {ill.id}
    row = by_pod[ill.id]
    assert (row["status"], row["http_status"], row["samples"], row["returned"]) == (told, status, 0, None)
    assert str(status) in row["reason"]
    assert row["expected_samples"] == 58


def test_refused_credentials_end_the_reading() -> None:
    targets = [MetricTarget(str(number), "w", NOW - HOUR) for number in range(30)]
    plane = ScriptedPlane([problem(401)])
    with client(plane) as connected, pytest.raises(SignInError):
        list(MetricReading(connected, targets, types=BASIC, as_of=NOW).batches())
    assert len(plane.gets) < 60


def test_what_lies_outside_the_window_is_left_out_and_told() -> None:
    inside = [NOW - HOUR + timedelta(minutes=minute) for minute in range(59)]
    outside = ["2026-01-14T22:59:59Z", "2026-01-14T23:58:00.000001Z", "0001-01-01T00:00:00+05:00"]
    stamps = [at.isoformat() for at in inside] + outside
    values = [{"value": "1", "timestamp": stamp} for stamp in [*stamps, None]]
    series = [{"type": "CPU_USAGE_CORES", "labels": None, "values": values}]
    spread = [{"type": LATENCY, "values": [{"timestamp": stamp, "data": {"1": "2"}} for stamp in stamps[57:61]]}]
    bodies = [{"measurements": series}, {"measurements": [], "histogram": spread}]
    plane = ScriptedPlane([httpx.Response(200, json=body) for body in bodies])
    types = ("CPU_USAGE_CORES", LATENCY)
    with client(plane, concurrency=1) as connected:
        begun = MetricReading(connected, [MetricTarget("p", "w", NOW - HOUR)], types=types, as_of=NOW)
        rows = rows_of(begun.batches())
    assert [row["sampled_at"] for row in rows["pod_metrics"]] == inside
    assert [row["sampled_at"] for row in rows["pod_metric_histograms"]] == inside[57:]
    series_row, spread_row = rows["metric_windows"]
    assert (series_row["status"], json.loads(series_row["returned"])) == ("ok", {"CPU_USAGE_CORES": 59})
    assert series_row["reason"] == (
        "left out: a sample without an instant (1); left out: a sample outside the window (3)"
    )
    assert (spread_row["status"], json.loads(spread_row["returned"])) == ("short", {LATENCY: 2})
    assert spread_row["reason"] == "left out: a sample outside the window (2)"


def test_a_gpu_that_lacks_samples_makes_the_window_short() -> None:
    stamps = [(NOW - HOUR + timedelta(minutes=minute)).isoformat() for minute in range(58)]
    values = [{"value": "1", "timestamp": stamp} for stamp in stamps]
    series = [
        {"type": "GPU_UTILIZATION_PER_GPU", "labels": {"gpu": "0"}, "values": values},
        {"type": "GPU_UTILIZATION_PER_GPU", "labels": {"gpu": "1"}, "values": values[:20]},
        {"type": "SOMETHING_NEW", "labels": None, "values": values},
    ]
    plane = ScriptedPlane([httpx.Response(200, json={"measurements": series})])
    with client(plane) as connected:
        targets = [MetricTarget("p", "w", NOW - HOUR)]
        begun = MetricReading(connected, targets, types=("GPU_UTILIZATION_PER_GPU",), as_of=NOW)
        rows = rows_of(begun.batches())
    (window,) = rows["metric_windows"]
    assert (window["status"], window["samples"]) == ("short", 58 + 20 + 58)
    assert json.loads(window["returned"]) == {"GPU_UTILIZATION_PER_GPU": 20, "SOMETHING_NEW": 58}


def test_what_comes_twice_in_an_answer_is_there_once_and_told() -> None:
    stamps = [(NOW - HOUR + timedelta(minutes=minute)).isoformat() for minute in range(58)]
    first, again = ([{"value": value, "timestamp": stamp} for stamp in stamps] for value in ("1", "2"))
    series = [
        {"type": "CPU_USAGE_CORES", "labels": {"node": "a"}, "values": [*first, *again[:3]]},
        {"type": "CPU_USAGE_CORES", "labels": {"node": "b"}, "values": first},
        {"type": "CPU_USAGE_CORES", "labels": {"node": "a"}, "values": again},
    ]
    plane = ScriptedPlane([httpx.Response(200, json={"measurements": series})])
    with client(plane) as connected:
        targets = [MetricTarget("p", "w", NOW - HOUR)]
        rows = rows_of(MetricReading(connected, targets, types=("CPU_USAGE_CORES",), as_of=NOW).batches())
    found = Counter((row["labels"], row["sampled_at"]) for row in rows["pod_metrics"])
    assert (len(found), {*found.values()}) == (2 * 58, {1})
    assert {row["value"] for row in rows["pod_metrics"]} == {1.0}
    (window,) = rows["metric_windows"]
    assert window["reason"] == "left out: a sample of an instant that was there already (61)"


def test_an_instant_that_comes_twice_is_one() -> None:
    stamps = [(NOW - HOUR + timedelta(minutes=minute // 2)).isoformat() for minute in range(58)]
    half = {"values": [{"value": "1", "timestamp": stamp} for stamp in stamps[::-1]]}
    others = {"values": [{"value": "1", "timestamp": stamp} for stamp in sorted(set(stamps))]}
    series = [
        {"type": "CPU_USAGE_CORES", "labels": {"node": "a"}} | half,
        {"type": "CPU_USAGE_CORES", "labels": {"node": "b"}} | others,
    ]
    plane = ScriptedPlane([httpx.Response(200, json={"measurements": series})])
    with client(plane) as connected:
        targets = [MetricTarget("p", "w", NOW - HOUR)]
        rows = rows_of(MetricReading(connected, targets, types=("CPU_USAGE_CORES",), as_of=NOW).batches())
    (window,) = rows["metric_windows"]
    assert (window["status"], window["samples"]) == ("short", 29 + 29)
    assert json.loads(window["returned"]) == {"CPU_USAGE_CORES": 29}


@pytest.mark.parametrize("version", ["2.23", "2.24"])
def test_a_metric_has_one_name_whatever_the_version_calls_it(world: World, version: str) -> None:
    pod = pod_of(world, kind="training")
    rows = read(world, [target(pod)], types=NVLINK, version=version, advanced_metrics=True)
    (window,) = rows["metric_windows"]
    assert (window["status"], json.loads(window["asked"])) == ("ok", list(NVLINK))
    assert set(json.loads(window["returned"])) == {row["metric"] for row in rows["pod_metrics"]} == set(NVLINK)


@pytest.mark.parametrize("version", ["2.23", "2.24"])
def test_histograms_become_rows(world: World, version: str) -> None:
    pod = pod_of(world, kind="inference")
    while not any("/nim/" in one["image"] for one in pod.payload()["containers"]):
        pod = pod_of(world, kind="inference")
    types = ("NIM_NUM_REQUESTS_RUNNING", LATENCY, f"{LATENCY}_PERCENTILES")
    rows = read(world, [target(pod)], types=types, version=version, advanced_metrics=True)
    (window,) = rows["metric_windows"]
    assert (window["status"], json.loads(window["returned"])) == ("ok", dict.fromkeys(types, 58))
    assert window["samples"] == 3 * 58
    found = rows["pod_metric_histograms"]
    assert Counter(row["metric"] for row in found) == dict.fromkeys(types[1:], 58)
    assert len({row["sampled_at"] for row in found}) == 58
    assert all(all(isinstance(cell, str) for cell in json.loads(row["data"]).values()) for row in found)


def test_pausing_and_going_on_loses_and_repeats_nothing(world: World) -> None:
    targets = [target(pod_of(world)) for _ in range(60)]
    with reading(world, targets, latency=0.02) as begun:
        assert not list(begun.batches(timedelta(0)))
        parts = []
        while not begun.is_done:
            parts.append(rows_of(begun.batches(timedelta(seconds=0.05))))
        assert rows_of(begun.batches())["metric_windows"] == []
    asked = [row["pod_id"] for rows in parts for row in rows["metric_windows"]]
    assert len([rows for rows in parts if rows["metric_windows"]]) > 1
    assert sorted(asked) == sorted(one.pod_id for one in targets)
    # A window's samples and its row travel together: `rows_of` compares them for each part.
    assert begun.report.windows == {"ok": 60}


def test_batches_are_cut_between_windows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BATCH_SAMPLES", 500)
    targets = [target(pod_of(world)) for _ in range(20)]
    with reading(world, targets) as begun:
        batches = list(begun.batches())
    assert rows_of(iter(batches))
    tables = [name for name, _ in batches]
    assert tables.count("pod_metrics") == tables.count("metric_windows") > 1
    for (_, samples), (_, windows) in zip(batches[::2], batches[1::2], strict=True):
        assert set(samples["pod_id"].to_pylist()) == set(windows["pod_id"].to_pylist())


def test_names_of_pods_are_no_paths() -> None:
    plane = ScriptedPlane([httpx.Response(200, json={"measurements": []})])
    with client(plane) as connected:
        list(MetricReading(connected, [MetricTarget("a/b?", "w#", NOW - HOUR)], types=BASIC, as_of=NOW).batches())
    (request,) = plane.gets
    assert request.url.raw_path.split(b"?")[0] == b"/api/v1/workloads/w%23/pods/a%2Fb%3F/metrics"


def test_progress_tells_what_a_person_asks() -> None:
    told: list[dict[str, object]] = []

    class Listener:
        def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
            """Nothing begins here."""

        def advance(self, n: int = 1, **facts: object) -> None:
            told.append({"n": n, **facts})

    world = World(WorldConfig(pods=50, start=NOW - timedelta(days=10)), Clock(NOW))
    pods = world.add(3, created_at=RUNNING, started_at=RUNNING)
    targets = [MetricTarget(pod.id, pod.workload_id, NOW - timedelta(hours=1)) for pod in pods]
    with (
        Simulator(world, switches=Switches(latency=0.4), client_secret="s").serve() as url,
        RunaiClient(url, ClientCredentials("demo", "s"), concurrency=1) as client,
    ):
        reading = MetricReading(client, targets, types=BASIC, as_of=NOW, progress=Listener(), expected=9)
        list(reading.batches())
    assert [fact["n"] for fact in told] == [1, 1, 1]
    assert told[-1]["samples"] == reading.report.samples_read > 0
    assert str(told[0]["left"]).endswith(" s")
    assert told[-1]["retries"] == 0

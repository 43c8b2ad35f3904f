"""A sample of the hostile payloads; `python -m tests.trust --scene payloads` plays ten thousand."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dlt.extract.exceptions import ResourceExtractionError
from httpx import Response
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.settings import ROOT
from sources.runai import pod_counts, revision_pods, workload_pods
from sources.runai.errors import BrokenAnswer
from sources.runai.json_body import parse_json
from sources.runai.reading.cluster_pods import read_cluster_pods
from sources.runai.reading.fields import as_json
from sources.runai.reading.known import NothingKnown
from sources.runai.reading.listing import COUNT, PODS
from sources.runai.reading.measurements import measurements_of
from sources.runai.reading.observations import LONGEST_REJECT, Observations, ReadingReport
from sources.runai.reading.payload import why_unreadable
from tests.behaviour.truth import offered
from tests.pipelines.stub import Answer, stub
from tests.readme.page import fences
from tests.sources.reading.rows import pod_row
from tests.sources.scripted import ScriptedPlane, client
from tests.trust.apart import apart
from tests.trust.bodies import in_rows, plainly
from tests.trust.door import Door
from tests.trust.hostile import MEGABYTE, RAW, TEXTS, cluster_pods, counts, lengthened, lists, metrics, pods, text_of
from tests.trust.payloads import LARGEST, drawn, pages, played, says_all_of
from tests.trust.payloads import POD as CLUSTER_POD
from tests.trust.tenant import Tenant, tenant

NOW = datetime(2026, 1, 5, 7, tzinfo=UTC)
POD: dict[str, Any] = {
    "id": "4f8b2c7e-0c41-4c6c-9d0e-0a6b5e1f7c11",
    "name": "train-0",
    "workloadId": "7a1e2b54-4f57-4c39-8f0b-8d9ad1f0c001",
    "createdAt": "2026-01-05T01:00:00Z",
    "k8sPhase": "Running",
}


@settings(max_examples=100)
@given(st.lists(pods(), max_size=2))
def test_each_payload_of_an_answer_is_a_row_or_a_reject_and_comes_once(payloads: list[Any]) -> None:
    twins = [payload | {"name": "another"} for payload in payloads if isinstance(payload, dict)]
    values = parse_json(text_of({"pods": [*payloads, *twins]}))["pods"]
    rows, rejects = read(values, values)
    for value in values:
        is_row = why_unreadable(value) is None and pod_row(value)["content_hash"] in rows
        assert is_row or as_json(value)[:LONGEST_REJECT] in rejects
    assert len(rows) == len(set(rows)) == len({value["id"] for value in values if why_unreadable(value) is None})
    assert len(rejects) == len(set(rejects))


def read(*answers: list[Any]) -> tuple[list[str], list[str]]:
    """Content hashes of the rows, and texts of the rejects, of some answers read one after the other."""
    seen = Observations(NothingKnown(), ReadingReport(), created_until=NOW, deleted_since=NOW)
    for answer in answers:
        seen.take(answer, NOW, found_by="all")
    tables = dict(seen.batches(all_of_it=True))

    def told(table: str, column: str) -> list[str]:
        return tables[table].column(column).to_pylist() if table in tables else []

    return told("pods", "content_hash"), told("rejects", "payload")


@settings(max_examples=200)
@given(metrics())
def test_each_sample_of_a_body_is_read_or_told(body: Any) -> None:
    text = text_of(body)
    parsed = parse_json(text)
    parts = parsed["measurements"]
    if not isinstance(parts, list | None):
        with pytest.raises(ValueError, match="no list of measurements"):
            measurements_of(text, {})
        return
    found, wanted = measurements_of(text, {}), plainly(parsed)
    assert in_rows(found) == wanted.samples
    spread = [(one.metric, one.labels, one.sampled_at, as_json(one.data)) for one in found.distributions]
    assert spread == wanted.distributions
    assert found.misplaced == wanted.misplaced


@settings(max_examples=50)
@given(lists())
@example({"pods": None})
def test_each_pod_of_a_workload_or_a_revision_is_a_row_or_a_reject(body: Any) -> None:
    text = text_of(body)
    parsed = parse_json(text)
    payloads = parsed.get("pods") if isinstance(parsed, dict) else None
    for read_by in (workload_pods, revision_pods):
        plane = ScriptedPlane([Response(200, content=text), Response(200, json={"pods": []})])
        with client(plane) as api, told_where(not isinstance(payloads, list)):
            tables = list(read_by(["w"], api))
            hashes, rejects = of_all(tables, "content_hash"), of_all(tables, "payload")
            for value in payloads or ():
                is_row = why_unreadable(value) is None and pod_row(value)["content_hash"] in hashes
                assert is_row or as_json(value)[:LONGEST_REJECT] in rejects


@settings(max_examples=50)
@given(counts())
@example({"count": 2**63})
@example({"count": -1})
def test_each_count_is_one_that_a_table_holds_or_is_told(body: Any) -> None:
    text = text_of(body)
    parsed = parse_json(text)
    number: Any = parsed.get("count") if isinstance(parsed, dict) else None
    try:
        is_count = 0 <= int(number) < 2**63
    except (TypeError, ValueError):
        is_count = False
    with client(ScriptedPlane([Response(200, content=text)])) as api, told_where(not is_count):
        assert of_all(pod_counts(api), "api_count") == [int(number)] * 2


@contextmanager
def told_where(is_wrong: bool) -> Iterator[None]:
    """The reading ends with what is wrong with the answer, where something is."""
    with pytest.raises(ResourceExtractionError) if is_wrong else nullcontext() as info:
        yield
    if info is not None:
        assert isinstance(info.value.__cause__, BrokenAnswer)


def of_all(tables: Iterable[pa.Table], column: str) -> list[Any]:
    """The values in a column of the tables that have it."""
    return [value for table in tables if column in table.column_names for value in table.column(column).to_pylist()]


@settings(max_examples=50)
@given(st.lists(cluster_pods(), max_size=2))
@example([{"podId": "p"}])
def test_each_payload_of_a_deprecated_list_is_a_row_or_a_reject_and_comes_once(payloads: list[Any]) -> None:
    twins = [payload | {"podName": "another"} for payload in payloads if isinstance(payload, dict)]
    text = text_of([*payloads, *twins])
    seen = Observations(NothingKnown(), ReadingReport(), created_until=NOW, deleted_since=NOW)
    with client(ScriptedPlane([Response(200, content=text)])) as api:
        tables = dict(read_cluster_pods(api, ["c"], seen, known_hashes={}))
    rows = tables["cluster_pods"].to_pylist() if "cluster_pods" in tables else []
    rejects = of_all(tables.values(), "payload")
    for value in parse_json(text):
        is_row = any(says_all_of(row, value) for row in rows)
        assert is_row or as_json(value)[:LONGEST_REJECT] in rejects
    assert len({row["pod_id"] for row in rows}) == len(rows)


def extremes() -> list[bytes]:
    """Pods whose texts are as long, and whose numbers and lists as large or deep, as can be."""
    long = POD | {"name": MEGABYTE, "projectName": MEGABYTE, "containers": [{"name": MEGABYTE, "image": MEGABYTE}]}
    odd = [POD | {"id": f"odd {n}", "name": mark, "requestedResources": {"gpu": mark}} for n, mark in enumerate(RAW)]
    named = [POD | {"id": f"{text} {n}", "name": text, "k8sPhase": text} for n, text in enumerate(TEXTS)]
    # Beyond what Python's instants hold, and DuckDB's do.
    late = POD | {"id": "late", "containers": [{"name": "c", "image": "i", "startedAt": "9999-12-31T23:59:59-12:00"}]}
    return [text_of(one) for one in (long, late, POD | {"id": MEGABYTE}, *odd, *named)]


def test_a_megabyte_may_stand_in_any_text() -> None:
    value = {"name": "a", "containers": [{"image": "b", "n": 1}, {"image": "c"}], "labels": {"gpu": "d"}}
    drawn_ones = {text_of(lengthened(value, Random(number))) for number in range(50)}
    assert len(drawn_ones) == 4
    assert {text.count(MEGABYTE.encode()) for text in drawn_ones} == {1}


def test_no_page_is_so_long_that_another_is_asked_for() -> None:
    alike = [text_of(POD | {"id": "a", "name": f"{number}"}) for number in range(300)]
    nameless = [text_of({"id": None, "name": f"{number}"}) for number in range(900)]
    dealt = pages([*nameless[:350], *alike, *nameless[350:]])
    assert [*chain.from_iterable(dealt)] == [*nameless[:350], *alike, *nameless[350:]]
    assert max(map(len, dealt)) == 400
    assert [len({*alike} & {*page}) for page in dealt] == [0, 300, 0, 0]


def test_hostile_pages_go_through_the_front_door() -> None:
    (page,) = pages(drawn(pods(), 200, 1))
    with apart() as folder:
        account = played(folder, page, extremes(), drawn(metrics(), 50, 1))
    assert (account.crashes, account.lost, account.misread, account.changes) == (0, 0, 0, 0)
    assert any(MEGABYTE.encode() in payload for payload in page)
    assert account.payloads == account.rows + account.rejects == len(page) + len(extremes())
    assert account.rejects > 0
    assert account.samples > 0
    assert account.distributions > 0


def test_a_hostile_list_of_a_cluster_goes_through_the_front_door() -> None:
    of_cluster = drawn(cluster_pods(), 100, 1)
    with apart() as folder:
        account = played(folder, [CLUSTER_POD], [], drawn(metrics(), 1, 1), of_cluster=of_cluster, count=LARGEST)
    assert (account.crashes, account.lost, account.misread, account.changes) == (0, 0, 0, 0)
    assert account.payloads == account.rows + account.rejects == 101
    assert account.rejects > 0


def test_hostile_answers_end_no_check(tmp_path: Path) -> None:
    answers: dict[str, Answer] = {}
    door = Door(tmp_path, lambda: NOW)
    with apart(), stub(answers) as url:
        os.environ |= {"SOURCES__RUNAI__BASE_URL": url, "SOURCES__RUNAI__TOKEN": "t"}
        os.environ["SOURCES__RUNAI__MAX_ATTEMPTS"] = "1"
        for listed, number in zip(drawn(lists(), 20, 1), drawn(counts(), 20, 1), strict=True):
            clusters = b"[" + listed + b', {"uuid": "a b"}]'
            answers |= {PODS: (200, listed), COUNT: (200, number), "/api/v1/clusters": (200, clusters)}
            shown = door.check()
            assert "✗ counts" in shown.out or "✓ counts" in shown.out
            assert (shown.err, shown.steering) == ("", [])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Tenant]:
    with apart(), tenant(tmp_path / "data") as made:
        yield made


def test_no_name_steers_the_terminal(here: Tenant) -> None:
    world = here.simulator.world
    for one in offered(world, world.clock.now()):
        world.edit(one, projectName="\x1b]0;owned\x07\u202eeman", **{"\x1b[31mfield": 1})
    shown = here.door.run(metrics="none")
    assert (shown.code, shown.steering) == (0, [])
    assert "]0;owned" in shown.out


def test_what_the_docs_write_for_a_spreadsheet_holds_no_formula(tmp_path: Path) -> None:
    recipe = fences((ROOT / "docs" / "queries.md").read_text(encoding="utf-8"), "sql")[-1]
    path = tmp_path / "pods.csv"
    with duckdb.connect() as con:
        con.execute("create table pods as select unnest(?) as pod_name, 7 as gpus", [[*TEXTS[:8], *TEXTS[10:]]])
        con.execute(recipe.replace("pods.csv", str(path)))
    with path.open(encoding="utf-8", newline="") as file:
        names = [name for name, _ in csv.reader(file)]
    assert "'=1+1" in names
    assert [name for name in names if name.strip()[:1] in {"=", "+", "-", "@"}] == []

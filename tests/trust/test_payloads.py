"""A sample of the hostile payloads; `python -m tests.trust --scene payloads` plays ten thousand."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.settings import ROOT
from sources.runai.json_body import parse_json
from sources.runai.reading.fields import as_json
from sources.runai.reading.known import NothingKnown
from sources.runai.reading.measurements import measurements_of
from sources.runai.reading.observations import LONGEST_REJECT, Observations, ReadingReport
from sources.runai.reading.payload import why_unreadable
from tests.behaviour.truth import offered
from tests.readme.page import fences
from tests.sources.reading.rows import pod_row
from tests.trust.apart import apart
from tests.trust.bodies import in_rows, plainly
from tests.trust.hostile import MEGABYTE, RAW, TEXTS, lengthened, metrics, pods, text_of
from tests.trust.payloads import drawn, pages, played
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
    assert found.misplaced == wanted.misplaced


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

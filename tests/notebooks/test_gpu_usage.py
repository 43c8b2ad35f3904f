"""The notebook runs without a browser, over a world, an empty one and none, and shows what the tables say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pandas as pd
import pytest

from notebooks.gpu_usage import app
from tests.behaviour.scene import START, scene
from tests.readme.session import ROOT
from tests.transforms.raw_files import DuckDBFiles
from transforms import Build, Layout, publish

HOURS = ("allocated", "used", "idle", "unknown", "unseen")
SUMS = ", ".join(f"coalesce(sum({kind}_gpu_hours), 0)" for kind in HOURS)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world, with samples of the last day."""
    folder = tmp_path_factory.mktemp("notebook") / "data"
    with (
        mock.patch.dict(os.environ),
        scene(folder) as here,
    ):
        here.run(metrics="basic")
    return folder


@pytest.fixture(scope="module")
def played(data_dir: Path) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """What the notebook's cells show, and what they define; a cell that fails raises."""
    return app.run(defs={"data_dir": data_dir})


@pytest.fixture(scope="module")
def shown(played: tuple[Sequence[Any], Mapping[str, Any]]) -> Mapping[str, Any]:
    return played[1]


@pytest.fixture
def tables(data_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(data_dir / "published" / "runai.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def sums(frame: pd.DataFrame) -> list[float]:
    return [float(frame[kind].sum()) for kind in HOURS]


@pytest.mark.parametrize("frame", ["by_day", "by_project"])
def test_hours_are_those_of_the_table(shown: Mapping[str, Any], tables: duckdb.DuckDBPyConnection, frame: str) -> None:
    (told,) = tables.execute(f"select {SUMS} from gpu_usage_daily where day >= ?", [shown["since"]]).fetchall()
    assert all(value > 0 for value in told)
    assert sums(shown[frame]) == pytest.approx(told)
    assert [shown["whole"][kind] for kind in HOURS] == pytest.approx(told)


def test_every_day_has_a_place(shown: Mapping[str, Any]) -> None:
    days = shown["by_day"]["day"]
    assert (len(days), days.iloc[-1].date()) == (shown["days"].value, (START + timedelta(days=10)).date())


def test_waits_are_those_of_the_pods(shown: Mapping[str, Any], tables: duckdb.DuckDBPyConnection) -> None:
    told = tables.execute(
        "select count(*), count(*) filter (started_at is null and end_reason is null), max(wait_seconds) / 60"
        " from pods inner join pod_lifecycle using (pod_id)"
    ).fetchone()
    waits = shown["waits"]
    assert told is not None
    assert (waits["pods"].sum(), waits["waiting"].sum()) == told[:2]
    assert 0 < waits["median_minutes"].max() <= waits["p95_minutes"].max() <= told[2]


def test_who_holds_gpus_is_running_and_the_wasteful_come_first(
    shown: Mapping[str, Any], tables: duckdb.DuckDBPyConnection
) -> None:
    told = tables.execute(
        "select count(*), sum(allocated_gpu_seconds) / 3600 from pods inner join pod_lifecycle using (pod_id)"
        " where ended_at is null and started_at is not null and allocated_gpu > 0"
    ).fetchone()
    holders = shown["holders"]
    assert told == pytest.approx((len(holders), holders["gpu_hours"].sum()))
    wasteful = holders["class"].isin(["idle_held", "memory_parked", "low_sm"])
    assert wasteful.any()
    assert wasteful.is_monotonic_decreasing
    assert holders["advice"][wasteful].notna().all()


def test_the_samples_are_those_of_the_chosen_pod(shown: Mapping[str, Any], tables: duckdb.DuckDBPyConnection) -> None:
    samples = shown["samples"]
    first, last = samples["sampled_at"].min(), samples["sampled_at"].max()
    (told,) = tables.execute(
        "select count(*), sum(value), max(sampled_at) from pod_metrics"
        " where pod_id = ? and metric = 'GPU_UTILIZATION' and sampled_at >= ?",
        [shown["holders"]["pod_id"][0], first],
    ).fetchall()
    assert len(samples) > 100
    assert told[:2] == pytest.approx((len(samples), samples["value"].sum()))
    assert told[2] == last < first + timedelta(hours=24)


def test_no_table_can_be_downloaded_into_a_spreadsheet(played: tuple[Sequence[Any], Mapping[str, Any]]) -> None:
    page = "".join(getattr(output, "text", "") for output in played[0])
    assert re.findall(r"data-show-download=.(true|false)", page) == ["false"] * page.count("<marimo-table ")
    assert page.count("<marimo-table ") == 3


def test_one_project_is_told_apart(shown: Mapping[str, Any], data_dir: Path) -> None:
    chosen = shown["by_project"]["project_name"][0]
    narrow = {"chosen": chosen, "since": shown["since"], "today": shown["today"], "data_dir": data_dir}
    only = app.run(defs=narrow)[1]

    assert list(only["by_project"]["project_name"]) == [chosen]
    assert sums(only["by_day"]) == pytest.approx(sums(shown["by_project"].head(1)))
    assert 0 < only["waits"]["pods"].sum() < shown["waits"]["pods"].sum()
    assert set(only["holders"]["project"]) <= {chosen}


def test_an_empty_world_has_a_notebook(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with Build(layout) as build:
        build.take_in(DuckDBFiles(layout.data_dir).store)
        publish(layout, build, build.refresh(), [])
    shown = app.run(defs={"data_dir": layout.data_dir})[1]

    assert sums(shown["by_day"]) == [0] * len(HOURS)
    assert shown["by_day"].drop(columns="day").isna().all(axis=None)
    assert shown["whole"].isna().all()
    assert shown["holders"].empty
    assert "samples" not in shown
    # The link is followed once: another generation may be published while cells run.
    assert shown["generation"] == layout.published.resolve() != layout.published


def test_without_anything_published_it_says_what_to_do(tmp_path: Path) -> None:
    outputs, shown = app.run(defs={"data_dir": tmp_path})
    assert any("start with a run" in getattr(output, "text", "") for output in outputs)
    assert "by_day" not in shown


def test_it_can_be_written_as_a_page_from_the_command_line(data_dir: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    export = [sys.executable, "-m", "marimo", "export", "html", "notebooks/gpu_usage.py", "-o", str(page)]
    done = subprocess.run(
        [*export, "--", "--data-dir", str(data_dir)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (data_dir / "published").resolve().name in page.read_text(encoding="utf-8")

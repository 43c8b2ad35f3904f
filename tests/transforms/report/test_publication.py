"""The report as a part of a generation: written with it, listed by it, and again when somebody asks."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.transforms.raw_files import DuckDBFiles, pod, run
from transforms import (
    Build,
    Finding,
    Generation,
    Layout,
    ReportFailed,
    build,
    publication,
    publish,
    renew_report,
    report,
)
from transforms.database import HERE
from transforms.report import charts

ODD = Finding("pods_odd", "warn", "Pods are odd.", 4, [])


def published(layout: Layout, load_id: str = "1.5") -> Generation:
    DuckDBFiles(layout.data_dir).load(load_id, pods=[pod("a")], runs=[run(float(load_id))])
    with Build(layout, time_zone="Asia/Kolkata") as made:
        made.take_in(DuckDBFiles(layout.data_dir).store)
        return publish(layout, made, made.refresh(), [ODD], version="1.2.3")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def manifest(layout: Layout) -> dict[str, object]:
    found: dict[str, object] = json.loads(text(layout.published / "manifest.json"))
    return found


def test_a_generation_has_a_report_and_lists_it(layout: Layout) -> None:
    published(layout)
    said = manifest(layout)

    assert "<h1>GPU report</h1>" in text(layout.published / "report.html")
    assert isinstance(said["files"], dict)
    assert said["files"]["report.html"] == (layout.published / "report.html").stat().st_size
    assert said["warnings"] == [asdict(ODD)]
    assert said["time_zone"] == "Asia/Kolkata"


def test_a_report_that_cannot_be_made_publishes_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    good = published(layout)

    def fail(*_: object, **__: object) -> str:
        raise ReportFailed("no")

    with monkeypatch.context() as patch:
        patch.setattr(report, "render", fail)
        with pytest.raises(ReportFailed):
            published(layout, "2.5")
    assert publication.current(layout) == good.path
    assert published(layout, "3.5").path.name.endswith("-000002")


def test_charts_that_cannot_be_drawn_keep_no_table_back(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(charts, "_read", lambda _: {"mark": "nonsense"})
        generation = published(layout)
        page = text(generation.path / "report.html")
        with pytest.raises(ReportFailed, match="the charts could not be drawn"):
            renew_report(layout)
    odd, undrawn = generation.warnings

    assert odd == ODD
    assert undrawn.told().startswith("the charts could not be drawn: TypeError: Cannot read")
    assert undrawn.told().endswith("; the report has its tables alone")
    assert manifest(layout)["warnings"] == [asdict(ODD), asdict(undrawn)]
    assert "; the report has its tables alone" in page
    assert (page.count("<figure"), page.count("<details open>")) == (0, page.count("<details"))
    assert text(layout.published / "report.html") == page

    renew_report(layout)
    drawn = text(layout.published / "report.html")
    assert manifest(layout)["warnings"] == [asdict(ODD)]
    assert drawn.count("<figure") == drawn.count("<details>") == page.count("<details open>") > 0
    assert "tables alone" not in drawn


def test_a_report_is_written_again_as_it_was(layout: Layout) -> None:
    generation = published(layout)
    before = text(generation.path / "report.html"), manifest(layout)
    tables = {path: path.stat().st_mtime_ns for path in generation.path.rglob("*.parquet")}
    (generation.path / "report.html").write_text("an older page")

    assert renew_report(layout) == layout.published / "report.html"
    assert (text(layout.published / "report.html"), manifest(layout)) == before
    assert {path: path.stat().st_mtime_ns for path in generation.path.rglob("*.parquet")} == tables
    assert not list(generation.path.glob(".*"))


def test_whoever_reads_the_report_keeps_what_they_opened(layout: Layout) -> None:
    generation = published(layout)
    (generation.path / "report.html").write_text("an older page")
    with (layout.published / "report.html").open() as reader:
        assert reader.read(3) == "an "
        renew_report(layout)
        assert reader.read() == "older page"


def test_only_the_published_generation_gets_a_new_report(layout: Layout) -> None:
    first, second = published(layout), published(layout, "2.5")
    for generation in (first, second):
        (generation.path / "report.html").write_text("an older page")
    renew_report(layout)

    assert text(first.path / "report.html") == "an older page"
    assert "<h1>" in text(second.path / "report.html")


def test_without_anything_published_there_is_no_report(layout: Layout) -> None:
    with pytest.raises(ReportFailed, match=r"nothing was ever published in .*: start with a run"):
        renew_report(layout)


def test_what_an_older_version_published_must_be_built_again(layout: Layout) -> None:
    generation = published(layout)
    said = manifest(layout)
    del said["warnings"]
    (generation.path / "manifest.json").write_text(json.dumps(said))
    with pytest.raises(ReportFailed, match="rebuild"):
        renew_report(layout)


@pytest.mark.parametrize(("file", "is_built_again"), [("report/queries/days.sql", False), ("marts/pods.sql", True)])
def test_another_look_of_the_page_builds_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, *, is_built_again: bool
) -> None:
    copy = tmp_path / "transforms"
    shutil.copytree(HERE, copy)
    monkeypatch.setattr(build, "HERE", copy)
    build.fingerprint.cache_clear()
    before = build.fingerprint("")
    (copy / file).write_text(f"{text(copy / file)}-- Mended.\n")
    build.fingerprint.cache_clear()
    after = build.fingerprint("")
    build.fingerprint.cache_clear()

    assert (after != before) == is_built_again

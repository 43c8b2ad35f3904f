"""`kill -9` at the borders of every phase, then a run: as if nothing had happened."""

from __future__ import annotations

import errno
import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.cli import execute
from pipelines.failures import USAGE
from pipelines.run import rebuild
from pipelines.settings import UsageError
from pipelines.warehouse import Seconds, Warehouse
from simulator import Fault, Switches, WorldConfig
from sources.runai.errors import PermissionDenied
from tests.behaviour.killed import KILLED
from tests.behaviour.samples import sample_differences, series_of
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.truth import differences, offered
from tests.trust.victim import Blow, Orders, perform
from transforms import RunsForgotten, refresh

# Point and which call of it. Loads of a run: the pods are the first, the row in `runs` the second.
BEFORE_THE_BUILD = [
    ("reading", 2),
    ("normalizing", 1),
    ("loading", 1),
    ("copied", 1),
    ("committing", 1),
    ("committed", 1),
    ("copied", 2),
    ("committing", 2),
]
MOMENTS = [
    *BEFORE_THE_BUILD,
    ("taking in", 2),
    ("refreshing", 1),
    ("marts written", 1),
    ("refreshed", 1),
    ("copying", 1),
    ("pointing", 1),
    ("noting", 1),
]


# The pods are the first load, and metrics come after them.
WHILE_SAMPLING = [("sampled", 2), ("copied pod_metrics", 1), ("committing", 2), ("series written", 1), ("merging", 2)]


def kill(here: Scene, data_dir: Path, point: str, nth: int, metrics: str = "none") -> int:
    blow = Blow("SIGKILL", point, nth)
    end = perform(Orders(data_dir, here.destination, metrics, here.clock.now(), data_dir, blow))
    # One that hangs is killed too, and proves nothing.
    assert end.seconds is not None or end.code == 0, end.said
    return end.code


@pytest.mark.timeout(600)
@pytest.mark.parametrize("destination", ["duckdb", "filesystem"])
@pytest.mark.parametrize("machine", ["same", "fresh"])
def test_killed_anywhere_then_run_equals_never_killed(tmp_path: Path, destination: str, machine: str) -> None:
    """One data directory dies at every moment in turn, and is a perfect copy after each next run."""
    with scene(tmp_path / "killed", destination) as here:
        # After the load is committed, one destination is like the other; `make trust` plays all with both.
        for point, nth in MOMENTS if (machine, destination) == ("same", "duckdb") else BEFORE_THE_BUILD[1::2]:
            assert kill(here, here.data_dir, point, nth) == KILLED, f"{point} {nth} was never reached"
            if machine == "fresh":
                shutil.rmtree(here.data_dir / "state")
            reading = here.run().reading
            said = differences(here.pods(), offered(here.world, here.clock.now()))
            assert (said, reading.counts_agree, reading.warnings) == ([], True, []), f"after {point} {nth}"
            here.advance(hours=4)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("destination", ["duckdb", "filesystem"])
def test_samples_do_not_know_that_a_run_was_killed(tmp_path: Path, destination: str) -> None:
    """One data directory dies at every moment in turn; its samples and hours are those of one that never does."""
    with scene(tmp_path / "killed", destination, config=WorldConfig(pods=60, start=START)) as here:
        calm, floor = tmp_path / "calm", here.clock.now() - timedelta(hours=24)
        # After the load is committed, one destination is like the other.
        moments = WHILE_SAMPLING if destination == "duckdb" else WHILE_SAMPLING[:3]
        for place, (point, nth) in enumerate(moments):
            assert kill(here, here.data_dir, point, nth, "basic") == KILLED, f"{point} {nth} was never reached"
            # Every second time only the destination is left, and the other times with the other destination.
            if place % 2 == (destination == "filesystem"):
                shutil.rmtree(here.data_dir / "state")
            here.run(metrics="basic")
            here.run(data_dir=calm, metrics="basic")
            assert sample_differences(here, floor) == [], f"after {point} {nth}"
            assert series_of(here) == series_of(here, calm), f"after {point} {nth}"
            here.advance(minutes=400)


@pytest.mark.parametrize("machine", ["same", "fresh"])
def test_what_was_cut_short_of_dlts_own_files_stops_no_later_run(tmp_path: Path, machine: str) -> None:
    with scene(tmp_path / "data", "filesystem", config=WorldConfig(pods=20, start=START)) as here:
        raw = here.data_dir / "raw" / "raw"
        # Killed when the folder was made, and nothing was in it.
        raw.mkdir(parents=True)
        here.run()
        newest = [max((raw / book).glob("*__*")) for book in ("_dlt_version", "_dlt_pipeline_state")]
        for size, path in ((100, raw / "init"), (0, newest[0]), (100, newest[1])):
            path.write_bytes(b"{" * size)
        (schemas,) = (here.data_dir / "state" / "dlt").glob("*/*/schemas")
        (schemas / "6a91143d217ffb8f").touch()
        if machine == "fresh":
            shutil.rmtree(here.data_dir / "state")
        here.advance(hours=1)
        here.run()
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []


@pytest.mark.parametrize("size", [0, 4096, 8192])
def test_a_database_that_was_cut_short_as_it_was_made_is_made_again(tmp_path: Path, size: int) -> None:
    """A disk that is full, or a kill, as the first run creates its file."""
    with scene(tmp_path / "data") as here:
        here.data_dir.mkdir()
        path = here.data_dir / "warehouse.duckdb"
        duckdb.connect(str(path)).close()
        path.write_bytes(path.read_bytes()[:size])
        assert here.run().first_run
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []


@pytest.mark.parametrize("name", ["state.json", "schemas/runai_pods.schema.json", "load/.version"])
def test_a_file_that_a_loss_of_power_left_empty_stops_no_later_run(tmp_path: Path, name: str) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=20, start=START)) as here:
        here.run()
        (file,) = (here.data_dir / "state" / "dlt").glob(f"*/*/{name}")
        file.write_bytes(b"")
        here.advance(hours=1)
        here.run()
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []


@pytest.mark.parametrize("name", ["schema.json", "load_package_state.json", "*.parquet"])
@pytest.mark.parametrize("point", ["normalizing", "loading"])
def test_a_package_that_a_loss_of_power_cut_short_is_read_again(
    tmp_path: Path, point: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with scene(tmp_path / "data", "filesystem", config=WorldConfig(pods=20, start=START)) as here:
        assert kill(here, here.data_dir, point, 1) == KILLED
        folder = "normalize/extracted" if point == "normalizing" else "load/normalized"
        for file in (here.data_dir / "state" / "dlt").glob(f"*/*/{folder}/*/**/{name}"):
            file.write_bytes(b"")
        assert here.run().drained_loads == 0
        assert "was cut short, most likely by a loss of power: what it had to load is read again" in caplog.text
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []


@pytest.mark.parametrize("name", ["state.json", "schemas/0123456789abcdef", "load/.version"])
def test_a_dry_run_leaves_what_was_cut_short(tmp_path: Path, name: str) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=20, start=START)) as here:
        here.run()
        (state,) = (here.data_dir / "state" / "dlt").glob("*/*/state.json")
        file = state.parent / name
        file.write_bytes(b"")
        with pytest.raises(UsageError, match="were cut short: a run without --dry-run mends them first"):
            here.run(dry_run=True)
        assert file.exists()


@pytest.mark.parametrize(
    "name",
    [
        *("published/manifest.json", "published/runai.duckdb"),
        *("state/series", "state/series/pod_metric_histograms.parquet"),
    ],
)
def test_what_is_lost_of_the_programs_own_files_is_made_again(tmp_path: Path, name: str) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=20, start=START)) as here:
        here.run(metrics="basic")
        before = here.published()
        lost = here.data_dir / name
        if lost.is_dir():
            shutil.rmtree(lost)
        else:
            lost.write_bytes(b"")
        assert execute(["status", "--data-dir", str(here.data_dir)]) == (1 if name.endswith(".duckdb") else 0)
        here.run(metrics="basic")
        assert here.published() == before


@pytest.mark.parametrize(("destination", "torn"), [("duckdb", "warehouse.duckdb"), ("filesystem", "raw/raw/init")])
def test_a_dry_run_looks_past_what_was_cut_short(tmp_path: Path, destination: str, torn: str) -> None:
    with scene(tmp_path / "data", destination) as here:
        path = here.data_dir / torn
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{" if destination == "filesystem" else b"")
        before = path.read_bytes()
        assert here.run(dry_run=True).plan
        assert path.read_bytes() == before


def test_a_small_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    with scene(tmp_path / "data") as here:
        here.data_dir.mkdir()
        path = here.data_dir / "warehouse.duckdb"
        path.write_text("a spreadsheet " * 20)
        with pytest.raises(duckdb.Error):
            here.run()
        assert path.read_text() == "a spreadsheet " * 20


def test_what_failed_first_is_told_where_not_even_that_can_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load = Warehouse.load

    def fill_up(self: Warehouse, resources: list[Any]) -> Seconds:
        if resources[0].name == "runs":
            raise OSError(errno.ENOSPC, "No space left on device")
        return load(self, resources)

    monkeypatch.setattr(Warehouse, "load", fill_up)
    with scene(tmp_path / "data") as here:
        here.simulator.switches = Switches(faults=(Fault("/pods", kind="status", status=403),))
        with pytest.raises(PermissionDenied):
            here.run()
    assert "could not be noted: [Errno 28]" in caplog.text


def test_the_killed_process_is_really_killed(tmp_path: Path) -> None:
    with scene(tmp_path / "killed") as here:
        assert kill(here, here.data_dir, "reading", 1) == KILLED
        assert not (here.data_dir / "published").exists()


def test_a_run_that_dies_while_reading_moves_no_cursor(tmp_path: Path) -> None:
    with scene(tmp_path / "killed") as here:
        here.run()
        here.advance(hours=30)
        assert kill(here, here.data_dir, "reading", 2) == KILLED
        result = here.run()
        assert result.reading.pods_changed > 0
        assert len(here.rows("runs")) == 2


def test_a_load_that_was_cut_short_is_finished_first(tmp_path: Path) -> None:
    with scene(tmp_path / "killed") as here:
        here.run()
        here.advance(hours=30)
        assert kill(here, here.data_dir, "loading", 1) == KILLED
        result = here.run()
        assert result.drained_loads == 1
        assert result.reading.pods_changed == 0
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []


def test_pods_that_were_never_published_are_not_joined_by_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scene(tmp_path / "killed", config=WorldConfig(pods=20, start=START)) as here:
        assert kill(here, here.data_dir, "committed", 1) == KILLED
        monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", here.url.replace("127.0.0.1", "localhost"))
        assert execute(["run", "--metrics", "none", "--progress", "none", "--data-dir", str(here.data_dir)]) == USAGE
        assert "holds pods of 127.0.0.1, not pods of localhost" in capsys.readouterr().err


def test_a_refresh_that_dies_forgets_no_wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run after it wants what the one before it did: some pods were made for other wishes in between."""
    rebuild_pods, calls = refresh._rebuild_pods, count(1)

    def die_after_all(*arguments: Any) -> int:
        rebuilt = rebuild_pods(*arguments)
        if next(calls) == 2:
            raise KeyboardInterrupt
        return rebuilt

    # What a control plane turns out not to give would be another wish.
    switches = Switches(advanced_metrics=True)
    with scene(tmp_path / "data", config=WorldConfig(pods=60, start=START), switches=switches) as here:
        here.run(metrics="basic")
        # By then the end of some is settled.
        here.advance(hours=48)
        here.run(metrics="basic")
        with monkeypatch.context() as patch:
            patch.setattr(refresh, "_rebuild_pods", die_after_all)
            with pytest.raises(KeyboardInterrupt):
                here.run(metrics="all")
        here.run(metrics="basic")
        found = here.rows("pod_metric_coverage")
        rebuild(here.settings())
        assert found == here.rows("pod_metric_coverage")


def test_what_a_run_was_reading_when_it_was_killed_is_cleared_away(tmp_path: Path) -> None:
    with scene(tmp_path / "killed") as here:
        assert kill(here, here.data_dir, "reading", 1) == KILLED
        (folder,) = (here.data_dir / "state" / "dlt").glob("*/*/normalize")
        assert {path.name for path in folder.glob("*/")} > {"extracted"}
        # As dlt leaves one where the disk is full.
        draft = folder.parent / "load" / "normalized" / "0123456789abcdef"
        draft.parent.mkdir(parents=True)
        draft.touch()
        here.run()
        assert [path.name for path in folder.glob("*/")] == ["extracted"]
        assert not draft.exists()


def test_what_a_killed_run_left_behind_is_loaded_where_that_run_was_to_load_it(tmp_path: Path) -> None:
    """A run into another destination neither takes the package nor loses it, nor publishes what that has alone."""
    with scene(tmp_path / "killed") as here:
        here.run()
        here.advance(hours=30)
        assert kill(here, here.data_dir, "loading", 1) == KILLED
        here.simulator.clear_requests()
        with pytest.raises(RunsForgotten, match="raw does not know 1 of the 1 runs that are published"):
            here.run(destination="filesystem")
        assert here.simulator.requests == []
        back = here.run()
        assert (back.drained_loads, back.reading.pods_changed) == (1, 0)
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []

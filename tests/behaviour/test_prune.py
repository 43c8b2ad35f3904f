"""`prune` in the life of a data directory: runs before it, a kill in it, runs after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.prune import Spared, prune, show_spared
from pipelines.run import rebuild
from pipelines.settings import UsageError
from pipelines.sizes import size_without
from simulator import WorldConfig
from tests.behaviour.killed import KILLED
from tests.behaviour.samples import sample_differences, series_of
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.test_crashes import kill
from tests.behaviour.truth import differences, offered
from transforms import Layout, prune_generations

SMALL = WorldConfig(pods=40, start=START)
MOMENTS = {
    "duckdb": [("proving", 3), ("replacing", 1), ("replaced", 1), ("removing", 1)],
    "filesystem": [("proving", 3), ("replacing", 2), ("replaced", 1), ("removing", 3)],
}


def pruned(here: Scene, point: str, nth: int) -> int:
    command = [sys.executable, "-m", "tests.behaviour.pruned", str(here.data_dir), here.destination, point, str(nth)]
    return subprocess.run(command, check=False, capture_output=True, timeout=120).returncode


def everything(here: Scene, data_dir: Path | None = None) -> tuple[object, object]:
    tables = {table: here.rows(table, data_dir) for table in ("pods", "pod_history", "pod_counts", "runs")}
    return {**here.published(data_dir, without=()), **tables}, series_of(here, data_dir)


def raw_bytes(here: Scene) -> int:
    places = [here.data_dir / "warehouse.duckdb", *(here.data_dir / "raw").rglob("*.parquet")]
    return sum(path.stat().st_size for path in places if path.exists())


@pytest.mark.parametrize("destination", ["duckdb", "filesystem"])
def test_killed_and_pruned_and_killed_while_pruning_nothing_published_changes(tmp_path: Path, destination: str) -> None:
    with scene(tmp_path / "data", destination, config=SMALL) as here:
        floor = here.clock.now() - timedelta(hours=24)
        here.run(metrics="basic")
        here.advance(hours=3)
        # A dead load of pods on a machine that is no more, and a load of samples that was loaded twice.
        assert kill(here, here.data_dir, "copied", 1) == KILLED
        shutil.rmtree(here.data_dir / "state")
        assert kill(here, here.data_dir, "copied pod_metrics", 1, "basic") == KILLED
        here.run(metrics="basic")
        before = everything(here)
        for point, nth in MOMENTS[destination]:
            assert pruned(here, point, nth) == KILLED, f"{point} {nth} was never reached"
        rebuild(here.settings())
        assert everything(here) == before
        prune(here.settings())
        size = raw_bytes(here)
        again = prune(here.settings())
        assert (raw_bytes(here), again.raw.freed, again.raw.files) == (size, 0, 0)
        moved = tmp_path / "moved"
        moved.mkdir()
        for name in ("warehouse.duckdb", "raw"):
            if (here.data_dir / name).exists():
                (here.data_dir / name).rename(moved / name)
        rebuild(here.settings(moved))
        assert everything(here, moved) == before
        here.advance(hours=2)
        here.run(moved, metrics="basic")
        here.data_dir = moved
        assert sample_differences(here, floor) == []
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []


def test_packages_that_wait_are_loaded_first(tmp_path: Path) -> None:
    with scene(tmp_path / "data", config=SMALL) as here:
        here.run()
        here.advance(hours=9)
        assert kill(here, here.data_dir, "copied", 1) == KILLED
        with pytest.raises(UsageError, match="wait: prune without --dry-run"):
            prune(here.settings(dry_run=True))
        spared = prune(here.settings())
        assert (spared.drained_loads, spared.raw.dead) == (1, 0)
        assert here.run().reading.pods_changed == 0


def test_old_generations_and_leavings_go_and_the_rest_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scene(tmp_path / "data", config=SMALL) as here:
        here.run()
        here.run()
        state = here.data_dir / "state"
        one, two = sorted((state / "generations").iterdir())
        _let_it_age(here, one, two)
        drafts = [
            state / "origin.json.new",
            here.data_dir / ".published.new",
            here.data_dir / ".warehouse.duckdb.pruned",
        ]
        for path in drafts:
            path.write_text("cut off")
            os.utime(path, (0, 0))
        (state / "demo.json.new").write_text("being written")
        told = prune(here.settings(dry_run=True))
        assert all(path.exists() for path in drafts[:2]), "a dry run removed something"
        before = _disk(here.data_dir)
        spared = prune(here.settings())
        assert (spared.generations, spared.freed) == (1, told.freed)
        assert 0 < spared.freed <= before - _disk(here.data_dir) + 65536
        assert [path.name for path in (state / "generations").iterdir()] == [
            (here.data_dir / "published").resolve().name
        ]
        assert not any(path.exists() for path in drafts)
        assert (state / "demo.json.new").exists()
        show_spared(spared, here.settings())
        assert "generations  1 removed" in capsys.readouterr().out
        assert prune(here.settings()) == Spared(spared.raw.__class__(), 0, 0, 0, 0)


def _let_it_age(here: Scene, one: Path, two: Path) -> None:
    """Rename both generations as if they had been published two days ago, and show the second."""
    old = [path.with_name(f"20260101T00000{number}Z-{number + 1:06d}") for number, path in enumerate((one, two))]
    for path, name in zip((one, two), old, strict=True):
        path.rename(name)
    link = here.data_dir / "published"
    link.unlink()
    link.symlink_to(old[1].relative_to(here.data_dir))


def _disk(folder: Path) -> int:
    seen = {path.stat().st_ino: path.stat().st_blocks * 512 for path in folder.rglob("*") if not path.is_symlink()}
    return sum(seen.values())


def _taken(here: Scene) -> dict[str, int]:
    """Bytes on the disk by part, after a run; earlier generations are gone, as they will be in a day."""
    prune_generations(Layout(here.data_dir), now=datetime.now(UTC) + timedelta(hours=25))
    state = here.data_dir / "state"
    parts = [state / name for name in ("build.duckdb", "marts.duckdb", "dlt", "series", "generations")]
    assert {path.name for path in state.iterdir()} == {"lock", *(path.name for path in parts)}
    raw = here.data_dir / ("warehouse.duckdb" if here.destination == "duckdb" else "raw")
    assert {path.name for path in here.data_dir.iterdir()} == {"published", "state", raw.name}
    return {path.name: size_without(path) for path in [raw, *parts]}


DATABASES = ("build.duckdb", "marts.duckdb", "generations")
A_BLOCK = 4096
"""What a file system takes now and then for itself; DuckDB's files grow by 256 KiB."""


@pytest.mark.parametrize("destination", ["duckdb", "filesystem"])
def test_the_disk_stays_as_it_is_while_nothing_changes(tmp_path: Path, destination: str) -> None:
    with scene(tmp_path / "data", destination, config=WorldConfig(pods=20, start=START)) as here:
        here.run(metrics="basic")
        taken = []
        for _ in range(4):
            here.run(metrics="basic")
            taken.append(_taken(here))
    # DuckDB writes a table beside the last of it, and only then lets that go: its files are large and small in turn.
    before, after = ({part: max(run[part] for run in runs) for part in runs[0]} for runs in (taken[:2], taken[2:]))
    grown = {
        part: after[part] - before[part]
        for part in before
        if after[part] - before[part] > (A_BLOCK if part in DATABASES else 0)
    }
    # A row in `runs`, two counts and two loads in dlt's ledger, each in a file of its own until `prune`.
    assert grown.pop("raw", 0) <= 2 * 25_000
    assert grown == {}

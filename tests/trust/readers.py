"""Readers at work while runs publish: no error, nothing torn, nobody waits, and nothing goes that somebody reads.

Each reader is a process of its own: python -m tests.trust.readers KIND DATA_DIR STOP_FILE. It reads everything, over
and over, and tells each time which generation it saw, by its last run, and a checksum over all its tables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from bench.rounds import Goal
from simulator import WorldConfig
from tests.behaviour.scene import START, scene
from transforms import Layout, prune_generations

READERS: Final = ("link",) * 4 + ("parquet",) * 5 + ("kept",)
"""A new connection through the link each time, all files of Parquet, and one connection that stays open for good."""
_PATIENCE_SECONDS: Final = 60
_LAST_RUN: Final = "select arg_max(run_id, finished_at) from {runs}"


def checksum(con: duckdb.DuckDBPyConnection, tables: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Rows and hash of each table, in whatever order its rows lie."""
    sums = {}
    for name, rows in tables:
        found = con.execute(f"select count(*), sum(hash(row)) from {rows} as row").fetchone()
        sums[name] = str(found)
    return sums


def of_database(con: duckdb.DuckDBPyConnection) -> tuple[str, dict[str, str]]:
    """The last run of an open generation, and the checksum of its tables and views."""
    con.execute("set TimeZone = 'UTC'")
    listed = con.execute(
        "select table_name from duckdb_tables() union select view_name from duckdb_views() where not internal"
    )
    tables = [(name, name) for (name,) in sorted(listed.fetchall())]
    (run,) = con.execute(_LAST_RUN.format(runs="runs")).fetchone() or (None,)
    return str(run), checksum(con, tables)


def of_files(generation: Path) -> tuple[str, dict[str, str]]:
    """The same of a generation's files of Parquet."""
    with duckdb.connect(config={"threads": 1}) as con:
        folders = sorted(path for path in (generation / "parquet").iterdir())
        tables = [(folder.name, f"read_parquet('{folder}/**/*.parquet')") for folder in folders]
        (run,) = con.execute(_LAST_RUN.format(runs=dict(tables)["runs"])).fetchone() or (None,)
        return str(run), checksum(con, tables)


@contextmanager
def opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a published database, as a reader has it."""
    with duckdb.connect(str(database), read_only=True, config={"threads": 1}) as con:
        yield con


def read_on(kind: str, data_dir: Path, stop: Path) -> None:
    """Read until the file appears, or nobody listens any more; a line of JSON for each time."""
    # Runs come first: readers that take all of the processors prove nothing more.
    os.nice(10)
    link, parent = data_dir / "published", os.getppid()
    with opened(link / "runai.duckdb") as kept:
        while not stop.exists() and os.getppid() == parent:
            try:
                if kind == "parquet":
                    # Whoever reads files follows the link once.
                    run, sums = of_files(link.resolve())
                elif kind == "link":
                    with opened(link / "runai.duckdb") as con:
                        run, sums = of_database(con)
                else:
                    run, sums = of_database(kept)
            except (duckdb.Error, OSError) as error:
                print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
            else:
                print(json.dumps({"run": run, "sums": sums}), flush=True)


@dataclass
class Seen:
    """What the readers told, and what was true of each generation when it was published."""

    reads: int = 0
    errors: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    generations: Counter[str] = field(default_factory=Counter)
    published: int = 0
    runs: int = 0


def watch(runs: int, reads: int, readers: Sequence[str]) -> Seen:
    """Publish so many times at least, and until there were so many reads; judge what the readers saw."""
    seen = Seen()
    truth: dict[tuple[bool, str], dict[str, str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="readers-") as folder,
        scene(Path(folder) / "data", config=WorldConfig(pods=20, start=START)) as here,
    ):

        def publish() -> None:
            here.run(metrics="basic")
            here.advance(minutes=20)
            generation = (here.data_dir / "published").resolve()
            with opened(generation / "runai.duckdb") as con:
                run, sums = of_database(con)
            seen.published += (False, run) not in truth
            truth[False, run], truth[True, run] = sums, of_files(generation)[1]
            seen.runs += 1

        publish()
        logs = [Path(folder) / f"{number}.jsonl" for number in range(len(readers))]
        with _reading(readers, here.data_dir, logs) as stops:
            while seen.runs <= runs or sum(map(_lines, logs)) < reads:
                publish()
            _let_a_day_pass(here.data_dir, readers, logs, stops)
        for kind, log in zip(readers, logs, strict=True):
            _judge(seen, kind, log, truth)
    return seen


@contextmanager
def _reading(readers: Sequence[str], data_dir: Path, logs: Sequence[Path]) -> Iterator[list[Path]]:
    """Readers at work; whoever makes the file that is a reader's own ends it."""
    stops = [log.with_suffix(".stop") for log in logs]
    processes = []
    try:
        for kind, log, stop in zip(readers, logs, stops, strict=True):
            command = [sys.executable, "-m", "tests.trust.readers", kind, str(data_dir), str(stop)]
            with log.open("w") as out:
                processes.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))
        yield stops
    finally:
        for stop in stops:
            stop.touch()
        for process in processes:
            process.wait(60)


def _let_a_day_pass(data_dir: Path, readers: Sequence[str], logs: Sequence[Path], stops: Sequence[Path]) -> None:
    """For a day every generation stays; then all but the current one go, and whoever follows the link reads on."""
    layout, now = Layout(data_dir), datetime.now(UTC)
    made = sorted(layout.generations.iterdir())
    assert prune_generations(layout, now=now + timedelta(hours=23)) == []
    _wait_for_reads(logs)
    for kind, stop in zip(readers, stops, strict=True):
        if kind == "kept":
            stop.touch()
    others = [log for kind, log in zip(readers, logs, strict=True) if kind != "kept"]
    _wait_for_reads(others)
    assert prune_generations(layout, now=now + timedelta(hours=25)) == made[:-1]
    _wait_for_reads(others)


def _wait_for_reads(logs: Sequence[Path]) -> None:
    """Until each reader has read twice more: the second time, it began after the call."""
    before, until = [_lines(log) for log in logs], time.monotonic() + _PATIENCE_SECONDS
    while any(_lines(log) < lines + 2 for log, lines in zip(logs, before, strict=True)):
        if time.monotonic() > until:
            raise TimeoutError("a reader reads no more")
        time.sleep(0.02)


def _lines(log: Path) -> int:
    return log.read_text().count("\n")


def _judge(seen: Seen, kind: str, log: Path, truth: dict[tuple[bool, str], dict[str, str]]) -> None:
    for line in log.read_text().splitlines():
        seen.reads += 1
        try:
            told = json.loads(line)
        except ValueError:
            # The traceback of a reader that died.
            told = {"error": line}
        if "error" in told:
            seen.errors.append(f"{kind}: {told['error']}")
        elif truth.get((kind == "parquet", told["run"])) != told["sums"]:
            seen.torn.append(f"{kind} of {told['run']}")
        else:
            seen.generations[told["run"]] += 1


def play(_seed: int) -> list[Goal]:
    """Ten readers for a thousand reads, over at least twelve publications."""
    seen = watch(runs=12, reads=1_000, readers=READERS)
    for text in [*seen.errors[:5], *seen.torn[:5]]:
        print(text)
    return [
        Goal("reads while runs published", f"{seen.reads:,}", "≥ 1,000", is_met=seen.reads >= 1_000),
        Goal("reads that failed", str(len(seen.errors)), "0", is_met=not seen.errors),
        Goal("reads of no one generation", str(len(seen.torn)), "0", is_met=not seen.torn),
        Goal("runs that published", str(seen.published), f"{seen.runs}", is_met=seen.published == seen.runs),
    ]


if __name__ == "__main__":
    read_on(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

"""Readers at work while runs publish: no error, nothing torn, nobody waits, and for a day nothing goes that is read.

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
from statistics import median
from typing import Any, Final

import duckdb

from bench.rounds import Goal
from simulator import WorldConfig
from tests.behaviour.scene import START, scene
from transforms import Layout, models, prune_generations

READERS: Final = ("link",) * 4 + ("parquet",) * 5 + ("kept",)
"""A new connection through the link each time, all files of Parquet, and one transaction that stays open for good."""
SLOWEST: Final = 10.0
"""How many times as long a run may take beside readers: they want the same processors, but minutes are no waiting."""
_PATIENCE_SECONDS: Final = 60


def checksum(con: duckdb.DuckDBPyConnection, tables: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Rows and hash of each table, in whatever order its rows lie."""
    sums = {}
    for name, rows in tables:
        found = con.execute(f"select count(*), sum(hash(row)) from {rows} as row").fetchone()
        sums[name] = str(found)
    return sums


def of_database(con: duckdb.DuckDBPyConnection) -> tuple[str, dict[str, str]]:
    """The last run of an open generation, and the checksum of its tables and views."""
    return _last_run(con, "runs"), checksum(con, [(name, name) for name in _names(con)])


def of_kept(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The same of a connection in a transaction, and by name what is `gone`, which ends that transaction."""
    (transaction,) = con.execute("select txid_current()").fetchall()[0]
    run, sums, gone = _last_run(con, "runs"), dict[str, str](), dict[str, str]()
    for name in _names(con):
        try:
            sums |= checksum(con, [(name, name)])
        except duckdb.IOException as error:
            gone[name] = str(error)
            con.rollback()
            con.begin()
    return {"run": run, "sums": sums, "gone": gone, "transaction": transaction}


def _names(con: duckdb.DuckDBPyConnection) -> list[str]:
    listed = con.execute(
        "select table_name from duckdb_tables() union select view_name from duckdb_views() where not internal"
    )
    return sorted(name for (name,) in listed.fetchall())


def _last_run(con: duckdb.DuckDBPyConnection, runs: str) -> str:
    return str(con.execute(f"select arg_max(run_id, finished_at) from {runs}").fetchall()[0][0])


def of_files(generation: Path) -> tuple[str, dict[str, str]]:
    """The same of a generation's files of Parquet, which hold the rows of its database."""
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set TimeZone = 'UTC'")
        folders = sorted(path for path in (generation / "parquet").iterdir())
        tables = [(folder.name, _files(folder)) for folder in folders]
        return _last_run(con, dict(tables)["runs"]), checksum(con, tables)


def _files(folder: Path) -> str:
    """A table's files with the columns that the database shows: of those that folders name, the day of samples."""
    is_series = folder.name in {model.name for model in models.series()}
    named = "true, hive_types = {'sampled_on': date}" if is_series else "false"
    return f"read_parquet('{folder}/**/*.parquet', hive_partitioning = {named})"


@contextmanager
def opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a published database, as a reader has it."""
    with duckdb.connect(str(database), read_only=True, config={"threads": 1}) as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def read_on(kind: str, data_dir: Path, stop: Path) -> None:
    """Read until the file appears, or nobody listens any more; a line of JSON for each time."""
    # Runs come first: readers that take all of the processors prove nothing more.
    os.nice(10)
    link, parent = data_dir / "published", os.getppid()
    with opened(link / "runai.duckdb") as kept:
        kept.begin()
        while not stop.exists() and os.getppid() == parent:
            try:
                told = _told(kind, link, kept)
            except (duckdb.Error, OSError) as error:
                told = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(told), flush=True)


def _told(kind: str, link: Path, kept: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    if kind == "kept":
        return of_kept(kept)
    if kind == "parquet":
        # Whoever reads files follows the link once.
        run, sums = of_files(link.resolve())
    else:
        with opened(link / "runai.duckdb") as con:
            run, sums = of_database(con)
    return {"run": run, "sums": sums}


@dataclass
class Seen:
    """What the readers told, and what was true of each generation when it was published."""

    reads: int = 0
    errors: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    generations: Counter[str] = field(default_factory=Counter)
    published: int = 0
    # Seconds of each run, alone and with readers at work.
    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    # Those that a kept connection was in until its generation went, and what it lacked from then on.
    transactions: set[int] = field(default_factory=set)
    gone: dict[str, str] = field(default_factory=dict)

    def goals(self) -> list[Goal]:
        """The figures."""
        runs, lacking = len(self.alone) + len(self.beside), sorted(self.gone)
        passed = len(self.beside) if len(self.transactions) == 1 else 0
        slower = median(self.beside) / median(self.alone)
        samples = sorted(model.name for model in models.series())
        return [
            Goal("reads while runs published", f"{self.reads:,}", "≥ 1,000", is_met=self.reads >= 1_000),
            Goal("reads that failed", str(len(self.errors)), "0", is_met=not self.errors),
            Goal("reads of no one generation", str(len(self.torn)), "0", is_met=not self.torn),
            Goal("generations that were read", str(len(self.generations)), "≥ 2", is_met=len(self.generations) >= 2),
            Goal("runs that published", str(self.published), f"{runs}", is_met=self.published == runs),
            Goal("runs during one open transaction", str(passed), str(len(self.beside)), is_met=passed > 0),
            Goal("median run beside readers to alone", f"{slower:.1f}", f"≤ {SLOWEST:.0f}", is_met=slower <= SLOWEST),
            Goal("kept open for over a day, lacks", ", ".join(lacking), ", ".join(samples), is_met=lacking == samples),
        ]


def watch(runs: int, reads: int, readers: Sequence[str], alone: int = 1) -> Seen:
    """Publish alone, then beside readers so many times and until there were so many reads; judge what these saw."""
    seen = Seen()
    truth: dict[str, dict[str, str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="readers-") as folder,
        scene(Path(folder) / "data", config=WorldConfig(pods=20, start=START)) as here,
    ):

        def publish(times: list[float]) -> None:
            began = time.perf_counter()
            here.run(metrics="basic")
            times.append(time.perf_counter() - began)
            here.advance(minutes=20)
            generation = (here.data_dir / "published").resolve()
            with opened(generation / "runai.duckdb") as con:
                run, sums = of_database(con)
            seen.published += run not in truth
            truth[run] = sums

        while len(seen.alone) < alone:
            publish(seen.alone)
        logs = [Path(folder) / f"{number}.jsonl" for number in range(len(readers))]
        with _reading(readers, here.data_dir, logs):
            # From here on the transaction is open.
            _wait_for_reads(logs)
            while len(seen.beside) < runs or sum(map(_lines, logs)) < reads:
                publish(seen.beside)
            before = _let_a_day_pass(here.data_dir, logs)
        for kind, log, lines in zip(readers, logs, before, strict=True):
            _judge(seen, kind, log, lines, truth)
    return seen


@contextmanager
def _reading(readers: Sequence[str], data_dir: Path, logs: Sequence[Path]) -> Iterator[None]:
    """Readers at work, for the length of the block."""
    stop = data_dir.parent / "stop"
    processes = []
    try:
        for kind, log in zip(readers, logs, strict=True):
            command = [sys.executable, "-m", "tests.trust.readers", kind, str(data_dir), str(stop)]
            with log.open("w") as out:
                processes.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))
        yield
    finally:
        stop.touch()
        for process in processes:
            process.wait(60)


def _let_a_day_pass(data_dir: Path, logs: Sequence[Path]) -> list[int]:
    """For a day every generation stays, then all but the current one go; returns how often was read until then."""
    layout, now = Layout(data_dir), datetime.now(UTC)
    made = sorted(layout.generations.iterdir())
    assert prune_generations(layout, now=now + timedelta(hours=23)) == []
    # Whoever follows the link has come to the current one.
    _wait_for_reads(logs)
    before = [_lines(log) for log in logs]
    assert prune_generations(layout, now=now + timedelta(hours=25)) == made[:-1]
    _wait_for_reads(logs)
    return before


def _wait_for_reads(logs: Sequence[Path]) -> None:
    """Until each reader has read twice more: the second time, it began after the call."""
    before, until = [_lines(log) for log in logs], time.monotonic() + _PATIENCE_SECONDS
    while any(_lines(log) < lines + 2 for log, lines in zip(logs, before, strict=True)):
        if time.monotonic() > until:
            raise TimeoutError("a reader reads no more")
        time.sleep(0.02)


def _lines(log: Path) -> int:
    return log.read_text().count("\n")


def _judge(seen: Seen, kind: str, log: Path, before: int, truth: dict[str, dict[str, str]]) -> None:
    for number, line in enumerate(log.read_text().splitlines()):
        seen.reads += 1
        try:
            told = json.loads(line)
        except ValueError:
            # The traceback of a reader that died.
            told = {"error": line}
        gone = told.get("gone", {})
        wanted = truth.get(told.get("run", ""), {})
        if "error" in told or (gone and number < before):
            seen.errors.append(f"{kind}: {told.get('error', gone)}")
        elif not told["sums"] or told["sums"] != {name: sums for name, sums in wanted.items() if name not in gone}:
            seen.torn.append(f"{kind} of {told['run']}")
        else:
            seen.generations[told["run"]] += 1
        if kind == "kept":
            seen.gone = gone
            seen.transactions |= {told.get("transaction")} if number < before else set()


def play(_seed: int) -> list[Goal]:
    """Ten readers for a thousand reads, over at least twelve publications."""
    seen = watch(runs=12, reads=1_000, readers=READERS, alone=6)
    for text in [*seen.errors[:5], *seen.torn[:5], *seen.gone.values()]:
        print(text.partition("\n")[0])
    return seen.goals()


if __name__ == "__main__":
    read_on(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

"""Runs, `prune` and `rebuild` that are killed, stopped, or run out of disk, at every border and at any moment inside.

After each the run is resumed twice from what was left, on the same machine and on a fresh one that has the destination
alone, and must come to what a run comes to that nothing struck: the same world, at the same instants.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import duckdb

from bench.rounds import Goal
from pipelines.lock import current_holder
from simulator import Switches, TruthPod, WorldConfig
from sources.runai.catalogue import BASIC
from tests.behaviour.scene import OBSERVED, START, Scene, scene
from tests.behaviour.test_nim import start_pod
from tests.trust.blows import HISTOGRAMS, NEWER, STAGES, Stage, dealt
from tests.trust.victim import FULL, Blow, End, Orders, filled_by, make_room, perform, settings_of_the_source
from transforms.sql import literal

MACHINES: Final = ("same", "fresh")
STOP_SECONDS: Final = 5.0
"""How long a run may take to end after SIGTERM or Ctrl-C."""
DISK_MEGABYTES: Final = 192
HOURS_BETWEEN: Final = 6
_LEFTOVERS: Final = (
    *("**/*.wal", "**/*.tmp", "**/*.new", "**/.unfinished-*", "state/lock.json"),
    *("state/dlt/*/*/normalize/[!.e]*", "state/dlt/*/*/normalize/extracted/*", "state/dlt/*/*/load/n*/*"),
)
"""What a run that was struck may leave, and the next one must clear away."""
_DIFFER: Final = {"runs", "pod_counts"}
"""Tables that tell of the runs themselves, of which a struck one is one more."""
_AGREED: Final = {
    "SIGKILL": (-9, ""),
    "SIGTERM": (1, "error: interrupted by SIGTERM; what was committed is kept, and the next run goes on from there."),
    "SIGINT": (1, "error: interrupted by SIGINT; what was committed is kept, and the next run goes on from there."),
}


@dataclass
class Tally:
    """What came of the blows on some stages."""

    # Runs that ended by the blow.
    kills: int = 0
    # Runs that had room enough on a full disk.
    survived: int = 0
    # Blows that came when the run was over.
    too_late: int = 0
    lost: int = 0
    doubled: int = 0
    locks_left: int = 0
    slowest_stop: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kills + other.kills,
            self.survived + other.survived,
            self.too_late + other.too_late,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.locks_left + other.locks_left,
            max(self.slowest_stop, other.slowest_stop),
            self.complaints + other.complaints,
        )


class Theatre:
    """One stage's data directory, what it holds before the blow, and the tables that must come of it."""

    def __init__(self, here: Scene, stage: Stage, home: Path, disk: Path) -> None:
        self.stage = stage
        self._here = here
        self.disk = disk
        self._data = disk / "data"
        self.before, self._struck = home / "before", home / "struck"
        self.twin = home / "twin.duckdb"
        self.calls: dict[str, list[float]] = {}

    def set_up(self) -> None:
        """Let a run be committed, unless the one that is struck is to be the first."""
        if self.stage.is_first:
            self._data.mkdir()
        else:
            _succeed(self._perform())
        _copy(self._data, self.before)

    def go_before(self) -> None:
        """Have ready what is rebuilt, with samples of the upgraded plane; or the leavings of a killed run."""
        if self.stage.command == "rebuild":
            _succeed(self._perform())
            _copy(self._data, self.before)
        if self.stage.killed_at is None:
            return
        end = self._perform(Blow("SIGKILL", self.stage.killed_at))
        if end.code != _AGREED["SIGKILL"][0]:
            raise RuntimeError(f"a run that was to be killed ended with {end.code}: {end.said}")
        if self.stage.command == "prune":
            # On a machine that is no more: nobody finishes its load, and there are dead rows.
            shutil.rmtree(self._data / "state")
            _succeed(self._perform())
        _copy(self._data, self.before)

    def play_calmly(self) -> None:
        """Run as if nothing happened: note what comes of it, and how long each call of what is to be struck took."""
        self.calls = _succeed(self._perform(command=self.stage.command)).calls
        if self.stage.command != "run":
            _copy(self.before, self._data)
            _succeed(self._perform())
        with _published(self._data) as con:
            con.execute(f"attach {literal(self.twin)} as twin")
            for (name,) in con.execute("select table_name from duckdb_tables() union from (show tables)").fetchall():
                con.execute(f"create table twin.{name} as from {name}")

    def strike(self, blow: Blow, machines: Sequence[str] = MACHINES) -> Tally:
        """Let a run be struck, and another one go on from what is left of it, on each of the machines."""
        _copy(self.before, self._data)
        end = self._perform(blow, self.stage.command)
        make_room(self.disk)
        if end.seconds is None and end.code:
            return Tally(complaints=[f"{self.stage}: {blow}: not struck, it ended with {end.code}: {end.last_line}"])
        if end.seconds is None or (end.code == 0 and blow.kind != FULL):
            return Tally(too_late=1)
        tally = self.told_by(blow, end)
        _copy(self._data, self._struck)
        for machine in machines:
            tally += self._resume(machine)
        tally.complaints = [f"{self.stage}: {blow}: {text}" for text in tally.complaints]
        return tally

    def told_by(self, blow: Blow, end: End) -> Tally:
        """What the struck run itself shows: how it ended, how soon, and whether its lock is free."""
        complaints = [] if self._is_as_agreed(blow, end) else [f"ended with {end.code}, {end.last_line!r}"]
        is_signal = blow.kind in {"SIGTERM", "SIGINT"}
        lock = self._data / "state" / "lock.json"
        left = current_holder(lock.parent) is not None or (is_signal and lock.exists())
        slowest = (end.seconds or 0.0) if is_signal else 0.0
        struck = Tally(survived=1) if end.code == 0 else Tally(kills=1)
        return struck + Tally(locks_left=int(left), slowest_stop=slowest, complaints=complaints)

    def _resume(self, machine: str) -> Tally:
        """Let a run go on from what is left, and hold what comes of it against the twin."""
        _copy(self._struck, self._data)
        if machine == "fresh":
            shutil.rmtree(self._data / "state", ignore_errors=True)
            (self._data / "published").unlink(missing_ok=True)
        # What a `prune` leaves, the next one clears away; on the fresh machine, all is made anew of what that leaves.
        # Nobody has to say `rebuild` again: the next run that cron starts goes on.
        for command in ["prune", "run"] if self.stage.command == "prune" else ["run"]:
            resumed = self._perform(command=command)
            if resumed.code:
                return Tally(
                    complaints=[f"{machine}: resumed, {command} ended with {resumed.code}: {resumed.last_line}"]
                )
        left_over = [path.name for pattern in _LEFTOVERS for path in self._data.glob(pattern)]
        # A name that leads to a generation; nothing but a publication under way lends one.
        left_over += [path.name for path in self._data.glob("state/generations/*") if path.is_symlink()]
        complaints = [f"{machine}: left over: {', '.join(left_over)}"] if left_over else []
        lost, doubled = self.differences()
        complaints += [f"{machine}: lost {lost}, doubled {doubled}"] if lost or doubled else []
        return Tally(lost=sum(lost.values()), doubled=sum(doubled.values()), complaints=complaints)

    def _perform(self, blow: Blow | None = None, command: str = "run") -> End:
        here, now = self._here, self._here.clock.now()
        wants_metrics, is_newer = self.stage.metrics != "none", here.simulator.contract.version == NEWER
        types = ",".join([*BASIC, *(HISTOGRAMS if is_newer else ())]) if wants_metrics else "none"
        environment = settings_of_the_source() | {
            "SOURCES__RUNAI__BASE_URL": here.url,
            "SOURCES__RUNAI__API_VERSION": here.simulator.contract.version,
            "SOURCES__RUNAI__CLUSTER_PODS": str(wants_metrics).lower(),
        }
        return perform(
            Orders(self._data, self.stage.destination, types, now, self.disk, blow, command, environment=environment)
        )

    def _is_as_agreed(self, blow: Blow, end: End) -> bool:
        if blow.kind == FULL:
            # What is written last may have fitted in.
            return end.code == 0 or (end.code == 1 and end.last_line.startswith("error: the disk is full ("))
        code, last_line = _AGREED[blow.kind]
        return end.code == code and end.last_line.startswith(last_line)

    def differences(self) -> tuple[dict[str, int], dict[str, int]]:
        """Rows by table that only the twin has, and rows that it has not or has fewer times."""
        with _published(self._data) as con:
            con.execute(f"attach {literal(self.twin)} as twin (read_only)")
            found: list[dict[str, int]] = []
            for here, there in (("twin.", "runai."), ("runai.", "twin.")):
                counts = {}
                names = con.execute("select table_name from duckdb_tables() where database_name = 'twin'").fetchall()
                for name in {name for (name,) in names} - _DIFFER:
                    columns = f"* exclude ({', '.join(OBSERVED)})" if name == "pods" else "*"
                    query = f"select {columns} from {here}{name} except all select {columns} from {there}{name}"
                    counts[name] = con.execute(f"select count(*) from ({query})").fetchall()[0][0]
                found.append({name: count for name, count in counts.items() if count})
        return found[0], found[1]


def play(seed: int) -> list[Goal]:
    """Strike every kind of run at every point and within every phase, two stages at a time."""
    with theatres(seed) as here, ThreadPoolExecutor(2) as pool:
        drawn = dealt({theatre.stage: theatre.calls for theatre in here}, seed)
        tally = sum(pool.map(lambda theatre: _act(theatre, drawn[theatre.stage]), here), Tally())
        disks = " or ".join(sorted({filled_by(theatre.disk) for theatre in here}))
    return goals(tally, wanted=200, disks=disks)


def goals(tally: Tally, wanted: int, disks: str) -> list[Goal]:
    """What a tally must be; `disks` says how disks were filled."""
    found = f"{tally.kills}, and {tally.survived} that went on; disk full by {disks}"
    return [
        Goal("runs ended by kill, stop or full disk", found, f"≥ {wanted}", is_met=tally.kills >= wanted),
        Goal("rows lost", str(tally.lost), "0", is_met=tally.lost == 0),
        Goal("rows doubled or made up", str(tally.doubled), "0", is_met=tally.doubled == 0),
        Goal("locks left", str(tally.locks_left), "0", is_met=tally.locks_left == 0),
        Goal(
            "slowest end after SIGTERM or Ctrl-C",
            f"{tally.slowest_stop:.2f} s",
            f"≤ {STOP_SECONDS:.0f} s",
            is_met=tally.slowest_stop <= STOP_SECONDS,
        ),
        Goal("other complaints", str(len(tally.complaints)), "0", is_met=not tally.complaints),
    ]


@contextmanager
def theatres(seed: int, stages: list[Stage] = STAGES, pods: int = 60) -> Iterator[list[Theatre]]:
    """Worlds, one of them to be upgraded, and a theatre for each stage, ready for blows."""
    with tempfile.TemporaryDirectory(prefix="runai-pods-kills-") as name, ExitStack() as scenes:
        made, disks = [], []
        worlds = {
            newer: scenes.enter_context(scene(Path(name), config=WorldConfig(seed=seed, pods=pods, start=START)))
            for newer in {stage.metrics == "histograms" for stage in stages}
        }
        try:
            for number, stage in enumerate(stages):
                home = Path(name) / str(number)
                disks.append(_small_disk(home / "disk"))
                made.append(Theatre(worlds[stage.metrics == "histograms"], stage, home, disks[-1]))
            running = {newer: _populate(here) for newer, here in worlds.items()}
            for theatre in made:
                theatre.set_up()
            for newer, here in worlds.items():
                here.advance(hours=HOURS_BETWEEN)
                here.world.complete(running[newer][0].id)
                here.world.purge(running[newer][1].id)
                if newer:
                    here.simulator.upgrade(NEWER)
                    here.simulator.switches = Switches(advanced_metrics=True)
            for theatre in made:
                theatre.go_before()
                theatre.play_calmly()
            yield made
        finally:
            for disk in disks:
                if disk.is_mount():
                    _shell("umount", "--lazy", str(disk))


def _populate(here: Scene) -> list[TruthPod]:
    """However quiet the hours are, there are samples to read, a pod that will be over and one that will be gone."""
    start_pod(here, "training", "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.3.3")
    before = here.clock.now() - timedelta(hours=1)
    return here.world.add(3, created_at=before, started_at=before)


def _act(theatre: Theatre, blows: list[Blow]) -> Tally:
    tally = Tally()
    for blow in blows:
        found = theatre.strike(blow)
        tally += found
        for complaint in found.complaints:
            print(complaint, flush=True)
    print(
        f"{theatre.stage}: {tally.kills} kills, {tally.survived} survived, {tally.too_late} too late, "
        f"{len(tally.complaints)} complaints",
        flush=True,
    )
    return tally


def _small_disk(path: Path) -> Path:
    """A directory on a disk of its own, to be filled up; where none may be mounted, on the disk that is there."""
    path.mkdir(parents=True)
    with suppress(OSError, subprocess.CalledProcessError):
        _shell("mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(path))
    return path


def _copy(source: Path, target: Path) -> None:
    """Make one directory as the other is."""
    shutil.rmtree(target, ignore_errors=True)
    # Hard links stay links: generations are made of them.
    _shell("cp", "-a", str(source), str(target))


def _shell(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _succeed(end: End) -> End:
    if end.code:
        raise RuntimeError(f"a run that nothing struck failed: {end.said}")
    return end


@contextmanager
def _published(data_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach {literal(data_dir / 'published' / 'runai.duckdb')} as runai (read_only)")
        con.execute("use runai")
        yield con

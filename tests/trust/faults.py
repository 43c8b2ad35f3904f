"""Every endpoint meets every fault, through the front door, and the table `faults.md` says what must come of it.

A cell is one run after the base: how many requests the endpoint got, whether the run published, its exit code, what the
last line of stderr says (or, of a run that published, its warnings), and in what the tables differ from those of a run
that nothing disturbed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import duckdb

from bench.rounds import Goal
from simulator import Fault, Switches
from tests.sources.raw_server import ok, raw_server
from tests.trust.apart import apart
from tests.trust.compared import Tables, differences, tables
from tests.trust.door import Shown
from tests.trust.tenant import Tenant, tenant
from tests.trust.ways import over_tls, way

TABLE: Final = Path(__file__).with_name("faults.md")
ENDPOINTS: Final = {
    "list": r"^/api/v1/workloads/pods$",
    "count": r"/pods/count$",
    "workload": r"^/api/v1/workloads/[0-9a-f-]+/pods$",
    "revision": r"/revisions/[0-9a-f-]+/pods$",
    "metrics": r"/metrics$",
    "token": r"/token$",
    "clusters": r"^/v1/k8s/clusters/[0-9a-f-]+/pods$",
}
_LATER: Final = {"Retry-After": "17"}
# Where redirects lead, all of it to one port on which nobody may call. The tenant itself is at 127.0.0.1.
LOCATIONS: Final = {
    "301 to another host": "http://localhost:{port}/api/v1/token",
    "302 to another host": "http://localhost:{port}/api/v1/token",
    "303 to no scheme": "//localhost:{port}/api/v1/token",
    "307 to another port": "http://127.0.0.1:{port}/api/v1/token",
    "308 to another host": "http://localhost:{port}/api/v1/token",
    "308 from https to http": "http://127.0.0.1:{port}/api/v1/token",
}
FAULTS: Final = {
    "400": Fault(status=400),
    "401": Fault(status=401),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "405": Fault(status=405),
    "429": Fault(status=429),
    "429 Retry-After": Fault(status=429, headers=_LATER),
    "500": Fault(status=500),
    "502 HTML": Fault(kind="html", status=502),
    "503": Fault(status=503),
    "207": Fault(kind="relabelled", status=207),
    "silence": Fault(kind="timeout"),
    "silence in the body": Fault(kind="stall"),
    "reset": Fault(kind="reset"),
    "reset in the body": Fault(kind="cut"),
    "truncated": Fault(kind="truncated"),
    "200 MB": Fault(kind="huge", size=200_000_000),
    "200 MB in gzip": Fault(kind="bomb", size=200_000_000),
    "gzip": Fault(kind="gzip"),
    "invalid UTF-8": Fault(kind="garbled"),
    "another content type": Fault(kind="relabelled", status=200, content_type="text/csv"),
    "HTML for JSON": Fault(kind="html", status=200),
    **{fault: Fault(kind="html", status=int(fault[:3])) for fault in LOCATIONS},
    "401 once": Fault(status=401, times=1),
    "429 Retry-After once": Fault(status=429, headers=_LATER, times=1),
    "503 once": Fault(status=503, times=1),
    "reset once": Fault(kind="reset", times=1),
    "truncated once": Fault(kind="truncated", times=1),
}
_SHORT_SECONDS: Final = 2.0
_LONG_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Cell:
    """A line of the table: what was disturbed and how, and what comes of it."""

    endpoint: str
    fault: str
    requests: str
    outcome: str
    code: str
    says: str
    tables: str

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{self.endpoint}: {self.fault}"

    def differences(self, found: Cell) -> list[str]:
        """How what was found differs from what this line says; `says` are parts of what was said."""
        pairs = [
            (name, getattr(self, name), getattr(found, name)) for name in ("requests", "outcome", "code", "tables")
        ]
        said = [f"{name} {is_!r}, not {wanted!r}" for name, wanted, is_ in pairs if is_ != wanted]
        if not self._is_said(found.says):
            said.append(f"says {found.says!r}, not {self.says!r}")
        return said

    def _is_said(self, text: str) -> bool:
        """Whether the text holds the parts of `says`, one after the other; nothing is said where that is empty."""
        parts = [re.escape(part) for part in self.says.split(" … ")]
        return bool(re.search(".*".join(parts), text)) if self.says else not text


def table() -> list[Cell]:
    """The cells as they are specified; names that the list above the table explains are written out."""
    text = TABLE.read_text(encoding="utf-8")
    named = dict(re.findall(r"^- (\*.*\*): (.*)$", text, re.MULTILINE))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [Cell(*(part.strip() for part in line.strip("|").split("|"))) for line in lines[2:]]
    return [replace(cell, tables=re.sub(r"\*.*\*", lambda found: named[found[0]], cell.tables)) for cell in cells]


class Matrix:
    """Plays cells against a tenant whose base lies aside."""

    def __init__(self, here: Tenant, folder: Path) -> None:
        self._here = here
        self._base = folder / "base"
        self._folder = folder
        here.keep(self._base)
        self._generation = _generation(here)

    @cached_property
    def _wanted(self) -> Tables:
        """The tables of a run that nothing disturbed; made when they are first needed, in place of what lies there."""
        here = self._here
        here.restore(self._base)
        shown = here.door.run()
        if shown.code != 0 or shown.warnings:
            raise RuntimeError(f"an undisturbed run is no measure: {shown}")
        return _tables(here)

    def play(self, cell: Cell) -> Cell:
        """What comes of the cell's fault."""
        here = self._here
        here.restore(self._base)
        here.simulator.clear_requests()
        here.door.waits.clear()
        if cell.endpoint == "any":
            with way(here, cell.fault, self._folder):
                return self._found(cell, here.door.run(), "")
        if "https" in cell.fault:
            with over_tls(here, "private CA", self._folder):
                return self._disturbed(cell)
        return self._disturbed(cell)

    def _disturbed(self, cell: Cell) -> Cell:
        here = self._here
        fault = replace(FAULTS[cell.fault], path=ENDPOINTS[cell.endpoint])
        here.door.timeout = _SHORT_SECONDS if "silence" in cell.fault else _LONG_SECONDS
        run = here.read_revision if cell.endpoint == "revision" else here.door.run
        with raw_server([ok()] * 9) as elsewhere:
            if cell.fault in LOCATIONS:
                fault = replace(fault, headers={"Location": LOCATIONS[cell.fault].format(port=elsewhere.port)})
            here.simulator.switches = Switches(faults=(fault,))
            shown = run()
            here.simulator.switches = Switches()
        here.door.timeout = _LONG_SECONDS
        found = self._found(cell, shown, fault.path)
        strays = f", {elsewhere.connections} sent elsewhere" if elsewhere.connections else ""
        return replace(found, tables=found.tables + strays)

    def _found(self, cell: Cell, shown: Shown, path: str) -> Cell:
        requests = sum(bool(re.search(path, seen.path)) for seen in self._here.simulator.requests)
        longest = max(self._here.door.waits, default=0.0)
        # Up to a second of jitter comes on top of what the server asks for.
        apart = f" after {int(longest)} s" if longest > 2 else ""
        said = shown.last_line if shown.code else "; ".join(shown.warnings)
        outcome, tables = self._came_of() if cell.endpoint != "revision" else _theirs(self._here)
        return Cell(cell.endpoint, cell.fault, f"{requests}{apart}", outcome, str(shown.code), said, tables)

    def _came_of(self) -> tuple[str, str]:
        outcome = _noted(self._here)
        if _generation(self._here) == self._generation:
            return outcome, "as before"
        # Before what is wanted is made in its place.
        found = _tables(self._here)
        return outcome, differences(self._wanted, found)


def _generation(here: Tenant) -> Path:
    return (here.door.data_dir / "published").resolve()


def _tables(here: Tenant) -> Tables:
    return tables(_generation(here) / "runai.duckdb")


def _noted(here: Tenant) -> str:
    """What the warehouse has noted of the run; "loaded" is followed by a publication."""
    with duckdb.connect(str(here.door.data_dir / "warehouse.duckdb"), read_only=True) as con:
        noted = con.execute("select outcome from raw.runs order by finished_at").fetchall()
    return {"loaded": "published"}.get(noted[-1][0], noted[-1][0]) if len(noted) == 2 else "not noted"


def _theirs(here: Tenant) -> tuple[str, str]:
    """What lies in the database of somebody else's pipeline."""
    with duckdb.connect(str(here.door.data_dir / "theirs.duckdb")) as con:
        if not con.execute("from information_schema.tables where table_name = 'pods'").fetchall():
            return "failed", "nothing"
        (count,) = con.execute("select count(*) from raw.pods").fetchall()[0]
        return "loaded", f"{count} pod"


def misses(folder: Path, cells: Sequence[Cell]) -> list[str]:
    """Play cells, and say how what comes of them differs from the table."""
    with tenant(folder / "data") as here:
        matrix = Matrix(here, folder)
        found = [(cell, cell.differences(matrix.play(cell))) for cell in cells]
    return [f"{cell.name}: {'; '.join(said)}" for cell, said in found if said]


def play(_seed: int) -> list[Goal]:
    """Every cell of the table; nothing in it is left to chance."""
    cells = table()
    with apart() as folder:
        missed = misses(folder, cells)
    for line in missed:
        print(line)
    cells_of = f"{len(ENDPOINTS)} endpoints × {len(FAULTS)} faults, and ways there"
    goal = f"cells of the fault matrix that are as specified, {cells_of}"
    return [Goal(goal, str(len(cells) - len(missed)), str(len(cells)), is_met=bool(cells) and not missed)]

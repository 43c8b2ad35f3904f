"""One demo with a fixed seed and a fixed clock, in a folder of its own, and what the README shows of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import duckdb

from tests.readme.page import Maker, fenced, fences
from tests.readme.reference import reference

ROOT: Final = Path(__file__).resolve().parents[2]
# A Monday. The demo moves its clock on by six hours and then looks: its first look is at `BEGAN`.
BEGAN: Final = "2026-01-19T09:00:00Z"
BEFORE: Final = "2026-01-19T03:00:00Z"
WIDTH: Final = 100


class Session:
    """A terminal in `folder`, whose `data` is the demo's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        state = folder / "data" / "state"
        state.mkdir(parents=True)
        (state / "demo.json").write_text(json.dumps({"began": BEGAN, "at": BEFORE}))

    def makers(self) -> dict[str, Maker]:
        """Everything that a page can ask for, by the name of the block."""
        return {
            "demo": lambda _: self._demo(),
            "demo again": lambda _: self._demo(),
            "tables": lambda _: self._tables(),
            "reference": lambda _: self._reference(),
            "result": lambda before: self._result(fences(before, "sql")[-1]),
        }

    def python(self, code: str) -> None:
        """Run a Python block of the page where it would be run.

        Raises:
            RuntimeError: it failed; its traceback is in the message.
        """
        self._run("-c", code)

    def _demo(self) -> str:
        script = str(ROOT / "pipelines" / "pods_pipeline.py")
        said = self._run(script, "run", "--demo", "--progress", "none", "--data-dir", "data")
        said = said.replace(sys.executable, ".venv/bin/python").replace(f"{ROOT}{os.sep}", "")
        return fenced("console", "$ make demo\n" + said.replace(" --data-dir data", ""))

    def _tables(self) -> str:
        with self._published() as con:
            rows = con.sql(
                """
                select table_name, regexp_extract(comment, '^One row per ([^.]+)', 1)
                from (
                    select table_name, comment from duckdb_tables() where not internal
                    union all select view_name, comment from duckdb_views() where not internal
                )
                order by table_name <> 'pods', table_name
                """
            ).fetchall()
        return "\n".join(["| table | one row per |", "|---|---|", *(f"| `{name}` | {grain} |" for name, grain in rows)])

    def _reference(self) -> str:
        with self._published() as con:
            return reference(con)

    def _result(self, query: str) -> str:
        with self._published() as con, contextlib.redirect_stdout(io.StringIO()) as shown:
            answer = con.sql(query)
            if not len(answer):
                raise RuntimeError(f"a question without an answer shows nothing:\n{query}")
            answer.show(max_width=WIDTH, max_rows=20)
        return fenced("text", shown.getvalue())

    def _published(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(str(self._folder / "data" / "published" / "runai.duckdb"), read_only=True)
        con.execute("set TimeZone = 'UTC'")
        return con

    def _run(self, *arguments: str) -> str:
        foreign = ("SOURCES__", "DESTINATION__", "DLT_", "COLUMNS", "FORCE_COLOR")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment |= {"DLT_PROJECT_DIR": str(self._folder), "DLT_DATA_DIR": str(self._folder), "TZ": "UTC"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

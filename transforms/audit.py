"""Data tests: queries that must return no row, one per file in `tests/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import duckdb

from transforms import models, runner, series
from transforms.database import HERE
from transforms.errors import ModelError
from transforms.sql import count

_SEVERITY = re.compile(r"^-- severity: (error|warn)$", re.MULTILINE)
_SCOPE = re.compile(r"^-- looks at: (everything|changed pods|changed days)$", re.MULTILINE)
_SHOWN = 5
# Some tests show whole rows.
_LONGEST = 160

Severity = Literal["error", "warn"]
Scope = Literal["everything", "changed pods", "changed days"]


@dataclass(frozen=True)
class DataTest:
    """A query that must return no row, and what it means when it does."""

    name: str
    severity: Severity
    message: str
    scope: Scope
    sql: str


@dataclass(frozen=True)
class Finding:
    """A data test that returned rows: how many, and up to five of them."""

    name: str
    severity: Severity
    message: str
    count: int
    rows: list[dict[str, Any]]

    def told(self, at_most: int = _SHOWN) -> str:
        """What is wrong, in how many rows, and some of these, as one line: `Twice. 2 rows, such as: pod_id a`."""
        if not self.rows:
            return self.message
        number = "1 row" if self.count == 1 else f"{self.count:,} rows"
        such_as = ", such as" if self.count > at_most else ""
        return f"{self.message} {number}{such_as}: {'; '.join(map(_in_words, self.rows[:at_most]))}"


def _in_words(row: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {'null' if value is None else value}" for name, value in row.items())
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


@cache
def data_tests() -> tuple[DataTest, ...]:
    """Return every data test, sorted by name."""
    files = sorted((HERE / "tests").glob("*.sql"))
    return tuple(parse(file.stem, file.read_text(encoding="utf-8")) for file in files)


def parse(name: str, text: str) -> DataTest:
    """Read a data test: a message in its first line, then `-- severity: ` and `-- looks at: `."""
    severity, scope = _SEVERITY.search(text), _SCOPE.search(text)
    message = text.splitlines()[0].removeprefix("--").strip()
    if severity is None or scope is None or not message:
        raise ModelError(f"tests/{name}.sql needs a message in its first line, a severity and what it looks at")
    return DataTest(name, cast("Severity", severity[1]), message, cast("Scope", scope[1]), text)


def audit(con: duckdb.DuckDBPyConnection, folder: Path) -> list[Finding]:
    """Run every data test over the marts, the build database and the series in `folder`; errors come first.

    A test of what each pod looks like needs to see only the pods that differ from the last publication, and one of
    samples and hours only the days of which some arrived: the cost does not grow with the history.
    """
    con.execute("set search_path = 'marts.main,build.main'")
    try:
        findings = _run_all(con, "everything")
        with runner.workspace(con):
            _restrict(con)
            findings += _run_all(con, "changed pods")
        with runner.workspace(con):
            if series.show_unpublished(con, folder):
                findings += _run_all(con, "changed days")
    finally:
        con.execute("set search_path = 'build.main'")
    return sorted(findings, key=lambda finding: (finding.severity, finding.name))


def _restrict(con: duckdb.DuckDBPyConnection) -> None:
    """Put the rows of unpublished pods before the tests; where these are most of all pods, the tables themselves."""
    if 2 * count(con, "build.main.unpublished_pods") > count(con, "build.main.built_pods"):
        return
    con.execute("create temp view unpublished as select pod_id from build.main.unpublished_pods")
    runner.restrict(con, "unpublished", as_="view")
    for mart in models.marts():
        if mart.rebuilt_by == "pod_id":
            con.execute(
                f"create temp table {mart.name} as select * from marts.main.{mart.name}"
                f" where {mart.pod_column} in (from temp.unpublished)"
            )


def _run_all(con: duckdb.DuckDBPyConnection, scope: Scope) -> list[Finding]:
    found = (_run(con, test) for test in data_tests() if test.scope == scope)
    return [finding for finding in found if finding]


def _run(con: duckdb.DuckDBPyConnection, test: DataTest) -> Finding | None:
    result = con.execute(f"select *, count(*) over () from ({test.sql}\n) limit {_SHOWN}")
    names = [column[0] for column in result.description or ()]
    rows = result.fetchall()
    if not rows:
        return None
    shown = [dict(zip(names[:-1], row[:-1], strict=True)) for row in rows]
    return Finding(test.name, test.severity, test.message, int(rows[0][-1]), shown)

"""Data tests: queries that must return no row, one per file in `tests/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import duckdb

from transforms import models, runner
from transforms.database import HERE
from transforms.errors import ModelError
from transforms.sql import count

_SEVERITY = re.compile(r"^-- severity: (error|warn)$", re.MULTILINE)
_SCOPE = re.compile(r"^-- looks at: (everything|changed pods)$", re.MULTILINE)
_SHOWN = 5

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class DataTest:
    """A query that must return no row, and what it means when it does."""

    name: str
    severity: Severity
    message: str
    only_changed_pods: bool
    sql: str


@dataclass(frozen=True)
class Finding:
    """A data test that returned rows: how many, and up to five of them."""

    name: str
    severity: Severity
    message: str
    count: int
    rows: list[dict[str, Any]]


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
    return DataTest(name, "error" if severity[1] == "error" else "warn", message, scope[1] == "changed pods", text)


def audit(con: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Run every data test over the marts and the build database; errors come first.

    A test of what each pod looks like needs to see only the pods that differ from the last publication.
    """
    con.execute("set search_path = 'marts.main,build.main'")
    try:
        findings = [_run(con, test) for test in data_tests() if not test.only_changed_pods]
        with runner.workspace(con):
            _restrict(con)
            findings += [_run(con, test) for test in data_tests() if test.only_changed_pods]
    finally:
        con.execute("set search_path = 'build.main'")
    found = [finding for finding in findings if finding]
    return sorted(found, key=lambda finding: (finding.severity, finding.name))


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


def _run(con: duckdb.DuckDBPyConnection, test: DataTest) -> Finding | None:
    result = con.execute(f"select *, count(*) over () from ({test.sql}\n) limit {_SHOWN}")
    names = [column[0] for column in result.description or ()]
    rows = result.fetchall()
    if not rows:
        return None
    shown = [dict(zip(names[:-1], row[:-1], strict=True)) for row in rows]
    return Finding(test.name, test.severity, test.message, int(rows[0][-1]), shown)

"""Data tests: queries that must return no row, one per file in `tests/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import duckdb

from transforms.database import HERE
from transforms.errors import ModelError

_SEVERITY = re.compile(r"^-- severity: (error|warn)$", re.MULTILINE)
_SHOWN = 5

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class DataTest:
    """A query that must return no row, and what it means when it does."""

    name: str
    severity: Severity
    message: str
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
    """Read a data test: its first comment line is the message, `-- severity: error` or `warn` the consequence."""
    found = _SEVERITY.search(text)
    message = text.splitlines()[0].removeprefix("--").strip()
    if found is None or not message:
        raise ModelError(f"tests/{name}.sql needs a message in its first line and a severity")
    severity: Severity = "error" if found[1] == "error" else "warn"
    return DataTest(name, severity, message, text)


def audit(con: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Run every data test over the marts and the build database; errors come first."""
    con.execute("set search_path = 'marts.main,build.main'")
    try:
        findings = [finding for test in data_tests() if (finding := _run(con, test))]
    finally:
        con.execute("set search_path = 'build.main'")
    return sorted(findings, key=lambda finding: (finding.severity, finding.name))


def _run(con: duckdb.DuckDBPyConnection, test: DataTest) -> Finding | None:
    result = con.execute(f"select *, count(*) over () from ({test.sql}\n) limit {_SHOWN}")
    names = [column[0] for column in result.description or ()]
    rows = result.fetchall()
    if not rows:
        return None
    shown = [dict(zip(names[:-1], row[:-1], strict=True)) for row in rows]
    return Finding(test.name, test.severity, test.message, int(rows[0][-1]), shown)

"""Runs models over a few pods at a time, so that no model has to know which pods changed.

A model reads unqualified names. What it reads of a pod is put before it as a temporary view or table of the same name
that holds the wanted pods only; temporary names come first when DuckDB resolves a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import duckdb

from transforms.errors import ModelError
from transforms.models import Model
from transforms.sql import literal

# Which column of an input says the pod that a row belongs to.
POD_COLUMN = {
    "raw_pods": "id",
    "raw_pod_absences": "pod_id",
    "raw_cluster_pods": "pod_id",
    "known_pods": "pod_id",
    "metric_spans": "pod_id",
    "metric_gaps": "pod_id",
}


@contextmanager
def workspace(con: duckdb.DuckDBPyConnection, kept: str = "") -> Iterator[None]:
    """Drop every temporary table and view but `kept` that was made inside when done, whatever happened."""
    before = _temporary(con)
    try:
        yield
    finally:
        for kind, name in _temporary(con):
            if (kind, name) not in before and name != kept:
                con.execute(f'drop {kind} temp."{name}"')


def _temporary(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return kind and name of what is temporary, views first, for they read the tables."""
    return con.execute(
        """
        select 'view', view_name from duckdb_views() where database_name = 'temp' and not internal
        union all
        select 'table', table_name from duckdb_tables() where database_name = 'temp'
        """
    ).fetchall()


def restrict(
    con: duckdb.DuckDBPyConnection, pods: str, as_: Literal["view", "table"], inputs: Iterable[str] = tuple(POD_COLUMN)
) -> None:
    """Put before the models the rows of those pods only that the temporary table `pods` lists."""
    for name in inputs:
        con.execute(
            f"create or replace temp {as_} {name} as"
            f" select * from build.main.{name} where {POD_COLUMN[name]} in (select pod_id from temp.{pods})"
        )


def restrict_mart(con: duckdb.DuckDBPyConnection, pods: str, mart: Model) -> None:
    """Put a mart's present rows of those pods only before the models and tests that read it."""
    con.execute(
        f"create or replace temp view {mart.name} as"
        f" select * from marts.main.{mart.name} where {mart.pod_column} in (from temp.{pods})"
    )


def restrict_to(con: duckdb.DuckDBPyConnection, name: str, rows: str) -> None:
    """Put these rows before the models that read an input of this name."""
    con.execute(f"create or replace temp view {name} as from {rows}")


def run(con: duckdb.DuckDBPyConnection, model: Model, as_: Literal["view", "table"] = "table") -> None:
    """Make the model's rows readable under its name; a model with declared columns gets exactly these, or fails."""
    con.execute(f"create or replace temp {as_} {model.name} as {model.sql}")
    if not model.columns:
        return
    found = con.sql(f"from temp.{model.name} limit 0").columns
    declared = [column.name for column in model.columns]
    if found != declared:
        raise ModelError(f"{model.name}.sql selects {found}, its header declares {declared}")


def create(con: duckdb.DuckDBPyConnection, database: str, models: Iterable[Model]) -> None:
    """Create the models' tables, with their comments."""
    for model in models:
        table = f"{database}.main.{model.name}"
        comments = [
            f"comment on column {table}.{column.name} is {literal(column.comment)};" for column in model.columns
        ]
        con.execute(
            f"create table {table} ({column_list(model)});"
            f"comment on table {table} is {literal(model.grain)};"
            f"{''.join(comments)}"
        )


def column_list(model: Model) -> str:
    """Return the declared columns as they stand in a `create table`."""
    return ", ".join(f"{column.name} {column.type}" for column in model.columns)

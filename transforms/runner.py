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
_POD_COLUMN = {"raw_pods": "id", "raw_pod_absences": "pod_id", "raw_cluster_pods": "pod_id", "known_pods": "pod_id"}


@contextmanager
def workspace(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Drop every temporary table and view when done, whatever happened."""
    try:
        yield
    finally:
        for kind in ("view", "table"):
            names = con.execute(
                f"select {kind}_name from duckdb_{kind}s() where database_name = 'temp' and not internal"
            ).fetchall()
            for (name,) in names:
                con.execute(f'drop {kind} if exists temp."{name}"')


def restrict(
    con: duckdb.DuckDBPyConnection, pods: str, as_: Literal["view", "table"], inputs: Iterable[str] = tuple(_POD_COLUMN)
) -> None:
    """Put before the models the rows of those pods only that the temporary table `pods` lists."""
    for name in inputs:
        con.execute(
            f"create or replace temp {as_} {name} as"
            f" select * from build.main.{name} where {_POD_COLUMN[name]} in (select pod_id from temp.{pods})"
        )


def run(con: duckdb.DuckDBPyConnection, model: Model, as_: Literal["view", "table"] = "table") -> None:
    """Make the model's rows readable under its name; a model with declared columns gets exactly these, or fails."""
    if not model.columns:
        con.execute(f"create or replace temp {as_} {model.name} as {model.sql}")
        return
    found = con.sql(model.sql).columns
    declared = [column.name for column in model.columns]
    if found != declared:
        raise ModelError(f"{model.name}.sql selects {found}, its header declares {declared}")
    con.execute(f"create or replace temp table {model.name} ({column_list(model)})")
    con.execute(f"insert into temp.{model.name} {model.sql}")


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

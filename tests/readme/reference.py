"""`docs/tables.md`: what every published table is, from the headers of its models, and a row of the demo's world."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import duckdb

from transforms import models
from transforms.models import Column, Model
from transforms.sql import literal

CUT: Final = 40
"""Longest example, in characters."""

# What a number is counted in, told by the name of its column or else by its comment; the first that fits counts.
_UNITS: Final = (
    (r"gpu_seconds$", "GPU-seconds"),
    (r"gpu_hours$", "GPU-hours"),
    (r"(^|_)wait_hours$", "pod-hours"),
    (r"_seconds$", "seconds"),
    (r"_hours$", "hours"),
    (r"_bytes$", "bytes"),
    (r"_cores(_|$)", "cores"),
    (r"_percent(_|$)", "percent"),
    (r"(^|_)coverage$", "share, 0 to 1"),
    (r"(^|_)gpu(_avg|_p50|_p95|_max)?$", "GPUs"),
)
_UNITS_IN_WORDS: Final = (
    (r"\bin bytes\b", "bytes"),
    (r"\bin percent\b", "percent"),
    (r"\bin the unit of `metric_catalogue`", "by `metric_catalogue`"),
    (r"^(Least|Greatest|Mean|Median|95th percentile) (value|of the values)", "by `metric_catalogue`"),
    (r"^(Amount|Limit)\b", "by `unit`"),
)
_NUMBERS: Final = ("double", "bigint", "decimal", "integer")
# What is kept between runs besides the models: who wrote it.
_BOOKS: Final = {
    "metric_spans": ("raw_metric_windows",),
    "metric_steps": ("raw_metric_windows",),
    "metric_gaps": ("raw_metric_windows",),
    "metrics_off": ("raw_metric_windows",),
    "metric_ranges": ("raw_pod_metrics",),
    "touched_samples": ("raw_pod_metrics",),
}
# What no two runs share: the machine's clock, and how the work was cut.
_VOLATILE: Final = {
    "runs": {
        "run_id",
        "started_at",
        "finished_at",
        "requests",
        "retries",
        "arguments",
        "read_seconds",
        "load_seconds",
        "version",
    },
}


@dataclass(frozen=True)
class Lineage:
    """What a table is made of, each in alphabetical order."""

    published: list[str]
    models: list[str]
    raw: list[str]
    settings: list[str]


def reference(con: duckdb.DuckDBPyConnection) -> str:
    """The page's generated part: an index, then a section per table. `con` reads a published database."""
    tables = sorted(published(), key=lambda model: (model.name != "pods", model.name))
    pod_id = _pod(con, tables)
    index = ["| table | one row per |", "|---|---|", *(_in_index(model) for model in tables)]
    return "\n\n".join(["\n".join(index), *(_section(con, model, pod_id) for model in tables)])


def published() -> tuple[Model, ...]:
    """Every model whose rows are published."""
    return (*models.marts(), *models.series())


def unit(column: Column) -> str:
    """What a number is counted in, or nothing."""
    if column.type == "timestamptz":
        return "UTC"
    if not column.type.startswith(_NUMBERS):
        return ""
    by_name = (found for pattern, found in _UNITS if re.search(pattern, column.name))
    in_words = (found for pattern, found in _UNITS_IN_WORDS if re.search(pattern, column.comment))
    return next(by_name, None) or next(in_words, "")


def lineage(model: Model) -> Lineage:
    """What a table is made of, down to the raw tables; other published tables are named and not followed."""
    names, leaves = set[str](), set[str]()
    waiting = list(model.inputs)
    others = {other.name for other in published()} - {model.name}
    while waiting:
        name = waiting.pop()
        if name in names or name in leaves:
            continue
        if name in others or name not in _every():
            leaves.add(name)
            waiting.extend(_BOOKS.get(name, ()))
        else:
            names.add(name)
            waiting.extend(_every()[name].inputs)
    raw = {name for name in leaves if name.startswith("raw_")}
    return Lineage(
        published=sorted(leaves & others),
        models=sorted(names),
        raw=sorted(name.removeprefix("raw_") for name in raw),
        settings=sorted(leaves - raw - others - _BOOKS.keys()),
    )


def example(con: duckdb.DuckDBPyConnection, model: Model, pod_id: str) -> dict[str, str]:
    """A row by column, as text: one of the pod where it has any, of these the one with most to show."""
    shown = [column.name for column in model.columns if column.name not in _VOLATILE.get(model.name, ())]
    names = ", ".join(f'"{name}"' for name in shown)
    told = " + ".join(f'("{name}" is not null)::integer' for name in shown)
    of_pod = f"pod_id = {literal(pod_id)} desc, " if _is_of_pods(model) else ""
    row = con.execute(f"select {names} from {model.name} order by {of_pod}{told} desc, {names} limit 1").fetchone()
    if row is None:
        return {}
    values = dict(zip(shown, map(_text, row), strict=True))
    return {column.name: values.get(column.name, "*differs*") for column in model.columns}


@cache
def _every() -> dict[str, Model]:
    folders = (models.staging(), models.marts(), models.usage(), models.series())
    return {model.name: model for folder in folders for model in folder}


def _is_of_pods(model: Model) -> bool:
    return any(column.name == "pod_id" for column in model.columns)


def _pod(con: duckdb.DuckDBPyConnection, tables: Iterable[Model]) -> str:
    """The pod that is in most tables, and of these one with many GPUs: its rows show how they join."""
    having = [model.name for model in tables if _is_of_pods(model)]
    found = con.execute(
        f"""
        select pod_id
        from ({" union all ".join(f"select distinct pod_id from {name}" for name in having)})
        left join pods using (pod_id)
        group by pod_id
        order by count(*) desc, max(pods.allocated_gpu) desc nulls last, pod_id
        limit 1
        """
    )
    return str((found.fetchone() or ("",))[0])


def _in_index(model: Model) -> str:
    return f"| [`{model.name}`](#{model.name}) | {_cell(_per(model))} |"


def _per(model: Model) -> str:
    """The grain without its first words and its stop."""
    return model.grain.removeprefix("One row per ").rstrip(".")


def _section(con: duckdb.DuckDBPyConnection, model: Model, pod_id: str) -> str:
    row = example(con, model, pod_id)
    lines = [
        "| column | type | unit | meaning | example |",
        "|---|---|---|---|---|",
        *(_line(column, row) for column in model.columns),
    ]
    parts = [f"## {model.name}", model.grain, *_made_of(lineage(model)), "\n".join(lines)]
    return "\n\n".join(parts)


def _made_of(found: Lineage) -> Iterator[str]:
    parts = {
        "published tables": found.published,
        "models": found.models,
        "raw tables": found.raw,
        "settings": found.settings,
    }
    told = [f"{kind} {', '.join(f'`{name}`' for name in names)}" for kind, names in parts.items() if names]
    if told:
        yield f"Made of: {'; '.join(told)}."


def _line(column: Column, row: dict[str, str]) -> str:
    shown = row.get(column.name, "")
    return f"| `{column.name}` | {column.type} | {unit(column)} | {_cell(column.comment)} | {_cell(shown)} |"


def _text(value: Any) -> str:
    """A value as it is shown: cut where it is long, nothing where it is null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value).removesuffix("+00:00")
    # A line would end the table's row, and a pipe its cell.
    text = " ".join(text.replace("`", "'").split())
    return f"`{text if len(text) <= CUT else text[: CUT - 1] + '…'}`" if text else "*empty*"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

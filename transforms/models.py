"""SQL models as files: what their headers promise, what they read, and the order that follows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Literal, cast

from transforms.errors import ModelError

_HERE = Path(__file__).parent
# In lower case, or as the FOCUS specification has it: `BilledCost`, and `x_NodePoolName` for what it does not know.
_NAME = r"[a-z_0-9]+|(?:x_)?(?:[A-Z][a-z0-9]*)+"
_COLUMN = re.compile(rf"(?P<name>{_NAME}) (?P<type>[a-z]+(\([0-9, ]+\))?): (?P<comment>.+)")
_IMPORT = re.compile(r"\b([a-z_0-9]+) as \(select \* from \1\)")
_REBUILT_BY = re.compile(r"rebuilt by: (?P<unit>pod_id|whole|day)(?:, named (?P<name>[A-Za-z]+))?")


@dataclass(frozen=True)
class Column:
    """A published column: its name, DuckDB type and comment."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Model:
    """One `select` in one file. Models that are kept declare columns and unit of rebuild; other staging does not."""

    name: str
    grain: str
    sql: str
    inputs: frozenset[str]
    columns: tuple[Column, ...] = ()
    rebuilt_by: Literal["pod_id", "whole", "day"] | None = None
    pod_column: str = "pod_id"


@cache
def staging() -> tuple[Model, ...]:
    """Return the staging models, each after what it reads."""
    return _ordered(_folder("staging"))


@cache
def marts() -> tuple[Model, ...]:
    """Return the published models, each after what it reads."""
    models = _ordered(_folder("marts"))
    for model in models:
        if not model.columns or model.rebuilt_by is None:
            raise ModelError(f"marts/{model.name}.sql declares no columns or no unit of rebuild in its header")
    return models


@cache
def ledger() -> tuple[Model, ...]:
    """Return the models of what asking for metrics came to, each after what it reads."""
    return _ordered(_folder("ledger"))


@cache
def planning() -> tuple[Model, ...]:
    """Return the models of what is to be asked for, each after what it reads."""
    return _ordered(_folder("planning"))


@cache
def series() -> tuple[Model, ...]:
    """Return the models whose rows are kept by UTC day in Parquet alone."""
    return _ordered(_folder("series"))


@cache
def usage() -> tuple[Model, ...]:
    """Return the models of what each pod used by the day, each after what it reads; those that are kept have columns.

    They read marts, are rebuilt with the pods, and are what marts about days and about more than one pod are made of.
    """
    return _ordered(_folder("usage"))


@cache
def shared() -> frozenset[str]:
    """Return the names that several models read: worth to be computed once."""
    readers = Counter(name for model in (*staging(), *marts(), *usage()) for name in model.inputs)
    return frozenset(name for name, count in readers.items() if count > 1)


def upstream(wanted: str) -> tuple[Model, ...]:
    """Return the model of this name and the models that it needs, in the order in which to run them."""
    every = {model.name: model for model in (*staging(), *marts(), *usage())}
    needed, open_names = set(), [wanted]
    while open_names:
        name = open_names.pop()
        if name in every and name not in needed:
            needed.add(name)
            open_names.extend(every[name].inputs)
    return tuple(model for model in every.values() if model.name in needed)


def sources(model: Model) -> frozenset[str]:
    """Return the names below a model that are no staging models or marts computed from others."""
    every = upstream(model.name)
    return frozenset().union(*(one.inputs for one in every)) - {one.name for one in every}


def staging_of(wanted: Iterable[Model]) -> tuple[Model, ...]:
    """Return the staging models that these marts need while the other marts are there, in the order to run them."""
    every = {model.name: model for model in staging()}
    needed: set[str] = set()
    open_names = {name for model in wanted for name in model.inputs}
    while open_names:
        name = open_names.pop()
        if name in every and name not in needed:
            needed.add(name)
            open_names |= every[name].inputs
    return tuple(model for model in every.values() if model.name in needed)


def in_order(wanted: Iterable[Model]) -> tuple[Model, ...]:
    """Return these models, each after what it reads of the others."""
    return _ordered(list(wanted))


def parse(name: str, text: str) -> Model:
    """Read a model from its file's text: header paragraphs, then one `select`."""
    paragraphs = _header(text)
    if not paragraphs:
        raise ModelError(f"{name}.sql does not say in its first line what one row is")
    columns: tuple[Column, ...] = ()
    unit: Literal["pod_id", "whole", "day"] | None = None
    pod_column = "pod_id"
    for paragraph in paragraphs[1:]:
        if found := _REBUILT_BY.fullmatch(" ".join(paragraph)):
            unit = cast("Literal['pod_id', 'whole', 'day']", found["unit"])
            pod_column = found["name"] or pod_column
        else:
            columns = columns or _columns(paragraph)
    return Model(
        name=name,
        grain=" ".join(paragraphs[0]),
        sql=text,
        # To have each `select` parsed, rather than its import CTEs found, took a tenth of a second of every run.
        inputs=frozenset(_IMPORT.findall(text)),
        columns=columns,
        rebuilt_by=unit,
        pod_column=pod_column,
    )


def _folder(folder: str) -> list[Model]:
    files = sorted((_HERE / folder).glob("*.sql"))
    return [parse(file.stem, file.read_text(encoding="utf-8")) for file in files]


def _ordered(models: list[Model]) -> tuple[Model, ...]:
    by_name = {model.name: model for model in models}
    # Sorted, so that equal files give an equal order.
    graph = {name: sorted(model.inputs & by_name.keys()) for name, model in sorted(by_name.items())}
    return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())


def _header(text: str) -> list[list[str]]:
    """Return the comment at the top as paragraphs of lines; an indented line continues the one before."""
    paragraphs: list[list[str]] = [[]]
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        body = line[2:]
        if not body.strip():
            paragraphs.append([])
        elif body.startswith("     ") and paragraphs[-1]:
            paragraphs[-1][-1] += " " + body.strip()
        else:
            paragraphs[-1].append(body.strip())
    return [paragraph for paragraph in paragraphs if paragraph]


def _columns(paragraph: list[str]) -> tuple[Column, ...]:
    found = [_COLUMN.fullmatch(line) for line in paragraph]
    return tuple(Column(m["name"], m["type"], m["comment"]) for m in found if m) if all(found) else ()

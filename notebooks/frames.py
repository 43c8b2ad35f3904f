"""Published tables as pandas frames, in which what is missing stays missing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

KINDS: Final = ("used", "idle", "unknown")
"""What the allocated hours are made of, in the order in which they are drawn."""
_HOURS: Final = [f"{kind}_gpu_hours" for kind in ("allocated", *KINDS, "unseen")]


def read(generation: Path, sql: str, **values: Any) -> pd.DataFrame:
    """Return what a query answers; instants are in UTC.

    The connection ends with the query, so that a notebook that is left open holds nothing.
    """
    with duckdb.connect(generation / "runai.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        return con.execute(sql, values).df()


def totals(usage: pd.DataFrame, by: str) -> pd.DataFrame:
    """Add up the GPU-hours of `gpu_usage_daily` by a column; `coverage` is the share of which the use is known.

    What nobody saw is missing, never 0: `used` and `idle` where no sample covers any hour, `allocated` and `unknown`
    where pods ran and their allocation was not seen.
    """
    added = usage.groupby(by, dropna=False)[[*_HOURS, "unseen_pods"]].sum()
    added.columns = [name.removesuffix("_gpu_hours") for name in added.columns]
    known = added["used"] + added["idle"]
    added["coverage"] = known / added["allocated"].where(added["allocated"] > 0)
    added[["used", "idle"]] = added[["used", "idle"]].where(known > 0)
    is_seen = (added["allocated"] > 0) | (added["unseen_pods"] == 0)
    added[["allocated", "unknown"]] = added[["allocated", "unknown"]].where(is_seen)
    return added.drop(columns="unseen_pods").reset_index()


def in_kinds(hours: pd.DataFrame) -> pd.DataFrame:
    """Return totals with a row per kind of hour, `gpu_hours` and its `place`; what is missing has no row."""
    rest = [name for name in hours.columns if name not in KINDS]
    long = hours.melt(rest, list(KINDS), var_name="kind", value_name="gpu_hours").dropna(subset=["gpu_hours"])
    return long.assign(place=long["kind"].map(KINDS.index))


def with_gaps(samples: pd.DataFrame) -> pd.DataFrame:
    """Return samples in order, an empty one where more than two usual steps have none: there, a line breaks."""
    ordered = samples.sort_values(["gpu", "sampled_at"], ignore_index=True)
    steps = ordered.groupby("gpu", dropna=False)["sampled_at"].diff()
    usual = steps.dropna().median()
    late = ordered[steps > 2 * usual]
    gaps = late.assign(sampled_at=late["sampled_at"] - usual, value=math.nan)
    return pd.concat([ordered, gaps]).sort_values(["gpu", "sampled_at"], ignore_index=True)


def say(value: float, form: str = ",.1f") -> str:
    """Return a number as text, a dash where it is missing."""
    return "–" if math.isnan(value) else format(value, form)

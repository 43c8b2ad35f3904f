"""The charts of the notebooks. What is not known has a colour of its own, and what is missing has no mark."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import pandas as pd

from notebooks.frames import KINDS, in_kinds, with_gaps

_KINDS: Final = alt.Scale(domain=list(KINDS), range=["#1a6fb0", "#c65d00", "#9aa5b1"])
_WAITS: Final = {"median": "#1a6fb0", "95th percentile": "#0a2f52"}
_WIDE: Final = 48
"""Pixels that the vertical axis takes, so that the columns of two charts of the same days stand below each other."""
_SHORTEST: Final = 1 / 60
"""Minutes: a wait of less than a second would lie left of a logarithmic axis."""


def by_day(hours: pd.DataFrame) -> alt.Chart:
    """Draw totals by `day` as stacked columns; a day of which nothing is known stays empty."""
    day = alt.Tooltip("day:N")
    return _stacked(in_kinds(_with_text(hours)), day).encode(
        _days(hours), alt.Y("gpu_hours:Q", title="GPU-hours", axis=alt.Axis(minExtent=_WIDE))
    )


def coverage(hours: pd.DataFrame) -> alt.Chart:
    """Draw by `day` the share of the hours of which the use is known, to stand below `by_day`."""
    chart: alt.Chart = (
        alt.Chart(_with_text(hours).dropna(subset=["coverage"]))
        .mark_bar(color="#3d4a58")
        .encode(
            _days(hours),
            alt.Y(
                "coverage:Q",
                title="known",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", tickCount=2, minExtent=_WIDE),
            ),
            tooltip=["day:N", alt.Tooltip("coverage:Q", format=".0%")],
        )
        .properties(width="container", height=44)
    )
    return chart


def by_project(hours: pd.DataFrame) -> alt.Chart:
    """Draw totals by `project_name` as stacked bars, in the order of the frame."""
    order = list(hours["project_name"])
    return (
        _stacked(in_kinds(hours), alt.Tooltip("project_name:N", title="project"))
        .encode(
            alt.X("gpu_hours:Q", title="GPU-hours", axis=alt.Axis(tickCount=8)),
            alt.Y("project_name:N", sort=order, title=None, axis=alt.Axis(labelLimit=240)),
        )
        .properties(height=alt.Step(22))
    )


def waits(pools: pd.DataFrame) -> alt.LayerChart:
    """Draw `median_minutes` and `p95_minutes` by `node_pool`, on a logarithmic axis."""
    renamed = pools.rename(columns={"median_minutes": "median", "p95_minutes": "95th percentile"})
    points = renamed.melt(["node_pool", "pods", "waiting"], list(_WAITS), var_name="of its pods", value_name="minutes")
    points["shown"] = points["minutes"].clip(lower=_SHORTEST)
    base = alt.Chart(points).encode(
        alt.X("shown:Q", scale=alt.Scale(type="log"), title="minutes", axis=alt.Axis(format="~s")),
        alt.Y("node_pool:N", sort=list(pools["node_pool"]), title=None, axis=alt.Axis(labelLimit=240)),
    )
    spans = base.mark_line(color="#c3ccd6", strokeWidth=4).encode(detail="node_pool:N")
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        alt.Color(
            "of its pods:N",
            scale=alt.Scale(domain=list(_WAITS), range=list(_WAITS.values())),
            legend=alt.Legend(orient="top", title=None),
        ),
        tooltip=["node_pool", "of its pods", alt.Tooltip("minutes:Q", format=",.1f"), "pods", "waiting"],
    )
    chart: alt.LayerChart = (spans + dots).properties(width="container", height=alt.Step(28))
    return chart


def samples(frame: pd.DataFrame) -> alt.Chart:
    """Draw `value` by `sampled_at`, a line per `gpu`, in the `unit` of the frame; a line breaks at gaps."""
    unit = str(frame["unit"].iloc[0])
    scale: Any = alt.Scale(domain=[0, 100]) if unit == "percent" else alt.Undefined
    lines = with_gaps(frame.assign(gpu=frame["gpu"].astype("string").fillna("all of the pod")))
    chart: alt.Chart = (
        alt.Chart(lines)
        .mark_line(strokeWidth=1.2)
        .encode(
            alt.X("utcyearmonthdatehoursminutesseconds(sampled_at):T", title="UTC", axis=alt.Axis(format="%H:%M")),
            alt.Y("value:Q", title=unit, scale=scale, axis=alt.Axis(format="~s")),
            alt.Color("gpu:N", title="GPU", legend=alt.Legend(orient="top")),
        )
        .properties(width="container", height=220)
    )
    return chart


def _with_text(hours: pd.DataFrame) -> pd.DataFrame:
    """Days as text: a browser moves instants to its own time zone."""
    return hours.assign(day=hours["day"].dt.strftime("%Y-%m-%d"))


def _days(hours: pd.DataFrame) -> alt.X:
    """Return an axis with every day of the frame, also those that get no mark."""
    domain = list(_with_text(hours)["day"])
    axis = alt.Axis(labelExpr="slice(datum.label, 5)", labelAngle=0, labelOverlap=True)
    return alt.X("day:N", title=None, scale=alt.Scale(domain=domain), axis=axis)


def _stacked(frame: pd.DataFrame, name: alt.Tooltip) -> alt.Chart:
    tips = [
        name,
        "kind:N",
        alt.Tooltip("gpu_hours:Q", title="GPU-hours", format=",.1f"),
        alt.Tooltip("allocated:Q", format=",.1f"),
        alt.Tooltip("coverage:Q", format=".0%"),
    ]
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            color=alt.Color("kind:N", scale=_KINDS, legend=alt.Legend(orient="top", title=None)),
            order="place:Q",
            tooltip=tips,
        )
        .properties(width="container", height=240)
    )
    return chart

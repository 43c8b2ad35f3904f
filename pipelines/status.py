"""`status`: how old and how complete the published data is. Reads what is published, writes nothing, stops no run."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.text import Text

from pipelines.attempts import CUT_OFF, Attempt, last_attempt
from pipelines.failures import STALE
from pipelines.lock import Holder, current_holder
from pipelines.published import Row, Unpublished, published, published_warnings, rows
from pipelines.screen import facts, show
from pipelines.settings import Settings, UsageError, text_of
from pipelines.sizes import Sizes, in_bytes, sizes
from transforms import Layout, generations
from transforms.audit import Finding

API_KEEPS: Final = timedelta(days=14)
"""How long the API keeps a deleted pod: a longer stretch without a run may have lost some for good."""

_LENGTH: Final = re.compile(
    r"p?(?:(?P<days>\d+(?:\.\d+)?)d)?t?(?:(?P<hours>\d+(?:\.\d+)?)h)?(?:(?P<minutes>\d+(?:\.\d+)?)m)?(?:(?P<seconds>\d+(?:\.\d+)?)s)?"
)
_PODS: Final = """
    select count(*) as known, count(*) filter (completed_at is null and not is_deleted and is_reachable) as open,
        count(*) filter (is_completed) as completed, count(*) filter (is_deleted) as deleted,
        count(*) filter (not is_reachable) as unreachable
    from pods
"""
_LAST_RUN: Final = "select * from runs where outcome = 'loaded' order by finished_at desc limit 1"
_REJECTS: Final = "select coalesce(sum(coalesce(rejects_new, rejects)), 0)::bigint as rejects from runs"
_COUNTS: Final = """
    select is_whole, filter, api_count, warehouse_count, difference, counted_at from pod_counts
    where warehouse_count is not null and as_of = (select max(as_of) from pod_counts where warehouse_count is not null)
    qualify row_number() over (partition by filter order by counted_at desc) = 1
    order by is_whole desc, counted_at, filter
"""
_GAPS: Final = """
    with loaded as (
        select as_of, lag(as_of) over (order by finished_at) as as_of_before from runs where outcome = 'loaded'
    )
    select as_of_before as "from", as_of as "to" from loaded where as_of - as_of_before > $horizon order by as_of
"""
_METRICS: Final = """
    select
        coalesce(sum(covered_seconds), 0) / 3600 as covered_hours,
        coalesce(sum(wanted_seconds), 0) / 3600 as wanted_hours,
        count(*) filter (status = 'pending') as pending,
        count(*) filter (status = 'failed') as failed,
        count(*) filter (status in ('partial', 'empty', 'not_found', 'expired')) as incomplete,
        count(distinct metric) filter (status = 'disabled') as disabled
    from pod_metric_coverage
"""


@dataclass(frozen=True)
class Status:
    """What `--json` prints: instants as ISO 8601 text, ages in seconds, sizes in bytes; what there is not is null."""

    data_dir: str
    checked_at: str
    last_run: Row | None = None
    age_seconds: float | None = None
    max_age_seconds: float | None = None
    is_stale: bool = False
    pods: dict[str, int] = field(default_factory=dict)
    counts_agree: bool | None = None
    counts: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    metrics: Row = field(default_factory=dict)
    rejects: int = 0
    warnings: list[Row] = field(default_factory=list)
    pending_loads: int = 0
    running: Holder | None = None
    last_attempt: Attempt | None = None
    generations: int = 0
    bytes: dict[str, int] = field(default_factory=lambda: asdict(Sizes(0, 0, 0, 0)))


def show_status(data_dir: Path, max_age: str | None, *, as_json: bool) -> int:
    """Print the status and return the exit code: 3 when the data is older than `max_age`, or there is none."""
    limit = None if max_age is None else parse_age(max_age)
    status = read_status(data_dir, datetime.now(UTC), limit)
    if as_json:
        print(json.dumps(asdict(status), indent=2, default=str))
    else:
        show(facts(_lines(status)))
    return STALE if status.is_stale else 0


def read_status(data_dir: Path, now: datetime, max_age: timedelta | None = None) -> Status:
    """The status at `now`, by the real clock: the age is counted from the end of the last run."""
    limit = max_age.total_seconds() if max_age else None
    settings = Settings(data_dir=data_dir)
    pending, running = _pending_loads(settings.dlt_dir), current_holder(settings.state_dir)
    try:
        with published(settings.data_dir) as con:
            last = next(iter(rows(con, _LAST_RUN)), None)
            counts = rows(con, _COUNTS)
            found = {
                "pods": rows(con, _PODS)[0],
                "counts": [_as_text(count) for count in counts],
                "counts_agree": all(count["difference"] == 0 for count in counts) if counts else None,
                "gaps": [_as_text(gap) for gap in rows(con, _GAPS, {"horizon": API_KEEPS})],
                "metrics": rows(con, _METRICS)[0],
                "rejects": rows(con, _REJECTS)[0]["rejects"],
                "warnings": published_warnings(settings.data_dir),
            }
    except Unpublished:
        last, found = None, {}
    age = (now - last["finished_at"]).total_seconds() if last else None
    return Status(
        data_dir=str(settings.data_dir),
        checked_at=text_of(now),
        last_run=_as_text(last) if last else None,
        age_seconds=age,
        max_age_seconds=limit,
        is_stale=limit is not None and (age is None or age > limit),
        pending_loads=pending,
        running=running,
        last_attempt=last_attempt(settings.state_dir),
        generations=len(generations(Layout(settings.data_dir))),
        bytes=asdict(sizes(settings.data_dir)),
        **found,
    )


def parse_age(text: str) -> timedelta:
    """Read `90m`, `2h`, `1d12h`, an ISO 8601 duration such as `PT2H`, or a number of seconds.

    Raises:
        UsageError: It is none of these.
    """
    words = text.strip().lower()
    found = _LENGTH.fullmatch(f"{words}s" if words.isdecimal() else words)
    numbers = {unit: float(number) for unit, number in found.groupdict().items() if number} if found else {}
    try:
        length = timedelta(**numbers)
    except OverflowError:
        length = timedelta(0)
    if not numbers or not length:
        raise UsageError(f"--max-age {text!r} is not a length of time: give one such as 90m, 2h, 1d or PT2H.")
    return length


def in_words(seconds: float) -> str:
    """A length of time as somebody would say it, such as `3 min` or `2 h 5 min`."""
    minutes = int(abs(seconds) // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{minutes} min" if minutes else f"{abs(seconds):.0f} s"


def counts_in_words(status: Status) -> str:
    """Whether the warehouse agrees with the API's own counts, and how far it is off."""
    if not status.counts:
        return "not asked"
    whole = [count for count in status.counts if count["is_whole"]]
    api, here = sum(count["api_count"] for count in whole), sum(count["warehouse_count"] for count in whole)
    if status.counts_agree:
        return f"agree with the API's: {here:,} of {api:,} pods"
    wrong = sum(1 for count in status.counts if count["difference"])
    return f"differ from the API's: it has {api:,} pods, here are {here:,}; {wrong} counts differ, see table pod_counts"


def metrics_in_words(metrics: Row) -> str:
    """How much of the time that metrics are wanted of has them, summed over pods and metrics, and what stands open."""
    if not metrics.get("wanted_hours"):
        return "none wanted"
    share = metrics["covered_hours"] / metrics["wanted_hours"]
    # Only all of it is 100 %.
    percent = "100 %" if share == 1 else f"{min(share, 0.9999):.2%}".replace("%", " %")
    words = {"pending": "to be asked again", "failed": "failed", "incomplete": "that the API has no more of"}
    series = ", ".join(f"{metrics[name]:,} {text}" for name, text in words.items() if metrics[name])
    off = f"; {metrics['disabled']} types are not given by this control plane" if metrics["disabled"] else ""
    return f"{percent} of the wanted time covered{f'; series: {series}' if series else ''}{off}"


def _pending_loads(working_dir: Path) -> int:
    """Load packages that a run left behind and the next one will drain."""
    folders = ("normalize/extracted", "load/new", "load/normalized")
    return sum(1 for folder in folders for package in working_dir.glob(f"*/*/{folder}/*") if package.is_dir())


def _as_text(row: Row) -> Row:
    return {name: text_of(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _lines(status: Status) -> list[tuple[str | Text, str | Text]]:
    lines: list[tuple[str | Text, str | Text]] = [
        ("data", status.data_dir),
        ("size", f"{Sizes(**status.bytes)}{_generations(status)}"),
        ("last run", _last_run(status)),
    ]
    if status.is_stale and status.max_age_seconds is not None:
        lines.append((Text("stale", "red"), f"there is nothing newer than {in_words(status.max_age_seconds)}"))
    if status.last_run:
        numbers = ", ".join(f"{number:,} {name}" for name, number in status.pods.items() if number or name == "known")
        gaps = "; ".join(f"no run between {gap['from']} and {gap['to']}" for gap in status.gaps)
        lines += [("pods", numbers), ("counts", counts_in_words(status))]
        lines += [
            ("metrics", metrics_in_words(status.metrics)),
            ("gaps", gaps or "none"),
            ("rejects", f"{status.rejects:,}" if status.rejects else "none"),
        ]
        lines += [("warning", Finding(**warning).told()) for warning in status.warnings]
    if status.pending_loads:
        lines.append(("pending", f"load packages: {status.pending_loads}; the next run loads them first"))
    if status.running:
        lines.append(("running", str(status.running)))
    attempt = status.last_attempt
    if attempt and attempt.outcome in ("failed", CUT_OFF):
        told = f"{attempt.command or 'an attempt'} {attempt.outcome} at {attempt.ended_at}: {attempt.error}"
        lines += [(Text("last error", "red"), told), ("log", attempt.log)]
    return lines


def _generations(status: Status) -> str:
    if status.generations < 2:
        return ""
    return f"; generations: {status.generations:,}, those published before take {in_bytes(status.bytes['generations'])}"


def _last_run(status: Status) -> str:
    if status.last_run is None or status.age_seconds is None:
        return "never; start one, or try --demo"
    ended = datetime.fromisoformat(status.last_run["finished_at"])
    return f"{ended:%Y-%m-%d %H:%M:%S} UTC, {in_words(status.age_seconds)} ago"

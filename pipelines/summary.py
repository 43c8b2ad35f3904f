"""The last screen of a run: what was loaded, what changed, whether it agrees with the API, and what to open next."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.logs import harmless
from pipelines.published import Row, published, published_rows, rows
from pipelines.screen import facts, near, show
from pipelines.settings import DEFAULT_DATA_DIR, ROOT, Settings
from pipelines.sizes import Sizes
from pipelines.status import counts_in_words, metrics_in_words, read_status
from transforms import Layout
from transforms.layout import PARQUET
from transforms.publication import DATABASE, REPORT

if TYPE_CHECKING:
    from pipelines.run import RunResult
    from sources.runai.reading.observations import ReadingReport

_MOST_WARNINGS: Final = 5
_PROJECTS: Final = """
    select
        coalesce(project_name, project_id, 'no project') as project,
        count(*) as pods,
        count(*) filter (phase = 'Running' and not is_deleted) as running,
        coalesce(sum(allocated_gpu) filter (phase = 'Running' and not is_deleted), 0) as gpus
    from pods group by project order by gpus desc, pods desc, project limit 8
"""


def show_summary(result: RunResult, settings: Settings, rows_before: Mapping[str, int]) -> None:
    """Print what a run did; `rows_before` are the rows of each table before it, for the differences."""
    with published(settings.data_dir) as con:
        projects = rows(con, _PROJECTS)
    side_by_side = Table.grid(padding=(0, 4))
    side_by_side.add_row(_tables(published_rows(settings.data_dir), rows_before), _by_project(projects))
    parts: list[RenderableType] = [_title(result), Text(), _facts(result, settings), Text(), side_by_side]
    show(*parts, *_warnings(result, settings), Text(), _next(settings))


def show_plan(result: RunResult) -> None:
    """Print what a run would read."""
    show(Text("dry run: nothing was loaded", "bold"), *(Text(f"  {line}") for line in result.plan))


def _title(result: RunResult) -> Text:
    kind = "rebuilt from raw" if _is_rebuild(result) else "first run" if result.first_run else "incremental run"
    seconds = result.read_seconds + result.load_seconds + result.build_seconds + result.publish_seconds
    as_of = f"{result.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Text.assemble(("runai-pods", "bold green"), f"  {kind}, as of {as_of}, published after {seconds:.1f} s")


def _is_rebuild(result: RunResult) -> bool:
    return result.requests == 0


def _facts(result: RunResult, settings: Settings) -> Text:
    seconds = {"read": result.read_seconds, "load": result.load_seconds}
    seconds |= {"build": result.build_seconds, "publish": result.publish_seconds}
    read = [] if _is_rebuild(result) else _read(result, settings)
    status = read_status(settings.data_dir, datetime.now(UTC))
    time = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items() if value)
    metrics = [("metrics", metrics_in_words(status.metrics))] if status.metrics.get("wanted_hours") else []
    size = ("data", str(Sizes(**status.bytes)))
    return facts([*read, *metrics, ("counts", counts_in_words(status)), ("time", time), size])


def _read(result: RunResult, settings: Settings) -> list[tuple[str, str]]:
    again = f", {result.retries:,} of them again" if result.retries else ""
    lines = [
        ("pods", f"{result.reading.pods_read:,} read: {_changes(result.reading)}"),
        ("requests", f"{result.requests:,}{again}"),
    ]
    if settings.metrics != "none":
        is_told = result.first_metrics and not settings.since
        hint = "; of the last 24 hours, --since DATE asks for more" if is_told else ""
        lines.append(("samples", f"{result.metrics.samples_read:,} read{hint}"))
    return lines


def _changes(reading: ReadingReport) -> str:
    """What is new or different, and then what became of these pods."""
    different = {"new": reading.pods_new, "changed": reading.pods_changed - reading.pods_new}
    became = {"completed": reading.pods_completed, "deleted": reading.pods_deleted}
    became |= {"vanished": reading.pods_absent, "purged": reading.pods_purged}
    parts = [", ".join(f"{number:,} {word}" for word, number in kind.items() if number) for kind in (different, became)]
    return "; ".join(filter(None, parts)) or "nothing changed"


def _tables(tables: Mapping[str, int], before: Mapping[str, int]) -> Table:
    shown = Table(box=None, padding=(0, 1), pad_edge=False)
    shown.add_column("table", style="cyan")
    shown.add_column("rows", justify="right")
    shown.add_column("", justify="right", style="green")
    # `pods` first, then what hangs on a pod; tables that nothing was ever loaded for are not worth a line.
    for name in sorted(tables, key=lambda name: (name != "pods", not name.startswith("pod_"), name)):
        more = tables[name] - before.get(name, tables[name])
        if tables[name]:
            shown.add_row(name, f"{tables[name]:,}", f"{more:+,}" if more else "")
    return shown


def _by_project(projects: Iterable[Row]) -> Table:
    shown = Table(box=None, padding=(0, 1), pad_edge=False)
    shown.add_column("project", style="cyan")
    for name in ("pods", "running", "GPUs"):
        shown.add_column(name, justify="right")
    for row in projects:
        shown.add_row(Text(harmless(row["project"])), f"{row['pods']:,}", f"{row['running']:,}", f"{row['gpus']:,.1f}")
    return shown


def warnings_of(result: RunResult) -> list[str]:
    """Everything about a run that somebody should look at, one sentence each."""
    reading = result.reading
    said = [*reading.warnings, *(finding.told(1) for finding in result.findings)]
    if result.drained_loads:
        said.insert(0, f"an earlier run was cut off: its load packages ({result.drained_loads}) were loaded first")
    if reading.rejects:
        said.append(
            f"{reading.rejects:,} payloads could not be read, or contradict another; the raw table rejects keeps them"
        )
    for what, counter in (("not in the contract", reading.unknown_fields), ("unreadable", reading.unreadable_fields)):
        if counter:
            fields = ", ".join(f"{name} ({number:,})" for name, number in sorted(counter.items()))
            said.append(f"fields that are {what}, kept as they came: {fields}")
    if result.metrics.windows_failed:
        said.append(f"{result.metrics.windows_failed:,} requests for metrics failed; the next run asks again")
    if result.metrics.off:
        said.append(
            f"not given by this control plane: {', '.join(sorted(result.metrics.off))}; an administrator enables GPU "
            "profiling metrics under General settings > Analytics. They are asked for again in a day"
        )
    return said


def _warnings(result: RunResult, settings: Settings) -> list[Text]:
    said = warnings_of(result)
    lines = [Text.assemble(("! ", "yellow"), harmless(text)) for text in said[:_MOST_WARNINGS]]
    if len(said) > _MOST_WARNINGS:
        lines.append(Text(f"! and {len(said) - _MOST_WARNINGS} more, in {near(settings.state_dir / 'logs')}", "yellow"))
    return [Text(), *lines] if lines else []


def _next(settings: Settings) -> Text:
    """What to open next, as commands that can be pasted where the run was started."""
    folder = near(Layout(settings.data_dir).published)
    database = folder / DATABASE
    # By name: a relation does not keep the connection open that DuckDB 1.4 made it from.
    query = f"import duckdb; con = duckdb.connect({str(database)!r}, read_only=True); print(con.table('pods').limit(5))"
    python, script = near(Path(sys.executable)), near(ROOT / "pipelines" / "pods_pipeline.py")
    where = "" if settings.data_dir == DEFAULT_DATA_DIR else f" --data-dir {shlex.quote(str(near(settings.data_dir)))}"
    return facts(
        [
            ("DuckDB", f"duckdb {shlex.quote(str(database))} -c 'from pods limit 5'"),
            ("Python", f'{python} -c "{query}"'),
            ("Parquet", f"{folder / PARQUET}/<table>/"),
            ("report", str(folder / REPORT)),
            ("status", f"{python} {script} status{where}"),
        ]
    )

"""The command line: reads arguments, calls one thing for each command, and turns what happens into an exit code.

Everything heavy is imported by the command that needs it: `--help` answers at once.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from cyclopts import App, CycloptsError, Parameter, Token, UnusedCliTokensError

from pipelines.failures import FAILED, USAGE, explain
from pipelines.lock import LockHeld
from pipelines.logs import log_file, redact
from pipelines.plane import AnotherPlane
from pipelines.progress import Progress, open_progress
from pipelines.screen import heard_or_not, near
from pipelines.settings import (
    DEFAULT_DATA_DIR,
    NothingLoaded,
    ProgressKind,
    Settings,
    UsageError,
    parse_instant,
    parse_metrics,
    prepare,
)
from pipelines.stopping import FAREWELLS

_EXAMPLES = """\
Examples:
  pods_pipeline.py --demo                   see it at work, without a tenant
  pods_pipeline.py check                    is all set up for a real one?
  pods_pipeline.py                          one incremental run, as from cron
  pods_pipeline.py --since 2026-11-01       metrics of running pods from that day on
  pods_pipeline.py --destination filesystem --data-dir /srv/runai
  pods_pipeline.py status --max-age 2h      exit code 3 when it is older
  pods_pipeline.py rebuild                  all tables again, without the API
  pods_pipeline.py report                   the HTML report again
  pods_pipeline.py prune --dry-run          how much space could be had back

Exit codes:
  0 published   1 failed   2 configuration or usage
  3 status found the data stale   4 another run holds the lock
"""


_LOG = logging.getLogger(__name__)


def _version() -> str:
    return metadata.version("runai-pods")


app = App(
    name="pods_pipeline.py",
    help="A complete and provable copy of what the NVIDIA Run:ai pods API forgets, in DuckDB and Parquet.",
    usage="Usage: python pipelines/pods_pipeline.py [COMMAND] [OPTIONS]",
    help_epilogue=_EXAMPLES,
    help_format="plaintext",
    version=_version,
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)

Demo = Annotated[bool, Parameter(help="Run against the bundled simulator. Example: run --demo")]
Since = Annotated[
    str | None,
    Parameter(
        help="Metrics from this date or instant on, ISO 8601, UTC unless it says otherwise (default: the last "
        "24 hours on the first run, then where the last run stopped). Example: --since 2026-11-01"
    ),
]
Until = Annotated[
    str | None, Parameter(help="Metrics up to this date or instant. Example: --until 2026-11-02T06:00:00Z")
]
Metrics = Annotated[
    list[str] | None,
    Parameter(
        help="basic, all, none, or a list of metric types (default: basic). "
        "Example: --metrics GPU_UTILIZATION,CPU_USAGE_CORES"
    ),
]


def _whole(_kind: object, tokens: Sequence[Token]) -> int:
    """A whole number; the library would round 1.5, and nobody hear of it."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError as error:
        msg = f'unable to convert "{text}" into int.'
        raise ValueError(msg) from error


Resolution = Annotated[int, Parameter(converter=_whole, help="Seconds between samples. Example: --resolution 300")]
DryRun = Annotated[bool, Parameter(help="Say what would be read, and load nothing. Example: run --dry-run")]
FullRefresh = Annotated[
    bool, Parameter(help="Read again everything that the API still offers; raw is kept. Example: --full-refresh")
]
Concurrency = Annotated[
    int | None,
    Parameter(converter=_whole, help="Requests at a time, at most (default: 8). Example: --concurrency 4"),
]


def _path(_kind: object, tokens: Sequence[Token]) -> Path:
    """A path; of the empty text, as a variable that is not set leaves it, the working directory would be made."""
    text = tokens[0].value
    if not text:
        raise UsageError("--data-dir is empty: give a directory, such as --data-dir /srv/runai.")
    return Path(text)


DataDir = Annotated[
    Path,
    Parameter(
        converter=_path,
        help="Where everything is kept (default: data in the project's root). Example: --data-dir /srv/runai",
        show_default=False,
    ),
]
Destination = Annotated[
    str, Parameter(help="Where raw is loaded: duckdb, or filesystem (Parquet). Example: --destination filesystem")
]
ProgressOption = Annotated[
    ProgressKind, Parameter(help="auto is live on a terminal and plain lines elsewhere. Example: --progress plain")
]
Debug = Annotated[bool, Parameter(help="Show the traceback of a failure. Example: run --debug")]


@app.default
@app.command
def run(
    *,
    demo: Demo = False,
    since: Since = None,
    until: Until = None,
    metrics: Metrics = None,
    resolution: Resolution = 60,
    dry_run: DryRun = False,
    destination: Destination = "duckdb",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    full_refresh: FullRefresh = False,
    concurrency: Concurrency = None,
    progress: ProgressOption = "auto",
    debug: Debug = False,
) -> int:
    """Read what changed, load it, build the tables, audit and publish them. The default command."""
    settings = Settings(
        data_dir=data_dir,
        destination=destination,
        since=parse_instant("--since", since) if since is not None else None,
        until=parse_instant("--until", until) if until is not None else None,
        metrics=parse_metrics(metrics),
        resolution=resolution,
        dry_run=dry_run,
        full_refresh=full_refresh,
        concurrency=concurrency,
        progress=progress,
        debug=debug,
        demo=demo,
    )
    from pipelines.plane import control_plane

    run_id = uuid4().hex
    # The log first: that credentials are gone from cron's environment is for `status` to tell.
    with _watched(settings, "run", run_id) as listener, control_plane(settings) as plane:
        from pipelines import run as pipeline
        from pipelines.published import published_rows
        from pipelines.summary import show_plan, show_summary, warnings_of

        rows_before = published_rows(settings.data_dir)
        result = pipeline.run(settings, plane.client, owner=plane.owner, run_id=run_id, progress=listener)
        _LOG.info("%d requests, %s, published %s", result.requests, result.reading, result.published)
        for text in warnings_of(result):
            _LOG.warning("%s", text)
    if settings.dry_run:
        show_plan(result)
    else:
        show_summary(result, settings, rows_before)
    return 0


@app.command
def check(*, debug: Debug = False) -> int:  # noqa: ARG001 - `execute` looks at it
    """Try the configuration, the sign-in, the permissions and the server's features. Loads nothing."""
    from pipelines.check import check as run_checks

    return run_checks()


@app.command
def status(
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    max_age: Annotated[
        str | None, Parameter(help="Exit with 3 when the last run is older, such as 90m, 2h, 1d. Example: --max-age 2h")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object, for machines. Example: status --json")] = False,
    debug: Debug = False,  # noqa: ARG001 - `execute` looks at it
) -> int:
    """Tell the last run, its age, the coverage, gaps and rejects of what is published."""
    from pipelines.status import show_status

    return show_status(data_dir, max_age, as_json=json)


@app.command
def rebuild(
    *,
    destination: Destination = "duckdb",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    progress: ProgressOption = "auto",
    debug: Debug = False,
) -> int:
    """Build, audit and publish all tables again from raw, without the API."""
    settings = Settings(data_dir=data_dir, destination=destination, progress=progress, debug=debug)
    from pipelines.published import published_rows

    _need_warehouse(settings)
    with _watched(settings, "rebuild") as listener:
        from pipelines import run as pipeline
        from pipelines.summary import show_summary

        rows_before = published_rows(settings.data_dir)
        result = pipeline.rebuild(settings, progress=listener)
    show_summary(result, settings, rows_before)
    return 0


@app.command
def report(*, data_dir: DataDir = DEFAULT_DATA_DIR, debug: Debug = False) -> int:  # noqa: ARG001 - `execute` looks at it
    """Write report.html again from the published tables, without the API. Runs and rebuild do so by themselves."""
    from pipelines.report import renew

    print(near(renew(data_dir)))
    return 0


@app.command
def prune(
    *,
    dry_run: Annotated[
        bool, Parameter(help="Say what would be removed, and remove nothing. Example: prune --dry-run")
    ] = False,
    destination: Destination = "duckdb",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    debug: Debug = False,
) -> int:
    """Give back the space of dead loads, repeats, small files and old generations; never the last copy of anything."""
    settings = Settings(data_dir=data_dir, destination=destination, dry_run=dry_run, progress="none", debug=debug)
    _need_warehouse(settings)
    with _watched(settings, "prune"):
        from pipelines import prune as pruning

        spared = pruning.prune(settings)
        _LOG.info("pruned: %s", spared)
    pruning.show_spared(spared, settings)
    return 0


def _need_warehouse(settings: Settings) -> None:
    """Refuse what can be seen before the data directory is made; whether a load is committed, the lock has to wait for.

    Raises:
        NothingLoaded: there is no warehouse.
    """
    from transforms import Layout

    warehouse = Layout(settings.data_dir).warehouse
    if settings.destination == "duckdb" and not warehouse.exists():
        raise NothingLoaded(warehouse)


@heard_or_not()
def execute(arguments: Sequence[str]) -> int:
    """Run one command; whatever happens ends as an exit code and, if it failed, one sentence on stderr."""
    try:
        return int(app(arguments, exit_on_error=False, print_error=False) or 0)
    except CycloptsError as error:
        print(f"error: {redact(_words(error))} See --help.", file=sys.stderr)
        return USAGE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every failure is told
        if "--debug" in arguments:
            print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
        failure = explain(error)
        print(f"error: {redact(failure.sentence)}", file=sys.stderr)
        return failure.code


def _words(error: CycloptsError) -> str:
    stray = error.unused_tokens[0] if isinstance(error, UnusedCliTokensError) and error.unused_tokens else None
    if stray is None:
        return " ".join(str(error).split())
    return f"unknown command {stray!r}: choose one of run, check, status, rebuild, report, prune."


@contextmanager
def _watched(settings: Settings, command: str, run_id: str = "") -> Iterator[Progress]:
    """Progress on stderr and a log file, for the length of a run; its last line says how it ended.

    A run that is refused, for another is at work, the pods here are another control plane's or there are none, leaves
    no log.
    """
    prepare(settings)
    listener = open_progress(settings.progress)
    # A terminal gets its cursor back.
    FAREWELLS.append(listener.close)
    with log_file(settings.state_dir, run_id=run_id or uuid4().hex, debug=settings.debug) as path:
        called = f"{command} --dry-run" if settings.dry_run else command
        _LOG.info("arguments: %s", settings.arguments(), extra={"facts": {"command": called}})
        try:
            yield listener
        except (LockHeld, AnotherPlane, NothingLoaded):
            # Logs are of the runs that the directory takes in: a call that it refuses must not push theirs out.
            path.unlink(missing_ok=True)
            raise
        except BaseException as error:
            failure = explain(error)
            ended = {"exit_code": failure.code, "error": failure.sentence}
            _LOG.exception("failed", extra={"facts": ended})
            if failure.code == FAILED and isinstance(error, Exception) and path.exists():
                print(f"log: {near(path)}", file=sys.stderr)
            raise
        else:
            _LOG.info("done", extra={"facts": {"exit_code": 0}})
        finally:
            FAREWELLS.remove(listener.close)
            listener.close()

"""What one run is asked to do: validated once, before anything is opened or sent."""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal
from unicodedata import category

ROOT: Final = Path(__file__).resolve().parents[1]
DEFAULT_DATA_DIR: Final = ROOT / "data"
DESTINATIONS: Final = ("duckdb", "filesystem")
METRIC_SETS: Final = ("basic", "all", "none")

# What a glob, a statement or a format has a meaning for: dlt and DuckDB make all of these of paths.
_UNFIT: Final = frozenset("'%[]?*\\")
# Control characters, and what stands for bytes that are no text.
_NO_LETTERS: Final = {"Cc", "Cs"}
# The last: a limit on the size of files, as `ulimit -f` sets it.
DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

ProgressKind = Literal["auto", "plain", "none"]


class UsageError(Exception):
    """The command line asks for something that cannot be done; the message is one sentence (exit code 2)."""


class NothingLoaded(UsageError):
    """There is no raw to work on at the destination (exit code 2)."""

    def __init__(self, place: object) -> None:
        super().__init__(
            f"nothing was ever loaded into {place}: start with a run, or name another --destination or --data-dir."
        )


@dataclass(frozen=True)
class Settings:
    """The arguments of one run; `since` and `until` are UTC instants, `resolution` is in seconds.

    Raises:
        UsageError: A value is outside of what the command understands.
    """

    data_dir: Path = DEFAULT_DATA_DIR
    destination: str = "duckdb"
    since: datetime | None = None
    until: datetime | None = None
    metrics: str | tuple[str, ...] = "basic"
    resolution: int = 60
    dry_run: bool = False
    full_refresh: bool = False
    concurrency: int | None = None
    progress: ProgressKind = "auto"
    debug: bool = False
    demo: bool = False

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "data_dir", self.data_dir.expanduser().absolute())
        except RuntimeError as error:
            raise UsageError(f"--data-dir {self.data_dir}: there is no such user's home.") from error
        if self.destination not in DESTINATIONS:
            raise UsageError(f"unknown destination {self.destination!r}: choose one of {', '.join(DESTINATIONS)}.")
        if self.since and self.until and self.since >= self.until:
            raise UsageError(f"--since {text_of(self.since)} must be earlier than --until {text_of(self.until)}.")
        if self.resolution < 1:
            raise UsageError(f"--resolution {self.resolution} is too small: give whole seconds, at least 1.")
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError(f"--concurrency {self.concurrency} is too small: give at least 1 request at a time.")

    @property
    def state_dir(self) -> Path:
        """Where the lock, the logs and dlt's working directory live."""
        # `Layout.state`, which the command line must not import: all of the models come with it.
        return self.data_dir / "state"

    @property
    def dlt_dir(self) -> Path:
        """dlt's working directory: load packages under way, state and schemas."""
        return self.state_dir / "dlt"

    def arguments(self) -> dict[str, object]:
        """The arguments as JSON values for the `runs` table; there is no credential among them."""
        return {
            "destination": self.destination,
            "since": text_of(self.since) if self.since else None,
            "until": text_of(self.until) if self.until else None,
            "metrics": self.metrics if isinstance(self.metrics, str) else list(self.metrics),
            "resolution": self.resolution,
            "full_refresh": self.full_refresh,
            "concurrency": self.concurrency,
            "demo": self.demo,
        }


def project() -> Path:
    """The folder of dlt's configuration, `.dlt/`."""
    return Path(os.environ.get("DLT_PROJECT_DIR", ROOT))


def prepare(settings: Settings) -> None:
    """Make the data directory, and see that it can be written to, before anything is asked of anybody.

    Raises:
        UsageError: It cannot be used.
    """
    _require_fit(settings.data_dir)
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.state_dir):
            pass
    except OSError as error:
        if error.errno in DISK_FULL:
            # What needs room says so, and `prune` makes some.
            return
        raise UsageError(f"cannot write to {settings.data_dir}: {error.strerror}; give another --data-dir.") from error


def _require_fit(data_dir: Path) -> None:
    if odd := sorted({letter for letter in str(data_dir) if letter in _UNFIT or category(letter) in _NO_LETTERS}):
        raise UsageError(
            f"--data-dir {str(data_dir)!r} has {odd[0]!r} in it, which stands for something else in a path of DuckDB's "
            "or dlt's: give another --data-dir."
        )
    published = data_dir / "published"
    if published.is_dir() and not published.is_symlink():
        raise UsageError(f"{published} is a directory, where the program keeps a link: move it away.")


def text_of(instant: datetime) -> str:
    """An instant as ISO 8601 text in UTC, such as `2026-11-01T00:00:00Z`."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_instant(option: str, text: str) -> datetime:
    """Read an ISO 8601 date or instant; without a zone it is UTC, and a date is its first instant.

    Raises:
        UsageError: The text is no such date, or lies in the future.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        hint = "give an ISO 8601 date or instant, such as 2026-11-01 or 2026-11-01T06:00:00Z"
        raise UsageError(f"{option} {text!r} is not a date: {hint}.") from error
    if instant > datetime.now(UTC):
        raise UsageError(f"{option} {text} lies in the future: the control plane knows nothing of that time yet.")
    return instant


def parse_metrics(words: list[str] | None) -> str | tuple[str, ...]:
    """Read `--metrics`: the name of a set, or metric types, repeated or joined by commas, in the catalogue's spelling.

    Raises:
        UsageError: A type is not in the catalogue, or a set is mixed with types.
    """
    names = [name.strip() for word in words or ["basic"] for name in word.split(",") if name.strip()]
    if len(names) == 1 and names[0].lower() in METRIC_SETS:
        return names[0].lower()
    # Late: the package of the catalogue imports dlt, which no other argument needs.
    from sources.runai.catalogue import METRIC_TYPES

    types = tuple(dict.fromkeys(name.upper() for name in names))
    unknown = [name for name in types if name not in METRIC_TYPES]
    if unknown or not types:
        close = get_close_matches(unknown[0], METRIC_TYPES, n=1, cutoff=0.5) if unknown else []
        what = f"unknown metric type {unknown[0]!r}" if unknown else "no metric type given"
        like = close[0] if close else "GPU_UTILIZATION"
        raise UsageError(
            f"--metrics: {what}; choose basic, all or none, or list types of the catalogue, such as {like}."
        )
    return types

"""`report`: the page again, from what is published; neither the API nor raw is looked at."""

from __future__ import annotations

from pathlib import Path

from pipelines.lock import Lock
from pipelines.settings import Settings, UsageError
from transforms import Layout, renew_report


def renew(data_dir: Path) -> Path:
    """Replace the report of the published generation, in one step, and return where it is.

    Raises:
        UsageError: nothing is published there.
        LockHeld: a run works on this data directory; it writes a report of its own.
    """
    layout = Layout(Settings(data_dir=data_dir).data_dir)
    if not layout.published.exists():
        raise UsageError(f"nothing was ever published in {layout.data_dir}: start with a run.")
    with Lock(layout.state):
        return renew_report(layout)

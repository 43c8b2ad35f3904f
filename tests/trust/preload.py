"""What processes that are forked for a run share: everything that a run imports, and the settings of the front door."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from pipelines.memory import be_frugal

NEEDED: Final = (
    *("chardet", "pytz", "requests", "pyarrow.parquet"),
    *("dlt._workspace.cli", "dlt.common.libs.pyarrow", "dlt.load", "dlt.normalize"),
    *("dlt.destinations.impl.duckdb.duck", "dlt.destinations.impl.filesystem.filesystem"),
    *("pipelines.cli", "pipelines.plane", "pipelines.published", "pipelines.summary"),
    *("tests.trust.victim", "transforms.report"),
)

be_frugal()
for name in NEEDED:
    import_module(name)

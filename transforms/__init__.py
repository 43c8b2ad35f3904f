"""SQL models and the runner that orders, builds, tests and publishes them.

The way of the data: a raw store → `Build.take_in` → `Build.refresh` → `Build.audit` → `publish`.
"""

from __future__ import annotations

from transforms.audit import Finding
from transforms.build import Build, TakenIn
from transforms.errors import (
    BadRateCard,
    BadThresholds,
    BuildBusy,
    ModelError,
    PruneRefused,
    PublicationStopped,
    ReportFailed,
    RunsForgotten,
    TransformError,
    UnknownTimeZone,
)
from transforms.layout import Layout
from transforms.pruning import Pruned, prune_raw
from transforms.publication import Generation, generations, old_generations, prune_generations, publish, renew_report
from transforms.rate_card import RateCard
from transforms.raw import DuckDBRaw, ParquetRaw, RawStore
from transforms.refresh import BuildReport
from transforms.series import MetricType
from transforms.thresholds import Thresholds

__all__ = [
    "BadRateCard",
    "BadThresholds",
    "Build",
    "BuildBusy",
    "BuildReport",
    "DuckDBRaw",
    "Finding",
    "Generation",
    "Layout",
    "MetricType",
    "ModelError",
    "ParquetRaw",
    "PruneRefused",
    "Pruned",
    "PublicationStopped",
    "RateCard",
    "RawStore",
    "ReportFailed",
    "RunsForgotten",
    "TakenIn",
    "Thresholds",
    "TransformError",
    "UnknownTimeZone",
    "generations",
    "old_generations",
    "prune_generations",
    "prune_raw",
    "publish",
    "renew_report",
]

"""What can go wrong between raw and published.

TransformError
├── ModelError            a model's file does not say what it must, or its columns differ from its header
├── BuildBusy             another process has the build database open
├── UnknownTimeZone       no such time zone to report in
├── BadThresholds         a file of thresholds cannot be read, or contradicts itself
├── ReportFailed          nothing is there that a report could be made of, or its charts cannot be drawn
├── BadRateCard           a rate card cannot be read, or contradicts itself
├── PruneRefused          a copy of raw does not hold all that it must, or may not take its place
├── RunsForgotten         raw does not know runs that are published
└── PublicationStopped    an audit found what must not be published
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transforms.audit import Finding


class TransformError(Exception):
    """Anything that stops raw tables from becoming published ones."""


class ModelError(TransformError):
    """A model or data test is malformed; names the file."""


class BuildBusy(TransformError):
    """Another process has the build database open."""


class UnknownTimeZone(TransformError):
    """DuckDB knows no time zone of this name; the message names one that is like it."""


class BadThresholds(TransformError):
    """A file of thresholds cannot be read or contradicts itself; names the file, the table and the key."""


class ReportFailed(TransformError):
    """Nothing is published that a report could be made of, or its charts cannot be drawn."""


class BadRateCard(TransformError):
    """A rate card cannot be read or contradicts itself; names the file, the line and what to do."""


class PruneRefused(TransformError):
    """A copy of raw is not equal to what it is to stand for, or may not take its place; nothing was removed."""


class RunsForgotten(TransformError):
    """Raw knows no run although some are published: it is not the raw that the published tables were made from."""


class PublicationStopped(TransformError):
    """An audit with severity `error` found rows; `findings` holds all of them, the last good generation stays."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        told = " / ".join(f"{finding.name}: {finding.told()}" for finding in findings)
        super().__init__(f"publication stopped by the audit: {told}")

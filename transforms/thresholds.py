"""From when on a pod counts as wasteful: `thresholds.toml`, or a user's copy of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any, Final

from transforms.errors import BadThresholds
from transforms.sql import literal

DEFAULT: Final = Path(__file__).with_name("thresholds.toml")
_CLASSES: Final = "interactive_priority_classes"
_KINDS: Final = ("batch", "interactive")
_MOST: Final = {"percent": 100.0, "share": 1.0, "coverage": 1.0}


@dataclass(frozen=True)
class Limits:
    """The thresholds of one kind of pods, as `thresholds.toml` tells them."""

    min_run_minutes: float
    min_coverage: float
    wait_minutes: float
    idle_gpu_percent: float
    low_gpu_percent: float
    low_gpu_peak_percent: float
    parked_memory_share: float
    parked_memory_gib: float
    used_cpu_share: float
    min_cpu_cores: float
    used_memory_share: float
    min_memory_gib: float


@dataclass(frozen=True)
class Thresholds:
    """Which pods are interactive, by priority class, and what counts as waste of these and of the others."""

    interactive_priority_classes: tuple[str, ...]
    batch: Limits
    interactive: Limits

    @classmethod
    def load(cls, path: Path = DEFAULT) -> Thresholds:
        """Read and check a file. BadThresholds that names file, table and key where something is wrong."""
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadThresholds(f"{path} cannot be read: {error}") from error
        _same_keys(f"{path}", said, {_CLASSES, *_KINDS})
        classes = said[_CLASSES]
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise BadThresholds(f"{path}: {_CLASSES} must be a list of texts, not {classes!r}")
        return cls(tuple(classes), *(_limits(f"{path}: [{kind}]", said[kind]) for kind in _KINDS))

    def statements(self) -> str:
        """Return the statements that put all of it into the tables of `TABLES`."""
        rows = ", ".join(
            f"({is_interactive}, {', '.join(str(value) for value in asdict(limits).values())})"
            for is_interactive, limits in ((False, self.batch), (True, self.interactive))
        )
        names = [f"insert into interactive_classes values ({literal(c)});" for c in self.interactive_priority_classes]
        return f"insert into thresholds values {rows};{''.join(names)}"


TABLES: Final = f"""
-- From when on pods count as wasteful, and the priority classes of those that are interactive.
create table thresholds (is_interactive boolean, {", ".join(f"{field.name} double" for field in fields(Limits))});
create table interactive_classes (priority_class varchar);
"""


def _limits(place: str, said: Any) -> Limits:
    if not isinstance(said, dict):
        raise BadThresholds(f"{place} must be a table")
    _same_keys(place, said, {field.name for field in fields(Limits)})
    for name, value in said.items():
        most = _MOST.get(name.rpartition("_")[2], float("inf"))
        if type(value) not in {int, float} or not isfinite(value) or not 0 <= value <= most:
            raise BadThresholds(f"{place} {name} must be a number from 0 to {most:g}, not {value!r}")
    limits = Limits(**{name: float(value) for name, value in said.items()})
    for lower, upper in (("idle_gpu_percent", "low_gpu_percent"), ("low_gpu_percent", "low_gpu_peak_percent")):
        if getattr(limits, lower) > getattr(limits, upper):
            raise BadThresholds(f"{place} {lower} {said[lower]!r} is above {upper} {said[upper]!r}")
    return limits


def _same_keys(place: str, said: Mapping[str, Any], wanted: set[str]) -> None:
    if lacking := sorted(wanted - said.keys()):
        raise BadThresholds(f"{place} lacks {lacking[0]}")
    if unknown := sorted(said.keys() - wanted):
        raise BadThresholds(f"{place} has {unknown[0]}, which means nothing: there are {', '.join(sorted(wanted))}")

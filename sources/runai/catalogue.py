"""The metric catalogue: types, units and meaning, kept as data in `catalogue.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import orjson

from sources.runai.versions import Version, version_of


@dataclass(frozen=True)
class Metric:
    """One metric type of the pod metrics endpoint.

    `unit` is `unknown_ratio` where the API does not say whether 1 or 100 is all of it. Types of one family are offered
    or missing together. `aliases` maps a control-plane version to the name that it has for the same thing.
    """

    metric: str
    unit: str
    per_gpu: bool
    is_advanced: bool
    family: Literal["basic", "profiling", "nim"]
    since_version: str
    meaning: str
    kind: str = "series"
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def is_basic(self) -> bool:
        """Whether a control plane of 2.21 has it without an admin's switch."""
        return self.family == "basic"

    @property
    def is_profiling(self) -> bool:
        """Whether it is collected only where an administrator switched GPU profiling on."""
        return self.family == "profiling"

    @property
    def needs_gpu(self) -> bool:
        """Whether only pods with a GPU can have it: every NIM runs on one."""
        return self.family == "nim" or "GPU" in self.metric.split("_") or self.metric.startswith("NVLINK")

    def called(self, version: Version) -> str:
        """Return its name on a control plane of the version."""
        return self.aliases.get(".".join(map(str, version)), self.metric)


CATALOGUE: Final[dict[str, Metric]] = {
    row["metric"]: Metric(**row) for row in orjson.loads((Path(__file__).parent / "catalogue.json").read_bytes())
}
FAMILIES: Final = tuple(dict.fromkeys(metric.family for metric in CATALOGUE.values()))
BASIC: Final = tuple(name for name, metric in CATALOGUE.items() if metric.is_basic)
METRIC_TYPES: Final = tuple(CATALOGUE)


def metrics_of(version: Version) -> tuple[str, ...]:
    """Return the types that a control plane of the version knows, those of 2.21 first."""
    return tuple(name for name, metric in CATALOGUE.items() if version_of(metric.since_version) <= version)


def requests_of(types: Sequence[str], most: int) -> list[list[str]]:
    """Divide types into requests of at most `most`, families apart: where one is off it spoils no other."""
    families = [[name for name in types if CATALOGUE[name].family == family] for family in FAMILIES]
    return [family[first : first + most] for family in families for first in range(0, len(family), most)]


def resolve(wanted: str | tuple[str, ...], version: Version) -> tuple[str, ...]:
    """Return the types that `basic`, `all`, `none` or a list of types stands for.

    Raises:
        ValueError: a type is not in the catalogue.
    """
    if isinstance(wanted, str):
        return {"basic": BASIC, "all": metrics_of(version), "none": ()}[wanted]
    unknown = [name for name in wanted if name not in CATALOGUE]
    if unknown:
        msg = f"unknown metric type {', '.join(unknown)}"
        raise ValueError(msg)
    return wanted

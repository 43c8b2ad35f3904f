"""Where a reading says how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listens to a reading."""

    def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
        """A new stage begins, of `total` units where that is known."""
        ...

    def advance(self, n: int = 1, **facts: object) -> None:
        """Another `n` units of the stage are done."""
        ...


class Silent:
    """Listens to nothing."""

    def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
        """Do nothing."""

    def advance(self, n: int = 1, **facts: object) -> None:
        """Do nothing."""


SILENT: Progress = Silent()

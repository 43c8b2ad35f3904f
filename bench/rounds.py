"""Interleaved rounds, their medians, and the goals held against them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.child import Measured

COLUMNS: Final = ("seconds", "cpu", "load", "peak", "requests")


@dataclass(frozen=True)
class Goal:
    """A goal, what was found, what was wanted, and whether it was met."""

    what: str
    found: str
    wanted: str
    is_met: bool


@dataclass(frozen=True)
class Scene:
    """What a scene came to: a Markdown table, line by line, and its goals."""

    title: str
    lines: list[str]
    goals: list[Goal]


class Rounds:
    """The measurements of some contestants, each known by a name and a title."""

    def __init__(self, titles: Mapping[str, str], counted: str = "pods", once: Collection[str] = ()) -> None:
        """Compare contestants that say how many of `counted` they found; those in `once` sit out all later rounds."""
        self._titles = titles
        self._once = once
        self._counted = counted
        self._found: dict[tuple[str, str], list[float]] = {}

    def play(self, rounds: int, one: Callable[[str], Measured], requests: Callable[[], int]) -> float:
        """Let each contestant take its turns, tell of each, and return how many of `counted` all of them found.

        Raises:
            RuntimeError: a contestant found fewer or more than the others.
        """
        for name in self.turns(rounds):
            measured = one(name)
            self.add(name, measured, requests())
            print(
                f"{name:<6} {measured.seconds:6.1f} s {measured.cpu_seconds:6.1f} s CPU {measured.peak_mb:6.0f} MB",
                flush=True,
            )
        found = self.all(self._counted)
        if len(found) != 1:
            raise RuntimeError(f"the contestants do not agree on the number of {self._counted}: {found}")
        return found.pop()

    def turns(self, rounds: int) -> Iterator[str]:
        """Names in turn; each round begins with another contestant, so that none always runs after the same."""
        names = list(self._titles)
        for number in range(rounds):
            first = number % len(names)
            yield from (name for name in names[first:] + names[:first] if not number or name not in self._once)

    def add(self, name: str, measured: Measured, requests: int) -> None:
        """Note one contestant's turn."""
        said = measured.said
        cost = (measured.seconds, measured.cpu_seconds, said["seconds"], measured.peak_mb)
        values = (*cost, requests, said[self._counted])
        for column, value in zip((*COLUMNS, self._counted), values, strict=True):
            self._found.setdefault((name, column), []).append(value)

    def all(self, column: str) -> set[float]:
        """Every value that was found in a column, whoever had it."""
        return {value for (_, named), values in self._found.items() if named == column for value in values}

    def median(self, name: str, column: str) -> float:
        """The median of one contestant's rounds."""
        return median(self._found[name, column])

    def lines(self) -> list[str]:
        """A Markdown table: a line per contestant, its median and its range in brackets."""
        head = ["", "whole process, s", "its CPU, s", "read and load, s", "peak, MB", "requests"]
        lines = [_line(head), _line(["---"] + ["---:"] * (len(head) - 1))]
        for name, title in self._titles.items():
            times = [self._spread(name, column) for column in ("seconds", "cpu", "load")]
            numbers = [f"{self.median(name, column):,.0f}" for column in ("peak", "requests")]
            lines.append(_line([title, *times, *numbers]))
        return lines

    def _spread(self, name: str, column: str) -> str:
        values = self._found[name, column]
        return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"

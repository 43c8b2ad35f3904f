"""A request as it came in, and the answer that goes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Call:
    """A request: its parameters in order, duplicates and all; header names in lower case."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Given:
    """What a request for metrics asked for, and what its answer holds of that; instants are microseconds.

    Of each type in `served` there are the samples of the pod from `first` to `last`, both included.
    """

    pod_id: str
    asked: tuple[str, ...]
    start: int
    end: int
    served: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    given: Given | None = None
    # Ids of the pods that are shown with the names of their workload and project.
    named: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Any, status: int = 200) -> Reply:
        """An answer in JSON."""
        return cls(status, orjson.dumps(content))


@dataclass
class Seen:
    """A request as recorded: `status` is 0 until it is answered, and where no answer was given; `at` is real time.

    `fault` is the kind of the one that struck it; of metrics, `given` is what went out whole, and of pods, `named` are
    the ids of those that did so with the names of their workload and project, and can be read.
    """

    method: str
    path: str
    params: dict[str, str]
    at: datetime
    world_at: datetime
    headers: dict[str, str] = field(repr=False)
    status: int = 0
    fault: str | None = None
    given: Given | None = None
    named: tuple[str, ...] = ()

"""A list of pods as the API can be asked for it: which pods, in the order of which instant, from when to when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from sources.runai.client import Reply, RunaiClient
from sources.runai.params import timestamp
from sources.runai.reading.fields import LARGEST_INT, as_instant
from sources.runai.refusals import otherwise

PODS: Final = "/api/v1/workloads/pods"
COUNT: Final = "/api/v1/workloads/pods/count"
PAGE_SIZE: Final = 500
"""The largest `limit` that the contract allows."""

Column = Literal["createdAt", "completedAt", "deletedAt"]
Params = dict[str, str | int | bool | None]

TICK: Final = timedelta(microseconds=1)
_FRACTION: Final = re.compile(r"\.(\d+)")


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list: the raw payloads, when they arrived, and whether the server says that more follow."""

    pods: Sequence[Any]
    received_at: datetime
    more: bool


class Moment(NamedTuple):
    """An instant, and how it is displayed; the fewer digits it shows, the wider the stretch that it stands for."""

    start: datetime
    text: str

    @property
    def width(self) -> timedelta:
        """The width of what the display may hide."""
        digits = _FRACTION.search(self.text)
        shown = min(len(digits[1]), 6) if digits else 0
        return timedelta(microseconds=10 ** (6 - shown))

    @property
    def end(self) -> datetime:
        """The last instant that is displayed the same."""
        return self.start + (self.width - TICK)


def moment_of(text: object) -> Moment:
    """Return what a displayed instant stands for.

    Raises:
        ValueError: the text is no instant.
    """
    return Moment(as_instant(text), str(text))


@dataclass(frozen=True)
class Listing:
    """Pods with `start <= column <= end`, ascending by `column`; filters are further terms, all of which must hold."""

    column: Column = "createdAt"
    start: datetime | None = None
    end: datetime | None = None
    deleted: bool | None = None
    completed: bool | None = None
    filters: tuple[str, ...] = ()
    search: str | None = None
    verbosity: Literal["brief", "full"] = "full"
    page_size: int = PAGE_SIZE

    def within(self, start: datetime | None, end: datetime | None) -> Listing:
        """Return the same list between two other instants."""
        return replace(self, start=start, end=end)

    def by_creation(self) -> Listing:
        """Return the same list ascending by `createdAt`, its window among the filters."""
        return replace(self, column="createdAt", start=None, end=None, filters=tuple(self.terms()))

    def terms(self) -> list[str]:
        """The terms of `filterBy`."""
        window = []
        if self.start is not None:
            window.append(f"{self.column}>={timestamp(self.start)}")
        if self.end is not None:
            window.append(f"{self.column}<={timestamp(self.end)}")
        return [*self.filters, *window]

    def page_params(self, *, sort_by: str, offset: int = 0, descending: bool = False) -> Params:
        """Query parameters of one page."""
        return {
            "filterBy": ",".join(self.terms()) or None,
            "sortBy": sort_by,
            "sortOrder": "desc" if descending else "asc",
            "limit": self.page_size,
            "offset": offset or None,
            "deleted": self.deleted,
            "completed": None if self.completed is None else str(self.completed).lower(),
            "search": self.search,
            "verbosity": self.verbosity,
        }

    def count_params(self) -> Params:
        """Query parameters of the count of the same pods; the API cannot count by `completed`."""
        return {"filterBy": ",".join(self.terms()) or None, "deleted": self.deleted, "search": self.search}


def fetch_page(client: RunaiClient, params: Params) -> Page:
    """Ask for one page.

    Raises:
        BrokenAnswer: the body holds no list of pods.
    """
    reply: Reply[Any] = client.get(PODS, params)
    return as_page(reply.body, reply.received_at, PODS)


def as_page(body: object, received_at: datetime, path: str) -> Page:
    """Check the outer shape of an answer; its pods are checked one by one later.

    Raises:
        BrokenAnswer: the body holds no list of pods.
    """
    pods = body.get("pods") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(pods, list):
        raise otherwise(path, "no list of pods")
    return Page(pods, received_at, more=bool(body.get("next")))


def count(client: RunaiClient, listing: Listing) -> int:
    """Ask how many pods the list holds.

    Raises:
        BrokenAnswer: the body holds no count.
    """
    reply: Reply[Any] = client.get(COUNT, listing.count_params())
    number = reply.body.get("count") if isinstance(reply.body, dict) else None
    try:
        found = int(number)  # type: ignore[arg-type] # text is welcome too, all else is caught
    except (TypeError, ValueError):
        found = -1
    if not 0 <= found <= LARGEST_INT:
        raise otherwise(COUNT, "no count")
    return found

"""Read the pods of one displayed instant, however many and in whatever order each answer has them.

A 1,000-replica job is born in one instant: no seam within it can be told from another, and nothing says that two
answers order it alike. So it is read by offset under another sort, each page stepping back to where its last group
began, and held against the count until it agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from typing import Any, Final

from sources.runai.client import RunaiClient
from sources.runai.errors import BadRequest, PermissionDenied
from sources.runai.reading.listing import Listing, Page, count, fetch_page

MOST_SWEEPS: Final = 60
IDLE_SWEEPS: Final = 12
"""Sweeps in a row that may bring nothing new before the rest counts as not to be had."""


def read_tie(
    client: RunaiClient, listing: Listing, *, sort_keys: tuple[str, ...], warn: Callable[[str], None]
) -> Iterator[Page]:
    """Yield pages until as many pods were seen as the server counts in the window of the list.

    The window is read without its `completed` term, which counts do not know: more pods than asked for, never fewer.
    Where counting is forbidden, until a sweep brings nothing new. A sort key that the server refuses is left out.

    Raises:
        BadRequest: the server refuses every sort key.
    """
    whole = replace(listing, completed=None)
    seen: set[str] = set()
    refused: set[str] = set()
    idle = 0
    directions = cycle([(key, descending) for descending in (False, True) for key in sort_keys])
    for sort_by, descending in islice(directions, MOST_SWEEPS):
        if sort_by in refused:
            continue
        before = len(seen)
        try:
            for page in _sweep(client, whole, sort_by, descending=descending):
                seen.update(str(pod.get("id")) for pod in page.pods if isinstance(pod, dict))
                yield page
        except BadRequest:
            # A control plane older than the configured version does not know the key.
            refused.add(sort_by)
            if refused.issuperset(sort_keys):
                raise
            continue
        if _is_complete(client, whole, len(seen), brought=len(seen) - before):
            return
        idle = idle + 1 if len(seen) == before else 0
        if idle >= IDLE_SWEEPS:
            break
    warn(f"{len(seen)} pods of one instant were read, but the API counts more ({', '.join(whole.terms())})")


def _is_complete(client: RunaiClient, listing: Listing, seen: int, *, brought: int) -> bool:
    try:
        return seen >= count(client, listing)
    except PermissionDenied:
        return brought == 0


def _sweep(client: RunaiClient, listing: Listing, sort_by: str, *, descending: bool) -> Iterator[Page]:
    offset = 0
    while True:
        page = fetch_page(client, listing.page_params(sort_by=sort_by, offset=offset, descending=descending))
        yield page
        if not page.pods or (not page.more and len(page.pods) < listing.page_size):
            return
        offset += _start_of_last_group(page.pods, sort_by) or len(page.pods)


def _start_of_last_group(pods: Any, sort_by: str) -> int:
    """Return where the run of pods that share the last one's sort key begins; 0 if that is the whole page."""
    key = {"currentNodepool": "currentNodePool"}.get(sort_by, sort_by)
    values = [pod.get(key) if isinstance(pod, dict) else None for pod in pods]
    start = len(values)
    while start and values[start - 1] == values[-1]:
        start -= 1
    return start

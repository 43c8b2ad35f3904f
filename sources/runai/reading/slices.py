"""Cut a long list into stretches of about equal size, and read them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final, TypeVar

from sources.runai.client import RunaiClient
from sources.runai.errors import PermissionDenied
from sources.runai.reading.listing import TICK, Listing, count, fetch_page, moment_of

SLICE_SIZE: Final = 5_000
"""Ten pages: long enough that counting and seams cost little, short enough that a first load has work for all."""
FIRST_RELEASE: Final = datetime(2018, 1, 1, tzinfo=UTC)
"""Run:ai is not older: pods that seem to be are in the first slice, which has no beginning."""
SHORTEST: Final = timedelta(seconds=1)

T = TypeVar("T")


def slices(client: RunaiClient, listing: Listing, *, until: datetime, size: int = SLICE_SIZE) -> list[Listing]:
    """Return lists that together are `listing`, each of about `size` pods or one second.

    The first and the last stay open at their outer ends, so that nothing outside the window counted is lost. Where
    counting is forbidden the list stays whole.
    """
    # A count of none is not believed either: listing costs one request, and a pod that a wrong count hides is lost.
    try:
        total = count(client, listing)
    except PermissionDenied:
        return [listing]
    if total <= size:
        return [listing]
    start = listing.start or _first_instant(client, listing)
    cuts = _cuts(lambda lo, hi: count(client, listing.within(lo, hi)), start, listing.end or until, total, size)
    bounds = [listing.start, *cuts, None]
    return [listing.within(lower, listing.end if upper is None else upper - TICK) for lower, upper in pairwise(bounds)]


def _cuts(
    counted: Callable[[datetime, datetime], int], start: datetime, end: datetime, total: int, size: int
) -> list[datetime]:
    if total <= size or end - start <= SHORTEST:
        return []
    middle = start + (end - start) / 2
    left = counted(start, middle - TICK)
    return [
        *_cuts(counted, start, middle, left, size),
        middle,
        *_cuts(counted, middle, end, total - left, size),
    ]


def _first_instant(client: RunaiClient, listing: Listing) -> datetime:
    params = listing.page_params(sort_by=listing.column) | {"limit": 1}
    pods = fetch_page(client, params).pods
    try:
        return max(moment_of(pods[0].get(listing.column)).start, FIRST_RELEASE)
    except (AttributeError, IndexError, ValueError):
        return FIRST_RELEASE


def side_by_side(iterators: Iterable[Iterator[T]], workers: int) -> Iterator[T]:
    """Yield what the iterators yield, each one's items in order; one step of each is under way at a time.

    Raises:
        Exception: the first that a step raises; steps not begun are dropped.
    """
    waiting = iter(iterators)
    with ThreadPoolExecutor(workers, thread_name_prefix="reading") as pool:
        running = {pool.submit(next, iterator, None): iterator for iterator in islice(waiting, workers)}
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    iterator = running.pop(future)
                    item = future.result()
                    onward = next(waiting, None) if item is None else iterator
                    if onward is not None:
                        running[pool.submit(next, onward, None)] = onward
                    if item is not None:
                        yield item
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

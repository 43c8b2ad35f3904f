"""Read a list page by page from the last instant seen, so that rows which move between two requests are not lost.

Offsets over a live table skip rows when earlier ones vanish. Here each page asks anew from the last displayed instant
on: rows at the seam come twice and are dropped by the caller, none is jumped over. A page that one instant fills alone
makes no progress that way, and is handed to `ties`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from sources.runai.client import RunaiClient
from sources.runai.errors import BrokenAnswer
from sources.runai.reading.listing import TICK, Listing, Moment, Page, fetch_page, moment_of
from sources.runai.reading.ties import read_tie

Warn = Callable[[str], None]


def seek(client: RunaiClient, listing: Listing, *, sort_keys: tuple[str, ...], warn: Warn) -> Iterator[Page]:
    """Yield every page of the list; pods at the seams come more than once.

    Args:
        client: the signed-in client.
        listing: what to read, ascending by its column.
        sort_keys: columns by which the server can sort the pods of one instant, best first.
        warn: told when an instant could not be read to the count that the server gives for it.

    Raises:
        BrokenAnswer: the server does not sort as asked, or shows no instant to go on from.
    """
    here: Moment | None = None
    while True:
        page = fetch_page(client, listing.page_params(sort_by=listing.column))
        yield page
        if not page.more and len(page.pods) < listing.page_size:
            return
        if not page.pods:
            return
        moments = [moment for pod in page.pods if (moment := _moment(pod, listing.column)) is not None]
        if not moments and listing.column != "createdAt":
            # Lists may be filtered and sorted by an instant that they do not show.
            yield from seek(client, listing.by_creation(), sort_keys=sort_keys, warn=warn)
            return
        if not moments or not _as_asked(moments, listing):
            msg = f"The list of pods is not in the order of {listing.column} as asked for, and cannot be read on."
            raise BrokenAnswer(msg)
        last = moments[-1]
        if here is None or last.start > here.start:
            here = last
            listing = listing.within(last.start, listing.end)
            continue
        yield from read_tie(client, listing.within(last.start, last.end), sort_keys=sort_keys, warn=warn)
        if listing.end is not None and last.end >= listing.end:
            return
        here = None
        listing = listing.within(last.end + TICK, listing.end)


def _as_asked(moments: list[Moment], listing: Listing) -> bool:
    # Ends cost more to tell than starts, and are rarely needed.
    in_order = all(one.start <= other.start or one.start <= other.end for one, other in pairwise(moments))
    return in_order and (listing.start is None or moments[0].end >= listing.start)


def _moment(pod: Any, column: str) -> Moment | None:
    if not isinstance(pod, dict):
        return None
    try:
        return moment_of(pod.get(column))
    except ValueError:
        return None

"""Pods of given workloads or inference revisions: the look-up that finds what lists no longer show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sources.runai.client import Reply, RunaiClient
from sources.runai.reading.listing import PAGE_SIZE, Page, as_page

MOST_PAGES: Final = 200


def workload_pods(client: RunaiClient, workload_id: str, *, deleted: bool | None = None) -> Iterator[Page]:
    """Yield the pages of one workload's pods; this endpoint shows no project and workload names.

    Raises:
        NotFound: the control plane does not know the workload (any longer).
        PermissionDenied: the account may not see it.
    """
    path = f"/api/v1/workloads/{workload_id}/pods"
    offset = 0
    for _ in range(MOST_PAGES):
        reply: Reply[Any] = client.get(path, {"deleted": deleted, "limit": PAGE_SIZE, "offset": offset or None})
        page = as_page(reply.body, reply.received_at, path)
        yield page
        if not page.pods or (not page.more and len(page.pods) < PAGE_SIZE):
            return
        offset += len(page.pods)


def revision_pods(client: RunaiClient, revision_id: str, *, deleted: bool | None = None) -> Page:
    """Return the pods of one inference revision; this endpoint has no pages and no names.

    Raises:
        NotFound: the control plane does not know the revision, or is older than 2.21.
        PermissionDenied: the account may not see it.
    """
    path = f"/api/v1/workloads/inferences/revisions/{revision_id}/pods"
    reply: Reply[Any] = client.get(path, {"deleted": deleted})
    return as_page(reply.body, reply.received_at, path)

"""Many calls at once, on threads that live no longer than the iteration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

LOOK_AHEAD = 2


class Workers:
    """Up to `count` threads per iteration; `close` waits for those that an abandoned iteration left at work."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pools: set[ThreadPoolExecutor] = set()
        self._lock = threading.Lock()

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Yield `call(item)` for all items, in order of completion.

        Items are taken as needed, at most `LOOK_AHEAD` per thread: a slow reader holds the calls back. The first
        error is raised and no call begins after it; those under way are not waited for.
        """
        pool = ThreadPoolExecutor(self._count, thread_name_prefix="runai")
        with self._lock:
            self._pools.add(pool)
        finished: SimpleQueue[Future[T]] = SimpleQueue()
        failed = threading.Event()

        def begin(item: S) -> T:
            # Behind the error in `finished`, so that nobody gets to see it.
            if failed.is_set():
                raise CancelledError
            return call(item)

        def end(future: Future[T]) -> None:
            finished.put(future)
            if not future.cancelled() and future.exception() is not None:
                failed.set()

        waiting = 0
        clean = False
        try:
            for item in items:
                pool.submit(begin, item).add_done_callback(end)
                waiting += 1
                if waiting == LOOK_AHEAD * self._count:
                    waiting -= 1
                    yield finished.get().result()
            for _ in range(waiting):
                yield finished.get().result()
            clean = True
        finally:
            pool.shutdown(wait=clean, cancel_futures=True)
            if clean:
                with self._lock:
                    self._pools.discard(pool)

    def close(self) -> None:
        """Wait for calls under way and those that wait for a thread; whoever closes makes them end."""
        with self._lock:
            pools = list(self._pools)
            self._pools.clear()
        for pool in pools:
            pool.shutdown(wait=True)

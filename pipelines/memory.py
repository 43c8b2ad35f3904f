"""Keeps a run small and quick, by what is settled before anything else is imported."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Final, NoReturn

M_ARENA_MAX: Final = -8
ARENAS: Final = 2
COLLECT_AFTER: Final = (20_000, 20, 20)


class _WithoutPandas(MetaPathFinder):
    """Says of pandas that it is not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:  # noqa: ARG002
        """Leave every other package to the finders behind this one."""
        if fullname == "pandas":
            raise ModuleNotFoundError(f"No module named {fullname!r} here: a run has no use for it", name=fullname)


def be_frugal() -> None:
    """Settle allocators, imports and garbage collection; before duckdb and pyarrow are imported and threads begin.

    Threads share two heaps, so that what one frees another can use: 50 MB of 460 in a first load of 20,000 pods. And
    duckdb imports pandas, if it can, at the first bound parameter: 40 MB and 0.3 s for a type that no run binds. A page
    of pods is 10,000 objects and no cycle, so looking for cycles every 700 objects took a sixth of a first load.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    gc.set_threshold(*COLLECT_AFTER)
    sys.meta_path.insert(0, _WithoutPandas())
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_ARENA_MAX, ARENAS)


def leave(code: int) -> NoReturn:
    """End the process. Python's last look for cycles, among all that was ever imported, would take 0.25 s."""
    gc.freeze()
    sys.exit(code)

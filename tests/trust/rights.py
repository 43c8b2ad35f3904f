"""Whether files have the rights that the umask leaves them: no more, and no fewer."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def masked(umask: int) -> Iterator[None]:
    """Whatever this process makes in the block is made under this umask."""
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


def current_umask() -> int:
    """That of this process."""
    found = os.umask(0)
    os.umask(found)
    return found


def odd_rights(folder: Path) -> list[str]:
    """Files and folders whose rights are not what the umask of this process leaves of everybody's, with both."""
    before, found = current_umask(), []
    for path in folder.rglob("*"):
        if not path.is_symlink():
            rights, meant = stat.S_IMODE(path.stat().st_mode), (0o777 if path.is_dir() else 0o666) & ~before
            if rights != meant:
                found.append(f"{path} {rights:o}, not {meant:o}")
    return found

"""Small files of the state directory: each replaced as a whole, some of them held by a process while it lives."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def write_json(path: Path, value: object) -> None:
    """Write the value as the file's content; a kill, or a loss of power, leaves the old content or the new."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def is_held(path: Path) -> bool:
    """Whether a process has locked the file, or it is not ours to look at; on Windows nobody can tell.

    It is opened to be read, and its lock is shared: the directory may be read-only, and others may look just now.
    """
    try:
        with path.open("rb") as file:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False

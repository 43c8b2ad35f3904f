"""Small files of the state directory, each replaced as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_json(path: Path, value: object) -> None:
    """Write the value as the file's content; a kill, or a loss of power, leaves the old content or the new."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)

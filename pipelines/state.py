"""Small files of the state directory, each replaced as a whole."""

from __future__ import annotations

import json
from pathlib import Path


def write_json(path: Path, value: object) -> None:
    """Write the value as the file's content; a kill leaves the old content or the new."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(path)

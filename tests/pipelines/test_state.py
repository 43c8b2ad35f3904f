from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.state import write_json


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "some.json"
    write_json(path, {"is": "old"})
    write_json(path, {"is": "new"})
    assert json.loads(path.read_text()) == {"is": "new"}
    assert list(tmp_path.iterdir()) == [path]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"is": "newer"})
    assert json.loads(path.read_text()) == {"is": "new"}

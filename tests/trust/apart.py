"""A scene of its own: nothing of the caller's environment, home or configuration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.conftest import FOREIGN


@contextmanager
def apart() -> Iterator[Path]:
    """A folder that goes with the block; inside, dlt is configured by nothing but what the scene sets."""
    with tempfile.TemporaryDirectory(prefix="runai-pods-trust-") as folder, mock.patch.dict(os.environ):
        for name in list(os.environ):
            if "__" in name.strip("_") or name.upper() in FOREIGN:
                del os.environ[name]
        os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false"}
        # dlt reads these once, when it is imported: whoever was first has set them.
        os.environ.setdefault("DLT_PROJECT_DIR", folder)
        os.environ.setdefault("DLT_DATA_DIR", folder)
        yield Path(folder)

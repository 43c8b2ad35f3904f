"""`python -m tests.compatibility.keep`: put a small data directory of this release beside those of the others.

Once a release: `releases/VERSION.tar.xz` holds a folder per destination, as two runs left it, metrics included.
"""

from __future__ import annotations

import tarfile
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from pipelines.run import VERSION
from simulator import WorldConfig
from tests.behaviour.scene import START, scene

RELEASES: Final = Path(__file__).with_name("releases")
WORLD: Final = WorldConfig(pods=20, start=START)


def keep(folder: Path) -> Path:
    """Write the data directory of each destination, and pack both; returns the archive."""
    for destination in ("duckdb", "filesystem"):
        with scene(folder / destination, destination, config=WORLD) as here:
            here.run(metrics="basic", since=here.clock.now() - timedelta(hours=2))
            here.advance(hours=1)
            here.run(metrics="basic")
    RELEASES.mkdir(exist_ok=True)
    archive = RELEASES / f"{VERSION}.tar.xz"
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for destination in ("duckdb", "filesystem"):
            packed.add(folder / destination, destination, filter=_of_nobody)
    return archive


def _of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """The member without its owner; None for what tells of the machine alone."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if member.name.endswith(("trace.pickle", ".log")) else member


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(keep(Path(scratch)))

"""A sample of the scene with readers: three of them, over a few publications."""

from __future__ import annotations

import pytest

from tests.trust.readers import watch


@pytest.mark.timeout(300)
def test_readers_see_one_generation_at_a_time_and_keep_nobody_waiting() -> None:
    seen = watch(runs=1, reads=4, readers=("link", "parquet", "kept"))
    assert (seen.errors[:3], seen.torn[:3]) == ([], [])
    assert seen.reads >= 4
    assert seen.published == seen.runs >= 2
    # The one that keeps its connection stays with the first generation, the others follow the link.
    assert len(seen.generations) >= 2

"""A sample of the scene with readers: three of them, over a few publications."""

from __future__ import annotations

import pytest

from tests.trust.readers import watch


@pytest.mark.timeout(300)
def test_readers_see_one_generation_at_a_time_and_keep_nobody_waiting() -> None:
    seen = watch(runs=2, reads=6, readers=("link", "parquet", "kept"))
    assert (seen.errors[:3], seen.torn[:3]) == ([], [])
    assert seen.reads >= 6
    assert seen.published == seen.runs >= 3
    assert len(seen.generations) >= 2

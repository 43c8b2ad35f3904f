"""Generated blocks are made again where they differ, and only there."""

from __future__ import annotations

import pytest

from tests.readme.page import fenced, fences, regenerate

PAGE = """# Page
```sql
select 1
```
<!-- generated: result -->
took 1.2 s, 3 rows
requests  38
<!-- end -->
by hand
"""


def test_a_stale_block_is_replaced_and_the_rest_is_left() -> None:
    page = regenerate(PAGE, {"result": lambda _: "took 1.4 s, 4 rows\nrequests  40"})
    assert page == PAGE.replace("took 1.2 s, 3 rows\nrequests  38", "took 1.4 s, 4 rows\nrequests  40")


def test_what_no_two_runs_share_makes_no_block_stale() -> None:
    assert regenerate(PAGE, {"result": lambda _: "took 9.9 s, 3 rows\nrequests  1,036"}) == PAGE


def test_a_maker_sees_the_page_up_to_its_block() -> None:
    page = regenerate(PAGE, {"result": lambda before: fences(before, "sql")[-1]})
    assert "-->\nselect 1\n<!--" in page


def test_blocks_are_made_in_order() -> None:
    letters = iter("ab")
    page = regenerate(PAGE + PAGE, {"result": lambda _: next(letters)})
    assert page.index("-->\na\n<!--") < page.index("-->\nb\n<!--")


def test_a_block_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(KeyError, match="result"):
        regenerate(PAGE, {})


def test_a_fence_can_be_read_back() -> None:
    assert fences(fenced("text", "a  \nb\n"), "text") == ["a\nb\n"]

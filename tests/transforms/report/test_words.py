from __future__ import annotations

from math import inf, nan

import pytest

from transforms.report import words


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("hours", 0, "0"),
        ("hours", 0.04, "under 0.1"),
        ("hours", 12.345, "12.3"),
        ("hours", 1234.5, "1,234"),
        ("hours", 1e300, "1e+300"),
        ("number", 1.5e15, "1.5e+15"),
        ("percent", 0, "0 %"),
        ("percent", 0.004, "under 1 %"),
        ("percent", 0.5, "50 %"),
        ("percent", 0.9999, "99 %"),
        ("percent", 1, "100 %"),
        ("wait", 0, "0 s"),
        ("wait", 0.4, "under 1 s"),
        ("wait", 59, "59 s"),
        ("wait", 60, "1 min"),
        ("wait", 7530, "2 h 5 min"),
        ("wait", 7200, "2 h"),
        ("wait", 86400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
        ("number", 1234, "1,234"),
        ("number", 0.5, "0.5"),
    ],
)
def test_numbers_are_said_as_somebody_would(kind: str, value: float, said: str) -> None:
    assert words.say(value, kind) == said


def test_only_a_number_is_known() -> None:
    assert [words.is_known(value) for value in (0, 1.5, None, nan, inf, -inf)] == [True, True] + [False] * 4


def test_a_name_is_cut_and_can_play_no_trick() -> None:
    assert words.name("a\u202eb\u2066c\x00d\u200be\x85") == "a\ufffdb\ufffdc\ufffdd\ufffde "
    assert words.name("two\nlines\u2028and\ta tab") == "two lines and a tab"
    assert words.name("x" * 1_000_000) == "x" * 79 + "…"
    assert words.name("x" * 80) == "x" * 80
    assert words.name("اسم 名前 👩‍🔬") == "اسم 名前 👩‍🔬"


def test_only_nothing_and_all_have_colours_of_their_own() -> None:
    assert [words.shade(share) for share in (0, 0.001, 0.3, 0.5, 0.999, 1, 1.2)] == [0, 1, 2, 3, 4, 5, 5]

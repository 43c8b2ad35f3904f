"""Selecting, ordering and counting pods on the columns of a snapshot."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulator.contract.filters import DATES
from simulator.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.contract import Ask
    from simulator.contract.filters import Filter
    from simulator.world.columns import Ints, Mask, Snapshot, Texts

# Sorts behind whatever begins with the same text.
_LAST: Final = chr(0x10FFFF)

# Nulls match no condition, `!=` and `!@` included, as in SQL.
_DATE_TESTS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda column, value: column == value,
    "!=": lambda column, value: (column != value) & (column < NEVER),
    "<=": lambda column, value: column <= value,
    ">=": lambda column, value: (column >= value) & (column < NEVER),
}
_TEXT_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "!=": lambda text, value: text != value,
    "=@": lambda text, value: value in text,
    "!@": lambda text, value: value not in text,
    "=$": lambda text, value: text.endswith(value),
}


def shown(snapshot: Snapshot, hidden_projects: Sequence[str]) -> Mask:
    """The rows that the asking account may see."""
    return snapshot.is_listed & ~texts_where(snapshot.projects, lambda text: text in hidden_projects)


def matching(snapshot: Snapshot, mask: Mask, ask: Ask, *, plain_has_deleted: bool) -> Mask:
    """The rows among `mask` that a request is about, of whichever endpoint; what it does not give sets no condition."""
    is_deleted = snapshot.dates["deletedAt"] < NEVER
    if ask.get("deleted") is not None:
        mask = mask & (is_deleted == ask["deleted"])
    elif not plain_has_deleted:
        mask = mask & ~is_deleted
    if ask.get("completed") in {"true", "false"}:
        is_completed = snapshot.dates["completedAt"] < NEVER
        mask = mask & (is_completed == (ask["completed"] == "true"))
    for condition in ask.get("filterBy") or ():
        mask = mask & _test(snapshot, condition)
    for column in ("workloadId", "revisionId"):
        if (id_ := ask.get(column)) is not None:
            mask = mask & texts_from(snapshot.texts[column], id_)
    if ask.get("search"):
        mask = mask & _named(snapshot, mask, ask["search"].lower())
    return mask


def ordered(snapshot: Snapshot, mask: Mask, ask: Ask, tie_breaker: Callable[[int], Ints]) -> Ints:
    """The chosen rows in the order asked for, nulls last (descending: first); ties in the order of `tie_breaker`."""
    rows = np.flatnonzero(mask)
    rows = rows[tie_breaker(len(rows))]
    column = ask.get("sortBy")
    if column is None:
        return rows
    keys = snapshot.dates[column] if column in DATES else snapshot.texts[column].codes
    keys = keys[rows]
    return rows[np.argsort(-keys if ask["sortOrder"] == "desc" else keys, kind="stable")]


def _test(snapshot: Snapshot, condition: Filter) -> Mask:
    if condition.column in DATES:
        matched: Mask = _DATE_TESTS[condition.operator](snapshot.dates[condition.column], condition.value)
        return matched
    texts, value = snapshot.texts[condition.column], str(condition.value)
    if condition.operator in {"==", "=^"}:
        return texts_from(texts, value, is_prefix=condition.operator == "=^")
    test = _TEXT_TESTS[condition.operator]
    return texts_where(texts, lambda text: test(text, value))


def texts_from(texts: Texts, value: str, *, is_prefix: bool = False) -> Mask:
    """The rows whose text is, or begins with, a value: a range of the sorted values."""
    first = bisect_left(texts.values, value)
    beyond = bisect_left(texts.values, value + _LAST) if is_prefix else bisect_right(texts.values, value)
    matched: Mask = (texts.codes >= first) & (texts.codes < beyond)
    return matched


def texts_where(texts: Texts, test: Callable[[str], bool]) -> Mask:
    """The rows whose text passes a test; never those of null."""
    # The last entry answers for null, whose code is beyond the values.
    wanted = np.array([*map(test, texts.values), False])
    matched: Mask = wanted[np.minimum(texts.codes, len(texts.values))]
    return matched


def _named(snapshot: Snapshot, mask: Mask, wanted: str) -> Mask:
    named = np.zeros(len(mask), dtype=np.bool_)
    rows = np.flatnonzero(mask)
    named[rows] = [wanted in snapshot.pods[row].name.lower() for row in rows.tolist()]
    return named

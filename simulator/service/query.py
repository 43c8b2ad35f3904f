"""Selecting, ordering and counting pods on the columns of a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulator.contract.filters import DATES
from simulator.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.contract import Ask
    from simulator.contract.filters import Filter
    from simulator.world.columns import Ints, Mask, Snapshot, Texts

# Nulls match no condition, `!=` and `!@` included, as in SQL.
_DATE_TESTS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda column, value: column == value,
    "!=": lambda column, value: (column != value) & (column < NEVER),
    "<=": lambda column, value: column <= value,
    ">=": lambda column, value: (column >= value) & (column < NEVER),
}
_TEXT_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "==": lambda text, value: text == value,
    "!=": lambda text, value: text != value,
    "=@": lambda text, value: value in text,
    "!@": lambda text, value: value not in text,
    "=^": lambda text, value: text.startswith(value),
    "=$": lambda text, value: text.endswith(value),
}


def matching(snapshot: Snapshot, ask: Ask, *, plain_has_deleted: bool, hidden_projects: Sequence[str] = ()) -> Mask:
    """The rows that a request is about, of whichever endpoint; conditions that it does not give are not set."""
    mask = snapshot.is_listed & ~_has_project(snapshot, hidden_projects)
    is_deleted = snapshot.dates["deletedAt"] < NEVER
    if ask.get("deleted") is not None:
        mask &= is_deleted if ask["deleted"] else ~is_deleted
    elif not plain_has_deleted:
        mask &= ~is_deleted
    if ask.get("completed") in {"true", "false"}:
        mask &= (snapshot.dates["completedAt"] < NEVER) == (ask["completed"] == "true")
    for condition in ask.get("filterBy") or ():
        mask &= _test(snapshot, condition)
    for column in ("workloadId", "revisionId"):
        if (id_ := ask.get(column)) is not None:
            mask &= texts_where(snapshot.texts[column], lambda text, wanted=id_: text == wanted)  # type: ignore[misc]
    if ask.get("search"):
        mask &= _named(snapshot, mask, ask["search"].lower())
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
    value, test = str(condition.value), _TEXT_TESTS[condition.operator]
    return texts_where(snapshot.texts[condition.column], lambda text: test(text, value))


def texts_where(texts: Texts, test: Callable[[str], bool]) -> Mask:
    """The rows whose text passes a test; never those of null."""
    # The last entry answers for null, whose code is beyond the values.
    wanted = np.array([*map(test, texts.values), False])
    matched: Mask = wanted[np.minimum(texts.codes, len(texts.values))]
    return matched


def _has_project(snapshot: Snapshot, projects: Sequence[str]) -> Mask:
    return texts_where(snapshot.projects, lambda text: text in projects)


def _named(snapshot: Snapshot, mask: Mask, wanted: str) -> Mask:
    named = np.zeros(len(mask), dtype=np.bool_)
    rows = np.flatnonzero(mask)
    named[rows] = [wanted in snapshot.pods[row].name.lower() for row in rows.tolist()]
    return named

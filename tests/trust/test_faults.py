"""A sample of the fault matrix; `python -m tests.trust --scene faults` plays all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.trust.apart import apart
from tests.trust.compared import differences
from tests.trust.faults import ENDPOINTS, FAULTS, Matrix, table
from tests.trust.tenant import tenant
from tests.trust.ways import TLS, UNREACHABLE

SAMPLE = [
    ("list", "403"),
    ("list", "200 MB in gzip"),
    ("count", "429 Retry-After"),
    ("workload", "503"),
    ("revision", "silence in the body"),
    ("revision", "303 to no scheme"),
    ("metrics", "207"),
    ("metrics", "401"),
    ("token", "401 once"),
    ("token", "307 to another port"),
    ("clusters", "truncated"),
    ("any", "another name"),
    ("any", "unanswered connection"),
]


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with apart() as folder, tenant(folder / "data") as here:
        yield Matrix(here, folder)


def test_the_table_has_every_cell_once() -> None:
    whole = {(endpoint, fault) for endpoint in ENDPOINTS for fault in FAULTS}
    whole |= {("any", fault) for fault in (*TLS, *UNREACHABLE)}
    assert Counter((cell.endpoint, cell.fault) for cell in table()) == Counter(whole)


@pytest.mark.parametrize(("endpoint", "fault"), SAMPLE)
def test_a_fault_has_the_outcome_of_the_table(matrix: Matrix, endpoint: str, fault: str) -> None:
    (cell,) = [cell for cell in table() if (cell.endpoint, cell.fault) == (endpoint, fault)]
    assert cell.differences(matrix.play(cell)) == []


def test_a_cell_that_came_out_otherwise_is_told() -> None:
    cell = table()[0]
    assert cell.differences(cell) == []
    for column in ("requests", "outcome", "code", "says", "tables"):
        (difference,) = cell.differences(replace(cell, **{column: "other"}))
        assert difference.startswith(column)


def test_a_column_that_differs_is_named() -> None:
    columns = ["pod_id", "phase"]
    wanted = {"pods": (columns, Counter([("a", "Running"), ("b", "Failed")])), "runs": (columns, Counter([("a", "b")]))}
    for phase, said in {"Failed": "", "Running": "pods (phase)"}.items():
        found = wanted | {"pods": (columns, Counter([("a", "Running"), ("b", phase)]))}
        assert differences(wanted, found) == said
    swapped = Counter([("a", "Failed"), ("b", "Running")])
    assert differences(wanted, wanted | {"pods": (columns, swapped)}) == "pods (rows)"
    fewer = Counter([("a", "Failed")])
    assert differences(wanted, wanted | {"pods": (columns, fewer)}) == "pods 1 for 2 with 1 other"

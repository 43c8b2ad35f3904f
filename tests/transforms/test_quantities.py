"""Quantities in SQL against a table of expected values, and against the Kubernetes client's own reading."""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from transforms.database import connect

EXPECTED = json.loads((Path(__file__).parent / "quantities.json").read_text(encoding="utf-8"))
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
# What decimal(38, 9) can hold.
LARGEST = Decimal(10) ** 29
SMALLEST = Decimal("1e-9")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(":memory:") as con:
        yield con


def read(con: duckdb.DuckDBPyConnection, texts: list[str]) -> list[Decimal | None]:
    con.execute("create or replace temp table texts (place integer, text varchar)")
    con.execute("insert into texts select unnest(range(len($1))), unnest($1)", [texts])
    return [value for (value,) in con.execute("select quantity(text) from texts order by place").fetchall()]


def test_the_table_of_quantities(con: duckdb.DuckDBPyConnection) -> None:
    read_values = dict(zip(EXPECTED, read(con, list(EXPECTED)), strict=True))

    assert read_values == {text: None if value is None else Decimal(value) for text, value in EXPECTED.items()}


def test_null_is_null(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("select quantity(null)").fetchone() == (None,)


NUMBERS = st.from_regex(r"[+-]?([0-9]{1,25}(\.[0-9]{0,15})?|\.[0-9]{1,15})", fullmatch=True, alphabet="0123456789+-.")
EXPONENTS = st.builds("{}{}".format, st.sampled_from("eE"), st.integers(-30, 30))


def by_kubernetes(text: str) -> Decimal | None:
    """The client's own reading; null where it reads nothing, or where a decimal(38, 9) cannot hold the value."""
    with decimal.localcontext(prec=200):
        try:
            value: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
        except ValueError:
            return None
        return value if abs(value) < LARGEST and value % SMALLEST == 0 else None


@given(st.lists(st.builds("{}{}".format, NUMBERS, st.sampled_from(SUFFIXES) | EXPONENTS), min_size=20, max_size=200))
def test_quantities_are_read_as_kubernetes_reads_them(con: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    assert read(con, texts) == [by_kubernetes(text) for text in texts]


@given(st.lists(st.text(alphabet="0123456789.eEinumkKMGTPB+- x", max_size=8), min_size=20, max_size=200))
def test_what_kubernetes_cannot_read_is_null(con: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    """Left out is what the client alone reads (`1K`) and what the API alone writes (`0B`); the table has both."""
    texts = [text for text in texts if not re.search(r"K$|\s|_|B$", text)]

    assert read(con, texts) == [by_kubernetes(text) for text in texts]

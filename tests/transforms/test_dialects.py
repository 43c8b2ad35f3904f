"""Marts keep to SQL that sqlglot translates: whoever moves them to another warehouse has staging and macros to write.

Translated is not run: there is no such warehouse here. What sqlglot says that a dialect cannot do is an error, what it
makes of the rest is read again by the grammar of that dialect, and a function that it does not know is a macro of ours.
"""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from transforms import models
from transforms.database import HERE
from transforms.models import Model

# Each sqlglot knows more functions than the one before.
pytestmark = pytest.mark.pinned

MACROS = set(re.findall(r"temp macro (\w+)\(", (HERE / "macros.sql").read_text(encoding="utf-8")))
# A constructor in the standard, which sqlglot takes for a function.
STANDARD = {"row"}
# What cannot be said, and why; a reason that no longer holds is an error too.
UNSUPPORTED = {(mart, "postgres"): "IGNORE NULLS" for mart in ("focus_usage", "pod_history")}

EVERY = pytest.mark.parametrize("mart", models.marts(), ids=lambda mart: mart.name)


def translated(mart: Model, dialect: str) -> str:
    (text,) = sqlglot.transpile(mart.sql, read="duckdb", write=dialect, unsupported_level=ErrorLevel.RAISE)
    return text


@EVERY
@pytest.mark.parametrize("dialect", ["postgres", "snowflake"])
def test_a_mart_is_translated(mart: Model, dialect: str) -> None:
    reason = UNSUPPORTED.get((mart.name, dialect))
    if reason:
        with pytest.raises(UnsupportedError, match=reason):
            translated(mart, dialect)
    else:
        sqlglot.parse_one(translated(mart, dialect), read=dialect)


@EVERY
def test_what_only_duckdb_has_stands_behind_a_named_macro(mart: Model) -> None:
    unknown = {function.name for function in sqlglot.parse_one(mart.sql, read="duckdb").find_all(exp.Anonymous)}

    assert unknown - MACROS - STANDARD == set()

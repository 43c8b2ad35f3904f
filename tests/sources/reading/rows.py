"""Pods of an answer as rows, and the same read plainly: one field of one pod at a time."""

from __future__ import annotations

from typing import Any

from sources.runai.reading.fields import (
    INSTANT_FIELDS,
    JSON_FIELDS,
    KNOWN_FIELDS,
    TEXT_FIELDS,
    as_instant,
    as_json,
    as_text,
    is_set,
)
from sources.runai.reading.payload import pod_columns

Row = dict[str, Any]


def pod_rows(payloads: list[Any], *, listed_as_deleted: bool = False) -> list[Row]:
    """Return the raw rows of the pods of one answer."""
    columns = pod_columns(payloads, listed_as_deleted=listed_as_deleted)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def pod_row(payload: Any, *, listed_as_deleted: bool = False) -> Row:
    """Return the raw row of one pod."""
    (row,) = pod_rows([payload], listed_as_deleted=listed_as_deleted)
    return row


def plain_row(payload: dict[str, Any]) -> Row:
    """Return what the raw row of a pod should be, without its hash."""
    coercions = [(TEXT_FIELDS, as_text), (INSTANT_FIELDS, as_instant), (JSON_FIELDS, as_json)]
    row: Row = {"id": payload["id"]}
    extra = {field: value for field, value in payload.items() if field not in KNOWN_FIELDS}
    for fields, coerce in coercions:
        for field, column in fields.items():
            value = payload.get(field)
            try:
                row[column] = None if value is None else coerce(value)
            except ValueError:
                row[column], extra[field] = None, value
    row["extra"] = as_json(extra) if extra else None
    row["is_deleted"] = is_set(row["deleted_at"])
    return row

"""One pod of an answer → one raw row."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from sources.runai.reading.fields import (
    INSTANT_FIELDS,
    JSON_FIELDS,
    KNOWN_FIELDS,
    NAMES,
    TEXT_FIELDS,
    as_instant,
    as_json,
    as_text,
    is_set,
)

Row = dict[str, Any]


_CONTENT: Final = tuple(
    ["id", "extra"]
    + [column for field, column in (TEXT_FIELDS | INSTANT_FIELDS | JSON_FIELDS).items() if field not in NAMES]
)


class UnreadablePayloadError(ValueError):
    """The payload is no pod: not an object, or without an id."""


def pod_row(payload: object, *, listed_as_deleted: bool = False) -> Row:
    """Return the raw row of one pod, without `found_by` and the observation columns.

    Fields that the contract does not name, and known ones whose value cannot be typed, are kept in `extra`.

    Raises:
        UnreadablePayloadError: there is no pod in it.
    """
    if not isinstance(payload, dict):
        msg = f"a pod is an object, this is {type(payload).__name__}"
        raise UnreadablePayloadError(msg)
    pod_id = payload.get("id")
    if not isinstance(pod_id, str) or not pod_id:
        msg = "the pod has no id"
        raise UnreadablePayloadError(msg)
    row: Row = {"id": pod_id}
    extra = {field: payload[field] for field in payload.keys() - KNOWN_FIELDS}
    for field, column in TEXT_FIELDS.items():
        value = row[column] = payload.get(field)
        if value is not None and type(value) is not str:
            row[column] = _coerced(as_text, field, value, extra)
    for field, column in INSTANT_FIELDS.items():
        value = row[column] = payload.get(field)
        if value is not None:
            row[column] = _coerced(as_instant, field, value, extra)
    for field, column in JSON_FIELDS.items():
        value = payload.get(field)
        row[column] = None if value is None else as_json(value)
    row["extra"] = as_json(extra) if extra else None
    row["content_hash"] = _content_hash(row)
    row["is_deleted"] = listed_as_deleted or is_set(row["deleted_at"])
    return row


def _coerced(coerce: Callable[[object], object], field: str, value: object, extra: Row) -> object:
    try:
        return coerce(value)
    except ValueError:
        extra[field] = value
        return None


def _content_hash(row: Row) -> str:
    """Return 32 hex digits over what the pod is, without the names that only some endpoints show.

    A field that is null and one that is absent count as equal, for endpoints may differ in it.
    """
    content = "\x1f".join("\x00" if value is None else str(value) for value in map(row.get, _CONTENT))
    return blake2b(content.encode(), digest_size=16).hexdigest()

"""One pod of an answer → one raw row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

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

_COERCIONS: Final[tuple[tuple[str, str, Callable[[object], object]], ...]] = (
    *((field, column, as_text) for field, column in TEXT_FIELDS.items()),
    *((field, column, as_instant) for field, column in INSTANT_FIELDS.items()),
    *((field, column, as_json) for field, column in JSON_FIELDS.items()),
)

Row = dict[str, Any]


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
    extra = {field: value for field, value in payload.items() if field not in KNOWN_FIELDS}
    for field, column, coerce in _COERCIONS:
        value = payload.get(field)
        if value is None:
            row[column] = None
            continue
        try:
            row[column] = coerce(value)
        except ValueError:
            row[column] = None
            extra[field] = value
    row["extra"] = as_json(extra) if extra else None
    row["is_deleted"] = listed_as_deleted or is_set(row["deleted_at"])
    row["content_hash"] = content_hash(payload)
    return row


def content_hash(payload: Mapping[str, Any]) -> str:
    """Return 32 hex digits over what the pod is, without the names that only some endpoints show.

    A field that is null and one that is absent count as equal, so that endpoints may differ in it.
    """
    content = {field: value for field, value in payload.items() if value is not None and field not in NAMES}
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return blake2b(text, digest_size=16).hexdigest()

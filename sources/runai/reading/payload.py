"""The pods of one answer → columns of raw.

Column by column and not pod by pod: what is regular, nearly everything, is then checked and converted by loops in C,
and only a column with an irregular value in it is looked at value by value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from types import NoneType
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

Row = dict[str, Any]
Columns = dict[str, list[Any]]
Payload = dict[str, Any]
Extra = defaultdict[int, Payload]
"""What goes into `extra`, by the pod's place in the answer."""

LONGEST_ID: Final = 1_000
"""Characters of a pod's id, where a UUID has 36: it stands in every row that is told of the pod, samples too."""

_TEXT_OR_NULL: Final = {str, NoneType}
_CONTENT: Final = tuple(
    ["id", "extra"]
    + [column for field, column in (TEXT_FIELDS | INSTANT_FIELDS | JSON_FIELDS).items() if field not in NAMES]
)


def why_unreadable(payload: object) -> str | None:
    """Say why there is no pod in the payload: it is no object, or has no id that could be one. None if there is one."""
    if not isinstance(payload, dict):
        return f"a pod is an object, this is {type(payload).__name__}"
    pod_id = payload.get("id")
    if not isinstance(pod_id, str) or not pod_id:
        return "the pod has no id"
    return None if len(pod_id) <= LONGEST_ID else f"the pod's id has {len(pod_id):,} characters"


def pod_columns(pods: Sequence[Payload], *, listed_as_deleted: bool = False) -> Columns:
    """Return the columns of readable pods, without `found_by` and the observation columns.

    Fields that the contract does not name, and known ones whose value cannot be typed, are kept in `extra`.
    """
    extra: Extra = defaultdict(dict)
    for place, pod in enumerate(pods):
        if not pod.keys() <= KNOWN_FIELDS:
            extra[place] = {field: pod[field] for field in pod.keys() - KNOWN_FIELDS}
    columns: Columns = {"id": [pod["id"] for pod in pods]}
    for field, column in TEXT_FIELDS.items():
        values = columns[column] = [pod.get(field) for pod in pods]
        if not _TEXT_OR_NULL.issuperset(map(type, values)):
            columns[column] = _coerced(as_text, field, values, extra)
    for field, column in INSTANT_FIELDS.items():
        columns[column] = _coerced(as_instant, field, [pod.get(field) for pod in pods], extra)
    for field, column in JSON_FIELDS.items():
        columns[column] = [None if (value := pod.get(field)) is None else as_json(value) for pod in pods]
    columns["extra"] = [as_json(extra[place]) if place in extra else None for place in range(len(pods))]
    columns["content_hash"] = _content_hashes(columns)
    columns["is_deleted"] = [listed_as_deleted or is_set(instant) for instant in columns["deleted_at"]]
    return columns


def _coerced(coerce: Callable[[object], object], field: str, values: Sequence[object], extra: Extra) -> list[Any]:
    try:
        return [None if value is None else coerce(value) for value in values]
    except ValueError:
        return [_one_coerced(coerce, field, value, extra, place) for place, value in enumerate(values)]


def _one_coerced(coerce: Callable[[object], object], field: str, value: object, extra: Extra, place: int) -> object:
    try:
        return None if value is None else coerce(value)
    except ValueError:
        extra[place][field] = value
        return None


def _content_hashes(columns: Columns) -> list[str]:
    """Return 32 hex digits over what each pod is, without the names that only some endpoints show.

    A field that is null and one that is absent count as equal, for endpoints may differ in it.
    """
    contents = zip(*(columns[name] for name in _CONTENT), strict=True)
    return [blake2b(orjson.dumps(content), digest_size=16).hexdigest() for content in contents]

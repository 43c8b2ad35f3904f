"""Query parameters as the contract writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote


def query(params: Mapping[str, object]) -> str:
    """Encode parameters as the contract wants them (`explode=false`): `?a=1&b=x,y`, or nothing.

    Raises ValueError for a list item with a comma in it: there is no way to write one.
    """
    pairs = [f"{quote(name, safe='')}={_encoded(value)}" for name, value in params.items() if value is not None]
    return "?" + "&".join(pairs) if pairs else ""


def timestamp(instant: datetime) -> str:
    """An instant as the API reads it in parameters and filters: UTC, microseconds, `Z`."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _encoded(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        items = [_text(item) for item in value]
        if comma := next((item for item in items if "," in item), None):
            raise ValueError(f"{comma!r} holds a comma, which the API takes for the end of the value")
        return ",".join(quote(item, safe="") for item in items)
    return quote(_text(value), safe="")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return timestamp(value) if isinstance(value, datetime) else str(value)

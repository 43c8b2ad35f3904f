"""The JSON of an answer: by the book where it can be, and lenient where one odd value would cost a whole page."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON body.

    Half a surrogate pair becomes U+FFFD, a number beyond the range of a double keeps its text: both are refused by
    strict parsers, and would take every other pod of the page with them.

    Raises:
        ValueError: the body is no JSON, or not all of it.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as refusal:
        try:
            return _mended(json.loads(body, parse_float=_number, parse_constant=str))
        except (ValueError, RecursionError):
            raise refusal from None


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return value

"""The JSON of an answer: by the book where it can be, and lenient where one odd value would cost a whole page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

DEEPEST: Final = 200
"""Lists and objects in each other, beyond which what is inside stays text. Parsers and databases give up at some depth,
each at another; no pod that anybody means goes beyond ten."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON body.

    Half a surrogate pair becomes U+FFFD, a number beyond the range of a double or of 4,300 digits keeps its text, and
    so does what lies deeper than parsers go: each is refused by strict parsers, and would take every other pod of the
    page with it.

    Raises:
        ValueError: the body is no JSON, or not all of it.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as refusal:
        try:
            return _leniently(body)
        except ValueError:
            raise refusal from None


def _leniently(body: bytes) -> Any:
    try:
        return _mended(_loaded(body))
    except RecursionError:
        return _mended(_loaded(b"".join(_shallow(body))))


def _loaded(body: bytes) -> Any:
    return json.loads(body, parse_float=_number, parse_int=_whole, parse_constant=str)


def _shallow(body: bytes) -> Iterator[bytes]:
    """Yield the body in parts; each value that lies `DEEPEST` deep is a JSON string of its own text instead."""
    depth = done = 0
    for token in _TOKEN.finditer(body):
        if token[0] in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                yield body[done : token.start()]
                done = token.start()
        elif token[0] in b"]}":
            depth -= 1
            if depth == DEEPEST:
                yield json.dumps(body[done : token.end()].decode()).encode()
                done = token.end()
    if depth:
        raise ValueError("not all of it")
    yield body[done:]


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _whole(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return value

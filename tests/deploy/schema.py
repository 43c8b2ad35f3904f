"""A manifest held against the schema of Kubernetes, as its client has it; unknown fields are errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubernetes import client

_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
_MANY = re.compile(r"(list\[|dict\(str, )(?P<inner>.+)[\])]")


def misfits(value: Any, kind: Any, path: str = "") -> Iterator[str]:
    """Say what does not fit the model: unknown fields, values of another type, what must be there and is not."""
    if not isinstance(value, dict):
        yield f"{path} is no {kind.__name__}"
        return
    fields = {name: attribute for attribute, name in kind.attribute_map.items()}
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        if name not in fields:
            yield f"{here} is no field of {kind.__name__}"
        elif inner is not None:
            yield from _misfits(inner, kind.openapi_types[fields[name]], here)
    try:
        # Its constructor checks what is required, and words that must be of a list.
        kind(**{fields[name]: inner for name, inner in value.items() if name in fields})
    except ValueError:
        yield f"{path or kind.__name__} lacks something, or holds a word that is not of the list"


def _misfits(value: Any, kind: str, path: str) -> Iterator[str]:
    many = _MANY.fullmatch(kind)
    if many:
        if not isinstance(value, list if kind.startswith("list") else dict):
            yield f"{path} is no {kind}"
            return
        for place, inner in enumerate(value) if isinstance(value, list) else value.items():
            yield from _misfits(inner, many["inner"], f"{path}.{place}")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{path} is no {kind}"
    elif kind.startswith("V"):
        yield from misfits(value, getattr(client, kind), path)

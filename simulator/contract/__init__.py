"""The contract by which the simulator serves and judges, one file per control-plane version.

A version is a whole OpenAPI document, or `{"base": other version, "patch": JSON merge patch (RFC 7396)}`. The files are
narrower than the published contract wherever a client could rely on luck: enums, ranges and operators are spelled out.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

from simulator.contract.requests import Ask, Operation, Params, operations

__all__ = ["VERSIONS", "Ask", "Contract", "Params", "document"]

Schema = dict[str, Any]

_FOLDER: Final = files("simulator.contract")
VERSIONS: Final = tuple(sorted(file.name.removesuffix(".json") for file in _FOLDER.iterdir() if file.name[0].isdigit()))


@cache
def document(version: str) -> Schema:
    """The OpenAPI document of a control-plane version; an unknown version is a ValueError."""
    if version not in VERSIONS:
        raise ValueError(f"no contract of version {version!r}; there are {', '.join(VERSIONS)}")
    stored: Schema = json.loads(_FOLDER.joinpath(f"{version}.json").read_text())
    return _patched(document(stored["base"]), stored["patch"]) if "base" in stored else stored


class Contract:
    """One version's contract: judges requests and describes what a pod looks like."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.document = document(version)
        self._operations = operations(self.document)

    def check_request(self, method: str, path: str, params: Params = ()) -> Ask:
        """The operation asked for with its typed values; a `Problem` (400, 404, 405) if the contract forbids it."""
        return self.operation(method, path).ask(path, params)

    def operation(self, method: str, path: str) -> Operation:
        """The operation that a path means, whatever its parameters; a `Problem` (404, 405) if there is none."""
        return self._operations.find(method, path)

    def schema(self, name: str) -> Schema:
        """A named schema, as written; its parts may be references."""
        found: Schema = self.document["components"]["schemas"][name]
        return found

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, where it may be a reference."""
        return self.schema(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema

    def has(self, schema: str, property_: str) -> bool:
        """Whether a schema exists and has a property of that name."""
        return property_ in self.document["components"]["schemas"].get(schema, {}).get("properties", {})


def _patched(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _patched(merged.get(key), value)
    return merged

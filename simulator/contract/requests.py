"""Judging a request by the contract: path, parameters, and the rules that no schema can say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.contract.filters import Filter, parse_filter
from simulator.instants import parse_rfc3339
from simulator.problems import Problem

Params = Mapping[str, str] | Iterable[tuple[str, str]]
Schema = dict[str, Any]
_Check = Callable[[str], Any]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Ask:
    """A request that the contract allows: its operation, and typed values with the defaults filled in."""

    operation: str
    values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str) -> Any:
        """A value, or None where it was not given and has no default."""
        return self.values.get(name)


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation."""

    name: str
    place: str
    required: bool
    default: Any
    check: _Check


@dataclass(frozen=True)
class Operation:
    """One operation of the contract: which paths it answers, and what it accepts there."""

    id: str
    method: str
    path: re.Pattern[str]
    is_secured: bool
    parameters: tuple[Parameter, ...]

    def ask(self, path: str, params: Params) -> Ask:
        """The typed values of a request, or a `Problem` of status 400."""
        in_path = self.path.fullmatch(path)
        given = _once(params)
        texts = {**given, **(in_path.groupdict() if in_path else {})}
        unknown = given.keys() - {parameter.name for parameter in self.parameters if parameter.place == "query"}
        if unknown:
            raise _bad(f"unknown parameter {min(unknown)!r}")
        values = {parameter.name: _value(parameter, texts.get(parameter.name)) for parameter in self.parameters}
        if "start" in values and values["end"] <= values["start"]:
            raise _bad("'end' must be later than 'start'")
        return Ask(self.id, {name: value for name, value in values.items() if value is not None})


class Operations(tuple[Operation, ...]):
    """Every operation of a contract."""

    __slots__ = ()

    def find(self, method: str, path: str) -> Operation:
        """The operation of a path, or a `Problem` of status 404 or 405."""
        at_path = [operation for operation in self if operation.path.fullmatch(path)]
        if not at_path:
            raise Problem(404, "Resource id not found.", f"no such path: {path}")
        for operation in at_path:
            if operation.method == method.upper():
                return operation
        raise Problem(405, "Method not allowed.", f"{method} {path}")


def operations(document: Schema) -> Operations:
    """The operations of an OpenAPI document."""
    return Operations(
        Operation(
            id=operation["operationId"],
            method=method.upper(),
            path=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
            is_secured=operation.get("security") != [],
            parameters=tuple(_parameter(document, reference) for reference in operation.get("parameters", ())),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )


def _parameter(document: Schema, reference: Schema) -> Parameter:
    found = document["components"]["parameters"][reference["$ref"].rpartition("/")[2]]
    check = _checker(document, found["schema"])
    return Parameter(found["name"], found["in"], found["required"], found["schema"].get("default"), check)


def _once(params: Params) -> dict[str, str]:
    pairs = list(params.items() if isinstance(params, Mapping) else params)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise _bad("a parameter is given twice; lists are comma-joined")
    return given


def _value(parameter: Parameter, text: str | None) -> Any:
    if text is None:
        if parameter.required:
            raise Problem(400, "Required parameter is missing", parameter.name)
        return parameter.default
    try:
        return parameter.check(text)
    except ValueError as error:
        raise _bad(f"{parameter.name}: {error}") from None


def _bad(details: str) -> Problem:
    return Problem(400, "Bad request", details)


def _checker(document: Schema, schema: Schema) -> _Check:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema["type"] == "array":
        return _list_of(_checker(document, schema["items"]), schema.get("minItems", 0), schema.get("maxItems", 10_000))
    if "pattern" in schema:
        return _filter(re.compile(schema["pattern"], re.DOTALL))
    if "enum" in schema:
        return _one_of(frozenset(schema["enum"]))
    if schema["type"] == "integer":
        return _integer(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))
    if schema["type"] == "boolean":
        return lambda text: _one_of(frozenset({"true", "false"}))(text) == "true"
    return {"uuid": _uuid, "date-time": parse_rfc3339}.get(schema.get("format", ""), str)


def _list_of(check: _Check, fewest: int, most: int) -> _Check:
    def checked(text: str) -> list[Any]:
        parts = text.split(",") if text else []
        if not fewest <= len(parts) <= most:
            raise ValueError(f"{len(parts)} values; from {fewest} to {most} are allowed")
        return [check(part) for part in parts]

    return checked


def _one_of(allowed: frozenset[str]) -> _Check:
    def checked(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"{text!r} is none of {', '.join(sorted(allowed))}")
        return text

    return checked


def _integer(least: int, most: int) -> _Check:
    def checked(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,10}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is no integer from {least} to {most}")
        return int(text)

    return checked


def _filter(pattern: re.Pattern[str]) -> _Check:
    def checked(text: str) -> Filter:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is no filter of this version")
        return parse_filter(text)

    return checked


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError(f"{text!r} is no UUID")
    return text.lower()

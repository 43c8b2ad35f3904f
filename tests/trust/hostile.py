"""What a control plane could send of pods, counts and metrics: by the contract, and as hostile as JSON can be.

Strategies are built from the contract's own schemas. Every leaf may be hostile instead, whole parts may be missing,
null or something else, and fields that nobody knows may come on top.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from simulator.contract import VERSIONS, Contract

Strategy = st.SearchStrategy[Any]

# What json.dumps cannot write is put in afterwards, in place of these texts.
RAW: Final = {
    "@huge number@": "1e400",
    "@digits@": "9" * 5_000,
    "@deep@": "[" * 3_000 + "]" * 3_000,
    "@deep objects@": '{"a":' * 700 + "1" + "}" * 700,
}
MEGABYTE: Final = "=<b>'" * 200_000
_LONG: Final = "@megabyte@"
TEXTS: Final = (
    "",
    " ",
    "'; drop table pods; --",
    "\") or 1=1; copy pods to '/tmp/x'; --",
    "$$; select 1; $$",
    "\x00",
    "a\x00b",
    "\x01\x1b[31m\x7f\r\n\t\x85",
    "\ud800",
    "half \udfff of a pair",
    "\u202egnp.exe\u2066",
    "\ufeff\ufffe\uffff",
    "\U0010ffff" * 3,
    "e\u0301" * 9,
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>&amp;&#x27;{{7*7}}{% raw %}',
    "../../../etc/passwd",
    "a/b?c=d&e#f%00",
    "a,b;c|d\\e'f\"g`h",
    "NaN",
    "null",
    "0",
    "9" * 400,
    "1e400",
    "名前 اسم",
    "x" * 3_000,
)
INSTANTS: Final = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "0001-12-31T23:59:59.999999Z",
    "1969-12-31T23:59:59Z",
    "2262-04-11T23:47:17Z",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59-12:00",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-06-30T23:59:60Z",
    "2026-01-05 06:00:00",
    "2026-W02-1",
    "20260105T060000Z",
)
VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    0.1 + 0.2,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    [],
    {},
    [[], {}, None],
    {"": {"": ""}},
    {"a": 1, "A": 2, "\x00": 3, "\ud800": 4, "__proto__": {}},
    *RAW,
)
_HOSTILE: Final = st.sampled_from((*TEXTS, *INSTANTS, *VALUES)) | st.text(max_size=20)
_DAY: Final = datetime(2026, 1, 5, tzinfo=UTC)
_QUANTITIES: Final = st.sampled_from(
    ["0", "1", "0B", "500m", "8Gi", "1e3", "-1Ki", "1E400Ei", "9" * 60, "1.5.5", "0.0000001n", "+.5"]
)


def text_of(value: object) -> bytes:
    """The JSON of a value as an API could write it, what no library writes included."""
    text = json.dumps(value)
    for mark, raw in (*RAW.items(), (_LONG, json.dumps(MEGABYTE))):
        text = text.replace(f'"{mark}"', raw)
    return text.encode()


@cache
def pods() -> Strategy:
    """Payloads of pods: most of them readable, with ids of their own."""
    by_contract = st.sampled_from(VERSIONS).flatmap(lambda version: _of(Contract(version), "Pod"))
    odd_ids = st.tuples(st.sampled_from(TEXTS[2:]), st.uuids()).map(lambda parts: f"{parts[0]}{parts[1]}")
    whole = st.one_of(
        by_contract,
        st.builds(lambda pod, more: pod | more, by_contract, st.dictionaries(_names(), _HOSTILE, max_size=3)),
        st.builds(lambda pod, id_: pod | {"id": id_}, by_contract, odd_ids),
    )
    return _mostly(whole, 19)


@cache
def metrics() -> Strategy:
    """Bodies of metrics: lists of series as the contract has them, and their likes."""
    # Distributions came with 2.23.
    by_contract = st.sampled_from(["2.21", "2.24"]).flatmap(lambda version: _of(Contract(version), "Metrics"))
    return st.builds(lambda body, more: body | more, by_contract, st.dictionaries(_names(), _HOSTILE, max_size=1))


@cache
def cluster_pods() -> Strategy:
    """Payloads of the deprecated list of a cluster's pods."""
    return _mostly(_of(Contract("2.21"), "ClusterPod"), 19)


@cache
def counts() -> Strategy:
    """Answers to how many pods there are."""
    contract = Contract("2.21")
    answers = contract.document["paths"]["/api/v1/workloads/pods/count"]["get"]["responses"]
    return _mostly(_strategy(contract, answers["200"]["content"]["application/json"]["schema"]), 3)


@cache
def lists() -> Strategy:
    """Answers with a page of pods: of all, of a workload or of a revision."""
    page = st.fixed_dictionaries({"pods": _mostly(st.lists(pods(), max_size=3), 9)}, optional={"next": _HOSTILE})
    return _mostly(page, 9)


def lengthened(value: Any, rng: Random) -> Any:
    """The value with a megabyte in place of any one of its texts, if it has some."""
    value = deepcopy(value)
    if texts := list(_texts_in(value)):
        whole, key = rng.choice(texts)
        whole[key] = _LONG
    return value


def _texts_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where the texts of a value are: what holds each, and its name or position there."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        if isinstance(part, str):
            yield value, key
        yield from _texts_in(part)


def _mostly(sane: Strategy, times: int) -> Strategy:
    """What is sane, so many times as often as something hostile; `one_of` forgets how often it was given something."""
    return st.sampled_from(range(times + 1)).flatmap(lambda number: sane if number else _HOSTILE)


def _names() -> Strategy:
    return st.sampled_from(TEXTS) | st.sampled_from(["id", "name", "histogram", "deletedAt", "extra", "newField"])


def _of(contract: Contract, name: str) -> Strategy:
    return _strategy(contract, contract.schema(name))


def _strategy(contract: Contract, schema: Mapping[str, Any]) -> Strategy:
    schema = contract.resolve(dict(schema))
    if schema.get("type") == "object":
        return _object(contract, schema)
    if schema.get("type") == "array":
        items = st.lists(_strategy(contract, schema["items"]), max_size=3)
        return _mostly(items, 19)
    return _mostly(_scalar(schema), 11)


def _object(contract: Contract, schema: Mapping[str, Any]) -> Strategy:
    parts = {name: _strategy(contract, part) for name, part in schema.get("properties", {}).items()}
    needed = {name: part for name, part in parts.items() if name in schema.get("required", ())}
    optional = {name: part for name, part in parts.items() if name not in needed}
    whole = st.fixed_dictionaries(needed, optional=optional)
    if schema.get("additionalProperties"):
        whole = st.dictionaries(st.sampled_from(["gpu", "node", *TEXTS[2:6]]), _HOSTILE | st.just("0"), max_size=2)
    return st.none() | whole if schema.get("nullable") else whole


def _scalar(schema: Mapping[str, Any]) -> Strategy:
    sane = _typed(schema)
    return st.none() | sane if schema.get("nullable") else sane


def _typed(schema: Mapping[str, Any]) -> Strategy:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return _QUANTITIES
    if schema.get("format") == "uuid":
        return st.uuids().map(str)
    if schema.get("format") == "date-time":
        # Of the world's days, so that pods lie where metrics are wanted and days are counted.
        return st.integers(0, 6 * 3_600).map(lambda n: f"{_DAY + timedelta(seconds=n):%Y-%m-%dT%H:%M:%S.211Z}")
    kinds: dict[str, Strategy] = {
        "integer": st.integers(-(2**31), 2**31 - 1),
        "number": st.floats(0, 64),
        "boolean": st.booleans(),
    }
    return kinds.get(
        str(schema.get("type")), st.sampled_from(["train-0", "a100", "Running", "CPU_USAGE_CORES", "12.5", "ü"])
    )

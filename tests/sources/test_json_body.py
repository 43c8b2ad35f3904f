from __future__ import annotations

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.client import Reply, RunaiClient
from sources.runai.credentials import BearerToken
from sources.runai.json_body import DEEPEST, parse_json

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES)
def test_what_is_json_is_read_by_the_book(value: object) -> None:
    body = orjson.dumps(value)
    assert parse_json(body) == orjson.loads(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'{"name": "a\ud800b", "other": "kept"}', {"name": "a\ufffdb", "other": "kept"}),
        (rb'["\udc00", "\ud83d\ude00", "\ud83d"]', ["\ufffd", "\U0001f600", "\ufffd"]),
        (rb'{"\ud800": {"x": ["\ud800"]}}', {"\ufffd": {"x": ["\ufffd"]}}),
        (
            b"[1e400, -1e400, 1.5, 123456789012345678901234567890]",
            ["1e400", "-1e400", 1.5, 123456789012345678901234567890],
        ),
    ],
)
def test_one_odd_value_costs_nothing_else(body: bytes, value: object) -> None:
    assert parse_json(body) == value


def test_digits_without_end_keep_their_text() -> None:
    assert parse_json(b"[" + b"9" * 5_000 + b", 7, -" + b"1" * 5_000 + b"]") == ["9" * 5_000, 7, "-" + "1" * 5_000]


@pytest.mark.parametrize("depth", [1_500, 20_000])
def test_what_lies_too_deep_stays_text_and_costs_nothing_else(depth: int) -> None:
    deep = b'[{"a]": "\\"}", "b": ' * depth + b"1" + b"}]" * depth
    (found, other) = parse_json(b'[{"pod": ' + deep + b'}, {"pod": "]"}]')
    assert other == {"pod": "]"}
    found = found["pod"]
    for _ in range(DEEPEST // 2 - 1):
        ((found),) = (level["b"] for level in found)
    assert found.encode() == deep[(DEEPEST // 2 - 1) * len(b'[{"a]": "\\"}", "b": ') : -(DEEPEST - 2)]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"pods": [', b'{"a": "\xff"}', b"[" * 5_000, b"[" * 5_000 + b"{" + b"]" * 5_000]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(body)


def test_the_client_reads_with_it() -> None:
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=rb'{"pods": [{"id": "p", "name": "\ud800"}]}'))
    with RunaiClient("https://tenant.run.ai", BearerToken("t"), transport=answer) as client:
        reply: Reply[object] = client.get("/api/v1/workloads/pods")
    assert reply.body == {"pods": [{"id": "p", "name": "\ufffd"}]}

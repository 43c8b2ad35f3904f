from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.reading.fields import INSTANT_FIELDS, JSON_FIELDS, NAMES, TEXT_FIELDS, as_instant
from sources.runai.reading.payload import why_unreadable
from sources.runai.schemas import PODS
from tests.sources.reading.rows import plain_row, pod_row, pod_rows

POD: dict[str, Any] = {
    "id": "8c1b6f0e-0b8e-4a63-9f07-1d2b8c1f7a01",
    "name": "train-0",
    "workloadId": "w",
    "projectId": 33,
    "tenantId": 1001,
    "createdAt": "2026-01-01T03:49:52.531Z",
    "deletedAt": None,
    "containers": [{"name": "c", "image": "i", "startedAt": None}],
    "projectName": "vision",
}


def test_every_column_of_raw_is_filled_by_a_field() -> None:
    columns = {"id", *TEXT_FIELDS.values(), *INSTANT_FIELDS.values(), *JSON_FIELDS.values()}
    added = {"extra", "is_deleted", "content_hash", "found_by", "observed_at", "read_index"}
    assert columns | added == set(PODS.names)


def test_numbers_given_for_text_become_text() -> None:
    row = pod_row(POD)
    assert (row["project_id"], row["tenant_id"]) == ("33", "1001")


def test_what_cannot_be_typed_is_kept_beside_and_the_row_stays() -> None:
    row = pod_row(POD | {"createdAt": "yesterday", "name": ["a"], "newField": {"x": 1}})
    assert row["created_at"] is None
    assert row["name"] is None
    assert row["extra"] == '{"createdAt":"yesterday","name":["a"],"newField":{"x":1}}'


@pytest.mark.parametrize("payload", [None, 7, "pod", [], {}, {"id": None}, {"id": ""}, {"id": 3}])
def test_a_payload_without_a_pod_is_refused(payload: object) -> None:
    assert why_unreadable(payload) is not None
    assert why_unreadable(POD) is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.5Z", datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-01T00:00:00.123456789Z", datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-01-01 00:00:00.211", datetime(2026, 1, 1, 0, 0, 0, 211_000, tzinfo=UTC)),
        ("2026-01-01T02:00:00+02:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_instants_in_every_form_the_api_may_use(text: str, instant: datetime) -> None:
    assert as_instant(text) == instant


@pytest.mark.parametrize("value", ["", "soon", 1700000000, "0001-01-01T00:00:00+02:00", "2026-13-01T00:00:00Z"])
def test_unreadable_instants_raise_one_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        as_instant(value)


def test_deleted_is_what_has_an_instant_or_was_listed_as_deleted() -> None:
    assert not pod_row(POD)["is_deleted"]
    assert not pod_row(POD | {"deletedAt": "0001-01-01T00:00:00Z"})["is_deleted"]
    assert pod_row(POD | {"deletedAt": "2026-01-02T00:00:00Z"})["is_deleted"]
    assert pod_row(POD, listed_as_deleted=True)["is_deleted"]


def test_names_and_nulls_do_not_change_the_hash_but_all_else_does() -> None:
    hash_ = pod_row(POD)["content_hash"]
    bare = {field: value for field, value in POD.items() if value is not None and field != "projectName"}
    assert pod_row(bare)["content_hash"] == hash_
    assert pod_row(POD | {"workloadName": "other"})["content_hash"] == hash_
    assert pod_row(POD | {"updatedAt": "2026-01-01T00:00:00Z"})["content_hash"] != hash_
    assert pod_row(POD | {"unheardOf": 1})["content_hash"] != hash_


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*TEXT_FIELDS, *INSTANT_FIELDS, *JSON_FIELDS, "other"]), _JSON))
def test_any_value_in_any_field_makes_a_row_and_nothing_is_lost(payload: dict[str, Any]) -> None:
    row = pod_row(payload | {"id": "p"})
    for field, column in (TEXT_FIELDS | INSTANT_FIELDS | JSON_FIELDS).items():
        if payload.get(field) is not None:
            assert row[column] is not None or f'"{field}"' in row["extra"]


_INSTANT = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01 02:00:00.5+02:00", "0001-01-01T00:00:00Z", "soon", ""])
_PODS = st.fixed_dictionaries(
    {"id": st.sampled_from(["p", "q"])},
    optional=dict.fromkeys(TEXT_FIELDS, st.none() | st.text(max_size=2) | _JSON)
    | dict.fromkeys(INSTANT_FIELDS, _INSTANT | _JSON)
    | dict.fromkeys([*JSON_FIELDS, "other"], _JSON),
)


@given(st.lists(_PODS, max_size=4))
def test_pods_read_together_are_read_as_each_alone(payloads: list[dict[str, Any]]) -> None:
    rows = pod_rows(payloads)
    hashes = [row.pop("content_hash") for row in rows]
    assert rows == [plain_row(payload) for payload in payloads]
    assert hashes == [pod_row(payload)["content_hash"] for payload in payloads]


@given(_PODS, _PODS)
def test_hashes_are_equal_where_the_rows_are_but_for_the_names(one: dict[str, Any], other: dict[str, Any]) -> None:
    one_row, other_row = pod_row(one), pod_row(other)
    same_hash = one_row["content_hash"] == other_row["content_hash"]
    apart = {"content_hash", "is_deleted", *(TEXT_FIELDS[name] for name in NAMES)}
    assert same_hash == all(one_row[column] == other_row[column] for column in one_row.keys() - apart)


@given(_JSON)
def test_the_order_of_members_does_not_change_the_hash(value: object) -> None:
    one = {"id": "p", "containers": {"a": value, "b": 1}, "createdAt": "2026-01-01T00:00:00Z"}
    other = {"createdAt": "2026-01-01T00:00:00Z", "containers": {"b": 1, "a": value}, "id": "p"}
    assert pod_row(one)["content_hash"] == pod_row(other)["content_hash"]


def test_null_and_empty_are_not_the_same_content() -> None:
    hashes = {pod_row(POD | {"nodeName": value})["content_hash"] for value in (None, "", "\x00", "n")}
    assert len(hashes) == 4

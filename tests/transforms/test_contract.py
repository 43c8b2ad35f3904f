"""Every field of the contract, of every version, lands in a documented column, and its value gets there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.contract import VERSIONS, document
from tests.sources.reading.rows import pod_row
from tests.transforms.raw_files import DuckDBFiles, at
from tests.transforms.tables import column, refreshed
from transforms import Build, Layout, models

CONTRACT = json.loads((Path(__file__).parent / "contract_fields.json").read_text(encoding="utf-8"))
FIELDS = [(kind, field) for kind, said in CONTRACT.items() for field in said["columns"]]
# Kept whole, as JSON: nobody knows what an analyst would ask of its parts.
OPAQUE = {"nodeAffinity"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    layout = Layout(tmp_path_factory.mktemp("contract"))
    files = DuckDBFiles(layout.data_dir)
    listed = {_snake_case(name): _flat(value) for name, value in CONTRACT["ClusterPod"]["payload"].items()}
    read = pod_row(CONTRACT["Pod"]["payload"]) | {"found_by": "all", "observed_at": at(0)}
    files.load("1.5", pods=[read], cluster_pods=[listed | {"content_hash": "", "observed_at": at(0)}])
    with Build(layout) as build:
        yield refreshed(build, files.store)


def _snake_case(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _flat(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else value


def fields(version: str, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every leaf of a schema, as a path: `containers[].image`."""
    schemas = document(version)["components"]["schemas"]
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "items" in schema:
        yield from fields(version, schema["items"], f"{path}[]")
    elif "properties" in schema and path not in OPAQUE:
        for name, part in schema["properties"].items():
            yield from fields(version, part, f"{path}.{name}" if path else name)
    else:
        yield path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", CONTRACT)
def test_every_field_of_the_contract_has_its_column(version: str, kind: str) -> None:
    schemas = document(version)["components"]["schemas"]
    of_version = set(fields(version, schemas[kind])) if kind in schemas else set()

    assert of_version - CONTRACT[kind]["columns"].keys() == set()


def test_every_field_listed_is_one_of_the_contract() -> None:
    for kind, said in CONTRACT.items():
        known = {
            field
            for version in VERSIONS
            if kind in (schemas := document(version)["components"]["schemas"])
            for field in fields(version, schemas[kind])
        }
        assert said["columns"].keys() == known


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[f"{kind}.{field}" for kind, field in FIELDS])
def test_a_field_gets_to_its_column(world: Build, kind: str, field: str) -> None:
    place, shows, *resource = CONTRACT[kind]["columns"][field]
    table, _, name = place.partition(".")
    where = f"where resource = '{resource[0]}'" if resource else ""
    documented = {column.name for mart in models.marts() if mart.name == table for column in mart.columns}

    assert name in documented
    assert column(world, f"select cast({name} as varchar) from marts.{table} {where}") == [shows]

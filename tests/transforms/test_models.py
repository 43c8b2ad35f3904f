from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from tests.transforms.tables import row, rows, sql_files
from transforms import Build, ModelError, models, runner
from transforms.models import Column, Model

EVERY = (*models.staging(), *models.marts(), *models.ledger(), *models.planning(), *models.series())
SQL = """-- One row per thing,
-- whatever it is.
--
-- rebuilt by: whole
--
-- Some more words: not a column.
--
-- thing_id varchar: The thing.
-- amount decimal(38, 9): How much of it,
--     exactly.
with things as (select * from things),

others as (select * from others),

final as (select * from things inner join others using (thing_id))

select * from final
"""


def test_a_header_says_grain_unit_and_columns() -> None:
    model = models.parse("things", SQL)

    assert model.grain == "One row per thing, whatever it is."
    assert model.rebuilt_by == "whole"
    assert model.columns == (
        Column("thing_id", "varchar", "The thing."),
        Column("amount", "decimal(38, 9)", "How much of it, exactly."),
    )


def test_a_model_reads_tables_not_its_own_steps() -> None:
    assert models.parse("things", SQL).inputs == {"things", "others"}


@pytest.mark.parametrize("model", EVERY, ids=[model.name for model in EVERY])
def test_a_model_reads_nothing_that_it_does_not_import(model: Model) -> None:
    tree = sqlglot.parse_one(model.sql, read="duckdb")
    steps = {cte.alias: cte for cte in tree.find_all(exp.CTE)}
    read = {table.name for table in tree.find_all(exp.Table)}
    imported = {table.name for name, cte in steps.items() for table in cte.find_all(exp.Table) if table.name == name}

    assert model.inputs == imported
    assert read - steps.keys() == set()


def test_a_model_without_a_header_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"nameless\.sql"):
        models.parse("nameless", "select 1")


def test_columns_that_the_header_does_not_promise_are_an_error(build: Build) -> None:
    model = Model("things", "", "select 1 as b, 2 as a", frozenset(), (Column("a", "integer", ""),), "whole")
    with pytest.raises(ModelError, match=r"selects \['b', 'a'\], its header declares \['a'\]"):
        runner.run(build.connection, model)


@pytest.mark.parametrize("ordered", [models.staging(), models.marts()], ids=["staging", "marts"])
def test_every_model_comes_after_what_it_reads(ordered: tuple[Model, ...]) -> None:
    names = [model.name for model in ordered]

    for model in ordered:
        assert model.inputs.isdisjoint(names[names.index(model.name) :])


def test_staging_reads_no_mart() -> None:
    marts = {model.name for model in models.marts()}

    assert {model.name for model in models.staging() if model.inputs & marts} == set()


def test_upstream_is_what_a_model_needs_and_no_more() -> None:
    needed = [model.name for model in models.upstream("known_pods")]
    assert needed == ["stg_pod_equipment", "stg_pod_versions", "known_pods"]


@pytest.mark.parametrize("mart", models.marts(), ids=lambda mart: mart.name)
def test_every_published_table_and_column_is_documented_in_the_database(build: Build, mart: Model) -> None:
    comment = row(
        build,
        f"select comment from duckdb_tables() where database_name = 'marts' and table_name = '{mart.name}'",
    )
    columns = rows(
        build,
        f"""
        select column_name, lower(replace(data_type, ',', ', ')), comment from duckdb_columns()
        where database_name = 'marts' and table_name = '{mart.name}' order by column_index
        """,
    )

    assert comment["comment"] == mart.grain
    assert [name for name, _, comment in columns if not comment] == []
    types = {"timestamptz": "timestamp with time zone"}
    assert columns == [(c.name, types.get(c.type, c.type), c.comment) for c in mart.columns]


def test_names_keep_their_units() -> None:
    for mart in models.marts():
        for column in mart.columns:
            assert column.type == "timestamptz" if column.name.endswith("_at") else True, column
            assert column.type == "boolean" if column.name.startswith(("is_", "exists_")) else True, column
            assert column.type == "bigint" if column.name.endswith("_bytes") else True, column
            assert column.type == "double" if column.name.endswith("_seconds") else True, column
            assert column.type == "varchar" if column.name.endswith("_id") else True, column


def test_models_are_plain_sql() -> None:
    for file in sql_files():
        assert "{{" not in file.read_text(encoding="utf-8"), file.name

"""`focus_usage`, case by case: each is one pod; the last run stands for 13:00 of July 1.

Instants are UTC. A version is when the pod was seen, where, and with which allocation; a charge is a day, a SKU, a
node pool, a quantity, a price, a cost and the SKU price. Prices are those of the example of a rate card.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.transforms.raw_files import DuckDBFiles, RawFiles, Row, pod, run
from tests.transforms.tables import column, marts, refreshed, row, rows
from transforms import Build, Layout, RateCard, models, publish
from transforms.database import HERE

DATA = Path(__file__).parent
CASES = json.loads((DATA / "focus_usage.json").read_text(encoding="utf-8"))
FOCUS = json.loads((DATA / "focus_columns.json").read_text(encoding="utf-8"))
EXAMPLE = RateCard.load(HERE / "rate_card.example.csv")
TYPES = {"Decimal": "decimal", "String": "varchar", "Date/Time": "timestamptz", "JSON": "json"}
(MODEL,) = (mart for mart in models.marts() if mart.name == "focus_usage")
LONG_STAY = ("2026-07-01 12:00", "p" * 10**6, {"gpu": "1", "cpu": "2"})
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def versions(name: str, case: dict[str, Any]) -> Iterator[Row]:
    started, ended = case.get("started"), case.get("ended")
    for number, (observed, pool, allocated) in enumerate(case["versions"], start=1):
        is_over = ended is not None and number == len(case["versions"])
        yield pod(
            name,
            observed_at=instant(observed),
            k8s_phase="Succeeded" if is_over else "Running" if started else "Pending",
            tenant_id="1001",
            cluster_id="c",
            project_id="p",
            project_name="vision",
            workload_name="train",
            current_node_pool=pool,
            created_at=instant(case["created"]),
            completed_at=instant(ended) if ended and is_over else None,
            containers=[{"name": "c", "startedAt": instant(started).isoformat()}] if started else [],
            allocated_resources=allocated,
        )


def load(files: DuckDBFiles, cases: dict[str, Any]) -> None:
    files.load("1.5", pods=[seen for name, case in cases.items() for seen in versions(name, case)], runs=[run(60)])


@pytest.fixture(scope="module", params=CASES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Build]]:
    """Every case of one time zone at once."""
    layout = Layout(tmp_path_factory.mktemp("focus"))
    files = DuckDBFiles(layout.data_dir)
    load(files, CASES[request.param])
    with Build(layout, time_zone=request.param, rate_card=EXAMPLE) as build:
        yield request.param, refreshed(build, files.store)


def test_no_name_of_a_megabyte_stands_in_every_day(tmp_path: Path) -> None:
    layout, texts = Layout(tmp_path), ("tenant_id", "cluster_id", "project_id", "project_name", "workload_id")
    (seen,) = versions("a", next(iter(CASES["UTC"].values())) | {"versions": [LONG_STAY]})
    files = DuckDBFiles(layout.data_dir)
    files.load("1.5", pods=[seen | dict.fromkeys((*texts, "workload_name", "name"), "x" * 10**6)], runs=[run(60)])
    with Build(layout) as build:
        refreshed(build, files.store)
        assert [finding.name for finding in build.audit() if finding.severity == "error"] == []
        for table, length in (("focus_usage", 20_000), ("gpu_usage_daily", 2_000)):
            assert row(build, f"select count(*) as rows from marts.{table}")["rows"] > 0
            assert row(build, f"select max(length(row({table})::varchar)) as size from marts.{table}")["size"] < length
        pools = rows(build, "select distinct length(x_NodePoolName) from marts.focus_usage")
        assert pools == rows(build, "select distinct length(node_pool) from marts.gpu_usage_daily") == [(253,)]


def test_every_charge_of_every_case(world: tuple[str, Build]) -> None:
    zone, build = world
    found: dict[str, list[Any]] = {name: [] for name in CASES[zone]}
    for name, day, *charge in rows(
        build,
        "select ResourceId, cast(x_ChargeDate as varchar), SkuId, x_NodePoolName, ConsumedQuantity, ListUnitPrice,"
        " ListCost, SkuPriceId from marts.focus_usage order by all",
    ):
        found[name].append([day, *charge])

    def exact(charge: list[Any]) -> list[Any]:
        amounts = [None if amount is None else Decimal(amount) for amount in charge[3:6]]
        return [*charge[:3], *amounts, charge[6]]

    assert found == {name: [exact(charge) for charge in case["charges"]] for name, case in CASES[zone].items()}


def test_every_data_test_holds(world: tuple[str, Build]) -> None:
    zone, build = world
    unpriced = {"focus_usage_unpriced"} if zone == "UTC" else set()
    assert {finding.name for finding in build.audit() if finding.name.startswith("focus")} == unpriced
    assert [finding for finding in build.audit() if finding.severity == "error"] == []


def test_gpu_quantities_are_those_of_the_daily_table_exactly(world: tuple[str, Build]) -> None:
    """To the last bit: sums of x_ExactQuantity do not depend on their order."""
    charged = rows(
        world[1],
        "select x_ChargeDate, x_NodePoolName, hours_of(sum(x_ExactQuantity)) from marts.focus_usage"
        " where SkuId = 'gpu' group by all order by all",
    )
    assert len(charged) > 2
    assert charged == rows(
        world[1],
        "select day, node_pool, allocated_gpu_hours from marts.gpu_usage_daily where allocated_gpu_hours > 0"
        " order by all",
    )


def test_a_charge_says_what_focus_asks_of_it(layout: Layout, files: DuckDBFiles) -> None:
    name = "a price begins at midnight there"
    load(files, {name: CASES["Europe/Berlin"][name]})
    with Build(layout, time_zone="Europe/Berlin", rate_card=EXAMPLE) as build:
        refreshed(build, files.store)
        found = row(build, "from marts.focus_usage where x_ChargeDate = '2026-07-01'")

    assert json.loads(found.pop("Tags")) == {
        "runai/project": "vision",
        "runai/workload": "train",
        "runai/node-pool": "h100",
    }
    assert {key: value for key, value in found.items() if value is not None} == {
        **dict.fromkeys(COSTS, Decimal("3.45")),
        "BillingAccountId": "1001",
        "BillingCurrency": "EUR",
        "BillingPeriodStart": instant("2026-06-30 22:00"),
        "BillingPeriodEnd": instant("2026-07-31 22:00"),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"GPU allocation of the pod {name}-name on 2026-07-01",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": instant("2026-06-30 22:00"),
        "ChargePeriodEnd": instant("2026-07-01 22:00"),
        "ConsumedQuantity": 1,
        "ConsumedUnit": "GPU-Hours",
        "ContractedUnitPrice": Decimal("3.45"),
        "HostProviderName": "NVIDIA Run:ai",
        "InvoiceIssuerName": "NVIDIA Run:ai",
        "ListUnitPrice": Decimal("3.45"),
        "PricingCategory": "Standard",
        "PricingQuantity": 1,
        "PricingUnit": "GPU-Hours",
        "ResourceId": name,
        "ResourceName": f"{name}-name",
        "ResourceType": "Pod",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "NVIDIA Run:ai",
        "ServiceProviderName": "NVIDIA Run:ai",
        "ServiceSubcategory": "AI Platforms",
        "SkuId": "gpu",
        "SkuMeter": "GPU allocation",
        "SkuPriceId": "gpu/h100",
        "SubAccountId": "p",
        "SubAccountName": "vision",
        "x_ChargeDate": date(2026, 7, 1),
        "x_ClusterId": "c",
        "x_ExactQuantity": 3_600_000_000,
        "x_ExactUnit": "GPU-Microseconds",
        "x_NodePoolName": "h100",
        "x_WorkloadId": "workload-1",
        "x_WorkloadName": "train",
    }


def test_a_rate_card_holds_from_the_next_run_on_and_without_one_costs_are_not_known(
    layout: Layout, files: DuckDBFiles, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text((HERE / "rate_card.example.csv").read_text().replace("2.10,EUR", "0,EUR"))
    name = "a pool without a price of its own has the general one"
    load(files, {name: CASES["UTC"][name]})
    quantity = Decimal("0.333333333")
    for card, price in ((None, None), (EXAMPLE, Decimal("2.1")), (RateCard.load(mine), 0), (None, None)):
        with Build(layout, rate_card=card) as build:
            refreshed(build, files.store)
            assert column(build, "select ConsumedQuantity from marts.focus_usage") == [quantity]
            cost = None if price is None else price * quantity
            currency = None if price is None else "EUR"
            assert rows(build, f"select {', '.join(COSTS)}, BillingCurrency from marts.focus_usage") == [
                (cost, cost, cost, cost, currency)
            ]


def test_the_columns_are_those_of_the_specification() -> None:
    """Its names, order and types; all that it wants in any case are there, and ours come after, with their prefix."""
    names = [found.name for found in MODEL.columns]
    of_focus = [name for name in names if not name.startswith("x_")]

    assert of_focus == [name for name in FOCUS if name in names]
    assert names[: len(of_focus)] == of_focus
    assert {name for name, said in FOCUS.items() if said["level"] != "Conditional"} - set(names) == {
        # Recommended where costs are split, which they are not.
        "AllocatedMethodDetails"
    }
    assert [
        found
        for found in MODEL.columns
        if found.name in FOCUS and found.type.partition("(")[0] != (TYPES[FOCUS[found.name]["type"]])
    ] == []


def test_what_the_specification_wants_not_null_is_tested(world: tuple[str, Build]) -> None:
    """Save prices and the account, of which others tell."""
    wanted = {name for name, said in FOCUS.items() if not said["nullable"]} & {found.name for found in MODEL.columns}
    test = (HERE / "tests" / "focus_usage_complete.sql").read_text(encoding="utf-8")

    assert {name for name in wanted if f" {name} is null" not in test} == {
        "BilledCost",
        "BillingAccountId",
        "BillingCurrency",
        "ContractedCost",
        "EffectiveCost",
        "ListCost",
    }
    assert rows(world[1], "from marts.focus_usage limit 1")


def test_names_are_spelled_as_in_the_specification_wherever_they_are_published(
    layout: Layout, files: DuckDBFiles
) -> None:
    load(files, CASES["UTC"])
    with Build(layout, rate_card=EXAMPLE) as build:
        build.take_in(files.store)
        publish(layout, build, build.refresh(), build.audit())
    names = [found.name for found in MODEL.columns]
    with duckdb.connect() as con:
        con.execute(f"attach '{layout.published / 'runai.duckdb'}' as published (read_only)")
        parquet = str(layout.published / "parquet" / "focus_usage" / "**" / "*.parquet")
        assert con.sql("from published.focus_usage").columns == names
        assert con.sql(f"from read_parquet('{parquet}', hive_partitioning = false)").columns == names
        assert con.sql("from published.focus_usage order by all").fetchall() == (
            con.sql(f"from read_parquet('{parquet}', hive_partitioning = false) order by all").fetchall()
        )


def test_what_a_rate_card_leaves_out_is_no_warning(layout: Layout, files: DuckDBFiles, tmp_path: Path) -> None:
    """Who prices GPUs alone wants no word about CPUs; who forgets a pool does."""
    mine = tmp_path / "mine.csv"
    name = "half a GPU over the edge of a month and of a price"
    load(files, {name: CASES["UTC"][name]})
    header, everywhere = (HERE / "rate_card.example.csv").read_text(encoding="utf-8").splitlines()[:2]
    for line, said in ((everywhere, []), (everywhere.replace(",,", ",a100,"), ["focus_usage_unpriced"])):
        mine.write_text(f"{header}\n{line}\n", encoding="utf-8")
        with Build(layout, rate_card=RateCard.load(mine)) as build:
            refreshed(build, files.store)
            assert [finding.name for finding in build.audit() if finding.name.startswith("focus")] == said
            assert column(build, "select count(*) from marts.focus_usage where SkuId <> 'gpu'") == [4]


def test_however_versions_arrive_charges_are_those_of_a_rebuild(layout: Layout, either: RawFiles) -> None:
    """One by one, the pod still open at each: its last day grows, and what it held changes."""
    seen = sorted(
        (version for name, case in CASES["UTC"].items() for version in versions(name, case)),
        key=lambda version: version["observed_at"],
    )
    with Build(layout, rate_card=EXAMPLE) as build:
        for number, version in enumerate(seen, start=1):
            as_of = version["observed_at"]
            either.load(f"{number}.5", pods=[version], runs=[run(number, as_of=as_of, finished_at=as_of)])
            refreshed(build, either.store)
        many = marts(build)
        assert [finding for finding in build.audit() if finding.severity == "error"] == []
        build.start_over()
        refreshed(build, either.store)

        assert marts(build) == many
        assert len(many["focus_usage"]) > 10

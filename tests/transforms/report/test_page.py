"""The page of small worlds: its numbers are the tables', its strings are only text, and it asks nothing of anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from tests.transforms.raw_files import DuckDBFiles, Row, at, pod, run
from tests.transforms.report.page import Page
from tests.transforms.test_efficiency import CASES, METRICS, samples, version, window
from transforms import Build, Finding, Generation, Layout, publish, report

HOSTILE = [
    '"><script src="https://evil.example/x.js"></script>',
    "<img src=http://evil.example/a onerror=alert(1)>",
    "' onmouseover='alert(1)' style='background:url(//evil.example)",
    "</style></title><svg/onload=alert(1)>",
    "\u202egnp.exe\u2066 {{ 7 * 7 }} {% raw %} &lt;b&gt;",
    "n" * 1_000_000 + "THE-END",
]
TABLES = {"by day": "GPU-hours by day, table", "by project": "GPU-hours by project, table"}
TABLES |= {"waits": "Wait by node pool, table", "heat": "Use by node pool and day, table"}


def written(layout: Layout, tables: dict[str, list[Row]], *findings: Finding, time_zone: str = "UTC") -> Generation:
    files = DuckDBFiles(layout.data_dir)
    files.load("1.5", committed=True, copies=1, **tables)
    with Build(layout, time_zone=time_zone) as build:
        build.take_in(files.store)
        return publish(layout, build, build.refresh(), [*findings, *build.audit()], version="1.2.3")


def page_of(generation: Generation) -> Page:
    return Page((generation.path / "report.html").read_text(encoding="utf-8"))


def efficient(names: list[str], **fields: list[str]) -> dict[str, list[Row]]:
    """The raw rows of cases of `pod_efficiency`; of each further field, the values go round."""
    came = {name: list(samples(name, CASES[name])) for name in names}
    pods = [
        version(name, CASES[name]) | {field: values[index % len(values)] for field, values in fields.items()}
        for index, name in enumerate(names)
    ]
    wanted = json.dumps([metric for metric, _ in METRICS.values()])
    return {
        "pods": pods,
        "metric_windows": [window(name, CASES[name], came[name]) for name in names if CASES[name].get("minutes", 240)],
        "pod_metrics": [sample for name in names for sample in came[name]],
        "runs": [run(60, metrics_since=at(-2000), metric_types=wanted)],
    }


def held(name: str, project: str, days: float = 0, **fields: Any) -> Row:
    """A pod that holds a GPU since half an hour before noon, so many days ago, to noon."""
    began, ended = at(-30 - days * 1440), at(-days * 1440)
    return pod(
        name,
        50,
        k8s_phase="Succeeded",
        created_at=at(-60 - days * 1440),
        completed_at=ended,
        containers=[{"name": "c", "startedAt": began.isoformat()}],
        project_id=project,
        project_name=f"project {project}",
        requested_resources={"gpu": {"request": 1}},
        allocated_resources={"gpu": 1},
        **fields,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generation:
    """Every case of `pod_efficiency` in three projects and two pools, and a pod of another day without a sample."""
    rows = efficient(
        list(CASES),
        project_id=["1", "2", "3"],
        project_name=["vision", "speech", "اسم"],
        current_node_pool=["a100", "h100"],
    )
    rows["pods"].append(held("the day before", "9", days=1, current_node_pool="h100"))
    return written(Layout(tmp_path_factory.mktemp("world")), rows)


@pytest.fixture(scope="module")
def page(world: Generation) -> Page:
    return page_of(world)


@pytest.fixture(scope="module")
def tables(world: Generation) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(world.path / "runai.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def rounded(number: float | None) -> float | None:
    """Sums of floats differ by the order in which they are added."""
    return None if number is None else round(number, 9)


HOURS = """
    case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(allocated_gpu_hours) end,
    case when sum(used_gpu_hours + idle_gpu_hours) > 0 then sum(used_gpu_hours) end,
    case when sum(used_gpu_hours + idle_gpu_hours) > 0 then sum(idle_gpu_hours) end,
    case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(unknown_gpu_hours) end,
    sum(used_gpu_hours + idle_gpu_hours) / nullif(sum(allocated_gpu_hours), 0), sum(unseen_gpu_hours)
"""


def test_the_first_five_numbers_are_those_of_the_tables(page: Page, tables: duckdb.DuckDBPyConnection) -> None:
    (hours,) = tables.execute(f"select {HOURS} from gpu_usage_daily").fetchall()
    (waits,) = tables.execute(
        "select median(wait_seconds), quantile_cont(wait_seconds, 0.95) from pod_lifecycle"
    ).fetchall()
    (share,) = tables.execute("select count(wait_seconds) / count(*) from pod_lifecycle").fetchall()
    (mig,) = tables.execute("select sum(mig_gpu_hours) from gpu_usage_daily").fetchall()
    (waiting,) = tables.execute(
        "select count(*) from pod_lifecycle inner join pods using (pod_id)"
        " where end_reason is null and phase = 'Pending'"
    ).fetchall()
    allocated, used, idle, unknown, known, unseen = hours

    assert all(value > 0 for value in (*hours, *waits, *mig, *waiting))
    # Each with its coverage, in the order of the page.
    assert [float(value) for value in page.glance] == pytest.approx(
        [
            *(allocated, allocated / (allocated + unseen), unseen),
            *(used, known, idle, known),
            *(unknown, *mig),
            *(waits[0], *share, waits[1], *waiting),
        ],
        rel=1e-9,
    )


@pytest.mark.parametrize(("label", "by"), [("by day", "strftime(day, '%Y-%m-%d')"), ("by project", "project_name")])
def test_the_tables_behind_the_charts_are_the_published_ones(
    page: Page, tables: duckdb.DuckDBPyConnection, label: str, by: str
) -> None:
    rows = tables.execute(f"select {by}, {HOURS} from gpu_usage_daily group by 1").fetchall()
    shown = page.numbers(TABLES[label])

    assert len(rows) >= 2
    assert shown.keys() == {row[0] for row in rows}
    for name, *numbers in rows:
        assert [rounded(number) for number in shown[name]] == [rounded(number) for number in numbers], name


def test_projects_come_by_idle_hours(page: Page) -> None:
    idle = [numbers[2] or 0 for numbers in page.numbers(TABLES["by project"]).values()]
    assert idle == sorted(idle, reverse=True)


def test_waits_are_those_of_the_tables(page: Page, tables: duckdb.DuckDBPyConnection) -> None:
    rows = tables.execute(
        """
        select coalesce(node_pool, 'no node pool known'), count(*),
            count(*) filter (end_reason is null and phase = 'Pending'),
            median(wait_seconds), quantile_cont(wait_seconds, 0.95), count(wait_seconds) / count(*)
        from pods inner join pod_lifecycle using (pod_id) group by 1
        """
    ).fetchall()
    assert page.numbers(TABLES["waits"]) == {name: pytest.approx(numbers) for name, *numbers in rows}


def test_the_heat_map_shows_what_is_used_of_what_is_known(page: Page, tables: duckdb.DuckDBPyConnection) -> None:
    rows = dict(
        tables.execute(
            "select node_pool, sum(used_gpu_hours) / sum(used_gpu_hours + idle_gpu_hours) from gpu_usage_daily"
            " where day = date '2026-07-01' group by 1"
        ).fetchall()
    )
    cells = page.rows(TABLES["heat"])

    assert cells.keys() == rows.keys() == {"a100", "h100"}
    for pool, share in rows.items():
        assert float(cells[pool][0].value or "nan") == pytest.approx(share)
    # A day of which nobody knows the use, and one on which nobody held a GPU.
    assert cells["h100"][1].text == "– not known: no sample covers these hours"
    assert cells["a100"][1].text == "no pod held a GPU"


def test_pods_come_by_their_idle_hours_with_the_advice_of_the_tables(
    page: Page, tables: duckdb.DuckDBPyConnection
) -> None:
    rows = tables.execute("select advice from pod_efficiency where advice is not null").fetchall()
    shown = re.findall(r'<p class="advice">(.*?)</p>', page.html)
    idle = [float(value) for value in re.findall(r'<strong><data value="([\d.]+)">', page.html)]

    assert sorted(shown) == sorted(advice for (advice,) in rows)
    # The idle pod that runs was measured for 298 minutes on its one GPU, and none for longer.
    assert idle[0] == pytest.approx(298 / 60)
    assert len(idle) > 3
    wasted = len(re.findall(r'class="chip">(?:idle|memory parked|hardly used)<', page.html))
    assert idle[:wasted] == sorted(idle[:wasted], reverse=True)


def test_it_asks_nothing_of_any_network_and_runs_nothing(page: Page) -> None:
    assert page.pointers == ["data:,"]
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert set(re.findall(r"url\(.*?\)", page.html)) == {"url(#unknown)"}
    assert not re.search(r"@import|https?:|javascript:", page.html)
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes


def test_it_can_be_read_aloud(page: Page) -> None:
    said = {(tag, name): value for tag, name, value in page.attributes}
    assert said["html", "lang"] == "en"
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    assert {value for _, name, value in page.attributes if name == "aria-labelledby"} <= set(page.ids)
    # Behind every picture there is a table, and every table says what its rows and columns are.
    assert page.tags.count("details") == page.html.count('role="img"') == 4
    assert all(value in {"row", "col"} for tag, name, value in page.attributes if name == "scope")
    assert page.tags.count("th") == sum(1 for tag, name, _ in page.attributes if (tag, name) == ("th", "scope"))


def test_every_string_is_only_text(layout: Layout, page: Page) -> None:
    names = ["idle", "hardly busy", "idle, its memory full", "busy", "no samples at all", "a slice that reports 0"]
    columns = ["name", "project_name", "current_node_pool", "workload_name", "priority_class_name", "k8s_phase"]
    rows = efficient(names, project_id=HOSTILE, **dict.fromkeys(columns, HOSTILE))
    rows["runs"][0] |= {"version": HOSTILE[0], "error": HOSTILE[1]}
    warned = [Finding(text[:200], "warn", text, 1, [{"x": text}]) for text in HOSTILE]
    found = page_of(written(layout, rows, *warned))

    assert set(found.tags) <= {*page.tags, "ul", "li"}
    assert {name for _, name, _ in found.attributes} == {name for _, name, _ in page.attributes}
    assert found.pointers == ["data:,"]
    assert "&lt;img src=http://evil.example/a onerror=alert(1)&gt;" in found.html
    assert "{{ 7 * 7 }} {% raw %}" in found.html
    assert "&amp;lt;b&amp;gt;" in found.html
    assert "n" * 79 + "…" in found.html
    assert "n" * 80 not in found.html.replace("n" * 299 + "…", "")
    assert not {"\u202e", "\u2066"} & set(found.html)
    assert "THE-END" not in found.html
    assert len(found.html) < 100_000


def test_a_world_without_anything_has_dashes_and_no_zero(layout: Layout) -> None:
    with Build(layout) as build:
        found = page_of(publish(layout, build, build.refresh(), build.audit(), version="1.2.3"))

    assert "No run has been published yet" in found.html
    assert found.glance == []
    assert found.html.count('class="figure"><span class="none"') == 5
    assert "No pod held a GPU in these days." in found.html


def test_a_run_that_found_no_pod_says_so(layout: Layout) -> None:
    found = page_of(written(layout, {"runs": [run(60)]}))

    assert "2026-07-01 to 2026-07-01, 1 day of UTC · as of 2026-07-01 13:00 UTC" in found.html
    assert found.html.count('class="figure"><span class="none"') == 5
    assert found.tables == {}


def test_one_pod_without_samples_is_unknown_and_never_idle(layout: Layout) -> None:
    found = page_of(written(layout, {"pods": [held("only", "1")], "runs": [run(60)]}))

    assert found.html.count('class="figure"><span class="none" title="no sample covers these hours"') == 2
    assert found.numbers(TABLES["by day"]) == {"2026-07-01": [0.5, None, None, 0.5, 0.0, 0.0]}
    assert found.numbers(TABLES["by project"]) == {"project 1": [0.5, None, None, 0.5, 0.0, 0.0]}
    assert found.rows(TABLES["waits"])["no node pool known"][2].text == "30 min"


def test_thirty_days_are_told_those_of_the_time_zone(layout: Layout) -> None:
    pods = [held(f"{days}", "1", days) for days in (0, 29, 30, 31)]
    found = page_of(written(layout, {"pods": pods, "runs": [run(60)]}, time_zone="Asia/Kolkata"))
    days = found.numbers(TABLES["by day"])

    assert "2026-06-02 to 2026-07-01, 30 days of Asia/Kolkata" in found.html
    assert next(iter(days)) == "2026-07-01"
    assert [name for name, numbers in days.items() if numbers[0]] == ["2026-07-01", "2026-06-02"]
    assert float(found.glance[0]) == pytest.approx(1)


def test_pods_of_other_ages_do_no_harm(layout: Layout) -> None:
    ages = [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC), None]
    odd = [pod(f"{age}", 50, k8s_phase="Pending", created_at=age) for age in ages]
    found = page_of(written(layout, {"pods": [held("a", "1"), *odd], "runs": [run(60)]}))

    assert "2026-06-02 to 2026-07-01, 30 days of UTC" in found.html
    assert [name for name, numbers in found.numbers(TABLES["by day"]).items() if numbers[0]] == ["2026-07-01"]


def test_of_many_the_first_are_shown_and_the_others_counted(layout: Layout) -> None:
    pods = [held(f"pod {n}", f"{n:02}", current_node_pool=f"pool {n:02}") for n in range(46)]
    found = page_of(written(layout, {"pods": pods, "runs": [run(60)]}))

    assert len(found.rows(TABLES["by project"])) == 16
    assert found.numbers(TABLES["by project"])["31 more"][0] == pytest.approx(31 / 2)
    assert 'And <data value="31">31</data> more' in found.html
    assert len(found.rows(TABLES["waits"])) == len(found.rows(TABLES["heat"])) == 12
    assert found.html.count('And <data value="34">34</data> more') == 2


def test_what_nobody_saw_is_told(layout: Layout) -> None:
    unseen = held("unseen", "1") | {"allocated_resources": None}
    earlier = held("earlier", "2", days=1, current_node_pool="a100") | {"allocated_resources": None}
    found = page_of(written(layout, {"pods": [held("seen", "1"), unseen, earlier], "runs": [run(60)]}))

    # What nobody saw is not nothing.
    assert found.numbers(TABLES["by day"]) == {
        "2026-07-01": [0.5, None, None, 0.5, 0.0, 0.5],
        "2026-06-30": [None, None, None, None, None, 0.5],
    }
    assert found.numbers(TABLES["by project"])["project 2"] == [None, None, None, None, None, 0.5]
    assert found.rows(TABLES["heat"])["a100"][1].text == "– not known: nobody saw an allocation"
    assert '<data value="1.0">1.0</data> more were requested by pods of which nobody saw an allocation' in found.html
    assert 'Known for <data value="0.3333333333333333">33 %</data> of the GPU time that pods ran' in found.html


def test_the_foot_says_how_fresh_and_complete_it_is(layout: Layout) -> None:
    asked: Row = {"counted_at": at(59), "as_of": at(60), "is_whole": True, "filter": "all", "observed_at": at(60)}
    count = asked | {"api_count": 3, "warehouse_count": 1}
    runs = [run(-30 * 1440), run(30, outcome="failed"), run(60, rejects=7)]
    odd = Finding("pods_odd", "warn", "Pods are odd.", 4, [])
    found = page_of(written(layout, {"pods": [held("a", "1")], "pod_counts": [count], "runs": runs}, odd))
    facts = re.sub(r"<[^>]+>", "", found.html.partition("<footer")[2])

    for said in (
        "ended 2026-07-01 13:00 UTC; 1 of 3 runs failed",
        "by version 1.2.3",
        "differ: 1 of 1; the API has 3 pods, here are 1",
        "1 time no run for more than 14 days",
        "7 payloads could not be taken",
        "Pods are odd. (4, pods_odd)",
    ):
        assert said in facts


def test_a_page_is_the_same_whenever_it_is_made_of_the_same(world: Generation, page: Page) -> None:
    manifest = json.loads((world.path / "manifest.json").read_text())
    with duckdb.connect(str(world.path / "runai.duckdb"), read_only=True) as con:
        assert report.render(con, manifest) == page.html

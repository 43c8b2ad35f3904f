"""GPU-hours, waits, who holds GPUs and one pod's samples, from the published tables.

Tables cannot be downloaded: a spreadsheet would take a name that begins with `=` for a formula, and whoever may name a
pod may write one. The recipe of docs/queries.md guards what goes there.

make notebook                                                    over data/, or over a demo where there is none
.venv/bin/marimo edit notebooks/gpu_usage.py -- --data-dir DIR    over another data directory
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="GPU usage")

with app.setup:
    import json
    from pathlib import Path

    import marimo as mo
    import pandas as pd

    from notebooks import charts
    from notebooks.frames import read, say, totals

    EVERY = "all projects"


@app.cell
def _():
    data_dir = Path(str(mo.cli_args().get("data-dir") or Path(__file__).parent.parent / "data"))
    return (data_dir,)


@app.cell
def _():
    again = mo.ui.button(label="Look for a newer run")
    return (again,)


@app.cell
def _(again, data_dir):
    # Read, so that the button runs this cell again, and with it all others.
    _ = again
    mo.stop(
        not (data_dir / "published").exists(),
        mo.callout(mo.md(f"Nothing is published in `{data_dir}`: start with a run, or with `make demo`."), "warn"),
    )
    # Resolved once: every query below reads the same run, whatever is published meanwhile.
    generation = (data_dir / "published").resolve()
    manifest = json.loads((generation / "manifest.json").read_text(encoding="utf-8"))
    as_of = pd.Timestamp(manifest["as_of"] or manifest["published_at"])
    mo.vstack(
        [
            mo.md(f"""
            # GPU usage

            As of **{as_of:%Y-%m-%d %H:%M} UTC**; days are those of {manifest["time_zone"]}; the audit gave
            {len(manifest["warnings"]) or "no"} warnings. What is shown is `{generation.name}`, which stays as it is
            while runs go on.
            """),
            again,
        ]
    )
    return as_of, generation, manifest


@app.cell
def _(generation):
    names = read(
        generation, "select distinct coalesce(project_name, project_id) as name from gpu_usage_daily order by name"
    )["name"].dropna()
    project = mo.ui.dropdown([EVERY, *names], value=EVERY, label="Project", searchable=True)
    days = mo.ui.slider(1, 90, value=14, debounce=True, show_value=True, label="Days")
    mo.hstack([project, days], justify="start", gap=2)
    return days, project


@app.cell
def _(as_of, days, manifest, project):
    chosen = None if project.value == EVERY else project.value
    today = as_of.tz_convert(manifest["time_zone"]).date()
    since = today - pd.Timedelta(days=days.value - 1)
    return chosen, since, today


@app.cell
def _(chosen, generation, since, today):
    usage = read(
        generation,
        """
        select * replace (coalesce(project_name, project_id, 'no project') as project_name)
        from gpu_usage_daily
        where day >= $since and ($chosen is null or coalesce(project_name, project_id) = $chosen)
        """,
        since=since,
        chosen=chosen,
    )
    by_day = totals(usage, "day").set_index("day").reindex(pd.date_range(since, today, name="day")).reset_index()
    by_project = totals(usage, "project_name").sort_values(["idle", "allocated"], ascending=False, ignore_index=True)
    # Of no rows at all, one in which everything is missing.
    whole = totals(usage.assign(of="all"), "of").reindex([0]).iloc[0]
    return by_day, by_project, whole


@app.cell
def _(whole):
    _known = f"the use of {say(whole['coverage'], '.0%')} of the hours is known"
    _notes = {"allocated": "GPUs times hours", "used": _known, "idle": _known, "unknown": "without samples, or of MIG"}
    _stats = [
        mo.stat(say(whole[kind]), label=f"{kind} GPU-hours", caption=note, bordered=True)
        for kind, note in _notes.items()
    ]
    _unseen = mo.md(
        f"""
        Pods of which nobody saw an allocation asked for {say(whole["unseen"])} GPU-hours more; what they held is in no
        other number. Most of them were over before the first run: the API forgets what a pod held once it is over.
        """
    )
    mo.vstack(
        [mo.md("## GPU-hours"), mo.hstack(_stats, widths="equal", wrap=True), _unseen if whole["unseen"] > 0 else None]
    )
    return


@app.cell
def _(by_day, by_project):
    mo.stop(not by_day["allocated"].any(), mo.md("*No pod was seen to hold a GPU in these days.*"))
    _held = by_project[by_project["allocated"] > 0]
    mo.vstack(
        [
            mo.md(
                """
                By day, and below, of what share of the hours the use is known. Grey hours have no samples, or are of
                MIG slices: they may have been used or not. On a day without a column no allocation was seen.
                """
            ),
            charts.by_day(by_day),
            charts.coverage(by_day),
            mo.md("By project, most idle hours first."),
            charts.by_project(_held.head(20)),
            mo.ui.table(
                by_project,
                selection=None,
                show_data_types=False,
                show_column_summaries=False,
                show_download=False,
                format_mapping={
                    column: (lambda value: say(value, ".0%")) if column == "coverage" else say
                    for column in by_project.columns[1:]
                },
            ),
        ]
    )
    return


@app.cell
def _(chosen, generation, manifest, since):
    waits = read(
        generation,
        """
        select
            coalesce(pods.node_pool, asked.node_pool, 'unknown') as node_pool,
            count(*) as pods,
            count(*) filter (pods.started_at is null and lives.end_reason is null) as waiting,
            median(lives.wait_seconds) / 60 as median_minutes,
            quantile_cont(lives.wait_seconds, 0.95) / 60 as p95_minutes
        from pods
        inner join pod_lifecycle as lives using (pod_id)
        left join pod_node_pools as asked on pods.pod_id = asked.pod_id and asked.pool_index = 0
        where cast(pods.created_at at time zone $zone as date) >= $since
            and ($chosen is null or coalesce(pods.project_name, pods.project_id) = $chosen)
        group by all
        order by p95_minutes desc nulls last, node_pool
        """,
        zone=manifest["time_zone"],
        since=since,
        chosen=chosen,
    )
    mo.vstack(
        [
            mo.md(
                """
                ## Waits

                From creation to start, of the pods that were created in these days. One that waits still counts with
                what it has waited so far, in the pool that it asked for first.
                """
            ),
            charts.waits(waits) if waits["p95_minutes"].any() else mo.md("*No pod with a known wait was created.*"),
            mo.ui.table(
                waits,
                selection=None,
                show_data_types=False,
                show_column_summaries=False,
                show_download=False,
                format_mapping={"median_minutes": say, "p95_minutes": say},
            ),
        ]
    )
    return (waits,)


@app.cell
def _(chosen, generation):
    holders = read(
        generation,
        """
        select
            pods.pod_name as pod,
            coalesce(pods.project_name, pods.project_id, 'no project') as project,
            pods.allocated_gpu as gpus,
            lives.allocated_gpu_seconds / 3600 as gpu_hours,
            efficiency.gpu_percent_avg / 100 as used,
            efficiency.waste_class as class,
            efficiency.advice,
            efficiency.coverage,
            pods.node_pool,
            pods.pod_id
        from pods
        inner join pod_lifecycle as lives using (pod_id)
        inner join pod_efficiency as efficiency using (pod_id)
        where lives.ended_at is null and lives.run_seconds is not null and pods.allocated_gpu > 0
            and ($chosen is null or coalesce(pods.project_name, pods.project_id) = $chosen)
        order by
            efficiency.waste_class in ('idle_held', 'memory_parked', 'low_sm') desc,
            gpu_hours desc nulls last,
            pods.pod_id
        """,
        chosen=chosen,
    )
    table = mo.ui.table(
        holders,
        selection="single",
        initial_selection=[0] if len(holders) else None,
        show_data_types=False,
        show_column_summaries=False,
        show_download=False,
        hidden_columns=["pod_id"],
        wrapped_columns=["pod", "advice"],
        column_widths={"pod": 190, "gpus": 60, "gpu_hours": 90, "used": 60, "advice": 300},
        format_mapping={
            "gpus": lambda value: say(value, ",.2f"),
            "gpu_hours": say,
            "used": lambda value: say(value, ".0%"),
            "coverage": lambda value: say(value, ".0%"),
        },
    )
    mo.vstack(
        [
            mo.md(
                """
                ## Who holds GPUs now

                Those that hardly use them come first, by the GPU-hours that they have held. Only pods with enough
                samples are called idle; MIG slices are `unknown`. Choose a pod to see its samples.
                """
            ),
            table if len(holders) else mo.md("*No running pod holds a GPU.*"),
        ]
    )
    return holders, table


@app.cell
def _(generation, table):
    mo.stop(len(table.value) == 0)
    pod = table.value.iloc[0]
    metrics = read(
        generation,
        "select distinct metric from pod_metrics_hourly where pod_id = $pod_id order by metric",
        pod_id=pod["pod_id"],
    )["metric"]
    mo.stop(metrics.empty, mo.md(f"*There are no samples of {pod['pod']}.*"))
    metric = mo.ui.dropdown(
        list(metrics),
        value="GPU_UTILIZATION" if "GPU_UTILIZATION" in set(metrics) else metrics[0],
        label="Metric",
    )
    mo.vstack(
        [
            mo.md(
                f"""
                ## One pod's samples

                The last 24 hours of `{pod["pod"]}`, from `pod_metrics`: a view on the Parquet files, a folder per day.
                The line breaks where samples are missing.
                """
            ),
            metric,
        ]
    )
    return metric, pod


@app.cell
def _(generation, metric, pod):
    samples = read(
        generation,
        """
        select pod_metrics.gpu, pod_metrics.sampled_at, pod_metrics.value, metric_catalogue.unit
        from pod_metrics
        inner join metric_catalogue using (metric)
        where pod_id = $pod_id and metric = $metric
        qualify sampled_at > max(sampled_at) over () - interval 24 hours
        """,
        pod_id=pod["pod_id"],
        metric=metric.value,
    )
    charts.samples(samples)
    return (samples,)


if __name__ == "__main__":
    app.run()

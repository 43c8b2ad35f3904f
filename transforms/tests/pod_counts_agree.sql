-- At the end of the last run a count by the API still differed from ours.
-- severity: warn
-- looks at: everything
with last_run as (
    select started_at
    from runs
    order by started_at desc
    limit 1
),

last_counts as (
    select pod_counts.*
    from pod_counts
    inner join last_run on pod_counts.counted_at >= last_run.started_at
    qualify row_number() over (partition by pod_counts.filter order by pod_counts.counted_at desc) = 1
)

select * from last_counts
where difference <> 0

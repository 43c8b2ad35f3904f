-- At the end of the last run a count by the API still differed from ours.
-- severity: warn
-- looks at: everything
with last_run as (
    select max(as_of) as as_of
    from pod_counts
    where warehouse_count is not null
),

last_counts as (
    select pod_counts.*
    from pod_counts
    inner join last_run using (as_of)
    qualify row_number() over (partition by pod_counts.filter order by pod_counts.counted_at desc) = 1
)

select * from last_counts
where difference <> 0

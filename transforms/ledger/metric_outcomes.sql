-- One row per newly asked window and metric type, with the status that this type has.
with new_windows as (select * from new_windows),

typed as (
    select
        *,
        unnest(from_json(asked, '["varchar"]')) as metric
    from new_windows
),

counted as (
    select
        *,
        cast(json_extract_string(returned, '$."' || metric || '"') as bigint) as came
    from typed
),

final as (
    select
        pod_id,
        metric,
        window_from,
        window_to,
        resolution_seconds,
        started_at,
        ended_at,
        expected_samples,
        attempt as attempts,
        reason,
        observed_at as asked_at,
        least(coalesce(came, 0), epoch(window_to - window_from) // resolution_seconds) as instants,
        case
            when returned is null then status
            when came is null then 'partial'
            when came >= expected_samples then 'ok'
            when came = 0 then 'empty'
            else 'short'
        end as status
    from counted
)

select * from final

-- One row per pod: between which instants it can have metrics, as far as the API and our own looks tell.
--
-- ended_at is null while the pod goes on. Clocks differ, and instants may be missing or none: a pod lived when it was
-- first seen, one whose end is before that has ended by when it was last seen, and so has one that is in an end phase.
with known_pods as (select * from known_pods),

births as (
    select
        *,
        least(created_at, first_observed_at) as began_at,
        not is_open or not is_reachable or coalesce(phase in ('Succeeded', 'Failed'), false) as is_over
    from known_pods
),

final as (
    select
        pod_id,
        workload_id,
        phase,
        began_at,
        case
            when completed_at >= began_at then completed_at
            when deleted_at >= began_at then deleted_at
            when is_over then greatest(last_observed_at, began_at)
        end as ended_at,
        is_over,
        has_gpu,
        shows_nim
    from births
)

select * from final

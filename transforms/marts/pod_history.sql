-- One row per stretch of time in which phase, node, node pool and allocation of a pod were as seen.
--
-- rebuilt by: pod_id
--
-- Stretches are half open, [valid_from, valid_to), without gap or overlap, from created_at (where that is null, from
-- the first observation) into the current row. When versions begin to hold, and what timestamps alone prove, is told
-- in stg_pod_changes and stg_pod_instants. Here, between the instant of a change and its observation, a new allocation
-- counts only from started_at, and of a pod that never started not at all; after completed_at or deleted_at nothing is
-- allocated; and equal neighbours become one stretch, which is inferred where no observation lies in it.
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- valid_from timestamptz: Start of the stretch, included.
-- valid_to timestamptz: End of the stretch, excluded; null in the current row.
-- phase varchar: Kubernetes phase.
-- node_name varchar: Node as seen: null before one was assigned, or once the API no longer gave it.
-- node_pool varchar: Node pool as seen.
-- allocated_gpu double: GPUs allocated; null where none were seen as allocated.
-- allocated_cpu_cores double: CPU cores allocated; null where none were seen as allocated.
-- allocated_cpu_memory_bytes bigint: Memory allocated; null where none was seen as allocated.
-- is_inferred boolean: True where timestamps alone prove the stretch: no run saw the pod in it.
-- is_current boolean: True for the last stretch of each pod.
with stg_pod_instants as (select * from stg_pod_instants),

known_pods as (select * from known_pods),

stg_pod_starts as (select * from stg_pod_starts),

filled as (
    select
        pod_id,
        instant,
        seen_index is not null as is_seen,
        last_value(state ignore nulls) over so_far as state,
        max(seen_index) over so_far as last_seen_index
    from stg_pod_instants
    window so_far as (partition by pod_id order by instant rows unbounded preceding)
),

pieces as (
    select
        filled.pod_id,
        filled.instant,
        filled.is_seen,
        filled.state.phase,
        filled.state.node_name,
        filled.state.node_pool,
        case
            when filled.instant >= least(known_pods.completed_at, known_pods.deleted_at) then null
            when
                (
                    filled.instant < stg_pod_starts.started_at
                    or (stg_pod_starts.started_at is null and filled.state.phase = 'Pending')
                )
                and coalesce(filled.last_seen_index, -1) < filled.state.version_index
                then filled.state.earlier_allocated
            else filled.state.allocated
        end as allocated
    from filled
    inner join known_pods using (pod_id)
    left join stg_pod_starts using (pod_id)
),

compared as (
    select
        *,
        -- One by one: an allocation of nothing is the same as none.
        row(
            phase, node_name, node_pool, allocated.gpu, allocated.cpu_cores, allocated.cpu_memory_bytes
        ) as held,
        lag(held) over (partition by pod_id order by instant) as held_before
    from pieces
),

numbered as (
    select
        *,
        count_if(held is distinct from held_before) over (
            partition by pod_id
            order by instant
            rows unbounded preceding
        ) as stretch
    from compared
),

stretches as (
    select
        pod_id,
        min(instant) as valid_from,
        max(phase) as phase,
        max(node_name) as node_name,
        max(node_pool) as node_pool,
        max(allocated.gpu) as allocated_gpu,
        max(allocated.cpu_cores) as allocated_cpu_cores,
        max(allocated.cpu_memory_bytes) as allocated_cpu_memory_bytes,
        not bool_or(is_seen) as is_inferred
    from numbered
    group by pod_id, stretch
),

final as (
    select
        pod_id,
        valid_from,
        lead(valid_from) over (partition by pod_id order by valid_from) as valid_to,
        phase,
        node_name,
        node_pool,
        allocated_gpu,
        allocated_cpu_cores,
        allocated_cpu_memory_bytes,
        is_inferred,
        valid_to is null as is_current
    from stretches
)

select * from final

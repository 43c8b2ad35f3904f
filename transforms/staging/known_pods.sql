-- One row per pod: what the next run must know of it to decide what to ask.
--
-- rebuilt by: pod_id
--
-- Kept in the build database, brought up to date with every load that is taken in, and never published.
--
-- pod_id varchar: The pod.
-- workload_id varchar: Its workload, under which it can be looked up.
-- cluster_id varchar: Its cluster.
-- phase varchar: Kubernetes phase of its newest version; tells which pods have metrics to ask for.
-- created_at timestamptz: When it was created; the days that a re-count lists.
-- completed_at timestamptz: When it completed.
-- deleted_at timestamptz: When it was deleted.
-- is_completed boolean: The newest version has a completion time.
-- is_deleted boolean: The newest version says so; where plain lists may leave it unsaid, the reading carries it on.
-- is_open boolean: Neither completed nor deleted, nor given up: a day lies between two runs that found nothing.
-- is_reachable boolean: The last look for it found it; false too for deleted pods that the API has purged.
-- content_hash varchar: Hash of its newest version.
-- project_name varchar: Last one seen.
-- workload_name varchar: Last one seen.
-- first_observed_at timestamptz: When its first version was read.
-- last_observed_at timestamptz: When its newest version was read.
-- absences bigint: Runs since its newest version that looked for it and did not find it.
-- first_absent_at timestamptz: The as_of of the first such run.
-- last_absent_at timestamptz: The as_of of the last such run.
-- has_gpu boolean: A version of it may have a GPU.
-- shows_nim boolean: A version of it shows that it may serve a NIM.
with stg_pod_versions as (select * from stg_pod_versions),

stg_pod_equipment as (select * from stg_pod_equipment),

raw_pod_absences as (select * from raw_pod_absences),

lives as (
    select
        pod_id,
        max_by(project_name, version_index) as project_name,
        max_by(workload_name, version_index) as workload_name,
        min(observed_at) as first_observed_at,
        max(observed_at) as last_observed_at
    from stg_pod_versions
    group by pod_id
),

misses as (
    select
        lives.pod_id,
        count(distinct raw_pod_absences.as_of) as absences,
        min(raw_pod_absences.as_of) as first_absent_at,
        max(raw_pod_absences.as_of) as last_absent_at
    from lives
    inner join raw_pod_absences using (pod_id)
    where raw_pod_absences.observed_at > lives.last_observed_at
    group by lives.pod_id
),

final as (
    select
        latest.pod_id,
        latest.workload_id,
        latest.cluster_id,
        latest.phase,
        latest.created_at,
        latest.completed_at,
        latest.deleted_at,
        latest.completed_at is not null as is_completed,
        latest.is_deleted,
        latest.completed_at is null
        and not latest.is_deleted
        and coalesce(misses.last_absent_at < misses.first_absent_at + interval '1 day', true) as is_open,
        misses.pod_id is null as is_reachable,
        latest.content_hash,
        lives.project_name,
        lives.workload_name,
        lives.first_observed_at,
        lives.last_observed_at,
        coalesce(misses.absences, 0) as absences,
        misses.first_absent_at,
        misses.last_absent_at,
        stg_pod_equipment.has_gpu,
        stg_pod_equipment.shows_nim
    from stg_pod_versions as latest
    inner join lives using (pod_id)
    inner join stg_pod_equipment using (pod_id)
    left join misses using (pod_id)
    where latest.is_latest
)

select * from final

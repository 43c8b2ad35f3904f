-- One row per run, as known when the tables were built.
--
-- rebuilt by: whole
--
-- run_id varchar: Identifies the run.
-- started_at timestamptz: When the run began, by the machine's clock.
-- finished_at timestamptz: When its last load was handed over, by the machine's clock.
-- as_of timestamptz: The instant that the run describes: `--until`, else the clock.
-- outcome varchar: `loaded`: everything read is committed; `failed`: the run stopped, what it committed counts.
-- requests bigint: HTTP requests sent.
-- retries bigint: Requests that were repeats after a failure.
-- pods_read bigint: Pods in the API's answers.
-- pods_changed bigint: Pods that gave a new version.
-- samples_read bigint: Metric samples read.
-- windows_failed bigint: Metric windows that could not be read.
-- rejects bigint: Payloads that could not be taken: unreadable, or contradicted by another in the same answer.
-- version varchar: Version of this project that ran.
-- error varchar: Why a failed run stopped.
-- open_set_read_at timestamptz: When the run's complete read of the open pods began; null where it finished none.
-- metrics_since timestamptz: Where metrics begin to be wanted; null for a run that read none.
-- metric_types json: Metric types that the run asked for, a list.
-- arguments json: Arguments of the command; never a credential.
-- rejects_new bigint: Those of them that no run had met before; each is kept once, in the raw table `rejects`.
-- read_seconds double: Time spent reading the API.
-- load_seconds double: Time spent loading into raw.
with raw_runs as (select * from raw_runs),

final as (
    select
        run_id,
        started_at,
        finished_at,
        as_of,
        outcome,
        requests,
        retries,
        pods_read,
        pods_changed,
        samples_read,
        windows_failed,
        rejects,
        version,
        error,
        open_set_read_at,
        metrics_since,
        try_cast(metric_types as json) as metric_types,
        try_cast(arguments as json) as arguments,
        rejects_new,
        read_seconds,
        load_seconds
    from raw_runs
    qualify row_number() over (
        partition by run_id
        order by observed_at desc, _dlt_load_id desc, read_index desc
    ) = 1
)

select * from final

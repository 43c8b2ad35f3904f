-- What only DuckDB has, under names. Temporary, so that every connection has them and no database keeps them.
-- noqa: disable=LT02

-- A name or id for tables with a row per day: no name in Kubernetes is longer, and a megabyte a day would fit nowhere.
create or replace temp macro short(text) as
    case when length(text) > 253 then concat(left(text, 252), '…') else text end;

-- Go's zero time, year 1, is how the API's server says "never".
create or replace temp macro known_instant(instant) as
    case when year(instant) between 2 and 9999 then instant end;

-- Text of the API as an instant; text without a zone is UTC.
create or replace temp macro instant_from_text(text) as
    known_instant(try_cast(text as timestamptz));

-- Epoch number as an instant. Seconds stay below 10^11 until the year 5138, milliseconds are above it since 1973.
create or replace temp macro instant_from_epoch(epoch) as
    case
        when epoch <= 0 then null
        when epoch < 100_000_000_000 then make_timestamptz(epoch * 1_000_000)
        when epoch < 100_000_000_000_000 then make_timestamptz(epoch * 1_000)
        when epoch < 100_000_000_000_000_000 then make_timestamptz(epoch)
        else make_timestamptz(epoch // 1_000)
    end;

-- The UTC hour and day of an instant since 1970. Whole numbers: what knows time zones takes ten times as long.
create or replace temp macro hour_of(instant) as
    make_timestamptz(epoch_us(instant) // 3_600_000_000 * 3_600_000_000);

create or replace temp macro day_of(instant) as
    cast(make_timestamp(epoch_us(instant)) as date);

-- The latest that an instant may be that the API has cut to the second, or to the millisecond.
create or replace temp macro latest_of(instant) as
    instant + to_microseconds(
        case
            when epoch_us(instant) % 1_000_000 = 0 then 999_999
            when epoch_us(instant) % 1_000 = 0 then 999
            else 0
        end
    );

-- Kubernetes quantities, exact: <sign><digits>[.<digits>][<suffix> | e<exponent>], and the `B` of the API's own `0B`.
-- Null where the text is no quantity, or where decimal(38, 9) cannot hold its value exactly. Three steps:
-- the parts of the text, then digits and a power of ten, then whole units of 10^-9 (a cast from text takes far longer).
create or replace temp macro quantity_parts(text) as
    regexp_extract(
        text,
        '^\s*([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]+))?B?\s*$',
        ['sign', 'number', 'suffix', 'exponent']
    );

create or replace temp macro quantity_scaled(parts) as {
    'sign': parts.sign,
    'digits': ltrim(
        case
            when parts.number = '' then null
            when length(parts.suffix) = 2
                then try(
                    cast(
                        cast(replace(parts.number, '.', '') as hugeint)
                        * (cast(1 as hugeint) << (10 * strpos('KMGTPE', left(parts.suffix, 1)))) as varchar
                    )
                )
            else replace(parts.number, '.', '')
        end,
        '0'
    ),
    'power': try_cast(if(parts.exponent = '', '0', parts.exponent) as integer)
        - length(split_part(parts.number, '.', 2))
        + if(length(parts.suffix) = 1, 3 * (strpos('num kMGTPE', parts.suffix) - 4), 0)
};

create or replace temp macro quantity_value(scaled) as
    case
        when scaled.digits = '' then cast(0 as decimal(38, 9))
        when length(scaled.digits) + scaled.power > 29 then null
        when length(scaled.digits) - length(rtrim(scaled.digits, '0')) + scaled.power < -9 then null
        else cast(
            cast(
                scaled.sign || if(
                    scaled.power < -9,
                    left(scaled.digits, scaled.power + 9),
                    scaled.digits || repeat('0', scaled.power + 9)
                ) as hugeint
            ) as decimal(38, 0)
        ) * cast(0.000000001 as decimal(10, 9))
    end;

-- A subquery rather than nested calls: each step is planned once, and each distinct text is read once.
create or replace temp macro quantity(text) as (
    select quantity_value(scaled)
    from (
        select quantity_scaled(parts) as scaled
        from (select quantity_parts(text) as parts)
    )
);

-- Bytes as a whole number, a begun byte counting as one, as Kubernetes rounds; null beyond 2^63.
create or replace temp macro whole_bytes(amount) as
    try_cast(ceil(amount) as bigint);

-- The index of a GPU from its label, and the other labels of a series, to which a label that is no index goes.
create or replace temp macro gpu_index(gpu) as
    if(cast(try_cast(gpu as smallint) as varchar) = gpu, try_cast(gpu as smallint), null);

create or replace temp macro series_labels(gpu, labels) as
    if(
        gpu is null or gpu_index(gpu) is not null,
        labels,
        cast(json_merge_patch(coalesce(labels, '{}'), json_object('gpu', gpu)) as varchar)
    );

-- Whether a pod may have a GPU, by the JSON of its resources; one whose resources nobody tells may.
create or replace temp macro may_have_gpu(requested, allocated) as
    coalesce(requested, allocated) is null
    or coalesce(
        regexp_matches(
            concat_ws(
                ' ',
                json_extract_string(requested, '$.gpu.request'),
                json_extract_string(requested, '$.gpuMemory.request'),
                json_extract_string(requested, '$.migProfile'),
                json_extract_string(allocated, '$.gpu'),
                json_extract_string(allocated, '$.gpuMemory'),
                json_extract_string(allocated, '$.migProfile')
            ),
            '[1-9]'
        ),
        false
    )
    -- Where a version has no field for it, a slice is a resource of its own.
    or contains(
        concat_ws(
            ' ',
            json_extract_string(requested, '$.extendedResources'),
            json_extract_string(allocated, '$.extendedResources')
        ),
        '"nvidia.com/mig-'
    );

-- Whether only a pod that serves a NIM can have a metric type.
create or replace temp macro is_nim(metric) as starts_with(metric, 'NIM_');

-- When what a window lacks will not come any more, and else when to ask again. Clusters may report late: what came
-- short is asked for once more an hour and a day after the window, and types that were left out at least three times.
create or replace temp macro window_is_final(status, asked_at, window_to, attempts) as
    status = 'ok'
    or (
        status in ('short', 'empty', 'partial')
        and asked_at >= window_to + interval '24 hours'
        and (status <> 'partial' or attempts >= 3)
    );

create or replace temp macro window_due_at(status, asked_at, window_to, attempts) as
    case
        when status in ('failed', 'not_found') then asked_at
        when asked_at < window_to + interval '1 hour' then window_to + interval '1 hour'
        when asked_at < window_to + interval '24 hours' then window_to + interval '24 hours'
        when attempts < 3 then asked_at + interval '1 hour'
    end;

-- When a window is asked for no more though it is not final: by then the API has forgotten the workloads that were
-- deleted in it. One that is old when it is wanted first is tried as often as a new one can be at least.
create or replace temp macro window_is_given_up(window_to, attempts, instant) as
    window_to <= instant - interval '15 days' and attempts >= 3;

-- Microseconds from one instant to a later one, whole and exact; 0 where it is not later, null where one is unknown.
create or replace temp macro micros_between(since, until) as
    case
        when until > since then epoch_us(until) - epoch_us(since)
        when until <= since then 0
    end;

-- The same times GPUs, exact: sums of it do not depend on their order.
create or replace temp macro gpu_micros(gpus, since, until) as
    try_cast(gpus as decimal(18, 9)) * micros_between(since, until);

create or replace temp macro seconds_of(micros) as
    cast(micros as double) / 1_000_000;

create or replace temp macro hours_of(micros) as
    cast(micros as double) / 3_600_000_000;

-- The day of an instant in a time zone, the instant at which a day begins there, and a stretch of time cut by day.
-- Of a midnight that comes twice, as clocks are put back, the later one begins the day.
create or replace temp macro local_day(instant, time_zone) as
    cast(instant at time zone time_zone as date);

create or replace temp macro local_day_start(day, time_zone) as
    cast(day as timestamp) at time zone time_zone;

create or replace temp macro part_of_day(day, since, until, time_zone) as {
    'day': day,
    'from_at': greatest(since, local_day_start(day, time_zone)),
    'to_at': least(until, local_day_start(day + 1, time_zone))
};

create or replace temp macro parts_by_day(since, until, time_zone) as
    list_filter(
        list_transform(
            generate_series(local_day(since, time_zone), local_day(until, time_zone), interval '1 day'),
            lambda midnight: part_of_day(cast(midnight as date), since, until, time_zone)
        ),
        lambda part: part.from_at < part.to_at
    );

create or replace temp macro month_start(day) as
    cast(date_trunc('month', day) as date);

-- Numbers as a sentence has them: three digits are enough.
create or replace temp macro in_short(amount) as
    format('{:.3g}', cast(amount as double));

create or replace temp macro in_percent(amount) as
    format('{:.2g} %', cast(amount as double));

create or replace temp macro in_hours(seconds) as
    format('{:.1f} hours', seconds / 3600);

-- A JSON object without the members that are null.
create or replace temp macro without_nulls(object) as
    json_merge_patch('{}', object);

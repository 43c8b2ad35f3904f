-- One row per count that was asked of the API.
--
-- rebuilt by: whole
--
-- counted_at timestamptz: When the answer arrived.
-- as_of timestamptz: The instant that the reading stands for; the counts of one run share it.
-- is_whole boolean: Counts all pods; the others count days of their creation.
-- filter varchar: What was counted, in the words of the request.
-- api_count bigint: The API's count.
-- warehouse_count bigint: The count by our own tables at that moment; null where there was nothing to compare with.
-- difference bigint: api_count - warehouse_count: above 0 the warehouse misses pods, below 0 the API does.
with raw_pod_counts as (select * from raw_pod_counts),

final as (
    select
        counted_at,
        as_of,
        is_whole,
        filter,
        api_count,
        warehouse_count,
        api_count - warehouse_count as difference
    from raw_pod_counts
)

select * from final

-- One row per pod: whether it may have a GPU, and whether it shows that it may serve a NIM.
--
-- A NIM may be submitted to Run:ai, to an operator, by Helm or as a bare image, so that a pod without a revision and
-- with an image of any name may be one too: no sign is no proof.
with raw_pods as (select * from raw_pods),

final as (
    select
        id as pod_id,
        bool_or(may_have_gpu(try_cast(requested_resources as json), try_cast(allocated_resources as json))) as has_gpu,
        bool_or(
            revision_id is not null or coalesce(regexp_matches(lower(containers), '(^|[^a-z])nim([^a-z]|$)'), false)
        ) as shows_nim
    from raw_pods
    group by id
)

select * from final

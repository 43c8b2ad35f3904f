-- One row per container of a pod, as its newest version lists them.
--
-- rebuilt by: pod_id
--
-- An image reads [<registry>/]<path>[:<tag>][@<digest>], by the grammar of the OCI distribution specification.
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- container_index integer: Place of the container in the API's list, from 0.
-- container_name varchar: Name of the container (`containers[].name`).
-- image varchar: Image reference as the API gave it (`containers[].image`).
-- image_registry varchar: Registry host and port; null where the reference leaves it to the default.
-- image_repository varchar: Everything before tag and digest, the registry included.
-- image_tag varchar: Tag; null where there is none (nothing here assumes `latest`).
-- image_digest varchar: Digest with its algorithm, `sha256:…`; null where there is none.
-- started_at timestamptz: When the container started (`containers[].startedAt`).
with stg_containers as (select * from stg_containers),

split as (
    select
        *,
        split_part(image, '@', 1) as tagged,
        nullif(split_part(image, '@', 2), '') as image_digest
    from stg_containers
    where is_latest
),

named as (
    select
        *,
        -- A colon before the last slash belongs to the registry's port.
        nullif(regexp_replace(tagged, ':[^:/]*$', ''), '') as image_repository,
        nullif(regexp_extract(tagged, ':([^:/]*)$', 1), '') as image_tag
    from split
),

final as (
    select
        pod_id,
        container_index,
        container_name,
        image,
        -- Only a first component with a dot, a port, or the name localhost is a host; `library/alpine` has none.
        nullif(regexp_extract(image_repository, '^(localhost|[^/]*[.:][^/]*)/', 1), '') as image_registry,
        image_repository,
        image_tag,
        image_digest,
        started_at
    from named
)

select * from final

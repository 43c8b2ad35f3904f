-- One row per resource that every pod can ask for: our name of it, the API's key, the unit of its amounts.
with final (resource, api_key, unit) as (
    values
    ('gpu', 'gpu', 'gpu'),
    ('gpu_memory', 'gpuMemory', 'bytes'),
    ('cpu', 'cpu', 'cores'),
    ('cpu_memory', 'cpuMemory', 'bytes')
)

select * from final

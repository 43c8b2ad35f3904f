-- The raw tables as the models know them: what dlt appended, once per (_dlt_load_id, read_index), committed loads only.
-- A column that a raw file lacks is null here; one that is not named here is not taken in.

create table raw_pods (
    id varchar,
    name varchar,
    workload_id varchar,
    workload_name varchar,
    revision_id varchar,
    project_id varchar,
    project_name varchar,
    cluster_id varchar,
    tenant_id varchar,
    priority_class_name varchar,
    k8s_phase varchar,
    k8s_phase_updated_at timestamptz,
    node_name varchar,
    current_node_pool varchar,
    ip varchar,
    created_at timestamptz,
    completed_at timestamptz,
    deleted_at timestamptz,
    updated_at timestamptz,
    containers varchar,
    requested_node_pools varchar,
    requested_resources varchar,
    allocated_resources varchar,
    tolerations varchar,
    node_affinity varchar,
    extra varchar,
    is_deleted boolean,
    content_hash varchar,
    found_by varchar,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_pod_absences (
    pod_id varchar,
    workload_id varchar,
    as_of timestamptz,
    looked_by varchar,
    outcome varchar,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_pod_counts (
    counted_at timestamptz,
    as_of timestamptz,
    is_whole boolean,
    filter varchar,
    api_count bigint,
    warehouse_count bigint,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_cluster_pods (
    pod_id varchar,
    pod_name varchar,
    job_id varchar,
    pod_group_id varchar,
    cluster_uuid varchar,
    image_name varchar,
    node_id varchar,
    phase varchar,
    status varchar,
    namespace varchar,
    node_pool varchar,
    exists_in_cluster boolean,
    created bigint,
    started bigint,
    completed bigint,
    last_updated bigint,
    resource_request varchar,
    resource_allocation varchar,
    dynamic_data varchar,
    extra varchar,
    content_hash varchar,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_rejects (
    endpoint varchar,
    reason varchar,
    payload varchar,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_runs (
    run_id varchar,
    started_at timestamptz,
    finished_at timestamptz,
    as_of timestamptz,
    outcome varchar,
    error varchar,
    open_set_read_at timestamptz,
    requests bigint,
    retries bigint,
    pods_read bigint,
    pods_changed bigint,
    samples_read bigint,
    windows_failed bigint,
    rejects bigint,
    rejects_new bigint,
    version varchar,
    metrics_since timestamptz,
    metric_types varchar,
    arguments varchar,
    read_seconds double,
    load_seconds double,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_pod_metrics (
    pod_id varchar,
    metric varchar,
    gpu varchar,
    labels varchar,
    sampled_at timestamptz,
    value double,
    value_text varchar,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_pod_metric_histograms (
    pod_id varchar,
    metric varchar,
    labels varchar,
    sampled_at timestamptz,
    data varchar,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

create table raw_metric_windows (
    pod_id varchar,
    workload_id varchar,
    asked varchar,
    returned varchar,
    window_from timestamptz,
    window_to timestamptz,
    resolution_seconds bigint,
    status varchar,
    reason varchar,
    http_status bigint,
    samples bigint,
    expected_samples bigint,
    started_at timestamptz,
    ended_at timestamptz,
    attempt bigint,
    observed_at timestamptz,
    read_index bigint,
    _dlt_load_id varchar
);

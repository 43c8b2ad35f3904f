"""The others at metrics: every type of every running pod over one stretch, in a process of its own.

python -m bench.metric_contestants NAME URL FOLDER SINCE UNTIL      prints {"seconds", "samples"} as JSON

All ask for the same windows: nine types at most in a request, a sample a minute.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bench.contestants import LIST, MAX_PAGE, count, new_pipeline, token

BASIC: Final = (
    "GPU_UTILIZATION",
    "GPU_UTILIZATION_PER_GPU",
    "GPU_MEMORY_USAGE_BYTES",
    "GPU_MEMORY_USAGE_BYTES_PER_GPU",
    "CPU_USAGE_CORES",
    "CPU_MEMORY_USAGE_BYTES",
)
_PROFILING: Final = (
    "GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU",
    "GPU_SM_ACTIVITY_PER_GPU",
    "GPU_SM_OCCUPANCY_PER_GPU",
    "GPU_TENSOR_ACTIVITY_PER_GPU",
    "GPU_FP64_ENGINE_ACTIVITY_PER_GPU",
    "GPU_FP32_ENGINE_ACTIVITY_PER_GPU",
    "GPU_FP16_ENGINE_ACTIVITY_PER_GPU",
    "GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU",
    "GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU",
    "GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU",
    "GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU",
    "GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU",
    "GPU_SWAP_MEMORY_BYTES_PER_GPU",
)
TYPES: Final = (BASIC, _PROFILING[:9], _PROFILING[9:])
THREADS: Final = 16


def windows(since: str, until: str) -> list[dict[str, Any]]:
    """The query of each request of one pod."""
    start, end = (datetime.fromisoformat(text) for text in (since, until))
    samples = int((end - start).total_seconds()) // 60
    return [
        {"metricType": ",".join(types), "start": since, "end": until, "numberOfSamples": samples} for types in TYPES
    ]


def stock(url: str, folder: Path, since: str, until: str) -> dict[str, float]:
    """dlt's `rest_api` source as its documentation shows it: a child resource for each request, inserted as text."""
    return _rest_api(url, folder, since, until)


def tuned(url: str, folder: Path, since: str, until: str) -> dict[str, float]:
    """The same in parallel, and with Parquet instead of inserts."""
    return _rest_api(url, folder, since, until, parallelized=True, loader_file_format="parquet")


def _rest_api(
    url: str, folder: Path, since: str, until: str, *, parallelized: bool = False, **options: Any
) -> dict[str, float]:
    from dlt.sources.rest_api import rest_api_source

    bearer = token(url)
    started = time.perf_counter()
    pods = {
        "name": "pods",
        "endpoint": {
            "path": LIST,
            "data_selector": "pods",
            "params": {"verbosity": "full", "sortBy": "createdAt", "limit": MAX_PAGE, "completed": "false"},
            "paginator": {"type": "single_page"},
        },
    }
    children = [
        {
            "name": f"metrics_{number}",
            "table_name": "metrics",
            "parallelized": parallelized,
            "include_from_parent": ["id"],
            "endpoint": {
                "path": f"{LIST.rpartition('/')[0]}/{{resources.pods.workloadId}}/pods/{{resources.pods.id}}/metrics",
                "data_selector": "measurements",
                "params": window,
                "paginator": {"type": "single_page"},
            },
        }
        for number, window in enumerate(windows(since, until))
    ]
    client = {"base_url": url, "auth": {"type": "bearer", "token": bearer}}
    config: Any = {"client": client, "resources": [pods, *children]}
    source = rest_api_source(config)
    pipeline = new_pipeline(folder)
    pipeline.run(source, **options).raise_on_failed_jobs()
    return {"seconds": time.perf_counter() - started, "samples": count(pipeline, "metrics__values")}


def bare(url: str, folder: Path, since: str, until: str) -> dict[str, float]:
    """A bare dlt resource of Arrow tables: 16 threads, `pyarrow.json`, append; nothing planned, noted or kept once."""
    import dlt

    bearer = token(url)
    started = time.perf_counter()
    pipeline = new_pipeline(folder)
    resource = dlt.resource(_tables(url, bearer, since, until), name="samples", write_disposition="append")
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()
    return {"seconds": time.perf_counter() - started, "samples": count(pipeline, "samples")}


def floor(url: str, folder: Path, since: str, until: str) -> dict[str, float]:
    """The same without dlt: the tables go straight into DuckDB."""
    import duckdb

    bearer = token(url)
    started = time.perf_counter()
    with duckdb.connect(str(folder / "floor.duckdb")) as con:
        for number, rows in enumerate(_tables(url, bearer, since, until)):
            con.register("rows", rows)
            con.execute(f"{'insert into samples' if number else 'create table samples as'} select * from rows")
        [(samples,)] = con.execute("select count(*) from samples").fetchall()
    return {"seconds": time.perf_counter() - started, "samples": samples}


def _tables(url: str, bearer: str, since: str, until: str) -> Iterator[Any]:
    """Samples as Arrow tables of about three megabytes of JSON each."""
    import httpx
    import orjson
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import json as arrow_json

    value = pa.struct([("value", pa.string()), ("timestamp", pa.string())])
    series = pa.struct(
        [("type", pa.string()), ("labels", pa.struct([("gpu", pa.string())])), ("values", pa.list_(value))]
    )
    parse = arrow_json.ParseOptions(explicit_schema=pa.schema([("measurements", pa.list_(series))]))

    def table(bodies: list[tuple[str, bytes]]) -> pa.Table:
        whole = b"\n".join(body for _, body in bodies)
        read = arrow_json.ReadOptions(block_size=len(whole) + 1)
        parts = arrow_json.read_json(io.BytesIO(whole), read, parse).column(0).combine_chunks()
        pods = pa.array([pod for pod, _ in bodies]).take(pc.list_parent_indices(parts))
        of_pod = parts.flatten()
        place = pc.list_parent_indices(of_pod.field("values"))
        values = of_pod.field("values").flatten()
        return pa.table(
            {
                "pod_id": pods.take(place),
                "metric": of_pod.field("type").take(place),
                "gpu": of_pod.field("labels").field("gpu").take(place),
                "sampled_at": pc.cast(values.field("timestamp"), pa.timestamp("us", "UTC")),
                "value": pc.cast(values.field("value"), pa.float64()),
            }
        )

    headers = {"Authorization": f"Bearer {bearer}"}
    limits = httpx.Limits(max_connections=THREADS, max_keepalive_connections=THREADS)
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60, limits=limits) as client:

        def get(path: str, params: dict[str, Any]) -> bytes:
            return client.get(path, params=params).raise_for_status().content

        asked = {"verbosity": "full", "sortBy": "createdAt", "limit": MAX_PAGE, "completed": "false"}
        pods = orjson.loads(get(LIST, asked))["pods"]
        work = [(pod, window) for pod in pods for window in windows(since, until)]

        def body(one: tuple[dict[str, Any], dict[str, Any]]) -> tuple[str, bytes]:
            pod, window = one
            path = f"{LIST.rpartition('/')[0]}/{pod['workloadId']}/pods/{pod['id']}/metrics"
            return pod["id"], get(path, window)

        waiting: list[tuple[str, bytes]] = []
        size = 0
        with ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(body, work):
                waiting.append(found)
                size += len(found[1])
                if size > 3_000_000:
                    yield table(waiting)
                    waiting, size = [], 0
        if waiting:
            yield table(waiting)


CONTESTANTS: Final[dict[str, Callable[[str, Path, str, str], dict[str, float]]]] = {
    "stock": stock,
    "tuned": tuned,
    "bare": bare,
    "floor": floor,
}

if __name__ == "__main__":
    name, url, folder, since, until = sys.argv[1:]
    print(json.dumps(CONTESTANTS[name](url, Path(folder), since, until)))

"""The others: each reads every pod that the API offers, deleted ones too, in a process of its own.

python -m bench.contestants NAME URL FOLDER      prints {"seconds", "pods"} as JSON; the seconds leave imports out
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, Final

CLIENT: Final = {"clientID": "demo", "clientSecret": "demo-secret"}
LIST: Final = "/api/v1/workloads/pods"
# The plain list leaves deleted pods out; they are a list of their own.
PASSES: Final[tuple[dict[str, Any], ...]] = ({}, {"deleted": "true"})
MAX_PAGE: Final = 500


def token(url: str) -> str:
    """Sign in the way all contestants do."""
    import httpx

    answer = httpx.post(f"{url}/api/v1/token", json={"grantType": "client_credentials", **CLIENT}, trust_env=False)
    return str(answer.raise_for_status().json()["accessToken"])


def new_pipeline(folder: Path) -> Any:
    """A dlt pipeline into a DuckDB file in the folder."""
    import dlt

    return dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "state"),
        destination=dlt.destinations.duckdb(str(folder / "bench.duckdb")),
        dataset_name="raw",
    )


def count(pipeline: Any, table: str) -> int:
    """Rows of a table that a pipeline loaded."""
    with pipeline.sql_client() as sql:
        rows = sql.execute_sql(f"select count(*) from {table}")
    return int(rows[0][0]) if rows else 0


def stock(url: str, folder: Path) -> dict[str, float]:
    """dlt's `rest_api` source as its documentation shows it: offset pages of 100, rows inserted as text."""
    return _rest_api(url, folder, page=100)


def tuned(url: str, folder: Path) -> dict[str, float]:
    """The same with the API's largest page and Parquet instead of inserts."""
    return _rest_api(url, folder, page=MAX_PAGE, loader_file_format="parquet")


def _rest_api(url: str, folder: Path, page: int, **options: Any) -> dict[str, float]:
    from dlt.sources.rest_api import rest_api_source

    bearer = token(url)
    started = time.perf_counter()
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "bearer", "token": bearer},
                "paginator": {"type": "offset", "limit": page, "total_path": None},
            },
            "resources": [
                {
                    "name": f"pods_{number}",
                    "table_name": "pods",
                    "endpoint": {
                        "path": LIST,
                        "data_selector": "pods",
                        "params": {"verbosity": "full", "sortBy": "createdAt", **narrowed},
                    },
                }
                for number, narrowed in enumerate(PASSES)
            ],
        }
    )
    pipeline = new_pipeline(folder)
    pipeline.run(source, **options).raise_on_failed_jobs()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "pods": count(pipeline, "pods")}


def floor(url: str, folder: Path) -> dict[str, float]:  # noqa: ARG001 - it keeps nothing
    """Download and parse, and nothing else: eight threads, `orjson`."""
    bearer = token(url)
    started = time.perf_counter()
    pods = sum(len(page) for page in _pages(url, bearer))
    return {"seconds": time.perf_counter() - started, "pods": pods}


def bare(url: str, folder: Path) -> dict[str, float]:
    """The floor's pages in a bare dlt resource: Arrow tables of text, appended; nothing typed, hashed or compared."""
    import dlt
    import orjson
    import pyarrow as pa

    def table(pods: list[dict[str, Any]]) -> pa.Table:
        text = [
            {k: v if v is None or isinstance(v, str) else orjson.dumps(v).decode() for k, v in pod.items()}
            for pod in pods
        ]
        return pa.Table.from_pylist(text, pa.schema([(name, pa.string()) for name in names]))

    bearer = token(url)
    started = time.perf_counter()
    pages = _pages(url, bearer)
    first = next(pages)
    names = sorted({name for pod in first for name in pod})
    pipeline = new_pipeline(folder)
    resource = dlt.resource((table(page) for page in chain([first], pages)), name="pods", write_disposition="append")
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "pods": count(pipeline, "pods")}


def _pages(url: str, bearer: str) -> Iterator[list[dict[str, Any]]]:
    import httpx
    import orjson

    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {bearer}"}, trust_env=False, timeout=60
    ) as client:

        def get(path: str, **params: Any) -> dict[str, Any]:
            body: dict[str, Any] = orjson.loads(client.get(path, params=params).raise_for_status().content)
            return body

        def page(narrowed: dict[str, Any], offset: int) -> list[dict[str, Any]]:
            asked = {"verbosity": "full", "sortBy": "createdAt", "limit": MAX_PAGE, **narrowed}
            return list(get(LIST, offset=offset, **asked)["pods"])

        asked = [
            (narrowed, offset)
            for narrowed in PASSES
            for offset in range(0, get(f"{LIST}/count", **narrowed)["count"], MAX_PAGE)
        ]
        with ThreadPoolExecutor(8) as pool:
            yield from pool.map(lambda one: page(*one), asked)


CONTESTANTS: Final[dict[str, Callable[[str, Path], dict[str, float]]]] = {
    "stock": stock,
    "tuned": tuned,
    "floor": floor,
    "bare": bare,
}

if __name__ == "__main__":
    name, url, folder = sys.argv[1:]
    print(json.dumps(CONTESTANTS[name](url, Path(folder))))

"""A sample of the failures with canaries; `python -m tests.trust --scene secrets` plays all of them."""

from __future__ import annotations

import base64
import gzip
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.settings import ROOT
from tests.trust.apart import apart
from tests.trust.secrets import CORE, Leaks, Search, canaries, failures, go_well, open_to_others, played
from tests.trust.tenant import Tenant

ECHOES = ("list: echo", "token: echo in a page", "a library that tells everything")
OTHERS = ("metrics: echo", "a proxy that refuses", "no CA bundle")


@dataclass
class Kept:
    """What is searched, and where; made under a umask that closes everything."""

    here: Tenant
    search: Search
    folder: Path

    def played(self, names: Sequence[str]) -> Leaks:
        chosen = {name: fail for name, fail in failures(self.folder).items() if name in names}
        return played(self.here, self.search, chosen)


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    before = os.umask(0o077)
    try:
        with apart() as folder, canaries(folder) as (here, search):
            yield Kept(here, search, folder)
    finally:
        os.umask(before)


def test_what_a_umask_closes_stays_closed(kept: Kept) -> None:
    assert open_to_others(kept.here.door.data_dir) == []


def test_no_answer_that_repeats_a_canary_leaves_a_byte_of_it(kept: Kept) -> None:
    leaks = kept.played(ECHOES)
    kept.search.folder(kept.here.door.data_dir)
    assert (kept.search.found, leaks.failures, leaks.unfailed) == ([], len(ECHOES), [])


def test_no_byte_of_a_canary_is_anywhere_after_failures_and_runs(kept: Kept) -> None:
    leaks = kept.played(OTHERS)
    go_well(kept.here, kept.search)
    kept.search.folder(kept.here.door.data_dir)
    assert (kept.search.found, leaks.failures, leaks.unfailed) == ([], len(OTHERS), [])
    assert kept.search.files > 100


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: text.encode(),
    "in capitals": lambda text: text.upper().encode(),
    "in a URL": lambda text: quote(text, safe="").encode(),
    "in base64": lambda text: base64.b64encode(f"client:{text}".encode()),
    "in base64 of URLs": lambda text: base64.urlsafe_b64encode(f"id:{text}".encode()),
    "in hexadecimal": lambda text: text.encode().hex().encode(),
    "in UTF-16": lambda text: text.encode("utf-16"),
    "pickled": lambda text: pickle.dumps({"value": text}),
    "zipped": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_canary_is_found_however_it_is_spelt(tmp_path: Path, spelling: str) -> None:
    search = Search()
    search.learn(CORE)
    (tmp_path / "file").write_bytes(b"before " + b"x" * 99)
    search.folder(tmp_path)
    assert search.found == []
    (tmp_path / "file").write_bytes(SPELLINGS[spelling](f"a {CORE} of/the+mine&é"))
    search.folder(tmp_path)
    assert search.found


def test_a_canary_is_found_in_tables_and_in_names(tmp_path: Path) -> None:
    text = f"a {CORE} " * 999
    with duckdb.connect(str(tmp_path / "a.duckdb")) as con:
        con.execute("create schema raw; create table raw.t as select ? as c from range(5000)", [text])
    pq.write_table(pa.table({"c": [text]}), tmp_path / "b.parquet", compression="zstd")
    (tmp_path / f"{CORE}.txt").touch()
    search = Search()
    search.learn(CORE)
    search.folder(tmp_path)
    found = {(Path(where.partition(" (")[0]).name, where.partition(" (")[2]) for where in search.found}
    assert found >= {("a.duckdb", "unpacked)"), ("b.parquet", "unpacked)"), (f"{CORE}.txt", "its name)")}


def test_examples_of_secrets_are_no_secrets(tmp_path: Path) -> None:
    """What stands in an example is never taken for what somebody meant."""
    (tmp_path / ".dlt").mkdir()
    settings = f'[sources.runai]\nbase_url = "http://127.0.0.1:9"\ntoken = "{CORE}"\n'
    for name in ("example.secrets.toml", "secrets.toml.example", "example.config.toml"):
        (tmp_path / ".dlt" / name).write_text(settings)
    done = subprocess.run(
        [sys.executable, str(ROOT / "pipelines" / "pods_pipeline.py"), "check", "--debug"],
        env={name: value for name, value in os.environ.items() if "__" not in name}
        | {"DLT_PROJECT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No control plane is configured" in done.stderr
    assert CORE not in done.stdout + done.stderr

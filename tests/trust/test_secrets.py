"""A sample of the failures with canaries; `python -m tests.trust --scene secrets` plays all of them."""

from __future__ import annotations

import base64
import gzip
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.settings import ROOT
from sources.runai.credentials import AppToken
from tests.trust.apart import apart
from tests.trust.rights import masked, odd_rights
from tests.trust.search import Search
from tests.trust.secrets import CORE, Leaks, canaries, failures, from_a_file

ECHOES = ("list: echo", "token: echo in a page", "revision: echo", "check, list: echo")
TOLD = ("run: a library that tells everything", "check: a library that tells everything")
OTHERS = ("metrics: echo", "a proxy that refuses", "no CA bundle", "a bucket without a scheme", "a bucket of no URL")
UNTRUSTED = "a certificate that is good for nothing, another name"
KILLED = "ended by SIGKILL while it loads"
COMMANDS = (("check",), ("status",), ("report",), ("rebuild",), ("prune", "--destination", "filesystem"))
UMASK = 0o027


@pytest.fixture(scope="module")
def leaks() -> Iterator[Leaks]:
    """What is played is looked through at once; under a umask that lets a group read, and nobody else."""
    with masked(UMASK), apart() as folder, canaries(folder) as leaks:
        yield leaks


def play(leaks: Leaks, names: Sequence[str]) -> None:
    before = leaks.failures
    leaks.play({name: fail for name, fail in failures(leaks.folder).items() if name in names})
    assert (leaks.search.found[:3], leaks.failures - before, leaks.unfailed) == ([], len(names), [])


def test_what_a_umask_closes_stays_closed_and_what_it_leaves_stays_open(leaks: Leaks) -> None:
    assert odd_rights(leaks.here.door.data_dir) == []


def test_no_answer_that_repeats_a_canary_leaves_a_byte_of_it(leaks: Leaks) -> None:
    play(leaks, ECHOES)


def test_nothing_that_a_library_tells_leaves_a_byte_of_it(leaks: Leaks) -> None:
    play(leaks, TOLD)


def test_no_certificate_that_is_refused_leaves_a_byte_of_a_canary(leaks: Leaks) -> None:
    play(leaks, [UNTRUSTED])


def test_nothing_that_a_killed_run_could_not_clear_away_holds_a_byte_of_a_canary(leaks: Leaks) -> None:
    play(leaks, [KILLED])
    assert list(leaks.odd)[:3] == []
    left = ("state/lock.json", "state/dlt/duckdb/*/load/normalized/*/completed_jobs/*.parquet", "state/logs/*.log")
    assert all([*leaks.here.door.data_dir.glob(f"ended by SIGKILL/{kind}")] for kind in left)


def test_no_byte_of_a_canary_is_anywhere_after_failures_and_runs(leaks: Leaks) -> None:
    play(leaks, OTHERS)
    leaks.go_well(COMMANDS)
    assert leaks.search.found[:3] == []
    assert leaks.search.files > 100
    assert list(leaks.odd)[:3] == []
    kinds = ("warehouse.duckdb", "raw/raw/*/*.parquet", "state/series/**/*.parquet", "state/logs/*.log")
    assert all([*leaks.here.door.data_dir.glob(kind)] for kind in (*kinds, "state/generations/*/report.html"))


def test_no_byte_of_an_application_in_a_file_is_anywhere_after_failures(leaks: Leaks) -> None:
    signed_in = mock.Mock(wraps=AppToken)
    with from_a_file(leaks.folder), mock.patch("sources.runai.connection.AppToken", signed_in):
        play(leaks, ("list: echo", "token: echo", TOLD[0]))
    assert signed_in.called


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

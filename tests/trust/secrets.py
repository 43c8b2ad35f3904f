"""A canary in every credential and in the environment, and every kind of failure: no byte of it is anywhere afterwards.

Looked through is what the program leaves: its screens, the logs, dlt's working directory with its traces, the
warehouse, the build database, raw and published files; bytes as they lie there and as text of tables and archives.
"""

from __future__ import annotations

import base64
import gzip
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from unittest import mock
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq

from bench.rounds import Goal
from simulator import Fault, Switches
from tests.sources.raw_server import raw_server
from tests.trust.apart import apart
from tests.trust.door import METRIC, Shown
from tests.trust.faults import ENDPOINTS
from tests.trust.tenant import ACCOUNT, Tenant, tenant
from tests.trust.ways import over_tls

CORE: Final = "c4n4ry"
"""In every canary: not in any word, no hexadecimal digits, and the same in every spelling of its surroundings."""
AROUND: Final = {
    # Of others, which nobody asked this program to read.
    "AWS_SECRET_ACCESS_KEY": f"{CORE}-of-aws/+=",
    "AZURE_STORAGE_CONNECTION_STRING": f"AccountKey={CORE}",
    "PGPASSWORD": f"{CORE}-of-postgres",
    "TOKEN": f"{CORE}-bare",
    "SOURCES__TOKEN": f"{CORE}-of-another-source",
    "SOURCES__OTHER__API_KEY": f"{CORE}-of-a-neighbour",
    "HTTPS_PROXY": f"http://me:{CORE}-of-the-proxy@127.0.0.1:9",
    "HTTP_PROXY": f"http://me:{CORE}-of-the-proxy@127.0.0.1:9",
}


@dataclass
class Search:
    """What is looked for, where it was found, and how much was looked through."""

    needles: list[bytes] = field(default_factory=list)
    files: int = 0
    found: list[str] = field(default_factory=list)

    def learn(self, secret: str) -> None:
        """Look for a text, as it is and in what encodings make of it."""
        plain = secret.encode()
        encoded = {plain, quote(secret, safe="").encode(), plain.hex().encode(), secret.encode("utf-16-le")}
        for before in range(3):
            # Of base64 that part which does not hang on what stands before and after.
            text = base64.b64encode(b"x" * before + plain).rstrip(b"=")
            inside = text[4 if before else 0 : len(text) - (len(text) % 4 and 1)]
            encoded |= {inside, inside.translate(bytes.maketrans(b"+/", b"-_"))}
        self.needles += encoded

    def text(self, where: str, data: bytes) -> None:
        """Look through bytes, upper and lower case alike where that does not matter."""
        lower = data.lower()
        self.found += [where for needle in self.needles if needle in data or needle.lower() == needle in lower]

    def folder(self, folder: Path) -> None:
        """Look through all files of a folder, and through their names."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            self.files += 1
            self.text(f"{path} (its name)", str(path.relative_to(folder)).encode())
            data = path.read_bytes()
            self.text(str(path), data)
            for part in _unpacked(path, data):
                self.text(f"{path} (unpacked)", part)


def _unpacked(path: Path, data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if path.suffix == ".parquet":
        yield str(pq.read_table(path).to_pylist()).encode()
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            tables = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                yield str(con.execute(f'from "{schema}"."{table}"').fetchall()).encode()


Failure = Callable[[Tenant], Shown]


@dataclass
class Leaks:
    """What came of all failures: how many there were, and those that did not fail."""

    search: Search
    failures: int = 0
    unfailed: list[str] = field(default_factory=list)

    def goals(self) -> list[Goal]:
        """The figures."""
        found = self.search.found
        return [
            Goal("canary bytes found", str(len(found)), "0", is_met=not found),
            Goal(
                "failures with canaries that failed",
                f"{self.failures - len(self.unfailed)}",
                str(self.failures),
                is_met=not self.unfailed,
            ),
            Goal(
                "files looked through for canaries", f"{self.search.files:,}", ">= 100", is_met=self.search.files >= 100
            ),
        ]


def failures(folder: Path) -> dict[str, Failure]:
    """Every kind of failure by name; each leaves the tenant as it was."""
    garbage = folder / "garbage.pem"
    garbage.write_text(f"{CORE} is no certificate")
    missing = folder / f"{CORE}-of-no-path" / "ca.pem"
    return {
        f"{endpoint}: {name}": _struck(endpoint, fault)
        for endpoint in ENDPOINTS
        if endpoint != "revision"
        for name, fault in ECHOES.items()
    } | {
        "wrong secret": _configured(SOURCES__RUNAI__CLIENT_SECRET=f"{CORE}-wrong"),
        "wrong token": _configured(SOURCES__RUNAI__TOKEN=f"{CORE}-wrong"),
        "a token that is none": _configured(SOURCES__RUNAI__TOKEN=f"{CORE} with spaces"),
        "half of the credentials": _configured(SOURCES__RUNAI__CLIENT_ID=""),
        "a password in the URL": _configured(SOURCES__RUNAI__BASE_URL=f"https://me:{CORE}@tenant.invalid"),
        "a token in the URL": _configured(SOURCES__RUNAI__BASE_URL=f"ftp://tenant.invalid/?token={CORE}"),
        "a token in a query": _configured(SOURCES__RUNAI__BASE_URL=f"https://tenant.invalid/?token={CORE}"),
        "a proxy that is down": _elsewhere({}),
        "a proxy that refuses": _by_a_proxy_that_refuses,
        "a proxy of no kind": _elsewhere({"HTTPS_PROXY": f"nonsense://me:{CORE}@127.0.0.1:9"}),
        "no CA bundle": _configured(SOURCES__RUNAI__CA_BUNDLE=str(missing)),
        "a CA bundle that is none": _configured(SOURCES__RUNAI__CA_BUNDLE=str(garbage)),
        "no client certificate": _configured(SOURCES__RUNAI__CLIENT_CERTIFICATE=str(missing)),
        "no TLS there": _over_https,
        "a setting of the wrong kind": _configured(SOURCES__RUNAI__CONCURRENCY="many"),
        "no such time zone": _configured(TRANSFORMS__TIME_ZONE="Mars/Olympus"),
        "a library that tells everything": _told_everything,
        "an option that is none": lambda here: here.door.run("--nonsense"),
    }


_SAID: Final = " ".join(
    [ACCOUNT[1], f"Bearer {ACCOUNT[1]}", quote(ACCOUNT[1], safe=""), base64.b64encode(ACCOUNT[1].encode()).decode()]
)
ECHOES: Final = {
    # Servers that repeat in their answer whatever they were sent.
    "echo": Fault(status=400, body=f'{{"code": 400, "message": "{_SAID}"}}'),
    "echo in a page": Fault(kind="html", status=502, body=f"<html><title>{_SAID}</title></html>"),
    "echo in a broken body": Fault(status=200, body=f'{{"pods": "{_SAID}'),
    "401": Fault(status=401),
    "reset": Fault(kind="reset"),
    "redirect": Fault(kind="redirect", location=f"https://elsewhere.invalid/{CORE}?token={CORE}"),
}


def _struck(endpoint: str, fault: Fault) -> Failure:
    def fail(here: Tenant) -> Shown:
        here.simulator.switches = Switches(faults=(replace(fault, path=ENDPOINTS[endpoint]),))
        try:
            # What was not had is asked for again, as long as no run has it.
            return here.door.run("--debug", metrics=METRIC if endpoint == "metrics" else "none")
        finally:
            here.simulator.switches = Switches()

    return fail


def _configured(**environment: str) -> Failure:
    def fail(here: Tenant) -> Shown:
        with mock.patch.dict(os.environ, environment):
            return here.door.run("--debug")

    return fail


def _elsewhere(environment: dict[str, str]) -> Failure:
    """A tenant that only a proxy leads to, in a data directory inside of the other's."""

    def fail(here: Tenant) -> Shown:
        door = replace(here.door, data_dir=here.door.data_dir / "elsewhere")
        with mock.patch.dict(os.environ, {"SOURCES__RUNAI__BASE_URL": "https://tenant.invalid"} | environment):
            return door.run("--debug")

    return fail


def _by_a_proxy_that_refuses(here: Tenant) -> Shown:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with raw_server([refusal] * 9) as proxy:
        url = f"http://me:{CORE}-of-the-proxy@127.0.0.1:{proxy.port}"
        return _elsewhere({"HTTPS_PROXY": url})(here)


def _over_https(here: Tenant) -> Shown:
    return _configured(SOURCES__RUNAI__BASE_URL=here.url.replace("http:", "https:"))(here)


def _told_everything(here: Tenant) -> Shown:
    """What no code of ours would do: an error whose text is the environment."""
    with mock.patch("pipelines.run.pods", side_effect=RuntimeError(f"connecting with {dict(os.environ)}")):
        return here.door.run("--debug")


@contextmanager
def canaries(folder: Path) -> Iterator[tuple[Tenant, Search]]:
    """The tenant whose account, environment and proxy are canaries."""
    search = Search()
    search.learn(CORE)
    with tenant(folder / "data", **AROUND, DLT_DATA_DIR=str(folder)) as here:
        yield here, search


def look_at(search: Search, name: str, shown: Shown) -> None:
    """Look through a screen."""
    search.text(f"{name}: stdout", shown.out.encode())
    search.text(f"{name}: stderr", shown.err.encode())


def played(here: Tenant, search: Search, chosen: dict[str, Failure]) -> Leaks:
    """Let everything fail that was chosen, and look through screens and logs."""
    leaks = Leaks(search)
    for name, fail in chosen.items():
        shown = fail(here)
        leaks.failures += 1
        if shown.code == 0 and not shown.warnings:
            leaks.unfailed.append(name)
        look_at(search, name, shown)
        # Only the last logs are kept.
        for path in here.door.data_dir.rglob("*.log"):
            search.text(f"{name}: {path.name}", path.read_bytes())
    return leaks


def go_well(here: Tenant, search: Search) -> None:
    """A run of each way to sign in, on each destination, the second with a CA of a path that nobody should read of."""
    token = here.simulator.issue_token()
    # The claims of a token are no secret, its signature is.
    search.learn(token.rpartition(".")[2])
    with mock.patch.dict(os.environ, {"SOURCES__RUNAI__TOKEN": token}):
        shown = [here.door.run("--debug")]
    place = here.door.data_dir.parent / f"{CORE}-of-a-path"
    place.mkdir()
    with over_tls(here, "private CA", place):
        shown.append(here.door.run("--debug", "--destination", "filesystem", "--full-refresh"))
        # What fails while a pipeline runs is written down by dlt.
        look_at(search, "a failure over TLS", _struck("list", Fault(status=400))(here))
    for one in shown:
        look_at(search, "a run that went well", one)
        if one.code != 0:
            raise RuntimeError(one.err)


def play(_seed: int) -> list[Goal]:
    """All failures, and all files."""
    with apart() as folder, canaries(folder) as (here, search):
        leaks = played(here, search, failures(folder))
        go_well(here, search)
        search.folder(here.door.data_dir)
    for line in dict.fromkeys([*leaks.search.found, *leaks.unfailed]):
        print(line)
    return leaks.goals()


def open_to_others(folder: Path) -> list[str]:
    """Files and folders that group or others may read, write or enter, with their rights."""
    return [
        f"{path} {_rights(path):o}" for path in folder.rglob("*") if not path.is_symlink() and _rights(path) & 0o077
    ]


def _rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

"""A canary in every credential and in the environment, and every kind of failure: no byte of it is anywhere afterwards.

Looked through after each is what the program leaves: its screens, the logs, dlt's working directory with its traces,
the warehouse, the build database, raw and published files.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import quote

import jwt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from bench.rounds import Goal
from pipelines.lock import Lock
from simulator import Fault, Switches
from tests.sources.raw_server import raw_server
from tests.trust.apart import apart
from tests.trust.door import METRIC, Shown
from tests.trust.faults import ENDPOINTS
from tests.trust.rights import masked, odd_rights
from tests.trust.search import Search
from tests.trust.tenant import ACCOUNT, Tenant, tenant
from tests.trust.victim import FULL, Blow, Orders, perform
from tests.trust.ways import TLS, over_tls
from transforms import Build, Finding, Layout

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


Failure = Callable[[Tenant], Shown]


def failures(folder: Path) -> dict[str, Failure]:
    """Every kind of failure by name; each leaves the tenant as it was."""
    garbage = folder / f"{CORE}.pem"
    garbage.write_text(f"{CORE} is no certificate")
    missing = folder / f"{CORE}-of-no-path" / "ca.pem"
    return (
        {f"{endpoint}: {name}": _struck(endpoint, fault) for endpoint in ENDPOINTS for name, fault in ECHOES.items()}
        | {
            f"check, {endpoint}: {name}": _struck(endpoint, fault, lambda here: here.door.check("--debug"))
            for endpoint in ("list", "count", "token")
            for name, fault in ECHOES.items()
        }
        | {
            f"{command}: a library that tells everything": _told_everything(command, inside)
            for command, inside in INSIDE.items()
        }
        | {
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
            "a password in a bucket's URL": _into(f"s3://me:{CORE}@backup"),
            "a token in a bucket's query": _into(f"s3://backup/raw?token={CORE}"),
            "a bucket of no kind": _into(f"s4://{CORE}-of-a-user@backup"),
            "a bucket of no URL": _into(f"s3://[{CORE}"),
            "a bucket without a scheme": _into(f"me:{CORE}@backup/raw"),
            "no such time zone": _configured(TRANSFORMS__TIME_ZONE="Mars/Olympus"),
            "an option that is none": lambda here: here.door.run("--nonsense", "--debug"),
            "silence before the headers": _struck("list", Fault(kind="timeout"), _impatient),
            "silence in the body": _struck("list", Fault(kind="stall"), _impatient),
            "an audit that stops the publication": _stopped_by_an_audit,
            "a lock that is held": _locked_out,
        }
        | {
            f"a certificate that is good for nothing, {fault}": _over_bad_tls(fault, folder)
            for fault in GOOD_FOR_NOTHING
        }
        | {f"ended by {kind} while it loads": _ended_by(kind) for kind in ENDS}
    )


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


def _signs_in(name: str) -> bool:
    """Whether a failure is one of the account as it is configured, and reached with it."""
    return name.partition(": ")[0] in {"list", "token", "check, token", *INSIDE}


def _run_of(endpoint: str) -> Failure:
    """What asks this endpoint, and says at debug level what came of it."""
    if endpoint == "revision":
        return Tenant.read_revision
    # What was not had is asked for again, as long as no run has it.
    return lambda here: here.door.run("--debug", metrics=METRIC if endpoint == "metrics" else "none")


def _struck(endpoint: str, fault: Fault, command: Failure | None = None) -> Failure:
    def fail(here: Tenant) -> Shown:
        here.simulator.switches = Switches(faults=(replace(fault, path=ENDPOINTS[endpoint]),))
        try:
            return (command or _run_of(endpoint))(here)
        finally:
            here.simulator.switches = Switches()

    return fail


def _configured(**environment: str) -> Failure:
    def fail(here: Tenant) -> Shown:
        with mock.patch.dict(os.environ, environment):
            return here.door.run("--debug")

    return fail


def _into(bucket: str) -> Failure:
    def fail(here: Tenant) -> Shown:
        with mock.patch.dict(os.environ, DESTINATION__FILESYSTEM__BUCKET_URL=bucket):
            return here.door.run("--destination", "filesystem", "--debug")

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


GOOD_FOR_NOTHING: Final = tuple(fault for fault in TLS if fault not in {"private CA", "no TLS"})


def _over_bad_tls(fault: str, folder: Path) -> Failure:
    def fail(here: Tenant) -> Shown:
        place = folder / f"{CORE}-of-certificates"
        place.mkdir(exist_ok=True)
        with over_tls(here, fault, place):
            return here.door.run("--debug")

    return fail


_IMPATIENT_SECONDS: Final = 0.5


def _impatient(here: Tenant) -> Shown:
    return replace(here.door, timeout=_IMPATIENT_SECONDS).run("--debug", metrics="none")


def _stopped_by_an_audit(here: Tenant) -> Shown:
    """Of a rebuild: a run would have read what is still to be asked for."""
    finding = Finding("planted", "error", "Two of one.", 1, [{"pod_id": "a"}])
    with mock.patch.object(Build, "audit", return_value=[finding]):
        return here.door.command("rebuild", "--debug")


def _locked_out(here: Tenant) -> Shown:
    with Lock(Layout(here.door.data_dir).state):
        return here.door.run("--debug")


ENDS: Final = ("SIGKILL", "SIGTERM", FULL)


def _ended_by(kind: str) -> Failure:
    """A first run in a data directory inside of the other's, where what it has packed and loaded stays as it was."""

    def fail(here: Tenant) -> Shown:
        # Pods are committed, metrics are about to be.
        blow = Blow(kind, "committing", nth=2)
        place = here.door.data_dir / f"ended by {kind}"
        environment = os.environ | {"RUNTIME__LOG_LEVEL": "DEBUG"}
        end = perform(
            Orders(
                place,
                "duckdb",
                METRIC,
                here.door.clock(),
                disk=place,
                blow=blow,
                environment=environment,
                options=("--debug",),
            )
        )
        if end.seconds is None:
            raise RuntimeError(f"{blow}: not struck, it ended with {end.code}: {end.last_line}")
        return Shown(end.code, "", "\n".join(end.said))

    return fail


INSIDE: Final = {
    "run": "pipelines.run.pods",
    "check": "pipelines.check.connect",
    "status": "pipelines.status.last_attempt",
    "rebuild": "pipelines.run.publish",
    "report": "pipelines.report.renew_report",
    "prune": "pipelines.prune.prune_raw",
}
"""By command, a function that it calls deep inside."""


def _told_everything(command: str, inside: str) -> Failure:
    """What no code of ours would do: an error whose text is the environment."""

    def fail(here: Tenant) -> Shown:
        with mock.patch(inside, side_effect=RuntimeError(f"connecting with {dict(os.environ)}")):
            return _given(here, command)

    return fail


def _given(here: Tenant, command: str, *options: str) -> Shown:
    if command == "check":
        return here.door.check("--debug", *options)
    return here.door.command(command, "--debug", *options)


COMMANDS: Final[Sequence[Sequence[str]]] = (
    ("check",),
    ("run", "--dry-run"),
    ("status",),
    ("status", "--json"),
    ("report",),
    ("rebuild",),
    ("prune", "--dry-run"),
    ("prune",),
    ("rebuild", "--destination", "filesystem"),
    ("prune", "--destination", "filesystem"),
)


@dataclass
class Leaks:
    """What came of all that was done: where canaries were found, which failures did not fail, whose rights are odd."""

    here: Tenant
    folder: Path
    search: Search = field(default_factory=Search)
    failures: int = 0
    unfailed: list[str] = field(default_factory=list)
    odd: dict[str, None] = field(default_factory=dict)

    def look(self, name: str, shown: Shown) -> None:
        """Look through screens, and through every file that is other than it was."""
        self.search.text(f"{name}: stdout", shown.out.encode())
        self.search.text(f"{name}: stderr", shown.err.encode())
        for folder in (self.here.door.data_dir, Path(os.environ["DLT_DATA_DIR"])):
            self.search.folder(folder, name)
            self.odd |= dict.fromkeys(odd_rights(folder))

    def play(self, chosen: dict[str, Failure]) -> None:
        """Let everything fail that was chosen."""
        for name, fail in chosen.items():
            shown = fail(self.here)
            self.failures += 1
            if shown.code == 0 and not shown.warnings:
                self.unfailed.append(name)
            self.look(name, shown)
            # It repeats what the log says of the failure.
            self.look(f"{name}: status", self.here.door.command("status", "--json", "--debug"))

    def go_well(self, commands: Sequence[Sequence[str]] = COMMANDS) -> None:
        """A run of each way to sign in, on each destination, with a CA of a path that is a canary; then commands."""
        with mock.patch.dict(os.environ, {"SOURCES__RUNAI__TOKEN": self.here.simulator.issue_token()}):
            self._goes_well("run", "--metrics", METRIC)
        place = self.folder / f"{CORE}-of-a-path"
        place.mkdir()
        with over_tls(self.here, "private CA", place):
            # What fails while a pipeline runs is written down by dlt.
            self.look("a failure over TLS", _struck("list", Fault(status=400))(self.here))
            elsewhere = [command for command in commands if "filesystem" in command]
            for command, *options in (command for command in commands if command not in elsewhere):
                self._goes_well(command, *options)
            # Runs of one raw do not give way to those of another.
            (self.here.door.data_dir / "published").unlink()
            self._goes_well("run", "--metrics", METRIC, "--destination", "filesystem", "--full-refresh")
            for command, *options in elsewhere:
                self._goes_well(command, *options)

    def _goes_well(self, command: str, *options: str) -> None:
        shown = _given(self.here, command, *options)
        self.look(" ".join([command, *options]), shown)
        if shown.code != 0:
            raise RuntimeError(shown.err)


@contextmanager
def from_a_file(folder: Path) -> Iterator[None]:
    """Inside, the account is an application's, and stands in `.dlt/secrets.toml` alone."""
    (folder / ".dlt").mkdir()
    account = {"app_id": ACCOUNT[0], "app_secret": ACCOUNT[1]}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in account.items()]
    (folder / ".dlt" / "secrets.toml").write_text("\n".join(["[sources.runai]", *lines]), encoding="utf-8")
    context = Container()[PluggableRunContext]
    try:
        with mock.patch.dict(os.environ, DLT_PROJECT_DIR=str(folder)):
            del os.environ["SOURCES__RUNAI__CLIENT_ID"], os.environ["SOURCES__RUNAI__CLIENT_SECRET"]
            context.reload_providers()
            yield
    finally:
        context.reload_providers()


@contextmanager
def canaries(folder: Path) -> Iterator[Leaks]:
    """The tenant whose account, tokens, environment and proxy are canaries."""
    home = folder / "home"
    home.mkdir()
    signed = jwt.encode

    def sign(claims: dict[str, Any], key: str, algorithm: str) -> str:
        # The claims of a token are no secret, its signature is.
        return f"{signed(claims, key, algorithm).rpartition('.')[0]}.{CORE}-of-a-token"

    with (
        mock.patch("simulator.service.tokens.jwt.encode", sign),
        tenant(folder / "data", **AROUND, DLT_DATA_DIR=str(home)) as here,
    ):
        leaks = Leaks(here, folder)
        leaks.search.learn(CORE)
        # The base has had dlt set its level, which it does once.
        logger = logging.getLogger("dlt")
        before = logger.level
        logger.setLevel(logging.DEBUG)
        try:
            yield leaks
        finally:
            logger.setLevel(before)


def goals(played: Sequence[Leaks]) -> list[Goal]:
    """The figures."""
    found = sum(len(leaks.search.found) for leaks in played)
    failed, unfailed = (sum(leaks.failures for leaks in played), sum(len(leaks.unfailed) for leaks in played))
    files = sum(leaks.search.files for leaks in played)
    odd = sum(len(leaks.odd) for leaks in played)
    return [
        Goal("canary bytes found", str(found), "0", is_met=not found),
        Goal("failures with canaries that failed", str(failed - unfailed), str(failed), is_met=not unfailed),
        Goal("files looked through for canaries, after each", f"{files:,}", "≥ 1,000", is_met=files >= 1_000),
        Goal("files with other rights than the umask leaves, 027 and 077", str(odd), "0", is_met=not odd),
    ]


def play(_seed: int) -> list[Goal]:
    """All failures, under a umask that lets a group read; what goes well, under one that closes everything too."""
    played = []
    for umask, chosen in ((0o027, failures), (0o077, None)):
        with masked(umask), apart() as folder, canaries(folder) as leaks:
            if chosen:
                leaks.play(chosen(folder))
                with from_a_file(folder):
                    leaks.play({f"{name}, of a file": fail for name, fail in chosen(folder).items() if _signs_in(name)})
            leaks.go_well()
        played.append(leaks)
        for line in dict.fromkeys([*leaks.search.found, *leaks.unfailed, *leaks.odd]):
            print(line)
    return goals(played)

"""`check`: tries everything that a run will need, and loads nothing.

The only command that asks other endpoints than those for pods; what it cannot find out there is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

from rich.text import Text

from pipelines.plane import configured
from pipelines.screen import facts, show
from pipelines.unread import unread_keys
from sources.runai.client import RunaiClient
from sources.runai.connection import RunaiConnection, connect
from sources.runai.errors import (
    ApiError,
    BadRequest,
    BrokenAnswer,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from sources.runai.reading.cluster_pods import list_cluster_pods
from sources.runai.reading.listing import PODS, Listing, count, fetch_page
from sources.runai.reading.measurements import measurements_of
from sources.runai.reading.payload import Payload, why_unreadable
from sources.runai.refusals import otherwise
from sources.runai.stats import Stats
from sources.runai.tls import Tls
from sources.runai.wire import Answer, Wire

# `Date` counts whole seconds, and the answer took a moment.
_CLOCK_SECONDS: Final = 5
_NONE_SEEN: Final = "there is none that this account can see"
_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}


@dataclass(frozen=True)
class Finding:
    """One thing that was tried; `is_good` is None where it could not be told, which stops nothing."""

    name: str
    is_good: bool | None
    text: str
    is_odd: bool = False
    """What was asked answers, though not as the contract says."""


def check() -> int:
    """Print what works as a table; 0 when a run can work, 1 when it cannot (bad configuration raises)."""
    connection = configured()
    with connect(connection) as client:
        findings = [Finding("configuration", True, f"{client.base_url}, {_credentials(connection)}")]
        if unread := unread_keys():
            findings.append(Finding("unread", None, f"nobody reads {', '.join(unread)}"))
        try:
            answer = _unsigned(connection)
            tried = list(_findings(client, connection.api_version))
        except ConfigurationError as error:
            # All that a setting can still be blamed for, once there is a client: TLS with this server.
            _show([*findings, Finding("TLS", False, str(error))])
            raise
        tokens_work = bool(tried[0].is_good or tried[0].is_odd)
        findings.append(_tls(connection, answer, is_answered=tokens_work))
        findings += [_clock(_seconds_apart(answer), tokens_work=tokens_work), *tried]
    _show(findings)
    return 1 if any(finding.is_good is False for finding in findings) else 0


def _show(findings: list[Finding]) -> None:
    show(facts([(Text.assemble(_MARKS[finding.is_good], f" {finding.name}"), finding.text) for finding in findings]))


def _findings(client: RunaiClient, api_version: str) -> Iterator[Finding]:
    signed_in = _tried("sign-in and pods", lambda: _listed(client))
    yield signed_in
    if not signed_in.is_good and not signed_in.is_odd:
        return
    if signed_in.text.endswith(_NONE_SEEN):
        yield Finding("scope", None, "no pod is in sight: give the access rule the scope that is to be copied")
    yield _tried("deleted pods", lambda: _listed(client, deleted=True))
    yield _tried("counts", lambda: f"{_counted(client):,} pods, {_counted(client, deleted=True):,} deleted ones")
    versions, clusters = _clusters(client)
    yield versions
    yield _cluster_pods(client, clusters, api_version)
    yield from _metrics(client)


def _tried(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except ApiError as error:
        return _fault(name, error)


def _fault(name: str, error: ApiError) -> Finding:
    # Where every attempt was in vain, as with a proxy's page, so it would be with all that is tried after.
    return Finding(name, False, str(error), is_odd=isinstance(error, BrokenAnswer) and error.attempts == 1)


def _listed(client: RunaiClient, *, deleted: bool | None = None) -> str:
    pods = fetch_page(client, {"limit": 1, "deleted": deleted}).pods
    for why in filter(None, map(why_unreadable, pods)):
        raise otherwise(PODS, why)
    return "may be listed" if pods else f"may be listed; {_NONE_SEEN}"


def _counted(client: RunaiClient, *, deleted: bool | None = None) -> int:
    return count(client, Listing(deleted=deleted))


def _clusters(client: RunaiClient) -> tuple[Finding, list[dict[str, Any]]]:
    """The versions that clusters tell, and the clusters; nothing but this command needs either."""
    name = "versions"
    try:
        found: object = client.get("/api/v1/clusters").body
    except PermissionDenied:
        return Finding(name, None, "this account may not list clusters, which tell theirs; runs do without"), []
    except ApiError as error:
        return Finding(name, None, str(error)), []
    listed = found if isinstance(found, list) else []
    clusters = [one for one in listed if isinstance(one, dict) and isinstance(one.get("uuid"), str)]
    versions = {
        f"{cluster.get('name', 'cluster')} {cluster['version']}" for cluster in clusters if cluster.get("version")
    }
    told = ", ".join(sorted(versions))
    return Finding(name, bool(told) or None, told or "no cluster tells its own; runs do without"), clusters


def _cluster_pods(client: RunaiClient, clusters: list[dict[str, Any]], api_version: str) -> Finding:
    """Whether the deprecated list by cluster is still there: it went with 2.22."""
    name = "pods by cluster"
    if not clusters:
        return Finding(name, None, "not tried: no cluster is known")
    try:
        list_cluster_pods(client, clusters[0]["uuid"])
    except NotFound:
        return Finding(name, None, f"gone from this control plane (2.22 or newer; configured: {api_version})")
    except ApiError as error:
        return Finding(name, None, str(error))
    return Finding(name, True, "there (2.21 or older): opt in with SOURCES__RUNAI__CLUSTER_PODS=true")


def _metrics(client: RunaiClient) -> Iterator[Finding]:
    """One short request each for a basic and an advanced metric, of a running pod with a GPU where there is one."""
    try:
        pods = fetch_page(client, {"limit": 100, "completed": False}).pods
    except ApiError as error:
        yield _fault("metrics", error)
        return
    running = [pod for pod in pods if why_unreadable(pod) is None and _is_running(pod)]
    running.sort(key=lambda pod: bool(_has_gpu(pod)), reverse=True)
    if not running:
        yield Finding("metrics", None, "not tried: no pod is running")
        return
    pod = running[0]
    yield _metric(client, pod, "metrics", "CPU_USAGE_CORES", "no sample in the last ten minutes")
    has_gpu = _has_gpu(pod)
    if has_gpu:
        off = "no sample: an administrator enables GPU profiling metrics under General settings > Analytics"
        yield _metric(client, pod, "advanced metrics", "GPU_SM_ACTIVITY_PER_GPU", off)
    elif has_gpu is None:
        yield _fault("advanced metrics", otherwise(PODS, "the GPUs that a pod was allocated are no number"))
    else:
        yield Finding("advanced metrics", None, "not tried: no pod with a GPU is running")


def _metric(client: RunaiClient, pod: Payload, name: str, metric: str, without: str) -> Finding:
    # Samples arrive late: the newest two minutes say nothing yet.
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    window = {"start": end - timedelta(minutes=10), "end": end, "numberOfSamples": 10, "metricType": [metric]}
    path = f"/api/v1/workloads/{quote(pod['workloadId'], safe='')}/pods/{quote(pod['id'], safe='')}/metrics"
    try:
        found = client.get(path, window, parse=lambda body: measurements_of(body, {}), accept=(200, 207)).body
        if found.misplaced and not found.instants:
            raise otherwise(path, ", ".join(found.misplaced))
    except (NotFound, BadRequest) as error:
        return Finding(name, None, f"{without} ({error.status})")
    except ApiError as error:
        return _fault(name, error)
    return Finding(name, True, f"{metric} answers") if found.instants else Finding(name, None, without)


def _is_running(pod: Payload) -> bool:
    return pod.get("k8sPhase") == "Running" and isinstance(pod.get("workloadId"), str)


def _has_gpu(pod: Payload) -> bool | None:
    """Whether a GPU was allocated; None where what stands there cannot be read."""
    try:
        return float((pod.get("allocatedResources") or {}).get("gpu") or 0) > 0
    except (AttributeError, OverflowError, TypeError, ValueError):
        return None


def _unsigned(connection: RunaiConnection) -> Answer | ApiError:
    """What comes of one request without credentials: whatever the answer is, it tells of TLS and of the clock."""
    tls = Tls(connection.ca_bundle, connection.client_certificate, connection.client_key)
    wire = Wire(connection.base_url or "", connections=1, read_seconds=10, tls=tls, stats=Stats())
    try:
        return wire.send("GET", PODS, {"Accept": "application/json"})
    except ApiError as error:
        return error
    finally:
        wire.close()


def _tls(connection: RunaiConnection, answer: Answer | ApiError, *, is_answered: bool) -> Finding:
    """Whose word is taken for who the server is; only an answer, be it a broken one, shows that it was good enough."""
    if not (connection.base_url or "").startswith("https:"):
        return Finding("TLS", None, "not in use: only a server on this machine is asked in clear text")
    if is_answered or isinstance(answer, Answer | BrokenAnswer):
        trusted = "the CAs in ca_bundle" if connection.ca_bundle else "the public CAs"
        shown = ", with a client certificate" if connection.client_certificate else ""
        return Finding("TLS", True, f"by {trusted}{shown}")
    if isinstance(answer, Unavailable) and answer.is_of_tls:
        return Finding("TLS", False, str(answer))
    return Finding("TLS", None, "not known: no answer came")


def _seconds_apart(answer: Answer | ApiError) -> float | None:
    """How far this machine's clock is ahead of the server's, by the `Date` of any answer; None where it tells none."""
    if isinstance(answer, ApiError):
        return None
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return (answer.received_at - date.replace(tzinfo=date.tzinfo or UTC)).total_seconds()


def _clock(apart: float | None, *, tokens_work: bool) -> Finding:
    """Tokens hold for minutes: a clock that is off is a fault where they are refused, and else a warning."""
    if apart is None:
        return Finding("clock", None, "the server does not tell the time")
    if abs(apart) <= _CLOCK_SECONDS:
        return Finding("clock", True, "agrees with the server's")
    told = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the server's: have it set by NTP"
    if tokens_work:
        return Finding("clock", None, told)
    return Finding("clock", False, f"{told}; tokens count as expired, or as not valid yet, where clocks differ")


def _credentials(connection: RunaiConnection) -> str:
    if connection.token:
        return "a bearer token"
    return f"client {connection.client_id}" if connection.client_id else f"application {connection.app_id}"

"""`check`: tries everything a run needs, and tells what it found."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme

from pipelines.check import _fault, _tls, check
from pipelines.cli import execute
from sources.runai.connection import RunaiConnection
from sources.runai.errors import BrokenAnswer, ConfigurationError, Unavailable
from sources.runai.refusals import otherwise
from tests.pipelines.stub import TOKEN, Answer, stub

PODS = "/api/v1/workloads/pods"
RUNNING = {"id": "p", "workloadId": "w", "k8sPhase": "Running", "allocatedResources": {"gpu": 0.5}}
SAMPLES = {"measurements": [{"type": "X", "values": [{"value": "1", "timestamp": "2026-01-01T00:00:00Z"}]}]}
METRICS = "/api/v1/workloads/w/pods/p/metrics"
HEALTHY: dict[str, Answer] = {
    TOKEN: (200, {"accessToken": "c4nary-token"}),
    PODS: (200, {"pods": [RUNNING]}),
    f"{PODS}/count": (200, {"count": 1204}),
    f"{PODS}/count?deleted=true": (200, {"count": 97}),
    "/api/v1/clusters": (200, [{"uuid": "c", "name": "gpu-east", "version": "2.21.9"}]),
    "/v1/k8s/clusters/c/pods": (200, []),
    METRICS: (200, SAMPLES),
}


# Where something else stands than the contract has, the finding that must say so, and what it says.
ODD: list[tuple[str, Any, str, str]] = [
    *((f"{PODS}/count", body, "counts", "no count") for body in ({}, None, "many", {"count": None}, {"count": "many"})),
    (PODS, {"pods": {}}, "sign-in and pods", "no list of pods"),
    (PODS, {"pods": [None]}, "sign-in and pods", "a pod is an object, this is NoneType"),
    (PODS, {"pods": [{"k8sPhase": "Running"}]}, "sign-in and pods", "the pod has no id"),
    *(
        (
            PODS,
            {"pods": [RUNNING | {"allocatedResources": odd}]},
            "advanced metrics",
            "a pod was allocated are no number",
        )
        for odd in ("x", {"gpu": [1]}, {"gpu": "half"}, {"gpu": 10**400})
    ),
    (METRICS, [], "metrics", "no list of measurements"),
    (METRICS, {"measurements": {}}, "metrics", "no list of measurements"),
    (METRICS, {"measurements": [None]}, "metrics", "a series of no type"),
]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `check` against answers; returns its exit code and its lines by name."""

    def run(answers: dict[str, Answer], **options: Any) -> tuple[int, dict[str, str]]:
        with stub(answers, **options) as url:
            monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", url)
            monkeypatch.setenv("SOURCES__RUNAI__CLIENT_ID", "reader")
            monkeypatch.setenv("SOURCES__RUNAI__CLIENT_SECRET", "c4nary-secret")
            monkeypatch.setenv("SOURCES__RUNAI__MAX_ATTEMPTS", "1")
            code = check()
        out = capsys.readouterr().out
        assert "c4nary" not in out
        marks = {}
        for line in out.splitlines():
            name, _, text = line[2:].partition("  ")
            marks[name] = f"{line[0]} {text.strip()}"
        return code, marks

    return run


def test_a_healthy_control_plane_is_all_ticks(screen: Any) -> None:
    code, marks = screen(HEALTHY)
    assert code == 0
    assert {text[0] for name, text in marks.items() if name != "TLS"} == {"✓"}
    assert marks["TLS"].startswith("? not in use")
    assert list(marks) == [
        *("configuration", "TLS", "clock", "sign-in and pods", "deleted pods", "counts", "versions", "pods by cluster"),
        *("metrics", "advanced metrics"),
    ]
    assert marks["configuration"].endswith("client reader")
    assert marks["counts"] == "✓ 1,204 pods, 97 deleted ones"
    assert marks["versions"] == "✓ gpu-east 2.21.9"


def test_refused_credentials_end_it(screen: Any) -> None:
    code, marks = screen({**HEALTHY, TOKEN: (401, {"code": 401, "message": "bad client"})})
    assert code == 1
    assert marks["sign-in and pods"].startswith("✗")
    assert "counts" not in marks


def test_a_missing_permission_says_what_to_ask_for(screen: Any) -> None:
    code, marks = screen({**HEALTHY, PODS: (403, {"code": 403, "message": "no"})})
    assert code == 1
    assert "role" in marks["sign-in and pods"]


def test_a_misspelled_key_is_told_with_the_one_that_is_like_it(
    screen: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(
        "[sources.runai]\nconcurency = 4\ntimeout_seconds = 9\n[sources.runai.schema]\nx = 1\n"
        '[transforms]\ntimezone = "Europe/Berlin"\n[other]\nkey = 1\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("TRANSFORMS__RATE_CART", "rates.csv")
    code, marks = screen(HEALTHY)
    assert code == 0
    assert marks["unread"] == (
        "? nobody reads concurency in [sources.runai] of config.toml (is it concurrency?), timezone in [transforms] of "
        "config.toml (is it time_zone?), rate_cart in the environment (is it rate_card?)"
    )


def test_where_every_key_is_read_nothing_is_said(screen: Any) -> None:
    assert "unread" not in screen(HEALTHY)[1]


def test_a_newer_control_plane_is_no_failure(screen: Any) -> None:
    gone = {path: answer for path, answer in HEALTHY.items() if "clusters" not in path}
    code, marks = screen({**gone, "/api/v1/clusters": (200, [{"uuid": "c", "version": "2.24.1"}])})
    assert code == 0
    assert marks["pods by cluster"].startswith("? gone from this control plane (2.22 or newer")


def test_what_the_account_may_not_list_is_unknown(screen: Any) -> None:
    code, marks = screen({**HEALTHY, "/api/v1/clusters": (403, {})})
    assert code == 0
    assert marks["versions"].startswith("? this account may not list clusters")
    assert marks["pods by cluster"] == "? not tried: no cluster is known"


def test_clusters_that_could_not_be_listed_are_no_matter_of_permission(
    screen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__MAX_ATTEMPTS", "1")
    code, marks = screen({**HEALTHY, "/api/v1/clusters": (503, {})})
    assert code == 0
    assert marks["versions"].startswith("? 503 on GET /api/v1/clusters")


@pytest.mark.parametrize("answer", [(200, {"measurements": []}), (207, {"measurements": None}), (400, {"code": 400})])
def test_advanced_metrics_that_are_off_are_unknown_with_advice(screen: Any, answer: Answer) -> None:
    code, marks = screen({**HEALTHY, f"{METRICS}?metricType=GPU_SM_ACTIVITY_PER_GPU": answer})
    assert code == 0
    assert marks["metrics"].startswith("✓")
    assert marks["advanced metrics"].startswith("? no sample: an administrator enables GPU profiling")


def test_without_a_running_pod_metrics_are_not_tried(screen: Any) -> None:
    code, marks = screen({**HEALTHY, PODS: (200, {"pods": [{**RUNNING, "k8sPhase": "Pending"}]})})
    assert code == 0
    assert marks["metrics"] == "? not tried: no pod is running"


def test_a_pod_without_gpu_says_nothing_of_advanced_metrics(screen: Any) -> None:
    code, marks = screen({**HEALTHY, PODS: (200, {"pods": [{**RUNNING, "allocatedResources": None}]})})
    assert code == 0
    assert marks["advanced metrics"].startswith("? not tried")


@pytest.mark.parametrize(("path", "body", "name", "why"), ODD)
def test_an_answer_of_another_shape_is_told_and_the_others_are_tried(
    screen: Any, path: str, body: Any, name: str, why: str
) -> None:
    code, marks = screen({**HEALTHY, path: (200, body)})
    assert code == 1
    assert marks[name].startswith(f"✗ {path} answers otherwise than the contract says: ")
    assert why in marks[name]
    assert {"deleted pods", "counts", "pods by cluster", "metrics"} <= marks.keys()
    assert marks["versions"].startswith("✓")


def test_a_page_that_every_attempt_was_answered_with_ends_it() -> None:
    error = otherwise(PODS, "an HTML page")
    assert _fault("pods", error).is_odd
    error.attempts = 6
    assert not _fault("pods", error).is_odd


def test_a_list_of_clusters_of_another_shape_is_unknown(screen: Any) -> None:
    code, marks = screen({**HEALTHY, "/api/v1/clusters": (200, [None, {"uuid": None}, {"uuid": "c"}])})
    assert code == 0
    assert marks["versions"] == "? no cluster tells its own; runs do without"
    assert marks["pods by cluster"].startswith("✓")


def test_a_deprecated_list_that_is_none_is_unknown(screen: Any) -> None:
    code, marks = screen({**HEALTHY, "/v1/k8s/clusters/c/pods": (200, {})})
    assert code == 0
    assert marks["pods by cluster"].startswith("? /v1/k8s/clusters/c/pods answers otherwise")


def test_ids_are_such_as_a_path_takes(screen: Any) -> None:
    odd = {PODS: (200, {"pods": [RUNNING | {"id": "a b/ü", "workloadId": "?"}]})}
    code, marks = screen({**HEALTHY, **odd, "/api/v1/workloads/%3F/pods/a%20b%2F%C3%BC/metrics": (200, SAMPLES)})
    assert code == 0
    assert marks["metrics"].startswith("✓")


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_clock_that_is_off_is_told(screen: Any, zone: str) -> None:
    _, marks = screen(HEALTHY, date=f"Mon, 01 Jan 2024 00:00:00 {zone}")
    assert marks["clock"].startswith("? ")
    assert marks["clock"].endswith("s ahead of the server's: have it set by NTP")


def test_a_clock_that_is_off_is_a_fault_where_tokens_are_refused(screen: Any) -> None:
    refused = {**HEALTHY, TOKEN: (401, {"code": 401, "message": "bad client"})}
    code, marks = screen(refused, date="Mon, 01 Jan 2024 00:00:00 GMT")
    assert code == 1
    assert marks["clock"].startswith("✗ ")
    assert "tokens count as expired" in marks["clock"]


def test_a_scope_without_a_pod_is_doubted(screen: Any) -> None:
    code, marks = screen({**HEALTHY, PODS: (200, {"pods": []})})
    assert code == 0
    assert marks["scope"].startswith("? no pod is in sight: give the access rule the scope")


@pytest.mark.parametrize(
    ("name", "day", "is_trusted", "said"),
    [
        ("localhost", 1, True, ""),
        ("localhost", 1, False, "its issuer is unknown here: set SOURCES__RUNAI__CA_BUNDLE"),
        ("localhost", -1, True, "has expired: have it renewed"),
        ("other.run.ai", 1, True, "check the host in SOURCES__RUNAI__BASE_URL"),
    ],
    ids=["good", "unknown issuer", "expired", "wrong name"],
)
def test_a_private_ca_is_named_and_a_certificate_that_is_not_trusted_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    name: str,
    day: int,
    is_trusted: bool,
    said: str,
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ends = datetime.now(UTC) + timedelta(days=day)
    ca.issue_cert(name, not_before=ends - timedelta(days=9), not_after=ends).configure_cert(context)
    with stub(HEALTHY, tls=context) as url:
        monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", url)
        monkeypatch.setenv("SOURCES__RUNAI__TOKEN", "c4nary-token")
        if is_trusted:
            monkeypatch.setenv("SOURCES__RUNAI__CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert execute(["check"]) == (2 if said else 0)
    shown = capsys.readouterr()
    assert said in shown.err
    (line,) = [line for line in shown.out.splitlines() if line[2:].startswith("TLS ")]
    assert line.startswith("✗ " if said else "✓ ")
    assert (said or "by the CAs in ca_bundle") in " ".join(shown.out.split())
    # Where a file lies tells of the machine, and what `check` says is sent around.
    assert str(tmp_path) not in shown.out + shown.err


@contextmanager
def _port(*, listens: bool, answer: bytes = b"") -> Iterator[int]:
    """A port of this machine where nobody listens, or whoever comes is answered so and left."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listens:
            server.close()
            yield port
            return

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(65536)
                        client.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


# What a server says that speaks no TLS as old, or as new, as ours.
_PROTOCOL_VERSION = bytes([21, 3, 1, 0, 2, 2, 70])


@pytest.mark.parametrize(
    ("listens", "answer", "code", "said"),
    [
        (False, b"", 1, "? TLS not known: no answer came"),
        (
            True,
            _PROTOCOL_VERSION,
            1,
            "✗ TLS No answer from 127.0.0.1 to GET /api/v1/workloads/pods (ConnectError: [SSL",
        ),
        (True, b"HTTP/1.1 400 Bad Request\r\n\r\n", 2, "✗ TLS 127.0.0.1 does not speak TLS at this port"),
    ],
    ids=["nobody there", "another version", "no TLS"],
)
def test_tls_that_was_not_seen_to_work_is_not_ticked(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    listens: bool,
    answer: bytes,
    code: int,
    said: str,
) -> None:
    with _port(listens=listens, answer=answer) as port:
        monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", f"https://127.0.0.1:{port}")
        monkeypatch.setenv("SOURCES__RUNAI__TOKEN", "c4nary-token")
        monkeypatch.setenv("SOURCES__RUNAI__MAX_ATTEMPTS", "1")
        assert execute(["check"]) == code
    assert said in " ".join(capsys.readouterr().out.split())


def test_an_answer_that_came_at_the_second_attempt_shows_that_tls_works() -> None:
    connection = RunaiConnection(base_url="https://acme.run.ai")
    late = Unavailable("No answer in time.")
    assert _tls(connection, late, is_answered=True).is_good
    assert _tls(connection, late, is_answered=False).is_good is None
    assert _tls(connection, BrokenAnswer("The body cannot be decompressed."), is_answered=False).is_good


def test_bad_configuration_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", "http://acme.run.ai")
    monkeypatch.setenv("SOURCES__RUNAI__TOKEN", "c4nary")
    with pytest.raises(ConfigurationError, match="https"):
        check()

"""A GET request meets every fault there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from sources.runai.client import Reply, RunaiClient
from sources.runai.errors import (
    ApiError,
    BadRequest,
    BrokenAnswer,
    NotFound,
    PermissionDenied,
    RunaiError,
    Unavailable,
)
from tests.sources.scripted import CREDENTIALS, HOST, ScriptedPlane, client, problem

PATH = "/api/v1/workloads/pods"
GOOD = httpx.Response(200, json={"pods": [{"id": "a"}], "next": 0})


def test_an_answer_is_parsed_and_dated() -> None:
    plane = ScriptedPlane([GOOD])
    before = datetime.now(UTC)
    with client(plane) as api:
        reply: Reply[Any] = api.get(PATH, {"limit": 500, "deleted": True, "search": None})
    assert (reply.status, reply.body) == (200, {"pods": [{"id": "a"}], "next": 0})
    assert before <= reply.received_at <= datetime.now(UTC)
    assert reply.received_at.utcoffset() == timedelta(0)
    (request,) = plane.gets
    assert str(request.url) == f"{HOST}{PATH}?limit=500&deleted=true"
    assert request.headers["accept"] == "application/json"
    assert request.headers["authorization"] == "Bearer token-1"


def test_a_prefix_of_the_base_url_is_kept() -> None:
    plane = ScriptedPlane()
    with RunaiClient("https://gateway.example/runai/api/v1/", CREDENTIALS, transport=plane) as api:
        api.get(PATH)
    assert [request.url.path for request in plane.requests] == ["/runai/api/v1/token", f"/runai{PATH}"]


def test_the_caller_says_which_statuses_are_good() -> None:
    partial = httpx.Response(207, json={"measurements": []})
    with client(ScriptedPlane([partial])) as api:
        assert api.get(PATH, accept=(200, 207)).status == 207
    with client(ScriptedPlane([partial])) as api, pytest.raises(BrokenAnswer):
        api.get(PATH)


TRANSIENT = {
    "429": problem(429),
    "408": problem(408),
    "500": problem(500),
    "502 with a page": httpx.Response(502, text="<html><title>502 Bad Gateway</title></html>"),
    "503": problem(503),
    "504 with a page": httpx.Response(504, text="<html>"),
    "no connection": httpx.ConnectError("[Errno 111] Connection refused"),
    "no name": httpx.ConnectError("[Errno -2] Name or service not known"),
    "slow to connect": httpx.ConnectTimeout("timed out"),
    "slow to answer": httpx.ReadTimeout("timed out"),
    "slow to take": httpx.WriteTimeout("timed out"),
    "reset": httpx.ReadError("[Errno 104] Connection reset by peer"),
    "hung up": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "proxy in trouble": httpx.ProxyError("503 Service Unavailable"),
    "truncated JSON": httpx.Response(200, text='{"pods": [{"id": "a'),
    "page for JSON": httpx.Response(200, text="<html><title>Sign in</title></html>"),
    "empty body": httpx.Response(200),
    "not text": httpx.Response(200, content=b"\xff\xfe\x00"),
    "unexpected 2xx": httpx.Response(202, json={}),
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_a_passing_fault_is_retried(fault: httpx.Response | Exception) -> None:
    plane = ScriptedPlane([fault, fault, GOOD])
    with client(plane) as api:
        assert api.get(PATH).body == {"pods": [{"id": "a"}], "next": 0}
        assert api.stats.snapshot().retries == 2


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_a_lasting_fault_ends_in_one_clear_sentence(fault: httpx.Response | Exception) -> None:
    plane = ScriptedPlane([fault])
    with client(plane) as api, pytest.raises((Unavailable, BrokenAnswer)) as failed:
        api.get(PATH, {"limit": 1})
    text = str(failed.value)
    assert text.endswith("Gave up after 6 attempts.")
    assert PATH in text
    assert "<" not in text
    assert "limit=" not in text
    assert "\n" not in text
    assert len(plane.gets) == failed.value.attempts == 6


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequest), (403, PermissionDenied), (404, NotFound), (405, BadRequest)]
)
def test_a_refusal_is_not_repeated(status: int, kind: type[ApiError]) -> None:
    plane = ScriptedPlane([problem(status, "You do not have sufficient permissions.")])
    with client(plane) as api, pytest.raises(kind) as refused:
        api.get(PATH)
    assert refused.value.status == status
    assert len(plane.gets) == 1


@pytest.mark.parametrize("location", ["https://evil.example/api", f"{HOST}/elsewhere", "//evil.example", "/login"])
def test_no_redirect_is_followed(location: str) -> None:
    plane = ScriptedPlane([httpx.Response(302, headers={"Location": location})])
    with client(plane) as api, pytest.raises(BadRequest, match="redirects are never followed"):
        api.get(PATH)
    assert len(plane.gets) == 1


def test_a_body_that_its_parser_refuses_is_asked_for_again() -> None:
    def pods(body: bytes) -> list[Any]:
        parsed = orjson.loads(body)
        if "pods" not in parsed:
            raise ValueError("there are no pods in it")
        return list(parsed["pods"])

    plane = ScriptedPlane([httpx.Response(200, json={}), GOOD])
    with client(plane) as api:
        assert api.get(PATH, parse=pods).body == [{"id": "a"}]
    without = ScriptedPlane([httpx.Response(200, json={})])
    with client(without) as api, pytest.raises(BrokenAnswer, match="there are no pods in it"):
        api.get(PATH, parse=pods)


def test_an_error_of_the_parser_itself_is_not_hidden() -> None:
    plane = ScriptedPlane([GOOD])
    with client(plane) as api, pytest.raises(KeyError):
        api.get(PATH, parse=lambda body: orjson.loads(body)["missing"])
    assert len(plane.gets) == 1


@pytest.mark.parametrize("path", ["pods", "", "https://evil.example/", "/pods?limit=1", "/pods#a", "/po ds", "/p\n"])
def test_only_a_path_is_a_path(path: str) -> None:
    with client(ScriptedPlane()) as api, pytest.raises(ValueError, match="not a path"):
        api.get(path)


@pytest.mark.parametrize("path", ["//evil.example/x", "/@evil.example", "/\\evil.example", "/..//evil.example"])
def test_no_path_leads_to_another_host(path: str) -> None:
    plane = ScriptedPlane()
    with client(plane) as api:
        api.get(path)
    assert {request.url.host for request in plane.requests} == {"tenant.run.ai"}


# --- throttling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_server_asks_for_is_kept(status: int) -> None:
    waits: list[float] = []
    plane = ScriptedPlane([problem(status, Retry_After="17"), GOOD])
    with client(plane, sleep=waits.append) as api:
        api.get(PATH)
        assert api.stats.snapshot().throttled == 1
        assert api.stats.snapshot().waited_seconds == pytest.approx(sum(waits))
    assert 17 <= waits[0] <= 18


def test_throttled_requests_narrow_the_gate_for_all() -> None:
    at_once: list[int] = []
    busy = 0
    lock = threading.Lock()

    def serve(_request: httpx.Request) -> httpx.Response:
        nonlocal busy
        with lock:
            busy += 1
            at_once.append(busy)
            tight = busy > 6
        time.sleep(0.002)
        with lock:
            busy -= 1
        return problem(429) if tight else GOOD

    with client(ScriptedPlane([serve]), concurrency=32, max_attempts=50) as api:
        assert len(list(api.map(lambda _number: api.get(PATH), range(300)))) == 300
        throttled = api.stats.snapshot().throttled
    assert max(at_once) <= 16  # not 32: it feels its way up, and back
    assert 0 < throttled < 150


def test_concurrency_is_a_ceiling() -> None:
    busy = most = 0
    lock = threading.Lock()

    def serve(_request: httpx.Request) -> httpx.Response:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.002)
        with lock:
            busy -= 1
        return GOOD

    with client(ScriptedPlane([serve]), concurrency=6) as api:
        list(api.map(lambda _number: api.get(PATH), range(200)))
    assert 1 < most <= 6


# --- the end ---------------------------------------------------------------------------------------------------------


def test_closing_wakes_those_who_wait() -> None:
    plane = ScriptedPlane([problem(503, Retry_After="120")])
    api = RunaiClient(HOST, CREDENTIALS, transport=plane)
    all_begun = threading.Event()
    outcome: list[BaseException] = []

    def items() -> Iterator[int]:
        yield from range(8)
        all_begun.set()

    def read() -> None:
        try:
            list(api.map(lambda _number: api.get(PATH).status, items()))
        except RunaiError as error:
            outcome.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert all_begun.wait(10)
    while not plane.gets:
        time.sleep(0.005)
    api.close()
    reader.join(10)
    assert [str(error) for error in outcome] == ["The client was closed while requests were under way."]


def test_a_closed_client_says_so() -> None:
    with client(ScriptedPlane()) as api:
        pass
    with pytest.raises(RunaiError, match="closed"):
        api.get(PATH)


def test_the_statistics_count_everything() -> None:
    plane = ScriptedPlane([problem(503), GOOD])
    with client(plane) as api:
        api.get(PATH)
        api.get(PATH)
        counts = api.stats.snapshot()
    assert (counts.requests, counts.sign_ins, counts.retries, counts.throttled) == (4, 1, 1, 1)

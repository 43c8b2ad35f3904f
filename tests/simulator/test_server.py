"""Over HTTP: the server starts, records, calls back, disturbs and ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from simulator import Fault, Switches
from simulator.service.exchange import Seen
from tests.simulator.plane import COUNT, PODS, START, Plane

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def client(plane: Plane) -> Iterator[httpx.Client]:
    """A client that is signed in with `plane`."""
    with plane.simulator.serve() as url, httpx.Client(base_url=url, headers=plane.headers, timeout=5) as client:
        yield client


def test_a_sign_in_and_a_list(plane: Plane) -> None:
    with plane.simulator.serve() as url, httpx.Client(base_url=url) as client:
        assert url.startswith("http://127.0.0.1:")
        body = {"grantType": "client_credentials", "clientID": "demo", "clientSecret": "demo-secret"}
        token = client.post("/api/v1/token", json=body).json()["accessToken"]
        asked: dict[str, Any] = {"limit": 3, "filterBy": "nodeName=^fra"}
        answer = client.get(PODS, params=asked, headers={"Authorization": f"Bearer {token}"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["pods"] == plane.pods(**asked, verbosity="brief")
        assert abs(datetime.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
                   - datetime.now(UTC)) < timedelta(seconds=5)  # fmt: skip


def test_requests_are_recorded(plane: Plane, client: httpx.Client) -> None:
    client.get(COUNT, params={"deleted": "true"})
    client.get(PODS, params={"limit": "0"})
    first, second = plane.simulator.requests
    assert (first.method, first.path, first.params, first.status) == ("GET", COUNT, {"deleted": "true"}, 200)
    assert (second.path, second.status) == (PODS, 400)
    assert abs(first.at - datetime.now(UTC)) < timedelta(seconds=10)
    assert first.world_at == plane.clock.now()
    assert first.headers["authorization"] == plane.headers["authorization"]
    assert plane.headers["authorization"] not in repr(first)
    plane.simulator.clear_requests()
    assert plane.simulator.requests == []


def test_the_world_can_change_between_any_two_requests(plane: Plane, client: httpx.Client) -> None:
    numbers = []

    def disturb(number: int, request: Seen) -> None:
        numbers.append((number, request.path))
        plane.clock.advance(timedelta(minutes=1))
        plane.world.add(10)

    first = client.get(COUNT).json()["count"]
    plane.simulator.on_request = disturb
    counts = [client.get(COUNT).json()["count"] for _ in range(3)]
    assert [later - first >= 10 * k for k, later in enumerate(counts, start=1)] == [True] * 3
    assert numbers == [(1, COUNT), (2, COUNT), (3, COUNT)]
    assert plane.clock.now() == START + timedelta(days=10, minutes=3)


def test_a_bug_in_a_hook_is_not_taken_for_weather(plane: Plane) -> None:
    def break_down(_number: int, _request: Seen) -> None:
        raise KeyError("a bug")

    plane.simulator.on_request = break_down
    with pytest.raises(RuntimeError, match="failed at a request") as caught, plane.simulator.serve() as url:
        assert httpx.get(url + COUNT).status_code == 500
    assert isinstance(caught.value.__cause__, KeyError)


FAULTS = [
    (Fault(status=503), 503),
    (Fault(status=429, headers={"Retry-After": "7"}), 429),
    (Fault(kind="html", status=502), 502),
    (Fault(kind="redirect", location="http://elsewhere.invalid/x"), 307),
]


@pytest.mark.parametrize(("fault", "status"), FAULTS, ids=lambda case: getattr(case, "kind", case))
def test_faults_with_an_answer(plane: Plane, client: httpx.Client, fault: Fault, status: int) -> None:
    plane.simulator.switches = Switches(faults=(fault,))
    answer = client.get(COUNT)
    assert answer.status_code == status == plane.simulator.requests[-1].status
    assert fault.headers.items() <= {"Retry-After": answer.headers.get("retry-after")}.items()
    if fault.kind == "status":
        assert answer.json()["code"] == status
    if fault.kind == "html":
        assert answer.headers["content-type"] == "text/html"
        assert "<h1>502 Bad Gateway</h1>" in answer.text
    if fault.kind == "redirect":
        assert answer.headers["location"] == "http://elsewhere.invalid/x"


def test_a_truncated_body_is_a_whole_response(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind="truncated", times=1),))
    answer = client.get(PODS)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert client.get(PODS).json()["pods"]


def test_an_answer_is_spoilt_in_one_way(plane: Plane, client: httpx.Client) -> None:
    whole = client.get(PODS)
    plane.simulator.switches = Switches(faults=(Fault(kind="gzip"),))
    packed = client.get(PODS)
    assert (packed.headers["content-encoding"], packed.json()) == ("gzip", whole.json())
    plane.simulator.switches = Switches(faults=(Fault(kind="relabelled", status=207, content_type="text/csv"),))
    other = client.get(PODS)
    assert (other.status_code, other.headers["content-type"], other.json()) == (207, "text/csv", whole.json())
    plane.simulator.switches = Switches(faults=(Fault(kind="garbled"),))
    with pytest.raises(UnicodeDecodeError):
        client.get(PODS).content.decode()


def test_a_bomb_is_small_on_the_wire(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind="bomb", size=3_000_000),))
    answer = client.get(PODS)
    assert int(answer.headers["content-length"]) < 50_000
    assert (len(answer.content) > 2_900_000, answer.json()) == (True, 1)


def test_silence_in_the_middle_of_a_body(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind="stall", seconds=30),))
    with client.stream("GET", PODS, timeout=0.3) as answer, pytest.raises(httpx.ReadTimeout):
        answer.read()
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_broken_connections(plane: Plane, client: httpx.Client, kind: Any) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind=kind, times=1),))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.get(PODS)
    assert client.get(PODS).json()["pods"]
    assert plane.simulator.requests[0].status == (0 if kind == "reset" else 200)


def test_a_timeout_ends_with_the_clients_patience(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind="timeout", times=1),))
    with pytest.raises(httpx.ReadTimeout):
        client.get(COUNT, timeout=0.2)
    assert client.get(COUNT).status_code == 200


def test_a_timeout_does_not_hold_up_the_end(plane: Plane) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind="timeout"),))
    with plane.simulator.serve() as url:
        waiting = threading.Thread(target=_wait_for_an_answer, args=(url + COUNT,))
        waiting.start()
        while not plane.simulator.requests:
            time.sleep(0.01)
        begin = time.monotonic()
    waiting.join(5)
    assert not waiting.is_alive()
    assert time.monotonic() - begin < 5


def _wait_for_an_answer(url: str) -> None:
    with suppress(httpx.HTTPError):
        assert httpx.get(url, timeout=20).status_code == 500


def test_a_huge_body(plane: Plane, client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    plane.simulator.switches = Switches(faults=(Fault(kind="huge", size=3_000_001, times=1),))
    answer = client.get(PODS)
    assert len(answer.content) == 3_000_001
    assert answer.json() == 1
    # Some leave while the server waits for them, and some while it sends.
    plane.simulator.switches = Switches(faults=(Fault(kind="huge", size=10**9, times=8),))
    for _ in range(8):
        with client.stream("GET", PODS) as endless:
            assert next(endless.iter_bytes())
    assert client.get(COUNT).status_code == 200
    # Who has left is sent nothing more, of which the event loop would warn for each part.
    assert caplog.messages == []


def struck(plane: Plane, client: httpx.Client, *faults: Fault) -> str:
    plane.simulator.switches = Switches(faults=faults)
    return "".join("x" if client.get(COUNT).status_code == 503 else "." for _ in range(12))


def test_schedules_of_faults(plane: Plane, client: httpx.Client) -> None:
    assert struck(plane, client, Fault(path="count$", times=3)) == "xxx" + "." * 9
    assert struck(plane, client, Fault(after=2, times=1), Fault(after=5, times=2)) == "..x...xx...."
    assert struck(plane, client, Fault(path="/metrics")) == "." * 12
    by_chance = struck(plane, client, Fault(probability=0.5))
    assert 2 <= by_chance.count("x") <= 10


def test_chance_is_repeatable() -> None:
    def pattern() -> str:
        plane = Plane()
        with plane.simulator.serve() as url, httpx.Client(base_url=url, headers=plane.headers) as client:
            return struck(plane, client, Fault(probability=0.4))

    assert pattern() == pattern()


def test_latency(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(latency=0.2, jitter=0.05)
    begin = time.monotonic()
    client.get(COUNT)
    assert 0.2 <= time.monotonic() - begin < 2


def test_many_clients_at_once(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(latency=0.1)
    begin = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.get(COUNT).json()["count"], range(32)))
    assert len(set(answers)) == 1
    assert len(plane.simulator.requests) == 32
    assert 8 <= plane.simulator.peak_in_flight <= 16
    # One after another they would take 3.2 seconds.
    assert time.monotonic() - begin < 2.5


def test_too_many_at_once_are_turned_away(plane: Plane, client: httpx.Client) -> None:
    plane.simulator.switches = Switches(latency=0.1, most_in_flight=4)
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: client.get(COUNT).status_code, range(12)))
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 4
    assert [client.get(COUNT).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104  # what is to be refused
def test_loopback_only(plane: Plane, host: str) -> None:
    with pytest.raises(ValueError, match="loopback"), plane.simulator.serve(host):
        pass


def test_a_port_can_be_chosen_and_is_given_back(plane: Plane) -> None:
    with plane.simulator.serve() as url:
        port = int(url.rpartition(":")[2])
    with plane.simulator.serve(port=port) as again:
        assert again == url
        assert httpx.get(again + COUNT, headers=plane.headers).status_code == 200

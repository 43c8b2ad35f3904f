"""The client against the simulated control plane, over real HTTP: sign-in, tokens that die, and faults on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator import Clock, Fault, Simulator, Switches, World, WorldConfig
from sources.runai.client import Reply, RunaiClient
from sources.runai.credentials import AppToken, BearerToken, ClientCredentials, Credentials
from sources.runai.errors import ApiError, BadRequest, BrokenAnswer, SignInError, Unavailable

PODS = "/api/v1/workloads/pods"
ACCOUNT = ClientCredentials("demo", "demo-secret")


def plane(version: str = "2.21") -> Simulator:
    world = World(WorldConfig(pods=60), Clock(datetime(2026, 1, 12, tzinfo=UTC)))
    return Simulator(world, version=version)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Simulator, str]]:
    """A control plane of 2.21 and its address."""
    simulator = plane()
    with simulator.serve() as url:
        yield simulator, url


@pytest.fixture
def simulator(served: tuple[Simulator, str]) -> Simulator:
    """The control plane, as good as new."""
    served[0].switches = Switches()
    served[0].clear_requests()
    return served[0]


def client(url: str, credentials: Credentials = ACCOUNT, **options: float) -> RunaiClient:
    return RunaiClient(url, credentials, backoff=0.01, **options)  # type: ignore[arg-type]


def count(api: RunaiClient) -> int:
    return int(api.get(f"{PODS}/count").body["count"])


@pytest.mark.parametrize(
    ("version", "credentials", "switches", "paths"),
    [
        ("2.21", ACCOUNT, {}, ["/api/v1/token"]),
        ("2.24", ACCOUNT, {}, ["/api/v1/token"]),
        ("2.24", ACCOUNT, {"token_paths": '["/api/v2/token"]'}, ["/api/v1/token", "/api/v2/token"]),
        ("2.18", AppToken("demo", "demo-secret"), {}, ["/api/v1/token"]),
    ],
)
def test_every_way_in_works(version: str, credentials: Credentials, switches: dict[str, str], paths: list[str]) -> None:
    simulator = plane(version)
    simulator.switches = Switches.of(switches)
    with simulator.serve() as url, client(url, credentials) as api:
        assert count(api) > 0
    assert [seen.path for seen in simulator.requests if seen.method == "POST"] == paths


@pytest.mark.parametrize("status", [400, 401])
def test_wrong_credentials_are_refused_once(simulator: Simulator, served: tuple[Simulator, str], status: int) -> None:
    simulator.switches = Switches.of({"refusal_status": str(status)})
    with client(served[1], ClientCredentials("demo", "wrong")) as api, pytest.raises(SignInError, match=str(status)):
        count(api)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("style", ["jwt", "opaque"])
def test_tokens_that_die_on_the_way_are_replaced(
    simulator: Simulator, served: tuple[Simulator, str], style: str
) -> None:
    simulator.switches = Switches.of({"token_style": style, "tells_expiry": "false"})
    with client(served[1]) as api:
        whole = count(api)
        simulator.expire_tokens()
        assert set(api.map(lambda _number: count(api), range(20))) == {whole}
        assert api.stats.snapshot().sign_ins == 2


def test_a_fixed_token_works_until_it_is_expired(simulator: Simulator, served: tuple[Simulator, str]) -> None:
    with client(served[1], BearerToken(simulator.issue_token())) as api:
        assert count(api) > 0
        simulator.expire_tokens()
        with pytest.raises(SignInError, match="Set a new SOURCES__RUNAI__TOKEN"):
            count(api)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=429, headers={"Retry-After": "0"}),
        Fault(kind="status", status=500),
        Fault(kind="html", status=502),
        Fault(kind="html", status=200),
        Fault(kind="truncated"),
        Fault(kind="reset"),
        Fault(kind="cut"),
        Fault(kind="timeout", seconds=30),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_faults_on_the_wire_change_no_answer(simulator: Simulator, served: tuple[Simulator, str], fault: Fault) -> None:
    pages = range(0, 40, 5)

    def page(api: RunaiClient, offset: int) -> list[str]:
        params = {"limit": 5, "offset": offset, "sortBy": "createdAt", "sortOrder": "asc"}
        reply: Reply[Any] = api.get(PODS, params)
        return [pod["id"] for pod in reply.body["pods"]]

    with client(served[1]) as api:
        undisturbed = sorted(api.map(lambda offset: page(api, offset), pages))
    simulator.switches = Switches(faults=(Fault(**{**vars(fault), "times": 3}),))
    with client(served[1], timeout=1.0 if fault.kind == "timeout" else 30.0) as api:
        assert sorted(api.map(lambda offset: page(api, offset), pages)) == undisturbed
        assert api.stats.snapshot().retries >= 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="status", status=503), Unavailable),
        (Fault(kind="reset"), Unavailable),
        (Fault(kind="truncated"), BrokenAnswer),
        (Fault(kind="redirect"), BadRequest),
        (Fault(kind="status", status=403), ApiError),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_lasts_is_told(
    simulator: Simulator, served: tuple[Simulator, str], fault: Fault, kind: type[ApiError]
) -> None:
    simulator.switches = Switches(faults=(fault,))
    with client(served[1], max_attempts=3) as api, pytest.raises(kind) as failed:
        count(api)
    assert "demo-secret" not in str(failed.value)
    assert len(simulator.requests) == failed.value.attempts

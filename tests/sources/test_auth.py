"""One token for all threads, renewed before it expires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qs

import httpx
import jwt
import orjson
import pytest

from sources.runai.auth import FixedToken, SignIn, tokens
from sources.runai.credentials import AppToken, BearerToken, ClientCredentials, TokenRequest
from sources.runai.errors import BadRequest, BrokenAnswer, ConfigurationError, SignInError, Unavailable
from sources.runai.expiry import claimed_expiry, lifetime_seconds, renew_at
from sources.runai.redaction import Redactor
from sources.runai.wire import Answer
from tests.sources.scripted import CREDENTIALS, ScriptedPlane, client, problem, token

T = TypeVar("T")
PATH = "/api/v1/workloads/pods"


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def issuer(*lifetimes: float | None) -> tuple[SignIn, Clock, list[str]]:
    """A SignIn whose server issues tokens with these lifetimes in seconds, by `expiresIn` (None: does not say)."""
    clock = Clock()
    issued: list[str] = []
    remaining = list(lifetimes)

    def exchange(request: TokenRequest, read: Callable[[Answer], T]) -> T:
        assert request.path == "/api/v1/token"
        issued.append(f"opaque-{len(issued) + 1}")
        body = {"accessToken": issued[-1], "expiresIn": remaining.pop(0)}
        return read(Answer(200, orjson.dumps(body), {}, None))  # type: ignore[arg-type]

    return SignIn(CREDENTIALS, exchange, Redactor(), clock), clock, issued


def test_a_token_is_used_until_a_minute_before_its_end() -> None:
    source, clock, issued = issuer(3600, 3600)
    assert source.token() == "opaque-1"
    clock.now += 3600 - 61
    assert source.token() == "opaque-1"
    clock.now += 2
    assert source.token() == "opaque-2"
    assert len(issued) == 2


def test_a_token_of_less_than_two_minutes_is_used_for_half_its_life() -> None:
    source, clock, issued = issuer(40, 40)
    source.token()
    clock.now += 19
    assert source.token() == "opaque-1"
    clock.now += 2
    assert source.token() == "opaque-2"
    assert len(issued) == 2


@pytest.mark.parametrize("lifetime", [None, 0, -1])
def test_a_token_of_unknown_life_is_used_until_it_is_refused(lifetime: float | None) -> None:
    source, clock, issued = issuer(lifetime, None)
    source.token()
    clock.now += 10**9
    assert source.token() == "opaque-1"
    assert source.renew("opaque-1") == "opaque-2"
    assert len(issued) == 2


def test_a_token_that_another_thread_has_renewed_is_taken_from_it() -> None:
    source, _clock, issued = issuer(3600, 3600)
    old = source.token()
    assert source.renew(old) == source.renew(old) == "opaque-2"
    assert len(issued) == 2


@pytest.mark.parametrize(
    ("claimed", "reply", "expected"),
    [
        (3600, {}, 3600),
        (3600, {"expiresIn": 60}, 3600),
        (-5, {"expiresIn": 60}, 60),
        (-5, {}, None),
        ("opaque", {"expiresIn": 86400}, 86400),
        ("opaque", {"expires_in": "300"}, 300),
        ("opaque", {"expiresIn": "soon"}, None),
        ("opaque", {"expiresIn": None}, None),
        ("opaque", {"expiresIn": [1]}, None),
        ("a.b.c", {}, None),
    ],
)
def test_the_life_of_a_token_is_its_own_claim_else_the_answers(
    claimed: int | str, reply: dict[str, object], expected: float | None
) -> None:
    # Made here and not above: on a busy machine minutes pass between collecting tests and running them.
    issued = token(claimed) if isinstance(claimed, int) else claimed
    assert lifetime_seconds(issued, reply) == (None if expected is None else pytest.approx(expected, abs=30))


@pytest.mark.parametrize("claim", ["soon", None, [], -1, 1e300])
def test_a_claim_that_is_no_time_is_no_claim(claim: object) -> None:
    assert claimed_expiry(jwt.encode({"nbf": 0, "exp": claim}, "k" * 32)) is None


def test_a_token_of_unknown_life_is_never_renewed_by_the_clock() -> None:
    assert renew_at(5, None) == float("inf")


# --- which endpoint, what is sent ----------------------------------------------------------------------------------


def test_the_first_endpoint_gets_json_with_the_grant() -> None:
    plane = ScriptedPlane()
    with client(plane) as api:
        api.get(PATH)
    (post,) = plane.posts
    assert post.url.path == "/api/v1/token"
    assert post.headers["content-type"] == "application/json"
    assert orjson.loads(post.content) == {
        "grantType": "client_credentials",
        "clientID": "collector",
        "clientSecret": "canary-secret",
    }


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_the_first_endpoint_is_asked_at_the_second_and_that_is_remembered(status: int) -> None:
    second = httpx.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
    plane = ScriptedPlane([problem(401), httpx.Response(200, json={})], [problem(status), second, second])
    with client(plane) as api:
        api.get(PATH)
    assert [post.url.path for post in plane.posts] == ["/api/v1/token", "/api/v2/token", "/api/v2/token"]
    form = plane.posts[1]
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(form.content.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["collector"],
        "client_secret": ["canary-secret"],
    }


def test_an_application_uses_the_older_grant() -> None:
    plane = ScriptedPlane()
    with client(plane, AppToken("app", "canary")) as api:
        api.get(PATH)
    assert orjson.loads(plane.posts[0].content) == {"grantType": "app_token", "appID": "app", "appSecret": "canary"}


def test_no_token_endpoint_at_all_points_to_the_base_url() -> None:
    plane = ScriptedPlane([], [problem(404)])
    with client(plane) as api, pytest.raises(SignInError, match="SOURCES__RUNAI__BASE_URL") as failed:
        api.get(PATH)
    assert failed.value.status == 404
    assert len(plane.posts) == 2


# --- refusals and faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_refused_credentials_are_named_and_not_tried_again(status: int) -> None:
    plane = ScriptedPlane([], [problem(status, "Issuer is not familiar.")])
    with client(plane) as api, pytest.raises(SignInError) as failed:
        api.get(PATH)
    assert "SOURCES__RUNAI__CLIENT_ID and SOURCES__RUNAI__CLIENT_SECRET" in str(failed.value)
    assert "Issuer is not familiar." in str(failed.value)
    assert failed.value.status == status
    assert len(plane.requests) == 1


def test_a_refused_application_is_told_its_own_settings() -> None:
    plane = ScriptedPlane([], [problem(401)])
    with client(plane, AppToken("a", "b")) as api, pytest.raises(SignInError, match="SOURCES__RUNAI__APP_SECRET"):
        api.get(PATH)


@pytest.mark.parametrize(
    "fault",
    [
        problem(429),
        problem(503),
        httpx.Response(502, text="<html>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, text='{"accessToken": "abc'),
        httpx.Response(200, text="<html>Welcome</html>"),
        httpx.Response(200, json={"accessToken": None}),
        httpx.Response(200, json={"accessToken": "with space"}),
        httpx.Response(200, json=["no object"]),
    ],
)
def test_a_sign_in_that_fails_in_passing_is_repeated(fault: httpx.Response | Exception) -> None:
    good = httpx.Response(200, json={"accessToken": "good"})
    plane = ScriptedPlane([], [fault, fault, good])
    with client(plane) as api:
        api.get(PATH)
    assert plane.bearers() == ["good"]
    assert api.stats.snapshot().sign_ins == 3


def test_a_sign_in_that_keeps_failing_ends_after_its_own_attempts() -> None:
    plane = ScriptedPlane([], [problem(503)])
    with client(plane) as api, pytest.raises(Unavailable, match="Gave up after 6 attempts"):
        api.get(PATH)
    assert len(plane.posts) == 6


def test_a_page_in_place_of_a_token_is_a_broken_answer() -> None:
    plane = ScriptedPlane([], [httpx.Response(200, text="<html>Welcome</html>")])
    with client(plane) as api, pytest.raises(BrokenAnswer, match="SOURCES__RUNAI__BASE_URL"):
        api.get(PATH)


def test_a_redirected_sign_in_sends_the_secret_nowhere_else() -> None:
    elsewhere = httpx.Response(307, headers={"Location": "https://evil.example/api/v1/token"})
    plane = ScriptedPlane([], [elsewhere])
    with client(plane) as api, pytest.raises(BadRequest, match=r"redirects to evil\.example"):
        api.get(PATH)
    assert {request.url.host for request in plane.requests} == {"tenant.run.ai"}


# --- 401 -------------------------------------------------------------------------------------------------------------


def test_a_refused_token_is_renewed_once_and_the_request_repeated() -> None:
    plane = ScriptedPlane([problem(401), httpx.Response(200, json={"pods": [1]})])
    with client(plane) as api:
        assert api.get(PATH).body == {"pods": [1]}
    assert plane.bearers() == ["token-1", "token-2"]


def test_a_second_refusal_is_the_end_of_it() -> None:
    plane = ScriptedPlane([problem(401, "Issuer is not familiar.")])
    with client(plane) as api, pytest.raises(SignInError, match="even a fresh token"):
        api.get(PATH)
    assert plane.bearers() == ["token-1", "token-2"]


def test_a_request_renews_its_token_once_even_over_several_attempts() -> None:
    plane = ScriptedPlane([problem(401), problem(503), problem(401), problem(401)])
    with client(plane) as api, pytest.raises(SignInError):
        api.get(PATH)
    assert len(plane.posts) == 2


def test_a_storm_of_refusals_signs_in_once() -> None:
    """All threads are in flight with the same token when it is revoked."""
    threads = 8
    together = threading.Barrier(threads, timeout=30)

    def serve(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer token-1" and request.url.path == "/storm":
            together.wait()
            return problem(401)
        return httpx.Response(200, json={})

    def renew(_request: httpx.Request) -> httpx.Response:
        time.sleep(0.1)  # until all wait for it
        return httpx.Response(200, json={"accessToken": "token-2"})

    plane = ScriptedPlane([serve], [httpx.Response(200, json={"accessToken": "token-1"}), renew])
    with client(plane, concurrency=threads) as api:
        for _ in range(4 + 5 + 6 + 7):
            api.get("/calm")  # opens the gate
        assert len(list(api.map(lambda _number: api.get("/storm"), range(threads)))) == threads
    assert len(plane.posts) == 2


def test_a_storm_at_the_start_signs_in_once() -> None:
    def slow(_request: httpx.Request) -> httpx.Response:
        time.sleep(0.05)
        return httpx.Response(200, json={"accessToken": "t"})

    plane = ScriptedPlane([], [slow])
    with client(plane) as api:
        list(api.map(lambda _number: api.get(PATH), range(16)))
    assert len(plane.posts) == 1


def test_a_sign_in_that_fails_fails_for_all_who_waited_for_it() -> None:
    calls = 0
    begun = threading.Event()
    release = threading.Event()

    def exchange(request: TokenRequest, read: Callable[[Answer], T]) -> T:
        nonlocal calls
        calls += 1
        begun.set()
        release.wait(10)
        raise SignInError("refused", status=401, path=request.path, message=str(read))

    source = SignIn(CREDENTIALS, exchange, Redactor())
    failures: list[str] = []

    def ask() -> None:
        try:
            source.token()
        except SignInError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)  # until they wait
    release.set()
    for thread in threads:
        thread.join(10)
    assert (calls, failures) == (1, ["refused"] * 5)
    ask()
    assert calls == 2


# --- fixed tokens ----------------------------------------------------------------------------------------------------


def test_a_fixed_token_is_sent_as_it_is() -> None:
    plane = ScriptedPlane()
    with client(plane, BearerToken(" fixed \n")) as api:
        api.get(PATH)
    assert plane.bearers() == ["fixed"]
    assert plane.posts == []


def test_a_refused_fixed_token_says_how_to_get_on() -> None:
    plane = ScriptedPlane([problem(401)])
    with client(plane, BearerToken("opaque")) as api, pytest.raises(SignInError, match="is refused: it has expired"):
        api.get(PATH)
    assert len(plane.requests) == 1


def test_an_expired_fixed_token_says_when() -> None:
    plane = ScriptedPlane([problem(401)])
    expired = BearerToken(token(exp=1767225600))
    with client(plane, expired) as api, pytest.raises(SignInError, match="expired at 2026-01-01 00:00:00 UTC"):
        api.get(PATH)


@pytest.mark.parametrize("value", ["", "   ", "canary one", "canary\nx", "canäry", "canary\x00"])
def test_a_token_that_no_header_can_carry_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        FixedToken(BearerToken(value), Redactor())
    assert "can" not in str(refused.value)


def test_the_kind_of_credentials_decides() -> None:
    def exchange(request: TokenRequest, read: Callable[[Answer], T]) -> T:
        raise AssertionError(request, read)

    assert isinstance(tokens(BearerToken("t"), exchange, Redactor()), FixedToken)
    assert isinstance(tokens(ClientCredentials("a", "b"), exchange, Redactor()), SignIn)

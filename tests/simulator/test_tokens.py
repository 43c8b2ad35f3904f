"""Signing in, and being turned away."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from simulator.service.exchange import Call, Reply
from tests.simulator.plane import COUNT, PODS, Plane

V1, V2 = "/api/v1/token", "/api/v2/token"
CREDENTIALS = {"grantType": "client_credentials", "clientID": "demo", "clientSecret": "demo-secret"}
APPLICATION = {"grantType": "app_token", "appID": "demo", "appSecret": "demo-secret"}
FORM = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}


def sign_in(plane: Plane, path: str = V1, body: Any = CREDENTIALS) -> Reply:
    if path == V2:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return plane.simulator.answer(Call("POST", path, (), headers, urlencode(body).encode()))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return plane.simulator.answer(Call("POST", path, (), {"content-type": "application/json"}, data))


def status_with(plane: Plane, authorization: str | None) -> int:
    headers = {} if authorization is None else {"authorization": authorization}
    return plane.simulator.answer(Call("GET", COUNT, (), headers)).status


@pytest.mark.parametrize("style", ["jwt", "opaque"])
def test_a_token_opens_the_door(plane: Plane, style: str) -> None:
    plane.switch(token_style=style)
    token = json.loads(sign_in(plane).body)["accessToken"]
    assert status_with(plane, f"Bearer {token}") == 200
    assert status_with(plane, f"bearer {token}") == 200
    for refused in (None, "", "Bearer", "Bearer x", f"Basic {token}", token, f"Bearer {token}x"):
        assert status_with(plane, refused) == 401


def test_tokens_outlive_an_upgrade_and_pods_change_their_looks(plane: Plane) -> None:
    old = {pod["id"]: pod for pod in plane.pods()}
    plane.simulator.upgrade("2.24")
    new = {pod["id"]: pod for pod in plane.pods()}
    assert old.keys() == new.keys()
    assert all("nodeAffinity" in new[pod_id] and "nodeAffinity" not in old[pod_id] for pod_id in old)
    assert "expiresIn" in json.loads(sign_in(plane).body)
    assert sign_in(plane, V2, FORM).status == 200


def test_every_endpoint_is_guarded(plane: Plane) -> None:
    pod = plane.world.truth()[0]
    for path in (
        PODS,
        COUNT,
        f"/api/v1/workloads/{pod.workload_id}/pods",
        f"/api/v1/workloads/inferences/revisions/{pod.id}/pods",
        f"/api/v1/workloads/{pod.workload_id}/pods/{pod.id}/metrics",
        f"/v1/k8s/clusters/{pod.cluster_id}/pods",
    ):
        assert plane.simulator.answer(Call("GET", path)).status == 401


def test_the_token_says_when_it_ends(plane: Plane) -> None:
    plane.switch(token_lifetime=600)
    token = json.loads(sign_in(plane).body)["accessToken"]
    expiry = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert 590 < expiry - time.time() <= 600


def test_tokens_expire_by_the_worlds_clock(plane: Plane) -> None:
    plane.switch(token_lifetime=600, token_clock="world")
    bearer = f"Bearer {json.loads(sign_in(plane).body)['accessToken']}"
    plane.clock.advance(timedelta(seconds=599))
    assert status_with(plane, bearer) == 200
    plane.clock.advance(timedelta(seconds=1))
    assert status_with(plane, bearer) == 401


def test_tokens_expire_by_the_real_clock(plane: Plane) -> None:
    assert status_with(plane, f"Bearer {plane.simulator.issue_token(lifetime=-1)}") == 401
    bearer = f"Bearer {plane.simulator.issue_token(lifetime=60)}"
    plane.clock.advance(timedelta(days=1))
    assert status_with(plane, bearer) == 200
    plane.simulator.expire_tokens()
    assert status_with(plane, bearer) == 401


@pytest.mark.parametrize(
    ("version", "tells", "keys"),
    [
        ("2.21", None, {"accessToken"}),
        ("2.21", True, {"accessToken", "expiresIn"}),
        ("2.24", None, {"accessToken", "expiresIn"}),
        ("2.24", False, {"accessToken"}),
    ],
)
def test_expires_in(version: str, tells: bool | None, keys: set[str]) -> None:
    plane = Plane(version, pods=5)
    plane.switch(tells_expiry=tells, token_lifetime=900)
    answer = json.loads(sign_in(plane).body)
    assert answer.keys() == keys
    assert answer.get("expiresIn", 900) == 900


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (CREDENTIALS, 200),
        (APPLICATION, 200),
        ({"GrantType": "client_credentials", "clientId": "demo", "ClientSecret": "demo-secret"}, 200),
        (CREDENTIALS | {"clientSecret": "wrong"}, 401),
        (CREDENTIALS | {"clientID": "wrong"}, 401),
        ({"grantType": "client_credentials"}, 401),
        (CREDENTIALS | {"grantType": "password"}, 400),
        (CREDENTIALS | {"grantType": None}, 400),
        ({}, 400),
        ([], 400),
        (b"{", 400),
        (b"", 400),
    ],
)
def test_v1(plane: Plane, body: Any, status: int) -> None:
    reply = sign_in(plane, V1, body)
    assert reply.status == status
    if status != 200:
        assert json.loads(reply.body)["code"] == status
        assert b"wrong" not in reply.body
    plane.switch(refusal_status=400)
    assert sign_in(plane, V1, body).status == (status if status == 200 else 400)


def test_v2_is_there_from_2_24_on(plane: Plane) -> None:
    assert sign_in(plane, V2, FORM).status == 404
    newer = Plane("2.24", pods=5)
    answer = json.loads(sign_in(newer, V2, FORM).body)
    assert answer == {"access_token": answer["access_token"], "token_type": "Bearer", "expires_in": 86_400}
    assert status_with(newer, f"Bearer {answer['access_token']}") == 200
    as_json = Call("POST", V2, (), {"content-type": "application/json"}, json.dumps(FORM).encode())
    assert json.loads(newer.simulator.answer(as_json).body)["error"] == "invalid_request"


def test_servers_with_one_way_in() -> None:
    only_v2 = Plane("2.24", pods=5)
    only_v2.switch(token_paths=(V2,))
    assert sign_in(only_v2).status == 404
    assert sign_in(only_v2, V2, FORM).status == 200
    only_apps = Plane("2.19", pods=5)
    assert sign_in(only_apps).status == 400
    assert sign_in(only_apps, V1, APPLICATION).status == 200
    by_switch = Plane(pods=5)
    by_switch.switch(grants=("app_token",))
    assert sign_in(by_switch).status == 400
    assert sign_in(by_switch, V1, APPLICATION).status == 200


def test_no_permission(plane: Plane) -> None:
    plane.switch(forbidden=("count_pods",))
    assert plane.reply(COUNT).status == 403
    assert plane.reply(PODS).status == 200
    plane.switch(forbidden=("all",))
    assert plane.reply(PODS).status == 403
    assert sign_in(plane).status == 200

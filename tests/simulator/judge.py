"""An OpenAPI validator in front of a plane: every request and every answer is held against the contract file."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from simulator.contract import document
from simulator.service.exchange import Call, Reply
from tests.simulator.plane import Plane, texts

HOST = "http://localhost"


@cache
def openapi(version: str) -> OpenAPI:
    """The validator of one version's contract."""
    return OpenAPI.from_dict({**document(version), "servers": [{"url": HOST}]})


class Judge:
    """Asks a plane, and fails a test with openapi-core's own error where question or answer breaks the contract."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._openapi = openapi(plane.simulator.contract.version)

    def get(self, path: str, *, status: int = 200, **params: Any) -> Any:
        """The JSON of an answer that is valid by the contract and has that status."""
        given = texts(params)
        reply = self.plane.simulator.answer(Call("GET", path, tuple(given.items()), self.plane.headers))
        request = MockRequest(
            HOST, "get", path, args=given, headers={"Authorization": self.plane.headers["authorization"]}
        )
        if status == 200:
            self._openapi.validate_request(request)
        return self._valid(request, reply, status)

    def post(self, path: str, body: Any, *, is_form: bool = False, status: int = 200) -> Any:
        """The JSON of the answer to a sign-in that is valid by the contract and has that status."""
        kind = "application/x-www-form-urlencoded" if is_form else "application/json"
        data = (urlencode(body) if is_form else json.dumps(body)).encode()
        reply = self.plane.simulator.answer(Call("POST", path, (), {"content-type": kind}, data))
        request = MockRequest(HOST, "post", path, data=data, content_type=kind)
        if status == 200:
            self._openapi.validate_request(request)
        return self._valid(request, reply, status)

    def _valid(self, request: MockRequest, reply: Reply, status: int) -> Any:
        assert reply.status == status, reply.body[:300]
        self._openapi.validate_response(
            request, MockResponse(reply.body, reply.status, content_type=reply.content_type)
        )
        return json.loads(reply.body)

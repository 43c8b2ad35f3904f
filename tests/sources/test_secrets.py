"""No secret in any text that leaves the client: a canary in every credential, and every way to fail."""

from __future__ import annotations

import logging
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from sources.runai.client import RunaiClient
from sources.runai.connection import connection
from sources.runai.credentials import AppToken, BearerToken, ClientCredentials, Credentials, token_requests
from sources.runai.errors import RunaiError
from sources.runai.redaction import Redactor
from tests.sources.raw_server import ok, raw_server
from tests.sources.scripted import HOST, ScriptedPlane, client, problem

SECRET = 'can"ary/secret+&é'
ISSUED = "canary-issued-token"
PATH = "/api/v1/workloads/pods"
CREDENTIALS = [ClientCredentials("id", SECRET), AppToken("id", SECRET), BearerToken(ISSUED)]


def leaks(text: str) -> bool:
    return "canary" in text or 'can"ary' in text or "can%22ary" in text or r"can\"ary" in text


def texts(error: BaseException) -> Iterator[str]:
    """All that a report of an error shows: the error, what it came from, their arguments, the traceback."""
    yield "".join(traceback.format_exception(error))
    chain: BaseException | None = error
    while chain is not None:
        yield from (str(chain), repr(chain), str(chain.args), str(vars(chain)))
        chain = chain.__cause__ or chain.__context__


def sent(request: httpx.Request) -> str:
    """The credentials of a request, as they stand in it and taken out of it."""
    plain = SECRET if request.content else ""
    return f"{request.headers.get('authorization')} {request.content.decode()} {plain} {quote(plain)}"


def echo(request: httpx.Request) -> httpx.Response:
    """A server that repeats in its complaint whatever it was sent."""
    return httpx.Response(400, json={"code": 400, "message": sent(request), "details": sent(request)})


def echo_page(request: httpx.Request) -> httpx.Response:
    return httpx.Response(502, text=f"<html><title>{sent(request)}</title></html>")


def echo_broken(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=f'{{"{sent(request)}')


def echo_lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError(sent(request), request=request)


def quoting_parser(body: bytes) -> object:
    raise ValueError(f"cannot read {body!r}")


FAULTS = {
    "refused": problem(401),
    "forbidden": problem(403),
    "echo": echo,
    "echo in a page": echo_page,
    "echo in a broken body": echo_broken,
    "echo in a lost connection": echo_lost,
    "redirect": httpx.Response(302, headers={"Location": f"https://evil.example/?token={ISSUED}"}),
}


def provoke(api: RunaiClient) -> RunaiError:
    with api, pytest.raises(RunaiError) as failed:
        api.get(PATH, {"limit": 1}, parse=quoting_parser)
    return failed.value


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert not leaks(caplog.text)


@pytest.mark.parametrize("credentials", CREDENTIALS, ids=["client", "app", "token"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_failing_request_tells_a_secret(credentials: Credentials, fault: httpx.Response) -> None:
    plane = ScriptedPlane([fault], [httpx.Response(200, json={"accessToken": ISSUED})])
    api = client(plane, credentials, max_attempts=2)
    error = provoke(api)
    assert len(plane.gets) >= 1
    assert not [text for text in texts(error) if leaks(text)]
    assert not leaks(repr(api) + repr(api.stats) + repr(vars(api)))


@pytest.mark.parametrize("credentials", CREDENTIALS[:2], ids=["client", "app"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_failing_sign_in_tells_a_secret(credentials: Credentials, fault: httpx.Response) -> None:
    plane = ScriptedPlane([], [fault])
    error = provoke(client(plane, credentials, max_attempts=2))
    assert plane.gets == []
    assert not [text for text in texts(error) if leaks(text)]


def test_an_unusable_token_is_not_repeated() -> None:
    """h11 would quote a header value that it cannot send."""
    plane = ScriptedPlane([], [httpx.Response(200, json={"accessToken": "canary\r\nX-Evil: 1"})])
    assert not [text for text in texts(provoke(client(plane, max_attempts=2))) if leaks(text)]


def test_what_holds_a_secret_does_not_show_it() -> None:
    redactor = Redactor()
    redactor.learn(SECRET)
    holders = [*CREDENTIALS, redactor, connection(base_url=HOST, token=ISSUED, client_secret=SECRET)]
    holders += [request for kind in CREDENTIALS[:2] for request in token_requests(kind)]  # type: ignore[arg-type]
    for holder in holders:
        assert not leaks(f"{holder} {holder!r} {[holder]}")


def test_the_transports_own_log_tells_no_secret() -> None:
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        with raw_server([ok()]) as server, RunaiClient(server.url, BearerToken(ISSUED)) as api:
            api.get(PATH)
        assert ISSUED.encode() in server.requests[0]
    finally:
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.NOTSET)


def test_secrets_go_to_the_configured_host_only() -> None:
    plane = ScriptedPlane([problem(401), httpx.Response(307, headers={"Location": "https://evil.example/"})])
    provoke(client(plane))
    assert {(request.url.scheme, request.url.host) for request in plane.requests} == {("https", "tenant.run.ai")}
    assert not [request for request in plane.requests if leaks(str(request.url))]


@pytest.mark.parametrize("before", ["", "i", "id:", "client:", "Basic client:"])
def test_a_secret_in_base64_is_blotted_wherever_it_stands(before: str) -> None:
    redactor = Redactor()
    redactor.learn(SECRET)
    for encode in (b64encode, urlsafe_b64encode):
        text = redactor(f"Authorization: {encode(f'{before}{SECRET} more'.encode()).decode()}")
        assert "[secret]" in text
        assert b64encode(SECRET.encode()).decode()[4:16] not in text


def test_a_short_secret_blots_no_word() -> None:
    redactor = Redactor()
    redactor.learn("abc")
    assert redactor("YWJj and eGFi are words") == "YWJj and eGFi are words"

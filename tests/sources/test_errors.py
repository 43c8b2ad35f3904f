"""One small tree of errors, and what each answer means in it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sources.runai import errors
from sources.runai.errors import ApiError, NotFound, Unavailable
from sources.runai.refusals import LONGEST_QUOTE, broken, refusal
from sources.runai.wire import Answer

PATH = "/api/v1/workloads/pods"
GATEWAY_PAGE = b"<html>\n<head><title>\n 502 Bad Gateway </title></head><body><h1>nginx/1.25.3</h1></body></html>"


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, names, datetime(2026, 1, 1, tzinfo=UTC))


def test_the_tree_is_as_drawn() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ")
        name = words.split(maxsplit=1)[0] if words.split() else ""
        if not isinstance(getattr(errors, name, None), type):
            continue
        depth = (len(words) - len(words.lstrip())) // 4
        above[depth:] = [name]
        drawn[name] = above[depth - 1] if depth else "Exception"
    classes = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in classes.items()}


def test_an_error_says_how_often_it_was_tried() -> None:
    error = Unavailable("503 on GET /pods.")
    assert str(error) == "503 on GET /pods."
    error.attempts = 6
    assert str(error) == "503 on GET /pods. Gave up after 6 attempts."


@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_an_error_keeps_what_it_knows_when_copied(duplicate: Callable[[NotFound], NotFound]) -> None:
    error = NotFound("gone", status=404, path=PATH, code=7, message="Resource id not found.")
    error.attempts = 2
    twin = duplicate(error)
    assert type(twin) is NotFound
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (301, "BadRequest", "redirects are never followed"),
        (400, "BadRequest", "does not accept this request"),
        (401, "SignInError", "service account"),
        (403, "PermissionDenied", "a role that may read workloads"),
        (404, "NotFound", "does not exist"),
        (405, "BadRequest", "does not accept"),
        (408, "Unavailable", "run again later"),
        (409, "BadRequest", "does not accept"),
        (418, "BadRequest", "does not accept"),
        (429, "Unavailable", "SOURCES__RUNAI__CONCURRENCY"),
        (500, "Unavailable", "run again later"),
        (501, "Unavailable", "run again later"),
        (502, "Unavailable", "run again later"),
        (503, "Unavailable", "run again later"),
        (504, "Unavailable", "run again later"),
        (520, "Unavailable", "run again later"),
        (202, "BrokenAnswer", "contract"),
        (207, "BrokenAnswer", "contract"),
    ],
)
def test_a_status_becomes_the_error_that_says_what_to_do(status: int, kind: str, advice: str) -> None:
    body = b'{"code": 17, "message": "Please try again in few minutes.", "details": "db"}'
    error = refusal(answer(status, body), "GET", PATH)
    assert type(error).__name__ == kind
    assert (error.status, error.path, error.code) == (status, PATH, 17)
    assert error.message == "Please try again in few minutes. db"
    assert str(error).startswith(f'{status} on GET {PATH} ("Please try again in few minutes. db"). ')
    assert advice in str(error)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", None, None),
        (GATEWAY_PAGE, None, "an HTML page titled 502 Bad Gateway"),
        (b"\xef\xbb\xbf<!doctype html><p>sorry", None, "an HTML page"),
        (b"upstream\n  connect error", None, "upstream connect error"),
        (b'{"error":"invalid_client","error_description":"Bad secret"}', "invalid_client", "Bad secret"),
        (b'{"code":"E1","message":null}', "E1", None),
        (b'["no", "object"]', None, '["no", "object"]'),
        (b'{"code": {"deep": 1}, "message": {"deep": 2}}', None, None),
        (b"\xff\xfe\x00 not text", None, "\ufffd\ufffd\x00 not text"),
    ],
)
def test_any_error_body_is_read(body: bytes, code: object, message: str | None) -> None:
    error = refusal(answer(502, body), "GET", PATH)
    assert (error.code, error.message) == (code, message)


def test_a_long_body_is_not_dumped() -> None:
    error = refusal(answer(500, b"x" * 10_000), "GET", PATH)
    assert error.message is not None
    assert len(error.message) == LONGEST_QUOTE + 1
    assert len(str(error)) < 500


def test_a_redirect_is_named_by_its_host_only() -> None:
    location = "https://login.elsewhere.example/authorize?code=one-time-canary"
    text = str(refusal(answer(302, location=location), "GET", PATH))
    assert "to login.elsewhere.example;" in text
    assert "canary" not in text


@pytest.mark.parametrize("location", ["", "/relative", "http://[broken"])
def test_a_redirect_to_nowhere_is_still_an_error(location: str) -> None:
    assert "The server redirects; " in str(refusal(answer(302, location=location), "GET", PATH))


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    error = refusal(answer(503, retry_after="7"), "GET", PATH)
    assert isinstance(error, Unavailable)
    assert error.retry_after == 7


def test_secrets_in_an_error_body_are_blotted_before_it_is_cut() -> None:
    body = b"y" * (LONGEST_QUOTE - 3) + b"canary"
    error = refusal(answer(400, body), "GET", PATH, lambda text: text.replace("canary", "[secret]"))
    assert "can" not in str(error)


def test_a_page_instead_of_json_points_to_the_base_url() -> None:
    text = str(broken(answer(200, b"<html><title>NVIDIA Run:ai</title>"), PATH, "unexpected character"))
    assert "an HTML page titled NVIDIA Run:ai" in text
    assert "SOURCES__RUNAI__BASE_URL" in text


def test_any_other_broken_body_gives_the_reason() -> None:
    error = broken(answer(200, b'{"pods'), PATH, "unexpected end of data")
    assert str(error).startswith(f"{PATH} answers otherwise than the contract says: unexpected end of data. Is SOURCES")
    assert isinstance(error, ApiError)

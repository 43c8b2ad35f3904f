"""From an answer that was not hoped for to the error that says what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from sources.runai.errors import (
    ApiError,
    BadRequest,
    BrokenAnswer,
    NotFound,
    PermissionDenied,
    SignInError,
    Unavailable,
)
from sources.runai.wire import Answer

LONGEST_QUOTE = 300
TITLE = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)

ADVICE_403 = (
    "The token is good, but its role does not reach this: give the service account an access rule with a role that "
    'may read workloads (for example "Viewer") on the scope (account, cluster, department or project) to be copied.'
)

MEANINGS: dict[int, tuple[type[ApiError], str]] = {
    401: (SignInError, "The control plane refuses even a fresh token: is the service account still enabled?"),
    403: (PermissionDenied, ADVICE_403),
    404: (NotFound, "It does not exist (any more), or this version of the control plane has no such endpoint."),
    408: (Unavailable, "The control plane gave up waiting; run again later."),
    429: (Unavailable, "The control plane throttles: lower the concurrency (SOURCES__RUNAI__CONCURRENCY)."),
}
MEANINGS_BY_CLASS: dict[int, tuple[type[ApiError], str]] = {
    4: (BadRequest, "The control plane does not accept this request."),
    5: (Unavailable, "The control plane, or a gateway before it, is in trouble; run again later."),
}
NOT_IN_CONTRACT = (BrokenAnswer, "The contract has no such answer to this request.")


@dataclass(frozen=True)
class Complaint:
    """What an error body says: the API's `{code, message, details}`, OAuth's `{error, …}`, or a gateway's page."""

    code: int | str | None = None
    message: str | None = None


def complaint(answer: Answer, redact: Callable[[str], str] = str) -> Complaint:
    """Read an error body; pages of gateways and proxies are cut down to their title, everything else to a line."""
    text = answer.body[:65536].decode("utf-8", "replace")
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Complaint(message=_line(redact(_of_page(text))))
    if not isinstance(body, dict):
        return Complaint(message=_line(redact(text)))
    code = body.get("code", body.get("error"))
    said = [body[key] for key in ("message", "details", "error_description") if isinstance(body.get(key), str)]
    return Complaint(
        code=redact(code) if isinstance(code, str) else code if isinstance(code, int) else None,
        message=_line(redact(" ".join(said))),
    )


def refusal(answer: Answer, method: str, path: str, redact: Callable[[str], str] = str) -> ApiError:
    """Build the error for an answer with an unwanted status."""
    said = complaint(answer, redact)
    kind, advice = _meaning(answer)
    quote = f' ("{said.message}")' if said.message else ""
    error = kind(
        f"{answer.status} on {method} {path}{quote}. {advice}",
        status=answer.status,
        path=path,
        code=said.code,
        message=said.message,
    )
    if isinstance(error, Unavailable):
        error.retry_after = answer.retry_after
    return error


def broken(answer: Answer, path: str, reason: str, redact: Callable[[str], str] = str) -> BrokenAnswer:
    """Build the error for a body that could not be parsed, for this reason."""
    is_page = _is_page(answer.body[:512].decode("utf-8", "replace"))
    found = complaint(answer, redact).message if is_page else _line(redact(reason))
    return otherwise(path, (found or "no reason given").rstrip("."), answer.status)


def otherwise(path: str, found: str, status: int | None = None) -> BrokenAnswer:
    """Build the error for an answer that has something else where the contract has what was asked for."""
    return BrokenAnswer(
        f"{path} answers otherwise than the contract says: {found}. Is SOURCES__RUNAI__BASE_URL the control plane's "
        "address, and api_version its version? Then report it.",
        status=status,
        path=path,
    )


def _meaning(answer: Answer) -> tuple[type[ApiError], str]:
    if 300 <= answer.status < 400:
        return BadRequest, _redirect_advice(answer.headers.get("location", ""))
    return MEANINGS.get(answer.status) or MEANINGS_BY_CLASS.get(answer.status // 100, NOT_IN_CONTRACT)


def _redirect_advice(location: str) -> str:
    """Name the target's host only: the rest of a redirect may carry one-time codes."""
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    target = f" to {host}" if host else ""
    return (
        f"The server redirects{target}; redirects are never followed, so that credentials stay with the configured "
        "host. Set SOURCES__RUNAI__BASE_URL to the control plane's own address."
    )


def _of_page(text: str) -> str:
    if not _is_page(text):
        return text
    title = TITLE.search(text)
    return f"an HTML page titled {title[1]}" if title else "an HTML page"


def _is_page(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def _line(text: str) -> str | None:
    words = " ".join(text.split())
    return (words if len(words) <= LONGEST_QUOTE else words[:LONGEST_QUOTE] + "…") or None

"""Everything that can go wrong with the control plane.

RunaiError
├── ConfigurationError      what the user set cannot work: nothing was or will be loaded until it is mended
└── ApiError                the control plane answered otherwise than hoped, or not at all
    ├── SignInError         credentials or token refused
    ├── PermissionDenied    403: signed in, but the role or its scope does not reach that far
    ├── NotFound            404
    ├── BadRequest          any other refusal (3xx, 4xx): asking again would not help
    └── TransientError      may pass, and was asked for again until the attempts were used up
        ├── Unavailable     429, 5xx, no connection, no answer in time
        └── BrokenAnswer    an answer that is not what the contract says
"""

from __future__ import annotations


class RunaiError(Exception):
    """Base of all errors of this package; its text is one sentence that says what happened and what to do."""


class ConfigurationError(RunaiError):
    """A setting that cannot work: wrong URL, missing credentials, unreadable or untrusted certificate."""


class ApiError(RunaiError):
    """A request that failed.

    `status` is the HTTP status (None if there was no answer), `path` the path asked for, `code` and `message` what
    the API's own error body said, `attempts` how often it was tried.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        path: str = "",
        code: int | str | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.path = path
        self.code = code
        self.message = message
        self.attempts = 1

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.attempts == 1 else f"{text} Gave up after {self.attempts} attempts."


class SignInError(ApiError):
    """The control plane refuses the credentials or the token."""


class PermissionDenied(ApiError):
    """403: the role, or the scope it is given on, does not reach that far."""


class NotFound(ApiError):
    """404: no such thing, or no such endpoint in this version of the control plane."""


class BadRequest(ApiError):
    """A refusal that asking again would not change: a redirect, 400, 405 and their like."""


class TransientError(ApiError):
    """A failure that may pass; `retry_after` is the wait in seconds that the server asked for, if it did."""

    retry_after: float | None = None


class Unavailable(TransientError):
    """No useful answer: throttled, server error, no connection, time-out; `is_of_tls` where TLS kept it from coming."""

    is_of_tls: bool = False


class BrokenAnswer(TransientError):
    """An answer that is not what the contract says."""

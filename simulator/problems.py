"""What the control plane answers when it does not answer: the contract's error body."""

from __future__ import annotations

from http import HTTPStatus

import orjson


class Problem(Exception):  # an answer of the server's, not a failure of it
    """A refusal: HTTP status, message and details, as the contract's `Error` has them."""

    def __init__(self, status: int, message: str, details: str | None = None) -> None:
        super().__init__(f"{status} {message}" + (f": {details}" if details else ""))
        self.status, self.message, self.details = status, message, details

    def body(self) -> bytes:
        """The JSON body."""
        return error_body(self.status, self.message, self.details)


def error_body(status: int, message: str | None = None, details: str | None = None) -> bytes:
    """The contract's error body; without a message, the status's own phrase."""
    body: dict[str, object] = {"code": status, "message": message or HTTPStatus(status).phrase}
    if details is not None:
        body["details"] = details
    return orjson.dumps(body)

"""How long a token is good for."""

from __future__ import annotations

import time

import jwt

RENEW_BEFORE_SECONDS = 60.0


def fits_header(token: str) -> bool:
    """Whether a token can be sent as it is; a library's complaint about one that cannot would quote it."""
    return bool(token) and all("!" <= character <= "~" for character in token)


def claimed_expiry(token: str) -> float | None:
    """The `exp` of a JWT, seconds since 1970; None for opaque tokens."""
    try:
        claimed = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except jwt.InvalidTokenError:
        return None
    # Beyond the year 9999 no date can be shown, and no token lives.
    return float(claimed) if isinstance(claimed, int | float) and 0 <= claimed < 253402300800 else None


def lifetime_seconds(token: str, reply: dict[str, object]) -> float | None:
    """Seconds that a fresh token lives; None if neither the token nor the answer says so, or this clock is wrong."""
    expiry = claimed_expiry(token)
    if expiry is not None and expiry > time.time():
        return expiry - time.time()
    stated = reply.get("expiresIn", reply.get("expires_in"))
    try:
        seconds = float(stated) if isinstance(stated, int | float | str) else 0.0
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def renew_at(now: float, lifetime: float | None) -> float:
    """When to sign in again; tokens of less than two minutes are used for half their life, not renewed every time."""
    return float("inf") if lifetime is None else now + lifetime - min(RENEW_BEFORE_SECONDS, lifetime / 2)

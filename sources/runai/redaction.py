"""Nothing secret in any text."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST_FRAGMENT: Final = 8


class Redactor:
    """Blots secrets out of text that comes from elsewhere: some servers echo what they were sent."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()

    def learn(self, secret: str) -> None:
        """Blot out this secret from now on, in its encoded forms too."""
        urls = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
        quoted = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret.encode())[2:-1]}
        self._secrets |= ({secret} | urls | quoted | set(_in_base64(secret.encode()))) - {""}

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text

    def __repr__(self) -> str:
        return "Redactor()"


def _in_base64(secret: bytes) -> Iterator[str]:
    """What base64 makes of it wherever it stands, less the ends, which hang on its neighbours."""
    for before in range(3):
        text = b64encode(b"x" * before + secret).rstrip(b"=").decode()
        inside = text[4 if before else 0 : len(text) - len(text) % 4]
        # Shorter ones would be found in texts that hold no secret.
        if len(inside) >= SHORTEST_FRAGMENT:
            yield from (inside, inside.translate(str.maketrans("+/", "-_")))

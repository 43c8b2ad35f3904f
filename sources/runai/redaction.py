"""Nothing secret in any text."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus


class Redactor:
    """Blots secrets out of text that comes from elsewhere: some servers echo what they were sent."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()

    def learn(self, secret: str) -> None:
        """Blot out this secret from now on, in its encoded forms too."""
        urls = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
        quoted = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret.encode())[2:-1]}
        self._secrets |= ({secret} | urls | quoted) - {""}

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text

    def __repr__(self) -> str:
        return "Redactor()"

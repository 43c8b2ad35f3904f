"""Control-plane versions, such as 2.21, as numbers that compare."""

from __future__ import annotations

import re
from typing import Final

from sources.runai.errors import ConfigurationError

_VERSION: Final = re.compile(r"\d+\.\d+(\.\d+)*", re.ASCII)

Version = tuple[int, int]
OLDEST: Final[Version] = (2, 18)
"""Of the first control plane whose contract is known."""


def version_of(text: str) -> Version:
    """Return major and minor of a version; what follows them does not matter here.

    Raises:
        ConfigurationError: the text is no version.
    """
    if not _VERSION.fullmatch(text):
        raise ConfigurationError(f"api_version must be a version such as 2.21, not {text!r}.")
    major, minor = text.split(".")[:2]
    return int(major), int(minor)

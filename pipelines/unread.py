"""Keys of the configuration that mean nothing: dlt passes over a misspelled one without a word."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from dlt.common.configuration.specs import BaseConfiguration

from pipelines.reporting import ReportingSettings
from pipelines.settings import project
from sources.runai.connection import RunaiConnection

_SECTIONS: Final[Mapping[str, type[BaseConfiguration]]] = {
    "sources.runai": RunaiConnection,
    "transforms": ReportingSettings,
}
_FILES: Final = ("config.toml", "secrets.toml")


def unread_keys() -> list[str]:
    """Return the keys of the project's files and the environment that nobody reads, each with one that is like it."""
    return [
        f"{key} in {place}{_like(key, section)}"
        for section in _SECTIONS
        for place, key in (*_of_files(section), *_of_environment(section))
        if key not in _SECTIONS[section].get_resolvable_fields()
    ]


def _of_files(section: str) -> Iterator[tuple[str, str]]:
    for name in _FILES:
        path = project() / ".dlt" / name
        found: Any = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for part in section.split("."):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        # Tables below are dlt's own.
        keys = [key for key, value in found.items() if not isinstance(value, dict)] if isinstance(found, dict) else []
        yield from ((f"[{section}] of {name}", key) for key in keys)


def _of_environment(section: str) -> Iterator[tuple[str, str]]:
    prefix = f"{section.replace('.', '__')}__".upper()
    for name in os.environ:
        key = name.removeprefix(prefix)
        if name.startswith(prefix) and "__" not in key:
            yield "the environment", key.lower()


def _like(key: str, section: str) -> str:
    near = get_close_matches(key, _SECTIONS[section].get_resolvable_fields(), n=1)
    return f" (is it {near[0]}?)" if near else ""

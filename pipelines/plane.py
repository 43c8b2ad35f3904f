"""The control plane of a run: the way to it, and the data directory's bond with it.

Pods of two control planes must not meet in one warehouse: to the runs of one, those of the other would have vanished.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pipelines.settings import Settings, UsageError, project
from pipelines.state import write_json

if TYPE_CHECKING:
    from sources.runai.client import RunaiClient
    from sources.runai.connection import RunaiConnection

DEMO: Final = "demo"

_UNCONFIGURED: Final = """\
No control plane is configured. Set in {folder}/.dlt/secrets.toml under [sources.runai], or in the environment:
  base_url                     SOURCES__RUNAI__BASE_URL        https://<tenant>.run.ai, or your own control plane's URL
  client_id and client_secret  SOURCES__RUNAI__CLIENT_ID and SOURCES__RUNAI__CLIENT_SECRET, of a service account,
  or token                     SOURCES__RUNAI__TOKEN           a bearer token instead of these two
Or see it at work first, without any tenant: python pipelines/pods_pipeline.py --demo"""


class Unconfigured(UsageError):
    """Nothing says which control plane to read; the message is five lines on what to set (exit code 2)."""

    def __init__(self) -> None:
        super().__init__(_UNCONFIGURED.format(folder=project()))


class AnotherPlane(UsageError):
    """The data directory holds pods of another control plane than the one to be read (exit code 2)."""


@dataclass(frozen=True)
class ControlPlane:
    """The way to a control plane, and the name that a data directory knows it by."""

    client: RunaiClient
    owner: str


@contextmanager
def control_plane(settings: Settings) -> Iterator[ControlPlane]:
    """The control plane that the settings ask for, for the length of the block.

    Raises:
        UsageError: It is not configured.
    """
    if settings.demo:
        from pipelines.demo import demo_plane

        with demo_plane(settings) as client:
            yield ControlPlane(client, DEMO)
    else:
        from sources.runai.connection import connect

        with connect(configured(concurrency=settings.concurrency)) as client:
            yield ControlPlane(client, urlsplit(client.base_url).hostname or client.base_url)


def configured(**overrides: object) -> RunaiConnection:
    """The connection's settings, from dlt's configuration; `Unconfigured` when no control plane is named."""
    from sources.runai.connection import connection

    found = connection(**overrides)
    if not found.base_url:
        raise Unconfigured
    return found


def claim(settings: Settings, owner: str, *, holds_pods: bool) -> None:
    """Bind the data directory to its control plane, for good once it holds pods; a dry run only looks.

    Raises:
        AnotherPlane: It holds pods of another one.
    """
    path = settings.state_dir / "origin.json"
    bound = _read(path)
    if bound not in (None, owner) and holds_pods:
        raise AnotherPlane(
            f"{settings.data_dir} holds {_words(str(bound))}, not {_words(owner)}: {_way_out(path, bound)}."
        )
    if bound != owner and not settings.dry_run:
        write_json(path, {"control_plane": owner})


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["control_plane"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is damaged and does not say whose pods lie here: remove it if you know, or give another "
            "--data-dir."
        ) from error


def _words(owner: str) -> str:
    return "pods of the demo" if owner == DEMO else f"pods of {owner}"


def _way_out(path: Path, bound: object) -> str:
    if bound == DEMO:
        return "remove it, or give another --data-dir"
    return f"give another --data-dir (or remove {path}, if it is the same control plane under a new name)"

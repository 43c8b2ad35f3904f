"""A manifest held against the schema of Kubernetes: unknown fields, types and versions, and what it says in words only.

The models of the Kubernetes client are made from the schema itself. What it leaves to the server (the words of a list,
quantities, schedules) is checked here of the fields that we use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from croniter import croniter
from kubernetes import client
from kubernetes.utils.quantity import parse_quantity
from pydantic import BaseModel, ValidationError

_KINDS: Final[dict[tuple[str, str], type[BaseModel]]] = {
    ("v1", "PersistentVolumeClaim"): client.V1PersistentVolumeClaim,
    ("batch/v1", "CronJob"): client.V1CronJob,
}


def misfits(manifest: dict[str, Any]) -> Iterator[str]:
    """Say all that a server would refuse of a manifest."""
    kind = _KINDS.get((manifest["apiVersion"], manifest["kind"]))
    if kind is None:
        yield f"there is no {manifest['kind']} in {manifest['apiVersion']}"
        return
    try:
        kind.model_validate(manifest)
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    yield from _words(manifest, "")


def is_schedule(text: object) -> bool:
    """Whether cron and Kubernetes know when that is: five fields."""
    return isinstance(text, str) and len(text.split()) == 5 and croniter.is_valid(text)


def amount(text: object) -> Decimal:
    """A quantity such as `512Mi`; a ValueError if it is none."""
    found: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
    return found


def _is_quantity(text: object) -> bool:
    try:
        return amount(text) >= 0
    except ValueError:
        return False


def _one_of(*words: str) -> Callable[[object], bool]:
    return lambda text: text in words


# By the end of the place. A pod may have `restartPolicy: Always`, and no job takes such a pod.
_WORDS: Final[dict[str, Callable[[object], bool]]] = {
    r"\.schedule": is_schedule,
    r"\.concurrencyPolicy": _one_of("Allow", "Forbid", "Replace"),
    r"\.restartPolicy": _one_of("Never", "OnFailure"),
    r"\.accessModes\.\d+": _one_of("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
    r"\.fsGroupChangePolicy": _one_of("Always", "OnRootMismatch"),
    r"\.seccompProfile\.type": _one_of("Localhost", "RuntimeDefault", "Unconfined"),
    r"\.(requests|limits)\.\w+|\.sizeLimit": _is_quantity,
}


def _words(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _words(inner, f"{place}.{name}" if place else str(name))
        return
    for end, is_good in _WORDS.items():
        if re.search(f"({end})$", place) and not is_good(value):
            yield f"{place}: {value} means nothing there"

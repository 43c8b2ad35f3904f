"""`pods`, `pod_resources` and other children as the payloads of the simulator's pods make them, column by column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import product
from math import ceil
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

from simulator import TruthPod
from simulator.contract import Contract
from simulator.instants import SECOND, Stamps, micros
from simulator.service.disguise import Disguise
from simulator.world.payload import Manner, payload
from simulator.world.pods import RESTARTED, SCHEDULED, STARTED, Pod
from sources.runai.reading.fields import as_instant
from tests.behaviour.columns import Row, row_differences
from tests.behaviour.scene import Scene
from tests.behaviour.truth import INSTANTS, SAME
from tests.trust.seen_past import Look

Part = dict[tuple[str, bool], tuple[Any, ...]]
"""What is requested or allocated of each resource, by its name and whether it is an extended one."""

_TEXTS: Final = SAME | {
    "pod_id": "id",
    "revision_id": "revisionId",
    "node_name": "nodeName",
    "node_pool": "currentNodePool",
    "pod_ip": "ip",
}
_INSTANTS: Final = INSTANTS | {"updated_at": "updatedAt"}
_AMOUNTS: Final = {"gpu": "gpu", "gpu_memory": "gpuMemory", "cpu": "cpu", "cpu_memory": "cpuMemory"}
_UNITS: Final = {"gpu": "gpu", "cpu": "cores", "gpu_memory": "bytes", "cpu_memory": "bytes"}
_NAMES: Final = ("workload_name", "project_name")
_COLUMNS: Final = {"gpu": "gpu", "gpu_memory": "gpu_memory_bytes", "cpu": "cpu_cores", "cpu_memory": "cpu_memory_bytes"}
OF_PODS: Final = {
    "first_observed_at": "it depends on when one looked; held between the pod's coming and its last observation",
    "last_observed_at": "likewise; held between the first observation and the present",
}
"""Columns of `pods` that are not compared, and why."""


@dataclass(frozen=True)
class View:
    """How a control plane shows pods: in its manner, with fields hidden or altered."""

    manner: Manner
    disguise: Disguise

    def payload(self, pod: Pod, flags: int) -> Row:
        """A pod in the state that `flags` names."""
        shown: Row = self.disguise.pod(payload(pod, flags, self.manner), pod.id)
        return shown


def views(here: Scene, versions: Sequence[str]) -> list[View]:
    """Every view that a control plane of these versions may have given of a pod that it shows no more.

    It is at rest: what it hides or alters now, it always did.
    """
    switches = here.simulator.switches
    habits = {
        "stamps": Stamps(switches.fraction_digits),
        "keeps_allocation": switches.keeps_allocation,
        "shows_deleted_at": switches.shows_deleted_at,
    }
    return [
        View(Manner.of(contract, deletion_is_update=is_update, **habits), Disguise(contract, switches))
        for contract, is_update in product(map(Contract, versions), (True, False))
    ]


def named_pods(here: Scene, looks: Iterable[Look]) -> set[str]:
    """Ids of the pods that a run that went well was shown with the names of their workload and project."""
    named = [(seen.world_at, seen.named) for seen in here.simulator.requests if seen.named]
    return {id_ for begin, end in looks for shown_at, ids in named if begin <= shown_at <= end for id_ in ids}


def pod_differences(here: Scene, known: Sequence[View], looks: Iterable[Look]) -> list[str]:
    """Say which columns of `pods` are none of what the payload was in any of the views.

    Only a pod that no run that went well was shown with its names may be without them.
    """
    published, said, named = here.pods(), [], named_pods(here, looks)
    for pod_id, truth in here.shown().items():
        row = published.get(pod_id)
        if row is None:
            said.append(f"{pod_id}: lost")
            continue
        candidates = [_columns(truth, view) for view in known]
        shown = row | {"node_affinity": _json(row["node_affinity"]), "extra": _json(row["extra"])}
        said += [
            f"{pod_id}.{column}: {shown[column]!r}, not {candidates[-1][column]!r}"
            for column in row.keys() - OF_PODS.keys() - {"started_at"}
            if not any(shown[column] == one[column] for one in candidates)
            and not (column.startswith("allocated_") and shown[column] is None and _may_be_unseen(here, truth))
            and not (column in _NAMES and shown[column] is None and pod_id not in named)
        ]
        if (start := row["started_at"] and micros(row["started_at"])) not in _starts(truth, known):
            said.append(f"{pod_id}.started_at: {start}, none of {_starts(truth, known)}")
        if not truth.visible_from <= row["first_observed_at"] <= row["last_observed_at"] <= here.clock.now():
            said.append(f"{pod_id}: observed from {row['first_observed_at']} to {row['last_observed_at']}")
    return said


def resource_differences(here: Scene, known: Sequence[View]) -> list[str]:
    """Say of which pods the rows of `pod_resources` are not what was requested, limited and allocated."""
    requested: dict[str, Part] = {}
    allocated: dict[str, Part] = {}
    shown = here.shown()
    for row in here.rows("pod_resources"):
        key = row["resource"], row["is_extended"]
        about = row["unit"], row["is_excluded"]
        if row["requested_text"] is not None or row["request_limit_text"] is not None:
            names = ("requested", "requested_text", "request_limit", "request_limit_text")
            requested.setdefault(row["pod_id"], {})[key] = (*about, *(row[name] for name in names))
        if row["allocated_text"] is not None:
            allocated.setdefault(row["pod_id"], {})[key] = (*about, row["allocated"], row["allocated_text"])
    said = [f"{pod_id}: made up" for pod_id in (requested.keys() | allocated.keys()) - here.pods().keys()]
    for pod_id, truth in shown.items():
        parts = [(_asked(_payload(truth, view)), _ever_allocated(truth, view)) for view in known]
        was_asked = [dict(_requested(asked, other)) for asked, held in parts for other in (held, None)]
        if (found := requested.get(pod_id, {})) not in was_asked:
            said.append(f"{pod_id}: requested {found}, not {was_asked[-1]}")
        was_given = [dict(_allocated(held, asked)) for asked, held in parts]
        every = {key: value for given in was_given for key, value in given.items()}
        found = allocated.get(pod_id, {})
        is_whole = any(given.items() <= found.items() for given in was_given)
        if not (found.items() <= every.items() and (is_whole or (not found and _may_be_unseen(here, truth)))):
            said.append(f"{pod_id}: allocated {found}, not {was_given[-1]}")
    return said


def child_differences(here: Scene, known: Sequence[View]) -> dict[str, list[str]]:
    """Say, by table, which containers, tolerations and pools of pods are lost, made up or not as the payload has them.

    No view shows them otherwise than another.
    """
    shown = here.shown()
    payloads = {pod_id: _payload(truth, known[-1]) for pod_id, truth in shown.items()}
    said = {}
    for table, (index, rows_of) in _CHILDREN.items():
        told = {(row["pod_id"], row[index]): row for row in here.rows(table) if row["pod_id"] in shown}
        wanted = {
            (pod_id, place): row for pod_id, given in payloads.items() for place, row in enumerate(rows_of(given))
        }
        said[table] = row_differences(told, wanted, without=("pod_id", index))
    return said


def _containers(given: Row) -> Iterator[Row]:
    for one in given.get("containers") or ():
        # [<registry>/]<path>[:<tag>][@<digest>]
        name, _, digest = (one.get("image") or "").partition("@")
        path, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        host = path.partition("/")[0]
        yield {
            "container_name": one.get("name"),
            "image": one.get("image"),
            "image_registry": host if host == "localhost" or set(".:") & set(host) else None,
            "image_repository": path + slash + last or None,
            "image_tag": tag or None,
            "image_digest": digest or None,
            "started_at": _instant(one.get("startedAt")),
        }


def _tolerations(given: Row) -> Iterator[Row]:
    for one in given.get("tolerations") or ():
        names = ("key", "operator", "value", "effect")
        yield {name: one.get(name) for name in names} | {"toleration_seconds": one.get("tolerationSeconds")}


def _node_pools(given: Row) -> Iterator[Row]:
    for name in given.get("requestedNodePools") or ():
        yield {"node_pool": name, "is_current": name == given.get("currentNodePool")}


_CHILDREN: Final[dict[str, tuple[str, Callable[[Row], Iterable[Row]]]]] = {
    "pod_containers": ("container_index", _containers),
    "pod_tolerations": ("toleration_index", _tolerations),
    "pod_node_pools": ("pool_index", _node_pools),
}


def _columns(truth: TruthPod, view: View) -> Row:
    given = _payload(truth, view)
    asked, held = _asked(given), _ever_allocated(truth, view)
    amounts = {
        f"{kind}_{_COLUMNS[name]}": _number(name, part.get((name, False), (None, None, None))[2])
        for kind, part in (("requested", dict(_requested(asked, held))), ("allocated", dict(_allocated(held, asked))))
        for name in _AMOUNTS
    }
    return {
        **{column: given.get(field) for column, field in _TEXTS.items()},
        **{column: _instant(given.get(field)) for column, field in _INSTANTS.items()},
        **amounts,
        "tenant_id": None if given.get("tenantId") is None else str(given["tenantId"]),
        "is_completed": truth.completed_at is not None,
        "is_deleted": truth.deleted_at is not None,
        "is_reachable": True,
        "gpu_request_type": asked.get("gpuRequestType"),
        "mig_profile": asked.get("migProfile"),
        "allocated_mig_profile": (held or {}).get("migProfile"),
        "node_affinity": _known_part(given.get("nodeAffinity")),
        "extra": None,
    }


def _payload(truth: TruthPod, view: View) -> Row:
    return view.payload(truth.pod, truth.pod.flags(truth.at))


def _asked(given: Row) -> Row:
    return given.get("requestedResources") or {}


def _ever_allocated(truth: TruthPod, view: View) -> Row | None:
    """What the pod held while it was on its node; the last value is kept for good."""
    flags = truth.pod.flags(truth.at) & (SCHEDULED | STARTED)
    return view.payload(truth.pod, flags).get("allocatedResources")


def _may_be_unseen(here: Scene, truth: TruthPod) -> bool:
    """Whether the control plane shows no more what the pod held; who looked meanwhile is told by `unseen_seconds`."""
    return not here.simulator.switches.keeps_allocation and truth.pod.stopped <= truth.at


def _starts(truth: TruthPod, known: Sequence[View]) -> set[int | None]:
    """The instants of which one must be the earliest start of a container that was ever shown."""
    flags = truth.pod.flags(truth.at)
    starts = set()
    # Of a container that was started again only the last start is shown; that of its sidecar stays.
    for view, at in product(known, {flags, flags & ~RESTARTED}):
        shown = [_instant(one.get("startedAt")) for one in view.payload(truth.pod, at).get("containers") or ()]
        starts.add(min((micros(start) for start in shown if start is not None), default=None))
    if None in starts and flags & STARTED:
        # The deprecated list may tell what is hidden, in whole seconds or milliseconds.
        starts |= {truth.pod.started // unit * unit for unit in (SECOND, SECOND // 1000)}
    return starts


def _requested(asked: Row, held: Row | None) -> Iterator[tuple[tuple[str, bool], tuple[Any, ...]]]:
    for name, field in _AMOUNTS.items():
        if given := asked.get(field):
            pair = (given.get("request"), given.get("limit"))
            if pair != (None, None):
                yield (name, False), (_UNITS[name], None, *(part for value in pair for part in _amount(value)))
    for key, about, value in _extended(asked, held):
        yield key, (*about, *_amount(value), None, None)


def _allocated(held: Row | None, asked: Row) -> Iterator[tuple[tuple[str, bool], tuple[Any, ...]]]:
    if held is None:
        return
    for name, field in _AMOUNTS.items():
        if held.get(field) is not None:
            yield (name, False), (_UNITS[name], None, *_amount(held[field]))
    for key, about, value in _extended(held, asked):
        yield key, (*about, *_amount(value))


def _extended(part: Row, other: Row | None) -> Iterator[tuple[tuple[str, bool], tuple[None, bool | None], str]]:
    """The extended resources of one part; whether one is excluded may be told in the other part alone."""
    entries, others = (one.get("extendedResources") or () for one in (part, other or {}))
    excluded = {entry.get("resource"): entry["exclude"] for entry in others if entry.get("exclude") is not None}
    for entry in entries:
        if entry.get("quantity") is not None:
            name, exclude = entry.get("resource"), entry.get("exclude")
            yield (name or "", True), (None, excluded.get(name) if exclude is None else exclude), entry["quantity"]


def _amount(value: Any) -> tuple[Decimal | None, str | None]:
    """A quantity by Kubernetes' own reading, None where it is none, and its text."""
    if value is None:
        return None, None
    text = str(value)
    try:
        # Kubernetes knows no unit of bytes, and the API has one for nothing: 0B.
        return parse_quantity(text.removesuffix("B")), text  # type: ignore[no-untyped-call]
    except ValueError:
        return None, text


def _instant(text: str | None) -> datetime | None:
    return None if text is None else as_instant(text)


def _number(name: str, amount: Decimal | None) -> float | int | None:
    if amount is None:
        return None
    return ceil(amount) if _UNITS[name] == "bytes" else float(amount)


def _json(text: str | None) -> Any:
    """What a JSON column holds; None where there is nothing in it but fields that no contract knows."""
    return None if text is None else _known_part(json.loads(text)) or None


def _known_part(value: Any) -> Any:
    """A JSON value without unknown fields and nulls, which may be left out; its numbers are texts, as they may be."""
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if name != "schedulingGate" and part is not None}
        return {name: _known_part(part) for name, part in kept.items()}
    if isinstance(value, list):
        return [_known_part(part) for part in value]
    return value if isinstance(value, bool) or not isinstance(value, int | float) else str(value)
